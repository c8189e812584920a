package ledger_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

func TestFromSuspicionToDecision(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		wa, jobs := w.fired("shoes", 1)
		f := w.claim(jobs[0])
		r := w.observed(jobs[0])
		r.Suspicious = true
		done := must(w.Finish(ctx, f, r))(t)

		ready := must(w.Ready(ctx, w.clock.now(), "", 10))(t)
		if len(ready) != 1 || ready[0].ID != done.ScoreJob || ready[0].Kind != ledger.Score || ready[0].Pool != "score" ||
			ready[0].Listing != done.Listing || ready[0].Subject != r.Capture || ready[0].Watch != wa.ID || ready[0].Parent != jobs[0].ID {
			t.Fatalf("score job: %+v", ready)
		}
		sf := w.claim(ready[0])
		sd := must(w.Finish(ctx, sf, ledger.Result{Finding: &ledger.Scored{Score: 0.875, Reasons: json.RawMessage(`["cheap"]`), Scorer: "built-in 1"}}))(t)
		if again := must(w.Finish(ctx, sf, ledger.Result{Finding: &ledger.Scored{Score: 0.875}}))(t); !again.Repeated {
			t.Error("a score job was finished twice")
		}
		fi := must(w.Finding(ctx, sd.Finding))(t)
		if fi.Score != 0.875 || fi.State != ledger.New || fi.Capture != r.Capture || fi.Manifest != r.Manifest || fi.Watch != wa.ID ||
			fi.Listing.Title != "Acme shoe" || fi.Listing.Amount != "19.90" || string(fi.Reasons) != `["cheap"]` || fi.Version != 0 {
			t.Errorf("finding: %+v", fi)
		}

		w.clock.forward(time.Minute)
		fi = must(w.Decide(ctx, fi.ID, ledger.Decision{State: ledger.Confirmed, Label: "counterfeit", Note: "see photo 3", By: "ann"}))(t)
		if fi.State != ledger.Confirmed || fi.DecidedBy != "ann" || fi.Version != 1 || !fi.DecidedAt.Equal(w.clock.now()) {
			t.Errorf("decided: %+v", fi)
		}
		if _, err := w.Decide(ctx, fi.ID, ledger.Decision{State: ledger.Dismissed, By: "bob", Version: 0}); !errors.Is(err, ledger.ErrChanged) {
			t.Errorf("two decided on the same sight: %v", err)
		}
		// Scored again: the decision stands.
		w.clock.forward(time.Minute)
		id := must(w.AddFinding(ctx, ledger.Scored{Listing: done.Listing, Watch: wa.ID, Score: 0.25}))(t)
		got := must(w.Finding(ctx, id))(t)
		if id != fi.ID || got.State != ledger.Confirmed || got.Score != 0.25 || !got.ScoredAt.After(got.DecidedAt) {
			t.Errorf("scored again: %+v", got)
		}
		must(w.Decide(ctx, fi.ID, ledger.Decision{State: ledger.New, By: "ann", Version: 1}))(t) // taken back
		ds := must(w.Decisions(ctx, fi.ID))(t)
		if len(ds) != 2 || ds[0].From != ledger.New || ds[0].To != ledger.Confirmed || ds[0].Score != 0.875 || ds[0].Capture != r.Capture ||
			ds[1].To != ledger.New || ds[1].Score != 0.25 || ds[1].By != "ann" {
			t.Errorf("decisions: %+v", ds)
		}
		if c := must(w.FindingCounts(ctx, wa.ID))(t); c[ledger.New] != 1 || len(c) != 1 {
			t.Errorf("counts: %v", c)
		}
		for _, d := range []ledger.Decision{{State: "maybe", By: "x"}, {State: ledger.New}} {
			if _, err := w.Decide(ctx, fi.ID, d); !errors.Is(err, ledger.ErrInvalid) {
				t.Errorf("%+v: %v", d, err)
			}
		}
		if _, err := w.Decide(ctx, w.ids.New(), ledger.Decision{State: ledger.New, By: "x"}); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("an unknown finding: %v", err)
		}
		if _, err := w.AddFinding(ctx, ledger.Scored{Listing: w.ids.New(), Score: 0.5}); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("a finding of no listing: %v", err)
		}
		w.consistent()
	})
}

func TestFindingsPages(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		watches := []ledger.Watch{w.watch("a"), w.watch("b")}
		states := []ledger.FindingState{ledger.New, ledger.InReview, ledger.Confirmed}
		type made struct {
			id    capture.ID
			score float64
			watch capture.ID
			site  string
			state ledger.FindingState
		}
		var all []made
		for i := range 60 {
			m := made{score: float64(i*7%10) / 10, watch: watches[i%2].ID, site: fmt.Sprint("site", i%3), state: states[i%5%3]}
			done, _ := w.look(i, capture.Captured, func(o *ledger.Observation) { o.Site = m.site })
			m.id = must(w.AddFinding(ctx, ledger.Scored{Listing: done.Listing, Watch: m.watch, Score: m.score}))(t)
			if m.state != ledger.New {
				must(w.Decide(ctx, m.id, ledger.Decision{State: m.state, By: "ann"}))(t)
			}
			all = append(all, m)
		}
		for _, f := range []ledger.FindingFilter{
			{},
			{Newest: true},
			{States: []ledger.FindingState{ledger.New}},
			{MinScore: 0.4},
			{States: []ledger.FindingState{ledger.New, ledger.Confirmed, ledger.New}, Watch: watches[0].ID},
			{States: []ledger.FindingState{ledger.InReview, ledger.New}, Site: "site1", Newest: true},
			{Watch: watches[1].ID, Site: "site2", MinScore: 0.3},
			{States: []ledger.FindingState{ledger.Escalated}},
		} {
			var want []capture.ID
			match := func(m made) bool {
				return (len(f.States) == 0 || slices.Contains(f.States, m.state)) && (f.Watch.IsZero() || f.Watch == m.watch) &&
					(f.Site == "" || f.Site == m.site) && m.score >= f.MinScore
			}
			sorted := slices.Clone(all)
			slices.SortFunc(sorted, func(a, b made) int {
				if !f.Newest && a.score != b.score {
					if a.score > b.score {
						return -1
					}
					return 1
				}
				return slices.Compare(b.id[:], a.id[:])
			})
			for _, m := range sorted {
				if match(m) {
					want = append(want, m.id)
				}
			}
			var got []capture.ID
			for f.Limit = 7; ; {
				p := must(w.Findings(ctx, f))(t)
				for _, x := range p.Findings {
					got = append(got, x.ID)
				}
				if p.Next == "" {
					break
				}
				f.Cursor = p.Next
			}
			if !slices.Equal(got, want) {
				t.Errorf("%+v gives %d findings in pages, want %d in order", f, len(got), len(want))
			}
		}
		if _, err := w.Findings(ctx, ledger.FindingFilter{Cursor: "' OR 1=1"}); !errors.Is(err, ledger.ErrInvalid) {
			t.Errorf("a made-up cursor: %v", err)
		}
		w.consistent()
	})
}
