package render

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"

	"github.com/trawlmark/trawlmark/archive/capture"
)

const (
	// maxDOM and maxText bound what is read of a document, in UTF-16 units.
	maxDOM  = 48 << 20
	maxText = 4 << 20
	// maxPixels is the longest side Chrome draws, in device pixels; beyond it
	// images are blank or repeat.
	maxPixels = 16_384
)

// worldRef is a JavaScript world of our own in the page's document: the page's
// scripts cannot see it nor change what it calls.
type worldRef struct {
	loader cdp.LoaderID
	id     runtime.ExecutionContextID
}

// eval calls a JavaScript function in our own world of the main frame and
// decodes what it, or the promise it returns, gives.
func eval[T any](ctx context.Context, v *visit, fn string, args ...any) (T, error) {
	var out T
	raw, err := json.Marshal(append([]any{}, args...)) // none is [], and not null
	if err != nil {
		return out, err
	}
	var loader cdp.LoaderID
	var world worldRef
	v.lock(func() { loader, world = v.loader, v.world })
	if world.loader != loader || world.id == 0 {
		w, err := call(ctx, v.page, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{
			FrameID: cdp.FrameID(v.pageID), WorldName: "trawlmark",
		})
		if err != nil {
			return out, err
		}
		world = worldRef{loader, w.ExecutionContextID}
		v.lock(func() { v.world = world })
	}
	yes := true
	r, err := call(ctx, v.page, runtime.Evaluate, runtime.EvaluateParams{
		Expression: "(" + fn + ")(..." + string(raw) + ")", ContextID: world.id,
		ReturnByValue: &yes, AwaitPromise: &yes, Silent: &yes,
	})
	if err != nil {
		v.lock(func() { v.world = worldRef{} })
		return out, err
	}
	if r.ExceptionDetails != nil {
		return out, fmt.Errorf("a script of ours failed: %s", r.ExceptionDetails.Text)
	}
	if r.Result == nil || len(r.Result.Value) == 0 {
		return out, nil
	}
	return out, decode(r.Result.Value, &out)
}

// scrollJS goes down the page a screen at a time, a frame each, so that what
// loads only when seen is loaded, and back to the top. It gives the height that
// the page has then, 0 when all of it is on the first screen.
const scrollJS = `async (maxHeight, budget) => {
	const el = document.scrollingElement || document.documentElement;
	if (!el || el.scrollHeight <= innerHeight) return 0;
	const start = performance.now();
	const frame = () => new Promise(r => { requestAnimationFrame(() => r()); setTimeout(r, 100); });
	for (let y = innerHeight; y < Math.min(el.scrollHeight, maxHeight); y += innerHeight) {
		if (performance.now() - start > budget) break;
		scrollTo({top: y, behavior: 'instant'});
		await frame();
	}
	scrollTo({top: 0, behavior: 'instant'});
	await frame();
	return el.scrollHeight;
}`

// imagesJS waits for the images that are there, and for the fonts. Decoding is
// left to the drawing, which waits for it (flags.go) and does it in the size that
// is shown: to ask for it here is to do it twice.
const imagesJS = `async (budget) => {
	const late = new Promise(r => setTimeout(r, budget, true));
	const done = i => i.complete ? null
		: new Promise(r => { i.addEventListener('load', r, {once: true}); i.addEventListener('error', r, {once: true}); });
	const wanted = [...document.images].filter(i => (i.currentSrc || i.src) && (i.complete || i.loading !== 'lazy'));
	await Promise.race([late, Promise.all([...wanted.map(done), document.fonts ? document.fonts.ready : null])]);
	return wanted.filter(i => !i.complete).length;
}`

