package lane_test

import (
	"errors"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/worker/lane"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task/redistest"
)

// A penalty that a person lifts in the ledger, by a program without Redis, is
// gone with the next Sync; one that a site asks for after that stands.
func TestALiftComesWithSync(t *testing.T) {
	srv := redistest.Start(t)
	b := &book{}
	l := warm(t, srv.Client(), b)
	p := lane.Params{Min: time.Millisecond, MaxWait: time.Second}
	if err := l.Close(ctx, "a", time.Now().Add(time.Hour), "429"); err != nil {
		t.Fatal(err)
	}
	lift := func(at time.Time) {
		t.Helper()
		if err := b.change("a", func(x *ledger.Lane) {
			x.ClosedUntil, x.Reason, x.Updated = time.Time{}, "opened by person:ann", at
		}); err != nil {
			t.Fatal(err)
		}
		if err := l.Sync(ctx); err != nil {
			t.Fatal(err)
		}
	}
	lift(time.Now())
	reserve(t, l, "a", p)
	if err := l.Close(ctx, "a", time.Now().Add(time.Hour), "429 again"); err != nil {
		t.Fatal(err)
	}
	if err := l.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Reserve(ctx, "a", p); !errors.Is(err, lane.ErrClosed) {
		t.Errorf("a penalty after the lift: %v", err)
	}
	// A lift of long ago does not open what only Redis knows to be closed.
	lift(time.Now().Add(-time.Hour))
	if _, err := l.Reserve(ctx, "a", p); !errors.Is(err, lane.ErrClosed) {
		t.Errorf("an old lift opened the lane: %v", err)
	}
}
