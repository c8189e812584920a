package render

import (
	"context"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
)

// framesJS tells whether frames of another origin, or what holds such, have a
// place below the first screen.
const framesJS = `() => {
	const frames = d => [...d.querySelectorAll('iframe, frame, object')];
	const other = f => f.contentDocument ? frames(f.contentDocument).some(other) : !!f.contentWindow;
	return frames(document).some(f => {
		const r = f.getBoundingClientRect();
		return r.width > 1 && r.height > 1 && r.bottom + scrollY > innerHeight && other(f);
	});
}`

// drawnJS resolves when a frame that has a size has been drawn.
const drawnJS = `() => new Promise(r => innerWidth && innerHeight ? requestAnimationFrame(() => requestAnimationFrame(() => r(0))) : r(0))`

// frameDraw is the part of a step's time, a fifteenth, that is waited for frames:
// one out of sight is never drawn.
const frameDraw = 15

// stretch makes the page's window as high as the page when frames lie below the
// first screen: the browser does not draw those of another origin that are out
// of sight, and the picture of the whole page would show white there. A page whose
// height depends on its window's is left as it is, and that is listed. It reports
// whether there is something to unstretch.
func (v *visit) stretch(ctx context.Context, height float64) bool {
	var framed bool
	v.lock(func() { framed = len(v.frames) > 0 })
	if !framed || height <= float64(v.req.Height) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, v.cfg.StepTimeout)
	defer cancel()
	if below, err := eval[bool](ctx, v, framesJS); err != nil || !below {
		return false
	}
	if height*v.req.Scale > maxPixels {
		v.blankFrames("the page is higher than one picture")
		return false
	}
	v.setMetrics(v.page, int(height))
	v.frameDrawn(ctx)
	m, err := call(ctx, v.page, page.GetLayoutMetrics, cdp.Empty{})
	if err == nil && m.CSSContentSize != nil && m.CSSContentSize.Height == height {
		return true
	}
	v.setMetrics(v.page, v.req.Height)
	v.blankFrames("the page's height depends on its window's")
	return false
}

func (v *visit) unstretch() { v.setMetrics(v.page, v.req.Height) }

func (v *visit) blankFrames(why string) {
	v.lock(func() {
		v.res.miss("frame", v.docURL, "frames of other sites below the first screen may be blank in the picture of the whole page: "+why)
	})
}

// frameDrawn waits until the page and its frames of other processes have been
// drawn.
func (v *visit) frameDrawn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, v.cfg.StepTimeout/frameDraw)
	defer cancel()
	_, _ = eval[int](ctx, v, drawnJS) // a page that does not draw shows in its picture
	var wg sync.WaitGroup
	v.lock(func() {
		yes := true
		for id, kind := range v.kinds {
			if kind != "iframe" {
				continue
			}
			s := session{c: v.ch.conn, id: id}
			wg.Go(func() {
				_, _ = call(ctx, s, runtime.Evaluate, runtime.EvaluateParams{
					Expression: "(" + drawnJS + ")()", AwaitPromise: &yes, ReturnByValue: &yes, Silent: &yes,
				})
			})
		}
	})
	wg.Wait()
}
