package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// errDied ends a walk where its process died.
var errDied = errors.New("died here")

// walk takes one ready job as far as the steps allow: after `alive` steps the
// process is dead, and nothing more of it happens.
func (w *world) walk(j ledger.Job, alive int) error {
	step := func(do func() error) error {
		if alive == 0 {
			return errDied
		}
		alive--
		return do()
	}
	var f ledger.Fence
	r := w.observed(j)
	r.Suspicious, r.Follow = true, []ledger.Work{visit(50), visit(51)}
	return errors.Join(step(func() (err error) { f, err = w.Dispatch(ctx, j.ID, w.clock.now()); return err }),
		step(func() error { return nil }), // the ticket is sent
		step(func() error { _, err := w.Claim(ctx, f, "w", lease); return err }),
		step(func() error { return w.Heartbeat(ctx, f, lease) }),
		step(func() error { return nil }), // the capture is archived
		step(func() error { _, err := w.Finish(ctx, f, r); return err }),
		step(func() error { return nil })) // the ticket is acknowledged
}

// A process dies after each number of steps; another one reconciles and walks
// on. Whatever happened, there is one outcome, one observation and one score
// job, and no link is planned twice.
func TestDeathAtEveryStep(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for alive := range 8 {
			wa, jobs := w.fired(fmt.Sprint("dies after ", alive), 1)
			j := jobs[0]
			if err := w.walk(j, alive); err != nil && !errors.Is(err, errDied) {
				t.Fatal(err)
			}
			w.clock.forward(time.Minute)
			must(w.Reconcile(ctx, w.clock.now()))(t)
			if now := w.job(j.ID); !now.State.Final() {
				if now.State != ledger.Planned {
					t.Fatalf("after %d steps and reconciliation: %s", alive, now.State)
				}
				check(t, w.walk(now, 7))
			}
			if got := w.job(j.ID); got.State != ledger.Done {
				t.Errorf("after %d steps: %s", alive, got.State)
			}
			c := must(w.Counts(ctx, wa.ID))(t)
			if c[ledger.Visit][ledger.Done] != 1 || c[ledger.Visit][ledger.Planned] != 2 || c[ledger.Score][ledger.Planned] != 1 {
				t.Errorf("after %d steps: %v", alive, c)
			}
			if li := must(w.ListingOf(ctx, ledger.Ref{Site: "demo", ItemID: "0"}))(t); li.Looks != alive+1 {
				t.Errorf("after %d steps: %d looks", alive, li.Looks-alive)
			}
		}
		w.consistent()
	})
}

// Workers walk 60 jobs while contexts end at random and, on PostgreSQL, an
// enemy kills connections in the middle of transactions, commits included.
func TestStorm(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func() *sqldb.DB) {
		budgets := map[ledger.Class]ledger.Budget{ledger.Lost: {Attempts: 1000, Then: ledger.Quarantined}}
		w := newWorld(t, open, ledger.Config{Budgets: budgets})
		const n = 60
		wa, jobs := w.fired("storm", n)
		var wg, enemy sync.WaitGroup
		var hurt atomic.Int32
		stop := make(chan struct{})
		var ls []*ledger.Ledger
		for range 4 {
			ls = append(ls, w.another())
		}
		if db := open(); db.Dialect() == sqldb.PostgreSQL {
			enemy.Go(func() { killConnections(db, stop) })
		}
		for worker, l := range ls {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(1, uint64(worker)))
				// On until enough was hurt: timers of a busy machine come late.
				for i := 0; i < 4*n || hurt.Load() < 20 && i < 400*n; i++ {
					w.stormStep(l, jobs[(i*7+worker)%n], rng, &hurt)
				}
			})
		}
		wg.Wait()
		close(stop)
		enemy.Wait()
		w.clock.forward(time.Minute) // the storm is over
		must(w.Reconcile(ctx, w.clock.now()))(t)
		for _, j := range jobs {
			if now := w.job(j.ID); now.State == ledger.Planned {
				check(t, w.walk(now, 7))
			}
		}
		if hurt.Load() < 20 {
			t.Errorf("only %d operations failed: that was no storm", hurt.Load())
		}
		if c := must(w.Counts(ctx, wa.ID))(t)[ledger.Visit]; c[ledger.Done] != n {
			t.Errorf("%v, want %d done", c, n)
		}
		for _, j := range jobs {
			li := must(w.ListingOf(ctx, ledger.Ref{Site: "demo", ItemID: j.ItemID}))(t)
			h := must(w.History(ctx, li.ID, time.Time{}, 10))(t)
			if got := w.job(j.ID); li.Looks != 1 || len(h) != 1 || h[0].Capture != got.Capture {
				t.Errorf("item %s: %d looks, %d observations", j.ItemID, li.Looks, len(h))
			}
		}
		w.consistent()
	})
}

// stormStep walks one job with little patience. Whatever fails, it gives up on
// the job, as a process that died; it repeats Finish when it does not know.
func (w *world) stormStep(l *ledger.Ledger, j ledger.Job, rng *rand.Rand, hurt *atomic.Int32) {
	// From 1 us to 32 ms, each length as likely as half of it: some end in the
	// middle of a step however fast or slow the machine is.
	short, cancel := context.WithTimeout(ctx, time.Microsecond<<rng.IntN(16))
	defer cancel()
	failed := func(err error) bool {
		if err != nil && !errors.Is(err, ledger.ErrStale) {
			hurt.Add(1)
		}
		return err != nil
	}
	if rng.IntN(10) == 0 {
		_, err := l.Reconcile(short, w.clock.forward(5*time.Second))
		failed(err)
	}
	f, err := l.Dispatch(short, j.ID, w.clock.now())
	if failed(err) {
		return
	}
	if _, err := l.Claim(short, f, "w", lease); failed(err) {
		return
	}
	r := w.observed(j)
	r.Suspicious = true
	r.Follow = []ledger.Work{visit(1000 + rng.IntN(20)), visit(1000 + rng.IntN(20))}
	if _, err := l.Finish(short, f, r); failed(err) && rng.IntN(2) == 0 {
		_, err := l.Finish(ctx, f, r) // it may have happened or not
		failed(err)
	}
}

func killConnections(db *sqldb.DB, stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(10 * time.Millisecond):
			db.ExecContext(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE application_name = 'trawlmark' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1`)
		}
	}
}
