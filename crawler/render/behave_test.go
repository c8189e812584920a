package render

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"

	"github.com/trawlmark/trawlmark/archive/capture"
)

func TestDialogsAreAnswered(t *testing.T) {
	w := newWorld(t)
	w.site("shop.test", html(`<title>x</title><script>
		alert('hello'); const c = confirm('sure?'); const p = prompt('name?', 'me');
		onbeforeunload = e => { e.preventDefault(); return 'stay'; };
		document.title = c + ' ' + p;
		if (!location.search) location.href = '/?next';
		</script>`))
	res := newRenderer(t).Render(context.Background(), w.ask("http://shop.test/"))
	mustBeFine(t, res)
	if res.Title != "false null" || res.FinalURL != "http://shop.test/?next" {
		t.Errorf("title %q final %q", res.Title, res.FinalURL)
	}
	for _, want := range []string{"alert: hello", "confirm: sure?", "prompt: name?"} {
		if !strings.Contains(strings.Join(res.Dialogs, "\n"), want) {
			t.Errorf("dialogs %q lack %q", res.Dialogs, want)
		}
	}
}

func TestPopupsAreRecordedAndClosed(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/", html(`<p>page</p><a id=a href="/tab" target=_blank rel=noopener>x</a><script>
		open('/popup'); document.getElementById('a').click();</script>`))
	w.site("shop.test", mux)
	res := newRenderer(t).Render(context.Background(), w.ask("http://shop.test/"))
	if res.Outcome != "" || !strings.Contains(string(res.DOM), "page") {
		t.Fatalf("outcome %q dom %s", res.Outcome, res.DOM)
	}
	got := strings.Join(res.Popups, " ")
	for _, want := range []string{"http://shop.test/popup", "http://shop.test/tab"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("popups %q, want one %s", res.Popups, want)
		}
	}
	for _, q := range w.requests() {
		if strings.Contains(q, "/popup") || strings.Contains(q, "/tab") {
			t.Errorf("a popup was loaded: %s", q)
		}
	}
}

func TestDownloadsAreRefused(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	file := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/zip")
		w.Header().Set("Content-Disposition", "attachment; filename=evil.zip")
		io.WriteString(w, "PK\x03\x04 not really")
	}
	mux.HandleFunc("/file", file)
	mux.HandleFunc("/page", html(`<p>page</p><a id=a href=/file download>get</a><script>document.getElementById('a').click()</script>`))
	w.site("shop.test", mux)
	r := newRenderer(t)
	res := r.Render(context.Background(), w.ask("http://shop.test/file"))
	if res.Outcome != capture.NotHTML || len(res.Downloads) != 1 || res.Status != 200 {
		t.Errorf("outcome %q evidence %q downloads %q status %d", res.Outcome, res.Evidence, res.Downloads, res.Status)
	}
	res = r.Render(context.Background(), w.ask("http://shop.test/page"))
	if res.Outcome != "" || len(res.Downloads) != 1 || res.Downloads[0] != "http://shop.test/file" {
		t.Errorf("outcome %q downloads %q settled %q", res.Outcome, res.Downloads, res.Settled)
	}
}

func TestAuthChallengesAreCancelled(t *testing.T) {
	w := newWorld(t)
	w.site("shop.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="secret"`)
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, "<p>no entry</p>")
	}))
	res := newRenderer(t).Render(context.Background(), w.ask("http://shop.test/"))
	if res.Outcome != "" || res.Status != 401 || !strings.Contains(string(res.DOM), "no entry") {
		t.Errorf("outcome %q (%q) status %d dom %s", res.Outcome, res.Evidence, res.Status, res.DOM)
	}
}

func TestBannerIsDismissedAfterAPicture(t *testing.T) {
	w := newWorld(t)
	w.site("shop.test", html(`<p>page</p><div id=banner style="position:fixed;inset:0;background:red">
		<button id=ok style="width:200px;height:80px" onclick="if (event.isTrusted) document.getElementById('banner').remove()">OK</button></div>`))
	q := w.ask("http://shop.test/")
	q.Screenshots = true
	q.DismissSelectors = []string{"#none", "%bad%", "#ok"}
	res := newRenderer(t).Render(context.Background(), q)
	mustBeFine(t, res)
	if strings.Contains(string(res.DOM), "banner") {
		t.Errorf("the banner is still there: %s", res.DOM)
	}
	before, after := picture(t, res.artifact(capture.RoleBefore)), picture(t, res.artifact(capture.RoleViewport))
	if red(before, 700, 500) != true || red(after, 700, 500) {
		t.Error("the first picture should be red, the second not")
	}
	if !strings.Contains(strings.Join(res.Evidence, " "), "#ok") {
		t.Errorf("evidence %q", res.Evidence)
	}
}

