package worker_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/crawler/site"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/lane"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

const (
	itemURL   = "http://market.demo.test/item/123456789012/bag"
	searchURL = "http://market.demo.test/search?q=aurelle"
)

// handle does a job and waits until what it saw is stored and told.
func handle(t *testing.T, v *worker.Visitor, tk task.Ticket) error {
	t.Helper()
	if err := v.Handle(t.Context(), tk); err != nil {
		return err
	}
	return v.Settle(t.Context())
}

func TestAVisitIsDoneOnceWhateverTheQueueDoes(t *testing.T) {
	w := newWorld(t)
	v := w.visitor()
	tk := w.ticket(itemURL)
	for range 3 { // the queue delivers it three times
		if err := handle(t, v, tk); err != nil {
			t.Fatal(err)
		}
	}
	j := w.job(tk.Job)
	if j.State != ledger.Done || j.Outcome != capture.Captured || j.Manifest.IsZero() {
		t.Errorf("the job is %s with outcome %s", j.State, j.Outcome)
	}
	if w.crawl.count() != 1 || w.captures() != 1 {
		t.Errorf("%d visits and %d captures, want one of each", w.crawl.count(), w.captures())
	}
	l, err := w.ledger.ListingOf(t.Context(), ledger.Ref{Site: "demomarket", ItemID: "123456789012"})
	if err != nil || l.Title != "Belvoir bag" {
		t.Errorf("the listing is %+v, %v", l, err)
	}
	if w.lanes.observed != 1 {
		t.Errorf("the lane was told %d response times", w.lanes.observed)
	}
}

func TestTicketsOfAnotherEpochAreDropped(t *testing.T) {
	w := newWorld(t)
	tk := w.ticket(itemURL)
	if err := handle(t, w.visitor(), task.Ticket{Job: tk.Job, Epoch: tk.Epoch + 1}); err != nil {
		t.Errorf("a stale ticket is no error: %v", err)
	}
	if w.crawl.count() != 0 {
		t.Error("a stale ticket was visited")
	}
}

func TestSearchPagesPlanTheirListings(t *testing.T) {
	w := newWorld(t)
	watch, err := w.ledger.AddWatch(t.Context(), ledger.Watch{Name: "w", Sites: []string{"demomarket"}, Terms: []string{"aurelle"}})
	if err != nil {
		t.Fatal(err)
	}
	w.crawl.links = []site.Link{
		{URL: itemURL, Kind: site.KindListing, Position: 1},
		{URL: itemURL + "?ref=again", Kind: site.KindListing, Position: 2},
		{URL: searchURL + "&page=2", Kind: site.KindNext},
		{URL: "http://market.demo.test/shop/x", Kind: site.KindSeller},
	}
	seeds := []ledger.Work{{Kind: ledger.Visit, URL: searchURL, Lane: "demomarket", Site: "demomarket", PageKind: "search", Canonical: searchURL}}
	if _, err := w.ledger.Fire(t.Context(), watch.ID, w.ledger.Now(), seeds); err != nil {
		t.Fatal(err)
	}
	ready, err := w.ledger.Ready(t.Context(), w.ledger.Now(), "demomarket", 10)
	if err != nil || len(ready) != 1 {
		t.Fatalf("%d jobs are ready, %v", len(ready), err)
	}
	if err := handle(t, w.visitor(), w.dispatch(ready[0].ID)); err != nil {
		t.Fatal(err)
	}
	ready, err = w.ledger.Ready(t.Context(), w.ledger.Now(), "demomarket", 10)
	if err != nil || len(ready) != 2 {
		t.Fatalf("%d jobs were planned, want the listing once and the next page; %v", len(ready), err)
	}
}

