package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

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
	began := time.Now()
	t.visits(ctx)
	c.t.Logf("looked at the evidence of %d visits in %s: %d objects of %d MiB read, each once; %d seals",
		len(c.ids), time.Since(began).Round(time.Second), t.objects.n.Load(), t.objects.bytes.Load()>>20, len(c.ids))
	began = time.Now()
	t.strays(ctx)
	c.t.Logf("looked for strays in %s", time.Since(began).Round(time.Second))
	t.accessLog()
	slices.Sort(t.reruns)
	c.t.Logf("%d visits ended once; %d attempts were given back, %d lost; %d requests for %d pages; %d browsers killed",
		len(c.ids), t.released, t.lost, t.requests, len(c.ids), c.chrome)
	if n := len(t.reruns); n > 0 {
		p99 := t.reruns[min(n-1, n*99/100)]
		c.t.Logf("crash to re-run: %d, median %s, p99 %s, worst %s", n,
			t.reruns[n/2].Round(time.Millisecond), p99.Round(time.Millisecond), t.reruns[n-1].Round(time.Millisecond))
		if c.size == chaosFull && p99 > mostRerun {
			c.t.Errorf("crash to re-run takes longer than %s", mostRerun)
		}
	}
	report, err := c.a.custody.Monitor(ctx)
	c.must(err)
	if report.Count > 0 || report.Queued > 0 {
		c.t.Errorf("the custody log: %d differences, %d events queued: %+v", report.Count, report.Queued, report.Differences)
	}
}

// mostRerun is how long after a crash a job runs again, at p99.
const mostRerun = 30 * time.Second

// tallied is what the oracle saw.
type tallied struct {
	*chaos
	objects onceRead

	mu                       sync.Mutex // for what follows
	released, lost, requests int
	reruns                   []time.Duration
	jobs                     map[capture.ID]ledger.Job // by capture
	tries                    map[string]int            // attempts by URL
}

// visits looks at every visit, several at once: most of the time goes into
// waiting for the storage. Neighbours share a checkpoint, whose stamps are
// checked once for both.
func (t *tallied) visits(ctx context.Context) {
	t.t.Helper()
	t.jobs, t.tries = map[capture.ID]ledger.Job{}, map[string]int{}
	var done atomic.Int64
	began := time.Now()
	var work errgroup.Group
	work.SetLimit(4 * runtime.GOMAXPROCS(0))
	for _, id := range t.ids {
		work.Go(func() error {
			if err := t.job(ctx, id); err != nil {
				return fmt.Errorf("visit %s: %w", id, err)
			}
			if n := done.Add(1); n%1000 == 0 {
				t.t.Logf("looked at %d of %d visits in %s", n, len(t.ids), time.Since(began).Round(time.Second))
			}
			return nil
		})
	}
	t.must(work.Wait())
}

// job gives an error when it could not look.
func (t *tallied) job(ctx context.Context, id capture.ID) error {
	j, err := t.ledger.Job(ctx, id)
	if err != nil {
		return err
	}
	attempts, err := t.ledger.Attempts(ctx, id)
	if err != nil {
		return err
	}
	t.attempts(j, attempts)
	// Some listings are visited several times under different URLs, and have not
	// changed.
	if j.State != ledger.Done || j.Outcome != capture.Captured && j.Outcome != capture.Partial && j.Outcome != capture.NotModified {
		t.t.Errorf("%s is %s with outcome %q: %s", j.URL, j.State, j.Outcome, j.Error)
		return nil
	}
	return t.evidence(ctx, j)
}

// attempts: just one of them did it.
func (t *tallied) attempts(j ledger.Job, attempts []ledger.Attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tries[j.URL] += len(attempts)
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
				t.rerun(j, a, attempts[i+1])
			}
		}
	}
	if done != 1 {
		t.t.Errorf("%s: %d attempts say done", j.URL, done)
	}
	if other, ok := t.jobs[j.Capture]; ok {
		t.t.Errorf("%s and %s name one capture: %s", j.URL, other.URL, j.Capture)
	}
	t.jobs[j.Capture] = j
}

