package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
	"github.com/trawlmark/trawlmark/cmd/internal/embedded"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

// testFleet is trawlmark as an operator runs it on many machines, on one: real
// processes of the built binary against one PostgreSQL, one Redis, one S3
// server and the demonstration marketplace, with a fault proxy before each of
// the three. The test itself looks past the proxies.
type testFleet struct {
	t      *testing.T
	dir    string
	tmp    string // TMPDIR of the processes
	bin    string
	config string
	env    []string

	market              *markettest.Server
	redis               *embedded.Redis
	rdb                 redis.UniversalClient
	pgProxy, redisProxy *faultProxy
	s3Proxy             *faultProxy
	dbURL               string // past the proxy
	s3                  *s3Access

	a      *app // the test's own view
	ledger *ledger.Ledger

	mu    sync.Mutex
	procs map[string]*process
	old   []*process // ended ones, for their logs
}

// lanePlan is one lane: a site file of its own with a host of its own.
type lanePlan struct {
	name  string
	delay time.Duration
}

func (l lanePlan) host() string { return l.name + ".lanes.test" }

// skewEnv makes the test binary be trawlmark on a machine whose clock is wrong
// by a duration.
const skewEnv = "TRAWLMARK_TEST_SKEW"

func skewedMain(by string) int {
	d, err := time.ParseDuration(by)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return run(ctx, os.Args[1:], streams{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv, now: func() time.Time { return time.Now().Add(d) },
	})
}

// fleetOptions say what a fleet is like.
type fleetOptions struct {
	lanes  []lanePlan
	market markettest.Config
	// config is appended to the configuration file.
	config string
	// redis is another Redis than the harness's: its part of the configuration.
	redis string
	env   []string // more of the processes' environment
}

var fleetBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "trawlfleet")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "trawlmark")
	out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
})

func newFleet(t *testing.T, o fleetOptions) *testFleet {
	t.Helper()
	bin, err := fleetBinary()
	if err != nil {
		t.Fatal(err)
	}
	f := &testFleet{t: t, dir: t.TempDir(), bin: bin, procs: map[string]*process{}}
	dbURL := sqldbtest.PostgreSQLURL(t)
	var through1 string
	f.pgProxy, through1 = through(t, dbURL)
	if o.redis == "" {
		f.startRedis()
		o.redis = fmt.Sprintf("redis: {addresses: [%q]}", f.redisProxy.Addr)
	}
	f.dbURL = dbURL
	s3 := f.startS3()
	f.s3 = s3
	f.startMarket(o.market)
	sites := f.writeSites(o.lanes)

	text := fmt.Sprintf(`data_dir: %s
%s
storage: {endpoint: "%s", tls: false}
crawler: {sites_dir: %s}
custody: {every: 5s}
console: {listen: ""}
%s
egress:
  override:
`, filepath.Join(f.dir, "data"), o.redis, f.s3Proxy.Addr, sites, o.config)
	for _, l := range o.lanes {
		text += fmt.Sprintf("    %s: %s\n", l.host(), f.market.Addr)
	}
	f.config = filepath.Join(f.dir, "trawlmark.yaml")
	f.must(os.WriteFile(f.config, []byte(text), 0o600))
	// Not below the test's own folder: Chrome runs as another user.
	f.tmp, err = os.MkdirTemp("", "trawlfleet")
	f.must(err)
	f.must(os.Chmod(f.tmp, 0o777|os.ModeSticky))
	t.Cleanup(func() { os.RemoveAll(f.tmp) })
	f.env = append(os.Environ(), "TMPDIR="+f.tmp, "TRAWLMARK_DATABASE_URL="+through1,
		"TRAWLMARK_S3_ACCESS_KEY="+s3.AccessKey, "TRAWLMARK_S3_SECRET_KEY="+s3.SecretKey)
	f.env = append(f.env, o.env...)
	f.openOwn(dbURL, strings.TrimPrefix(s3.Endpoint, "http://"), s3)
	t.Cleanup(f.end)
	return f
}

func (f *testFleet) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *testFleet) startRedis() {
	f.t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" {
			f.t.Fatal("redis-server is needed for this test: install it")
		}
		f.t.Skip("redis-server is not on the PATH: install it to run this test")
	}
	r, err := embedded.StartRedis(f.t.Context(), embedded.RedisOptions{Dir: filepath.Join(f.dir, "redis")})
	f.must(err)
	f.t.Cleanup(r.Stop)
	f.redis = r
	f.redisProxy = newFaultProxy(f.t, r.Network, r.Addr)
	f.rdb, err = task.Redis{Addr: "unix:" + r.Addr}.Open()
	f.must(err)
	f.t.Cleanup(func() { f.rdb.Close() })
}

