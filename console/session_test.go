package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/console/session"
)

// second is another console over the same database, as another process is.
func (w *world) second() http.Handler {
	w.t.Helper()
	deps := w.deps
	deps.Sessions = must(session.Open(w.t.Context(), w.open()))(w.t)
	return must(New(w.cfg, deps))(w.t).Handler()
}

// Who signs in at one console is signed in at every one, and after a restart;
// who signs out everywhere is signed in at none.
func TestConsolesShareSessions(t *testing.T) {
	w := newWorld(t)
	first, second := w.h, w.second()
	code := func(h http.Handler, b *browser) int {
		t.Helper()
		w.h = h
		defer func() { w.h = first }()
		return b.get("/api/v1/me").Code
	}
	phone, desk, other := w.as(Legal), w.as(Legal), w.as(Viewer)
	for _, h := range []http.Handler{first, second, w.second()} {
		for _, b := range []*browser{phone, desk, other} {
			if got := code(h, b); got != http.StatusOK {
				t.Fatalf("a session of another console is answered %d", got)
			}
		}
	}
	// Use counts wherever it happens.
	for range 3 {
		w.clock.forward(w.srv.cfg.SessionIdle - time.Minute)
		if got := code(second, phone); got != http.StatusOK {
			t.Fatalf("a session that is used at the second console is answered %d", got)
		}
		for _, b := range []*browser{desk, other} {
			code(second, b)
		}
	}
	if got := code(first, phone); got != http.StatusOK {
		t.Errorf("a session that was used at the second console is answered %d by the first", got)
	}
	// One device signs out.
	if r := phone.post("/signout", nil); r.Code != http.StatusSeeOther || code(second, phone) != http.StatusUnauthorized || code(second, desk) != http.StatusOK {
		t.Errorf("signing out of one session: %d, then %d and %d", r.Code, code(second, phone), code(second, desk))
	}
	// All of a person's.
	phone = w.as(Legal)
	if !strings.Contains(phone.page("/help"), `name="everywhere"`) {
		t.Error("no page offers to sign out everywhere")
	}
	if r := phone.post("/signout", url.Values{"everywhere": {"true"}}); r.Code != http.StatusSeeOther {
		t.Errorf("signing out everywhere is answered %d: %s", r.Code, r.Body)
	}
	for _, h := range []http.Handler{first, second} {
		if code(h, phone) != http.StatusUnauthorized || code(h, desk) != http.StatusUnauthorized || code(h, other) != http.StatusOK {
			t.Errorf("afterwards: %d, %d, and somebody else's %d", code(h, phone), code(h, desk), code(h, other))
		}
	}
	status, got := other.json(http.MethodDelete, "/api/v1/session", `{"everywhere":"true"}`)
	if status != http.StatusOK || got["sessions"] != 1.0 || code(second, other) != http.StatusUnauthorized {
		t.Errorf("a program that signs out everywhere gets %d, %v", status, got)
	}
}

// Another password ends what the old one began, at every console.
func TestAnotherPasswordEndsSessionsEverywhere(t *testing.T) {
	w := newWorld(t)
	b := w.as(Legal)
	if err := w.srv.accounts.SetPassword("legal", "another horse battery"); err != nil {
		t.Fatal(err)
	}
	w.h = w.second()
	if r := b.get("/api/v1/me"); r.Code != http.StatusUnauthorized {
		t.Errorf("the old session is answered %d", r.Code)
	}
}