// rerun notes how long after the death of its worker a job ran again, and tells
// of one that took longer than is promised.
func (t *tallied) rerun(j ledger.Job, lost, next ledger.Attempt) {
	for _, at := range t.kills[lost.Worker] {
		if at.After(lost.Started) && at.Before(next.Started) {
			took := next.Started.Sub(at)
			t.reruns = append(t.reruns, took)
			if took > mostRerun {
				t.t.Logf("%s (%s, lane %s): %s was killed at %s, the job was put back %s later as epoch %d, and %s had it %s after that as epoch %d: %s",
					j.URL, j.Pool, j.Lane, lost.Worker, at.UTC().Format(time.TimeOnly), lost.Ended.Sub(at), lost.Epoch, next.Worker, next.Started.Sub(lost.Ended), next.Epoch, next.How)
			}
			return
		}
	}
}

// evidence: the capture is in the vault, locked, whole and sealed.
func (t *tallied) evidence(ctx context.Context, j ledger.Job) error {
	m, doc, err := t.a.archive.Manifest(ctx, j.Capture)
	if err != nil {
		t.t.Errorf("%s: %v", j.URL, err)
		return nil
	}
	if capture.Sum(doc) != j.Manifest {
		t.t.Errorf("%s: the ledger names manifest %s, the vault has %s", j.URL, j.Manifest, capture.Sum(doc))
	}
	for _, a := range m.Artifacts {
		if err := t.objects.check(ctx, t.a, a); err != nil {
			t.t.Errorf("%s: %s: %v", j.URL, a.Key, err)
		}
	}
	s, err := t.a.notary.Sealed(ctx, j.Capture, nil)
	if err != nil || s.Index < 0 || s.Before.IsZero() {
		t.t.Errorf("%s: capture %s is not sealed: %+v, %v", j.URL, j.Capture, s, err)
	}
	return nil
}

// onceRead reads each object once, however many captures it belongs to.
type onceRead struct {
	seen     sync.Map // what checks it, by key and version
	n, bytes atomic.Int64
}

// check: the object's bytes are those of the manifest, and they are locked.
func (o *onceRead) check(ctx context.Context, a *app, art manifest.Artifact) error {
	f, _ := o.seen.LoadOrStore([2]string{art.Key, art.Version}, sync.OnceValues(func() (capture.Digest, error) {
		r, _, err := a.vault.Get(ctx, art.Key, art.Version)
		if err != nil {
			return capture.Digest{}, err
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			return capture.Digest{}, err
		}
		o.n.Add(1)
		o.bytes.Add(int64(len(b)))
		info, err := a.vault.Stat(ctx, art.Key, art.Version)
		if err == nil && info.RetainUntil.Before(time.Now()) {
			err = fmt.Errorf("it is locked until %s", info.RetainUntil)
		}
		return capture.Sum(b), err
	}))
	sum, err := f.(func() (capture.Digest, error))()
	if err == nil && sum != art.SHA256 {
		err = fmt.Errorf("its SHA-256 is %s, the manifest says %s", sum, art.SHA256)
	}
	return err
}

// strays: nothing is in the vault, the catalogue or the log that the others do
// not know, and every capture belongs to a visit. What an attempt saw before
// its worker died may be kept beside what the visit's last attempt saw.
func (t *tallied) strays(ctx context.Context) {
	t.t.Helper()
	var told time.Time
	report, err := t.a.archive.Audit(ctx, t.a.custody, archive.AuditOptions{
		Grace: time.Nanosecond, // nobody stores any more
		Found: func(d archive.Difference) { t.t.Errorf("audit: %+v", d) },
		Progress: func(at archive.Position, r archive.AuditReport) {
			if time.Since(told) > 10*time.Second {
				told = time.Now()
				t.t.Logf("audit: %s, %d captures, %d objects", at.Phase, r.Captures, r.Objects)
			}
		},
	})
	t.must(err)
	known := map[string]bool{}
	for _, id := range t.ids {
		known[id.String()] = true
	}
	beside := map[capture.Outcome]int{}
	for q := (catalog.Query{Limit: 500}); ; {
		page, err := t.a.catalog.Search(ctx, q)
		t.must(err)
		for _, e := range page.Entries {
			if !known[e.Job] {
				t.t.Errorf("capture %s of %s belongs to no visit: job %q", e.ID, e.URL, e.Job)
			} else if _, named := t.jobs[e.ID]; !named {
				beside[e.Outcome]++
			}
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	t.t.Logf("audit: %d captures, %d objects, %d log entries, %d differences; captures beside the one that ended the visit: %v",
		report.Captures, report.Objects, report.LogEntries, report.Differences, beside)
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
	for url, tries := range t.tries {
		n := asked[strings.TrimPrefix(url, "http://")]
		if n == 0 || n > tries+1 {
			t.t.Errorf("%s was asked for %d times in %d attempts", url, n, tries)
		}
	}
}
