package worker_test

import (
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// A listing whose site says that nothing changed was seen: its state, its text
// and the capture that shows it stay, and the look is evidence of its own.
func TestAListingThatDidNotChangeWasSeen(t *testing.T) {
	w := newWorld(t)
	v := w.visitor()
	if err := handle(t, v, w.ticket(itemURL)); err != nil {
		t.Fatal(err)
	}
	ref := ledger.Ref{Site: "demomarket", ItemID: "123456789012"}
	before, err := w.ledger.ListingOf(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := w.ledger.PreviousCapture(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	w.crawl.outcome = capture.NotModified
	tk := w.ticket(itemURL + "?again=1")
	if err := handle(t, v, tk); err != nil {
		t.Fatal(err)
	}
	if w.crawl.count() != 2 {
		t.Fatalf("%d visits", w.crawl.count())
	}
	if p := w.crawl.visits[1].Previous; p == nil || p.Manifest != shown.Manifest || !p.Taken.Equal(shown.At) || p.Taken.IsZero() {
		t.Errorf("the second visit was told of %+v, want the capture %+v", p, shown)
	}
	if j := w.job(tk.Job); j.State != ledger.Done || j.Outcome != capture.NotModified {
		t.Errorf("the job is %s, outcome %s", j.State, j.Outcome)
	}
	after, err := w.ledger.ListingOf(t.Context(), ref)
	if err != nil || after.State != ledger.Active || after.Title != before.Title || !after.LastSeen.After(before.LastSeen) || after.Looks != 2 {
		t.Errorf("before %+v, after %+v, %v", before, after, err)
	}
	if again, err := w.ledger.PreviousCapture(t.Context(), ref); err != nil || again.Manifest != shown.Manifest {
		t.Errorf("the capture that shows it is now %+v, %v", again, err)
	}
	if w.captures() != 2 {
		t.Errorf("%d captures are kept", w.captures())
	}
}
