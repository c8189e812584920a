package ledger_test

import (
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

func TestReadyOrder(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		low, high, later, other := visit(1), visit(2), visit(3), visit(4)
		high.Priority = 5
		later.ReadyAt = start.Add(time.Minute)
		other.Lane = "other.example"
		export := ledger.Work{Kind: ledger.Export, Spec: json.RawMessage(`{"case":"c1"}`)}
		must(w.Add(ctx, low, high, later, other, export))(t)

		lanes := must(w.ReadyLanes(ctx, start))(t)
		if len(lanes) != 3 || lanes[0] != "" || lanes[1] != "other.example" || lanes[2] != "shop.example" {
			t.Errorf("lanes: %q", lanes)
		}
		ready := must(w.Ready(ctx, start, "shop.example", 10))(t)
		if len(ready) != 2 || ready[0].URL != high.URL || ready[1].URL != low.URL {
			t.Fatalf("ready: %+v", ready)
		}
		if ready[0].Pool != "http" {
			t.Errorf("pool %q", ready[0].Pool)
		}
		if _, err := w.Dispatch(ctx, must(w.Jobs(ctx, ledger.JobFilter{}))(t)[2].ID, start); !errors.Is(err, ledger.ErrStale) {
			t.Errorf("a job was dispatched before its time: %v", err)
		}
		w.dispatch(ready[0])
		w.dispatch(ready[1])
		if lanes := must(w.ReadyLanes(ctx, start))(t); len(lanes) != 2 {
			t.Errorf("a lane with nothing but work for later is called ready: %q", lanes)
		}
		if r := must(w.Ready(ctx, start.Add(time.Minute), "shop.example", 10))(t); len(r) != 1 {
			t.Errorf("ready a minute later: %d", len(r))
		}
		if at := must(w.LongestReady(ctx, start, "export"))(t); !at.Equal(start) {
			t.Errorf("the export is ready since %s, not %s", at, start)
		}
		if at := must(w.LongestReady(ctx, start, "http"))(t); !at.Equal(start) {
			t.Errorf("visits are ready since %s, not %s", at, start)
		}
		if l := must(w.ReadyAmong(ctx, start, []string{"export", "http"}, []string{"shop.example", "", "other.example"}))(t); len(l) != 2 || l[0] != "" || l[1] != "other.example" {
			t.Errorf("ready among them: %q", l)
		}
		e := must(w.Ready(ctx, start, "", 1))(t)[0]
		if e.Kind != ledger.Export || e.Pool != "export" || string(e.Spec) != `{"case":"c1"}` {
			t.Errorf("export: %+v", e)
		}
	})
}

func TestAddKnowsItsKeys(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		x := ledger.Work{Kind: ledger.Export, Key: "case c1"}
		if ids := must(w.Add(ctx, x, x, visit(1), visit(1)))(t); len(ids) != 3 {
			t.Errorf("%d jobs, want one export and two captures by hand", len(ids))
		}
		if ids := must(w.Add(ctx, x))(t); len(ids) != 0 {
			t.Error("the same key was planned again")
		}
	})
}

