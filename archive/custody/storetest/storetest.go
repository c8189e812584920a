// Package storetest is what every custody.Store has to pass.
package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
)

// Run tests one kind of store. open gives an empty one; every further handle
// it gives is another process' on the same store.
func Run(t *testing.T, open func(t *testing.T) (handle func() custody.Store)) {
	for name, f := range map[string]func(*testing.T, func() custody.Store){
		"head": head, "queue": queue, "swap": swap, "about": about, "lock": lock, "race": race,
	} {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
}

var start = time.Date(2026, 3, 14, 15, 9, 26, 535897000, time.UTC)

// row is a pending row; those of a larger n happened later.
func row(n int) custody.Row {
	var id capture.ID
	h := sha256.Sum256(fmt.Append(nil, n))
	copy(id[:], h[:])
	return custody.Row{
		ID: id, Index: custody.Pending, At: start.Add(time.Duration(n) * time.Second),
		Entry:   custody.Entry{Type: custody.Viewed, Commitment: h},
		Subject: custody.Subject{Capture: id},
	}
}

func logged(n int, index int64) custody.Row {
	r := row(n)
	r.Index = index
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func head(t *testing.T, open func() custody.Store) {
	ctx := context.Background()
	a, b := open(), open()
	if h, v, err := a.Load(ctx); len(h) != 0 || v != 0 || err != nil {
		t.Fatalf("empty: %q, %d, %v", h, v, err)
	}
	if err := a.Swap(ctx, 1, []byte("x"), nil); !errors.Is(err, custody.ErrMoved) {
		t.Fatalf("from a version that never was: %v", err)
	}
	must(t, a.Swap(ctx, 0, []byte("one\n"), nil))
	for _, v := range []int64{0, 2} {
		if err := b.Swap(ctx, v, []byte("other"), nil); !errors.Is(err, custody.ErrMoved) {
			t.Fatalf("from version %d: %v", v, err)
		}
	}
	must(t, b.Swap(ctx, 1, []byte("zwei — 2\n"), nil))
	if h, v, err := a.Load(ctx); string(h) != "zwei — 2\n" || v != 2 || err != nil {
		t.Fatalf("%q, %d, %v", h, v, err)
	}
}

func queue(t *testing.T, open func() custody.Store) {
	ctx := context.Background()
	s := open()
	if _, err := s.Find(ctx, row(1).ID); !errors.Is(err, custody.ErrUnknown) {
		t.Fatal(err)
	}
	for n := range 5 {
		must(t, s.Add(ctx, row(n)))
	}
	changed := row(2)
	changed.Entry.Type = custody.Held
	must(t, s.Add(ctx, changed))
	if r, err := s.Find(ctx, changed.ID); err != nil || !reflect.DeepEqual(r, row(2)) {
		t.Fatalf("adding again changed it: %+v, %v", r, err)
	}
	rows, err := s.Pending(ctx, 3)
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	rows, err = open().Pending(ctx, 100)
	if err != nil || len(rows) != 5 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, r := range rows {
		if r.Index != custody.Pending {
			t.Errorf("a pending row has index %d", r.Index)
		}
	}
}

func swap(t *testing.T, open func() custody.Store) {
	ctx := context.Background()
	s := open()
	for n := range 4 {
		must(t, s.Add(ctx, row(n)))
	}
	must(t, s.Swap(ctx, 0, []byte("a"), []custody.Row{logged(0, 0), logged(2, 1)}))
	if rows, err := s.Pending(ctx, 100); err != nil || len(rows) != 2 {
		t.Fatalf("%+v, %v", rows, err)
	}
	must(t, s.Add(ctx, row(2))) // logged already: it does not come back
	if r, err := s.Find(ctx, row(2).ID); err != nil || r.Index != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	// One row was logged already: nothing at all happens.
	if err := s.Swap(ctx, 1, []byte("b"), []custody.Row{logged(1, 2), logged(2, 3)}); !errors.Is(err, custody.ErrMoved) {
		t.Fatal(err)
	}
	if h, v, _ := s.Load(ctx); string(h) != "a" || v != 1 {
		t.Fatalf("the head moved to %q, %d", h, v)
	}
	if r, err := s.Find(ctx, row(1).ID); err != nil || r.Index != custody.Pending {
		t.Fatalf("%+v, %v", r, err)
	}
	// A row that was never added (restoring).
	must(t, s.Swap(ctx, 1, []byte("b"), []custody.Row{logged(9, 2)}))
	if r, err := s.Find(ctx, row(9).ID); err != nil || !reflect.DeepEqual(r, logged(9, 2)) {
		t.Fatalf("%+v, %v", r, err)
	}
	// Many at once.
	var many []custody.Row
	for n := range 2000 {
		r := logged(100+n, int64(3+n))
		many = append(many, r)
	}
	must(t, s.Swap(ctx, 2, []byte("c"), many))
	if r, err := s.Find(ctx, row(2099).ID); err != nil || r.Index != 2002 {
		t.Fatalf("%+v, %v", r, err)
	}
}

func about(t *testing.T, open func() custody.Store) {
	ctx := context.Background()
	s := open()
	one := row(1).Subject.Capture
	add := func(n int, sub custody.Subject) {
		r := row(n)
		r.Subject = sub
		must(t, s.Add(ctx, r))
	}
	add(3, custody.Subject{Capture: one, Case: "c-1"})
	add(2, custody.Subject{Case: "c-1"})
	add(1, custody.Subject{Capture: one})
	add(4, custody.Subject{Log: "log.example.org"})
	for name, c := range map[string]struct {
		about custody.Subject
		want  []int
	}{
		"capture": {custody.Subject{Capture: one}, []int{1, 3}},
		"case":    {custody.Subject{Case: "c-1"}, []int{2, 3}},
		"log":     {custody.Subject{Log: "log.example.org"}, []int{4}},
		"nothing": {custody.Subject{Case: "c-2"}, nil},
		"empty":   {custody.Subject{}, nil},
	} {
		rows, err := s.About(ctx, c.about)
		must(t, err)
		var got []int
		for _, r := range rows {
			for n := range 5 {
				if row(n).ID == r.ID {
					got = append(got, n)
				}
			}
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func lock(t *testing.T, open func() custody.Store) {
	ctx := context.Background()
	a, b := open(), open()
	unlock, err := a.Lock(ctx)
	must(t, err)
	for _, s := range []custody.Store{a, b} {
		if _, err := s.Lock(ctx); !errors.Is(err, custody.ErrBusy) {
			t.Fatalf("two hold the lock: %v", err)
		}
	}
	unlock()
	unlock() // harmless
	again, err := b.Lock(ctx)
	must(t, err)
	again()
}

// race has many move the head at once: each version is won by one.
func race(t *testing.T, open func() custody.Store) {
	ctx := context.Background()
	const actors, each = 4, 10
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := map[int64]int{}
	for i := range actors {
		s := open()
		wg.Go(func() {
			for n := 0; n < each; {
				_, v, err := s.Load(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				err = s.Swap(ctx, v, fmt.Appendf(nil, "%d by %d", v, i), []custody.Row{logged(1000*i+n, 10000*int64(i)+int64(n))})
				if errors.Is(err, custody.ErrMoved) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				won[v]++
				mu.Unlock()
				n++
			}
		})
	}
	wg.Wait()
	for v, n := range won {
		if n != 1 {
			t.Errorf("version %d was won %d times", v, n)
		}
	}
	if len(won) != actors*each {
		t.Errorf("%d versions, want %d", len(won), actors*each)
	}
}
