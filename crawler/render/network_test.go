package render

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

func TestRedirectsAreExchangesOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/a", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "seen=1")
		http.Redirect(w, r, "/b", http.StatusFound)
	})
	mux.HandleFunc("/b", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://other.test/c", http.StatusMovedPermanently)
	})
	w.site("shop.test", mux)
	other := http.NewServeMux()
	other.HandleFunc("/c", html(`<meta http-equiv=refresh content="0;url=/d">moving`))
	other.HandleFunc("/d", html(`<script>location.href = '/e'</script>`))
	other.HandleFunc("/e", html(`<title>end</title>here`))
	w.site("other.test", other)

	res := newRenderer(t).Render(context.Background(), w.ask("http://shop.test/a"))
	mustBeFine(t, res)
	want := []capture.Redirect{
		{From: "http://shop.test/a", To: "http://shop.test/b", Status: 302},
		{From: "http://shop.test/b", To: "http://other.test/c", Status: 301},
		{From: "http://other.test/c", To: "http://other.test/d"},
		{From: "http://other.test/d", To: "http://other.test/e"},
	}
	if fmt.Sprint(res.Redirects) != fmt.Sprint(want) {
		t.Errorf("redirects\n%v, want\n%v", res.Redirects, want)
	}
	if res.FinalURL != "http://other.test/e" || res.Title != "end" {
		t.Errorf("final %q title %q", res.FinalURL, res.Title)
	}
	a := find(t, res, "http://shop.test/a")
	if a.Status != 302 || !a.Main || a.ResponseHeader.Get("Set-Cookie") != "seen=1" || a.ResponseHeader.Get("Location") != "/b" {
		t.Errorf("first hop %+v", a)
	}
	b := find(t, res, "http://shop.test/b")
	if b.RequestHeader.Get("Cookie") != "seen=1" {
		t.Errorf("the second hop's true request headers are not there: %v", b.RequestHeader)
	}
	for _, p := range []string{"/c", "/d", "/e"} {
		if e := find(t, res, "http://other.test"+p); !e.Main || body(t, e) == "" {
			t.Errorf("%s: main %v", p, e.Main)
		}
	}
}

func TestEndlessSelfNavigationIsBounded(t *testing.T) {
	w := newWorld(t)
	w.site("shop.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		html(`<p>again</p><script>location.href = '/?' + Math.random()</script>`)(w, r)
	}))
	res := newRenderer(t).Render(context.Background(), w.ask("http://shop.test/"))
	if !strings.Contains(res.Settled, "moved on by itself") {
		t.Errorf("settled %q outcome %q", res.Settled, res.Outcome)
	}
	if n := len(res.Redirects); n < maxDocs || n > 4*maxDocs {
		t.Errorf("%d redirects", n)
	}
}

// Evidence is bytes: text in another charset must not come recoded.
func TestBodiesAreTheBytesSent(t *testing.T) {
	const gbk = "<title>\xc4\xe3\xba\xc3</title>\xc4\xe3\xba\xc3"
	w := newWorld(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/", content("text/html; charset=gbk", gbk+
		"<script src=/s.js charset=gbk></script><iframe src=/frame></iframe><iframe src=http://other.test/frame></iframe><script>fetch('/api')</script>"))
	mux.HandleFunc("/s.js", content("text/javascript", "\xef\xbb\xbfvar s = '\xc4\xe3\xba\xc3'"))
	mux.HandleFunc("/api", content("text/plain; charset=gbk", "\xc4\xe3\xba\xc3"))
	mux.HandleFunc("/frame", content("text/html; charset=gbk", gbk))
	w.site("shop.test", mux)
	w.site("other.test", mux)
	for _, flags := range [][]string{nil, {"--site-per-process"}} {
		r := newRenderer(t, func(c *Config) { c.ExtraFlags = flags })
		for range 3 {
			res := r.Render(context.Background(), w.ask("http://shop.test/"))
			mustBeFine(t, res)
			for url, want := range map[string]string{
				"http://shop.test/s.js":   "\xef\xbb\xbfvar s = '\xc4\xe3\xba\xc3'",
				"http://shop.test/api":    "\xc4\xe3\xba\xc3",
				"http://shop.test/frame":  gbk,
				"http://other.test/frame": gbk,
			} {
				if got := body(t, find(t, res, url)); got != want {
					t.Errorf("%v %s: %q, want %q", flags, url, got, want)
				}
			}
			if got := body(t, find(t, res, "http://shop.test/")); !strings.HasPrefix(got, gbk) {
				t.Errorf("main %q", got)
			}
			if res.Title != "你好" {
				t.Errorf("title %q", res.Title)
			}
		}
	}
}