// scroll brings lazy content in and waits for it.
func (v *visit) scroll(ctx, deadline context.Context) {
	if deadline.Err() != nil {
		return
	}
	ctx, cancel := merge(ctx, deadline)
	defer cancel()
	if v.scrolled >= longScroll {
		return // once is enough of a page that grows as it is scrolled
	}
	if err := v.scrollOnce(ctx, v.cfg.Quiet/2); err != nil {
		v.lock(func() { v.rec.miss("scroll", v.docURL, "the page could not be scrolled through: "+err.Error()) })
		return
	}
	pending, err := eval[int](ctx, v, imagesJS, 3000)
	if err == nil && pending > 0 {
		v.lock(func() { v.res.Settled += fmt.Sprintf(", %d images not loaded", pending) })
	}
}

// longScroll is a time after which a page is not scrolled through again, and
// scrollBudget the most that scrolling takes.
const (
	longScroll   = time.Second
	scrollBudget = 5 * time.Second
)

// scrollOnce goes down the page and waits, when there was anything below the
// first screen, until what that started is loaded and quiet.
func (v *visit) scrollOnce(ctx context.Context, quiet time.Duration) error {
	began := time.Now()
	step, cancel := context.WithTimeout(ctx, v.cfg.StepTimeout)
	bottom, err := eval[int](step, v, scrollJS, v.req.MaxHeight, scrollBudget.Milliseconds())
	cancel()
	v.scrolled, v.bottom = time.Since(began), bottom
	if err == nil && bottom > 0 {
		_ = v.settle(ctx, time.Now(), v.cfg.IdleWait/2, quiet) // what is still loading is listed at the end
	}
	return err
}

// merge gives a context that ends with either.
func merge(a, b context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(a)
	stop := context.AfterFunc(b, func() { cancel(b.Err()) })
	return ctx, func() { stop(); cancel(nil) }
}

// dismissJS finds the first visible element of some selectors.
const dismissJS = `(selectors) => {
	for (const s of selectors) {
		let all; try { all = document.querySelectorAll(s); } catch { continue; }
		for (const e of all) {
			const r = e.getBoundingClientRect();
			if (r.width > 0 && r.height > 0 && (!e.checkVisibility || e.checkVisibility({checkOpacity: true, checkVisibilityCSS: true})))
				return {selector: s, x: r.x + r.width / 2, y: r.y + r.height / 2};
		}
	}
	return null;
}`

// banner is a thing to click away.
type banner struct {
	Selector string  `json:"selector"`
	X        float64 `json:"x"`
	Y        float64 `json:"y"`
}

// banner finds what DismissSelectors name; nil when it is not in sight.
func (v *visit) banner(ctx context.Context) (*banner, error) {
	if len(v.req.DismissSelectors) == 0 {
		return nil, nil
	}
	return eval[*banner](ctx, v, dismissJS, v.req.DismissSelectors)
}

// dismiss clicks a cookie banner away, after a picture of the page with it.
func (v *visit) dismiss(ctx, deadline context.Context) {
	if deadline.Err() != nil {
		return
	}
	at, err := v.banner(ctx)
	if err != nil || at == nil {
		return
	}
	if v.req.Screenshots {
		v.shoot(ctx, capture.RoleBefore, 0, nil)
	}
	for _, t := range []input.DispatchMouseEventType{
		input.DispatchMouseEventTypeMouseMoved, input.DispatchMouseEventTypeMousePressed, input.DispatchMouseEventTypeMouseReleased,
	} {
		post(v.page, input.DispatchMouseEvent, input.DispatchMouseEventParams{
			Type: t, X: at.X, Y: at.Y, Button: input.MouseButtonLeft, ClickCount: 1,
		}, nil)
	}
	v.lock(func() { v.res.Evidence = append(v.res.Evidence, "a banner was dismissed by "+at.Selector) })
	_ = v.settle(ctx, time.Now(), v.cfg.IdleWait/2, v.cfg.Quiet/2)
}

