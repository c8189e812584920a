package crawler_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/websocket"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/egress"
	"github.com/trawlmark/trawlmark/crawler/site"
)

// inside is what no page may reach: a service on this machine's loopback. It
// counts connections and datagrams.
type inside struct {
	addr, port string
	count      atomic.Int64
}

const insideHost = "127.0.0.2" // not the tests' own, which have 127.0.0.1

func listenInside(t *testing.T) *inside {
	t.Helper()
	l, err := net.Listen("tcp", insideHost+":0")
	if err != nil {
		t.Skipf("%s cannot be listened on here: %v", insideHost, err)
	}
	in := &inside{addr: l.Addr().String()}
	_, in.port, _ = net.SplitHostPort(in.addr)
	p, err := net.ListenPacket("udp", in.addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			in.count.Add(1)
			c.Close()
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		for buf := make([]byte, 2048); ; {
			if _, _, err := p.ReadFrom(buf); err != nil {
				return
			}
			in.count.Add(1)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		p.Close()
		<-done
		<-done
	})
	return in
}

// fill puts the inside's port into a target.
func (in *inside) fill(s string) string { return strings.ReplaceAll(s, "PORT", in.port) }

// forbiddenTargets are ways to write an address that must not be reached.
var forbiddenTargets = []string{
	"http://127.0.0.2:PORT/", "https://127.0.0.2:PORT/", "http://2130706434:PORT/", "http://0x7f000002:PORT/", "http://0x7f.0.0.0x2:PORT/",
	"http://017700000002:PORT/", "http://0177.0.0.2:PORT/", "http://127.2:PORT/", "http://[::ffff:127.0.0.2]:PORT/", "http://[::ffff:7f00:2]:PORT/",
	"http://[64:ff9b::7f00:2]:PORT/", "http://１２７.0.0.2:PORT/", "http://127.0.0.2.:PORT/", "http://user:pass@127.0.0.2:PORT/",
	"http://inside.example:PORT/", "http://INSIDE.example.:PORT/", "http://localhost:PORT/", "http://a.localhost:PORT/",
	"http://169.254.169.254/latest/meta-data/", "http://metadata.example/", "http://10.0.0.1/", "http://0/", "http://[::1]:PORT/",
}

// forbiddenSchemes are addresses that are no web page's.
var forbiddenSchemes = []string{
	"file:///etc/hostname", "data:text/html,<h1>Handbag</h1>", "view-source:http://127.0.0.2:PORT/", "javascript:fetch('http://127.0.0.2:PORT/')",
	"ftp://127.0.0.2:PORT/", "gopher://127.0.0.2:PORT/_x", "chrome://version/", "blob:http://127.0.0.2:PORT/1", "ws://127.0.0.2:PORT/", "about:blank",
}

// trap is a shop whose pages lead inside in every way they can.
func (in *inside) trap(t *testing.T) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/robots.txt", http.NotFound)
	to := func(r *http.Request) string { return in.fill(r.URL.Query().Get("to")) }
	mux.HandleFunc("/item/1", func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Location"] = []string{to(r)} // as it is: http.Redirect would mend it
		w.WriteHeader(http.StatusFound)
	})
	html := func(path string, page func(r *http.Request) string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			io.WriteString(w, page(r))
		})
	}
	html("/item/2", func(r *http.Request) string {
		return shopPage("Handbag", "<script>location.href = "+fmt.Sprintf("%q", to(r))+"</script>")
	})
	html("/item/3", func(r *http.Request) string {
		return `<!doctype html><meta http-equiv=refresh content="0;url=` + to(r) + `">`
	})
	mux.HandleFunc("/in", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://"+in.addr, http.StatusFound) })
	mux.Handle("/ws", websocket.Handler(func(c *websocket.Conn) { io.Copy(c, c) }))
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	html("/item/4", func(*http.Request) string { return shopPage("Handbag", in.fill(busyPage)) })
	return mux
}

