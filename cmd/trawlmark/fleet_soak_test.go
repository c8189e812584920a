package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

// What a soak allows. It takes a while until five percent can be told from what
// a garbage collector does: shorter runs allow coarseGrowth.
const (
	soakGrowth   = 0.05
	soakLatency  = 0.05
	coarseGrowth = 0.3
	finelyFrom   = 20 * time.Minute
)

// A fleet at work for as long as TRAWLMARK_SOAK says (`make soak`: an hour):
// visits do not get slower and processes do not grow by more than 5 %, files and
// browsers do not pile up.
//
// A first part is left out, a quarter but at most ten minutes: heaps grow to the
// size that the garbage collector then keeps, pools of connections fill, each
// listing is seen for the first time (later its ETag is known), and browsers
// come to the age at which they are replaced.
func TestFleetSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("TRAWLMARK_SOAK"))
	if err != nil {
		t.Skip("TRAWLMARK_SOAK says how long, for example 1h; `make soak` does an hour")
	}
	s := newSoak(t, length)
	s.dispatcher("d1")
	s.dispatcher("d2")
	s.worker("w1", "http,browser")
	s.worker("w2", "http")
	machine := newStarvation()
	s.run()
	share := machine.share()
	s.settle(10 * time.Minute)
	for _, state := range []ledger.State{ledger.Failed, ledger.Quarantined} {
		if k := s.states()[state]; k > 0 {
			t.Errorf("%d visits are %s", k, state)
		}
	}
	t.Logf("something waited for a core for %.0f %% of the time", 100*share)
	s.judge(share)
	s.terminate(90 * time.Second)
}

// soak is a fleet at work that is measured.
type soak struct {
	*testFleet
	lanes          []lanePlan
	length, sample time.Duration
	floor          *floor
	n              int
	ids            map[string][]capture.ID // by pool, in the order in which they were planned
	began          time.Time
	samples        []soakSample
}

// soakSample is what was seen at one moment.
type soakSample struct {
	at     time.Duration // since the begin
	rss    map[string]float64
	chrome float64 // MiB, all browsers of the fleet
	fds    float64
	disk   float64
	cpu    time.Duration // of the fleet's own processes so far
	ended  int           // visits so far
	floor  map[string]float64
}

func newSoak(t *testing.T, length time.Duration) *soak {
	s := &soak{length: length, sample: min(length/40, 10*time.Second), ids: map[string][]capture.ID{}}
	for i := range 8 {
		s.lanes = append(s.lanes, lanePlan{fmt.Sprintf("lane%d", i), 500 * time.Millisecond})
	}
	s.testFleet = newFleet(t, fleetOptions{lanes: s.lanes, config: "worker: {pools: {http: 4, browser: 1, score: 1}}\n"})
	s.floor = newFloor(s.testFleet)
	return s
}

// run keeps the lanes busy and takes a sample now and then.
func (s *soak) run() {
	s.began = time.Now()
	tick := time.NewTicker(s.sample)
	defer tick.Stop()
	told := s.began
	for time.Since(s.began) < s.length {
		s.feed()
		<-tick.C
		s.alive()
		s.samples = append(s.samples, s.look())
		if time.Since(told) > 5*time.Minute {
			told = time.Now()
			s.t.Logf("after %s: %v", time.Since(s.began).Round(time.Second), s.states())
		}
	}
}

// feed plans as much as the lanes may be asked for in two samples. Of forty-one
// visits one is made by Chrome: less than one browser can do, so that nothing
// queues up.
func (s *soak) feed() {
	each := int(2*s.sample/s.lanes[0].delay) + 1
	if s.states()[ledger.Planned] > len(s.lanes)*each/2 {
		return
	}
	for i, l := range s.lanes {
		works := s.visits(l, each)
		for i := range works {
			s.n++
			works[i].URL += fmt.Sprintf("&round=%d", s.n)
		}
		s.ids[task.HTTP] = append(s.ids[task.HTTP], s.add(works...)...)
		if (s.n/each+i)%(41/each+1) == 0 {
			w := s.visit(l, fmt.Sprintf("%s?chrome=%d", s.plain()[s.n%len(s.plain())], s.n))
			w.Pool, w.Spec = task.Browser, []byte(`{"render":"always"}`)
			s.ids[task.Browser] = append(s.ids[task.Browser], s.add(w)...)
		}
	}
}

