package worker_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
	"github.com/trawlmark/trawlmark/crawler/site"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/lane"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
	"github.com/trawlmark/trawlmark/worker/task/redistest"
)

// BenchmarkFleetScale says how the cost of everything but the visit grows:
// visits are simulated, the ledger is PostgreSQL, the queue and the limiter are
// Redis. TRAWLMARK_SCALE=full goes on to 1,000,000 planned jobs and 10,000
// lanes.
//
//	go test -run '^$' -bench FleetScale -benchtime 1x ./worker
func BenchmarkFleetScale(b *testing.B) {
	base := scale{workers: 8, jobs: 10_000, lanes: 1000}
	rows := []scale{
		{1, 10_000, 1000}, {2, 10_000, 1000}, {4, 10_000, 1000}, base, // workers
		{8, 1000, 1000}, {8, 100_000, 1000}, // planned jobs
		{8, 10_000, 10}, {8, 10_000, 100}, // lanes
	}
	if os.Getenv("TRAWLMARK_SCALE") == "full" {
		rows = append(rows, scale{8, 1_000_000, 1000}, scale{8, 100_000, 10_000})
	}
	for _, s := range rows {
		b.Run(fmt.Sprintf("workers=%d/jobs=%d/lanes=%d", s.workers, s.jobs, s.lanes), func(b *testing.B) {
			for range b.N {
				s.run(b)
			}
		})
	}
}

// scale is one measurement.
type scale struct{ workers, jobs, lanes int }

// measured is how long the fleet runs for one measurement.
const measured = 6 * time.Second

