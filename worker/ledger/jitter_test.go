package ledger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/worker/ledger"
)

// However a watch is asked to spread, a fire comes at its scheduled time or
// later, before the next one, and each is on record with both times.
func TestJitterKeepsToTheSchedule(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, c := range []struct {
			cron, zone string
			jitter     ledger.Jitter
			width      time.Duration // the most, without daylight saving
			step       time.Duration
		}{
			{"0 * * * *", "", "", 5 * time.Minute, time.Hour},
			{"0 * * * *", "", "10%", 6 * time.Minute, time.Hour},
			{"0 * * * *", "", "24h", 30 * time.Minute, time.Hour},
			{"* * * * *", "", "5m", 30 * time.Second, time.Minute},
			{"@every 90m", "", "50%", 45 * time.Minute, 90 * time.Minute},
			{"30 2 * * *", "Europe/Berlin", "10%", 144 * time.Minute, 24 * time.Hour},
			{"@every 1s", "", "", 0, time.Second},
			{"0 * * * *", "", "0", 0, time.Hour},
		} {
			name := c.cron + " " + string(c.jitter)
			a := must(w.AddWatch(ctx, ledger.Watch{Name: name, Schedule: ledger.Schedule{Cron: c.cron, Zone: c.zone}, Jitter: c.jitter}))(t)
			spread := map[time.Duration]bool{}
			want := a.NextScheduled
			for range 12 {
				if a.NextScheduled != want {
					t.Fatalf("%s: scheduled %s, want %s", name, a.NextScheduled, want)
				}
				late := a.NextFire.Sub(a.NextScheduled)
				spread[late] = true
				if late < 0 || late > c.width || late > 0 && late >= c.width {
					t.Errorf("%s: fires %s after %s, want up to %s", name, late, a.NextScheduled, c.width)
				}
				if d := a.NextFire.Sub(w.clock.now()); d > 0 {
					w.clock.forward(d)
				}
				must(w.Fire(ctx, a.ID, a.NextFire, []ledger.Work{visit(1)}))(t)
				f := must(w.Fires(ctx, a.ID, 1))(t)[0]
				if !f.At.Equal(a.NextFire) || !f.Scheduled.Equal(a.NextScheduled) {
					t.Errorf("%s: on record as %s for %s, want %s for %s", name, f.At, f.Scheduled, a.NextFire, a.NextScheduled)
				}
				a = must(w.Watch(ctx, a.ID))(t)
				want = want.Add(c.step)
			}
			if c.width >= 30*time.Second && len(spread) < 6 {
				t.Errorf("%s: 12 fires have %d distances", name, len(spread))
			}
		}
	})
}

// The moment is the same for whoever computes it, and another for another watch.
func TestJitterDependsOnTheWatchAndTheTime(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		moments := map[time.Time]bool{}
		for range 8 {
			id := w.ids.New()
			a := must(w.AddWatch(ctx, ledger.Watch{ID: id, Name: id.String(), Schedule: ledger.Schedule{Cron: "0 6 * * *"}, Jitter: "50%"}))(t)
			moments[a.NextFire] = true
			first := a.NextFire
			a.Jitter = "0"
			if a = must(w.ChangeWatch(ctx, a))(t); !a.NextFire.Equal(a.NextScheduled) {
				t.Errorf("without jitter: %s for %s", a.NextFire, a.NextScheduled)
			}
			a.Jitter = "50%"
			if a = must(w.ChangeWatch(ctx, a))(t); !a.NextFire.Equal(first) {
				t.Errorf("computed again: %s, want %s", a.NextFire, first)
			}
		}
		if len(moments) < 6 {
			t.Errorf("8 watches have %d moments in 12 hours", len(moments))
		}
	})
}

// Between the scheduled time and the moment nothing takes the fire away: no
// change of something else, no run by hand, and no fire before that was late.
func TestJitterLosesNoFire(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := must(w.AddWatch(ctx, ledger.Watch{Name: "a", Schedule: ledger.Schedule{Cron: "0 * * * *"}, Jitter: "50%", Missed: ledger.Skip}))(t)
		for a.NextFire.Sub(a.NextScheduled) < time.Minute { // a draw that leaves no room for the test
			must(w.Fire(ctx, a.ID, a.NextFire, nil))(t)
			a = must(w.Watch(ctx, a.ID))(t)
			w.clock.forward(a.NextScheduled.Sub(w.clock.now()) - time.Minute)
		}
		now := w.clock.forward(a.NextScheduled.Sub(w.clock.now()) + 30*time.Second)
		a.Depth = 1
		b := must(w.ChangeWatch(ctx, a))(t)
		must(w.Fire(ctx, a.ID, now, nil))(t)
		if c := must(w.Watch(ctx, a.ID))(t); !b.NextFire.Equal(a.NextFire) || !c.NextFire.Equal(a.NextFire) || !c.NextScheduled.Equal(a.NextScheduled) {
			t.Errorf("next %s, then %s, want %s", b.NextFire, c.NextFire, a.NextFire)
		}
		if f := must(w.Fires(ctx, a.ID, 1))(t)[0]; !f.Scheduled.IsZero() {
			t.Errorf("a run by hand was scheduled for %s", f.Scheduled)
		}
		// This one is missed, and noted when the next has come by the clock alone.
		hour := a.NextScheduled.Add(time.Hour)
		for {
			probe := a
			probe.NextScheduled = hour
			_, m, err := ledger.AfterFire(probe, hour.Add(-time.Second), hour)
			check(t, err)
			if m.Sub(hour) >= time.Minute {
				break
			}
			hour = hour.Add(time.Hour)
		}
		w.clock.forward(hour.Sub(w.clock.now()) + 30*time.Second)
		check(t, w.SkipFire(ctx, a.ID, a.NextFire))
		if c := must(w.Watch(ctx, a.ID))(t); !c.NextScheduled.Equal(hour) || !c.NextFire.After(w.clock.now()) {
			t.Errorf("after the one that was missed: %s for %s, want that of %s", c.NextFire, c.NextScheduled, hour)
		}
	})
}

func TestJitterIsAskedForInWords(t *testing.T) {
	for _, ok := range []ledger.Jitter{"", "0", "0s", "90s", "24h", "0%", "10%", "2.5 %", " 5m "} {
		if err := (ledger.Watch{Name: "a", Jitter: ok}).Validate(); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for _, bad := range []ledger.Jitter{"5", "-1s", "25h", "51%", "-1%", "NaN%", "Inf%", "%", "x", "1d", "0.0000000000000000000000000000000000001%"} {
		if err := (ledger.Watch{Name: "a", Jitter: bad}).Validate(); !errors.Is(err, ledger.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
