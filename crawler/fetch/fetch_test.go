package fetch_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/egress"
	"github.com/trawlmark/trawlmark/crawler/fetch"
)

var outside = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

// get fetches url with a fresh session; change may alter the request.
func get(t *testing.T, cfg fetch.Config, guard egress.Config, url string, change func(*fetch.Request)) (*fetch.Result, *egress.Session) {
	t.Helper()
	if guard.Allow == nil {
		guard.Allow = outside
	}
	g, err := egress.New(guard)
	if err != nil {
		t.Fatal(err)
	}
	s := g.Session()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	req := fetch.Request{URL: url, Session: s, NewID: capture.NewIDSource(time.Now, rand.Reader).New}
	if change != nil {
		change(&req)
	}
	res := fetch.New(cfg).Fetch(t.Context(), req)
	t.Cleanup(func() {
		if err := res.Cleanup(); err != nil {
			t.Error(err)
		}
	})
	for i, e := range res.Exchanges {
		if e.ID.IsZero() || e.Started.IsZero() || e.Finished.Before(e.Started) || !e.Main || e.Via != "http" || e.Kind != "document" {
			t.Errorf("exchange %d is not complete: %+v", i, e)
		}
		if (e.Status == 0) != (e.Failure != nil) {
			t.Errorf("exchange %d has status %d and failure %v", i, e.Status, e.Failure)
		}
	}
	if res.Outcome != "" && (!res.Outcome.Valid() || len(res.Evidence) == 0) {
		t.Errorf("outcome %q with evidence %q", res.Outcome, res.Evidence)
	}
	return res, s
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

// raw answers every connection with the same bytes, then closes, unless hold
// is closed later.
func raw(t *testing.T, answer string, hold chan struct{}) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.ReadAtLeast(c, make([]byte, 4096), 10)
			io.WriteString(c, answer)
			if hold != nil {
				<-hold
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return "http://" + l.Addr().String()
}

func wire(t *testing.T, e *capture.Exchange) string {
	t.Helper()
	b, err := capture.ReadAll(e.Body, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFieldsAreAsOnTheWire(t *testing.T) {
	url := raw(t, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 All right then\r\nx-LOWER: 1\r\nZ: 1\r\nA: 2\r\nz: 3\r\nContent-Type: text/HTML; charset=iso-8859-1\r\nContent-Length: 4\r\nX-Empty:\r\n\r\ncaf\xe9", nil)
	res, _ := get(t, fetch.Config{}, egress.Config{}, url+"/a?b#frag", func(r *fetch.Request) {
		r.Referer, r.UserAgent, r.AcceptLanguage = "http://from.example/", "Honest/1.0", "de"
		r.Cookies = []*http.Cookie{{Name: "lang", Value: "de"}}
	})
	e := res.Exchanges[0]
	var names []string
	for _, f := range e.ResponseHeader {
		names = append(names, f.Name+"="+f.Value)
	}
	if got := strings.Join(names, "|"); got != "x-LOWER=1|Z=1|A=2|z=3|Content-Type=text/HTML; charset=iso-8859-1|Content-Length=4|X-Empty=" {
		t.Errorf("fields: %s", got)
	}
	if e.Status != 200 || e.StatusText != "All right then" || e.Protocol != "http/1.1" || e.URL != url+"/a?b" || e.Method != "GET" {
		t.Errorf("exchange: %+v", e)
	}
	if string(res.Body) != "caf\xe9" || wire(t, e) != "caf\xe9" {
		t.Errorf("the character set was changed: %q, %q", res.Body, wire(t, e))
	}
	if res.MediaType != "text/html" || res.Outcome != "" || res.FirstByte <= 0 || res.Elapsed <= 0 {
		t.Errorf("result: %+v", res)
	}
	if e.Remote.String() != strings.TrimPrefix(url, "http://") {
		t.Errorf("remote %v", e.Remote)
	}
	sent := e.RequestHeader
	for name, want := range map[string]string{
		"Host": strings.TrimPrefix(url, "http://"), "User-Agent": "Honest/1.0", "Accept-Language": "de",
		"Accept-Encoding": "gzip, deflate, br, zstd", "Referer": "http://from.example/", "Cookie": "lang=de",
	} {
		if got := sent.Get(name); got != want {
			t.Errorf("sent %s: %q, want %q", name, got, want)
		}
	}
	if sent[0].Name != "Host" {
		t.Errorf("request fields are not in wire order: %+v", sent)
	}
}

// A stream of empty members decodes to nothing for as long as it lasts.
func TestRedirects(t *testing.T) {
	var srv *httptest.Server
	srv = serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/start":
			http.SetCookie(w, &http.Cookie{Name: "seen", Value: "1", Path: "/"})
			w.Header().Set("Location", "two words?q=ü&%zz#frag")
			w.WriteHeader(http.StatusFound)
			io.WriteString(w, "moved")
		case "/two words":
			if c, err := r.Cookie("seen"); err != nil || c.Value != "1" {
				t.Errorf("the cookie of the first hop did not come: %v", r.Header)
			}
			w.Header().Set("Location", strings.Replace(srv.URL, "http://", "http://user:pass@", 1)+"/end")
			w.WriteHeader(http.StatusPermanentRedirect)
		case "/end":
			if r.Header.Get("Authorization") != "" {
				t.Error("a password from a URL was sent")
			}
			io.WriteString(w, "here")
		}
	})
	res, _ := get(t, fetch.Config{}, egress.Config{}, srv.URL+"/start", nil)
	if string(res.Body) != "here" || res.FinalURL != srv.URL+"/end" || res.Outcome != "" {
		t.Fatalf("%+v", res)
	}
	want := []capture.Redirect{
		{From: srv.URL + "/start", To: srv.URL + "/two%20words?q=%C3%BC&%zz#frag", Status: 302},
		{From: srv.URL + "/two%20words?q=%C3%BC&%zz#frag", To: srv.URL + "/end", Status: 308},
	}
	if fmt.Sprint(res.Redirects) != fmt.Sprint(want) {
		t.Errorf("redirects\n%+v\nwant\n%+v", res.Redirects, want)
	}
	if len(res.Exchanges) != 3 || wire(t, res.Exchanges[0]) != "moved" || res.Exchanges[0].Status != 302 {
		t.Errorf("exchanges: %+v", res.Exchanges)
	}
	// The next fetch knows nothing of it.
	seen := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" {
			t.Errorf("a cookie was kept: %v", r.Header)
		}
	})
	get(t, fetch.Config{}, egress.Config{}, seen.URL, nil)
}

