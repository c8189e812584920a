package worker_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// full is an archive that has no room until a test says so.
type full struct {
	worker.Archive
	why   atomic.Pointer[error]
	asked atomic.Int64
}

func (f *full) Room() error {
	f.asked.Add(1)
	if err := f.why.Load(); err != nil {
		return *err
	}
	return f.Archive.Room()
}

// visitorIn is a worker process whose archive has room when f says so.
func (w *world) visitorIn(f *full, heartbeat time.Duration) *worker.Visitor {
	w.t.Helper()
	a, err := archive.New(archive.Config{SpoolDir: w.t.TempDir(), Actor: "worker:test"}, archive.Deps{
		Vault: w.vault, Catalog: w.catalog, Custody: w.custody, IDs: w.ids, Now: time.Now, Log: quiet(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	f.Archive = a
	v, err := worker.NewVisitor(worker.Config{Name: "test", Heartbeat: heartbeat}, worker.VisitorDeps{
		Ledger: w.ledger, Crawler: w.crawl, Archive: f, Anchors: noAnchor{}, Lanes: w.lanes, Sites: w.sites, IDs: w.ids,
		Now: time.Now, Log: quiet(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// A worker whose spool is full keeps its tickets for a while: given back at once
// they would come to it again at once. What it gives back in the end keeps its
// place, costs no attempt and has asked for nothing.
func TestAFullSpoolTakesNoTicketsFromOthers(t *testing.T) {
	w := newWorld(t)
	a := &full{}
	v := w.visitorIn(a, 100*time.Millisecond)
	none := archive.ErrSpoolFull
	a.why.Store(&none)
	tk := w.ticket(itemURL)
	ready, began := w.job(tk.Job).ReadyAt, time.Now()
	if err := v.Handle(t.Context(), tk); err != nil {
		t.Fatal(err)
	}
	if kept := time.Since(began); kept < 100*time.Millisecond || a.asked.Load() < 2 {
		t.Errorf("the ticket was kept for %v and room looked for %d times, want a heartbeat and several", kept, a.asked.Load())
	}
	j := w.job(tk.Job)
	if j.State != ledger.Planned || len(j.Attempts) != 0 || !j.ReadyAt.Equal(ready) || w.crawl.count() != 0 {
		t.Errorf("the job is %s, attempts %v, ready at %s (was %s), %d visits", j.State, j.Attempts, j.ReadyAt, ready, w.crawl.count())
	}

	// Room comes while it waits: the visit is made.
	v = w.visitorIn(a, 10*time.Minute)
	a.asked.Store(0)
	tk = w.dispatch(tk.Job)
	ended := make(chan error, 1)
	go func() { ended <- v.Handle(t.Context(), tk) }()
	w.until("room to be looked for", func() bool { return a.asked.Load() > 0 })
	a.why.Store(nil)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	w.until("the job to end", func() bool { return w.job(tk.Job).State == ledger.Done })
	v.Drain(t.Context())

	// Told to stop while it waits: the job is put back.
	a.why.Store(&none)
	a.asked.Store(0)
	ctx, stop := context.WithCancel(t.Context())
	tk = w.ticket(itemURL + "?2")
	go func() { ended <- v.Handle(ctx, tk) }()
	w.until("room to be looked for", func() bool { return a.asked.Load() > 0 })
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if j := w.job(tk.Job); j.State != ledger.Planned || j.Error != "the worker was told to stop" {
		t.Errorf("the job is %s: %s", j.State, j.Error)
	}
}
