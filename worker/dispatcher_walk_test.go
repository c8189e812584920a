package worker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

// More lanes than a dispatcher reads at once, and than there is room for in a
// round: each has a turn before any has two, although another pool, which has
// room, is looked after in every round too.
func TestEveryLaneHasItsTurn(t *testing.T) {
	w := newWorld(t)
	const lanes = 300
	var works []ledger.Work
	for i := range 2 * lanes {
		j := worker.NewVisit(w.sites, fmt.Sprintf("http://market.demo.test/item/1234567%05d/x", i))
		j.Lane = fmt.Sprintf("lane%03d", i%lanes)
		works = append(works, j)
	}
	for i := range 3 { // never ready: a pool that is looked after in vain
		j := worker.NewVisit(w.sites, fmt.Sprintf("http://market.demo.test/item/7654321%05d/x", i))
		j.Lane, j.Pool, j.ReadyAt = fmt.Sprintf("lane%03d", 100*i), task.Browser, time.Now().Add(time.Hour)
		works = append(works, j)
	}
	ids, err := w.ledger.Add(t.Context(), works...)
	if err != nil {
		t.Fatal(err)
	}
	laneOf := map[capture.ID]string{}
	for i, id := range ids {
		laneOf[id] = works[i].Lane
	}
	d := worker.NewDispatcher(worker.DispatcherConfig{Tick: time.Millisecond, MaxQueued: 50}, w.ledger, w.queue, w.lanes, nil, w.sites, quiet())
	turns := map[string]int{}
	sent := 0
	w.until("a turn for every lane", func() bool {
		if err := d.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, tk := range w.queue.taken() {
			turns[laneOf[tk.Job]]++
			sent++
			f := ledger.Fence{Job: tk.Job, Epoch: tk.Epoch}
			if _, err := w.ledger.Claim(t.Context(), f, "w", time.Minute); err != nil {
				t.Fatal(err)
			}
			if _, err := w.ledger.Finish(t.Context(), f, ledger.Result{Outcome: capture.Captured, Capture: tk.Job}); err != nil {
				t.Fatal(err)
			}
		}
		return sent >= lanes
	})
	twice := 0
	for _, n := range turns {
		if n > 1 {
			twice++
		}
	}
	// The round in which the last lane has its turn goes on with the first.
	if len(turns) != lanes || twice > sent-lanes {
		t.Errorf("%d of %d lanes had a turn in %d tickets, %d of them more than one", len(turns), lanes, sent, twice)
	}
}
