package ledger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/worker/ledger"
)

func TestLanes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if l := must(w.Lane(ctx, "a"))(t); !l.Open(start) || l.Name != "a" {
			t.Errorf("a lane nobody closed: %+v", l)
		}
		check(t, w.CloseLane(ctx, "a", start.Add(time.Hour), "429"))
		check(t, w.CloseLane(ctx, "a", start.Add(time.Minute), "503")) // does not shorten
		l := must(w.Lane(ctx, "a"))(t)
		if l.Open(start) || !l.ClosedUntil.Equal(start.Add(time.Hour)) || l.Reason != "429" || !l.Open(start.Add(time.Hour)) {
			t.Errorf("closed: %+v", l)
		}
		check(t, w.PauseLane(ctx, "a", "oscar"))
		check(t, w.CloseLane(ctx, "a", start.Add(2*time.Hour), "429 again"))
		if l := must(w.Lane(ctx, "a"))(t); !l.Paused || l.PausedBy != "oscar" || l.Reason != "429 again" || l.Open(start.Add(3*time.Hour)) {
			t.Errorf("paused: %+v", l)
		}
		check(t, w.ResumeLane(ctx, "a", "oscar"))
		if l := must(w.Lane(ctx, "a"))(t); l.Paused || l.Open(start) || !l.Open(start.Add(2*time.Hour)) {
			t.Errorf("resumed: %+v", l)
		}
		check(t, w.OpenLane(ctx, "a", "oscar"))
		if l := must(w.Lane(ctx, "a"))(t); !l.Open(start) {
			t.Errorf("opened: %+v", l)
		}
		check(t, w.PauseLane(ctx, "b", "oscar"))
		if all := must(w.Lanes(ctx))(t); len(all) != 2 || all[1].Name != "b" || !all[1].Paused {
			t.Errorf("lanes: %+v", all)
		}
		if err := w.PauseLane(ctx, "", "x"); !errors.Is(err, ledger.ErrInvalid) {
			t.Errorf("no name: %v", err)
		}
	})
}

func TestConfig(t *testing.T) {
	for _, c := range []ledger.Config{
		{DispatchLease: -1},
		{FireGrace: -1},
		{MaxAge: -1},
		{Budgets: map[ledger.Class]ledger.Budget{"weather": {Attempts: 1, Then: ledger.Failed}}},
		{Budgets: map[ledger.Class]ledger.Budget{ledger.Lost: {Attempts: 0, Then: ledger.Failed}}},
		{Budgets: map[ledger.Class]ledger.Budget{ledger.Lost: {Attempts: 1, Then: ledger.Done}}},
	} {
		if c.Validate() == nil {
			t.Errorf("%+v passed", c)
		}
	}
	if err := (ledger.Config{Budgets: map[ledger.Class]ledger.Budget{ledger.Lost: {Attempts: 1, Then: ledger.Failed}}}).Validate(); err != nil {
		t.Error(err)
	}
}
