package ledger_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/worker/ledger"
)

const day = 24 * 3600

func TestAWatchKeepsItsRetention(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		plain := w.watch("plain")
		if plain.Retention != (ledger.Retention{}) {
			t.Errorf("a watch that says nothing has %+v", plain.Retention)
		}
		want := ledger.Retention{Untriaged: 7 * day, Finding: 3650 * day}
		a := must(w.AddWatch(ctx, ledger.Watch{Name: "short", Retention: want}))(t)
		if a.Retention != want {
			t.Errorf("added with %+v", a.Retention)
		}
		a.Retention.Untriaged = 14 * day
		if a = must(w.ChangeWatch(ctx, a))(t); a.Retention.Untriaged != 14*day || a.Retention.Finding != 3650*day {
			t.Errorf("changed to %+v", a.Retention)
		}
		for _, bad := range []ledger.Retention{{Untriaged: -1}, {Untriaged: 59}, {Finding: 36501 * day}, {Untriaged: 2 * day, Finding: day}} {
			a.Retention = bad
			if _, err := w.ChangeWatch(ctx, a); !errors.Is(err, ledger.ErrInvalid) || !strings.Contains(err.Error(), "retention") {
				t.Errorf("%+v: %v", bad, err)
			}
		}
	})
}

func TestRetentionOrTheConfigurations(t *testing.T) {
	const h = time.Hour
	for _, c := range []struct {
		watch              ledger.Retention
		untriaged, finding time.Duration
	}{
		{ledger.Retention{}, 30 * h, 100 * h},
		{ledger.Retention{Untriaged: 3600}, h, 100 * h},
		{ledger.Retention{Finding: 200 * 3600}, 30 * h, 200 * h},
		{ledger.Retention{Untriaged: 150 * 3600}, 150 * h, 150 * h}, // longer than the default of findings
		{ledger.Retention{Finding: 3600}, 30 * h, 30 * h},
	} {
		if u, f := c.watch.Or(30*h, 100*h); u != c.untriaged || f != c.finding {
			t.Errorf("%+v: %s and %s, want %s and %s", c.watch, u, f, c.untriaged, c.finding)
		}
	}
}