func (f *testFleet) startS3() *s3Access {
	f.t.Helper()
	exe, err := os.Executable()
	f.must(err)
	dir := filepath.Join(f.dir, "s3")
	f.must(os.MkdirAll(dir, 0o700))
	acc := &s3Access{AccessKey: "fleet", SecretKey: "a-secret-of-the-test"}
	s3, err := embedded.StartS3(f.t.Context(), embedded.S3Options{
		Exe: exe, Args: []string{hiddenS3}, DataDir: dir, AccessKey: acc.AccessKey, SecretKey: acc.SecretKey,
	})
	if err != nil {
		f.t.Fatalf("the S3 server: %v", err)
	}
	f.t.Cleanup(s3.Stop)
	acc.Endpoint = s3.Endpoint
	f.s3Proxy = newFaultProxy(f.t, "tcp", strings.TrimPrefix(s3.Endpoint, "http://"))
	return acc
}

func (f *testFleet) startMarket(c markettest.Config) {
	f.t.Helper()
	if c.CrawlDelay == 0 {
		c.CrawlDelay = -1
	}
	srv, err := markettest.Start(c)
	f.must(err)
	f.t.Cleanup(func() { srv.Close() })
	f.market = srv
}

// writeSites makes a site file for each lane out of the demonstration
// marketplace's.
func (f *testFleet) writeSites(lanes []lanePlan) string {
	f.t.Helper()
	text, err := os.ReadFile("../../configs/sites/demomarket.yaml")
	f.must(err)
	dir := filepath.Join(f.dir, "sites")
	f.must(os.MkdirAll(dir, 0o700))
	for _, l := range lanes {
		s := strings.NewReplacer(
			"name: demomarket", "name: "+l.name, "lane: demomarket", "lane: "+l.name, "market.demo.test", l.host(),
			"politeness: {min_delay: 100ms, max_delay: 5s, factor: 1}",
			fmt.Sprintf("politeness: {min_delay: %s, max_delay: %s, factor: 1}", l.delay, l.delay),
			"search: auto, seller", "search: never, seller",
		).Replace(string(text))
		f.must(os.WriteFile(filepath.Join(dir, l.name+".yaml"), []byte(s), 0o600))
	}
	return dir
}

// openOwn opens the test's own view, which makes schema, bucket and keys.
func (f *testFleet) openOwn(dbURL, endpoint string, s3 *s3Access) {
	f.t.Helper()
	cfg, err := configs.Load(f.config, func(name string) string {
		return map[string]string{
			"TRAWLMARK_DATABASE_URL": dbURL, "TRAWLMARK_S3_ACCESS_KEY": s3.AccessKey, "TRAWLMARK_S3_SECRET_KEY": s3.SecretKey,
		}[name]
	})
	f.must(err)
	cfg.Storage.Endpoint, cfg.Log.Level = endpoint, "error"
	out := &syncBuffer{}
	f.a = newApp(cfg, streams{in: strings.NewReader(""), out: out, err: out, getenv: os.Getenv})
	f.t.Cleanup(func() { f.a.close() })
	f.ledger, err = f.a.openLedger(f.t.Context())
	f.must(err)
	_, err = f.a.openArchive(f.t.Context(), commandSpace("test"))
	f.must(err)
	_, err = f.a.openSites()
	f.must(err)
}

// run starts one process of the fleet under a name.
func (f *testFleet) run(name string, args ...string) *process {
	f.t.Helper()
	p := f.begin(f.bin, f.env, append([]string{"--config", f.config}, args...))
	f.mu.Lock()
	defer f.mu.Unlock()
	if was := f.procs[name]; was != nil {
		f.old = append(f.old, was)
	}
	f.procs[name] = p
	return p
}

func (f *testFleet) begin(bin string, env, args []string) *process {
	f.t.Helper()
	p := &process{Cmd: exec.Command(bin, args...), done: make(chan error, 1)}
	p.Stdout, p.Stderr, p.Env = &p.out, &p.out, env
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	f.must(p.Start())
	go func() { p.done <- p.Wait() }()
	return p
}