func TestRedirectsThatAreNotFollowed(t *testing.T) {
	inside, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	var reached atomic.Int64
	go func() {
		for {
			c, err := inside.Accept()
			if err != nil {
				return
			}
			reached.Add(1)
			c.Close()
		}
	}()
	defer inside.Close()
	for to, want := range map[string]struct {
		outcome   capture.Outcome
		evidence  string
		exchanges int
		refusals  int
	}{
		"http://" + inside.Addr().String() + "/":                           {capture.BlockedAddr, "loopback", 2, 1},
		"//0x7f000002:" + inside.Addr().String()[len("127.0.0.2:"):] + "/": {capture.BlockedAddr, "loopback", 2, 1},
		"ftp://shop.example/x":                                             {capture.BlockedAddr, `scheme "ftp"`, 1, 1},
		"intent://item/1#Intent;end":                                       {capture.BlockedAddr, `scheme "intent"`, 1, 1},
		"file:///etc/passwd":                                               {capture.BlockedAddr, `scheme "file"`, 1, 1},
		"javascript:alert(1)":                                              {capture.BlockedAddr, `scheme "javascript"`, 1, 1},
		"data:text/html,hi":                                                {capture.BlockedAddr, `scheme "data"`, 1, 1},
		"/loop":                                                            {capture.HTTPError, "more than 10 times, in a loop", 11, 0},
		"http://[bad":                                                      {capture.HTTPError, "leads nowhere", 1, 0},
		"":                                                                 {capture.HTTPError, "leads nowhere", 1, 0},
	} {
		srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if to != "" {
				w.Header().Set("Location", to)
			}
			w.WriteHeader(http.StatusMovedPermanently)
			io.WriteString(w, "see there")
		})
		res, s := get(t, fetch.Config{}, egress.Config{}, srv.URL, nil)
		if res.Outcome != want.outcome || !strings.Contains(strings.Join(res.Evidence, "; "), want.evidence) {
			t.Errorf("%q: %q %q, want %q %q", to, res.Outcome, res.Evidence, want.outcome, want.evidence)
		}
		if len(res.Exchanges) != want.exchanges || len(s.Refusals()) != want.refusals {
			t.Errorf("%q: %d exchanges, refusals %+v", to, len(res.Exchanges), s.Refusals())
		}
		if want.exchanges == 1 && to != "http://[bad" && string(res.Body) != "see there" {
			t.Errorf("%q: the redirect's own body is %q", to, res.Body)
		}
	}
	if reached.Load() != 0 {
		t.Error("the inside was reached")
	}
}

