package fetch_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

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

func compressed(t *testing.T, coding, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch coding {
	case "gzip", "x-gzip":
		w = gzip.NewWriter(&b)
	case "br":
		w = brotli.NewWriter(&b)
	case "zstd":
		w, err = zstd.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "raw deflate":
		w, err = flate.NewWriter(&b, 9)
	default:
		return []byte(text)
	}
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestContentCodings(t *testing.T) {
	text := strings.Repeat("caf\xe9 ", 5000)
	for coding, header := range map[string]string{
		"gzip": "gzip", "x-gzip": "X-GZIP", "br": "br", "zstd": "zstd", "deflate": "deflate", "raw deflate": "deflate",
		"": "", "identity": "identity", "nonsense": "utf-8",
	} {
		sent := compressed(t, coding, text)
		srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=iso-8859-1")
			if header != "" {
				w.Header().Set("Content-Encoding", header)
			}
			w.Write(sent)
		})
		res, _ := get(t, fetch.Config{}, egress.Config{}, srv.URL, nil)
		if string(res.Body) != text || res.Outcome != "" || len(res.Missing) != 0 {
			t.Errorf("%q: %d bytes, %q, %q", coding, len(res.Body), res.Outcome, res.Evidence)
		}
		if got := wire(t, res.Exchanges[0]); got != string(sent) {
			t.Errorf("%q: %d bytes on the wire were kept as %d", coding, len(sent), len(got))
		}
		if res.Header.Get("Content-Encoding") != header || res.Exchanges[0].Decoded {
			t.Errorf("%q: header %v", coding, res.Header)
		}
	}
	twice := compressed(t, "br", string(compressed(t, "gzip", text)))
	srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip, br")
		w.Write(twice)
	})
	if res, _ := get(t, fetch.Config{}, egress.Config{}, srv.URL, nil); string(res.Body) != text {
		t.Errorf("two codings: %d bytes, %q", len(res.Body), res.Evidence)
	}
}

func TestDecompressionBombsAreCut(t *testing.T) {
	bomb := compressed(t, "gzip", strings.Repeat("\x00", 30<<20))
	for name, c := range map[string]struct {
		cfg  fetch.Config
		most int
	}{
		"ratio": {fetch.Config{MaxRatio: 100}, 100 * len(bomb)},
		"size":  {fetch.Config{MaxDecoded: 2 << 20, MaxRatio: 1 << 20}, 2 << 20},
	} {
		srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb)
		})
		res, _ := get(t, c.cfg, egress.Config{}, srv.URL, nil)
		if res.Outcome != capture.TooLarge || len(res.Body) != c.most || len(res.Missing) != 1 {
			t.Errorf("%s: %q, %d bytes, missing %+v", name, res.Outcome, len(res.Body), res.Missing)
		}
		if got := wire(t, res.Exchanges[0]); got != string(bomb) || res.Exchanges[0].Truncated != capture.Whole {
			t.Errorf("%s: the wire body is not whole", name)
		}
	}
}

// A stream of empty members decodes to nothing for as long as it lasts.
func TestBombBetweenTwoCodings(t *testing.T) {
	empty := string(compressed(t, "gzip", ""))
	inner := strings.Repeat(empty, (4<<20)/len(empty))
	sent := compressed(t, "gzip", inner)
	srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip, gzip")
		w.Write(sent)
	})
	res, _ := get(t, fetch.Config{MaxDecoded: 1 << 20}, egress.Config{}, srv.URL, nil)
	if res.Outcome != capture.TooLarge || len(res.Body) != 0 {
		t.Errorf("%q %q, %d bytes", res.Outcome, res.Evidence, len(res.Body))
	}
}