func TestHeadersAreTheTrueOnes(t *testing.T) {
	w := newWorld(t)
	w.site("shop.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["X-Zulu"] = []string{"1"}
		h["Set-Cookie"] = []string{"a=1; HttpOnly", "b=2"}
		h["X-Alpha"] = []string{"2"}
		html("<p>"+r.Header.Get("User-Agent")+r.Header.Get("Cookie"))(w, r)
	}))
	q := w.ask("http://shop.test/")
	q.UserAgent = "Trawlmark/1 (+https://example.org/bot)"
	q.AcceptLanguage = "de-DE,de;q=0.9"
	q.Cookies = []Cookie{{Name: "currency", Value: "EUR", Domain: "shop.test"}}
	res := newRenderer(t).Render(context.Background(), q)
	mustBeFine(t, res)
	e := find(t, res, "http://shop.test/")
	for n, want := range map[string]string{"User-Agent": q.UserAgent, "Cookie": "currency=EUR", "Accept-Language": q.AcceptLanguage, "Host": "shop.test"} {
		if got := e.RequestHeader.Get(n); got != want {
			t.Errorf("request header %s is %q, want %q", n, got, want)
		}
	}
	if e.RequestHeader.Get("Proxy-Connection") != "" {
		t.Error("a header for our proxy is among those for the site")
	}
	var cookies []string
	for _, f := range e.ResponseHeader {
		if f.Name == "Set-Cookie" {
			cookies = append(cookies, f.Value)
		}
	}
	if fmt.Sprint(cookies) != "[a=1; HttpOnly b=2]" {
		t.Errorf("cookies %q", cookies)
	}
	if !strings.Contains(string(res.DOM), q.UserAgent) || res.UserAgent != q.UserAgent {
		t.Errorf("user agent %q, dom %s", res.UserAgent, res.DOM)
	}
}

func TestTLSChainAndProtocol(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/", html(`<img src=/i.png>secure`))
	spki := w.secure("shop.test", mux)
	res := newRenderer(t, func(c *Config) { c.ExtraSPKI = []string{spki} }).Render(context.Background(), w.ask("https://shop.test/"))
	mustBeFine(t, res)
	e := find(t, res, "https://shop.test/")
	if e.Protocol != "h2" || e.TLS == nil || e.TLS.Version != "TLS 1.3" || e.TLS.ALPN != "h2" || len(e.TLS.Chain) != 1 {
		t.Fatalf("protocol %q tls %+v", e.Protocol, e.TLS)
	}
	if _, err := x509.ParseCertificate(e.TLS.Chain[0]); err != nil {
		t.Error(err)
	}
	if got := e.RequestHeader.Get("Host"); got != "shop.test" {
		t.Errorf("host %q in %v", got, e.RequestHeader)
	}
	if !strings.Contains(strings.Join(res.Flags, " "), spki) {
		t.Error("the extra key is not among the recorded flags")
	}

	res = newRenderer(t).Render(context.Background(), w.ask("https://shop.test/"))
	if res.Outcome != capture.TLSFailed {
		t.Errorf("without the key: outcome %q, evidence %q", res.Outcome, res.Evidence)
	}
	if e := find(t, res, "https://shop.test/"); e.Failure == nil || e.Failure.Outcome != capture.TLSFailed {
		t.Errorf("failure %+v", e.Failure)
	}
}

