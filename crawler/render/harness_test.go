package render

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// profileRoot is a folder that whom Chrome runs as can get into and that has a
// short name; t.TempDir's have neither.
func profileRoot(t testing.TB) string {
	t.Helper()
	root, err := os.MkdirTemp("", "tm-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	if err := os.Chmod(root, 0o711); err != nil {
		t.Fatal(err)
	}
	return root
}

// testConfig skips the test when there is no Chrome, or fails it in CI.
func testConfig(t testing.TB) Config {
	t.Helper()
	cfg := Config{ProfileRoot: profileRoot(t), IdleWait: 3 * time.Second, ChromePath: os.Getenv("TRAWLMARK_TEST_CHROME")}
	if testing.Verbose() {
		cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if cfg.ChromePath == "" && FindChrome() == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("no Chrome was found, and CI must have one")
		}
		t.Skip("no Chrome was found: install chromium-headless-shell to run this test")
	}
	return cfg
}

func newRenderer(t testing.TB, change ...func(*Config)) *Renderer {
	t.Helper()
	cfg := testConfig(t)
	for _, c := range change {
		c(&cfg)
	}
	r, err := New(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		mustBeClean(t, r.cfg)
	})
	return r
}

// mustBeClean fails the test when a process or a folder is left.
func mustBeClean(t testing.TB, cfg Config) {
	t.Helper()
	left, err := os.ReadDir(cfg.ProfileRoot)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range left {
		t.Errorf("profile folder %s is left", d.Name())
	}
	if pids := users(cfg.ProfileRoot); len(pids) > 0 {
		t.Errorf("processes %v are left", pids)
	}
}

// world is a small internet: names map to test servers, and a proxy is the
// only way there.
type world struct {
	t     testing.TB
	addr  string // of the proxy
	mu    sync.Mutex
	hosts map[string]string // host:port -> address
	asked []string
	// refuse lists hosts that the proxy does not connect to.
	refuse map[string]bool
}

func newWorld(t testing.TB) *world {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, addr: ln.Addr().String(), hosts: map[string]string{}, refuse: map[string]bool{}}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { w.serve(ctx, c) })
		}
	})
	return w
}

// serve proxies one connection: CONNECT as a tunnel, plain http request by
// request.
func (w *world) serve(ctx context.Context, c net.Conn) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	br := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		host := req.Host
		if !strings.Contains(host, ":") {
			host += ":80"
		}
		w.mu.Lock()
		addr := w.hosts[host]
		refused := w.refuse[host]
		w.asked = append(w.asked, req.Method+" "+req.RequestURI)
		w.mu.Unlock()
		if addr == "" || refused {
			io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			return
		}
		up, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		stop := context.AfterFunc(ctx, func() { up.Close() })
		done := w.relay(c, br, up, req)
		stop()
		up.Close()
		if done {
			return
		}
	}
}

func (w *world) relay(c net.Conn, br *bufio.Reader, up net.Conn, req *http.Request) (done bool) {
	if req.Method == http.MethodConnect {
		io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() {
			io.Copy(up, br)
			up.(*net.TCPConn).CloseWrite()
		}()
		io.Copy(c, up)
		return true
	}
	req.Header.Del("Proxy-Connection")
	req.Header.Set("Connection", "close")
	if err := req.Write(up); err != nil {
		return true
	}
	go func() {
		// The client says no more on this connection; when it goes, so does
		// the request.
		io.Copy(io.Discard, br)
		up.Close()
	}()
	io.Copy(c, up)
	return true
}

// site serves h under http://host.
func (w *world) site(host string, h http.Handler) {
	w.t.Helper()
	srv := httptest.NewServer(h)
	w.t.Cleanup(srv.Close)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !strings.Contains(host, ":") {
		host += ":80"
	}
	w.hosts[host] = srv.Listener.Addr().String()
}

// secure serves h under https://host and gives the key's digest for
// Config.ExtraSPKI.
func (w *world) secure(host string, h http.Handler) (spki string) {
	w.t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	w.t.Cleanup(srv.Close)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts[host+":443"] = srv.Listener.Addr().String()
	sum := sha256.Sum256(srv.Certificate().RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// requests is what the proxy was asked.
func (w *world) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.asked...)
}

// ask is a request for a URL with generous bounds.
func (w *world) ask(url string) Request {
	ids := capture.NewIDSource(time.Now, rand.Reader)
	return Request{
		URL: url, ProxyAddr: w.addr, NewID: ids.New, Deadline: 2 * time.Minute, Width: 800, Height: 600,
		Peer: func(host string, port uint16) netip.AddrPort { return netip.MustParseAddrPort("192.0.2.7:8080") },
	}
}

func html(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, s)
	}
}

func content(kind, s string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		io.WriteString(w, s)
	}
}

// find gives the exchange of a URL, or fails.
func find(t testing.TB, r *Result, url string) *capture.Exchange {
	t.Helper()
	for _, e := range r.Exchanges {
		if e.URL == url {
			return e
		}
	}
	var have []string
	for _, e := range r.Exchanges {
		have = append(have, e.URL)
	}
	t.Fatalf("no exchange of %s; there are\n%s", url, strings.Join(have, "\n"))
	return nil
}

func body(t testing.TB, e *capture.Exchange) string {
	t.Helper()
	if e.Body == nil {
		t.Fatalf("%s has no body: %q", e.URL, e.MissingBody)
	}
	b, err := capture.ReadAll(e.Body, 1<<26)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// mustBeFine fails the test when the capture is not whole.
func mustBeFine(t testing.TB, r *Result) {
	t.Helper()
	if r.Outcome != "" || len(r.Missing) > 0 {
		t.Fatalf("outcome %q, evidence %q, missing %+v, settled %q, console %q", r.Outcome, r.Evidence, r.Missing, r.Settled, r.Console)
	}
}

// echoSocket is a WebSocket (RFC 6455) that answers its first message with
// "echo" and then stays open.
func echoSocket(w http.ResponseWriter, r *http.Request) {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	c, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
		base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n")
	rw.Flush()
	if _, err := rw.ReadByte(); err != nil {
		return
	}
	rw.WriteString("\x81\x04echo")
	rw.Flush()
	io.Copy(io.Discard, rw)
}
