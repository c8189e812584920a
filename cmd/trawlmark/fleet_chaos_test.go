package main

import (
	"bytes"
	"context"
	"fmt"
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
			waitFor(t, chaosPatience, "the fleet to be at work", func() (bool, string) {
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

// chaosPatience is for a machine that stands still for minutes.
const chaosPatience = 15 * time.Minute

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
	waitFor(c.t, chaosPatience, "the fleet to go on", func() (bool, string) {
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

// ranAgain waits until jobs have moved on from a dead worker: each has ended, or
// somebody had it again.
func (c *chaos) ranAgain(was []ledger.Job) {
	c.t.Helper()
	for _, w := range was {
		waitFor(c.t, chaosPatience, "a job to run again", func() (bool, string) {
			c.alive()
			j, err := c.ledger.Job(context.Background(), w.ID)
			c.must(err)
			if j.State.Final() || j.Epoch > w.Epoch && j.State == ledger.Running {
				return true, ""
			}
			attempts, err := c.ledger.Attempts(context.Background(), w.ID)
			c.must(err)
			again := slices.ContainsFunc(attempts, func(a ledger.Attempt) bool { return a.Epoch > w.Epoch })
			return again, fmt.Sprintf("%s epoch %d: %s", j.State, j.Epoch, j.Error)
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
