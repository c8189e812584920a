package render

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
)

func TestRenderKeepsEveryExchange(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/", html(`<!doctype html><title>A bag</title><h1>Bag</h1><p id=p></p><link rel=stylesheet href=/s.css>
		<script>fetch('/api', {method: 'POST', body: 'want=price'}).then(r => r.text())
		.then(t => { document.getElementById('p').textContent = t })</script>`))
	mux.HandleFunc("/api", content("application/json", `{"price":"12.00"}`))
	mux.HandleFunc("/s.css", content("text/css", `h1{color:red}`))
	w.site("shop.test", mux)
	r := newRenderer(t)
	q := w.ask("http://shop.test/")
	q.Screenshots = true
	res := r.Render(context.Background(), q)
	mustBeFine(t, res)

	main := find(t, res, "http://shop.test/")
	if !main.Main || main.Kind != "document" || main.Status != 200 || main.Via != "chrome" {
		t.Errorf("main exchange: %+v", main)
	}
	if !strings.Contains(body(t, main), "<h1>Bag</h1>") {
		t.Errorf("main body %q", body(t, main))
	}
	api := find(t, res, "http://shop.test/api")
	if got := body(t, api); got != `{"price":"12.00"}` {
		t.Errorf("api body %q", got)
	}
	if b, err := capture.ReadAll(api.RequestBody, 100); err != nil || string(b) != "want=price" {
		t.Errorf("posted %q, %v", b, err)
	}
	if got := api.Remote.String(); got != "192.0.2.7:8080" {
		t.Errorf("remote %s is not whom the proxy connected to", got)
	}
	if got := body(t, find(t, res, "http://shop.test/s.css")); got != "h1{color:red}" {
		t.Errorf("css body %q", got)
	}
	if !strings.Contains(string(res.DOM), `<p id="p">{"price":"12.00"}</p>`) {
		t.Errorf("what was fetched is not in the DOM: %s", res.DOM)
	}
	if res.Title != "A bag" || res.Status != 200 || res.MediaType != "text/html" || res.Settled != "idle" {
		t.Errorf("title %q status %d type %q settled %q", res.Title, res.Status, res.MediaType, res.Settled)
	}
	for _, role := range []capture.Role{capture.RoleDOM, capture.RoleText, capture.RoleViewport, capture.RoleFullPage, capture.RolePageInfo} {
		if res.artifact(role) == nil {
			t.Errorf("no %s artifact", role)
		}
	}
	if a := res.artifact(capture.RoleViewport); a != nil && (a.Width != 800 || a.Height != 600) {
		t.Errorf("viewport is %dx%d", a.Width, a.Height)
	}
}