func TestTrapsAreNotFollowedAndTold(t *testing.T) {
	w := newWorld(t)
	grown := "https://shop.example" + strings.Repeat("/bags/bags", 20)
	w.crawl.links = []site.Link{
		{URL: "https://shop.example/products/bag", Kind: site.KindListing, Position: 1},
		{URL: grown, Kind: site.KindListing, Position: 2},
	}
	watch, err := w.ledger.AddWatch(t.Context(), ledger.Watch{Name: "w", Seeds: []string{"https://shop.example/"}})
	if err != nil {
		t.Fatal(err)
	}
	seed := ledger.Work{Kind: ledger.Visit, URL: "https://shop.example/", Lane: "shop.example", Site: "generic", PageKind: "search"}
	if _, err := w.ledger.Fire(t.Context(), watch.ID, w.ledger.Now(), []ledger.Work{seed}); err != nil {
		t.Fatal(err)
	}
	ready, err := w.ledger.Ready(t.Context(), w.ledger.Now(), "shop.example", 10)
	if err != nil || len(ready) != 1 {
		t.Fatalf("%d jobs are ready, %v", len(ready), err)
	}
	if err := handle(t, w.visitor(), w.dispatch(ready[0].ID)); err != nil {
		t.Fatal(err)
	}
	if j := w.job(ready[0].ID); j.State != ledger.Done || !strings.Contains(j.Error, "1 links not followed: 1 because it looks like a trap") {
		t.Errorf("the job is %s and says %q", j.State, j.Error)
	}
	jobs, err := w.ledger.Jobs(t.Context(), ledger.JobFilter{Watch: watch.ID})
	if err != nil || len(jobs) != 2 {
		t.Errorf("%d jobs, want the seed and the one listing; %v", len(jobs), err)
	}
}

