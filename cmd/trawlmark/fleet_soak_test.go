package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

// A fleet at work for as long as TRAWLMARK_SOAK says (`make soak`: an hour):
// processes do not grow, files and browsers do not pile up, nothing waits that
// could be done.
func TestFleetSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("TRAWLMARK_SOAK"))
	if err != nil {
		t.Skip("TRAWLMARK_SOAK says how long, for example 1h; `make soak` does an hour")
	}
	var lanes []lanePlan
	for i := range 8 {
		lanes = append(lanes, lanePlan{fmt.Sprintf("lane%d", i), 250 * time.Millisecond})
	}
	f := newFleet(t, fleetOptions{lanes: lanes, config: "worker: {pools: {http: 4, browser: 1, score: 1}}\n"})
	f.dispatcher("d1")
	f.dispatcher("d2")
	f.worker("w1", "http,browser")
	f.worker("w2", "http")
	n := 0
	var early, late weight
	began := time.Now()
	for round := 0; time.Since(began) < length; round++ {
		if open := f.states()[ledger.Planned]; open < 200 {
			for _, l := range lanes {
				works := f.visits(l, 20)
				for i := range works {
					n++
					works[i].URL += fmt.Sprintf("&round=%d", n)
				}
				w := f.visit(l, fmt.Sprintf("%s?chrome=%d", f.plain()[n%len(f.plain())], n))
				w.Pool, w.Spec = task.Browser, []byte(`{"render":"always"}`)
				f.add(append(works, w)...)
			}
		}
		time.Sleep(min(length/40, 10*time.Second)) // one sample
		f.alive()
		// The first fifth is for caches and pools to fill.
		switch at := time.Since(began); {
		case at > length/5 && at < length/2:
			early.add(f)
		case at > length/2:
			late.add(f)
		}
	}
	t.Logf("%v; early %s, late %s", f.states(), early, late)
	for _, s := range []ledger.State{ledger.Failed, ledger.Quarantined} {
		if k := f.states()[s]; k > 0 {
			t.Errorf("%d visits are %s", k, s)
		}
	}
	if early.n == 0 || late.n == 0 {
		t.Fatal("too short for a measurement")
	}
	if late.memory()*10 > early.memory()*13 || late.files()*10 > early.files()*13+50 {
		t.Errorf("the fleet grows: early %s, late %s", early, late)
	}
	if late.disk()*10 > early.disk()*20+100 {
		t.Errorf("files pile up on disk: early %s, late %s", early, late)
	}
	f.settle(5 * time.Minute)
	f.terminate(90 * time.Second)
}

// weight is what a fleet's own processes (not its browsers) weigh, summed over
// samples.
type weight struct{ n, kib, fds, tmp int }

func (w *weight) add(f *testFleet) {
	w.n++
	for pid, cmd := range f.processes() {
		if !strings.HasPrefix(cmd, f.bin) {
			continue
		}
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // it may have ended
		_, rest, _ := strings.Cut(string(status), "VmRSS:")
		var kib int
		fmt.Sscan(rest, &kib)
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		w.kib += kib
		w.fds += len(fds)
	}
	for _, dir := range []string{f.tmp, filepath.Join(f.dir, "data", "spool"), filepath.Join(f.dir, "data", "tmp")} {
		_ = filepath.WalkDir(dir, func(string, os.DirEntry, error) error { w.tmp++; return nil }) // files come and go
	}
}

func (w weight) memory() int { return w.kib / max(w.n, 1) }
func (w weight) files() int  { return w.fds / max(w.n, 1) }
func (w weight) disk() int   { return w.tmp / max(w.n, 1) }

func (w weight) String() string {
	return fmt.Sprintf("%d MiB, %d open files, %d on disk", w.memory()>>10, w.files(), w.disk())
}