func TestURLsThatAreNotFetched(t *testing.T) {
	for _, url := range []string{"", "shop.example", "ftp://shop.example/", "file:///etc/passwd", "http://", "http://a b/", "http://127.0.0.2/", "http://2130706434/"} {
		res, s := get(t, fetch.Config{}, egress.Config{}, url, nil)
		if res.Outcome != capture.BlockedAddr || res.Status != 0 || len(s.Refusals()) != 1 {
			t.Errorf("%q: %+v, %+v", url, res, s.Refusals())
		}
	}
	res, _ := get(t, fetch.Config{}, egress.Config{}, "http://127.0.0.1/", func(r *fetch.Request) { r.Session = nil })
	if res.Outcome != capture.BlockedAddr || len(res.Exchanges) != 0 {
		t.Errorf("without a session: %+v", res)
	}
}

func TestRobots(t *testing.T) {
	var asked atomic.Value
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.String())
		io.WriteString(w, strings.Repeat("# padding\n", 60_000))
	})
	g, _ := egress.New(egress.Config{Allow: outside})
	s := g.Session()
	defer s.Close()
	res := fetch.New(fetch.Config{}).Robots(t.Context(), fetch.Request{
		URL: srv.URL + "/item/1?q#f", Session: s, NewID: func() capture.ID { return capture.ID{1} },
	})
	if asked.Load() != "/robots.txt" || res.Status != 200 || len(res.Body) != 500<<10 || res.Outcome != "" {
		t.Errorf("asked %v: %d, %d bytes, %q", asked.Load(), res.Status, len(res.Body), res.Outcome)
	}
}

func TestValidate(t *testing.T) {
	if err := (fetch.Config{}).Validate(); err != nil {
		t.Error(err)
	}
	if err := (fetch.Config{MaxRatio: -1}).Validate(); err == nil || !strings.Contains(err.Error(), "fetch.max_ratio") {
		t.Errorf("got %v", err)
	}
}

// Environment variables of colly must not change what we do.
func TestCollyEnvironmentIsIgnored(t *testing.T) {
	t.Setenv("COLLY_FOLLOW_REDIRECTS", "n")
	t.Setenv("COLLY_MAX_BODY_SIZE", "2")
	t.Setenv("COLLY_DISALLOWED_DOMAINS", "127.0.0.1")
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/x", http.StatusFound)
			return
		}
		io.WriteString(w, "whole")
	})
	if res, _ := get(t, fetch.Config{}, egress.Config{}, srv.URL, nil); string(res.Body) != "whole" {
		t.Errorf("%q %q %q", res.Body, res.Outcome, res.Evidence)
	}
}

// TestMain fails the run when a goroutine of a fetch outlives it.
func TestMain(m *testing.M) {
	code := m.Run()
	var left string
	for range 6000 { // a minute
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		left = ""
		for g := range strings.SplitSeq(string(buf), "\n\n") {
			if strings.Contains(g, "crawler/egress.(") || strings.Contains(g, "crawler/fetch.(") || strings.Contains(g, "net/http.(*persistConn)") {
				left += g + "\n\n"
			}
		}
		if left == "" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines that outlived their fetch:\n"+left)
		code = 1
	}
	os.Exit(code)
}
