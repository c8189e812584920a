package markettest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
)

// answer is what a client got, however it ended.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error // of the request or of reading the body
}

func startTest(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// fetch asks a server for a path, reading at most limit bytes.
func fetch(t *testing.T, s *Server, path string, limit int64, timeout time.Duration) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := s.Client()
	defer c.CloseIdleConnections()
	res, err := c.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, limit))
	return answer{res.StatusCode, res.Header, b, err}
}

func quick() Config {
	return Config{Seed: 3, FirstByte: 50 * time.Millisecond, TrickleGap: time.Millisecond, HugeBytes: 3_000_000, BombBytes: 8 << 20}
}

// TestEveryFault asks for each listing with a fault and holds what comes.
func TestEveryFault(t *testing.T) {
	page := func(t *testing.T, a answer) *goquery.Document {
		t.Helper()
		d, err := goquery.NewDocumentFromReader(bytes.NewReader(a.body))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	has := func(sel string) func(*testing.T, Listing, answer) {
		return func(t *testing.T, l Listing, a answer) {
			if page(t, a).Find(sel).Length() == 0 {
				t.Errorf("no %s in the page", sel)
			}
		}
	}
	script := func(part string) func(*testing.T, Listing, answer) {
		return func(t *testing.T, l Listing, a answer) {
			has("h1.lst-title")(t, l, a)
			if !strings.Contains(page(t, a).Find("script").Text()+string(a.body), part) {
				t.Errorf("no %q in the page", part)
			}
		}
	}
	location := func(prefix string) func(*testing.T, Listing, answer) {
		return func(t *testing.T, l Listing, a answer) {
			if got := a.header.Get("Location"); !strings.HasPrefix(got, prefix) {
				t.Errorf("redirects to %q, want %q", got, prefix)
			}
		}
	}
	broken := func(t *testing.T, l Listing, a answer) {
		if a.err == nil || len(a.body) < 1000 {
			t.Errorf("got %d bytes and error %v, want half a page and an error", len(a.body), a.err)
		}
	}
	kind := func(want string) func(*testing.T, Listing, answer) {
		return func(t *testing.T, l Listing, a answer) {
			if got := a.header.Get("Content-Type"); got != want {
				t.Errorf("type %q, want %q", got, want)
			}
		}
	}
	type check struct {
		status int
		hold   func(*testing.T, Listing, answer)
	}
	checks := map[Fault]check{
		FaultRemoved: {404, has(".message")}, FaultGone: {410, has(".message")},
		FaultSoftRemoved: {200, has("#item-removed")}, FaultSoldOut: {200, has("#item-status")}, FaultUnavailable: {200, has("#item-unavailable")},
		FaultWrongItem: {302, location("/item/")}, FaultToHome: {302, location("/?from=")},
		FaultChallenge: {403, has("#captcha-form")}, FaultChallenge404: {404, has("#captcha-form")},
		FaultLoginRedirect: {302, location("/login?return=")}, FaultLoginInPlace: {200, has("#login-form input[type=password]")},
		FaultConsent: {302, location("/consent?return=")}, FaultGeo: {302, location("/intl/BR")},
		FaultRobots:        {200, has("h1.lst-title")},
		FaultSlowFirstByte: {200, has("h1.lst-title")}, FaultTrickle: {200, has("h1.lst-title")},
		FaultCut: {200, broken}, FaultBadChunk: {200, broken},
		FaultBadGzip: {200, func(t *testing.T, l Listing, a answer) {
			z, err := gzip.NewReader(bytes.NewReader(a.body))
			if err != nil {
				t.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, z); err == nil || n == 0 {
				t.Errorf("unpacked %d bytes, error %v; want some and an error", n, err)
			}
		}},
		FaultHuge: {200, func(t *testing.T, l Listing, a answer) {
			if len(a.body) != 3_000_000 || a.err != nil {
				t.Errorf("got %d bytes, error %v", len(a.body), a.err)
			}
		}},
		FaultGzipBomb: {200, func(t *testing.T, l Listing, a answer) {
			z, err := gzip.NewReader(bytes.NewReader(a.body))
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, z)
			if err != nil || n < 8<<20 || n < 100*int64(len(a.body)) {
				t.Errorf("%d bytes grew to %d, error %v", len(a.body), n, err)
			}
		}},
		FaultEndless: {200, func(t *testing.T, l Listing, a answer) {
			if len(a.body) != 4_000_000 || a.err != nil {
				t.Errorf("got %d bytes, error %v; want as many as were asked for", len(a.body), a.err)
			}
		}},
		FaultError500: {500, has(".message")},
		FaultEmpty: {200, func(t *testing.T, l Listing, a answer) {
			if len(a.body) != 0 {
				t.Errorf("got %d bytes", len(a.body))
			}
		}},
		FaultPDF: {200, kind("application/pdf")}, FaultImage: {200, kind("image/jpeg")}, FaultDownload: {200, kind("application/zip")},
		FaultWrongCharset: {200, kind("text/html; charset=iso-8859-1")},
		FaultMetaRefresh:  {200, has("meta[http-equiv=refresh]")},
		FaultChain:        {302, location("/hop/")}, FaultLoop: {302, location("/loop/")}, FaultPrivate: {302, location("http://169.254.169.254/")},
		FaultAPIBroken: {200, has("#app")}, FaultThrows: {200, script("throw new Error")}, FaultDialogs: {200, script("alert(")},
		FaultPopups: {200, script("window.open(")}, FaultBeforeUnload: {200, script("beforeunload")}, FaultAutoDownload: {200, script("/download/")},
		FaultTall: {200, has(".tall")}, FaultInfiniteScroll: {200, has("#feed")}, FaultHang: {200, script("for (;;)")},
		FaultIframes: {200, has("iframe[src^='http://localhost:']")}, FaultWebSocket: {200, script("new WebSocket")},
		FaultServiceWorker: {200, script("/sw.js")}, FaultBusyNetwork: {200, script("setInterval")}, FaultBrokenImages: {200, has("img[src='/img/0000000000000000.jpg']")},
	}
	elsewhere := map[Fault]bool{FaultThrottled: true, FaultBusyDate: true, FaultStall: true}
	s := startTest(t, quick())
	for f := range faults() {
		if elsewhere[f] {
			continue
		}
		t.Run(string(f), func(t *testing.T) {
			c, ok := checks[f]
			if !ok {
				t.Fatal("this fault is not tested")
			}
			for _, l := range s.WithFault(f) {
				a := fetch(t, s, l.Path, 4_000_000, 2*time.Minute)
				if a.status != c.status {
					t.Fatalf("status %d, error %v; want %d", a.status, a.err, c.status)
				}
				c.hold(t, l, a)
				if f.shows() && f != FaultChain && f != FaultMetaRefresh && !bytes.Contains(a.body, []byte(l.Price)) {
					t.Errorf("the price %s is not in the page", l.Price)
				}
				if !f.shows() && l.Expect.Title+l.Expect.Price != "" {
					t.Errorf("Expect says %q %s of a page that does not show it", l.Expect.Title, l.Expect.Price)
				}
			}
		})
	}
}

