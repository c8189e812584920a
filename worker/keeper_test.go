package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/vaulttest"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

// item is the URL of the n-th listing.
func item(n int) string {
	return fmt.Sprintf("http://market.demo.test/item/%012d/bag", n)
}

// A slot is free as soon as its capture lies on the disk, but no more of them
// wait than may: the next slot waits, its visit made and safe, and goes on when
// the storage takes the first.
func TestSlotsWaitWhenTooMuchWaitsForTheStorage(t *testing.T) {
	w := newWorld(t)
	v := w.visitorWith(worker.Config{Behind: 2, Storing: 1}, archive.Config{})
	w.storage(func() error { return vault.ErrUnavailable })
	tickets := []task.Ticket{w.ticket(item(1)), w.ticket(item(2)), w.ticket(item(3))}
	for _, tk := range tickets[:2] {
		if err := v.Handle(t.Context(), tk); err != nil {
			t.Fatal(err)
		}
	}
	var free atomic.Bool
	third := make(chan error, 1)
	go func() {
		err := v.Handle(context.Background(), tickets[2])
		free.Store(true)
		third <- err
	}()
	w.until("the third capture to lie in the spool", func() bool {
		return len(w.spooled()) == 3
	})
	if free.Load() {
		t.Error("the third slot is free although two captures may wait")
	}
	w.storage(nil)
	if err := <-third; err != nil {
		t.Fatal(err)
	}
	if err := v.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tk := range tickets {
		if j := w.job(tk.Job); j.State != ledger.Done {
			t.Errorf("a job is %s", j.State)
		}
	}
	if w.crawl.count() != 3 || w.captures() != 3 || len(w.spooled()) != 0 {
		t.Errorf("%d visits, %d captures, %v in the spool", w.crawl.count(), w.captures(), w.spooled())
	}
}

// spooled names what waits on disk, whole.
func (w *world) spooled() []string {
	w.t.Helper()
	all, err := filepath.Glob(filepath.Join(w.spool, "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	var whole []string
	for _, path := range all {
		if !strings.HasSuffix(path, ".tmp") {
			whole = append(whole, path)
		}
	}
	return whole
}

// The disk of the spool is really full: the visit is put off before the page is
// asked for, nothing that waits is lost, and with room it goes on.
func TestAFullDiskPutsVisitsOff(t *testing.T) {
	w := newWorld(t)
	w.spool = vaulttest.SmallDisk(t, 1<<20)
	v := w.visitorWith(worker.Config{}, archive.Config{SpoolReserve: 64 << 10})
	w.storage(func() error { return vault.ErrUnavailable })
	waits := w.ticket(item(1))
	if err := v.Handle(t.Context(), waits); err != nil {
		t.Fatal(err)
	}
	fill := filepath.Join(w.spool, "fill.tmp")
	if err := os.WriteFile(fill, make([]byte, 2<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	late := w.ticket(item(2))
	if err := v.Handle(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	j := w.job(late.Job)
	if j.State != ledger.Planned || len(j.Attempts) != 0 || w.crawl.count() != 1 {
		t.Errorf("on a full disk the job is %s with attempts %v, after %d visits", j.State, j.Attempts, w.crawl.count())
	}
	// What waits makes room by being stored.
	w.storage(nil)
	if err := errors.Join(os.Remove(fill), v.Settle(t.Context())); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	w.until("the job to be ready again", func() bool { return !w.job(late.Job).ReadyAt.After(w.ledger.Now()) })
	if err := handle(t, v, w.dispatch(late.Job)); err != nil {
		t.Fatal(err)
	}
	for _, tk := range []task.Ticket{waits, late} {
		if j := w.job(tk.Job); j.State != ledger.Done {
			t.Errorf("the job is %s", j.State)
		}
	}
	if w.captures() != 2 || w.crawl.count() != 2 {
		t.Errorf("%d captures of %d visits", w.captures(), w.crawl.count())
	}
}

// A capture whose bytes are damaged on the disk is put aside, kept, and its job
// tried again; a second one ends in quarantine, where a person sees it.
func TestACaptureThatCanNeverBeStoredIsPutAside(t *testing.T) {
	w := newWorld(t)
	v := w.visitor()
	tk := w.ticket(item(1))
	for attempt := 1; attempt <= 2; attempt++ {
		w.storage(func() error { return vault.ErrUnavailable })
		if err := v.Handle(t.Context(), tk); err != nil {
			t.Fatal(err)
		}
		for _, path := range w.waiting() {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/8] ^= 1
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w.storage(nil)
		if err := v.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		j := w.job(tk.Job)
		want := ledger.Planned
		if attempt == 2 {
			want = ledger.Quarantined
		}
		if j.State != want || j.Attempts[ledger.Internal] != attempt || !strings.Contains(j.Error, "put aside") {
			t.Fatalf("attempt %d: the job is %s after %v: %s", attempt, j.State, j.Attempts, j.Error)
		}
		if n, err := archive.CountRefused(w.spool); err != nil || n != attempt || len(w.waiting()) != 0 || w.captures() != 0 {
			t.Errorf("attempt %d: %d are aside, %v wait, %d are stored, %v", attempt, n, w.waiting(), w.captures(), err)
		}
		if attempt == 1 {
			w.until("the job to be ready again", func() bool { return !w.job(tk.Job).ReadyAt.After(w.ledger.Now()) })
			tk = w.dispatch(tk.Job)
		}
	}
	if w.crawl.count() != 2 {
		t.Errorf("%d visits, want 2", w.crawl.count())
	}
}

// A restart finds it again when it was stopped before it put it aside, and what
// nobody can tell the job of keeps no worker from starting.
func TestAStartPutsAsideWhatCanNeverBeStored(t *testing.T) {
	w := newWorld(t)
	v := w.visitor()
	w.storage(func() error { return vault.ErrUnavailable })
	tk := w.ticket(item(1))
	if err := v.Handle(t.Context(), tk); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	v.Drain(ended)
	// The note is JSON, and not what a worker writes.
	path := w.waiting()[0]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(b, []byte(`"note":{`))
	copy(b[at:], `"note":[`)
	end := at + bytes.Index(b[at:], []byte(`,"draft"`))
	b[end-1] = ']'
	inner := b[at+len(`"note":[`) : end-1]
	copy(inner, bytes.Repeat([]byte(" "), len(inner)))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	w.storage(nil)
	if n, err := w.visitor().Recover(t.Context()); n != 0 || err != nil {
		t.Errorf("%d captures were taken up, %v", n, err)
	}
	if n, err := archive.CountRefused(w.spool); err != nil || n != 1 || len(w.waiting()) != 0 {
		t.Errorf("%d are aside, %v wait, %v", n, w.waiting(), err)
	}
}

// waiting names the captures that wait on disk, whole.
func (w *world) waiting() []string {
	return slices.DeleteFunc(w.spooled(), func(path string) bool { return filepath.Base(path) == archive.RefusedDir })
}
