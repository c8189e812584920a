package render

import (
	"context"
	"time"

	"github.com/chromedp/cdproto/runtime"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// watchJS resolves when the document changes: elements, attributes or text, in
// open shadow roots too. What a canvas shows and what style rules animate is
// not seen by it.
const watchJS = `() => new Promise(changed => {
	const all = {subtree: true, childList: true, characterData: true, attributes: true};
	const watch = new MutationObserver(() => { watch.disconnect(); changed(0); });
	const roots = n => { watch.observe(n, all); for (const e of n.querySelectorAll('*')) if (e.shadowRoot) roots(e.shadowRoot); };
	roots(document);
})`

// restJS tells, of a page that has been quiet, whether there is anything that
// going down to bottom did not reach. Images of hidden slides never load.
const restJS = `(bottom) => {
	const el = document.scrollingElement || document.documentElement;
	const shown = i => { const r = i.getBoundingClientRect(); return r.width > 0 && r.right > 0 && r.left < innerWidth; };
	return (el ? el.scrollHeight : 0) > Math.max(bottom, innerHeight) ||
		[...document.images].some(i => i.loading === 'lazy' && !i.complete && shown(i));
}`

// stir tells whether a page did anything since it was begun.
type stir struct {
	v       *visit
	moves   int
	changed bool // guarded by the visit's lock
}

// watch begins to notice what the page does.
func (v *visit) watch() *stir {
	s := &stir{v: v}
	v.lock(func() {
		s.moves = v.rec.moves
		yes := true
		post(v.page, runtime.Evaluate, runtime.EvaluateParams{
			Expression: "(" + watchJS + ")()", ContextID: v.world.id, ReturnByValue: &yes, AwaitPromise: &yes, Silent: &yes,
		}, func(runtime.EvaluateResult, error) { s.changed = true }) // gone with its document is a change too
	})
	return s
}

func (s *stir) stirred() bool {
	s.v.mu.Lock()
	defer s.v.mu.Unlock()
	return s.changed || s.moves != s.v.rec.moves
}

// calm reports whether the page is loaded and waits for nothing. The lock is held.
func (v *visit) calm() bool {
	o, _ := v.ended()
	return o == "" && !v.rec.over && !v.errPage && v.docs <= maxDocs && v.isLoaded() &&
		len(v.rec.inFlight) == 0 && !time.Now().Before(v.redirect.due)
}

// early reads the page out during the time in which it has to be quiet, instead
// of after it, and reports whether that stands: no request began or ended, and
// nothing of the document changed, from before the document was read until the
// page had been quiet for as long as a settled page must. Otherwise what was
// read is set aside, and the caller waits and reads again.
func (v *visit) early(ctx, deadline context.Context, p *phases) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*v.cfg.StepTimeout)
	defer cancel()
	ctx, cancel2 := merge(ctx, deadline)
	defer cancel2()
	if at, err := v.banner(ctx); at != nil || err != nil {
		return false
	}
	v.lower()
	err := v.scrollOnce(ctx, 0)
	for try := 0; err == nil; try++ {
		if _, err = eval[int](ctx, v, imagesJS, 1000); v.isCalm() || try == 3 {
			break
		}
		_ = v.settle(ctx, time.Now(), v.cfg.IdleWait/2, 0)
	}
	p.done("scroll")
	if err != nil || !v.isCalm() {
		return false
	}

	s := v.watch()
	err = v.readOut(ctx)
	p.done("dom")
	if err == nil && v.req.Screenshots && !s.stirred() {
		v.screenshots(ctx, s.stirred)
		p.done("screenshots")
	}
	stands := err == nil && v.stands(ctx, s)
	p.done("quiet")
	if !stands {
		v.lock(v.setAside)
	}
	return stands
}

func (v *visit) isCalm() (is bool) {
	v.lock(func() { is = v.calm() })
	return is
}

// stands waits for the rest of the quiet time.
func (v *visit) stands(ctx context.Context, s *stir) bool {
	err := v.waitFor(ctx, func() (bool, time.Duration) {
		if s.changed || s.moves != v.rec.moves || !v.calm() {
			return true, 0
		}
		left := v.cfg.Quiet - time.Since(later(v.loadedAt, v.rec.idleSince))
		return left <= 0, left
	})
	if err != nil || s.stirred() {
		return false
	}
	// The answer comes after what the page did until now was told.
	more, err := eval[bool](ctx, v, restJS, v.bottom)
	return err == nil && !more && !s.stirred() && v.isCalm()
}

// reading is a document as it was read, with its pictures.
type reading struct {
	docs                  int
	artifacts             []*capture.Artifact
	missing               []capture.Missing
	dom                   []byte
	text, title, finalURL string
}

// setAside takes back what was read. The lock is held.
func (v *visit) setAside() {
	r := v.res
	v.before = &reading{v.docs, r.Artifacts, r.Missing, r.DOM, r.Text, r.Title, r.FinalURL}
	r.Artifacts, r.Missing, r.DOM, r.Text, r.Title, r.FinalURL = nil, nil, nil, "", "", r.URL
}

// bringBack uses what was set aside when the same document could not be read
// again: it crashed, or hangs. The lock is held.
func (v *visit) bringBack() {
	b, r := v.before, v.res
	if b == nil || b.dom == nil || b.docs != v.docs || r.DOM != nil {
		return
	}
	r.Artifacts, r.DOM, r.Text, r.Title, r.FinalURL = append(b.artifacts, r.Artifacts...), b.dom, b.text, b.title, b.finalURL
	r.Missing = append(r.Missing, b.missing...)
	r.Evidence = append(r.Evidence, "the document and the pictures were taken before the page had settled: it could not be read again")
}
