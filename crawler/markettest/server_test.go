package markettest

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
)

func TestLog(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := New(Config{LogLimit: 3, Now: func() time.Time { now = now.Add(time.Second); return now }})
	l := find(t, m, "belvoir-1to1")
	res, b := get(t, m, l.Path+"?ref=x", "User-Agent", "probe/1")
	get(t, m, l.PicturePath(0))
	get(t, m, "/nothing")
	get(t, m, "/shops")
	log := m.Log()
	if len(log) != 3 || m.LogDropped() != 1 {
		t.Fatalf("%d lines, %d dropped", len(log), m.LogDropped())
	}
	want := Access{
		ID: res.Header.Get("X-Request-Id"), Time: time.Date(2026, 3, 1, 12, 0, 1, 0, time.UTC), Remote: "192.0.2.1", Host: "127.0.0.1",
		Method: "GET", Path: l.Path + "?ref=x", UserAgent: "probe/1", Status: 200, Bytes: int64(len(b)), Done: true, Item: l.ID,
	}
	if log[0] != want {
		t.Errorf("got  %+v\nwant %+v", log[0], want)
	}
	if n := len(m.Where(PagesOnly)); n != 2 {
		t.Errorf("%d pages, want 2", n)
	}
	if n := len(m.Where(ForItem(l), ForStatus(200), ForHost("127.0.0.1"), ForPath("/item/"))); n != 1 {
		t.Errorf("%d requests for the listing", n)
	}
	if g := Gaps(log); len(g) != 2 || g[0] != time.Second {
		t.Errorf("gaps %v", g)
	}
	m.ClearLog()
	if len(m.Log()) != 0 {
		t.Error("ClearLog left lines")
	}
}

// TestHosts holds that names are served apart, over TLS that its own authority
// makes trusted, and that pages name the CDN then.
func TestHosts(t *testing.T) {
	s, err := StartTLS(Config{Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := s.Client()
	defer c.CloseIdleConnections()
	_, port, _ := net.SplitHostPort(s.Addr)
	ask := func(u string) (int, []byte) {
		t.Helper()
		res, err := c.Get(u)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, b
	}
	l := find(t, s.Market, "belvoir-1to1")
	status, b := ask("https://market.demo.test:" + port + l.Path)
	d, err := goquery.NewDocumentFromReader(bytes.NewReader(b))
	if err != nil || status != 200 {
		t.Fatal(status, err)
	}
	img := d.Find("#main-image").AttrOr("src", "")
	if want := "https://cdn.demo.test:" + port + l.PicturePath(0); img != want {
		t.Errorf("picture at %q, want %q", img, want)
	}
	if status, b := ask(img); status != 200 || !bytes.Equal(b, s.PictureBytes(l, 0)) {
		t.Errorf("the CDN answers %d", status)
	}
	if status, _ := ask("https://cdn.demo.test:" + port + l.Path); status != 404 {
		t.Errorf("the CDN serves listings: %d", status)
	}
	if _, b := ask("https://evil.demo.test:" + port + "/"); !bytes.Contains(b, []byte("card number")) {
		t.Error("evil is not")
	}
	if n := len(s.Where(ForHost("market.demo.test"))); n != 1 {
		t.Errorf("%d requests logged for market", n)
	}
	if _, err := tls.Dial("tcp", s.Addr, &tls.Config{ServerName: "market.demo.test"}); err == nil {
		t.Error("a client that does not know the authority trusts the server")
	}
}

func TestConditionalAndCompressed(t *testing.T) {
	m := New(Config{Seed: 5})
	l := find(t, m, "belvoir-1to1")
	plain, body := get(t, m, l.Path)
	tag := plain.Header.Get("ETag")
	if res, b := get(t, m, l.Path, "If-None-Match", tag); res.StatusCode != 304 || len(b) != 0 {
		t.Errorf("%d with %d bytes", res.StatusCode, len(b))
	}
	if res, b := get(t, m, l.Path, "Accept-Encoding", "gzip"); res.Header.Get("Content-Encoding") != "gzip" || len(b) >= len(body)/2 {
		t.Errorf("encoding %q, %d bytes of %d", res.Header.Get("Content-Encoding"), len(b), len(body))
	}
	w := find(t, m, "wallet-dupe")
	for cookie, want := range map[string]int{"": 1, "consent=1": 0} {
		res, b := get(t, m, w.Path, "Cookie", cookie)
		if n := parse(t, res, b).Find("#cookie-wall").Length(); n != want {
			t.Errorf("cookie %q: %d walls", cookie, n)
		}
	}
}

func TestWebSocket(t *testing.T) {
	s := startTest(t, Config{Seed: 5})
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	fmt.Fprintf(conn, "GET /ws/1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	got := make([]byte, 0, 512)
	for !bytes.Contains(got, []byte(`{"watchers":`)) {
		buf := make([]byte, 256)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, got)
		}
		got = append(got, buf[:n]...)
	}
	// The sample handshake of RFC 6455, section 1.3.
	if !bytes.Contains(got, []byte("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")) {
		t.Errorf("handshake %q", got)
	}
}

// FuzzRequest holds that no path or query breaks the server.
func FuzzRequest(f *testing.F) {
	m := New(Config{Seed: 5})
	for _, p := range []string{"search?q=a&page=-1", "item/1/2", "shop/x", "hop/1/9", "loop/x", "img/..", "frame/<b>", "search?q=%ff", "intl/zz"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if _, err := url.ParseRequestURI("/" + p); err != nil || strings.ContainsAny(p, " \r\n\t") || strings.HasPrefix(p, "ws/") {
			t.Skip()
		}
		if l, ok := m.Listing(itemOf("/" + p)); ok && l.Fault != "" {
			t.Skip()
		}
		if res, _ := get(t, m, "/"+p); res.StatusCode >= 500 {
			t.Errorf("%q answers %d", p, res.StatusCode)
		}
		m.ClearLog()
	})
}

func BenchmarkListing(b *testing.B) {
	m := New(Config{Seed: 5})
	l := find(b, m, "belvoir-1to1")
	h := m.Handler()
	r, _ := http.NewRequest("GET", "http://127.0.0.1"+l.Path, nil)
	r.Header.Set("Accept-Encoding", "gzip")
	for b.Loop() {
		h.ServeHTTP(discard{http.Header{}}, r)
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
