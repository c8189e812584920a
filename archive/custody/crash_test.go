package custody

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/trawlmark/trawlmark/archive/vault"
)

var errInjected = errors.New("injected: the machine went away")

// fault fails the n-th write, before or after it happened, and everything
// that comes behind it: the process is dead until revive.
type fault struct {
	mu     sync.Mutex
	at     int  // 1 is the first write
	stored bool // the write happens
	n      int
	dead   bool
	where  string
}

func (f *fault) write(op string, stored bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return errInjected
	}
	if stored {
		f.dead = op == f.where
	} else if f.n++; f.n == f.at {
		f.where = op
		f.dead = !f.stored
	}
	if f.dead {
		return errInjected
	}
	return nil
}

// arm connects a fault to all writes of vault and store.
func (w *world) arm(f *fault) {
	w.vault.Fail = func(op, key string) error {
		if op == vault.OpPut {
			return f.write(op+" "+key, false)
		}
		return nil
	}
	w.vault.FailAfter = func(op, key string) error {
		if op == vault.OpPut {
			return f.write(op+" "+key, true)
		}
		return nil
	}
	w.store.Fail = func(op string) error {
		if op == "swap" || op == "add" {
			return f.write(op, false)
		}
		return nil
	}
	w.store.FailAfter = func(op string) error {
		if op == "swap" || op == "add" {
			return f.write(op, true)
		}
		return nil
	}
}

func (w *world) disarm() {
	w.vault.Fail, w.vault.FailAfter, w.store.Fail, w.store.FailAfter = nil, nil, nil, nil
	w.store.mu.Lock()
	w.store.locked = false // the lock of a dead process runs out
	w.store.mu.Unlock()
}

// run appends and sequences in rounds, as a process that is started again
// whenever it dies: it goes on from what a caller would try again.
func (w *world) run(rounds [][]Event, revive func()) {
	ctx := context.Background()
	l := w.open()
	for _, events := range rounds {
		for _, e := range events {
			for {
				if _, err := l.Append(ctx, e, Keep{}); err == nil {
					break
				} else if !errors.Is(err, errInjected) {
					w.t.Fatal(err)
				}
				revive()
				l = w.open()
			}
		}
		for {
			if _, err := l.Sequence(ctx); err == nil {
				break
			} else if !errors.Is(err, errInjected) {
				w.t.Fatal(err)
			}
			revive()
			l = w.open()
		}
	}
}

// check wants the log to be whole, with exactly these events, once each.
func (w *world) check(want int) {
	w.t.Helper()
	l := w.open()
	r, err := l.Monitor(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range r.Differences {
		w.t.Errorf("entry %d, event %s, %s: %s", d.Index, d.ID, d.Key, d.What)
	}
	if r.Entries != int64(want) || r.Events != int64(want) || r.Queued != 0 {
		w.t.Errorf("the log has %d entries, %d events, %d queued; want %d, %d, 0", r.Entries, r.Events, r.Queued, want, want)
	}
}

// whole wants that whatever is published is complete, although a process died:
// only the newest step may be missing.
func (w *world) whole() {
	w.t.Helper()
	r, err := w.open().Monitor(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range r.Differences {
		if !strings.Contains(d.What, "Sweep queues it") && !strings.Contains(d.What, "the newest published checkpoint") {
			w.t.Errorf("after the fault: entry %d, event %s, %s: %s", d.Index, d.ID, d.Key, d.What)
		}
	}
}

// TestEveryWrite lets each write of a run fail once: before it happened, and
// after. Whatever is done then, the log ends up the same.
func TestEveryWrite(t *testing.T) {
	rounds := func(w *world) (all [][]Event, n int) {
		for _, size := range []int{0, 2, 1, 254, 3} {
			var events []Event
			for range size {
				events = append(events, w.captured())
			}
			all, n = append(all, events), n+size
		}
		return all, n
	}
	// How many writes are there?
	w := newWorld(t)
	counter := &fault{at: -1}
	w.arm(counter)
	plan, n := rounds(w)
	w.run(plan, func() { t.Fatal("nothing should fail") })
	w.disarm()
	w.check(n)
	writes := counter.n
	if writes < 2*n {
		t.Fatalf("only %d writes", writes)
	}
	tried := 0
	for at := 1; at <= writes; at++ {
		// The 254 appends in the middle are all alike: a few stand for them.
		if at > 30 && at < writes-40 && at%53 != 0 {
			continue
		}
		for _, stored := range []bool{false, true} {
			tried++
			t.Run(fmt.Sprintf("%d/%v", at, stored), func(t *testing.T) {
				w := newWorld(t)
				f := &fault{at: at, stored: stored}
				w.arm(f)
				plan, n := rounds(w)
				w.run(plan, func() { w.disarm(); w.whole() })
				if !f.dead {
					t.Fatal("nothing failed")
				}
				w.disarm()
				w.check(n)
				if t.Failed() {
					t.Logf("the fault was at: %s", f.where)
				}
			})
		}
	}
	t.Logf("%d writes, %d faults", writes, tried)
}

// TestManyFaults lets a tenth of all writes and reads fail, at random.
func TestManyFaults(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t)
		w.cfg.MaxBatch = 7
		rng := mathrand.New(mathrand.NewPCG(seed, 1))
		var mu sync.Mutex
		fail := func() error {
			mu.Lock()
			defer mu.Unlock()
			if rng.IntN(10) == 0 {
				return errInjected
			}
			return nil
		}
		w.vault.Fail = func(string, string) error { return fail() }
		w.vault.FailAfter = w.vault.Fail
		w.store.Fail = func(op string) error {
			if op == "lock" {
				return nil
			}
			return fail()
		}
		w.store.FailAfter = w.store.Fail
		ctx := context.Background()
		l := &Log{}
		retry := func(f func() error) {
			for {
				err := f()
				if err == nil {
					return
				}
				if !errors.Is(err, errInjected) {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		}
		reopen := func() { retry(func() (err error) { l, err = Open(ctx, w.cfg); return err }) }
		reopen()
		n := 0
		for range 12 {
			for range rng.IntN(30) {
				e := w.captured()
				retry(func() error { _, err := l.Append(ctx, e, Keep{}); return err })
				n++
			}
			if rng.IntN(2) == 0 {
				reopen()
			}
			retry(func() error { _, err := l.Sequence(ctx); return err })
		}
		w.disarm()
		w.check(n)
	}
}

// noLock is a store whose lock holds nobody back.
type noLock struct{ *Mem }

func (noLock) Lock(context.Context) (func(), error) { return func() {}, nil }

// TestRace has sequencers work against each other without a lock: the swap
// alone keeps the log from forking.
func TestRace(t *testing.T) {
	w := newWorld(t)
	w.cfg.Store = noLock{w.store}
	w.cfg.MaxBatch = 5
	ctx := context.Background()
	const each, actors = 25, 8
	var events [actors][]Event
	for i := range events {
		for range each {
			events[i] = append(events[i], w.captured())
		}
	}
	w.cfg.Rand = lockedReader{new(sync.Mutex), w.rand}
	var wg sync.WaitGroup
	for i := range actors {
		l := w.open()
		wg.Go(func() {
			for _, e := range events[i] {
				if _, err := l.Append(ctx, e, Keep{}); err != nil {
					t.Error(err)
				}
				if _, err := l.Sequence(ctx); err != nil && !errors.Is(err, ErrMoved) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	w.sequence(w.open())
	w.check(actors * each)
}

type lockedReader struct {
	mu *sync.Mutex
	r  *mathrand.ChaCha8
}

func (l lockedReader) Read(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(b)
}