func (f *testFleet) worker(name, pools string) *process {
	f.t.Helper()
	return f.run(name, "worker", "--name", name, "--pools", pools)
}

func (f *testFleet) dispatcher(name string) *process {
	f.t.Helper()
	return f.run(name, "dispatcher")
}

// kill ends a process as a power failure does.
func (f *testFleet) kill(name string) {
	f.mu.Lock()
	p := f.procs[name]
	p.killed.Store(true)
	f.mu.Unlock()
	p.Process.Kill()
	err := <-p.done
	p.done <- err
}

// terminate asks all processes to drain and tells which did not end well.
func (f *testFleet) terminate(within time.Duration) {
	f.t.Helper()
	f.mu.Lock()
	procs := map[string]*process{}
	for n, p := range f.procs {
		procs[n] = p
	}
	f.mu.Unlock()
	for _, p := range procs {
		p.Process.Signal(syscall.SIGTERM)
	}
	late := time.After(within)
	for name, p := range procs {
		select {
		case err := <-p.done:
			p.done <- err
			if err != nil {
				f.t.Errorf("%s ended with %v:\n%s", name, err, tail(p.out.String(), 20))
			}
		case <-late:
			f.t.Errorf("%s did not drain within %s:\n%s", name, within, tail(p.out.String(), 20))
			p.Process.Kill()
		}
	}
}

// end kills what still runs, and shows the logs of a test that failed.
func (f *testFleet) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, p := range f.procs {
		p.Process.Kill()
		err := <-p.done
		p.done <- err
		if f.t.Failed() {
			f.t.Logf("the log of %s:\n%s", name, tail(p.out.String(), 25))
		}
	}
	if f.t.Failed() {
		for _, p := range f.old {
			f.t.Logf("the log of an earlier process:\n%s", tail(p.out.String(), 8))
		}
	}
}

// alive fails the test when a process has ended that nobody killed. One that
// could not start because a part was away is started again, as systemd or
// Kubernetes do.
func (f *testFleet) alive() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, p := range f.procs {
		select {
		case err := <-p.done:
			p.done <- err
			if p.killed.Load() {
				continue
			}
			if p.ProcessState.ExitCode() == exitUnavailable {
				f.t.Logf("%s was started while a part was away, and is started again: %s", name, tail(p.out.String(), 1))
				f.procs[name] = f.begin(p.Path, p.Env, p.Args[1:])
				f.old = append(f.old, p)
			} else {
				f.t.Fatalf("%s ended by itself, with %v:\n%s", name, err, tail(p.out.String(), 20))
			}
		default:
		}
	}
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return strings.Join(all, "\n")
}

// plain gives paths of listings that answer well without a browser.
func (f *testFleet) plain() []string {
	var paths []string
	for _, l := range f.market.Listings() {
		if l.Fault == "" && l.Page == markettest.JSONLD && !l.Expect.NeedsBrowser {
			paths = append(paths, l.Path)
		}
	}
	return paths
}

// visits makes n visits on a lane.
func (f *testFleet) visits(l lanePlan, n int) []ledger.Work {
	paths := f.plain()
	var out []ledger.Work
	for i := range n {
		out = append(out, f.visit(l, fmt.Sprintf("%s?n=%d", paths[i%len(paths)], i)))
	}
	return out
}

func (f *testFleet) visit(l lanePlan, path string) ledger.Work {
	w := worker.NewVisit(f.a.sites, "http://"+l.host()+path)
	w.AskedBy = "test"
	w.Spec = []byte(`{"render":"never"}`)
	return w
}

func (f *testFleet) add(works ...ledger.Work) []capture.ID {
	f.t.Helper()
	ids, err := f.ledger.Add(f.t.Context(), works...)
	f.must(err)
	return ids
}

// states counts the visits by state.
func (f *testFleet) states() map[ledger.State]int {
	f.t.Helper()
	c, err := f.ledger.Counts(context.WithoutCancel(f.t.Context()), capture.ID{})
	f.must(err)
	return c[ledger.Visit]
}

// settle waits until every visit has ended.
func (f *testFleet) settle(most time.Duration) {
	f.t.Helper()
	waitFor(f.t, most, "every visit to end", func() (bool, string) {
		f.alive()
		open, s := 0, f.states()
		for state, n := range s {
			if !state.Final() {
				open += n
			}
		}
		return open == 0, fmt.Sprint(s)
	})
}
