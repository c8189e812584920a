package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// buildBinary builds the real program once for the tests that kill it.
func buildBinary(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "trawlmark")
	out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// process is a started program whose output is kept.
type process struct {
	*exec.Cmd
	out    syncBuffer
	done   chan error
	killed atomic.Bool // by the test
}

func startProcess(t *testing.T, bin string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(bin, args...), done: make(chan error, 1)}
	p.Stdout, p.Stderr = &p.out, &p.out
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.Wait() }()
	t.Cleanup(func() { p.Process.Kill() })
	return p
}

func (p *process) wait(t *testing.T, most time.Duration) error {
	t.Helper()
	select {
	case err := <-p.done:
		p.done <- err
		return err
	case <-time.After(most):
		t.Fatalf("it did not end within %s:\n%s", most, p.out.String())
		return nil
	}
}

// The demo as a newcomer runs it, killed in the middle, and run again: every
// visit has one outcome, everything suspicious is found, nothing is left
// running. Then once more, for the next day of the marketplace.
func TestDemoKilledInTheMiddleIsTakenUpWhereItStopped(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: three runs of the demo take minutes")
	}
	bin := buildBinary(t)
	dir := filepath.Join(t.TempDir(), "demo")

	p := startProcess(t, bin, "demo", "--once", "--dir", dir)
	waitFor(t, 12*time.Minute, "a third of the crawl", func() (bool, string) {
		select {
		case err := <-p.done:
			t.Fatalf("the demo ended before it was killed: %v\n%s", err, p.out.String())
		default:
		}
		return doneJobs(p.out.String()) >= 25, p.out.String()
	})
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.wait(t, 5*time.Minute)

	second := startProcess(t, bin, "demo", "--once", "--dir", dir)
	if err := second.wait(t, 12*time.Minute); err != nil {
		t.Fatalf("the second run: %v\n%s", err, second.out.String())
	}
	if !strings.Contains(second.out.String(), "taking up the crawl that was interrupted") {
		t.Errorf("the second run did not take up the first:\n%s", second.out.String())
	}
	t.Logf("the run that took up the killed one:\n%s", second.out.String())
	checkDemo(t, dir, 1)

	third := startProcess(t, bin, "demo", "--once", "--dir", dir)
	if err := third.wait(t, 12*time.Minute); err != nil {
		t.Fatalf("the third run: %v\n%s", err, third.out.String())
	}
	checkDemo(t, dir, 2)
	checkNothingRuns(t, dir)
}

// doneJobs reads the newest "N jobs done" of the progress.
func doneJobs(out string) int {
	i := strings.LastIndex(out, " jobs done")
	if i < 0 {
		return 0
	}
	var n int
	fields := strings.Fields(out[:i])
	fmt.Sscan(fields[len(fields)-1], &n)
	return n
}

// checkDemo opens what the demo left and holds it against the truth about the
// marketplace.
func checkDemo(t *testing.T, dir string, fires int) {
	t.Helper()
	a := testApp(t, nil)
	a.cfg.DataDir = dir
	l, err := a.openLedger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w, err := l.WatchNamed(t.Context(), demoWatch)
	if err != nil {
		t.Fatal(err)
	}
	all, err := l.Fires(t.Context(), w.ID, 10)
	if err != nil || len(all) != fires {
		t.Fatalf("%d fires, want %d; %v", len(all), fires, err)
	}
	for _, f := range all {
		if f.Open != 0 {
			t.Errorf("fire %s: %d of %d jobs are open", f.At, f.Open, f.Jobs)
		}
	}
	checkOneOutcomeEach(t, a, l, w)
	if fires == 1 {
		checkFindings(t, l, w)
	}
	if err := a.close(); err != nil {
		t.Error(err)
	}
}

// checkOneOutcomeEach: every visit has ended once, with a capture that is
// whole in the store.
func checkOneOutcomeEach(t *testing.T, a *app, l *ledger.Ledger, w ledger.Watch) {
	t.Helper()
	if _, err := a.openArchive(t.Context(), commandSpace("check")); err != nil {
		t.Fatal(err)
	}
	var before capture.ID
	visits := 0
	for {
		jobs, err := l.Jobs(t.Context(), ledger.JobFilter{Watch: w.ID, Limit: 500, Before: before})
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			before = j.ID
			if !j.State.Final() || j.State == ledger.Quarantined {
				t.Errorf("job %s (%s %s) is %s: %s", j.ID, j.Kind, j.URL, j.State, j.Error)
			}
			if j.Kind != ledger.Visit {
				continue
			}
			visits++
			attempts, err := l.Attempts(t.Context(), j.ID)
			if err != nil {
				t.Fatal(err)
			}
			done := 0
			for _, x := range attempts {
				if x.How == "done" {
					done++
				}
			}
			if j.State == ledger.Done && done != 1 {
				t.Errorf("%s: %d attempts say done", j.URL, done)
			}
			if !j.Outcome.Valid() {
				t.Errorf("%s has no outcome", j.URL)
			}
			checkStored(t, a, j)
		}
		if len(jobs) < 500 {
			break
		}
	}
	if visits < 60 {
		t.Errorf("only %d visits", visits)
	}
}

