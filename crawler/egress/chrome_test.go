package egress_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/trawlmark/trawlmark/crawler/egress"
)

// chromePage tries every kind of request from a page, at the outside and at the
// inside, and reports what worked to /done. The load event waits for it.
const chromePage = `<!doctype html><title>x</title><img src="/hold">
<img src="http://%[1]s/img"><link rel=preconnect href="http://%[1]s"><link rel=dns-prefetch href="//inside.example">
<iframe src="http://%[1]s/frame"></iframe><iframe src="http://inside.example:%[2]s/"></iframe>
<script>
const tries = {
  "fetch": () => fetch("/ok").then(r => r.text()),
  "ws": () => new Promise((ok, no) => { const w = new WebSocket("ws://"+location.host+"/ws"); w.onopen = () => w.send("hi"); w.onmessage = m => ok(m.data); w.onerror = no }),
  "inside fetch": () => fetch("http://%[1]s/", {mode: "no-cors"}),
  "inside name": () => fetch("http://inside.example:%[2]s/", {mode: "no-cors"}),
  "inside tls": () => fetch("https://%[1]s/", {mode: "no-cors"}),
  "inside ws": () => new Promise((ok, no) => { const w = new WebSocket("ws://%[1]s/"); w.onopen = ok; w.onerror = no }),
  "inside wss": () => new Promise((ok, no) => { const w = new WebSocket("wss://%[1]s/"); w.onopen = ok; w.onerror = no }),
  "inside decimal": () => fetch("http://2130706434:%[2]s/", {mode: "no-cors"}),
  "inside mapped": () => fetch("http://[::ffff:127.0.0.2]:%[2]s/", {mode: "no-cors"}),
  "inside redirect": () => fetch("/in", {mode: "no-cors"}),
  "inside beacon": () => Promise.resolve(navigator.sendBeacon("http://%[1]s/b", "x")).then(() => { throw 0 }),
  "inside stun": () => { const p = new RTCPeerConnection({iceServers: [{urls: ["stun:127.0.0.2:%[2]s", "turn:127.0.0.2:%[2]s?transport=tcp"], username: "u", credential: "c"}]}); p.createDataChannel("x"); return p.createOffer().then(o => p.setLocalDescription(o)).then(() => new Promise((_, no) => setTimeout(no, 300))) },
};
(async () => {
  const out = {};
  await Promise.all(Object.keys(tries).map(async k => { try { out[k] = "yes " + await tries[k]() } catch (e) { out[k] = "no" } }));
  await fetch("/done", {method: "POST", body: JSON.stringify(out)});
})();
</script>`

func TestChromeLeavesOnlyThroughTheProxy(t *testing.T) {
	chrome := findChrome(t)
	in := listenInside(t)
	in.listenUDP(t) // STUN
	_, port, _ := strings.Cut(in.addr.String(), ":")
	report, done := make(chan string, 1), make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, chromePage, in.addr, port)
	})
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	mux.Handle("/ws", websocket.Handler(func(c *websocket.Conn) { io.Copy(c, c) }))
	mux.HandleFunc("/in", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+in.addr.String(), http.StatusFound)
	})
	mux.HandleFunc("/hold", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-done:
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/done", func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		select {
		case report <- string(b):
			close(done)
		default:
		}
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	to := srv.Listener.Addr().String()
	s, proxy := startProxy(t, egress.Config{
		Override: map[string]string{"shop.example:8080": to},
		Resolver: table("inside.example", "127.0.0.2"),
	})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, chrome, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--disable-dev-shm-usage", "--user-data-dir="+t.TempDir(), "--proxy-server="+proxy, "--proxy-bypass-list=<-loopback>",
		"--force-webrtc-ip-handling-policy=disable_non_proxied_udp", "--dump-dom", "http://shop.example:8080/")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Cancel(); cmd.Wait() }()
	var got string
	select {
	case got = <-report:
	case <-ctx.Done():
		t.Fatal("Chrome never finished the page")
	}
	results := map[string]string{}
	if err := json.Unmarshal([]byte(got), &results); err != nil {
		t.Fatal(err)
	}
	if len(results) != 12 {
		t.Errorf("%d results: %v", len(results), results)
	}
	for name, r := range results {
		if inside := strings.HasPrefix(name, "inside"); inside == strings.HasPrefix(r, "yes") {
			t.Errorf("%s: %q", name, r)
		}
	}
	if n := len(s.Refusals()); n < 8 {
		t.Errorf("only %d refusals recorded: %+v", n, s.Refusals())
	}
	in.mustBeUntouched(t)
}

// listenUDP counts datagrams to the same port too.
func (in *inside) listenUDP(t *testing.T) {
	t.Helper()
	p, err := net.ListenPacket("udp", in.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for buf := make([]byte, 2048); ; {
			if _, _, err := p.ReadFrom(buf); err != nil {
				return
			}
			in.count.Add(1)
		}
	}()
	t.Cleanup(func() { p.Close(); <-done })
}

func findChrome(t *testing.T) string {
	t.Helper()
	for _, p := range []string{os.Getenv("TRAWLMARK_CHROME"), "/usr/lib/chromium/chromium-headless-shell", "/usr/lib/chromium/chromium"} {
		if _, err := os.Stat(p); p != "" && err == nil {
			return p
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("no Chrome found: install chromium-headless-shell or set TRAWLMARK_CHROME")
	}
	t.Skip("no Chrome found: install chromium-headless-shell or set TRAWLMARK_CHROME")
	return ""
}
