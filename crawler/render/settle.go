package render

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"

	"github.com/trawlmark/trawlmark/archive/capture"
)

const (
	// maxDocs is how many documents the page may lead through by itself (meta
	// refresh, script) before it is taken as it is.
	maxDocs = 8
	// drainTimeout bounds the wait for bodies that were asked for.
	drainTimeout = 5 * time.Second
)

// observe waits for the page and reads it out. ctx is the capture's whole
// time, deadline the part for loading and settling.
func (v *visit) observe(ctx, deadline context.Context, p *phases) {
	settled := v.settle(deadline, time.Time{}, v.cfg.IdleWait, 0)
	if settled == nil {
		settled = v.pause(ctx, deadline)
	}
	p.done("load")
	if v.onLoaded != nil {
		v.onLoaded()
	}
	early := settled == nil && !v.isStuck() && v.early(ctx, deadline, p)
	if settled == nil && !early {
		settled = v.settle(deadline, time.Time{}, v.cfg.IdleWait, v.cfg.Quiet)
		p.done("quiet")
	}
	if v.readable(ctx, deadline, settled) && !early {
		v.late(ctx, deadline, p)
	}
	v.drain(ctx)
	p.done("bodies")
	v.mu.Lock()
	defer v.mu.Unlock()
	v.bringBack()
	if v.crashed != "" && v.res.Outcome == "" {
		v.end(capture.RenderCrash, v.crashed)
	}
}

// late reads out a page that has settled, or never will.
func (v *visit) late(ctx, deadline context.Context, p *phases) {
	read, cancel := context.WithTimeout(ctx, 2*v.cfg.StepTimeout)
	defer cancel()
	v.raise()
	v.dismiss(read, deadline)
	v.lower()
	v.scroll(read, deadline)
	p.done("scroll")
	err := v.readOut(read)
	if errors.Is(err, context.DeadlineExceeded) && v.interrupt(ctx, v.cfg.StepTimeout) {
		again, cancel := context.WithTimeout(ctx, v.cfg.StepTimeout)
		defer cancel()
		read, err = again, v.readOut(again)
	}
	v.noDOM(err)
	p.done("dom")
	if v.req.Screenshots {
		v.screenshots(read, nil)
		p.done("screenshots")
	}
}

// end sets how the capture ended; the first one to say so wins.
func (v *visit) end(o capture.Outcome, why string) {
	if v.res.Outcome == "" {
		v.res.Outcome = o
	}
	v.res.Evidence = append(v.res.Evidence, why)
}

// settle waits until the page is loaded and quiet, or it is clear that it will
// not be; idle is how long a loaded page may be without becoming quiet, quiet
// how long no request may be in flight, both counted from the load event or,
// when that is later, from since. It returns what ended the wait, nil when the
// page settled.
func (v *visit) settle(ctx context.Context, since time.Time, idle, quiet time.Duration) error {
	return v.waitFor(ctx, func() (bool, time.Duration) {
		if o, _ := v.ended(); o != "" || v.rec.over || v.docs > maxDocs {
			return true, 0
		}
		now := time.Now()
		if v.errPage && v.navDone && v.loaded == v.loader {
			return true, 0
		}
		if !v.isLoaded() {
			return false, 0
		}
		if left := v.redirect.due.Sub(now); left > 0 {
			return false, left
		}
		from := later(v.loadedAt, since)
		if over := idle - now.Sub(from); over <= 0 {
			return true, 0
		} else if len(v.rec.inFlight) > 0 {
			return false, over
		}
		left := quiet - now.Sub(later(v.rec.idleSince, from))
		return left <= 0, left
	})
}

