package worker_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
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
// visits are simulated, each worker is a process of its own with eight slots,
// the ledger is PostgreSQL, the queue and the limiter are Redis.
// TRAWLMARK_SCALE=full goes on to 1,000,000 planned jobs and 10,000 lanes.
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
	var wg sync.WaitGroup
	wg.Go(func() { f.dispatcher.Run(ctx) })
	workers := f.startWorkers(b, s.workers)
	f.awaitDone(b, 100) // all of them are there, and their connections are open
	before := f.look(b)
	b.StartTimer()
	time.Sleep(measured)
	after := f.look(b)
	b.StopTimer()
	stop()
	wg.Wait()
	workers()

	done := float64(after.done - before.done)
	if done == 0 {
		b.Fatal("nothing was done")
	}
	// A short backlog is at its end before the time is.
	took := after.last.Sub(before.at)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(done/took.Seconds(), "jobs/s")
	b.ReportMetric((after.postgres-before.postgres).Seconds()*1000/done, "pg-cpu-ms/job")
	b.ReportMetric((after.own-before.own).Seconds()*1000/done, "go-cpu-ms/job")
	b.ReportMetric(float64(after.ops-before.ops)/done, "redis-ops/job")
	p50, p99 := f.late(b, before.at)
	b.ReportMetric(p50, "p50-ms")
	b.ReportMetric(p99, "p99-ms")
	b.ReportMetric(f.ticketBytes(b), "redis-B/ticket")
}

// state is what the fleet had done and used at an instant of the ledger.
type state struct {
	at, last      time.Time // last: when the newest job ended
	done          int64
	ops           int64
	postgres, own time.Duration
}

func (f *scaleFleet) look(b *testing.B) state {
	b.Helper()
	s := state{at: f.ledger.Now()}
	var last int64
	if err := f.db.QueryRowContext(b.Context(), `SELECT count(*), COALESCE(max(finished_at), 0) FROM jobs WHERE finished_at > 0`).Scan(&s.done, &last); err != nil {
		b.Fatal(err)
	}
	s.last = sqldb.Instant(last)
	s.postgres, s.own = processorTimes(b)
	s.ops, _ = f.stat()
	return s
}

func (f *scaleFleet) awaitDone(b *testing.B, n int64) {
	b.Helper()
	for end := time.Now().Add(2 * time.Minute); f.look(b).done < n; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatal("the workers do nothing")
		}
	}
}

// late gives how long tickets of jobs that ended after an instant took from
// dispatch to claim, in ms: the half, and 99 of 100.
func (f *scaleFleet) late(b *testing.B, since time.Time) (p50, p99 float64) {
	b.Helper()
	err := f.db.QueryRowContext(b.Context(), `SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY started_at - dispatched_at) / 1000.0,
		percentile_disc(0.99) WITHIN GROUP (ORDER BY started_at - dispatched_at) / 1000.0 FROM jobs WHERE finished_at > $1`,
		sqldb.Micros(since)).Scan(&p50, &p99)
	if err != nil {
		b.Fatal(err)
	}
	return p50, p99
}

// scaleFleet is a dispatcher and what it stands on, with planned jobs.
type scaleFleet struct {
	url        string
	db         *sqldb.DB
	ledger     *ledger.Ledger
	socket     string // of Redis
	stat       func() (ops, memory int64)
	dispatcher *worker.Dispatcher
	client     *task.Client
}

func newScaleFleet(b *testing.B, s scale) *scaleFleet {
	b.Helper()
	f := &scaleFleet{url: sqldbtest.PostgreSQLURL(b)}
	f.db, f.ledger = openScaleLedger(b.Context(), f.url)
	b.Cleanup(func() { f.db.Close() })
	plan(b, f.db, s)
	task.Log(slog.New(slog.DiscardHandler)) // Redis is not there at once
	srv := redistest.Start(b)
	f.socket = srv.Socket
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

func openScaleLedger(ctx context.Context, url string) (*sqldb.DB, *ledger.Ledger) {
	db, err := sqldb.Open(ctx, sqldb.Config{URL: url})
	if err != nil {
		panic(err)
	}
	l, err := ledger.Open(ctx, db, capture.NewIDSource(time.Now, rand.Reader), time.Now, ledger.Config{})
	if err != nil {
		panic(err)
	}
	return db, l
}

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
		// What a running server has done by itself by then.
		_, err = db.ExecContext(b.Context(), `VACUUM ANALYZE jobs`)
	}
	if err == nil {
		_, err = db.ExecContext(b.Context(), `CHECKPOINT`)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// scaleWorker makes this test binary one worker of the fleet that its parent
// runs: the address of the ledger, a space, the socket of Redis.
const scaleWorker = "TRAWLMARK_SCALE_WORKER"

func TestMain(m *testing.M) {
	if at := os.Getenv(scaleWorker); at != "" {
		work(at)
		return
	}
	os.Exit(m.Run())
}

// startWorkers starts worker processes and gives what ends them. They end with
// this process in any case: their standard input does.
func (f *scaleFleet) startWorkers(b *testing.B, n int) (stop func()) {
	b.Helper()
	var ends []func()
	for range n {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), scaleWorker+"="+f.url+" "+f.socket)
		c.Stderr = os.Stderr
		in, err := c.StdinPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			b.Fatal(err)
		}
		ends = append(ends, func() {
			in.Close()
			if err := c.Wait(); err != nil {
				b.Errorf("a worker: %v", err)
			}
		})
	}
	stop = sync.OnceFunc(func() {
		for _, end := range ends {
			end()
		}
	})
	b.Cleanup(stop)
	return stop
}

// work is one worker of eight slots whose visits take no time.
func work(at string) {
	url, socket, _ := strings.Cut(at, " ")
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	task.Log(slog.New(slog.DiscardHandler))
	db, l := openScaleLedger(ctx, url)
	defer db.Close()
	srv, err := task.NewServer(task.Redis{Addr: "unix:" + socket},
		task.ServerConfig{Pools: []string{task.HTTP}, Concurrency: 8, Drain: time.Second, Poll: 100 * time.Millisecond}, slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	_ = srv.Run(ctx, func(ctx context.Context, t task.Ticket) error { // handlers that are late are none of the measurement
		fence := ledger.Fence{Job: t.Job, Epoch: t.Epoch}
		if _, err := l.Claim(ctx, fence, "bench", 20*time.Second); err != nil {
			return nil
		}
		_, _ = l.Finish(ctx, fence, ledger.Result{Outcome: capture.Captured, Capture: t.Job}) // what did not end is not counted
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

// processorTimes gives the processor time of the PostgreSQL that this test
// binary runs, all of its processes together, and of the test binary with its
// workers.
func processorTimes(b *testing.B) (postgres, own time.Duration) {
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
		fields := f[11:13]
		if p.name == "postgres" {
			fields = f[11:15] // with the dead children's
		}
		for _, s := range fields {
			var n int64
			fmt.Sscan(s, &n)
			p.ticks += n
		}
		all[pid] = p
	}
	ours := all[os.Getpid()].name
	for pid, p := range all {
		for up := pid; up > 1; up = all[up].parent {
			if up != os.Getpid() {
				continue
			}
			switch took := time.Duration(p.ticks) * 10 * time.Millisecond; p.name {
			case "postgres":
				postgres += took
			case ours:
				own += took
			}
			break
		}
	}
	return postgres, own
}
