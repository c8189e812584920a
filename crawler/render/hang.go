package render

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// probeTimeout is how long a page whose scripts were stopped may take to give
// the value of 0, and the least time without a sign of life that says anything.
const probeTimeout = 3 * time.Second

// idleJS resolves when the page's main thread has nothing more urgent to do, a
// second later at most. It is no idle callback: without frames to draw Blink
// gives those only after 300 ms in which nothing ran.
const idleJS = `() => new Promise(r => {
	setTimeout(r, 1000, 0);
	self.scheduler ? scheduler.postTask(() => r(0), {priority: 'background'}) : setTimeout(r, 0, 0);
})`

// pause waits until the scripts of a loaded page pause, and for what they have
// started meanwhile. A page that gives no sign of life for Config.HangWait while
// the browser does hangs: its scripts are stopped. It returns what ended the
// wait, nil when there is a page to look at.
func (v *visit) pause(ctx, deadline context.Context) error {
	var shown bool
	v.lock(func() { shown = v.docs > 0 && !v.errPage && v.crashed == "" && !v.rec.over })
	if !shown {
		return nil
	}
	began := time.Now()
	wait, cancel := context.WithTimeout(deadline, v.cfg.HangWait)
	_, err := eval[int](wait, v, idleJS)
	cancel()
	silent := time.Since(began)
	switch {
	case err == nil:
		return v.settle(deadline, time.Time{}, v.cfg.IdleWait, 0)
	case !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
		return nil // the page moved on, or is gone: who looks next sees it
	case silent < probeTimeout:
		return deadline.Err()
	}
	v.interrupt(ctx, silent)
	return nil
}

// wake sees to it that a page whose time is up answers, by force if need be.
func (v *visit) wake(ctx context.Context) {
	probe, cancel := context.WithTimeout(ctx, probeTimeout)
	_, err := call(probe, v.page, runtime.Evaluate, runtime.EvaluateParams{Expression: "0"})
	cancel()
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		v.lock(func() { v.res.Outcome = "" }) // what it said was the hang's doing
		v.interrupt(ctx, probeTimeout)
	}
}

// interrupt ends the scripts of a page that gave no sign of life for a time,
// and says so. It reports whether the page answers again.
func (v *visit) interrupt(ctx context.Context, silent time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	probe, cancel := context.WithTimeout(ctx, probeTimeout)
	_, err := call(probe, session{c: v.ch.conn}, browser.GetVersion, cdp.Empty{})
	cancel()
	why := fmt.Sprintf("the page's scripts ran for %s without a pause, while the browser answered: they were stopped, and the page is kept as it stood",
		silent.Round(time.Second))
	if err != nil {
		why = fmt.Sprintf("neither the page nor the browser gave a sign of life for %s", silent.Round(time.Second))
		v.ch.sick.Store(true)
	}
	v.lock(func() {
		v.hung = true
		v.end(capture.RenderCrash, why)
	})
	return v.revive(ctx)
}

// revive stops a script that may run for ever and reports whether the page
// answers again.
func (v *visit) revive(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	for ctx.Err() == nil {
		post(v.page, runtime.TerminateExecution, cdp.Empty{}, nil)
		// Or the next event starts it again. What we ask runs all the same.
		post(v.page, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}, nil)
		once, stop := context.WithTimeout(ctx, probeTimeout/3)
		_, err := call(once, v.page, runtime.Evaluate, runtime.EvaluateParams{Expression: "0"})
		stop()
		if err == nil {
			return true
		}
		if errors.Is(err, errConnLost) || errors.Is(err, errDetached) {
			break
		}
	}
	v.lock(func() {
		v.hung, v.stuck = true, true
		v.res.Outcome = ""
		v.end(capture.RenderCrash, "the page's scripts did not give way: it hangs")
		v.ch.sick.Store(true)
	})
	return false
}

func (v *visit) isStuck() (is bool) {
	v.lock(func() { is = v.stuck })
	return is
}
