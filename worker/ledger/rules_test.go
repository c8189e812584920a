package ledger_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/worker/ledger"
)

func TestRulesAreKeptWithTheWatch(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.watch("plain")
		if !a.Rules.Empty() {
			t.Errorf("a watch without rules has %+v", a.Rules)
		}
		a.Rules = ledger.Rules{Hosts: []string{"*.shop.example"}, Include: []string{"/itm/*"}, Exclude: []string{"/itm/used*"}}
		a.MaxListings, a.Depth = 7, 2
		must(w.ChangeWatch(ctx, a))(t)
		got := must(w.another().Watch(ctx, a.ID))(t)
		if len(got.Rules.Hosts) != 1 || got.Rules.Include[0] != "/itm/*" || got.Rules.Exclude[0] != "/itm/used*" || got.MaxListings != 7 || got.Depth != 2 {
			t.Errorf("read back %+v", got)
		}
		for name, r := range map[string]ledger.Rules{
			"empty pattern": {Include: []string{""}}, "long pattern": {Exclude: []string{"/" + strings.Repeat("a", 600)}},
			"too many": {Hosts: make([]string, 300)},
		} {
			a.Rules = r
			if _, err := w.ChangeWatch(ctx, a); !errors.Is(err, ledger.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestWhatIsNotFollowedIsCountedByReason(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		wa := must(w.AddWatch(ctx, ledger.Watch{Name: "w", MaxListings: 3, Depth: 1}))(t)
		must(w.Fire(ctx, wa.ID, w.clock.now(), []ledger.Work{visit(0), visit(1)}))(t)
		jobs := must(w.Jobs(ctx, ledger.JobFilter{Watch: wa.ID}))(t)
		finish := func(j ledger.Job, follow []ledger.Work, refused ledger.Refused) ledger.Finished {
			r := w.observed(j)
			r.Follow, r.Refused = follow, refused
			return must(w.Finish(ctx, w.claim(j), r))(t)
		}
		deep := visit(9)
		deep.Depth = 2
		done := finish(jobs[0], []ledger.Work{visit(2), visit(3), deep}, ledger.Refused{"excluded by /used*": 4})
		if done.Planned != 1 || done.Dropped != 6 {
			t.Errorf("finished %+v, want 1 planned and 6 not followed", done)
		}
		finish(jobs[1], nil, ledger.Refused{"excluded by /used*": 1, "no include pattern matches": 2})
		fire := must(w.Fires(ctx, wa.ID, 1))(t)[0]
		want := ledger.Refused{
			"excluded by /used*": 5, "no include pattern matches": 2,
			"the run has its 3 listings (max-listings)":     1,
			"more than 1 links away from the start (depth)": 1,
		}
		for reason, n := range want {
			if fire.Refused[reason] != n {
				t.Errorf("%q counts %d links, want %d", reason, fire.Refused[reason], n)
			}
		}
		if len(fire.Refused) != len(want) || fire.Dropped != fire.Refused.Total() {
			t.Errorf("the fire says %d not followed, for %v", fire.Dropped, fire.Refused)
		}
		w.consistent()
	})
}

// A site that makes up a reason for each link does not make a row without end.
func TestReasonsAreBounded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		wa, jobs := w.fired("w", 1)
		r := w.observed(jobs[0])
		r.Refused = ledger.Refused{}
		for i := range 500 {
			r.Refused["reason "+strings.Repeat("x", i)] = 2
		}
		must(w.Finish(ctx, w.claim(jobs[0]), r))(t)
		fire := must(w.Fires(ctx, wa.ID, 1))(t)[0]
		if len(fire.Refused) > 101 || fire.Dropped != 1000 || fire.Refused["other reasons"] == 0 {
			t.Errorf("%d reasons for %d links, %d of them for other reasons", len(fire.Refused), fire.Dropped, fire.Refused["other reasons"])
		}
	})
}