// busyPage tries inside from a page, in every way a page has, and ends with a
// request that tells that the rest was really tried.
const busyPage = `
<img src="http://127.0.0.2:PORT/img"><iframe src="http://127.0.0.2:PORT/frame"></iframe><iframe src="http://inside.example:PORT/frame"></iframe>
<iframe src="data:text/html,<img src='http://127.0.0.2:PORT/in-data'>"></iframe><iframe src="file:///etc/hostname"></iframe>
<iframe srcdoc="<img src='http://127.0.0.2:PORT/srcdoc'>"></iframe>
<iframe src="view-source:http://127.0.0.2:PORT/"></iframe><iframe src="javascript:fetch('http://127.0.0.2:PORT/js')"></iframe>
<link rel=stylesheet href="http://2130706434:PORT/css"><link rel=preconnect href="http://127.0.0.2:PORT"><link rel=prefetch href="http://127.0.0.2:PORT/prefetch"><link rel=dns-prefetch href="//inside.example:PORT"><link rel=preload as=image href="http://127.0.0.2:PORT/preload">
<script type=speculationrules>{"prefetch":[{"urls":["http://127.0.0.2:PORT/speculated"]}],"prerender":[{"urls":["/in"]}]}</script>
<svg><image href="http://127.0.0.2:PORT/svg"/><use href="http://127.0.0.2:PORT/use#x"/></svg><iframe src="http://127.0.0.2.:PORT/dot"></iframe><img src="http://[64:ff9b::7f00:2]:PORT/nat64"><img src="http://[2002:7f00:2::]:PORT/6to4"><img src="http://①②⑦.0.0.2:PORT/digits"><img src="http://inside.example.:PORT/dotted">
<style>body{background:url(http://0177.0.0.2:PORT/bg)} @font-face{font-family:x;src:url(http://0x7f000002:PORT/font)} h1{font-family:x}</style>
<script src="http://127.2:PORT/script"></script><video src="http://127.0.0.2:PORT/video"></video><object data="http://127.0.0.2:PORT/object"></object>
<form id=f action="http://127.0.0.2:PORT/form" method=post target=sink></form><iframe name=sink></iframe>
<script>
const quiet = f => { try { const p = f(); if (p && p.catch) return p.catch(() => 0) } catch (e) {} };
const socket = u => new Promise(ok => { const w = new WebSocket(u); w.onopen = w.onerror = ok });
Promise.all([
  quiet(() => fetch("http://127.0.0.2:PORT/fetch", {mode: "no-cors"})), quiet(() => fetch("http://[::ffff:127.0.0.2]:PORT/mapped", {mode: "no-cors"})),
  quiet(() => fetch("/in", {mode: "no-cors"})), quiet(() => fetch("file:///etc/hostname")), quiet(() => fetch("http://metadata.example/", {mode: "no-cors"})),
  quiet(() => socket("ws://127.0.0.2:PORT/ws")), quiet(() => socket("wss://inside.example:PORT/ws")), quiet(() => socket("ws://" + location.host + "/ws")),
  quiet(() => { navigator.sendBeacon("http://127.0.0.2:PORT/beacon", "x") }), quiet(() => { window.open("http://127.0.0.2:PORT/popup") }),
  quiet(() => { document.getElementById("f").submit() }),
  quiet(() => { const t = new WebTransport("https://127.0.0.2:PORT/transport"); return Promise.race([t.ready, t.closed]) }),
  quiet(() => new Promise(ok => { const e = new EventSource("http://127.0.0.2:PORT/events"); e.onerror = () => { e.close(); ok() } })),
  quiet(() => import("http://127.0.0.2:PORT/module")), quiet(() => fetch("https://inside.example:PORT/quic", {mode: "no-cors"})),
  quiet(() => new Promise(ok => { const w = new Worker(URL.createObjectURL(new Blob(["try { importScripts('http://127.0.0.2:PORT/worker') } catch {} postMessage(1)"]))); w.onmessage = w.onerror = ok })),
  quiet(() => { const p = new RTCPeerConnection({iceServers: [{urls: ["turn:127.0.0.2:PORT?transport=tcp", "turns:127.0.0.2:PORT?transport=tcp", "turn:inside.example:PORT"], username: "u", credential: "c"}], iceTransportPolicy: "relay"}); p.createDataChannel("y"); return p.createOffer().then(o => p.setLocalDescription(o)) }),
  quiet(() => { const p = new RTCPeerConnection({iceServers: [{urls: "stun:127.0.0.2:PORT"}]}); p.createDataChannel("x"); return p.createOffer().then(o => p.setLocalDescription(o)) }),
]).then(() => fetch("/ok"));
</script>`

