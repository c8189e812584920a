package worker_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/custody/storetest"
	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/site"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/lane"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

// world is a worker with a real ledger, catalogue, log and archive, and a
// crawler, a storage and lanes that do what a test wants.
type world struct {
	t       *testing.T
	ledger  *ledger.Ledger
	vault   *vault.Mem
	catalog *catalog.Catalog
	custody *custody.Log
	sites   *site.Set
	ids     *capture.IDSource
	spool   string

	crawl *fakeCrawler
	lanes *fakeLanes
	queue *fakeQueue

	fault atomic.Pointer[func() error] // what the storage answers; nil: it works
}

// storage makes the storage fail as f says; nil makes it work.
func (w *world) storage(f func() error) {
	if f == nil {
		w.fault.Store(nil)
		return
	}
	w.fault.Store(&f)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, ids: capture.NewIDSource(time.Now, rand.Reader), vault: vault.NewMem(time.Now), spool: t.TempDir(),
		crawl: &fakeCrawler{}, lanes: &fakeLanes{}, queue: &fakeQueue{},
	}
	w.crawl.w = w
	w.vault.Fail = func(string, string) error {
		if f := w.fault.Load(); f != nil {
			return (*f)()
		}
		return nil
	}
	db := sqldbtest.SQLite(t)()
	w.open(db)
	var err error
	if w.sites, err = site.Load(os.DirFS("../configs/sites")); err != nil {
		t.Fatal(err)
	}
	w.custody, err = custody.Open(t.Context(), storetest.Config(t, "log.example", w.vault, time.Now))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) open(db *sqldb.DB) {
	var err error
	w.ledger, err = ledger.Open(w.t.Context(), db, w.ids, time.Now, ledger.Config{DispatchLease: 300 * time.Millisecond, Budgets: map[ledger.Class]ledger.Budget{
		ledger.Server:   {Attempts: 2, Then: ledger.Failed, Backoff: time.Millisecond},
		ledger.Internal: {Attempts: 2, Then: ledger.Quarantined, Backoff: time.Millisecond},
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.catalog, err = catalog.Open(w.t.Context(), db); err != nil {
		w.t.Fatal(err)
	}
}

// visitor is a worker process on the world's spool.
func (w *world) visitor() *worker.Visitor { return w.visitorWith(worker.Config{}, archive.Config{}) }

// visitorWith is one that is set up otherwise.
func (w *world) visitorWith(cfg worker.Config, keep archive.Config) *worker.Visitor {
	w.t.Helper()
	keep.SpoolDir, keep.Actor = w.spool, "worker:test"
	a, err := archive.New(keep, archive.Deps{
		Vault: w.vault, Catalog: w.catalog, Custody: w.custody, IDs: w.ids, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	cfg.Name, cfg.Heartbeat = "test", 50*time.Millisecond
	v, err := worker.NewVisitor(cfg, worker.VisitorDeps{
		Ledger: w.ledger, Crawler: w.crawl, Archive: a, Anchors: noAnchor{}, Lanes: w.lanes, Sites: w.sites, IDs: w.ids,
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// ticket plans a visit and hands it out.
func (w *world) ticket(url string) task.Ticket {
	w.t.Helper()
	ids, err := w.ledger.Add(w.t.Context(), worker.NewVisit(w.sites, url))
	if err != nil {
		w.t.Fatal(err)
	}
	return w.dispatch(ids[0])
}

func (w *world) dispatch(id capture.ID) task.Ticket {
	w.t.Helper()
	f, err := w.ledger.Dispatch(w.t.Context(), id, w.ledger.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return task.Ticket{Job: f.Job, Epoch: f.Epoch}
}

func (w *world) job(id capture.ID) ledger.Job {
	w.t.Helper()
	j, err := w.ledger.Job(context.WithoutCancel(w.t.Context()), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return j
}

// until looks again and again until something holds.
func (w *world) until(what string, f func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		if time.Now().After(deadline) {
			w.t.Fatalf("waited in vain for %s", what)
		}
		<-tick.C
	}
}

// captures counts how many captures of a job are in the catalogue.
func (w *world) captures() int {
	w.t.Helper()
	p, err := w.catalog.Search(w.t.Context(), catalog.Query{Limit: 500})
	if err != nil {
		w.t.Fatal(err)
	}
	return len(p.Entries)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

type noAnchor struct{}

func (noAnchor) Anchor(context.Context) *capture.Anchor { return nil }

// fakeCrawler answers every visit with a listing, or with what a test says.
type fakeCrawler struct {
	w *world

	mu      sync.Mutex
	visits  []crawler.Request
	outcome capture.Outcome
	links   []site.Link
	retry   time.Duration
	etag    string
	says    map[listing.FieldName]string // besides the title
	took    time.Duration                // added to the time at which a visit began
	// during is called in the middle of a visit.
	during func(ctx context.Context)
}

func (f *fakeCrawler) count() int { f.mu.Lock(); defer f.mu.Unlock(); return len(f.visits) }

func (f *fakeCrawler) Visit(ctx context.Context, q crawler.Request) *crawler.Result {
	f.mu.Lock()
	f.visits = append(f.visits, q)
	outcome, links, retry, during := f.outcome, f.links, f.retry, f.during
	f.mu.Unlock()
	if outcome == "" {
		outcome = capture.Captured
	}
	now := time.Now().Add(f.took)
	c := &capture.Capture{
		ID: q.ID, URL: q.URL, FinalURL: q.URL, Asked: q.Asked, Started: now, Finished: now, Outcome: outcome, Evidence: []string{"a test says so"},
		Environment: capture.Environment{Software: "test", UserAgent: "test"}, Clock: capture.Clock{Source: "system"},
		Policy: capture.Policy{Robots: "allowed", Render: "never"},
	}
	m := f.w.sites.For(q.URL)
	c.Asked.Site, c.Asked.PageKind, c.Asked.ItemID, c.Asked.Canonical = m.Site.Name, string(m.Kind), m.ItemID, m.Canonical
	res := &crawler.Result{Capture: c, RetryAfter: retry, ETag: f.etag, ResponseTime: 30 * time.Millisecond}
	if q.Gate != nil {
		if _, err := q.Gate(ctx, 0); err != nil {
			res.Gated = err
			c.Outcome = capture.Throttled
			return res
		}
	}
	if during != nil {
		during(ctx)
	}
	if outcome.Class() == capture.Seen && outcome != capture.NotModified {
		res.Reading = &site.Reading{Match: *m, Outcome: outcome, Links: links}
		if m.Kind == site.KindListing {
			res.Reading.Listing = &listing.Listing{Site: m.Site.Name, URL: q.URL, Canonical: m.Canonical, ItemID: m.ItemID, Fields: map[listing.FieldName]listing.Choice{
				listing.Title: {Candidate: listing.Candidate{Field: listing.Title, Value: "Belvoir bag"}},
			}}
			for name, value := range f.says {
				res.Reading.Listing.Fields[name] = listing.Choice{Candidate: listing.Candidate{Field: name, Value: value}}
			}
		}
	}
	return res
}

// fakeLanes lets everything pass, or gives an error.
type fakeLanes struct {
	mu       sync.Mutex
	passErr  error
	reserve  func(name string) (lane.Slot, error)
	closed   map[string]string
	observed int
	back     int
}

func (f *fakeLanes) Pass(context.Context, string, lane.Params) (func(), error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return func() {}, f.passErr
}

func (f *fakeLanes) Observe(context.Context, string, time.Duration, bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.observed++
	return nil
}

func (f *fakeLanes) Close(_ context.Context, name string, _ time.Time, why string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed == nil {
		f.closed = map[string]string{}
	}
	f.closed[name] = why
	return nil
}

func (f *fakeLanes) Reserve(_ context.Context, name string, _ lane.Params) (lane.Slot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reserve != nil {
		return f.reserve(name)
	}
	return lane.Slot{Lane: name}, nil
}

func (f *fakeLanes) Sync(context.Context) error { return nil }

func (f *fakeLanes) GiveBack(context.Context, lane.Slot) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.back++
	return nil
}

// fakeQueue keeps tickets, or loses them.
type fakeQueue struct {
	mu      sync.Mutex
	tickets []task.Ticket
	pools   []string
	oldest  time.Duration // how long they wait
	err     error
}

func (f *fakeQueue) Enqueue(_ context.Context, t task.Ticket, pool string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	f.tickets = append(f.tickets, t)
	f.pools = append(f.pools, pool)
	return nil
}

// Depth is of a queue whose tickets nobody takes.
func (f *fakeQueue) Depth(_ context.Context, pool string) (task.Depth, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := task.Depth{Pool: pool, Oldest: f.oldest}
	for _, p := range f.pools {
		if p == pool {
			d.Waiting++
		}
	}
	return d, f.err
}

// taken makes workers of all tickets' pools take them at once.
func (f *fakeQueue) taken() []task.Ticket {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.tickets
	f.tickets, f.pools, f.oldest = nil, nil, 0
	return all
}

func (f *fakeQueue) sent() []task.Ticket {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]task.Ticket(nil), f.tickets...)
}