// look takes a sample.
func (s *soak) look() soakSample {
	x := soakSample{at: time.Since(s.began), rss: map[string]float64{}, floor: map[string]float64{}}
	s.mu.Lock()
	for name, p := range s.procs {
		x.rss[name] = rssOf(p.Process.Pid)
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.Process.Pid))
		x.fds += float64(len(fds))
		x.cpu += cpuOf(p.Process.Pid)
	}
	s.mu.Unlock()
	for pid, cmd := range s.processes() {
		if !strings.HasPrefix(cmd, s.bin) {
			x.chrome += rssOf(pid)
		}
	}
	for _, dir := range []string{s.tmp, filepath.Join(s.dir, "data", "spool"), filepath.Join(s.dir, "data", "tmp")} {
		_ = filepath.WalkDir(dir, func(string, os.DirEntry, error) error { x.disk++; return nil }) // files come and go
	}
	for state, n := range s.states() {
		if state.Final() {
			x.ended += n
		}
	}
	var visits []float64
	for range 5 {
		visits = append(visits, s.floor.visit().Seconds())
	}
	x.floor[task.HTTP] = median(visits)
	x.floor[task.Browser] = s.floor.capture().Seconds()
	return x
}

// rssOf is a process's resident memory in MiB; 0 when it has ended.
func rssOf(pid int) float64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kib float64
	fmt.Sscan(rest, &kib)
	return kib / 1024
}

// cpuOf is the processor time a process has used itself, as proc(5) has it.
func cpuOf(pid int) time.Duration {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 on Linux
}

// judge prints what was measured, and compares the first third after the warm-up
// with the last. share is how much of the time something waited for a core.
func (s *soak) judge(share float64) {
	s.t.Helper()
	warm := slices.IndexFunc(s.samples, func(x soakSample) bool { return x.at > min(s.length/4, 10*time.Minute) })
	if warm < 0 {
		s.t.Fatal("too short for a measurement")
	}
	kept := s.samples[warm:]
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "after %s\tfirst third\tlast third\tdrift\n", s.samples[warm].at.Round(time.Second))
	s.latency(table, kept, share)
	s.memory(table, kept)
	s.pile(table, "open files", kept, func(x soakSample) float64 { return x.fds }, 1.3, 50)
	s.pile(table, "files on disk", kept, func(x soakSample) float64 { return x.disk }, 2, 100)
	s.row(table, "processor time per visit, ms", perVisit(kept))
	s.row(table, "browsers, MiB", series(kept, func(x soakSample) float64 { return x.chrome }))
	s.must(table.Flush())
	s.t.Logf("%s measured in %d samples of %s\n%s", kept[len(kept)-1].at-kept[0].at, len(kept), s.sample, out.String())
}

func series(kept []soakSample, f func(soakSample) float64) (out []float64) {
	for _, x := range kept {
		out = append(out, f(x))
	}
	return out
}

func perVisit(kept []soakSample) (out []float64) {
	for i := 1; i < len(kept); i++ {
		v := math.NaN()
		if n := kept[i].ended - kept[i-1].ended; n > 0 {
			v = (kept[i].cpu - kept[i-1].cpu).Seconds() * 1000 / float64(n)
		}
		out = append(out, v)
	}
	return out
}

// row prints a drift that is not judged.
func (s *soak) row(w *tabwriter.Writer, what string, of []float64) (d drift, ok bool) {
	d, ok = driftOf(of)
	if !ok {
		fmt.Fprintf(w, "%s\ttoo few\ttoo few\n", what)
		return d, false
	}
	fmt.Fprintf(w, "%s\t%.4g\t%.4g\t%s\n", what, d.first, d.last, d)
	return d, true
}

