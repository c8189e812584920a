package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/lane"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

func (w *world) dispatcher() *worker.Dispatcher {
	return worker.NewDispatcher(worker.DispatcherConfig{Tick: 5 * time.Millisecond, MaxQueued: 8}, w.ledger, w.queue, w.lanes, nil, w.sites, slog.New(slog.DiscardHandler))
}

func (w *world) watch(cron string) ledger.Watch {
	w.t.Helper()
	x, err := w.ledger.AddWatch(w.t.Context(), ledger.Watch{
		Name: "w", Sites: []string{"demomarket"}, Terms: []string{"aurelle", "lune"}, Schedule: ledger.Schedule{Cron: cron},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return x
}

func TestTwoDispatchersSendEachJobOnce(t *testing.T) {
	w := newWorld(t)
	watch := w.watch("")
	jobs, problems := worker.Seeds(w.sites, watch)
	if len(jobs) != 2 || len(problems) != 0 {
		t.Fatalf("%d seeds, problems %v", len(jobs), problems)
	}
	if _, err := w.ledger.Fire(t.Context(), watch.ID, w.ledger.Now(), jobs); err != nil {
		t.Fatal(err)
	}
	a, b := w.dispatcher(), w.dispatcher()
	done := make(chan error, 2)
	for _, d := range []*worker.Dispatcher{a, b} {
		go func() { done <- d.Once(context.Background()) }()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for _, tk := range w.queue.sent() {
		if seen[tk.TaskID()] {
			t.Errorf("ticket %s was sent twice", tk.TaskID())
		}
		seen[tk.TaskID()] = true
	}
	if len(seen) != 2 {
		t.Errorf("%d tickets of 2 jobs", len(seen))
	}
}

func TestNothingGoesOutWithoutTheLimiter(t *testing.T) {
	w := newWorld(t)
	w.lanes.reserve = func(string) (lane.Slot, error) { return lane.Slot{}, lane.ErrUnavailable }
	if _, err := w.ledger.Add(t.Context(), worker.NewVisit(w.sites, itemURL)); err != nil {
		t.Fatal(err)
	}
	if err := w.dispatcher().Once(t.Context()); !errors.Is(err, lane.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if len(w.queue.sent()) != 0 {
		t.Error("a ticket went out")
	}
}

func TestAClosedLaneDoesNotHoldUpTheOthers(t *testing.T) {
	w := newWorld(t)
	w.lanes.reserve = func(name string) (lane.Slot, error) {
		if name == "demomarket" {
			return lane.Slot{}, &lane.Closed{Lane: name, Wait: time.Hour}
		}
		return lane.Slot{Lane: name}, nil
	}
	for _, u := range []string{itemURL, "https://shop.example/products/bag"} {
		if _, err := w.ledger.Add(t.Context(), worker.NewVisit(w.sites, u)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.dispatcher().Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(w.queue.sent()); n != 1 {
		t.Errorf("%d tickets, want that of the open lane", n)
	}
}

func TestATicketThatTheQueueLostIsSentAgain(t *testing.T) {
	w := newWorld(t)
	w.queue.err = errors.New("the queue is away")
	ids, err := w.ledger.Add(t.Context(), worker.NewVisit(w.sites, itemURL))
	if err != nil {
		t.Fatal(err)
	}
	d := w.dispatcher()
	if err := d.Once(t.Context()); err == nil {
		t.Error("a queue that is away is told")
	}
	w.queue.mu.Lock()
	w.queue.err = nil
	w.queue.mu.Unlock()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	run := worker.NewDispatcher(worker.DispatcherConfig{Tick: 5 * time.Millisecond, Reconcile: 10 * time.Millisecond}, w.ledger, w.queue, w.lanes, nil, w.sites, slog.New(slog.DiscardHandler))
	go func() { ended <- run.Run(ctx) }()
	w.until("the ticket", func() bool { return len(w.queue.sent()) > 0 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if tk := w.queue.sent()[0]; tk.Job != ids[0] || tk.Epoch != 2 {
		t.Errorf("the second ticket is %+v", tk)
	}
}

func TestASlotThatComesLaterIsWaitedForByTheDispatcher(t *testing.T) {
	w := newWorld(t)
	const wait = 50 * time.Millisecond
	w.lanes.reserve = func(name string) (lane.Slot, error) { return lane.Slot{Lane: name, Wait: wait}, nil }
	if _, err := w.ledger.Add(t.Context(), worker.NewVisit(w.sites, itemURL)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := w.dispatcher().Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.until("the ticket", func() bool { return len(w.queue.sent()) == 1 })
	if time.Since(began) < wait {
		t.Error("the ticket went out before its slot")
	}
}

func TestDueWatchesFireOnce(t *testing.T) {
	w := newWorld(t)
	w.watch("@every 1s")
	d := w.dispatcher()
	w.until("the watch to fire", func() bool {
		if err := d.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		return len(w.queue.sent()) >= 2
	})
}

func TestQueuedTicketsAreBounded(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		u := "https://shop.example/products/" + string(rune('a'+i))
		if _, err := w.ledger.Add(t.Context(), worker.NewVisit(w.sites, u)); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := w.dispatcher().Once(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.queue.sent()); n != 8 {
		t.Errorf("%d tickets wait, the bound is 8", n)
	}
}

func TestSeedsTellWhatCannotBeVisited(t *testing.T) {
	w := newWorld(t)
	jobs, problems := worker.Seeds(w.sites, ledger.Watch{Sites: []string{"nowhere", "demomarket"}, Terms: []string{"x"}, Seeds: []string{"https://shop.example/"}})
	if len(jobs) != 2 || len(problems) != 1 {
		t.Errorf("%d jobs, problems %v", len(jobs), problems)
	}
}

// Two watches on one lane: the second is not kept waiting by the backlog of
// the first, and a higher priority goes before both.
func TestWatchesShareALaneByTurns(t *testing.T) {
	w := newWorld(t)
	add := func(name string, n, priority int) ledger.Watch {
		t.Helper()
		x, err := w.ledger.AddWatch(t.Context(), ledger.Watch{
			Name: name, Sites: []string{"demomarket"}, Terms: []string{"a"}, MaxListings: 1000, MaxPages: 1000,
		})
		if err != nil {
			t.Fatal(err)
		}
		var jobs []ledger.Work
		for i := range n {
			j := worker.NewVisit(w.sites, fmt.Sprintf("http://market.demo.test/search?q=%s%d&page=1", name, i))
			j.Priority = priority
			jobs = append(jobs, j)
		}
		if _, err := w.ledger.Fire(t.Context(), x.ID, w.ledger.Now(), jobs); err != nil {
			t.Fatal(err)
		}
		return x
	}
	add("big", 50, 0)
	small, urgent := add("small", 3, 0), add("urgent", 1, 5)
	if err := w.dispatcher().Once(t.Context()); err != nil { // 8 tickets fit into the queue
		t.Fatal(err)
	}
	got := map[string]int{}
	for i, tk := range w.queue.sent() {
		j := w.job(tk.Job)
		if i == 0 && j.Watch != urgent.ID {
			t.Errorf("the first ticket is not that of the highest priority")
		}
		if j.Watch == small.ID {
			got["small"]++
		}
	}
	if len(w.queue.sent()) != 8 || got["small"] != 3 {
		t.Errorf("%d tickets, %d of them of the small watch, want 8 and all 3", len(w.queue.sent()), got["small"])
	}
}

// A lane without a slot is not asked again before it has one.
func TestALaneThatRestsIsNotAsked(t *testing.T) {
	w := newWorld(t)
	asked := 0
	w.lanes.reserve = func(string) (lane.Slot, error) {
		asked++
		return lane.Slot{Wait: time.Hour}, lane.ErrNotYet
	}
	if _, err := w.ledger.Add(t.Context(), worker.NewVisit(w.sites, "http://market.demo.test/search?q=a")); err != nil {
		t.Fatal(err)
	}
	d := w.dispatcher()
	for range 5 {
		if err := d.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 {
		t.Errorf("the lane was asked %d times", asked)
	}
}

// The lanes of another dispatcher are left to it.
func TestADispatcherKeepsToItsShare(t *testing.T) {
	w := newWorld(t)
	if _, err := w.ledger.Add(t.Context(), worker.NewVisit(w.sites, "http://market.demo.test/search?q=a")); err != nil {
		t.Fatal(err)
	}
	sent := 0
	for i, s := range []lane.Share{{Index: 0, Of: 2}, {Index: 1, Of: 2}} {
		ctx, cancel := context.WithCancel(t.Context())
		r := &fixedRoster{share: s, asked: cancel}
		d := worker.NewDispatcher(worker.DispatcherConfig{Tick: time.Millisecond}, w.ledger, w.queue, w.lanes, r, w.sites, slog.New(slog.DiscardHandler))
		if err := d.Run(ctx); err != nil {
			t.Fatal(err)
		}
		before := sent
		if sent = len(w.queue.sent()); sent > before && !s.Has("demomarket") {
			t.Errorf("dispatcher %d sent a ticket of a lane that is not its own", i)
		}
		if !r.left {
			t.Error("it did not leave the roster")
		}
	}
	if n := len(w.queue.sent()); n != 1 {
		t.Errorf("%d tickets were sent, want 1", n)
	}
}

// fixedRoster gives one share, and ends its dispatcher when it is asked again:
// between the two the dispatcher has looked at least once, however slowly.
type fixedRoster struct {
	share lane.Share
	asked func()
	times int
	left  bool
}

func (f *fixedRoster) Share(context.Context) (lane.Share, error) {
	if f.times++; f.times > 1 {
		f.asked()
	}
	return f.share, nil
}

func (f *fixedRoster) Leave(context.Context) error { f.left = true; return nil }
