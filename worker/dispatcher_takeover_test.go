package worker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/lane"
	"github.com/trawlmark/trawlmark/worker/task/redistest"
)

// killed is a dispatcher's seat that is not given up when it stops: its process
// was killed.
type killed struct{ *lane.Roster }

func (killed) Leave(context.Context) error { return nil }

// The lanes of a dispatcher that was killed are handed out by another one: within
// 5 s on a machine that has nothing else to do, which the log of this test shows
// and no test holds.
func TestTheLanesOfAKilledDispatcherAreTakenOver(t *testing.T) {
	w := newWorld(t)
	rdb := redistest.Start(t).Client()
	run := func(name string, r func(*lane.Roster) worker.Roster) (stop func()) {
		d := worker.NewDispatcher(worker.DispatcherConfig{MaxQueued: 1000}, w.ledger, w.queue, w.lanes, r(lane.NewRoster(rdb, name)), w.sites, quiet())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		return func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	n := 0
	add := func(lanes int) { // a visit on each of many lanes: both have some
		for range lanes {
			n++
			if _, err := w.ledger.Add(t.Context(), worker.NewVisit(w.sites, fmt.Sprintf("https://shop%d.example/", n))); err != nil {
				t.Fatal(err)
			}
		}
	}
	handedOut := func() bool {
		w.take() // or the pool would be taken for slow
		return w.planned() == 0
	}
	seated := func(want int) func() bool {
		return func() bool {
			all, err := rdb.ZCard(t.Context(), "{trawlmark:lanes}:dispatchers").Result()
			return err == nil && int(all) == want
		}
	}
	defer run("b", func(r *lane.Roster) worker.Roster { return r })()
	kill := run("a", func(r *lane.Roster) worker.Roster { return killed{r} })
	w.until("two dispatchers", seated(2))
	add(8)
	w.until("both to hand out", handedOut)
	kill()
	began := time.Now()
	add(8)
	w.until("the lanes of the killed one to be handed out", handedOut)
	t.Logf("taken over within %v", time.Since(began).Round(time.Millisecond))
}

func (w *world) planned() (n int) {
	w.t.Helper()
	lanes, err := w.ledger.ReadyLanes(w.t.Context(), w.ledger.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return len(lanes)
}