func TestFailuresHaveOutcomes(t *testing.T) {
	w := newWorld(t)
	w.site("shop.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gone":
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, "<h1>gone</h1>")
		case "/nothing":
			w.WriteHeader(http.StatusNoContent)
		case "/hangup":
			panic(http.ErrAbortHandler)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/file":
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusFound)
		case "/data":
			w.Header().Set("Location", "data:text/html,hello")
			w.WriteHeader(http.StatusFound)
		}
	}))
	r := newRenderer(t)
	for _, c := range []struct {
		url  string
		want capture.Outcome
	}{
		{"http://shop.test/gone", ""},
		{"http://shop.test/nothing", capture.Empty},
		{"http://shop.test/hangup", capture.Empty},
		{"http://shop.test/loop", capture.HTTPError},
		{"http://shop.test/file", capture.BlockedAddr},
		{"http://shop.test/data", capture.BlockedAddr},
		{"https://unknown.test/", capture.ConnectFailed},
		{"file:///etc/passwd", capture.BlockedAddr},
		{"data:text/html,hello", capture.BlockedAddr},
		{"view-source:http://shop.test/", capture.BlockedAddr},
		{"chrome://crash", capture.BlockedAddr},
		{"javascript:alert(1)", capture.BlockedAddr},
	} {
		res := r.Render(context.Background(), w.ask(c.url))
		if res.Outcome != c.want || c.want != "" && len(res.Evidence) == 0 {
			t.Errorf("%s: outcome %q (%q, settled %q), want %q", c.url, res.Outcome, res.Evidence, res.Settled, c.want)
		}
		if c.url == "http://shop.test/gone" && (res.Status != 404 || !strings.Contains(string(res.DOM), "gone")) {
			t.Errorf("status %d dom %s", res.Status, res.DOM)
		}
	}
	q := w.ask("http://shop.test/gone")
	q.ProxyAddr = ""
	if res := r.Render(context.Background(), q); res.Outcome != capture.ConnectFailed {
		t.Errorf("without a proxy: %q", res.Outcome)
	}
}

