package crawler_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/site"
)

// secret needs escaping in addresses, in HTML and in JSON.
const (
	secret   = `s3cr&t/value<>+of=the%20profile`
	theirs   = "given-in-exchange-by-the-site"
	netscape = "# Netscape HTTP Cookie File\n#HttpOnly_.shop.example\tTRUE\t/\tFALSE\t0\tsid\t" + secret +
		"\n.shop.example\tTRUE\t/\tFALSE\t4000000000\tlang\ten\nshop.example\tFALSE\t/\tFALSE\t1000000000\told\tlong-since-expired\n"
)

// echo is a shop that repeats a visitor's cookies wherever it can.
type echo struct {
	mu   sync.Mutex
	seen map[string][]string // Cookie fields by host and path
}

func (e *echo) cookies(key string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.seen[key])
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := r.Header.Get("Cookie")
	e.mu.Lock()
	if e.seen == nil {
		e.seen = map[string][]string{}
	}
	key := r.Host + r.URL.Path
	e.seen[key] = append(e.seen[key], c)
	e.mu.Unlock()
	sid := ""
	if got, err := r.Cookie("sid"); err == nil {
		sid = got.Value
	}
	h := w.Header()
	switch r.URL.Path {
	case "/robots.txt":
		http.NotFound(w, r)
		return
	case "/item/77/short": // the secret in the address
		http.Redirect(w, r, "/item/77?s="+url.QueryEscape(sid), http.StatusFound)
		return
	case "/item/78":
		http.Redirect(w, r, "http://elsewhere.example/item/77", http.StatusFound)
		return
	case "/api":
		body, _ := io.ReadAll(r.Body)
		h.Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{"session": sid, "sent": string(body)})
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Add("Set-Cookie", "sid="+sid+"; Path=/; HttpOnly")
	h.Add("Set-Cookie", "fresh="+theirs+"; Path=/")
	h.Set("X-Session", sid)
	quoted, _ := json.Marshal(sid)
	page := shopPage("Handbag", "<p id=echo>"+strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(sid)+
		`</p><img src="/pixel?s=`+url.QueryEscape(sid)+`"><script>const s = `+string(quoted)+`; fetch('/api', {method: 'POST', body: s})</script>`)
	h.Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	io.WriteString(z, page)
	z.Close()
}

func cookieFile(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cookies")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	return path
}

func withLogin(t *testing.T, text string) func(*crawler.Deps) {
	return func(d *crawler.Deps) {
		l, err := crawler.OpenLogin(d.Sites, "shop", cookieFile(t, text, 0o600))
		if err != nil {
			t.Fatal(err)
		}
		d.Logins = map[string]*crawler.Login{"shop": l}
	}
}

// hidden fails when any form of a secret is in what would be kept.
func hidden(t *testing.T, kept []byte) {
	t.Helper()
	for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), "s3cr&amp;t", `s3cr\u0026t`, "s3cr%26t", "s3cr&t", theirs, "long-since-expired"} {
		if i := bytes.Index(kept, []byte(form)); i >= 0 {
			t.Errorf("%q is kept: ...%q", form, kept[max(0, i-120):min(len(kept), i+60)])
		}
	}
}

func TestALoginIsSentToItsSiteAndKeptNowhere(t *testing.T) {
	for _, mode := range []site.RenderMode{site.RenderNever, site.RenderAlways} {
		t.Run(string(mode), func(t *testing.T) {
			e := &echo{}
			s := newShop(t, e, shopConfig{chrome: mode == site.RenderAlways, deps: withLogin(t, netscape)})
			res := s.visit(t, "http://shop.example/item/77/short", mode)
			c := res.Capture
			got := e.cookies("shop.example/item/77")
			if len(got) != 1 || !strings.Contains(got[0], "sid="+secret) || !strings.Contains(got[0], "lang=en") || strings.Contains(got[0], "old=") {
				t.Fatalf("the shop was sent %q; %s %v", got, c.Outcome, c.Evidence)
			}
			if r := e.cookies("shop.example/robots.txt"); len(r) != 1 || r[0] != "" {
				t.Errorf("robots.txt was asked with %q", r)
			}
			kept := s.everything(t, res)
			hidden(t, kept)
			// The test can fail: what stands beside the secret is kept.
			for _, want := range []string{"sid=[masked]", "fresh=[masked]", "id=\"echo\"", "POST", "/pixel?s=[masked]"} {
				if mode == site.RenderNever && (want == "POST" || want == "id=\"echo\"" || strings.HasPrefix(want, "/pixel")) {
					continue
				}
				if !bytes.Contains(kept, []byte(want)) {
					t.Errorf("%q is not kept", want)
				}
			}
			if o := strings.Join(c.Policy.Overrides, " "); !strings.Contains(o, "login profile of shop; cookie values of the login profile are not kept; 1 of its 3 cookies had expired") {
				t.Errorf("overrides: %q", o)
			}
			changed := slices.ContainsFunc(c.Missing, func(m capture.Missing) bool { return m.What == "body" && strings.Contains(m.Reason, "masked") })
			if !changed || c.Outcome != capture.Partial || res.Reading.Listing == nil {
				t.Errorf("outcome %s, missing %v", c.Outcome, c.Missing)
			}
		})
	}
}

