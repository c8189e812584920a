package worker_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

// A pool whose workers are slow is sent few tickets, and the jobs of another
// pool on the same lane go on: neither a full queue nor a job of the slow pool
// at the head of the lane keeps them.
func TestASlowPoolIsSentFewAndHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	d := worker.NewDispatcher(worker.DispatcherConfig{Tick: time.Millisecond, MaxQueued: 64}, w.ledger, w.queue, w.lanes, nil, w.sites, quiet())
	add := func(pool string, n, priority int) {
		t.Helper()
		for i := range n {
			j := worker.NewVisit(w.sites, fmt.Sprintf("http://market.demo.test/item/1234567%05d/x?p=%d", i, priority))
			j.Pool, j.Priority = pool, priority
			if _, err := w.ledger.Add(t.Context(), j); err != nil {
				t.Fatal(err)
			}
		}
	}
	once := func() {
		t.Helper()
		if err := d.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sent := func(pool string) (n int) {
		w.queue.mu.Lock()
		defer w.queue.mu.Unlock()
		for _, p := range w.queue.pools {
			if p == pool {
				n++
			}
		}
		return n
	}
	add(task.Browser, 100, 5) // they come first
	once()
	first := sent(task.Browser)
	if first == 0 || first > 8 {
		t.Errorf("%d tickets were sent to a pool that has not taken one yet, want some, and 8 at most", first)
	}
	w.queue.oldest = 10 * time.Second // nobody takes them
	add(task.HTTP, 6, 0)
	w.until("the other pool's tickets", func() bool { once(); return sent(task.HTTP) == 6 })
	if n := sent(task.Browser); n != first {
		t.Errorf("%d more tickets were sent to a pool that does not take those it has", n-first)
	}
	// Its workers come back and take them all, promptly.
	for want := range 3 {
		w.take()
		w.until("tickets for a pool that takes them", func() bool { once(); return sent(task.Browser) > want })
	}
}

// take makes a worker take every ticket in the queue.
func (w *world) take() {
	w.t.Helper()
	for _, tk := range w.queue.taken() {
		if _, err := w.ledger.Claim(w.t.Context(), ledger.Fence{Job: tk.Job, Epoch: tk.Epoch}, "w", time.Minute); err != nil && !errors.Is(err, ledger.ErrStale) {
			w.t.Fatal(err)
		}
	}
}

// A pool that takes its tickets at once gets more and more, up to the bound.
func TestAPromptPoolIsSentMany(t *testing.T) {
	w := newWorld(t)
	d := worker.NewDispatcher(worker.DispatcherConfig{Tick: time.Millisecond, MaxQueued: 30}, w.ledger, w.queue, w.lanes, nil, w.sites, quiet())
	for i := range 200 {
		if _, err := w.ledger.Add(t.Context(), worker.NewVisit(w.sites, fmt.Sprintf("http://market.demo.test/item/1234567%05d/x", i))); err != nil {
			t.Fatal(err)
		}
	}
	most := 0
	w.until("30 tickets at once for workers that take them all", func() bool {
		if err := d.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		most = max(most, len(w.queue.sent()))
		w.take()
		return most >= 30
	})
	if most != 30 {
		t.Errorf("%d tickets were sent at once, 30 are allowed", most)
	}
}