// What a watch leaves out is not visited, and the run and its job say for how
// many links it was which rule; rules that are changed hold for a running run.
func TestTheRulesOfAWatchDecideWhatIsFollowed(t *testing.T) {
	w := newWorld(t)
	listing := func(path string) site.Link {
		return site.Link{URL: "https://shop.example" + path, Kind: site.KindListing}
	}
	w.crawl.links = []site.Link{
		listing("/products/bag"), listing("/products/used-bag"), listing("/products/used-belt"), listing("/pages/size-chart"),
		{URL: "https://other.example/products/bag", Kind: site.KindListing},
		{URL: "https://shop.example/collections/all?page=2", Kind: site.KindNext},
	}
	watch, err := w.ledger.AddWatch(t.Context(), ledger.Watch{Name: "w", Seeds: []string{"https://shop.example/"}, Rules: ledger.Rules{
		Hosts: []string{"shop.example"}, Include: []string{"/products/"}, Exclude: []string{"/products/used"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	run := func() ledger.Fired {
		t.Helper()
		seed := ledger.Work{Kind: ledger.Visit, URL: "https://shop.example/", Lane: "shop.example", Site: "generic", PageKind: "search"}
		if _, err := w.ledger.Fire(t.Context(), watch.ID, w.ledger.Now(), []ledger.Work{seed}); err != nil {
			t.Fatal(err)
		}
		jobs, err := w.ledger.Jobs(t.Context(), ledger.JobFilter{Watch: watch.ID, State: ledger.Planned})
		if err != nil || len(jobs) == 0 {
			t.Fatalf("%d jobs are planned, %v", len(jobs), err)
		}
		if err := handle(t, w.visitor(), w.dispatch(jobs[0].ID)); err != nil {
			t.Fatal(err)
		}
		j := w.job(jobs[0].ID)
		if j.State != ledger.Done || !strings.Contains(j.Error, "not followed") || !strings.Contains(j.Error, "excluded by /products/used") {
			t.Errorf("the job is %s and says %q", j.State, j.Error)
		}
		fires, err := w.ledger.Fires(t.Context(), watch.ID, 1)
		if err != nil || len(fires) != 1 {
			t.Fatal(err)
		}
		return fires[0]
	}
	fire := run()
	want := ledger.Refused{"excluded by /products/used": 2, "no include pattern matches": 1, "the host is not one of the watch": 1}
	if fmt.Sprint(fire.Refused) != fmt.Sprint(want) || fire.Jobs != 3 || fire.Listings != 1 || fire.Pages != 2 {
		t.Errorf("the run planned %d jobs (%d listings, %d pages) and refused %v, want %v", fire.Jobs, fire.Listings, fire.Pages, fire.Refused, want)
	}
}

func TestAWatchThatMakesNoSenseIsRefusedInASentence(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		want  string
		watch ledger.Watch
	}{
		{"", ledger.Watch{Seeds: []string{"https://shop.example/bags"}, Rules: ledger.Rules{Include: []string{"/products/"}}}},
		{"nothing to begin with", ledger.Watch{Sites: []string{"demomarket"}}},
		{`no site file named "nowhere"`, ledger.Watch{Sites: []string{"nowhere"}, Terms: []string{"x"}}},
		{`the pattern "products" must begin with / or *`, ledger.Watch{Seeds: []string{"https://shop.example/"}, Rules: ledger.Rules{Include: []string{"products"}}}},
		{`"https://shop.example" is not a host name`, ledger.Watch{Seeds: []string{"https://shop.example/"}, Rules: ledger.Rules{Hosts: []string{"https://shop.example"}}}},
		{"begins at https://shop.example/bags, which its own rules leave out: excluded by /bags", ledger.Watch{
			Seeds: []string{"https://shop.example/bags"}, Rules: ledger.Rules{Exclude: []string{"/bags"}},
		}},
		{"the host is not one of the watch", ledger.Watch{Seeds: []string{"https://shop.example/"}, Rules: ledger.Rules{Hosts: []string{"www.shop.example"}}}},
		{"brand profile", ledger.Watch{Seeds: []string{"https://shop.example/"}, Brand: []byte(`{"nmae": "x"}`)}},
		{"depth", ledger.Watch{Seeds: []string{"https://shop.example/"}, Depth: -1}},
	} {
		tt.watch.Name = "w"
		err := worker.CheckWatch(w.sites, tt.watch)
		switch {
		case tt.want == "" && err != nil, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%+v: %v, want %q", tt.watch, err, tt.want)
		case err != nil && !errors.Is(err, ledger.ErrInvalid):
			t.Errorf("%v is not ErrInvalid", err)
		}
	}
}

func TestAFailedVisitIsEvidenceAndTriedAgainWithinItsBudget(t *testing.T) {
	w := newWorld(t)
	v := w.visitor()
	w.crawl.outcome = capture.HTTPError
	tk := w.ticket(itemURL)
	if err := handle(t, v, tk); err != nil {
		t.Fatal(err)
	}
	if j := w.job(tk.Job); j.State != ledger.Planned || j.Attempts[ledger.Server] != 1 {
		t.Errorf("after one failure the job is %s, attempts %v", j.State, j.Attempts)
	}
	w.until("the pause to end", func() bool { return !w.job(tk.Job).ReadyAt.After(w.ledger.Now()) })
	if err := handle(t, v, w.dispatch(tk.Job)); err != nil {
		t.Fatal(err)
	}
	if j := w.job(tk.Job); j.State != ledger.Failed || j.Outcome != capture.HTTPError {
		t.Errorf("after its budget the job is %s, outcome %s", j.State, j.Outcome)
	}
	if w.captures() != 2 {
		t.Errorf("%d captures are kept of two attempts", w.captures())
	}
}

// Storage away for longer than a slot's patience: the slot is free, the lease
// is held, and when the storage is back the job ends without a second fetch.
func TestAPageIsNotFetchedAgainBecauseStorageFailed(t *testing.T) {
	w := newWorld(t)
	v := w.visitor()
	w.storage(func() error { return vault.ErrUnavailable })
	tk := w.ticket(itemURL)
	if err := v.Handle(t.Context(), tk); err != nil {
		t.Fatal(err)
	}
	first := w.job(tk.Job).LeaseUntil
	w.until("the lease to be made longer", func() bool {
		j := w.job(tk.Job)
		if j.State != ledger.Running {
			t.Fatalf("the job is %s while its capture waits", j.State)
		}
		return j.LeaseUntil.After(first.Add(300 * time.Millisecond))
	})
	if n, err := w.ledger.Reconcile(t.Context(), first.Add(time.Millisecond)); err != nil || n > 0 {
		t.Fatalf("the reconciler took %d jobs from a living worker, %v", n, err)
	}
	w.storage(nil)
	w.until("the job to end", func() bool { return w.job(tk.Job).State == ledger.Done })
	v.Drain(t.Context())
	if w.crawl.count() != 1 || w.captures() != 1 {
		t.Errorf("%d visits and %d captures, want one of each", w.crawl.count(), w.captures())
	}
}

func TestTheNextProcessFinishesWhatTheSpoolHolds(t *testing.T) {
	w := newWorld(t)
	first := w.visitor()
	ctx, kill := context.WithCancel(t.Context())
	w.storage(func() error { kill(); return vault.ErrUnavailable })
	tk := w.ticket(itemURL)
	_ = first.Handle(ctx, tk)
	first.Drain(ctx) // is told to stop while it stores, and does not wait
	w.storage(nil)

	second := w.visitor()
	n, err := second.Recover(t.Context())
	if err != nil || n != 1 {
		t.Fatalf("%d captures were found in the spool, %v", n, err)
	}
	w.until("the capture to be stored", func() bool { return w.captures() == 1 })
	second.Drain(t.Context())
	if j := w.job(tk.Job); j.State != ledger.Done || w.crawl.count() != 1 {
		t.Errorf("the job is %s after %d visits", j.State, w.crawl.count())
	}
}

func TestAKilledWorkersSpooledCaptureFinishesItsJob(t *testing.T) {
	w := newWorld(t)
	// The process is killed between the spool and the store: nothing of it
	// runs any more, and its lease still stands.
	first := w.visitor()
	blocked := make(chan struct{})
	entered := make(chan struct{}, 10)
	w.storage(func() error {
		entered <- struct{}{}
		<-blocked
		return vault.ErrUnavailable
	})
	tk := w.ticket(itemURL)
	go func() { _ = first.Handle(context.Background(), tk) }()
	<-entered
	spool := w.spool
	w.spool = copyDir(t, spool)
	w.storage(nil) // the killed one stays blocked
	second := w.visitor()
	if n, err := second.Recover(t.Context()); err != nil || n != 1 {
		t.Fatalf("%d captures in the spool, %v", n, err)
	}
	w.until("the job to end", func() bool { return w.job(tk.Job).State == ledger.Done })
	second.Drain(t.Context())
	if w.crawl.count() != 1 {
		t.Errorf("the page was fetched %d times", w.crawl.count())
	}
	close(blocked)
}

func TestAWorkerThatIsToldToStopPutsItsJobBack(t *testing.T) {
	w := newWorld(t)
	ctx, stop := context.WithCancelCause(t.Context())
	w.crawl.during = func(context.Context) { stop(task.ErrDraining) }
	tk := w.ticket(itemURL)
	if err := w.visitor().Handle(ctx, tk); err != nil {
		t.Fatal(err)
	}
	if j := w.job(tk.Job); j.State != ledger.Planned || len(j.Attempts) != 0 {
		t.Errorf("the job is %s with attempts %v", j.State, j.Attempts)
	}
}

// A worker whose lease ran out while it slept wakes up: what it brings is not
// taken for the job's result.
func TestAZombieWritesNothing(t *testing.T) {
	w := newWorld(t)
	tk := w.ticket(itemURL)
	var again task.Ticket
	w.crawl.during = func(ctx context.Context) {
		if again.Job.IsZero() {
			// Somebody gave it up: as the reconciler does, and dispatched anew.
			if _, err := w.ledger.Reconcile(t.Context(), w.ledger.Now().Add(time.Hour)); err != nil {
				t.Error(err)
			}
			again = w.dispatch(tk.Job)
			<-ctx.Done() // the heartbeat finds out
			if !errors.Is(context.Cause(ctx), errLost()) {
				t.Errorf("the zombie was stopped by %v", context.Cause(ctx))
			}
		}
	}
	v := w.visitor()
	if err := handle(t, v, tk); err != nil {
		t.Fatal(err)
	}
	if j := w.job(tk.Job); j.State != ledger.Dispatched || j.Epoch != again.Epoch {
		t.Errorf("the job is %s at epoch %d", j.State, j.Epoch)
	}
	if err := handle(t, v, again); err != nil {
		t.Fatal(err)
	}
	if j := w.job(tk.Job); j.State != ledger.Done {
		t.Errorf("the job is %s", j.State)
	}
}

func TestRetryAfterClosesTheLane(t *testing.T) {
	w := newWorld(t)
	w.crawl.outcome, w.crawl.retry = capture.Throttled, 90*time.Second
	tk := w.ticket(itemURL)
	if err := handle(t, w.visitor(), tk); err != nil {
		t.Fatal(err)
	}
	if w.lanes.closed["demomarket"] == "" {
		t.Error("the lane was not closed")
	}
	if j := w.job(tk.Job); j.State != ledger.Planned || j.ReadyAt.Before(w.ledger.Now().Add(80*time.Second)) {
		t.Errorf("the job is %s, ready at %s", j.State, j.ReadyAt)
	}
}

func TestAJobThatTheLaneDoesNotLetPassIsPutBackUntouched(t *testing.T) {
	w := newWorld(t)
	w.lanes.passErr = &lane.Closed{Lane: "demomarket", Wait: time.Minute, Reason: "Retry-After"}
	tk := w.ticket(itemURL)
	if err := handle(t, w.visitor(), tk); err != nil {
		t.Fatal(err)
	}
	j := w.job(tk.Job)
	if j.State != ledger.Planned || len(j.Attempts) != 0 || j.ReadyAt.Before(w.ledger.Now().Add(50*time.Second)) {
		t.Errorf("the job is %s, attempts %v, ready at %s", j.State, j.Attempts, j.ReadyAt)
	}
	if w.captures() != 0 {
		t.Error("a visit that was not made left a capture")
	}
}

func TestEveryCaptureIsOnRecord(t *testing.T) {
	w := newWorld(t)
	tk := w.ticket(itemURL)
	if err := handle(t, w.visitor(), tk); err != nil {
		t.Fatal(err)
	}
	rows, err := w.custody.About(t.Context(), custody.Subject{Capture: w.job(tk.Job).Capture})
	if err != nil || len(rows) != 1 {
		t.Errorf("%d custody events, %v", len(rows), err)
	}
}

// A capture whose job was taken over while the storage was away is evidence
// all the same: it does not wait in the spool for the next start.
func TestACaptureOfALostJobLeavesTheSpool(t *testing.T) {
	w := newWorld(t)
	v := w.visitor()
	var lost atomic.Bool
	tk := w.ticket(itemURL)
	w.storage(func() error {
		if !lost.Swap(true) {
			if err := w.ledger.Cancel(context.Background(), tk.Job, "a test says so"); err != nil {
				t.Error(err)
			}
		}
		return vault.ErrUnavailable
	})
	if err := v.Handle(t.Context(), tk); err != nil {
		t.Fatal(err)
	}
	w.until("the job to be lost", func() bool { return w.job(tk.Job).State == ledger.Cancelled })
	w.storage(nil)
	w.until("the capture to be stored", func() bool { return w.captures() == 1 })
	v.Drain(t.Context())
	left, err := filepath.Glob(filepath.Join(w.spool, "*-*[0-9a-f]")) // not the emptied file that waits for the next one
	if err != nil || len(left) != 0 {
		t.Errorf("%v are left in the spool, %v", left, err)
	}
	if j := w.job(tk.Job); j.State != ledger.Cancelled {
		t.Errorf("the job is %s", j.State)
	}
}