func TestScriptsSeeWhatTheRequestSays(t *testing.T) {
	w := newWorld(t)
	w.site("shop.test", html(`<script>document.title = [Intl.DateTimeFormat().resolvedOptions().timeZone,
		Intl.DateTimeFormat().resolvedOptions().locale, navigator.languages.join('/'), innerWidth, innerHeight, devicePixelRatio].join(' ');
		console.error('bad thing', 7); console.log('chatter'); setTimeout(() => { throw new Error('boom') });
		HTMLElement.prototype.cloneNode = Element.prototype.getBoundingClientRect = document.querySelectorAll = () => { throw 1 };
		Object.defineProperty(Element.prototype, 'outerHTML', {get: () => 'forged'});</script>`))
	q := w.ask("http://shop.test/")
	q.TimeZone, q.Locale, q.AcceptLanguage = "Asia/Tokyo", "ja-JP", "ja-JP,en;q=0.5"
	q.Width, q.Height, q.Scale = 390, 844, 2
	q.Screenshots = true
	res := newRenderer(t).Render(context.Background(), q)
	mustBeFine(t, res)
	if want := "Asia/Tokyo ja-JP ja-JP/en 390 844 2"; res.Title != want {
		t.Errorf("scripts saw %q, want %q", res.Title, want)
	}
	if strings.Contains(string(res.DOM), "forged") && !strings.Contains(string(res.DOM), "<script>") {
		t.Errorf("the page forged its DOM: %s", res.DOM)
	}
	got := strings.Join(res.Console, "\n")
	if !strings.Contains(got, `"bad thing" 7`) || !strings.Contains(got, "boom") || strings.Contains(got, "chatter") {
		t.Errorf("console %q", res.Console)
	}
	if a := res.artifact(capture.RoleViewport); a.Width != 780 || a.Height != 1688 {
		t.Errorf("picture %dx%d", a.Width, a.Height)
	}
	if res.Viewport != "390x844@2" {
		t.Errorf("viewport %q", res.Viewport)
	}
}

func TestShadowRootsAreInTheDOM(t *testing.T) {
	w := newWorld(t)
	w.site("shop.test", html(`<!doctype html><div id=host></div><script>
		document.getElementById('host').attachShadow({mode: 'open'}).innerHTML = '<b>price in the shadow</b>'</script>`))
	res := newRenderer(t).Render(context.Background(), w.ask("http://shop.test/"))
	mustBeFine(t, res)
	if d := string(res.DOM); !strings.HasPrefix(d, "<!DOCTYPE html>\n<html>") || !strings.Contains(d, "<b>price in the shadow</b>") || !strings.HasSuffix(d, "</html>") {
		t.Errorf("dom %s", d)
	}
}

// crashWhen crashes the main page of the visit whose request matches as soon
// as its document is there.
func crash(v *visit) {
	v.lock(func() { post(v.page, page.Crash, cdp.Empty{}, nil) })
}