func checkStored(t *testing.T, a *app, j ledger.Job) {
	t.Helper()
	e, err := a.catalog.Get(t.Context(), j.Capture)
	if err != nil {
		t.Errorf("%s: %v", j.URL, err)
		return
	}
	info, err := a.vault.Stat(t.Context(), e.ManifestKey, e.ManifestVersion)
	if err != nil || info.RetainUntil.Before(time.Now()) {
		t.Errorf("%s: manifest %s is locked until %v, %v", j.URL, e.ManifestKey, info.RetainUntil, err)
	}
}

// checkFindings: what is suspicious was found with a screenshot, and nothing
// honest was.
func checkFindings(t *testing.T, l *ledger.Ledger, w ledger.Watch) {
	t.Helper()
	m := markettest.New(markettest.Config{})
	defer m.Close()
	page, err := l.Findings(t.Context(), ledger.FindingFilter{Watch: w.ID, Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range page.Findings {
		found[f.Listing.ItemID] = true
		if x, ok := m.Listing(f.Listing.ItemID); ok && x.Expect.Label != markettest.Counterfeit {
			t.Errorf("%q is %s, and is a finding with score %.2f", x.Title, x.Expect.Label, f.Score)
		}
	}
	missed, suspicious := 0, 0
	for _, x := range m.Listings() {
		if x.Expect.Suspicious && x.Expect.Outcome == string(capture.Captured) && x.Fault == "" {
			suspicious++
			if !found[x.ID] {
				missed++
				t.Logf("missed: %s %q %s %s", x.Key, x.Title, x.Price, x.Currency)
			}
		}
	}
	if missed*10 > suspicious {
		t.Errorf("%d of %d suspicious listings were not found", missed, suspicious)
	}
}

// checkNothingRuns looks for processes that mention the demo's folder: one that
// was killed may need a moment to be gone.
func checkNothingRuns(t *testing.T, dir string) {
	t.Helper()
	waitFor(t, time.Minute, "what the demo started to end", func() (bool, string) {
		procs, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range procs {
			b, err := os.ReadFile(p)
			if err == nil && bytes.Contains(b, []byte(dir)) {
				return false, "still running: " + string(bytes.ReplaceAll(b, []byte{0}, []byte{' '}))
			}
		}
		return true, ""
	})
}

// The capture command against the demo marketplace, as a person uses it.
func TestCaptureKeepsThePageAndItsPrice(t *testing.T) {
	srv, err := markettest.Start(markettest.Config{CrawlDelay: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	var page markettest.Listing
	for _, l := range srv.Listings() {
		if l.Page == markettest.Script && l.Fault == "" && l.Lang == "en" {
			page = l
		}
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "trawlmark.yaml")
	text := fmt.Sprintf("data_dir: %s\negress:\n  override:\n    market.demo.test: %s\n    cdn.demo.test: %s\n", filepath.Join(dir, "data"), srv.Addr, srv.Addr)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs syncBuffer
	code := run(t.Context(), []string{"capture", "--json", "--config", config, "-o", filepath.Join(dir, "out"), "http://market.demo.test" + page.Path},
		streams{in: strings.NewReader(""), out: &out, err: &errs, getenv: os.Getenv})
	if code != exitOK {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), errs.String())
	}
	var got []taken
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil || len(got) != 1 {
		t.Fatalf("%v\n%s", err, out.String())
	}
	c := got[0]
	if c.Outcome != capture.Captured || !strings.HasPrefix(c.Price, strings.TrimRight(strings.TrimRight(page.Price, "0"), ".")) || c.Seller != page.Shop.Name {
		t.Errorf("outcome %s, price %q, seller %q; want captured, %s, %s", c.Outcome, c.Price, c.Seller, page.Price, page.Shop.Name)
	}
	for _, name := range []string{"viewport.png", "fullpage.png", "dom.html", "page.html", "capture.warc.gz", "manifest.json"} {
		if fi, err := os.Stat(filepath.Join(c.Folder, name)); err != nil || fi.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	dom, err := os.ReadFile(filepath.Join(c.Folder, "dom.html"))
	if err != nil || !bytes.Contains(dom, []byte(page.Shop.Name)) {
		t.Errorf("the DOM does not show the seller %q; %v", page.Shop.Name, err)
	}
}
