package crawler

import (
	"context"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// underway is how long after its last byte a request is taken to have reached
// the site, when no answer has begun yet.
const underway = 50 * time.Millisecond

// pass waits at the gate. It gives a context for the one request that may be
// made now, by which the gate is told when it arrived, and over, which is
// called when the request has ended. False: the visit ends here, unmade, and
// Result.Gated says why.
func (v *visit) pass(ctx context.Context) (one context.Context, over func(), ok bool) {
	if v.req.Gate == nil {
		return ctx, func() {}, true
	}
	arrived, err := v.gate(ctx)
	if err != nil {
		v.end(capture.Throttled, "the visit was not made: "+err.Error())
		return ctx, nil, false
	}
	var once sync.Once
	var timer *time.Timer
	trace := &httptrace.ClientTrace{
		WroteRequest:         func(httptrace.WroteRequestInfo) { once.Do(func() { timer = time.AfterFunc(underway, arrived) }) },
		GotFirstResponseByte: arrived,
	}
	over = func() {
		arrived()
		once.Do(func() {}) // no timer from here on, and timer may be read
		if timer != nil {
			timer.Stop()
		}
	}
	return httptrace.WithClientTrace(ctx, trace), over, true
}

// gate passes the gate and notes what it said when it did not let pass.
func (v *visit) gate(ctx context.Context) (arrived func(), err error) {
	arrived, err = v.req.Gate(ctx, v.res.CrawlDelay)
	if err != nil {
		v.res.Gated = err
		return nil, err
	}
	return arrived, nil
}