func TestJobLife(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		wa, jobs := w.fired("shoes", 1)
		f := w.dispatch(jobs[0])
		if f.Epoch != 1 {
			t.Errorf("epoch %d", f.Epoch)
		}
		if _, err := w.Dispatch(ctx, f.Job, w.clock.now()); !errors.Is(err, ledger.ErrStale) {
			t.Errorf("dispatched twice: %v", err)
		}
		if err := w.Heartbeat(ctx, f, lease); !errors.Is(err, ledger.ErrStale) {
			t.Errorf("heartbeat without a claim: %v", err)
		}
		j := must(w.Claim(ctx, f, "w1", lease))(t)
		if j.State != ledger.Running || j.Worker != "w1" || !j.LeaseUntil.Equal(start.Add(lease)) || j.Watch != wa.ID {
			t.Errorf("claimed: %+v", j)
		}
		if _, err := w.Claim(ctx, f, "w2", lease); !errors.Is(err, ledger.ErrStale) {
			t.Errorf("claimed twice: %v", err)
		}
		w.clock.forward(15 * time.Second)
		check(t, w.Heartbeat(ctx, f, lease))
		w.clock.forward(15 * time.Second)
		if n := must(w.Reconcile(ctx, w.clock.now()))(t); n != 0 {
			t.Error("a job whose worker lives was taken away")
		}
		r := w.observed(j)
		done := must(w.Finish(ctx, f, r))(t)
		if !done.New || done.Listing.IsZero() {
			t.Errorf("finished: %+v", done)
		}
		j = w.job(j.ID)
		if j.State != ledger.Done || j.Outcome != capture.Captured || j.Capture != r.Capture || j.Manifest != r.Manifest ||
			!j.LeaseUntil.IsZero() || !j.Finished.Equal(w.clock.now()) {
			t.Errorf("done: %+v", j)
		}
		if err := w.Heartbeat(ctx, f, lease); !errors.Is(err, ledger.ErrStale) {
			t.Errorf("heartbeat after the end: %v", err)
		}
		if err := w.Cancel(ctx, j.ID, "x"); !errors.Is(err, ledger.ErrEnded) {
			t.Errorf("cancelled after the end: %v", err)
		}
		at := must(w.Attempts(ctx, j.ID))(t)
		if len(at) != 1 || at[0].How != "done" || at[0].Worker != "w1" || at[0].Capture != r.Capture {
			t.Errorf("attempts: %+v", at)
		}
		c := must(w.Counts(ctx, wa.ID))(t)
		if c[ledger.Visit][ledger.Done] != 1 || len(c[ledger.Visit]) != 1 {
			t.Errorf("counts: %+v", c)
		}
		if o := must(w.OutcomeCounts(ctx, capture.ID{}))(t); o[capture.Captured] != 1 {
			t.Errorf("outcomes: %+v", o)
		}
		if o := must(w.SiteOutcomes(ctx, "demo"))(t); o[capture.Captured] != 1 {
			t.Errorf("outcomes of the site: %+v", o)
		}
		if fire := must(w.Fires(ctx, wa.ID, 1))(t)[0]; !fire.Finished.Equal(w.clock.now()) || fire.Open != 0 {
			t.Errorf("fire: %+v", fire)
		}
		w.consistent()
	})
}

func TestFinishAgain(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, jobs := w.fired("shoes", 1)
		f := w.claim(jobs[0])
		r := w.observed(jobs[0])
		r.Suspicious = true
		r.Follow = []ledger.Work{visit(7)}
		first := must(w.Finish(ctx, f, r))(t)
		if first.Planned != 2 || first.ScoreJob.IsZero() {
			t.Errorf("first: %+v", first)
		}
		// The answer was lost, the worker asks again: nothing happens twice.
		if again := must(w.Finish(ctx, f, r))(t); !again.Repeated {
			t.Errorf("again: %+v", again)
		}
		other := w.observed(jobs[0])
		if _, err := w.Finish(ctx, f, other); !errors.Is(err, ledger.ErrStale) {
			t.Errorf("another result for a job that is done: %v", err)
		}
		if all := must(w.Jobs(ctx, ledger.JobFilter{}))(t); len(all) != 3 {
			t.Errorf("%d jobs", len(all))
		}
		w.consistent()
	})
}