func TestFramesAndWorkersAreRecordedFromTheirFirstRequest(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/", html(`<iframe src="https://other.test/frame"></iframe><script>
		new Worker('/worker.js');
		new SharedWorker('/shared.js');
		navigator.serviceWorker.register('/sw.js').then(() => navigator.serviceWorker.ready).then(() => {
			const img = new Image(); img.src = '/after-sw.png'; document.body.append(img);
			document.title = 'ready';
		});
		</script>`))
	for _, k := range []string{"worker", "shared", "sw"} {
		mux.HandleFunc("/"+k+".js", content("text/javascript", `fetch('/from-`+k+`'); self.onfetch = e => {}; /* `+k+` */`))
		mux.HandleFunc("/from-"+k, content("text/plain", "for "+k))
	}
	mux.HandleFunc("/after-sw.png", content("image/png", onePixel))
	other := http.NewServeMux()
	other.HandleFunc("/frame", html(`<p>frame</p><script>fetch('/from-frame').then(r => r.text()).then(t => document.title = t)</script>`))
	other.HandleFunc("/from-frame", content("text/plain", "for frame"))
	keys := []string{w.secure("shop.test", mux), w.secure("other.test", other)}
	for _, flags := range [][]string{nil, {"--site-per-process"}} {
		r := newRenderer(t, func(c *Config) { c.ExtraSPKI, c.ExtraFlags = keys, flags })
		res := r.Render(context.Background(), w.ask("https://shop.test/"))
		mustBeFine(t, res)
		for url, want := range map[string]string{
			"https://shop.test/worker.js":   "/* worker */",
			"https://shop.test/shared.js":   "/* shared */",
			"https://shop.test/sw.js":       "/* sw */",
			"https://shop.test/from-worker": "for worker",
			"https://shop.test/from-shared": "for shared",
			"https://shop.test/from-sw":     "for sw",
			"https://other.test/frame":      "<p>frame</p>",
			"https://other.test/from-frame": "for frame",
		} {
			if got := body(t, find(t, res, url)); !strings.Contains(got, want) {
				t.Errorf("%v %s: body %q", flags, url, got)
			}
		}
		seen := map[string]int{}
		for _, e := range res.Exchanges {
			seen[e.URL]++
			if e.RequestHeader.Get("User-Agent") == "" && e.URL != "https://shop.test/sw.js" { // CDP tells no more of that one
				t.Errorf("%s has no true request headers: %v", e.URL, e.RequestHeader)
			}
		}
		for _, k := range []string{"worker", "shared", "sw"} {
			if n := seen["https://shop.test/"+k+".js"]; n != 1 {
				t.Errorf("%s.js is recorded %d times", k, n)
			}
		}
		if res.Title != "ready" {
			t.Errorf("title %q, console %q", res.Title, res.Console)
		}
	}
}

const onePixel = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xfc\xcf\xc0P\x0f\x00\x04\x85\x01\x80\x84\xa9\x8c!\x00\x00\x00\x00IEND\xaeB`\x82"

func TestSocketsAndStreamsDoNotHoldUpThePage(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/", html(`<p>x</p><script>
		const s = new WebSocket('ws://shop.test/ws'); s.onopen = () => s.send('hello'); s.onmessage = e => document.title = e.data;
		new EventSource('/events').onmessage = e => document.querySelector('p').textContent = e.data;
		navigator.sendBeacon('/beacon', 'b');
		</script>`))
	stop := make(chan struct{})
	mux.HandleFunc("/ws", echoSocket)
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: tick\n\n")
		w.(http.Flusher).Flush()
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	})
	w.site("shop.test", mux)
	t.Cleanup(func() { close(stop) })
	start := time.Now()
	res := newRenderer(t).Render(context.Background(), w.ask("http://shop.test/"))
	mustBeFine(t, res)
	if took := time.Since(start); took > time.Minute { // of the two that it may take
		t.Errorf("it took %s", took)
	}
	ws := find(t, res, "ws://shop.test/ws")
	if ws.Kind != "websocket" || ws.Status != 101 || ws.RequestHeader.Get("Upgrade") != "websocket" {
		t.Errorf("socket %+v", ws)
	}
	if got := messages(t, ws); !strings.Contains(got, `"way":"sent","opcode":1,"text":"hello"}`) || !strings.Contains(got, `"way":"received","opcode":1,"text":"echo"}`) {
		t.Errorf("socket messages: %s", got)
	}
	if res.Title != "echo" {
		t.Errorf("title %q", res.Title)
	}
	ev := find(t, res, "http://shop.test/events")
	// It may have begun before it could be listened to (TestEndlessBodiesAreCutAndSaidToBe).
	if ev.Status != 200 || ev.Truncated != capture.ByTime || ev.Body == nil && !strings.Contains(ev.MissingBody, "after 12 bytes") || ev.Body != nil && body(t, ev) != "data: tick\n\n" {
		t.Errorf("event stream %+v", ev)
	}
}

func messages(t *testing.T, e *capture.Exchange) string {
	t.Helper()
	if e.Messages == nil {
		return ""
	}
	b, err := capture.ReadAll(e.Messages, 64<<20)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func TestCompressedBodiesAreDecodedAndSaySo(t *testing.T) {
	w := newWorld(t)
	w.site("shop.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, "<p>squeezed</p>")
		z.Close()
	}))
	res := newRenderer(t).Render(context.Background(), w.ask("http://shop.test/"))
	mustBeFine(t, res)
	e := find(t, res, "http://shop.test/")
	if !e.Decoded || body(t, e) != "<p>squeezed</p>" || e.ResponseHeader.Get("Content-Encoding") != "gzip" {
		t.Errorf("decoded %v body %q header %v", e.Decoded, body(t, e), e.ResponseHeader)
	}
}

func TestMetaRefreshIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/", html(`<meta http-equiv=refresh content="2;url=/next">wait`))
	mux.HandleFunc("/next", html(`<meta http-equiv=refresh content="3600;url=/never"><title>next</title>`))
	mux.HandleFunc("/bad", html(`<script>location.href='https://nowhere.test/'</script>`))
	w.site("shop.test", mux)
	r := newRenderer(t)
	res := r.Render(context.Background(), w.ask("http://shop.test/"))
	mustBeFine(t, res)
	if res.Title != "next" || len(res.Redirects) != 1 {
		t.Errorf("title %q redirects %v", res.Title, res.Redirects)
	}
	res = r.Render(context.Background(), w.ask("http://shop.test/bad"))
	if res.Outcome != capture.ConnectFailed || !strings.Contains(fmt.Sprint(res.Evidence), "https://nowhere.test/") {
		t.Errorf("outcome %q evidence %q", res.Outcome, res.Evidence)
	}
}

// FuzzParseHead: no input breaks the parser of HTTP/1 heads, and what it takes
// it takes whole.
func FuzzParseHead(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n\r\n")
	f.Add("HTTP/1.0 404\r\n\r\n")
	f.Add("HTTP/1.1 200 OK\nno colon\n")
	f.Fuzz(func(t *testing.T, s string) {
		proto, _, h, ok := parseHead(s)
		if !ok {
			if h != nil || proto != "" {
				t.Error("a refused head gives something")
			}
			return
		}
		if !strings.HasPrefix(proto, "http/") {
			t.Errorf("protocol %q", proto)
		}
		lines := 0
		for _, l := range strings.Split(s, "\n")[1:] {
			if strings.TrimRight(l, "\r") != "" {
				lines++
			}
		}
		if len(h) != lines {
			t.Errorf("%d fields of %d lines", len(h), lines)
		}
	})
}