func newTrap(t *testing.T, in *inside, chrome bool) *shop {
	return newShop(t, in.trap(t), shopConfig{chrome: chrome, egress: egress.Config{
		Resolver: table{"inside.example": insideHost, "metadata.example": "169.254.169.254", "localhost": insideHost, "a.localhost": insideHost},
	}})
}

func (in *inside) untouched(t *testing.T, after string) {
	t.Helper()
	if n := in.count.Swap(0); n != 0 {
		t.Errorf("%s: %d connections or datagrams came inside", after, n)
	}
}

// The counter counts, or nothing below proves anything.
func TestTheInsideNoticesAVisitor(t *testing.T) {
	in := listenInside(t)
	c, err := net.Dial("tcp", in.addr)
	if err != nil {
		t.Fatal(err)
	}
	io.ReadAll(c) // until it closes
	c.Close()
	if in.count.Load() != 1 {
		t.Errorf("%d connections were counted", in.count.Load())
	}
}

func refused(c *capture.Capture) string {
	var out []string
	for _, r := range c.Refusals {
		out = append(out, r.Target+": "+r.Reason)
	}
	return strings.Join(out, "\n")
}

// Whatever address a job or a redirect names, by HTTP nothing goes inside, and
// the capture says what was refused.
func TestHTTPIsNotLedInside(t *testing.T) {
	in := listenInside(t)
	s := newTrap(t, in, false)
	for _, target := range append(append([]string{}, forbiddenTargets...), forbiddenSchemes...) {
		for _, url := range []string{in.fill(target), "http://shop.example/item/1?to=" + escape(target)} {
			res := s.visit(t, url, site.RenderNever)
			c := res.Capture
			if target == "about:blank" || c.Outcome == capture.BlockedAddr {
				if len(c.Refusals) == 0 {
					t.Errorf("%s: blocked, and no refusal is recorded", url)
				}
			} else {
				t.Errorf("%s: %s %v", url, c.Outcome, c.Evidence)
			}
			in.untouched(t, url)
		}
	}
}

func escape(s string) string {
	return strings.NewReplacer("%", "%25", "&", "%26", "+", "%2B", "#", "%23", " ", "%20").Replace(s)
}

func TestChromeIsNotLedInside(t *testing.T) {
	t.Parallel() // it mostly waits
	if testing.Short() {
		t.Skip("-short: a visit by Chrome for every way in")
	}
	in := listenInside(t)
	s := newTrap(t, in, true)
	secret, _ := os.ReadFile("/etc/hostname")
	for _, page := range []string{"/item/1", "/item/2", "/item/3"} {
		// The ways to write an address are the egress guard's and HTTP's to test
		// one by one; Chrome reads them itself, so some of each kind are shown it.
		for _, target := range []string{
			"http://127.0.0.2:PORT/", "https://127.0.0.2:PORT/", "http://2130706434:PORT/", "http://0177.0.0.2:PORT/", "http://[::ffff:127.0.0.2]:PORT/",
			"http://inside.example:PORT/", "http://localhost:PORT/", "http://169.254.169.254/latest/",
		} {
			res := s.visit(t, "http://shop.example"+page+"?to="+escape(target), site.RenderAlways)
			if refused(res.Capture) == "" {
				t.Errorf("%s to %s: no refusal is recorded; %s %v", page, target, res.Capture.Outcome, res.Capture.Evidence)
			}
			if page == "/item/1" && res.Capture.Outcome != capture.BlockedAddr {
				t.Errorf("%s to %s: %s %v", page, target, res.Capture.Outcome, res.Capture.Evidence)
			}
			in.untouched(t, page+" to "+target)
		}
		for _, target := range []string{"file:///etc/hostname", "data:text/html,<h1>Not the shop</h1>", "view-source:http://127.0.0.2:PORT/", "chrome://version/"} {
			res := s.visit(t, "http://shop.example"+page+"?to="+escape(target), site.RenderAlways)
			if page == "/item/1" && res.Capture.Outcome.Class() == capture.Seen {
				t.Errorf("%s to %s: %s %v", page, target, res.Capture.Outcome, res.Capture.Evidence)
			}
			for _, a := range res.Capture.Artifacts {
				if b, err := capture.ReadAll(a.Body, 64<<20); err != nil || len(bytes.TrimSpace(secret)) > 3 && bytes.Contains(b, bytes.TrimSpace(secret)) || bytes.Contains(b, []byte("Chromium is made possible")) {
					t.Errorf("%s to %s: the %s shows what was asked for, %v", page, target, a.Role, err)
				}
			}
			if u := res.Capture.FinalURL; !strings.HasPrefix(u, "http://shop.example/") {
				t.Errorf("%s to %s: the final address is %s", page, target, u)
			}
			in.untouched(t, page+" to "+target)
		}
	}
	for _, target := range append([]string{"http://127.0.0.2:PORT/"}, forbiddenSchemes...) {
		res := s.visit(t, in.fill(target), site.RenderAlways)
		if res.Capture.Outcome.Class() == capture.Seen {
			t.Errorf("%s asked for: %s", target, res.Capture.Outcome)
		}
		in.untouched(t, target)
	}
}