func TestFinishIsRefusedAfterTheEpochMoved(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		wa, jobs := w.fired("shoes", 1)
		old := w.claim(jobs[0])
		w.clock.forward(lease + time.Second)
		if n := must(w.Reconcile(ctx, w.clock.now()))(t); n != 1 {
			t.Fatalf("%d reclaimed", n)
		}
		r := w.observed(jobs[0])
		r.Suspicious, r.Follow = true, []ledger.Work{visit(9)}
		refused := func(when string) {
			t.Helper()
			if _, err := w.Finish(ctx, old, r); !errors.Is(err, ledger.ErrStale) {
				t.Errorf("%s: %v", when, err)
			}
			if _, err := w.Retry(ctx, old, ledger.Failure{Class: ledger.Network}); !errors.Is(err, ledger.ErrStale) {
				t.Errorf("%s: retry: %v", when, err)
			}
			if err := w.Release(ctx, old, time.Time{}, "x"); !errors.Is(err, ledger.ErrStale) {
				t.Errorf("%s: release: %v", when, err)
			}
			if err := w.Heartbeat(ctx, old, lease); !errors.Is(err, ledger.ErrStale) {
				t.Errorf("%s: heartbeat: %v", when, err)
			}
			if _, err := w.Claim(ctx, old, "w1", lease); !errors.Is(err, ledger.ErrStale) {
				t.Errorf("%s: claim: %v", when, err)
			}
		}
		refused("planned again")
		f := w.dispatch(jobs[0])
		refused("dispatched again")
		must(w.Claim(ctx, f, "w2", lease))(t)
		refused("running again")
		must(w.Finish(ctx, f, w.observed(jobs[0])))(t)
		refused("done by another")
		if all := must(w.Jobs(ctx, ledger.JobFilter{Watch: wa.ID}))(t); len(all) != 1 {
			t.Error("a refused result planned jobs")
		}
		w.consistent()
	})
}

func TestRetryBudgets(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for class, b := range ledger.DefaultBudgets() {
			_, jobs := w.fired("watch "+string(class), 1)
			j := jobs[0]
			var last time.Duration
			for n := 1; ; n++ {
				now := w.clock.now()
				f := w.claim(w.job(j.ID))
				cap := w.ids.New()
				state := must(w.Retry(ctx, f, ledger.Failure{Class: class, Text: "it broke", Outcome: capture.Timeout, Capture: cap}))(t)
				got := w.job(j.ID)
				if got.State != state || got.Attempts[class] != n || got.Error != "it broke" || got.Capture != cap {
					t.Fatalf("%s: %+v", class, got)
				}
				if n == b.Attempts {
					if state != b.Then {
						t.Errorf("%s: %s after %d, want %s", class, state, n, b.Then)
					}
					break
				}
				if state != ledger.Planned {
					t.Fatalf("%s: %s after %d of %d", class, state, n, b.Attempts)
				}
				pause := max(got.ReadyAt.Sub(now), 0) // before now: it keeps its place
				if pause < last || pause > time.Hour || b.Backoff > 0 && pause == 0 {
					t.Errorf("%s: pause %v after %v", class, pause, last)
				}
				last = pause
				w.clock.forward(pause)
			}
			if a := must(w.Attempts(ctx, j.ID))(t); len(a) != b.Attempts {
				t.Errorf("%s: %d attempts on record", class, len(a))
			}
		}
		w.consistent()
	})
}

func TestClassesDoNotShareBudgets(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, jobs := w.fired("shoes", 1)
		at := w.clock.now()
		for _, c := range []ledger.Class{ledger.Network, ledger.TimedOut, ledger.Network, ledger.TimedOut, ledger.Network, ledger.Server} {
			if s := must(w.Retry(ctx, w.claim(w.job(jobs[0].ID)), ledger.Failure{Class: c, At: at}))(t); s != ledger.Planned {
				t.Fatalf("%s ended it: %s", c, s)
			}
		}
		if s := must(w.Retry(ctx, w.claim(w.job(jobs[0].ID)), ledger.Failure{Class: ledger.Network, At: at}))(t); s != ledger.Failed {
			t.Errorf("the fourth network failure: %s", s)
		}
		check(t, w.Reopen(ctx, jobs[0].ID))
		if j := w.job(jobs[0].ID); j.State != ledger.Planned || len(j.Attempts) != 0 || j.Epoch != 7 {
			t.Errorf("reopened: %+v", j)
		}
		if err := w.Reopen(ctx, jobs[0].ID); !errors.Is(err, ledger.ErrInvalid) {
			t.Errorf("reopened twice: %v", err)
		}
		if _, err := w.Retry(ctx, w.claim(w.job(jobs[0].ID)), ledger.Failure{Class: "weather"}); !errors.Is(err, ledger.ErrInvalid) {
			t.Errorf("an unknown class: %v", err)
		}
		w.consistent()
	})
}

func TestReleaseCostsNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		wa, jobs := w.fired("shoes", 1)
		// The ticket could not be sent.
		check(t, w.Release(ctx, w.dispatch(jobs[0]), time.Time{}, "the queue is away"))
		// The worker drains.
		check(t, w.Release(ctx, w.claim(jobs[0]), time.Time{}, "draining"))
		// The lane closed, again and again, until it is enough.
		n := 0
		for ; w.job(jobs[0].ID).State == ledger.Planned; n++ {
			check(t, w.Release(ctx, w.claim(jobs[0]), w.clock.now().Add(time.Hour), "429"))
			w.clock.forward(time.Hour)
		}
		j := w.job(jobs[0].ID)
		if j.State != ledger.Failed || len(j.Attempts) != 0 || n < 24*7 || n > 24*7+2 {
			t.Errorf("after %d hours: %+v", n, j)
		}
		if f := must(w.Fires(ctx, wa.ID, 1))(t)[0]; f.Open != 0 {
			t.Errorf("fire: %+v", f)
		}
		w.consistent()
	})
}

func TestCancel(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		wa, jobs := w.fired("shoes", 4)
		w.dispatch(jobs[1])
		f := w.claim(jobs[2])
		must(w.Finish(ctx, w.claim(jobs[3]), ledger.Result{Outcome: capture.Removed, Capture: w.ids.New()}))(t)
		for _, j := range jobs[:3] {
			check(t, w.Cancel(ctx, j.ID, "not wanted"))
		}
		if err := w.Heartbeat(ctx, f, lease); !errors.Is(err, ledger.ErrStale) {
			t.Errorf("the worker of a cancelled job is not told: %v", err)
		}
		if c := must(w.Counts(ctx, wa.ID))(t)[ledger.Visit]; c[ledger.Cancelled] != 3 || c[ledger.Done] != 1 {
			t.Errorf("counts: %v", c)
		}
		if err := w.Cancel(ctx, w.ids.New(), ""); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("an unknown job: %v", err)
		}
		w.consistent()
	})
}

func TestReconcile(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, jobs := w.fired("shoes", 3)
		w.dispatch(jobs[0])
		w.claim(jobs[1])
		if m := must(w.InFlight(ctx))(t); len(m) != 1 || m["shop.example"] != 2 {
			t.Errorf("in flight: %v", m)
		}
		if n := must(w.Reconcile(ctx, w.clock.forward(19*time.Second)))(t); n != 0 {
			t.Errorf("%d reclaimed before their time", n)
		}
		if n := must(w.Reconcile(ctx, w.clock.forward(2*time.Second)))(t); n != 2 {
			t.Errorf("%d reclaimed, want 2", n)
		}
		a, b := w.job(jobs[0].ID), w.job(jobs[1].ID)
		if a.State != ledger.Planned || len(a.Attempts) != 0 {
			t.Errorf("a lost ticket: %+v", a)
		}
		if b.State != ledger.Planned || b.Attempts[ledger.Lost] != 1 {
			t.Errorf("a lost worker: %+v", b)
		}
		// It kills every worker that takes it.
		for range 2 {
			w.claim(jobs[1])
			must(w.Reconcile(ctx, w.clock.forward(time.Minute)))(t)
		}
		if b := w.job(jobs[1].ID); b.State != ledger.Quarantined {
			t.Errorf("poison: %+v", b)
		}
		if q := must(w.Jobs(ctx, ledger.JobFilter{State: ledger.Quarantined}))(t); len(q) != 1 {
			t.Errorf("quarantine: %+v", q)
		}
		w.consistent()
	})
}