func TestALoginDoesNotLeaveItsSite(t *testing.T) {
	for _, mode := range []site.RenderMode{site.RenderNever, site.RenderAlways} {
		t.Run(string(mode), func(t *testing.T) {
			e := &echo{}
			cfg := shopConfig{chrome: mode == site.RenderAlways, deps: withLogin(t, netscape)}
			cfg.egress.Override = map[string]string{}
			s := newShop(t, e, cfg)
			cfg.egress.Override["elsewhere.example"] = s.addr
			s = newShop(t, e, cfg) // the same, and another site at the same place
			s.visit(t, "http://shop.example/item/78", mode)
			for _, key := range []string{"elsewhere.example/item/77"} {
				if got := e.cookies(key); len(got) != 1 || strings.Contains(got[0], "s3cr") {
					t.Errorf("%s was sent %q", key, got)
				}
			}
			// A visit to another site is a stranger's, and nothing of it is masked.
			res := s.visit(t, "http://elsewhere.example/item/77", mode)
			if len(res.Capture.Policy.Overrides) != 0 {
				t.Errorf("overrides %v", res.Capture.Policy.Overrides)
			}
			if !bytes.Contains(s.everything(t, res), []byte("fresh="+theirs)) {
				t.Error("a stranger's cookies were masked too")
			}
		})
	}
}

func TestJSONLoginsAreTheSame(t *testing.T) {
	value, _ := json.Marshal(secret)
	one := `{"name":"sid","value":` + string(value) + `,"domain":".shop.example","path":"/","sameSite":"Lax","session":true}`
	for _, doc := range []string{"[" + one + "]", `{"cookies":[` + one + `],"origins":[]}`} {
		e := &echo{}
		s := newShop(t, e, shopConfig{deps: withLogin(t, doc)})
		hidden(t, s.everything(t, s.visit(t, "http://www.shop.example/item/77", site.RenderNever)))
		if got := e.cookies("www.shop.example/item/77"); len(got) != 1 || got[0] != "sid="+secret {
			t.Errorf("the shop was sent %q", got)
		}
	}
}

func TestCookieFilesThatAreRefused(t *testing.T) {
	sites := sitesOf(t, "")
	line := func(domain, name, value string) string {
		return strings.Join([]string{domain, "TRUE", "/", "FALSE", "0", name, value}, "\t") + "\n"
	}
	for _, c := range []struct{ name, text, want string }{
		{"another site", line(".shop.example", "a", "b") + line(".tracker.example", "c", "hush-hush"), `cookie 2 is for "tracker.example"`},
		{"a domain above the site", line(".example", "a", "hush-hush"), `is for "example"`},
		{"nothing", "# comment\n", "no cookie"},
		{"not seven fields", "shop.example\tsid\thush-hush\n", "line 1 has 3 fields"},
		{"no time", strings.Replace(line("shop.example", "a", "hush-hush"), "\t0\t", "\tsoon\t", 1), "line 1: the fifth field"},
		{"no JSON", `[{"name": hush-hush}]`, "not a JSON list"},
		{"no domain", `[{"name": "a", "value": "hush-hush"}]`, "cookie 1 needs name, value and domain"},
		{"a value that ends the field", `[{"name": "a", "value": "hush-hush\r\nX: y", "domain": "shop.example"}]`, "cookie 1: its value"},
		{"a value with a blank", line("shop.example", "a", "hush hush"), "cookie 1: its value"},
		{"a value with a quote", line("shop.example", "a", `hush"hush`), "cookie 1: its value"},
		{"a name that is a pair", `[{"name": "a=b", "value": "hush-hush", "domain": "shop.example"}]`, "cookie 1: its name"},
		{"a bad path", `[{"name": "a", "value": "hush-hush", "domain": "shop.example", "path": "x"}]`, "cookie 1: its path"},
		{"too long", line("shop.example", "a", "hush-hush"+strings.Repeat("x", 5000)), "longer than"},
		{"too many", strings.Repeat(line("shop.example", "a", "hush-hush"), 501), "501 cookies"},
	} {
		_, err := crawler.OpenLogin(sites, "shop", cookieFile(t, c.text, 0o600))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o644} {
		if _, err := crawler.OpenLogin(sites, "shop", cookieFile(t, netscape, mode)); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if _, err := crawler.OpenLogin(sites, "unknown", cookieFile(t, netscape, 0o600)); err == nil || !strings.Contains(err.Error(), "no") {
		t.Errorf("a site that is not known: %v", err)
	}
	l, err := crawler.ParseLogin(sites, "shop", []byte(netscape))
	if err != nil {
		t.Fatal(err)
	}
	j, _ := json.Marshal(l)
	for _, text := range []string{fmt.Sprint(l), fmt.Sprintf("%+v %#v %s", l, l, l), string(j)} {
		if strings.Contains(text, "s3cr") {
			t.Errorf("a login prints: %s", text)
		}
	}
}

func FuzzParseLogin(f *testing.F) {
	sites := sitesOf(f, "")
	f.Add([]byte(netscape))
	f.Add([]byte(`[{"name":"a","value":"b","domain":"shop.example","expires":1e300}]`))
	f.Add([]byte(`{"cookies":[{"name":"a","value":"b","domain":".shop.example","expirationDate":-1}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		l, err := crawler.ParseLogin(sites, "shop", doc)
		if (l == nil) == (err == nil) {
			t.Errorf("%q: %v, %v", doc, l, err)
		}
	})
}