// isLoaded reports whether the load event of the document shown has come, and
// notes when. The lock is held.
func (v *visit) isLoaded() bool {
	if v.docs == 0 || v.loaded != v.loader {
		return false
	}
	if v.loadedFor != v.loader {
		v.loadedFor, v.loadedAt = v.loader, time.Now()
	}
	return true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// readable records how settling ended and reports whether there is a page to
// read out.
func (v *visit) readable(ctx, deadline context.Context, settled error) bool {
	v.mu.Lock()
	out, why := v.ended()
	late := settled != nil && out == "" && deadline.Err() != nil
	v.res.Settled = v.describe(late)
	shown := v.docs > 0 && !v.errPage
	loaded := v.loaded == v.loader && v.docs > 0
	switch {
	case out != "":
		v.end(out, why)
	case v.hung:
		v.res.Settled = "hanging"
	case v.rec.over:
		v.end(capture.TooLarge, fmt.Sprintf("the page's parts are larger than %d bytes together", v.req.MaxTotalBytes))
	case ctx.Err() != nil:
		v.end(capture.Timeout, "the capture was stopped from outside: "+ctx.Err().Error())
	case v.errPage:
		v.end(v.lastFailure())
	case late && !loaded:
		v.end(capture.Timeout, fmt.Sprintf("the page was not loaded after %s", v.req.Deadline))
	case settled != nil && !late:
		v.end(capture.RenderCrash, settled.Error())
	}
	alive := v.crashed == "" && settled == nil || late
	v.mu.Unlock()
	if !alive || !shown || ctx.Err() != nil {
		if shown || ctx.Err() != nil {
			v.lock(func() {
				if v.res.artifact(capture.RoleDOM) == nil {
					v.res.miss("dom", v.docURL, "the page was gone before it could be read")
				}
			})
		}
		return false
	}
	if late || v.rec.over {
		v.lock(func() {
			v.rec.stopped = capture.ByTime
			if v.rec.over {
				v.rec.stopped = capture.ByLength
			}
			// Before stopping: what is stopped is thrown away.
			v.rec.takeOpen(v.rec.stopped)
		})
		short, cancel := context.WithTimeout(ctx, time.Second)
		v.drain(short)
		cancel()
		post(v.page, page.StopLoading, cdp.Empty{}, nil)
		v.wake(ctx)
	}
	if v.isStuck() {
		v.lock(func() { v.res.miss("dom", v.docURL, "the page hangs") })
		return false
	}
	return true
}

// lastFailure is why the page moved on to an error page.
func (v *visit) lastFailure() (capture.Outcome, string) {
	for _, h := range slices.Backward(v.rec.order) {
		if h.isMain && h.ex.Failure != nil {
			return h.ex.Failure.Outcome, "the page moved on to " + h.ex.URL + ", which failed: " + h.ex.Failure.Text
		}
	}
	return capture.ConnectFailed, "the page moved on to one that could not be loaded"
}

func (v *visit) lock(do func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	do()
}

// describe says how settling ended.
func (v *visit) describe(late bool) string {
	switch n := len(v.rec.inFlight); {
	case v.docs > maxDocs:
		return fmt.Sprintf("the page moved on by itself more than %d times", maxDocs)
	case v.rec.over:
		return "stopped: too many bytes"
	case v.docs == 0:
		return "no page"
	case v.loaded != v.loader:
		return fmt.Sprintf("not loaded at the deadline, %d requests in flight", n)
	case n > 0 && late:
		return fmt.Sprintf("deadline, %d requests in flight", n)
	case n > 0:
		return fmt.Sprintf("never quiet, %d requests in flight", n)
	default:
		return "idle"
	}
}

// drain waits for the replies to what was asked for: bodies, certificates.
func (v *visit) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	if v.bctx != "" {
		v.lock(func() { v.rec.takeOpen(capture.ByTime) })
	}
	err := v.waitFor(ctx, func() (bool, time.Duration) { return v.rec.bodies == 0, 0 })
	if err == nil {
		return
	}
	v.lock(func() {
		for _, h := range v.rec.order {
			if h.asked && h.ex.Body == nil && h.ex.MissingBody == "" {
				h.ex.MissingBody = "the browser did not hand the body over in time"
			}
		}
	})
}
