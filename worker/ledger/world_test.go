package ledger_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

var ctx = context.Background()

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// clock is a clock that goes when it is told to.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) forward(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
	return c.t
}

// world is one database with a ledger, and a clock that all its processes read.
type world struct {
	*ledger.Ledger
	t     testing.TB
	clock *clock
	ids   *capture.IDSource
	open  func() *sqldb.DB
	cfg   ledger.Config
	seeds byte
}

func newWorld(t testing.TB, open func() *sqldb.DB, cfg ledger.Config) *world {
	cfg.LocalClock = true
	w := &world{t: t, clock: &clock{t: start}, open: open, cfg: cfg}
	w.ids = w.source()
	w.Ledger = w.another()
	return w
}

func (w *world) source() *capture.IDSource {
	w.seeds++
	return capture.NewIDSource(w.clock.now, rand.NewChaCha8([32]byte{w.seeds}))
}

// another opens the ledger as another process does.
func (w *world) another() *ledger.Ledger {
	w.t.Helper()
	l, err := ledger.Open(ctx, w.open(), w.source(), w.clock.now, w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func each(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	sqldbtest.Each(t, func(t *testing.T, open func() *sqldb.DB) { f(t, newWorld(t, open, ledger.Config{})) })
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) watch(name string) ledger.Watch {
	w.t.Helper()
	return must(w.AddWatch(ctx, ledger.Watch{
		Name: name, Brand: json.RawMessage(`{"name":"Acme"}`), Sites: []string{"demo"},
		Terms: []string{"acme shoe"}, Schedule: ledger.Schedule{Cron: "0 * * * *"}, Jitter: "0", CreatedBy: "ann",
	}))(w.t)
}

func visit(n int) ledger.Work {
	u := fmt.Sprintf("https://shop.example/item/%d", n)
	return ledger.Work{
		Kind: ledger.Visit, Lane: "shop.example", Site: "demo", URL: u, Canonical: u, PageKind: "listing",
		ItemID: fmt.Sprint(n), AskedBy: "schedule",
	}
}

// fired gives a watch that fired now with n visits.
func (w *world) fired(name string, n int) (ledger.Watch, []ledger.Job) {
	w.t.Helper()
	wa := w.watch(name)
	var works []ledger.Work
	for i := range n {
		works = append(works, visit(i))
	}
	must(w.Fire(ctx, wa.ID, w.clock.now(), works))(w.t)
	jobs := must(w.Jobs(ctx, ledger.JobFilter{Watch: wa.ID, Limit: 500}))(w.t)
	if len(jobs) != n {
		w.t.Fatalf("%d jobs were planned, want %d", len(jobs), n)
	}
	return wa, jobs
}

func (w *world) dispatch(j ledger.Job) ledger.Fence {
	w.t.Helper()
	return must(w.Dispatch(ctx, j.ID, w.clock.now()))(w.t)
}

const lease = 20 * time.Second

func (w *world) claim(j ledger.Job) ledger.Fence {
	w.t.Helper()
	f := w.dispatch(j)
	must(w.Claim(ctx, f, "w1", lease))(w.t)
	return f
}

func (w *world) job(id capture.ID) ledger.Job {
	w.t.Helper()
	return must(w.Job(ctx, id))(w.t)
}

func (w *world) observed(j ledger.Job) ledger.Result {
	id := w.ids.New()
	return ledger.Result{Outcome: capture.Captured, Capture: id, Manifest: capture.Sum(id[:]), Observation: &ledger.Observation{
		Site: "demo", ItemID: j.ItemID, Canonical: j.Canonical, URL: j.URL, At: w.clock.now(), Title: "Acme shoe", Amount: "19.90",
		Currency: "EUR", Seller: "cheap shoes", SellerID: "s1", Data: json.RawMessage(`{"title":"Acme shoe"}`),
	}}
}

// consistent checks every maintained count against the rows.
func (w *world) consistent() {
	w.t.Helper()
	db := w.open()
	defer db.Close()
	compare := func(what, tally, rows string) {
		w.t.Helper()
		q := `SELECT name FROM (SELECT owner, name, n FROM tallies WHERE what = '` + tally + `' AND n <> 0 EXCEPT ` + rows + `) a
			UNION ALL SELECT name FROM (` + rows + ` EXCEPT SELECT owner, name, n FROM tallies WHERE what = '` + tally + `' AND n <> 0) b`
		r := must(db.QueryContext(ctx, q))(w.t)
		defer r.Close()
		for r.Next() {
			var name string
			check(w.t, r.Scan(&name))
			w.t.Errorf("the count of %s %q is not that of the rows", what, name)
		}
	}
	compare("jobs", "jobs", `SELECT watch_id AS owner, kind || ':' || state AS name, count(*) AS n FROM jobs GROUP BY watch_id, kind || ':' || state`)
	compare("listings", "listings", `SELECT site AS owner, state AS name, count(*) AS n FROM listings GROUP BY site, state`)
	compare("findings", "findings", `SELECT watch_id AS owner, state AS name, count(*) AS n FROM findings GROUP BY watch_id, state`)
	r := must(db.QueryContext(ctx, `SELECT f.open, f.jobs, f.finished_at, (SELECT count(*) FROM jobs j WHERE j.watch_id = f.watch_id
		AND j.fire_at = f.fire_at AND j.state IN ('planned', 'dispatched', 'running')), (SELECT count(*) FROM jobs j
		WHERE j.watch_id = f.watch_id AND j.fire_at = f.fire_at) FROM fires f`))(w.t)
	defer r.Close()
	for r.Next() {
		var open, jobs, finished, reallyOpen, reallyJobs int64
		check(w.t, r.Scan(&open, &jobs, &finished, &reallyOpen, &reallyJobs))
		if open != reallyOpen || jobs != reallyJobs || (finished > 0) != (open == 0) {
			w.t.Errorf("a fire says %d open of %d, finished at %d; the rows say %d of %d", open, jobs, finished, reallyOpen, reallyJobs)
		}
	}
}