// latency: how long visits take, as a ratio to what the floor took in the same
// moments.
func (s *soak) latency(w *tabwriter.Writer, kept []soakSample, share float64) {
	s.t.Helper()
	for _, pool := range []string{task.HTTP, task.Browser} {
		took := s.took(pool, kept)
		ratio := slices.Clone(took)
		for i := range ratio {
			ratio[i] /= kept[i].floor[pool]
		}
		ms := func(s float64) float64 { return 1000 * s }
		s.row(w, "visits by "+pool+", ms", mapped(took, ms))
		s.row(w, "floor of "+pool+", ms", mapped(series(kept, func(x soakSample) float64 { return x.floor[pool] }), ms))
		d, ok := s.row(w, "ratio of "+pool, ratio)
		switch {
		case !ok:
			s.t.Logf("NOT JUDGED: too few visits by %s to tell whether they get slower", pool)
		case d.beyond(soakLatency) && share > starvedFrom:
			s.t.Logf("NOT JUDGED: the machine was too busy to tell whether visits by %s get slower: %s", pool, d)
		case d.beyond(soakLatency):
			s.t.Errorf("visits by %s get slower beside their floor: %s", pool, d)
		case d.unsure(soakLatency):
			s.t.Logf("visits by %s may get slower by more than %.0f %%, or not: %s; a longer or quieter run tells", pool, 100*soakLatency, d)
		}
	}
}

func mapped(s []float64, f func(float64) float64) (out []float64) {
	for _, v := range s {
		out = append(out, f(v))
	}
	return out
}

// took is the median time in seconds of the visits of a pool that ended before
// each sample and after the one before; NaN where none did. Of many visits some
// are looked at, evenly spread.
func (s *soak) took(pool string, kept []soakSample) []float64 {
	s.t.Helper()
	const most = 6000
	ids := s.ids[pool]
	in := make([][]float64, len(kept))
	for i := 0; i < len(ids); i += (len(ids) + most - 1) / most {
		attempts, err := s.ledger.Attempts(s.t.Context(), ids[i])
		s.must(err)
		for _, a := range attempts {
			at := slices.IndexFunc(kept, func(x soakSample) bool { return x.at >= a.Ended.Sub(s.began) })
			if a.How == "done" && at >= 0 && a.Ended.Sub(s.began) > kept[0].at-s.sample {
				in[at] = append(in[at], a.Ended.Sub(a.Started).Seconds())
			}
		}
	}
	out := make([]float64, len(kept))
	for i := range out {
		if out[i] = math.NaN(); len(in[i]) > 0 {
			out[i] = median(in[i])
		}
	}
	return out
}

// memory: no process grows, and all of them together do not. A small one may
// grow by 4 MiB.
func (s *soak) memory(w *tabwriter.Writer, kept []soakSample) {
	s.t.Helper()
	all := map[string][]float64{}
	for _, x := range kept {
		sum := 0.0
		for name, mib := range x.rss {
			all[name] = append(all[name], mib)
			sum += mib
		}
		all["all"] = append(all["all"], sum)
	}
	most := soakGrowth
	if s.length < finelyFrom {
		most = coarseGrowth
	}
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range all {
			if !yield(name) {
				return
			}
		}
	})
	for _, name := range names {
		n := len(all[name]) / 3
		if n == 0 {
			continue
		}
		first, last := median(slices.Clone(all[name][:n])), median(slices.Clone(all[name][len(all[name])-n:]))
		grown := growth(all[name])
		fmt.Fprintf(w, "resident memory of %s, MiB\t%.1f\t%.1f\t%+.1f %% by the line\n", name, first, last, 100*grown)
		if grown > most && (name == "all" || grown*first > 4) {
			s.t.Errorf("the resident memory of %s grows by %.1f %%, from %.1f to %.1f MiB; %.0f %% are allowed", name, 100*grown, first, last, 100*most)
		}
	}
}

// pile: what piles up is no drift, it is a leak.
func (s *soak) pile(w *tabwriter.Writer, what string, kept []soakSample, f func(soakSample) float64, times, more float64) {
	s.t.Helper()
	n := max(1, len(kept)/3)
	first, last := median(series(kept[:n], f)), median(series(kept[len(kept)-n:], f))
	fmt.Fprintf(w, "%s\t%.0f\t%.0f\n", what, first, last)
	if last > first*times+more {
		s.t.Errorf("%s pile up: from %.0f to %.0f", what, first, last)
	}
}