// readJS serialises the document as it stands, open shadow roots included.
const readJS = `(maxDOM, maxText) => {
	const root = document.documentElement;
	if (!root) return {html: '', text: '', title: '', url: document.URL, size: 0, textSize: 0};
	const t = document.doctype;
	let html = t ? '<!DOCTYPE ' + t.name + (t.publicId ? ' PUBLIC "' + t.publicId + '"' : t.systemId ? ' SYSTEM' : '')
		+ (t.systemId ? ' "' + t.systemId + '"' : '') + '>\n' : '';
	const shadows = [];
	const walk = n => { for (const e of n.querySelectorAll('*')) if (e.shadowRoot) { shadows.push(e.shadowRoot); walk(e.shadowRoot); } };
	walk(document);
	if (shadows.length && root.getHTML) {
		const shell = root.cloneNode(false).outerHTML, end = shell.lastIndexOf('</');
		html += shell.slice(0, end) + root.getHTML({shadowRoots: shadows}) + shell.slice(end);
	} else html += root.outerHTML;
	const text = document.body ? document.body.innerText : root.textContent;
	return {html: html.slice(0, maxDOM), size: html.length, text: text.slice(0, maxText), textSize: text.length,
		title: document.title, url: document.URL, shadows: shadows.length};
}`

// readOut takes the document, its text and its title.
func (v *visit) readOut(ctx context.Context) error {
	step, cancel := context.WithTimeout(ctx, v.cfg.StepTimeout)
	defer cancel()
	d, err := eval[struct {
		HTML     string `json:"html"`
		Size     int    `json:"size"`
		Text     string `json:"text"`
		TextSize int    `json:"textSize"`
		Title    string `json:"title"`
		URL      string `json:"url"`
	}](step, v, readJS, maxDOM, maxText)
	now := v.cfg.Now().UTC()
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		return err
	}
	r := v.res
	r.DOM, r.Text, r.Title, r.FinalURL = []byte(d.HTML), d.Text, d.Title, d.URL
	r.Artifacts = append(r.Artifacts,
		&capture.Artifact{Role: capture.RoleDOM, MediaType: "text/html;charset=utf-8", URL: d.URL, Taken: now, Body: capture.Bytes(r.DOM)},
		&capture.Artifact{Role: capture.RoleText, MediaType: "text/plain;charset=utf-8", URL: d.URL, Taken: now, Body: capture.Bytes(d.Text)})
	if d.Size > maxDOM {
		r.miss("dom", d.URL, fmt.Sprintf("the document was cut from %d to %d characters", d.Size, maxDOM))
	}
	if d.TextSize > maxText {
		r.miss("text", d.URL, fmt.Sprintf("the text was cut from %d to %d characters", d.TextSize, maxText))
	}
	return nil
}

// noDOM lists the document as missing, when it is.
func (v *visit) noDOM(err error) {
	if err != nil {
		v.lock(func() { v.res.miss("dom", v.docURL, "the document could not be read: "+err.Error()) })
	}
}

// screenshots takes the first screen and the whole page. It stops between two
// pictures when stop, if there is one, says so.
func (v *visit) screenshots(ctx context.Context, stop func() bool) {
	first := v.shoot(ctx, capture.RoleViewport, 0, nil)
	if stop != nil && stop() {
		return
	}
	step, cancel := context.WithTimeout(ctx, v.cfg.StepTimeout)
	m, err := call(step, v.page, page.GetLayoutMetrics, cdp.Empty{})
	cancel()
	if err != nil || m.CSSContentSize == nil {
		v.lock(func() { v.res.miss("screenshot", v.docURL, fmt.Sprintf("the page's size could not be had: %v", err)) })
		return
	}
	limit := float64(int(maxPixels / v.req.Scale))
	width, height := min(m.CSSContentSize.Width, limit), m.CSSContentSize.Height
	if first != nil && width <= float64(v.req.Width) && height <= float64(v.req.Height) {
		whole := *first // the first screen is all there is
		whole.Role = capture.RoleFullPage
		v.lock(func() { v.res.Artifacts = append(v.res.Artifacts, &whole) })
		return
	}
	if most := float64(v.req.MaxHeight); height > most {
		v.lock(func() {
			v.res.miss("screenshot", v.docURL, fmt.Sprintf("the page is %.0f pixels high; the pictures end at %.0f", height, most))
		})
		height = most
	}
	if v.stretch(ctx, height) {
		defer v.unstretch()
	}
	tile := 0
	for y := 0.0; y < height; y += limit {
		if height > limit {
			tile++
		}
		if tile > 1 && stop != nil && stop() {
			return
		}
		if v.shoot(ctx, capture.RoleFullPage, tile, &page.Viewport{Y: y, Width: width, Height: min(limit, height-y), Scale: 1}) == nil {
			return
		}
	}
}

