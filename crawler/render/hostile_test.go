package render

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// hostile are pages that try to keep a browser busy for ever, to get something
// out of it, or to bring it down. Each has a price to be read, and more says what
// else must be true of its capture.
var hostile = []struct {
	name, page string
	more       func(*Result) error
}{
	{"print", `<script>print(); onload = () => print()</script>`, nil},
	{"popup storm", `<script>for (let i = 0; i < 60; i++) open('/popup?' + i, 'w' + i)</script>`, func(r *Result) error {
		if n := len(r.Popups); n != 60 {
			return fmt.Errorf("%d popups are listed", n)
		}
		return nil
	}},
	{"history storm", `<script>for (let i = 0; i < 2000; i++) try { history.pushState(i, '', '/p?' + i) } catch { break }
		setInterval(() => { try { history.replaceState(0, '', '/r?' + Math.random()) } catch {} }, 20)</script>`, nil},
	{"hash storm", `<script>setInterval(() => { location.hash = Math.random() }, 5)</script>`, nil},
	{"many nodes", `<div id=d></div><script>document.getElementById('d').innerHTML = '<i>' + '</i><i>'.repeat(99999) + '</i>'</script>`, func(r *Result) error {
		if n := strings.Count(string(r.DOM), "<i></i>"); n != 100_000 {
			return fmt.Errorf("%d nodes were read", n)
		}
		return nil
	}},
	{"deep nesting", `<script>let e = document.body; for (let i = 0; i < 400; i++) e = e.appendChild(document.createElement('div')); e.textContent = 'deep'</script>`, nil},
	{"canvas and WebGL", `<canvas id=c width=300 height=200></canvas><canvas id=g></canvas><script>
		const c = document.getElementById('c').getContext('2d'); c.fillStyle = 'red'; c.fillRect(0, 0, 300, 200);
		const g = document.getElementById('g').getContext('webgl'); if (g) { g.clearColor(1, 0, 0, 1); g.clear(g.COLOR_BUFFER_BIT) }</script>`, nil},
	{"many dialogs", `<script>for (let i = 0; i < 150; i++) { alert(i); confirm(i) }</script>`, func(r *Result) error {
		if n := len(r.Dialogs); n != 101 {
			return fmt.Errorf("%d dialogs are listed", n)
		}
		return nil
	}},
	{"dialogs for ever", `<script>setInterval(() => alert('again'), 1)</script>`, nil},
	{"blob URLs", `<img id=i><iframe id=f></iframe><script>
		document.getElementById('i').src = URL.createObjectURL(new Blob(['<svg xmlns="http://www.w3.org/2000/svg"/>'], {type: 'image/svg+xml'}));
		document.getElementById('f').src = URL.createObjectURL(new Blob(['<p>in a blob</p>'], {type: 'text/html'}));
		new Worker(URL.createObjectURL(new Blob(['for (let i = 0; i < 1e6; i++); postMessage(1)'])))</script>`, nil},
	{"data image of 20 MB", `<img id=i><script>document.getElementById('i').src = 'data:image/bmp;base64,' + 'A'.repeat(27 << 20)</script>`, nil},
	{"animations", `<style>@keyframes x { to { transform: rotate(360deg) } } p { animation: x .1s linear infinite }</style>
		<script>const f = () => { for (const t = performance.now(); performance.now() - t < 12;); requestAnimationFrame(f) }; f()</script>`, nil},
	{"mutations for ever", `<b id=b></b><script>setInterval(() => { document.getElementById('b').textContent = Math.random() }, 1)</script>`, nil},
	{"permissions", `<input type=file id=f><script>
		navigator.geolocation.getCurrentPosition(() => {}, () => {}); try { Notification.requestPermission() } catch {}
		navigator.mediaDevices?.getUserMedia({video: true, audio: true}).catch(() => {}); navigator.clipboard?.readText().catch(() => {});
		document.documentElement.requestFullscreen().catch(() => {}); document.documentElement.requestPointerLock?.();
		document.getElementById('f').click(); window.showOpenFilePicker?.().catch(() => {}); navigator.usb?.requestDevice({filters: []}).catch(() => {});
		navigator.share?.({title: 'x'}).catch(() => {})</script>`, nil},
	{"to an app", `<script>location.href = 'mailto:somebody@shop.test'</script>`, nil},
	{"to an app, later", `<script>onload = () => { location.href = 'shopapp://item/1' }</script>`, func(r *Result) error {
		if !strings.Contains(strings.Join(r.Evidence, " "), "shopapp://item/1") {
			return fmt.Errorf("where it wanted to go is not kept: %q", r.Evidence)
		}
		return nil
	}},
	{"console flood", `<script>for (let i = 0; i < 20000; i++) console.error('x'.repeat(500) + i)</script>`, func(r *Result) error {
		if n := len(r.Console); n == 0 || n > 101 {
			return fmt.Errorf("%d console messages are listed", n)
		}
		return nil
	}},
	{"frames in frames", `<script>if (top === self || location.search.length < 60) { const f = document.createElement('iframe'); f.src = location.pathname + '?' + 'x'.repeat(location.search.length + 1); document.body.append(f) }</script>`, nil},
	{"requests for ever", `<script>const f = i => fetch('/x?' + i).finally(() => f(i + 1)); for (let i = 0; i < 4; i++) f(i * 1e6)</script>`, func(r *Result) error {
		if !strings.HasPrefix(r.Settled, "never quiet") && r.Settled != "idle" {
			return fmt.Errorf("settled %q", r.Settled)
		}
		return nil
	}},
	{"workers", `<script>for (let i = 0; i < 8; i++) new Worker(URL.createObjectURL(new Blob(['for (;;);'])))</script>`, nil},
	{"storage", `<script>try { for (let i = 0; ; i++) localStorage.setItem('k' + i, 'x'.repeat(1 << 20)) } catch {}
		caches?.open('x').then(c => c.put('/k', new Response('x'.repeat(1 << 22)))).catch(() => {})</script>`, nil},
	{"wiped by itself", `<script>onload = () => { document.open(); document.write('<p>price 12.00 again</p>'); document.close() }</script>`, nil},
}