func (s scale) run(b *testing.B) {
	b.StopTimer()
	f := newScaleFleet(b, s)
	ctx, stop := context.WithCancel(context.Background())
	cpu, ops := postgresCPU(b), f.redisOps()
	began := time.Now()
	b.StartTimer()
	var wg sync.WaitGroup
	wg.Go(func() { f.dispatcher.Run(ctx) })
	for range s.workers {
		wg.Go(func() { f.work(ctx) })
	}
	time.Sleep(measured)
	took := time.Since(began)
	done := float64(f.done.Load())
	used, asked := postgresCPU(b)-cpu, f.redisOps()-ops
	b.StopTimer()
	stop()
	wg.Wait()
	if done == 0 {
		b.Fatal("nothing was done")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.Sort(f.late)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(done/took.Seconds(), "jobs/s")
	b.ReportMetric(float64(used.Microseconds())/1000/done, "pg-cpu-ms/job")
	b.ReportMetric(float64(asked)/done, "redis-ops/job")
	b.ReportMetric(float64(f.late[len(f.late)/2].Milliseconds()), "p50-ms")
	b.ReportMetric(float64(f.late[len(f.late)*99/100].Milliseconds()), "p99-ms")
	b.ReportMetric(f.ticketBytes(b), "redis-B/ticket")
}

// scaleFleet is a dispatcher and what it stands on, with planned jobs.
type scaleFleet struct {
	ledger     *ledger.Ledger
	redis      task.Redis
	stat       func() (ops, memory int64)
	dispatcher *worker.Dispatcher
	client     *task.Client

	done atomic.Int64
	mu   sync.Mutex
	late []time.Duration // from dispatch to claim
}

func newScaleFleet(b *testing.B, s scale) *scaleFleet {
	b.Helper()
	url := sqldbtest.PostgreSQLURL(b)
	db, err := sqldb.Open(b.Context(), sqldb.Config{URL: url, MaxConns: 40})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	ids := capture.NewIDSource(time.Now, rand.Reader)
	f := &scaleFleet{}
	if f.ledger, err = ledger.Open(b.Context(), db, ids, time.Now, ledger.Config{}); err != nil {
		b.Fatal(err)
	}
	plan(b, db, s)
	task.Log(slog.New(slog.DiscardHandler)) // Redis is not there at once
	srv := redistest.Start(b)
	f.redis = task.Redis{Addr: "unix:" + srv.Socket, PoolSize: 40}
	rdb := srv.Client()
	f.stat = func() (ops, memory int64) {
		text, err := rdb.Info(context.Background(), "stats", "memory").Result()
		if err != nil {
			b.Fatal(err)
		}
		return field(text, "total_commands_processed:"), field(text, "used_memory:")
	}
	text, err := os.ReadFile("../configs/sites/demomarket.yaml")
	if err != nil {
		b.Fatal(err)
	}
	// Politeness must not be what is measured.
	text = bytes.Replace(text, []byte("min_delay: 100ms"), []byte("min_delay: 1ms"), 1)
	sites, err := site.Load(fstest.MapFS{"demomarket.yaml": {Data: text}})
	if err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	f.client = task.NewClient(rdb, 0)
	f.dispatcher = worker.NewDispatcher(worker.DispatcherConfig{MaxQueued: 256, Tick: 100 * time.Millisecond}, f.ledger, f.client,
		lane.New(rdb, f.ledger, log), nil, sites, log)
	return f
}

func (f *scaleFleet) redisOps() int64 { ops, _ := f.stat(); return ops }

func field(text, name string) int64 {
	_, rest, _ := strings.Cut(text, name)
	var n int64
	fmt.Sscan(rest, &n)
	return n
}

// plan puts jobs into the ledger at once: what is measured is dispatching.
func plan(b *testing.B, db *sqldb.DB, s scale) {
	b.Helper()
	_, err := db.ExecContext(b.Context(), fmt.Sprintf(`INSERT INTO jobs (id, kind, watch_id, fire_at, parent_id, asked_by, site, url, canonical,
		page_kind, item_id, depth, listing_id, subject_id, spec, dedupe, pool, lane, priority, state, epoch, ready_at, dispatched_at,
		started_at, lease_until, worker, attempts, outcome, capture_id, manifest, error, created_at, updated_at, finished_at)
		SELECT '01990000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'), 'visit', '', 0, '', 'bench', 'demomarket',
		'http://market.demo.test/item/' || i, '', 'listing', '', 0, '', '', '', i::text, 'http', 'lane' || i %% %d, 0, 'planned', 0,
		1, 0, 0, 0, '', '', '', '', '', '', %d, 1, 0 FROM generate_series(1, %d) AS i`, s.lanes, time.Now().UnixMicro(), s.jobs))
	if err == nil {
		_, err = db.ExecContext(b.Context(), `INSERT INTO tallies VALUES ('jobs', '', 'visit:planned', $1)`, s.jobs)
	}
	if err == nil {
		_, err = db.ExecContext(b.Context(), `ANALYZE`)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// work is one worker of eight slots whose visits take no time.
func (f *scaleFleet) work(ctx context.Context) {
	srv, err := task.NewServer(f.redis, task.ServerConfig{Pools: []string{task.HTTP}, Concurrency: 8, Drain: time.Second, Poll: 100 * time.Millisecond}, slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	_ = srv.Run(ctx, func(ctx context.Context, t task.Ticket) error { // handlers that are late are none of the measurement
		fence := ledger.Fence{Job: t.Job, Epoch: t.Epoch}
		j, err := f.ledger.Claim(ctx, fence, "bench", 20*time.Second)
		if err != nil {
			return nil
		}
		if _, err := f.ledger.Finish(ctx, fence, ledger.Result{Outcome: capture.Captured, Capture: t.Job}); err != nil {
			return nil
		}
		f.done.Add(1)
		f.mu.Lock()
		f.late = append(f.late, j.Started.Sub(j.Dispatched))
		f.mu.Unlock()
		return nil
	})
}

// ticketBytes is what a waiting ticket costs Redis.
func (f *scaleFleet) ticketBytes(b *testing.B) float64 {
	const n = 2000
	ids := capture.NewIDSource(time.Now, rand.Reader)
	_, before := f.stat()
	for range n {
		if err := f.client.Enqueue(b.Context(), task.Ticket{Job: ids.New(), Epoch: 1}, task.Browser); err != nil {
			b.Fatal(err)
		}
	}
	_, after := f.stat()
	return float64(after-before) / n
}

// postgresCPU is the processor time of the PostgreSQL that this test binary
// runs, all of its processes together.
func postgresCPU(b *testing.B) time.Duration {
	b.Helper()
	type proc struct {
		parent int
		ticks  int64
		name   string
	}
	all := map[int]proc{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		open, close := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
		var pid int
		fmt.Sscan(string(text), &pid)
		f := strings.Fields(string(text[close+1:]))
		p := proc{name: string(text[open+1 : close])}
		fmt.Sscan(f[1], &p.parent)
		for _, s := range f[11:15] { // with the dead children's
			var n int64
			fmt.Sscan(s, &n)
			p.ticks += n
		}
		all[pid] = p
	}
	var ticks int64
	for pid, p := range all {
		if p.name != "postgres" {
			continue
		}
		for up := pid; up > 1; up = all[up].parent {
			if up == os.Getpid() {
				ticks += p.ticks
				break
			}
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
