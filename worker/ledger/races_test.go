package ledger_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// race runs f in n goroutines that start together, each with a ledger of its
// own process when procs is larger than one.
func (w *world) race(n, procs int, f func(i int, l *ledger.Ledger)) {
	var ls []*ledger.Ledger
	for range procs {
		ls = append(ls, w.another())
	}
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-gate
			f(i, ls[i%procs])
		})
	}
	close(gate)
	wg.Wait()
}

func TestOneClaimantWins(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, jobs := w.fired("shoes", 3)
		for _, j := range jobs {
			f := w.dispatch(j)
			var won atomic.Int32
			w.race(16, 4, func(_ int, l *ledger.Ledger) {
				switch _, err := l.Claim(ctx, f, "w", lease); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, ledger.ErrStale):
					t.Error(err)
				}
			})
			if won.Load() != 1 {
				t.Errorf("%d claimants won", won.Load())
			}
		}
		w.consistent()
	})
}

func TestOneDispatcherFires(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		wa := w.watch("shoes")
		at := w.clock.forward(time.Hour)
		var won, planned atomic.Int32
		w.race(8, 4, func(_ int, l *ledger.Ledger) {
			n, err := l.Fire(ctx, wa.ID, at, []ledger.Work{visit(1), visit(2)})
			planned.Add(int32(n))
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, ledger.ErrFired):
				t.Error(err)
			}
		})
		if jobs := must(w.Jobs(ctx, ledger.JobFilter{}))(t); won.Load() != 1 || planned.Load() != 2 || len(jobs) != 2 {
			t.Errorf("%d fired, %d planned, %d jobs", won.Load(), planned.Load(), len(jobs))
		}
		w.consistent()
	})
}

func TestOneDispatcherDispatches(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, jobs := w.fired("shoes", 20)
		var won atomic.Int32
		w.race(4, 4, func(_ int, l *ledger.Ledger) {
			for _, j := range jobs {
				switch _, err := l.Dispatch(ctx, j.ID, w.clock.now()); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, ledger.ErrStale):
					t.Error(err)
				}
			}
		})
		if won.Load() != 20 {
			t.Errorf("%d dispatches of 20 jobs", won.Load())
		}
		for _, j := range jobs {
			if got := w.job(j.ID); got.Epoch != 1 {
				t.Errorf("epoch %d", got.Epoch)
			}
		}
		w.consistent()
	})
}

// Workers finish jobs of one fire whose pages link to the same items, while the
// reconciler, a canceller and a second worker with an old ticket interfere.
func TestFinishersShareLinks(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		wa, jobs := w.fired("shoes", 12)
		fences := make([]ledger.Fence, len(jobs))
		for i, j := range jobs {
			fences[i] = w.claim(j)
		}
		var done atomic.Int32
		w.race(36, 6, func(i int, l *ledger.Ledger) {
			n := i % 12
			switch i / 12 {
			case 0, 1: // two with the same claim: one result
				r := w.observed(jobs[n])
				r.Suspicious = true
				for k := range 30 {
					r.Follow = append(r.Follow, visit(100+(k+n)%40))
				}
				switch _, err := l.Finish(ctx, fences[n], r); {
				case err == nil:
					done.Add(1)
				case !errors.Is(err, ledger.ErrStale):
					t.Error(err)
				}
			case 2:
				if _, err := l.Reconcile(ctx, w.clock.now()); err != nil {
					t.Error(err)
				}
				if err := l.Heartbeat(ctx, fences[n], lease); err != nil && !errors.Is(err, ledger.ErrStale) {
					t.Error(err)
				}
			}
		})
		if done.Load() != 12 {
			t.Errorf("%d results for 12 jobs", done.Load())
		}
		c := must(w.Counts(ctx, wa.ID))(t)
		if c[ledger.Visit][ledger.Done] != 12 || c[ledger.Visit][ledger.Planned] != 40 || c[ledger.Score][ledger.Planned] != 12 {
			t.Errorf("counts: %v", c)
		}
		w.consistent()
	})
}

// Different watches look at the same listing at the same time.
func TestOneListingForAll(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var fences []ledger.Fence
		var jobs []ledger.Job
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			_, js := w.fired(name, 1)
			jobs = append(jobs, js[0])
			fences = append(fences, w.claim(js[0]))
		}
		var fresh atomic.Int32
		w.race(len(fences), 3, func(i int, l *ledger.Ledger) {
			r := w.observed(jobs[i])
			r.Suspicious = true
			d, err := l.Finish(ctx, fences[i], r)
			if err != nil {
				t.Error(err)
			}
			if d.New {
				fresh.Add(1)
			}
			if _, err := l.AddFinding(ctx, ledger.Scored{Listing: d.Listing, Watch: jobs[0].Watch, Score: 0.5}); err != nil {
				t.Error(err)
			}
		})
		li := must(w.ListingOf(ctx, ledger.Ref{Site: "demo", ItemID: "0"}))(t)
		if fresh.Load() != 1 || li.Looks != len(fences) {
			t.Errorf("%d called it new, %d looks", fresh.Load(), li.Looks)
		}
		if c := must(w.FindingCounts(ctx, capture.ID{}))(t); c[ledger.New] != 1 {
			t.Errorf("findings: %v", c)
		}
		w.consistent()
	})
}

func TestReconcilersShare(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, jobs := w.fired("shoes", 30)
		for _, j := range jobs {
			w.claim(j)
		}
		now := w.clock.forward(time.Hour)
		var n atomic.Int32
		w.race(4, 4, func(_ int, l *ledger.Ledger) {
			k, err := l.Reconcile(ctx, now)
			if err != nil {
				t.Error(err)
			}
			n.Add(int32(k))
		})
		if n.Load() != 30 {
			t.Errorf("%d reclaimed of 30", n.Load())
		}
		for _, j := range jobs {
			if got := w.job(j.ID); got.State != ledger.Planned || got.Attempts[ledger.Lost] != 1 {
				t.Errorf("%s, attempts %v", got.State, got.Attempts)
			}
		}
		w.consistent()
	})
}
