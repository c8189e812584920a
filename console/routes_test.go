package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// concrete makes a path of a pattern's.
func (w *world) concrete(pattern, finding, cap string) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	id := finding
	if strings.Contains(path, "/captures/{id}") {
		id = cap
	}
	if strings.Contains(path, "/watches/") {
		id = w.watch.ID.String()
	}
	return method, strings.NewReplacer("{id}", id, "{$}", "", "{role}", "dom", "{tile}", "0", "{action}", "pause", "{name}", "console.css", "{case}", "case-0").Replace(path)
}

// TestEveryRouteHasItsRoles walks the table: nobody gets in anywhere that is
// not public, and each role gets in exactly where the table says.
func TestEveryRouteHasItsRoles(t *testing.T) {
	w := newWorld(t)
	f := w.found("7", "Belvoir bag", 0.9)
	people := map[Role]*browser{}
	for _, r := range Roles() {
		people[r] = w.as(r)
	}
	nobody := w.nobody()
	publics := 0
	for _, rt := range routes() {
		method, path := w.concrete(rt.pattern, f.ID.String(), f.Capture.String())
		if len(rt.may) == 0 {
			publics++
			continue
		}
		r := nobody.do(method, path, strings.NewReader(""), "application/x-www-form-urlencoded")
		switch {
		case method == http.MethodGet && !strings.HasPrefix(path, "/api/"):
			if r.Code != http.StatusSeeOther || !strings.HasPrefix(r.Header().Get("Location"), "/signin?next=") {
				t.Errorf("%s: nobody got %d to %q", rt.pattern, r.Code, r.Header().Get("Location"))
			}
		case r.Code != http.StatusUnauthorized:
			t.Errorf("%s: nobody got %d", rt.pattern, r.Code)
		}
		if !rt.may.has(Admin) {
			t.Errorf("%s: not even for an admin", rt.pattern)
		}
		if strings.Contains(rt.pattern, "signout") || strings.Contains(rt.pattern, "DELETE") {
			continue // it would end the sessions
		}
		for role, b := range people {
			code := b.do(method, path, strings.NewReader(""), "application/x-www-form-urlencoded").Code
			if forbidden := code == http.StatusForbidden; forbidden == rt.may.has(role) {
				t.Errorf("%s: a person with role %s got %d", rt.pattern, role, code)
			}
			if code >= 500 {
				t.Errorf("%s: a person with role %s got %d", rt.pattern, role, code)
			}
		}
	}
	if publics != 5 {
		t.Errorf("%d routes need no session; a new one must be meant", publics)
	}
}

func TestTheTableSaysWhatRolesAreFor(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		may     []Role
	}{
		{"POST /captures/{id}/hold", []Role{Legal, Admin}},
		{"POST /findings/{id}/decision", []Role{Analyst, Legal, Admin}},
		{"GET /captures/{id}/file/{role}/{tile}", []Role{Analyst, Legal, Admin}},
		{"GET /captures/{id}", []Role{Viewer, Analyst, Legal, Admin}},
		{"POST /lanes", []Role{Operator, Admin}},
		{"GET /status", []Role{Operator, Admin}},
	} {
		for _, r := range Roles() {
			want := false
			for _, m := range tt.may {
				want = want || m == r
			}
			if got := rules()[tt.pattern].has(r); got != want {
				t.Errorf("%s for %s: %v, want %v", tt.pattern, r, got, want)
			}
		}
	}
}

func TestRequestsOfOtherSitesDoNothing(t *testing.T) {
	w := newWorld(t)
	f := w.found("7", "Belvoir bag", 0.9)
	b := w.as(Analyst)
	form := url.Values{"choice": {"counterfeit"}, "version": {"0"}}
	for name, change := range map[string]func(*http.Request){
		"cross-site":        func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"same-site":         func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"old browser":       func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") },
		"another port here": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "http://127.0.0.1:9999") },
		"rebound name":      func(r *http.Request) { r.Host = "evil.example" },
		"rebound with port": func(r *http.Request) { r.Host = "evil.example:8480" },
		"a name like ours":  func(r *http.Request) { r.Host = "127.0.0.1.evil.example:8480" },
		"no name":           func(r *http.Request) { r.Host = "" },
		"another address":   func(r *http.Request) { r.Host = "192.0.2.7:8480" },
	} {
		b.change = change
		if r := b.post("/findings/"+f.ID.String()+"/decision", form); r.Code != http.StatusForbidden && r.Code != http.StatusMisdirectedRequest {
			t.Errorf("%s: got %d", name, r.Code)
		}
	}
	if got := must(w.ledger.Finding(t.Context(), f.ID))(t); got.Version != 0 {
		t.Errorf("the finding was decided %d times", got.Version)
	}
	b.change = nil
	if r := b.post("/findings/"+f.ID.String()+"/decision", form); r.Code != http.StatusSeeOther {
		t.Errorf("our own request got %d", r.Code)
	}
}

func TestHostsOnANetwork(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *Deps) { c.Listen, c.URL = "0.0.0.0:8480", "https://console.example.org" })
	for host, want := range map[string]bool{
		"console.example.org": true, "CONSOLE.example.org": true, "192.0.2.7:8480": true, "[2001:db8::1]:8480": true,
		"evil.example": false, "console.example.org.evil.example": false, "localhost": false, "": false,
	} {
		if got := w.srv.answersTo(host); got != want {
			t.Errorf("host %q: %v, want %v", host, got, want)
		}
	}
	r := w.nobody()
	r.change = func(r *http.Request) { r.Host = "console.example.org" }
	if got := r.get("/signin").Header().Get("Strict-Transport-Security"); got == "" {
		t.Error("behind TLS there is no Strict-Transport-Security")
	}
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	w := newWorld(t)
	f := w.found("7", "Belvoir bag", 0.9)
	b := w.as(Admin)
	for _, path := range []string{"/findings", "/findings/" + f.ID.String(), "/nowhere", "/api/v1/findings", "/static/console.css", "/captures/" + f.Capture.String() + "/image/viewport/0", "/captures/" + f.Capture.String() + "/file/dom/0"} {
		h := b.get(path).Header()
		for _, k := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Resource-Policy", "X-Frame-Options", "Cache-Control"} {
			if h.Get(k) == "" {
				t.Errorf("%s has no %s", path, k)
			}
		}
		if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s has the policy %q", path, csp)
		}
	}
}

func TestTheWayBackStaysHere(t *testing.T) {
	for in, want := range map[string]string{
		"/findings?state=new": "/findings?state=new", "": "/", "//evil.example": "/", "https://evil.example/": "/", "/\\evil.example": "/",
		"javascript:alert(1)": "/", "/signin?next=/signin": "/", "findings": "/", "/a\r\nSet-Cookie: x": "/", "/%2f/evil.example": "/",
	} {
		if got := local(in); got != want {
			t.Errorf("%q leads to %q, want %q", in, got, want)
		}
	}
}

// TestLinksFromOtherSitesKeepTheSession: a browser does not send our cookie
// along with a link from a mail; the page asks for itself again.
func TestLinksFromOtherSitesKeepTheSession(t *testing.T) {
	w := newWorld(t)
	b := w.nobody()
	b.change = func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
	}
	if r := b.get("/findings"); r.Code != http.StatusOK || !strings.Contains(r.Body.String(), `http-equiv="refresh"`) {
		t.Errorf("got %d", r.Code)
	}
}