func TestBrokenCoding(t *testing.T) {
	good := compressed(t, "gzip", strings.Repeat("price 10 ", 20_000))
	for name, sent := range map[string][]byte{
		"cut": good[:len(good)/2], "garbage": []byte("<html>not compressed</html>"), "flipped": append(append([]byte{}, good[:40]...), bytes.Repeat([]byte{0xff}, 40)...),
	} {
		for _, coding := range []string{"gzip", "br", "zstd", "deflate"} {
			if name == "cut" {
				sent = compressed(t, coding, strings.Repeat("price 10 ", 20_000))
				sent = sent[:len(sent)/2]
			}
			srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", coding)
				w.Write(sent)
			})
			res, _ := get(t, fetch.Config{}, egress.Config{}, srv.URL, nil)
			if res.Outcome != capture.HTTPError || len(res.Missing) != 1 || !strings.Contains(res.Missing[0].Reason, coding) {
				t.Errorf("%s %s: %q %q %+v", name, coding, res.Outcome, res.Evidence, res.Missing)
			}
			if got := wire(t, res.Exchanges[0]); got != string(sent) {
				t.Errorf("%s %s: the wire body was lost", name, coding)
			}
		}
	}
}

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

func TestStatusOutcomes(t *testing.T) {
	soon := time.Now().Add(90 * time.Second).UTC()
	for _, c := range []struct {
		status int
		header http.Header
		body   string
		want   capture.Outcome
		wait   time.Duration
	}{
		{200, nil, "x", "", 0},
		{200, nil, "", capture.Empty, 0},
		{204, nil, "", capture.Empty, 0},
		{404, nil, "gone", capture.Removed, 0},
		{410, nil, "gone", capture.Removed, 0},
		{403, nil, "who are you", capture.HTTPError, 0},
		{429, nil, "slow", capture.Throttled, 0},
		{429, http.Header{"Retry-After": {"120"}}, "slow", capture.Throttled, 2 * time.Minute},
		{503, http.Header{"Retry-After": {"99999999999999"}}, "slow", capture.Throttled, 30 * 24 * time.Hour},
		{503, http.Header{"Retry-After": {soon.Format(http.TimeFormat)}, "Date": {soon.Add(-time.Minute).Format(http.TimeFormat)}}, "slow", capture.Throttled, time.Minute},
		{503, http.Header{"Retry-After": {"Fri, 31 Dec 1999 23:59:59 GMT"}}, "slow", capture.Throttled, 0},
		{503, http.Header{"Retry-After": {"-5"}}, "slow", capture.Throttled, 0},
		{503, nil, "broken", capture.HTTPError, 0},
		{500, nil, "", capture.HTTPError, 0},
		{304, nil, "", capture.HTTPError, 0}, // nobody asked
	} {
		srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range c.header {
				w.Header()[k] = v
			}
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		res, _ := get(t, fetch.Config{}, egress.Config{}, srv.URL, nil)
		if res.Outcome != c.want || res.Status != c.status || res.RetryAfter != c.wait || string(res.Body) != c.body {
			t.Errorf("%d %v: %q, wait %v, body %q; want %q, %v", c.status, c.header, res.Outcome, res.RetryAfter, res.Body, c.want, c.wait)
		}
	}
}

func TestConditional(t *testing.T) {
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") == `W/"7"` && r.Header.Get("If-Modified-Since") == "Mon, 02 Jan 2006 15:04:05 GMT" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(w, "new")
	})
	res, _ := get(t, fetch.Config{}, egress.Config{}, srv.URL, func(r *fetch.Request) {
		r.Conditional = fetch.Conditional{ETag: `W/"7"`, LastModified: "Mon, 02 Jan 2006 15:04:05 GMT"}
	})
	if res.Outcome != capture.NotModified || res.Exchanges[0].Body != nil {
		t.Errorf("%+v", res)
	}
}