func (f Fault) shows() bool { return faults()[f].shows }

func TestThrottledPerClientThenWell(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := New(Config{Seed: 3, Throttles: 2, RetryAfter: 7 * time.Second, Now: func() time.Time { return now }})
	for f, want := range map[Fault]struct {
		status int
		after  string
	}{FaultThrottled: {429, "7"}, FaultBusyDate: {503, "Sun, 01 Mar 2026 12:00:07 GMT"}} {
		l := m.WithFault(f)[0]
		for i := range 2 {
			res, _ := get(t, m, l.Path)
			if res.StatusCode != want.status || res.Header.Get("Retry-After") != want.after {
				t.Errorf("%s, request %d: %d, Retry-After %q", f, i, res.StatusCode, res.Header.Get("Retry-After"))
			}
		}
		if res, _ := get(t, m, l.Path); res.StatusCode != 200 {
			t.Errorf("%s: still %d after two refusals", f, res.StatusCode)
		}
		m.Forget()
		if res, _ := get(t, m, l.Path); res.StatusCode != want.status {
			t.Errorf("%s: %d after Forget", f, res.StatusCode)
		}
	}
}

func TestMinGap(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := New(Config{MinGap: time.Second, Now: func() time.Time { return now }})
	step := func(d time.Duration, path string, want int) {
		t.Helper()
		now = now.Add(d)
		if res, _ := get(t, m, path); res.StatusCode != want {
			t.Errorf("%s after %v: %d, want %d", path, d, res.StatusCode, want)
		}
	}
	step(0, "/shops", 200)
	step(400*time.Millisecond, "/static/market.css", 200)
	step(400*time.Millisecond, "/shops", 429)
	step(999*time.Millisecond, "/shops", 429) // the refused one counted
	step(time.Second, "/shops", 200)
}

// TestStallEnds holds that a page without end ends with its client, and with
// the server.
func TestStallEnds(t *testing.T) {
	s := startTest(t, quick())
	l := s.WithFault(FaultStall)[0]
	a := fetch(t, s, l.Path, 1<<20, 3*time.Second) // time for its first bytes, were the machine busy
	if a.status != 200 || !errors.Is(a.err, context.DeadlineExceeded) || len(a.body) < 1000 {
		t.Errorf("status %d, %d bytes, error %v", a.status, len(a.body), a.err)
	}
	got := make(chan answer)
	go func() { got <- fetch(t, s, l.Path, 1<<20, time.Minute) }()
	if _, err := s.WaitFor(t.Context(), 2, ForItem(l), ForStatus(200)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if a := <-got; a.err == nil {
		t.Error("a stalled page ended well")
	}
}

func TestRedirectChainEndsAtTheListing(t *testing.T) {
	s := startTest(t, quick())
	l := s.WithFault(FaultChain)[0]
	path, statuses := l.Path, []int{}
	for range 10 {
		a := fetch(t, s, path, 1<<20, time.Minute)
		statuses = append(statuses, a.status)
		if a.status == 200 {
			if !bytes.Contains(a.body, []byte(l.Title)) {
				t.Error("the chain does not end at the listing")
			}
			break
		}
		path = a.header.Get("Location")
	}
	if len(statuses) != 6 || statuses[5] != 200 {
		t.Errorf("statuses %v, want five redirects and 200", statuses)
	}
}

// TestCloseTwice: a second Close is harmless.
func TestCloseTwice(t *testing.T) {
	s, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}