// shoot takes one picture: of the clip, or of the first screen when it is nil.
// It returns nil, with the reason listed, when there is none.
func (v *visit) shoot(ctx context.Context, role capture.Role, tile int, clip *page.Viewport) *capture.Artifact {
	ctx, cancel := context.WithTimeout(ctx, v.cfg.StepTimeout)
	defer cancel()
	fast, beyond := true, clip != nil
	taken := v.cfg.Now().UTC()
	r, err := call(ctx, v.page, page.CaptureScreenshot, page.CaptureScreenshotParams{
		Format: page.CaptureScreenshotFormatPng, OptimizeForSpeed: &fast, CaptureBeyondViewport: &beyond, Clip: clip,
	})
	w, h, ok := pngSize(r.Data)
	if err == nil && !ok {
		err = fmt.Errorf("what came is not a PNG")
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		name := string(role)
		if tile > 0 {
			name = fmt.Sprintf("%s tile %d", role, tile)
		}
		v.res.miss("screenshot", v.docURL, name+": "+err.Error())
		return nil
	}
	a := &capture.Artifact{
		Role: role, Tile: tile, MediaType: "image/png", URL: v.docURL, Taken: taken,
		Width: w, Height: h, Body: v.rec.kept.keep(r.Data),
	}
	v.res.Artifacts = append(v.res.Artifacts, a)
	return a
}

// pngSize reads the size from a PNG's header (RFC 2083 section 4.1.1).
func pngSize(b []byte) (w, h int, ok bool) {
	if len(b) < 24 || !bytes.Equal(b[:8], []byte("\x89PNG\r\n\x1a\n")) || string(b[12:16]) != "IHDR" {
		return 0, 0, false
	}
	return int(binary.BigEndian.Uint32(b[16:])), int(binary.BigEndian.Uint32(b[20:])), true
}

// pageInfo lists every request and how it ended, for people and for replay.
func pageInfo(url string, r *Result) *capture.Artifact {
	type entry struct {
		Status int    `json:"status"`
		Mime   string `json:"mime,omitempty"`
		Kind   string `json:"type"`
		Error  string `json:"error,omitempty"`
	}
	if len(r.Exchanges) == 0 {
		return nil
	}
	urls := map[string]entry{}
	for _, e := range r.Exchanges {
		x := entry{Status: e.Status, Mime: e.ResponseHeader.Get("Content-Type"), Kind: e.Kind}
		if e.Failure != nil {
			x.Error = e.Failure.Text
		}
		if old, again := urls[e.URL]; !again || old.Status == 0 {
			urls[e.URL] = x
		}
	}
	b, err := json.Marshal(map[string]any{
		"pageid": "", "url": r.URL, "final": r.FinalURL, "urls": urls,
		"counts": map[string]int{"requests": len(r.Exchanges), "missing": len(r.Missing)},
	})
	if err != nil {
		r.miss("pageinfo", url, err.Error())
		return nil
	}
	return &capture.Artifact{Role: capture.RolePageInfo, MediaType: "application/json", URL: r.FinalURL, Taken: time.Time(r.Finished), Body: capture.Bytes(b)}
}