func TestCrashKeepsWhatWasSeen(t *testing.T) {
	w := newWorld(t)
	held := make(chan struct{})
	reached := make(chan struct{}, 9)
	mux := http.NewServeMux()
	mux.HandleFunc("/", html(`<p>page</p><script>onload = () => fetch('/held')</script>`))
	mux.HandleFunc("/fine", html(`fine`))
	mux.HandleFunc("/held", func(w http.ResponseWriter, r *http.Request) {
		reached <- struct{}{}
		select {
		case <-held:
		case <-r.Context().Done():
		}
	})
	w.site("shop.test", mux)
	defer close(held)
	r := newRenderer(t)
	ch, err := r.acquire(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer r.release(ch)
	v := newVisit(r.cfg, ch, w.ask("http://shop.test/").withDefaults(), nil)
	// What the page has asked for by now was seen; that its own body has come
	// to us too may take a busy machine a while longer.
	have := func() (ok bool) {
		v.lock(func() {
			for _, h := range v.rec.order {
				ok = ok || h.isMain && h.ex.Body != nil
			}
		})
		return ok
	}
	go func() {
		<-reached
		for end := time.Now().Add(time.Minute); !have() && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
		}
		crash(v)
	}()
	res, err := v.run(context.Background())
	v.dispose(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if res.Outcome != capture.RenderCrash || len(res.Evidence) == 0 {
		t.Errorf("outcome %q evidence %q", res.Outcome, res.Evidence)
	}
	if e := find(t, res, "http://shop.test/"); e.Status != 200 || !strings.Contains(body(t, e), "page") {
		t.Errorf("main exchange %+v", e)
	}
	if !strings.Contains(fmt.Sprint(res.Missing), "dom") {
		t.Errorf("missing %v", res.Missing)
	}
	// The same Chrome goes on.
	res = r.Render(context.Background(), w.ask("http://shop.test/fine"))
	if res.Outcome != "" {
		t.Errorf("the next capture: %q %q", res.Outcome, res.Evidence)
	}
}

// A page whose scripts go on after the load event, one queued after the other and
// without a request, for longer than a page must be quiet: what they ask for at
// the end is waited for.
func TestScriptsThatGoOnAreWaitedFor(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", html(`<p id=p>no price</p><script>
		const work = n => {
			for (const end = performance.now() + 25; performance.now() < end;);
			if (n) scheduler.postTask(() => work(n - 1), {priority: 'user-visible'});
			else fetch('/price').then(r => r.text()).then(t => { p.textContent = t; p.title = 'after ' + Math.round(performance.now() - began) });
		};
		let began;
		onload = () => { began = performance.now(); work(16) };
	</script>`))
	mux.HandleFunc("/price", content("text/plain", "price 12.00"))
	w.site("shop.test", mux)
	r := newRenderer(t)
	if r.cfg.Quiet > 400*time.Millisecond {
		t.Fatalf("it is quiet for %v: nothing is tried", r.cfg.Quiet)
	}
	var res *Result
	for range 10 { // a machine that stalls makes the work longer than what is waited for
		res = r.Render(context.Background(), w.ask("http://shop.test/"))
		mustBeFine(t, res)
		if strings.Contains(string(res.DOM), "price 12.00") {
			return
		}
	}
	t.Errorf("the document is %s", res.DOM)
}

// A page that hangs after it has loaded: the browser lives, the page does not,
// and what it showed is kept.
func TestHangAfterLoadingIsTold(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/later", html(`<title>Bag</title><p>price 12.00</p><script>onload = () => setTimeout(() => { for (;;); }, 1)</script>`))
	mux.HandleFunc("/scroll", html(`<title>Bag</title><p style="height:5000px">price 12.00</p><script>onscroll = () => { for (;;); }</script>`))
	mux.HandleFunc("/fine", html(`<p>fine</p>`))
	w.site("shop.test", mux)
	r := newRenderer(t)
	patient := r.cfg
	for _, path := range []string{"/later", "/scroll"} {
		q := w.ask("http://shop.test" + path)
		q.Screenshots = true
		r.cfg.HangWait, r.cfg.StepTimeout = 6*time.Second, 8*time.Second
		res := r.Render(context.Background(), q)
		r.ending.Wait()
		r.cfg = patient // a busy machine is no hang
		t.Logf("%s: %q %q settled %q, missing %v", path, res.Outcome, res.Evidence, res.Settled, res.Missing)
		if res.Outcome != capture.RenderCrash || !strings.Contains(strings.Join(res.Evidence, " "), "without a pause, while the browser answered") {
			t.Errorf("%s: outcome %q %q", path, res.Outcome, res.Evidence)
		}
		if res.Title != "Bag" || !strings.Contains(string(res.DOM), "price 12.00") || res.artifact(capture.RoleViewport) == nil {
			t.Errorf("%s: what it showed is not kept: %q, %d artifacts", path, res.DOM, len(res.Artifacts))
		}
		if res := r.Render(context.Background(), w.ask("http://shop.test/fine")); res.Outcome != "" {
			t.Errorf("the next capture: %q %q", res.Outcome, res.Evidence)
		}
		r.ending.Wait()
	}
	if s := r.Stats(); s.PageCrashes != 2 || s.Crashes != 0 {
		t.Errorf("counted as %+v", s)
	}
}

func TestHangsEndAndOthersGoOn(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/once", html(`<p>hang once</p><script>for (;;);</script>`))
	mux.HandleFunc("/ever", html(`<p>hang for ever</p><script>
		const f = () => { for (let t = Date.now(); Date.now() - t < 60000;); }; 
		const go = () => { new Promise(() => { setTimeout(go); setTimeout(go); f(); }) }; go();</script>`))
	mux.HandleFunc("/alerts", html(`<p>alerts</p><script>for (;;) alert('x')</script>`))
	mux.HandleFunc("/fine", html(`<p>fine</p>`))
	w.site("shop.test", mux)
	r := newRenderer(t, func(c *Config) { c.MaxContexts = 4 })
	var wg sync.WaitGroup
	for _, path := range []string{"/once", "/ever", "/alerts"} {
		wg.Go(func() {
			q := w.ask("http://shop.test" + path)
			q.Deadline = 8 * time.Second // time to be fetched while the others hang
			q.Screenshots = true
			start := time.Now()
			res := r.Render(context.Background(), q)
			took := time.Since(start)
			t.Logf("%s: %s %q %q settled %q, %v, dom %d bytes", path, took, res.Outcome, res.Evidence, res.Settled, res.Missing, len(res.DOM))
			if res.Outcome != capture.Timeout && res.Outcome != capture.RenderCrash {
				t.Errorf("%s: outcome %q", path, res.Outcome)
			}
			if took > 2*time.Minute {
				t.Errorf("%s took %s", path, took)
			}
			if e := find(t, res, "http://shop.test"+path); e.Status != 200 {
				t.Errorf("%s: main exchange %+v", path, e)
			}
		})
	}
	for range 3 {
		res := r.Render(context.Background(), w.ask("http://shop.test/fine"))
		if res.Outcome != "" || !strings.Contains(string(res.DOM), "fine") {
			t.Errorf("fine: outcome %q evidence %q missing %v", res.Outcome, res.Evidence, res.Missing)
		}
	}
	wg.Wait()
}
