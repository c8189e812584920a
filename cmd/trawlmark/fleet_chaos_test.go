package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

// chaosSize is how much one run does.
type chaosSize struct {
	visits, captures int
	outage           time.Duration // how long Redis, PostgreSQL and S3 are away
	rounds           int           // how often each kind of harm is done
	most             time.Duration
}

var (
	chaosShort = chaosSize{500, 20, 6 * time.Second, 1, 10 * time.Minute}
	chaosFull  = chaosSize{10_000, 500, 30 * time.Second, 6, 2 * time.Hour}
)

// A fleet to which everything happens that happens to fleets: nothing is lost,
// nothing is told twice, and every capture is sealed and verifies.
// TRAWLMARK_CHAOS=full (`make chaos`) does 10,000 visits and 500 captures in
// Chrome; TRAWLMARK_CHAOS_SEED=n does the same harm again.
func TestFleetLosesNothingWhateverDies(t *testing.T) {
	size := chaosShort
	if os.Getenv("TRAWLMARK_CHAOS") == "full" {
		size = chaosFull
	} else if testing.Short() {
		t.Skip("-short: some minutes of harm to a fleet of ten processes")
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("TRAWLMARK_CHAOS_SEED"); s != "" {
		fmt.Sscan(s, &seed)
	}
	t.Logf("seed %d", seed)
	c := newChaos(t, size, seed)
	c.start()
	harms := c.harms()
	share := len(c.works)/(size.rounds*len(harms)) + 1
	for range size.rounds {
		for _, i := range c.rand.Perm(len(harms)) {
			c.more(share) // or all is done before the last harm
			t.Logf("%s: %s", harms[i].what, fmt.Sprint(c.states()))
			waitFor(t, 5*time.Minute, "the fleet to be at work", func() (bool, string) {
				c.alive()
				s := c.states()
				return s[ledger.Running] >= 8 || s[ledger.Planned]+s[ledger.Dispatched] == 0, fmt.Sprint(s)
			})
			harms[i].do()
			c.progress()
		}
	}
	c.more(len(c.works))
	c.settle(size.most)
	c.checkDrained()
	c.check()
}

// chaos is a fleet, and what was done to it.
type chaos struct {
	*testFleet
	size   chaosSize
	rand   *rand.Rand
	works  []ledger.Work // not yet planned
	ids    []capture.ID
	kills  map[string][]time.Time // by worker
	chrome int                    // browsers killed
}

const chaosWorkers = 5

func newChaos(t *testing.T, size chaosSize, seed uint64) *chaos {
	t.Helper()
	var lanes []lanePlan
	for i := range 10 {
		lanes = append(lanes, lanePlan{fmt.Sprintf("lane%d", i), 100 * time.Millisecond})
	}
	c := &chaos{size: size, rand: rand.New(rand.NewPCG(seed, 1)), kills: map[string][]time.Time{}}
	c.testFleet = newFleet(t, fleetOptions{lanes: lanes, config: "worker: {pools: {http: 4, browser: 1, score: 1}, spool_limit: 1MiB}\n"})
	var works []ledger.Work
	for i, l := range lanes {
		works = append(works, c.visits(l, size.visits/len(lanes))...)
		for n := range size.captures / len(lanes) {
			w := c.visit(l, fmt.Sprintf("%s?chrome=%d", c.plain()[n%len(c.plain())], i*1000+n))
			w.Pool, w.Spec = task.Browser, []byte(`{"render":"always"}`)
			works = append(works, w)
		}
	}
	c.rand.Shuffle(len(works), func(i, j int) { works[i], works[j] = works[j], works[i] })
	c.works = works
	c.more(100)
	return c
}

// more plans some of the work that is left.
func (c *chaos) more(n int) {
	c.t.Helper()
	n = min(n, len(c.works))
	if n > 0 {
		c.ids = append(c.ids, c.add(c.works[:n]...)...)
		c.works = c.works[n:]
	}
}

func (c *chaos) start() {
	c.dispatcher("d1")
	c.dispatcher("d2")
	for i := range chaosWorkers {
		c.startWorker(i)
	}
	// One worker's clock is five minutes slow, another's five minutes fast.
	c.skewed("slow-clock", "-5m")
	c.skewed("fast-clock", "5m")
	c.progress()
}

func (c *chaos) startWorker(i int) {
	pools := "http"
	if i < 2 {
		pools = "http,browser"
	}
	c.worker(workerName(i), pools)
}

func workerName(i int) string { return fmt.Sprintf("w%d", i) }

// skewed is a worker on a machine whose clock is wrong.
func (c *chaos) skewed(name, by string) {
	c.t.Helper()
	exe, err := os.Executable()
	c.must(err)
	bin, env := c.bin, c.env
	c.bin, c.env = exe, append(slices.Clone(env), skewEnv+"="+by)
	c.worker(name, "http")
	c.bin, c.env = bin, env
}

// progress waits until the fleet has ended some visits more, or all.
func (c *chaos) progress() {
	c.t.Helper()
	have := c.ended()
	waitFor(c.t, 5*time.Minute, "the fleet to go on", func() (bool, string) {
		c.alive()
		n := c.ended()
		return n >= min(have+10, len(c.ids)), fmt.Sprint(c.states())
	})
}

func (c *chaos) ended() int {
	n := 0
	for s, k := range c.states() {
		if s.Final() {
			n += k
		}
	}
	return n
}

type harm struct {
	what string
	do   func()
}

func (c *chaos) harms() []harm {
	return []harm{
		{"two workers are killed", func() {
			was := append(c.killWorker(0), c.killWorker(1+c.rand.IntN(chaosWorkers-1))...)
			c.ranAgain(was) // before the next harm, or that would be measured
		}},
		{"a dispatcher is killed", func() {
			d := fmt.Sprintf("d%d", 1+c.rand.IntN(2))
			c.kill(d)
			c.progress() // the other one takes over
			c.dispatcher(d)
		}},
		{"browsers are killed", c.killBrowsers},
		{"Redis forgets everything", func() { c.must(c.rdb.FlushAll(context.Background()).Err()) }},
		{"Redis fails exactly at acknowledgement", func() {
			c.redisProxy.poisoned([]byte("asynq:{http}:processed"))
			time.Sleep(3 * time.Second)
			if c.redisProxy.poisoned(nil) == 0 {
				c.t.Log("no acknowledgement came in that time")
			}
		}},
		{"Redis is away", func() { c.away(c.redisProxy) }},
		{"PostgreSQL is away", func() { c.away(c.pgProxy) }},
		{"S3 is away, and the spools fill up", func() { c.away(c.s3Proxy) }},
		{"everything is slow", func() {
			for _, p := range []*faultProxy{c.redisProxy, c.pgProxy, c.s3Proxy} {
				p.slow(30 * time.Millisecond)
				defer p.slow(0)
			}
			time.Sleep(c.size.outage)
		}},
		{"a worker's disk takes nothing", c.fullDisk},
		{"tickets are doubled, late and early", c.wrongTickets},
	}
}

func (c *chaos) away(p *faultProxy) {
	p.stop()
	time.Sleep(c.size.outage) // the harm is its length
	p.start()
}

// killWorker gives the jobs that ran there.
func (c *chaos) killWorker(i int) (was []ledger.Job) {
	c.t.Helper()
	name := workerName(i)
	running, err := c.ledger.Jobs(context.Background(), ledger.JobFilter{State: ledger.Running, Limit: 500})
	c.must(err)
	c.kill(name)
	for _, j := range running {
		if j.Worker == name {
			was = append(was, j)
		}
	}
	c.kills[name] = append(c.kills[name], time.Now())
	c.startWorker(i)
	return was
}

// ranAgain waits until jobs have moved on from a dead worker.
func (c *chaos) ranAgain(was []ledger.Job) {
	c.t.Helper()
	for _, w := range was {
		waitFor(c.t, 5*time.Minute, "a job to run again", func() (bool, string) {
			j, err := c.ledger.Job(context.Background(), w.ID)
			c.must(err)
			return j.State.Final() || j.Epoch > w.Epoch && j.State == ledger.Running, fmt.Sprintf("%s epoch %d: %s", j.State, j.Epoch, j.Error)
		})
	}
}

// killBrowsers ends every Chrome of the fleet, but not its workers.
func (c *chaos) killBrowsers() {
	for pid, cmd := range c.processes() {
		if strings.Contains(cmd, "chrom") && !strings.Contains(cmd, "--type=") && !strings.HasPrefix(cmd, c.bin) {
			if syscall.Kill(pid, syscall.SIGKILL) == nil {
				c.chrome++
			}
		}
	}
}

// fullDisk is a worker whose spool takes nothing: what it visited it gives
// back, and others do it.
func (c *chaos) fullDisk() {
	spool := filepath.Join(c.dir, "data", "spool", "worker-"+workerName(3))
	c.must(os.Rename(spool, spool+"-away"))
	c.must(os.WriteFile(spool, nil, 0o600)) // nothing can be written below a file
	defer func() {
		c.must(os.Remove(spool))
		c.must(os.Rename(spool+"-away", spool))
	}()
	time.Sleep(3 * time.Second)
}

// wrongTickets sends tickets that nobody should act on: of jobs that are done,
// of epochs that are over, of epochs to come, and each several times.
func (c *chaos) wrongTickets() {
	q := task.NewClient(c.rdb, 0)
	for range 60 {
		id := c.ids[c.rand.IntN(len(c.ids))]
		j, err := c.ledger.Job(context.Background(), id)
		c.must(err)
		for _, epoch := range []int64{j.Epoch, j.Epoch - 1, j.Epoch + 1, j.Epoch} {
			if epoch > 0 {
				c.must(q.Enqueue(context.Background(), task.Ticket{Job: id, Epoch: epoch}, task.HTTP))
			}
		}
	}
}

// processes are the fleet's by pid, with their command lines.
func (f *testFleet) processes() map[int]string {
	f.t.Helper()
	out := map[int]string{}
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	f.must(err)
	for _, path := range found {
		b, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(b, []byte(f.dir)) && !bytes.Contains(b, []byte(f.tmp)) {
			continue
		}
		cmd := string(bytes.ReplaceAll(b, []byte{0}, []byte{' '}))
		if strings.Contains(cmd, "redis-server") || strings.Contains(cmd, hiddenS3) {
			continue // the test's own
		}
		var pid int
		fmt.Sscan(filepath.Base(filepath.Dir(path)), &pid)
		out[pid] = cmd
	}
	return out
}

// checkDrained: asked to stop, everything does, with nothing left on disk and
// nothing left running.
func (c *chaos) checkDrained() {
	c.t.Helper()
	c.terminate(90 * time.Second)
	waitFor(c.t, 2*time.Minute, "the last process to end", func() (bool, string) {
		left := c.processes()
		return len(left) == 0, strings.Join(slices.Collect(maps.Values(left)), "\n")
	})
	left, err := filepath.Glob(filepath.Join(c.dir, "data", "spool", "worker-*", "*"))
	c.must(err)
	// What a failing disk cut short is no capture; the next start sweeps it.
	left = slices.DeleteFunc(left, func(p string) bool { return strings.HasSuffix(p, ".tmp") })
	if len(left) > 0 {
		c.t.Errorf("%d captures are left on disk: %v", len(left), left)
	}
}

// check holds the ledger, the vault, the custody log and the marketplace's own
// log against each other.
func (c *chaos) check() {
	c.t.Helper()
	ctx := context.Background()
	if _, err := c.a.custody.Sweep(ctx, time.Time{}); err != nil {
		c.t.Error(err)
	}
	for range 10 {
		_, err := c.a.notary.Seal(ctx)
		c.must(err)
	}
	t := &tallied{chaos: c}
	for _, id := range c.ids {
		t.job(ctx, id)
	}
	t.accessLog()
	slices.Sort(t.reruns)
	c.t.Logf("%d visits ended once; %d attempts were given back, %d lost; %d requests for %d pages; %d browsers killed",
		len(c.ids), t.released, t.lost, t.requests, len(c.ids), c.chrome)
	if n := len(t.reruns); n > 0 {
		p99 := t.reruns[min(n-1, n*99/100)]
		c.t.Logf("crash to re-run: %d, median %s, p99 %s", n, t.reruns[n/2].Round(time.Millisecond), p99.Round(time.Millisecond))
		if most := 30 * time.Second; c.size == chaosFull && p99 > most {
			c.t.Errorf("crash to re-run takes longer than %s", most)
		}
	}
	report, err := c.a.custody.Monitor(ctx)
	c.must(err)
	if report.Count > 0 || report.Queued > 0 {
		c.t.Errorf("the custody log: %d differences, %d events queued: %+v", report.Count, report.Queued, report.Differences)
	}
}

// tallied is what the oracle saw.
type tallied struct {
	*chaos
	released, lost, requests int
	reruns                   []time.Duration
}

func (t *tallied) job(ctx context.Context, id capture.ID) {
	t.t.Helper()
	j, err := t.ledger.Job(ctx, id)
	t.must(err)
	// Some listings are visited several times under different URLs, and have not
	// changed.
	if j.State != ledger.Done || j.Outcome != capture.Captured && j.Outcome != capture.Partial && j.Outcome != capture.NotModified {
		t.t.Errorf("%s is %s with outcome %q: %s", j.URL, j.State, j.Outcome, j.Error)
		return
	}
	attempts, err := t.ledger.Attempts(ctx, id)
	t.must(err)
	done := 0
	for i, a := range attempts {
		switch a.How {
		case "done":
			done++
		case "released":
			t.released++
		case string(ledger.Lost):
			t.lost++
			if i+1 < len(attempts) {
				t.rerun(a, attempts[i+1])
			}
		}
	}
	if done != 1 {
		t.t.Errorf("%s: %d attempts say done", j.URL, done)
	}
	t.evidence(ctx, j)
}

// rerun notes how long after the death of its worker a job ran again.
func (t *tallied) rerun(lost, next ledger.Attempt) {
	for _, at := range t.kills[lost.Worker] {
		if at.After(lost.Started) && at.Before(next.Started) {
			t.reruns = append(t.reruns, next.Started.Sub(at))
			return
		}
	}
}

// evidence: the capture is in the vault, locked, whole and sealed.
func (t *tallied) evidence(ctx context.Context, j ledger.Job) {
	t.t.Helper()
	m, doc, err := t.a.archive.Manifest(ctx, j.Capture)
	if err != nil {
		t.t.Errorf("%s: %v", j.URL, err)
		return
	}
	if capture.Sum(doc) != j.Manifest {
		t.t.Errorf("%s: the ledger names manifest %s, the vault has %s", j.URL, j.Manifest, capture.Sum(doc))
	}
	for _, a := range m.Artifacts {
		r, _, err := t.a.vault.Get(ctx, a.Key, a.Version)
		if err != nil {
			t.t.Errorf("%s: %s: %v", j.URL, a.Key, err)
			continue
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil || capture.Sum(b) != a.SHA256 {
			t.t.Errorf("%s: %s does not verify: %v", j.URL, a.Key, err)
		}
		info, err := t.a.vault.Stat(ctx, a.Key, a.Version)
		if err != nil || info.RetainUntil.Before(time.Now()) {
			t.t.Errorf("%s: %s is locked until %s: %v", j.URL, a.Key, info.RetainUntil, err)
		}
	}
	s, err := t.a.notary.Sealed(ctx, j.Capture, nil)
	if err != nil || s.Index < 0 || s.Before.IsZero() {
		t.t.Errorf("%s: capture %s is not sealed: %+v, %v", j.URL, j.Capture, s, err)
	}
}

// accessLog: every page was asked for, and only as often as something died.
func (t *tallied) accessLog() {
	t.t.Helper()
	asked := map[string]int{}
	for _, a := range t.market.Where(markettest.PagesOnly) {
		if a.Item != "" {
			asked[a.Host+a.Path]++
			t.requests++
		}
	}
	for _, id := range t.ids {
		j, err := t.ledger.Job(context.Background(), id)
		t.must(err)
		attempts, err := t.ledger.Attempts(context.Background(), id)
		t.must(err)
		n := asked[strings.TrimPrefix(j.URL, "http://")]
		if n == 0 || n > len(attempts)+1 {
			t.t.Errorf("%s was asked for %d times in %d attempts", j.URL, n, len(attempts))
		}
	}
}
