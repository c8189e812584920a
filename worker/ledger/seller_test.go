package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// sighted finishes a visit that saw a listing of a seller.
func (w *world) sighted(j ledger.Job, seller string) capture.ID {
	w.t.Helper()
	r := w.observed(j)
	r.Observation.SellerID = seller
	return must(w.Finish(ctx, w.claim(j), r))(w.t).Listing
}

func TestSellerRecord(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, jobs := w.fired("bags", 6)
		other := w.watch("watches of another brand")
		var listings []capture.ID
		for _, j := range jobs {
			listings = append(listings, w.sighted(j, "s1"))
		}
		find := func(listing, watch capture.ID, d ledger.Decision) {
			t.Helper()
			id := must(w.AddFinding(ctx, ledger.Scored{Listing: listing, Watch: watch, Score: .9, Scorer: "test"}))(t)
			if d.State != "" {
				d.By = "ann"
				must(w.Decide(ctx, id, d))(t)
			}
		}
		find(listings[0], a.ID, ledger.Decision{State: ledger.Confirmed, Label: "counterfeit"})
		find(listings[1], a.ID, ledger.Decision{State: ledger.Resolved, Label: "trademark"})
		find(listings[1], other.ID, ledger.Decision{State: ledger.Confirmed}) // the same listing counts once
		find(listings[2], a.ID, ledger.Decision{State: ledger.Resolved, Label: "legitimate"})
		find(listings[3], a.ID, ledger.Decision{State: ledger.Dismissed})
		find(listings[4], a.ID, ledger.Decision{})
		got := must(w.SellerRecord(ctx, "demo", "s1", listings[5]))(t)
		if got.Confirmed != 2 || len(got.Watches) != 2 {
			t.Errorf("the record is %+v, want 2 confirmed and 2 watches", got)
		}
		if got := must(w.SellerRecord(ctx, "demo", "s1", listings[0]))(t); got.Confirmed != 1 {
			t.Errorf("without the listing itself %d are confirmed, want 1", got.Confirmed)
		}
		for _, nobody := range []string{"", "s2"} {
			if got := must(w.SellerRecord(ctx, "demo", nobody, capture.ID{}))(t); got.Confirmed != 0 || len(got.Watches) != 0 {
				t.Errorf("seller %q has %+v", nobody, got)
			}
		}
	})
}

func TestWhatAWatchSaw(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, jobs := w.fired("bags", 5)
		for i, j := range jobs {
			w.clock.forward(time.Minute)
			w.sighted(j, fmt.Sprint("s", i))
		}
		again := must(w.Fire(ctx, a.ID, w.clock.forward(time.Hour), []ledger.Work{visit(3)}))(t)
		for _, j := range must(w.Jobs(ctx, ledger.JobFilter{Watch: a.ID, State: ledger.Planned}))(t) {
			w.sighted(j, "s3")
		}
		got := must(w.Seen(ctx, a.ID, start, 100))(t)
		if again != 1 || len(got) != 5 || got[0].ItemID != "3" {
			t.Errorf("%d listings, the newest is %q; want 5, the one seen twice first and once", len(got), got[0].ItemID)
		}
		if got := must(w.Seen(ctx, a.ID, start, 2))(t); len(got) != 2 {
			t.Errorf("of two looks there are %d listings", len(got))
		}
		if got := must(w.Seen(ctx, a.ID, w.clock.now(), 100))(t); len(got) != 0 {
			t.Errorf("after the last look there are %d listings", len(got))
		}
	})
}
