package markettest

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"
)

// serveListingWith answers with a good page that does something in a browser.
func (m *Market) serveListingWith(w http.ResponseWriter, r *http.Request, wd *world, l Listing) {
	p := m.itemPage(r, wd, l)
	script := func(js string) { p.FootExtra += template.HTML("<script>" + js + "</script>\n") }
	switch l.Fault {
	case FaultThrows:
		p.HeadExtra = `<script>window.boot.not.there();</script>`
		script(`setTimeout(() => { throw new Error("late failure") }, 10); Promise.reject(new Error("nobody caught this")); console.error("tracker failed");`)
	case FaultDialogs:
		script(`alert("Welcome! 10 % off today."); confirm("Allow notifications?"); prompt("Your e-mail?"); document.body.dataset.dialogs = "done";`)
	case FaultPopups:
		script(`window.open("/deals", "_blank"); setTimeout(() => window.open("/deals?again", "ad", "width=300,height=200"), 50); document.addEventListener("click", () => window.open("/deals?click"));`)
	case FaultBeforeUnload:
		script(`addEventListener("beforeunload", e => { e.preventDefault(); e.returnValue = "Stay?"; });`)
	case FaultAutoDownload:
		script(`const a = document.createElement("a"); a.href = "/download/` + l.ID + `"; a.download = "catalogue.zip"; document.body.append(a); a.click();`)
	case FaultTall:
		p.Body = `<div class="tall" style="height:40000px;background:repeating-linear-gradient(#fff 0 500px,#eef2f2 500px 1000px)"></div><p id="bottom">The end of the page.</p>`
	case FaultInfiniteScroll:
		p.Body = `<div id="feed"></div><div id="more" style="height:1px"></div>`
		script(`let n = 0; new IntersectionObserver(es => { if (es.some(e => e.isIntersecting)) for (let i = 0; i < 10; i++) { const d = document.createElement("p"); d.style.height = "120px"; d.textContent = "Recommended item " + (++n); document.getElementById("feed").append(d); } }, {rootMargin: "600px"}).observe(document.getElementById("more"));`)
	case FaultHang:
		script(`setTimeout(() => { for (;;) {} }, 30);`)
	case FaultIframes:
		other := m.otherOrigin(r)
		p.Body = template.HTML(fmt.Sprintf(`<iframe class="frame" src="%s/frame/%s" title="payment" width="480" height="160"></iframe><iframe class="frame" src="%s/frame/nested-%s" title="ads" width="480" height="220"></iframe>`, other, l.ID, other, l.ID))
	case FaultWebSocket:
		p.Body = `<p><span id="live">?</span> people are looking at this.</p>`
		script(`const s = new WebSocket(location.origin.replace(/^http/, "ws") + "/ws/` + l.ID + `"); s.onmessage = e => { document.getElementById("live").textContent = JSON.parse(e.data).watchers; };`)
	case FaultServiceWorker:
		p.Body = `<p id="worker">no worker</p>`
		script(`navigator.serviceWorker?.register("/item/` + l.ID + `/sw.js").then(() => navigator.serviceWorker.ready).then(() => fetch("/api/watchers/` + l.ID + `")).then(r => r.json()).then(d => { document.getElementById("worker").textContent = "worker ready, " + d.watchers + " people are looking"; }).catch(e => { document.getElementById("worker").textContent = "worker failed: " + e.message; });`)
	case FaultBusyNetwork:
		script(`setInterval(() => fetch("/api/watchers/` + l.ID + `?t=" + performance.now()).catch(() => {}), 100);`)
	case FaultBrokenImages:
		p.Body = `<img src="/img/0000000000000000.jpg" alt="" width="200" height="200"><img src="` + template.HTML(l.PicturePath(0)) + `?x" alt="" width="200" height="200"><img src="/static/nothing.png" alt="" width="200" height="200">`
	}
	m.send(w, r, http.StatusOK, "text/html; charset="+l.Charset, m.listingBytes(p))
}

// otherOrigin is another origin that is the same server: frame. of the domain,
// or the other way to say "this machine".
func (m *Market) otherOrigin(r *http.Request) string {
	host := hostOnly(r.Host)
	switch host {
	case "127.0.0.1":
		return strings.Replace(base(r), host, "localhost", 1)
	case "localhost":
		return strings.Replace(base(r), host, "127.0.0.1", 1)
	}
	return m.sibling(r, "frame", "")
}

func (m *Market) serveFrame(w http.ResponseWriter, r *http.Request) {
	p := m.site(r, "en")
	p.HeadTitle = "Payment"
	id := r.PathValue("id")
	p.Body = template.HTML(`<section class="panel"><h2>Pay safely</h2><p id="frame-of">` + template.HTMLEscapeString(id) + `</p></section>`)
	if rest, ok := strings.CutPrefix(id, "nested-"); ok {
		p.Body += template.HTML(`<iframe src="` + m.otherOrigin(r) + `/frame/` + template.HTMLEscapeString(rest) + `" width="400" height="120" title="inner"></iframe>`)
	}
	m.html(w, r, http.StatusOK, "bare", p)
}

// serveWorker is a service worker that answers for the API itself.
func (m *Market) serveWorker(w http.ResponseWriter, r *http.Request) {
	m.send(w, r, http.StatusOK, "text/javascript; charset=utf-8", []byte(`self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", e => e.waitUntil(self.clients.claim()));
self.addEventListener("fetch", e => {
  if (e.request.url.includes("/api/watchers/")) e.respondWith(new Response('{"watchers":99}', {headers: {"Content-Type": "application/json"}}));
});
`))
}

// serveWebSocket speaks as much of RFC 6455 as a page needs that only listens:
// the handshake, then a text frame twice a second until the client goes.
func (m *Market) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Sec-WebSocket-Key")
	h, ok := w.(http.Hijacker)
	if key == "" || !ok || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		http.Error(w, "a WebSocket handshake is needed", http.StatusUpgradeRequired)
		return
	}
	conn, buf, err := h.Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	if rec, ok := w.(*recorder); ok {
		m.log.change(rec.line, func(a *Access) { a.Status = http.StatusSwitchingProtocols })
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(buf, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for n := source(m.cfg.Seed, "ws "+r.PathValue("id")).IntN(40) + 2; ; n++ {
		text := fmt.Sprintf(`{"watchers":%d}`, n)
		_ = conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
		_, _ = buf.Write(append([]byte{0x81, byte(len(text))}, text...))
		if buf.Flush() != nil {
			return
		}
		select {
		case <-tick.C:
		case <-m.stop.Done():
			return
		}
	}
}