// A worker beats after the reconciler read that it was late.
func TestLateHeartbeatSavesTheJob(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, jobs := w.fired("shoes", 1)
		f := w.claim(jobs[0])
		now := w.clock.forward(lease + time.Second)
		check(t, w.Heartbeat(ctx, f, lease))
		if err := ledger.Reclaim(w.Ledger, ctx, f, now); !errors.Is(err, ledger.ErrStale) {
			t.Errorf("the job was taken away: %v", err)
		}
		must(w.Finish(ctx, f, w.observed(jobs[0])))(t)
	})
}

// The lease of a worker whose clock is an hour wrong is kept by the database's
// clock, so a reconciler elsewhere does not take the job away.
func TestClocksOfMachinesDiffer(t *testing.T) {
	open := sqldbtest.PostgreSQL(t)
	var leap atomic.Int64 // what somebody sets the clock behind by
	skewed := func(by time.Duration) *world {
		w := &world{t: t, open: open, clock: &clock{t: time.Now().Add(by)}}
		local := func() time.Time { return time.Now().Add(by) }
		if by < 0 {
			local = func() time.Time { return time.Now().Add(by + time.Duration(leap.Load())) }
		}
		w.seeds = byte(by / time.Hour * 16)
		w.ids = w.source()
		w.Ledger = must(ledger.Open(ctx, open(), w.source(), local, ledger.Config{}))(t)
		return w
	}
	behind, ahead := skewed(-time.Hour), skewed(time.Hour)
	agree := func() {
		t.Helper()
		if d := ahead.Now().Sub(behind.Now()).Abs(); d > time.Minute {
			t.Fatalf("two machines disagree by %v", d)
		}
	}
	agree()
	ids := must(behind.Add(ctx, visit(1)))(t)
	f := must(ahead.Dispatch(ctx, ids[0], ahead.Now().Add(time.Minute)))(t)
	leap.Store(int64(10 * time.Hour)) // its clock is set while it runs
	must(behind.Claim(ctx, f, "w1", time.Minute))(t)
	agree()
	if n := must(ahead.Reconcile(ctx, ahead.Now()))(t); n != 0 {
		t.Error("a running job was taken away")
	}
	must(behind.Finish(ctx, f, ledger.Result{Outcome: capture.Captured, Capture: behind.ids.New()}))(t)
}

func TestJobsPages(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		wa, jobs := w.fired("shoes", 7)
		w.fired("other", 2)
		var seen []capture.ID
		f := ledger.JobFilter{Watch: wa.ID, FireAt: start, State: ledger.Planned, Kind: ledger.Visit, Limit: 3}
		for {
			page := must(w.Jobs(ctx, f))(t)
			if len(page) == 0 {
				break
			}
			for _, j := range page {
				seen = append(seen, j.ID)
			}
			f.Before = seen[len(seen)-1]
		}
		if len(seen) != 7 || seen[0] != jobs[0].ID || seen[6] != jobs[6].ID {
			t.Errorf("paged: %v", seen)
		}
	})
}

func TestPrune(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		wa, jobs := w.fired("shoes", 3)
		must(w.Finish(ctx, w.claim(jobs[0]), w.observed(jobs[0])))(t)
		w.clock.forward(time.Hour)
		must(w.Finish(ctx, w.claim(jobs[1]), w.observed(jobs[1])))(t)
		if n := must(w.Prune(ctx, start.Add(time.Minute), 100))(t); n != 1 {
			t.Errorf("%d pruned", n)
		}
		if _, err := w.Job(ctx, jobs[0].ID); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("pruned: %v", err)
		}
		if a := must(w.Attempts(ctx, jobs[0].ID))(t); len(a) != 0 {
			t.Error("attempts of a pruned job are left")
		}
		if c := must(w.Counts(ctx, wa.ID))(t)[ledger.Visit]; c[ledger.Done] != 1 || c[ledger.Planned] != 1 {
			t.Errorf("counts: %v", c)
		}
		if _, err := w.ListingOf(ctx, ledger.Ref{Site: "demo", ItemID: jobs[0].ItemID}); err != nil {
			t.Errorf("what a pruned job found is gone: %v", err)
		}
	})
}
