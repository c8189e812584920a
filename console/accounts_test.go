package console

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAccountsKeepTheirSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts.jsonl")
	a := OpenAccounts(path, rand.Reader, time.Now) // the real cost, once
	if err := a.Add("ann", Analyst, "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	fi := must(os.Stat(path))(t)
	text := string(must(os.ReadFile(path))(t))
	if fi.Mode().Perm() != 0o600 || !strings.Contains(text, "$argon2id$v=19$m=65536,t=3,p=1$") || strings.Contains(text, "horse") {
		t.Errorf("the file has mode %v and %s", fi.Mode(), text)
	}
	x := must(a.Check(t.Context(), "ann", "correct horse battery"))(t)
	if x.Role != Analyst {
		t.Errorf("the account is %+v", x)
	}
	if s := fmt.Sprintf("%v %+v %#v %s", x, x, x, x.Hash); strings.Contains(s, "argon2id$") {
		t.Errorf("a hash prints: %s", s)
	}
	for _, tt := range [][2]string{{"ann", "wrong horse battery"}, {"bob", "correct horse battery"}, {"ann", strings.Repeat("x", 1000)}, {"", ""}} {
		if _, err := a.Check(t.Context(), tt[0], tt[1]); !errors.Is(err, ErrSignIn) {
			t.Errorf("%q with %.20q: %v", tt[0], tt[1], err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := a.List(); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others can read: %v", err)
	}
}

func TestAccountsRefuse(t *testing.T) {
	a := OpenAccounts(filepath.Join(t.TempDir(), "a"), rand.Reader, time.Now)
	a.cost = cost{8, 1, 1}
	if err := a.Add("ann", Viewer, "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"twice":           a.Add("ann", Viewer, "correct horse battery"),
		"short password":  a.Add("bob", Viewer, "short"),
		"no role":         a.Add("bob", "boss", "correct horse battery"),
		"name with space": a.Add("bob b", Viewer, "correct horse battery"),
		"name with break": a.Add("bob\n", Viewer, "correct horse battery"),
		"no name":         a.Add("", Viewer, "correct horse battery"),
		"remove nobody":   a.Remove("bob"),
		"role of nobody":  a.SetRole("bob", Admin),
		"no such role":    a.SetRole("ann", "boss"),
		"password of no":  a.SetPassword("bob", "correct horse battery"),
	} {
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	for _, line := range []string{"{}", `{"name":"x","role":"boss"}`, "nonsense", `{"name":"x","role":"admin","more":1}`} {
		if _, err := parseAccounts([]byte(line)); err == nil {
			t.Errorf("%s was read", line)
		}
	}
	for _, h := range []hash{"", "$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA", "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA", "$argon2id$v=19$m=8,t=0,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA", "$argon2id$v=19$m=8,t=1,p=1$$"} {
		if ok, err := h.matches("x"); ok || err == nil {
			t.Errorf("%q was taken", string(h))
		}
	}
}

func TestSessionsEnd(t *testing.T) {
	w := newWorld(t)
	code := func(b *browser) int { return b.get("/api/v1/me").Code }
	b := w.as(Viewer)
	c := b.cookie
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || len(c.Value) != 43 {
		t.Errorf("the cookie is %v", c)
	}
	w.clock.forward(w.srv.cfg.SessionIdle - time.Second)
	if code(b) != http.StatusOK {
		t.Error("a session that is used ended")
	}
	w.clock.forward(w.srv.cfg.SessionIdle + time.Second)
	if code(b) != http.StatusUnauthorized {
		t.Error("an idle session goes on")
	}
	b = w.as(Viewer)
	for range 13 {
		w.clock.forward(time.Hour)
		code(b)
	}
	if code(b) != http.StatusUnauthorized {
		t.Error("a session has no end")
	}
	b = w.as(Viewer)
	if err := w.srv.accounts.SetRole("viewer", Operator); err != nil {
		t.Fatal(err)
	}
	if b.get("/findings").Code != http.StatusForbidden || b.get("/status").Code != http.StatusOK {
		t.Error("another role does not count at once")
	}
	if err := w.srv.accounts.SetPassword("viewer", "another horse battery"); err != nil {
		t.Fatal(err)
	}
	if code(b) != http.StatusUnauthorized {
		t.Error("a session outlives the password")
	}
	b = w.as(Legal)
	if err := w.srv.accounts.Remove("legal"); err != nil {
		t.Fatal(err)
	}
	if code(b) != http.StatusUnauthorized {
		t.Error("a session outlives its account")
	}
	b = w.as(Admin)
	if r := b.post("/signout", nil); r.Code != http.StatusSeeOther || r.Header().Get("Clear-Site-Data") == "" {
		t.Errorf("signing out got %d", r.Code)
	}
	if code(b) != http.StatusUnauthorized {
		t.Error("a session outlives signing out")
	}
	b.cookie = &http.Cookie{Name: "trawlmark", Value: "made up"}
	if code(b) != http.StatusUnauthorized {
		t.Error("a made-up token is a session")
	}
}

func TestGuessingIsSlowed(t *testing.T) {
	w := newWorld(t)
	if err := w.srv.accounts.Add("ann", Admin, "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	b := w.nobody()
	try := func(name, password string) int {
		return b.post("/signin", url.Values{"name": {name}, "password": {password}}).Code
	}
	for range 5 {
		if got := try("ann", "wrong"); got != http.StatusUnauthorized {
			t.Fatalf("a wrong password got %d", got)
		}
	}
	if got := try("ann", "correct horse battery"); got != http.StatusTooManyRequests {
		t.Errorf("the sixth try at once got %d", got)
	}
	w.clock.forward(time.Second + time.Millisecond)
	if got := try("ann", "wrong"); got != http.StatusUnauthorized {
		t.Errorf("a try after the wait got %d", got)
	}
	w.clock.forward(time.Second + time.Millisecond)
	if got := try("ann", "correct horse battery"); got != http.StatusTooManyRequests {
		t.Errorf("the wait does not grow: got %d", got)
	}
	w.clock.forward(time.Minute + time.Second)
	if got := try("ann", "correct horse battery"); got != http.StatusSeeOther {
		t.Errorf("the right password after the wait got %d", got)
	}
	// Many names from one client are slowed too.
	got := 0
	for i := 0; i < 40 && got != http.StatusTooManyRequests; i++ {
		got = try(fmt.Sprintf("name%d", i), "wrong")
	}
	if got != http.StatusTooManyRequests {
		t.Error("one client may try many names")
	}
	if wait := w.srv.byName.pause(1000); wait != time.Minute {
		t.Errorf("the longest wait is %s", wait)
	}
}

func TestThrottleStaysBounded(t *testing.T) {
	c := &clock{t: noon}
	th := &throttle{now: c.now, free: 1, step: time.Second, limit: time.Minute}
	for i := range maxThrottled + 10 {
		th.failed(fmt.Sprint(i))
	}
	if len(th.all) > maxThrottled {
		t.Errorf("%d names are kept", len(th.all))
	}
}

func TestOneTimeLink(t *testing.T) {
	w := newWorld(t)
	link := must(w.srv.SignInLink())(t)
	token := link[strings.Index(link, "token=")+6:]
	if !strings.HasPrefix(link, "http://127.0.0.1:8480/signin?token=") || len(token) != 43 {
		t.Fatalf("the link is %s", link)
	}
	b := w.nobody()
	if body := b.page("/signin?token=" + token); !strings.Contains(body, "data-auto") {
		t.Error("the page of the link is no form: looking at it must not use it up")
	}
	use := func() (int, *http.Cookie) {
		r := b.post("/signin", url.Values{"token": {token}})
		if c := r.Result().Cookies(); len(c) > 0 {
			return r.Code, c[0]
		}
		return r.Code, nil
	}
	b.change = func(r *http.Request) { r.RemoteAddr = "192.0.2.9:1" }
	if code, _ := use(); code != http.StatusUnauthorized {
		t.Errorf("from another machine it got %d", code)
	}
	b.change = nil
	code, cookie := use()
	if code != http.StatusSeeOther {
		t.Fatalf("the link got %d", code)
	}
	if code, _ := use(); code != http.StatusUnauthorized {
		t.Errorf("the second use got %d", code)
	}
	b.cookie = cookie
	if _, m := b.json(http.MethodGet, "/api/v1/me", ""); m["role"] != "admin" || m["name"] != "local" {
		t.Errorf("signed in as %v", m)
	}
	// The first account ends this way in.
	if err := w.srv.accounts.Add("ann", Admin, "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	if b.get("/api/v1/me").Code != http.StatusUnauthorized {
		t.Error("the session of the link outlives the first account")
	}
	if link := must(w.srv.SignInLink())(t); link != "" {
		t.Error("there is a link although there are accounts")
	}
	open := newWorld(t, func(c *Config, _ *Deps) { c.Listen = "0.0.0.0:8480" })
	if link := must(open.srv.SignInLink())(t); link != "" {
		t.Error("there is a link although other machines reach the console")
	}
}

func TestConfigRefuses(t *testing.T) {
	good := Config{Listen: "127.0.0.1:1", AccountsFile: "x"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Config){
		"listen": func(c *Config) { c.Listen = "nonsense" }, "url": func(c *Config) { c.URL = "console.example" }, "path": func(c *Config) { c.URL = "https://x.example/console" },
		"scheme": func(c *Config) { c.URL = "ftp://x.example" }, "file": func(c *Config) { c.AccountsFile = "" }, "idle": func(c *Config) { c.SessionIdle = -1 },
	} {
		c := good
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