// Whatever a page does, its capture ends by itself as what it is: the page was
// seen, and what it showed is kept.
func TestHostilePagesAreSeenAndOthersGoOn(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	for i, h := range hostile {
		mux.HandleFunc(fmt.Sprintf("/%d", i), html(`<!doctype html><title>Bag</title><p>price 12.00</p>`+h.page))
	}
	mux.HandleFunc("/", html("nothing"))
	mux.HandleFunc("/fine", html(`<p>fine</p>`))
	w.site("shop.test", mux)
	r := newRenderer(t, func(c *Config) { c.MaxContexts, c.IdleWait = 2, time.Second })
	var wg sync.WaitGroup
	for i, h := range hostile {
		wg.Go(func() {
			q := w.ask(fmt.Sprintf("http://shop.test/%d", i))
			q.Screenshots, q.Deadline, q.MaxHeight = true, 2*time.Minute, 3000
			began := time.Now()
			res := r.Render(context.Background(), q)
			t.Logf("%-22s %5.1f s, settled %q, missing %.200s", h.name, time.Since(began).Seconds(), res.Settled, fmt.Sprint(res.Missing))
			if res.Outcome != "" || !strings.Contains(string(res.DOM), "price 12.00") {
				t.Errorf("%s: outcome %q %q, %d bytes of document", h.name, res.Outcome, res.Evidence, len(res.DOM))
			}
			for _, role := range []capture.Role{capture.RoleViewport, capture.RoleFullPage} {
				if res.artifact(role) == nil && !strings.Contains(fmt.Sprint(res.Missing), "screenshot") {
					t.Errorf("%s: there is no %s picture, and nothing says why", h.name, role)
				}
			}
			if h.more != nil {
				if err := h.more(res); err != nil {
					t.Errorf("%s: %v", h.name, err)
				}
			}
		})
	}
	wg.Wait()
	if res := r.Render(context.Background(), w.ask("http://shop.test/fine")); res.Outcome != "" || !strings.Contains(string(res.DOM), "fine") {
		t.Errorf("the next capture: %q %q", res.Outcome, res.Evidence)
	}
	for _, asked := range w.requests() {
		if strings.Contains(asked, "/popup") {
			t.Errorf("a popup was loaded: %s", asked)
		}
	}
}
