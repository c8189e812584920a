package worker

import (
	"context"
	"errors"
	"time"

	"github.com/trawlmark/trawlmark/worker/lane"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// How long a slot is spent waiting at the gate of a lane. The dispatcher spaces
// tickets, so a visit that comes in time waits for next to nothing, and one that
// would wait for longer than half of a delay is put back: its slot is worth more
// to another lane, and the lane's next ticket comes soon. A visit that has asked the site for something already
// (robots.txt, or the page that Chrome is to look at) waits for what is left.
const (
	leastPatience = 100 * time.Millisecond
	firstPatience = 5 * time.Second // at most, on slow lanes
	laterPatience = 5 * time.Second // at least
)

// gate is what a visit of a job passes before each of its requests.
func (v *Visitor) gate(job ledger.Job) func(ctx context.Context, crawlDelay time.Duration) (func(), error) {
	if job.Lane == "" {
		return nil
	}
	polite := Politeness(v.sites, job.URL)
	passed := false // a visit makes one request after the other
	return func(ctx context.Context, crawlDelay time.Duration) (func(), error) {
		p := polite
		p.CrawlDelay = crawlDelay
		p.MaxWait = min(max(p.Floor()/2, leastPatience), firstPatience)
		if passed {
			p.MaxWait = max(2*p.Floor(), laterPatience)
		}
		began := time.Now()
		defer func() { v.waited.Add(int64(time.Since(began))) }()
		arrived, err := v.lanes.Pass(ctx, job.Lane, p)
		passed = passed || err == nil
		return arrived, err
	}
}

// whenOpen is when a job that the lane did not let pass may be dispatched again.
func (v *Visitor) whenOpen(gated error) time.Time {
	var closed *lane.Closed
	switch {
	case errors.As(gated, &closed) && closed.Wait > 0:
		return v.ledger.Now().Add(closed.Wait)
	case errors.Is(gated, lane.ErrNotYet):
		return noTime // the dispatcher waits for the next slot
	}
	return v.ledger.Now().Add(v.cfg.Heartbeat)
}