// A page that is well, but for what it tries: it is captured, nothing goes
// inside, and every way that was tried is on record.
func TestAPageIsCapturedAndReachesNothingInside(t *testing.T) {
	in := listenInside(t)
	s := newTrap(t, in, true)
	res := s.visit(t, "http://shop.example/item/4", site.RenderAlways)
	c := res.Capture
	in.untouched(t, "the page")
	if c.Outcome.Class() != capture.Seen || res.Reading.Listing == nil || res.Reading.Listing.Text("title") != "Handbag" {
		t.Fatalf("%s %v", c.Outcome, c.Evidence)
	}
	tried := map[string]bool{}
	for _, e := range c.Exchanges {
		if e.Status == 0 && e.Failure == nil && e.MissingBody == "" {
			t.Errorf("%s: no answer, and no reason", e.URL)
		}
		if e.Status != 0 && !strings.Contains(e.URL, "shop.example") && !strings.HasPrefix(e.URL, "data:") {
			t.Errorf("%s was answered with %d", e.URL, e.Status)
		}
		tried[e.URL] = true
	}
	if !tried["http://shop.example/ok"] {
		t.Error("the page's script did not come to its end: not everything was tried")
	}
	for _, path := range []string{"img", "frame", "in-data", "srcdoc", "css", "script", "fetch", "form", "events", "module", "nat64", "6to4", "digits", "dotted", "dot"} {
		found := false
		for u := range tried {
			found = found || strings.HasSuffix(u, "/"+path) && !strings.Contains(u, "shop.example")
		}
		if !found {
			t.Errorf("that the page tried /%s is not kept", path)
		}
	}
	record := refused(c)
	for _, target := range []string{insideHost + ":" + in.port + ": a loopback address", "inside.example:" + in.port, "metadata.example:80"} {
		if !strings.Contains(record, target) {
			t.Errorf("no refusal of %s is recorded:\n%s", target, record)
		}
	}
	if len(c.Refusals) < 12 {
		t.Errorf("%d refusals are recorded:\n%s", len(c.Refusals), record)
	}
}

// A crawler without a guard's exceptions does not exist by mistake: the zero
// configuration is the strict one.
func TestTheTrapWorksWhereItIsAllowed(t *testing.T) {
	in := listenInside(t)
	s := newShop(t, in.trap(t), shopConfig{egress: egress.Config{Override: map[string]string{"127.0.0.2": insideHost}}, deps: func(*crawler.Deps) {}})
	s.visit(t, "http://shop.example/item/1?to="+escape("http://127.0.0.2:PORT/"), site.RenderNever)
	if in.count.Load() == 0 {
		t.Error("the redirect does not lead inside even where it may: the tests above prove nothing")
	}
}
