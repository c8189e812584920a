package worker_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/crawler/site"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/score"
)

// journal collects what is logged, as JSON, for the program's own handler.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(b)
}

func (j *journal) logger() *slog.Logger {
	return slog.New(worker.LogHandler(slog.NewJSONHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug})))
}

// line is what a program reads of one line.
type line struct {
	Message string `json:"msg"`
	Job     string `json:"job"`
	Capture string `json:"capture"`
	Watch   string `json:"watch"`
	Epoch   int64  `json:"epoch"`
}

func (j *journal) lines(t *testing.T) []line {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []line
	dec := json.NewDecoder(bytes.NewReader(j.buf.Bytes()))
	for dec.More() {
		var l line
		if err := dec.Decode(&l); err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

// loggedVisitor is a worker process that logs into a journal.
func (w *world) loggedVisitor(log *slog.Logger) *worker.Visitor {
	w.t.Helper()
	a, err := archive.New(archive.Config{SpoolDir: w.spool, Actor: "worker:test"}, archive.Deps{
		Vault: w.vault, Catalog: w.catalog, Custody: w.custody, IDs: w.ids, Now: time.Now, Log: log,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	v, err := worker.NewVisitor(worker.Config{Name: "test", Heartbeat: 50 * time.Millisecond}, worker.VisitorDeps{
		Ledger: w.ledger, Crawler: w.crawl, Archive: a, Anchors: noAnchor{}, Lanes: w.lanes, Sites: w.sites, IDs: w.ids, Now: time.Now, Log: log,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// Every line of a visit, of storing it and of its score names the job, the
// capture and the watch as the ledger has them.
func TestTheLogJoinsTheLedger(t *testing.T) {
	w := newWorld(t)
	j := &journal{}
	v := w.loggedVisitor(j.logger())
	watch, err := w.ledger.AddWatch(t.Context(), ledger.Watch{
		Name: "w", Seeds: []string{searchURL}, Brand: json.RawMessage(`{"name": "Aurelle"}`), MaxListings: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	fire := func(works ...ledger.Work) {
		t.Helper()
		if _, err := w.ledger.Fire(t.Context(), watch.ID, w.ledger.Now(), works); err != nil {
			t.Fatal(err)
		}
	}
	planned := func() []ledger.Job {
		t.Helper()
		jobs, err := w.ledger.Jobs(t.Context(), ledger.JobFilter{Watch: watch.ID, State: ledger.Planned})
		if err != nil {
			t.Fatal(err)
		}
		return jobs
	}
	var outages atomic.Int32 // the storage is away for the first calls: the upload is a line, too
	w.storage(func() error {
		if outages.Add(1) <= 3 {
			return vault.ErrUnavailable
		}
		return nil
	})
	w.crawl.links = []site.Link{{URL: itemURL, Kind: site.KindListing}, {URL: "http://market.demo.test/item/123456789013/bag", Kind: site.KindListing}}
	fire(worker.NewVisit(w.sites, searchURL))
	for range 2 { // the search, then its listings
		for _, job := range planned() {
			if err := v.Handle(t.Context(), w.dispatch(job.ID)); err != nil {
				t.Fatal(err)
			}
			w.until("the visit to be stored", func() bool { return w.job(job.ID).State == ledger.Done })
		}
	}
	v.Drain(t.Context())
	seen, err := w.ledger.ListingOf(t.Context(), ledger.Ref{Site: "demomarket", ItemID: "123456789012"})
	if err != nil {
		t.Fatal(err)
	}
	history, err := w.ledger.History(t.Context(), seen.ID, time.Time{}, 1)
	if err != nil || len(history) != 1 {
		t.Fatal(err)
	}
	fire(ledger.Work{Kind: ledger.Score, Listing: seen.ID, Subject: history[0].Capture})
	scorer, err := worker.NewScorer(worker.Config{Name: "test"}, w.ledger, score.Builtin{}, j.logger())
	if err != nil {
		t.Fatal(err)
	}
	for _, job := range planned() {
		if err := scorer.Handle(t.Context(), w.dispatch(job.ID)); err != nil {
			t.Fatal(err)
		}
	}

	said := map[string]int{}
	for _, l := range j.lines(t) {
		said[l.Message]++
		id, err := capture.ParseID(l.Job)
		if err != nil {
			t.Errorf("%q names the job %q", l.Message, l.Job)
			continue
		}
		job := w.job(id)
		of := job.Capture
		if job.Kind == ledger.Score {
			of = job.Subject
		}
		if l.Capture != of.String() || l.Watch != job.Watch.String() || l.Epoch != job.Epoch || job.Watch.IsZero() {
			t.Errorf("%q says capture %s, watch %s, epoch %d; the ledger has %s, %s, %d", l.Message, l.Capture, l.Watch, l.Epoch, of, job.Watch, job.Epoch)
		}
	}
	for message, n := range map[string]int{"visited": 3, "stored": 3, "scored": 1} {
		if said[message] != n {
			t.Errorf("%q was logged %d times, want %d; all: %v", message, said[message], n, said)
		}
	}
	if said["a capture cannot be stored; it waits on disk and its job with it"] == 0 {
		t.Errorf("the storage that was away was not logged: %v", said)
	}
}

// A line that names another job keeps what it says.
func TestALinesOwnIdsStand(t *testing.T) {
	j := &journal{}
	j.logger().With("job", "general").Info("of no job")
	if got := j.lines(t); len(got) != 1 || got[0].Job != "general" || got[0].Capture != "" {
		t.Errorf("logged %+v", got)
	}
}