func TestLimitsOnBodies(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	for name, c := range map[string]struct {
		url  string
		cfg  fetch.Config
		want capture.Outcome
		cut  capture.Truncation
		body string
	}{
		"at the limit":  {raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", nil), fetch.Config{MaxBytes: 10}, "", capture.Whole, "0123456789"},
		"too long":      {raw(t, "HTTP/1.1 200 OK\r\n\r\n0123456789a", nil), fetch.Config{MaxBytes: 10}, capture.TooLarge, capture.ByLength, "0123456789"},
		"said too long": {raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n0123456789a", hold), fetch.Config{MaxBytes: 10}, capture.TooLarge, capture.ByLength, "0123456789"},
		"broken off":    {raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789", nil), fetch.Config{}, capture.ConnectFailed, capture.ByDisconnect, "0123456789"},
		"broken chunk":  {raw(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n8\r\nwor", nil), fetch.Config{}, capture.ConnectFailed, capture.ByDisconnect, "hellowor"},
		"no last chunk": {raw(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", nil), fetch.Config{}, capture.ConnectFailed, capture.ByDisconnect, "hello"},
		"bad chunk":     {raw(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", nil), fetch.Config{}, capture.ConnectFailed, capture.ByDisconnect, "hello"},
		"never ends":    {raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhello", hold), fetch.Config{Deadline: 150 * time.Millisecond}, capture.Timeout, capture.ByTime, "hello"},
	} {
		res, _ := get(t, c.cfg, egress.Config{}, c.url, nil)
		e := res.Exchanges[0]
		if res.Outcome != c.want || e.Truncated != c.cut || string(res.Body) != c.body || wire(t, e) != c.body {
			t.Errorf("%s: %q, cut %q, body %q %q; want %q %q %q", name, res.Outcome, e.Truncated, res.Body, wire(t, e), c.want, c.cut, c.body)
		}
		if (c.cut != capture.Whole) != (len(res.Missing) == 1) {
			t.Errorf("%s: missing %+v", name, res.Missing)
		}
	}
}

func TestSlowServers(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	cfg := fetch.Config{Deadline: 150 * time.Millisecond}
	for name, url := range map[string]string{
		"no answer": raw(t, "", hold), "half a head": raw(t, "HTTP/1.1 200 OK\r\nContent-", hold),
		"no handshake": strings.Replace(raw(t, "", hold), "http:", "https:", 1),
	} {
		began := time.Now()
		res, _ := get(t, cfg, egress.Config{}, url, nil)
		if res.Outcome != capture.Timeout || res.Status != 0 || len(res.Exchanges) != 1 {
			t.Errorf("%s: %q %q", name, res.Outcome, res.Evidence)
		}
		if d := time.Since(began); d > 3*time.Second {
			t.Errorf("%s: took %v", name, d)
		}
	}
	// A body that drips for ever ends at the deadline with what came.
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			io.WriteString(w, "drip ")
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	})
	res, _ := get(t, cfg, egress.Config{}, srv.URL, nil)
	if res.Outcome != capture.Timeout || res.Exchanges[0].Truncated != capture.ByTime || !strings.HasPrefix(string(res.Body), "drip drip ") {
		t.Errorf("drip: %q, %d bytes, %q", res.Outcome, len(res.Body), res.Exchanges[0].Truncated)
	}
	// A cancelled visit ends at once.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g, _ := egress.New(egress.Config{Allow: outside})
	s := g.Session()
	defer s.Close()
	res = fetch.New(fetch.Config{}).Fetch(ctx, fetch.Request{URL: srv.URL, Session: s, NewID: func() capture.ID { return capture.ID{1} }})
	if res.Outcome != capture.Timeout {
		t.Errorf("cancelled: %q %q", res.Outcome, res.Evidence)
	}
}

func TestFailures(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	gone := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return "http://" + l.Addr().String()
	}()
	for url, want := range map[string]capture.Outcome{
		"http://does-not-exist.invalid/":   capture.DNSFailed,
		gone:                               capture.ConnectFailed,
		secure.URL:                         capture.TLSFailed,
		raw(t, "", nil):                    capture.ConnectFailed,
		raw(t, "SSH-2.0-OpenSSH\r\n", nil): capture.ConnectFailed,
		strings.Replace(raw(t, "", nil), "http:", "https:", 1): capture.TLSFailed,
	} {
		res, _ := get(t, fetch.Config{}, egress.Config{Resolver: noNames{}}, url, nil)
		if res.Outcome != want || len(res.Exchanges) != 1 || res.Exchanges[0].Failure.Outcome != want || res.Body != nil {
			t.Errorf("%s: %q %q, want %q", url, res.Outcome, res.Evidence, want)
		}
		if url == secure.URL {
			// What could not be trusted is evidence all the same.
			e := res.Exchanges[0]
			if e.TLS == nil || len(e.TLS.Chain) != 1 || !bytes.Equal(e.TLS.Chain[0], secure.Certificate().Raw) || !e.Remote.IsValid() {
				t.Errorf("the untrusted chain was not kept: %+v", e)
			}
		}
	}
}

type noNames struct{}

func (noNames) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func TestTLSAndHTTP2(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-B", "1")
			w.Header().Set("X-A", "2")
			if r.URL.Path == "/" {
				http.Redirect(w, r, "/page", http.StatusSeeOther)
				return
			}
			w.Header().Set("Content-Encoding", "br")
			w.Write(compressed(t, "br", r.Proto+" "+r.Host))
		}))
		srv.EnableHTTP2 = h2
		srv.StartTLS()
		proto, alpn, body := "http/1.1", "http/1.1", "HTTP/1.1 "
		if h2 {
			proto, alpn, body = "h2", "h2", "HTTP/2.0 "
		}
		res, s := get(t, fetch.Config{}, egress.Config{ExtraCAs: []*x509.Certificate{srv.Certificate()}}, srv.URL, nil)
		host := strings.TrimPrefix(srv.URL, "https://")
		if string(res.Body) != body+host || res.Outcome != "" || len(res.Exchanges) != 2 {
			t.Fatalf("h2=%v: %q %q %q", h2, res.Body, res.Outcome, res.Evidence)
		}
		for _, e := range res.Exchanges {
			if e.Protocol != proto || e.TLS == nil || e.TLS.ALPN != alpn || e.TLS.Version != "TLS 1.3" || e.TLS.Cipher == "" ||
				len(e.TLS.Chain) != 1 || !bytes.Equal(e.TLS.Chain[0], srv.Certificate().Raw) || e.Remote.String() != host {
				t.Errorf("h2=%v: %+v, TLS %+v", h2, e, e.TLS)
			}
			if got := e.RequestHeader.Get("Host"); got != host {
				t.Errorf("h2=%v: host %q in %+v", h2, got, e.RequestHeader)
			}
			for _, f := range e.RequestHeader {
				if strings.HasPrefix(f.Name, ":") {
					t.Errorf("h2=%v: pseudo field %+v", h2, f)
				}
			}
		}
		if n := len(s.Connections()); n != 1 {
			t.Errorf("h2=%v: %d connections for one host", h2, n)
		}
		srv.Close()
	}
}

func TestLargeBodiesAreSpooled(t *testing.T) {
	text := strings.Repeat("0123456789", 30_000)
	srv := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })
	dir := t.TempDir()
	res, _ := get(t, fetch.Config{SpoolDir: dir, SpoolAbove: 100_000}, egress.Config{}, srv.URL, nil)
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 1 || wire(t, res.Exchanges[0]) != text || string(res.Body) != text || res.Outcome != "" {
		t.Fatalf("files %v, %q", files, res.Outcome)
	}
	if _, inMemory := res.Exchanges[0].Body.(capture.Bytes); inMemory {
		t.Error("the body is in memory")
	}
	if err := res.Cleanup(); err != nil {
		t.Error(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 0 {
		t.Errorf("left in the spool: %v", files)
	}
	res, _ = get(t, fetch.Config{SpoolDir: filepath.Join(dir, "missing"), SpoolAbove: 10}, egress.Config{}, srv.URL, nil)
	if res.Outcome != capture.StorageFailed || res.Exchanges[0].MissingBody == "" {
		t.Errorf("without a folder: %q %q", res.Outcome, res.Evidence)
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
	for range 200 {
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
