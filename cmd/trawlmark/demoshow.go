package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// follow shows how far the crawl is until every job has ended: one line that
// renews itself on a terminal, plain lines otherwise.
func (d *demo) follow(ctx context.Context, ended <-chan error) error {
	live := isTerminal(d.out)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	var last string
	var told time.Time
	for {
		p, err := d.progress(ctx)
		if err != nil {
			return err
		}
		switch line := p.line(time.Since(d.began)); {
		case live:
			fmt.Fprintf(d.out, "\r\x1b[K%s", shorten("  "+line, columns(d.out)))
		case p.key() != last && (time.Since(told) > 2*time.Second || p.open == 0):
			fmt.Fprintf(d.out, "  %s\n", line)
			last, told = p.key(), time.Now()
		}
		if p.open == 0 && p.done > 0 {
			if live {
				fmt.Fprintln(d.out)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			return errors.Join(errors.New("trawlmark stopped before the crawl was done; demo.log says why"), err)
		case <-tick.C:
		}
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// columns is the width of a terminal, less one so that a line never wraps.
func columns(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 20 {
			return n - 1
		}
	}
	return 79
}

// progress is how far a crawl is.
type progress struct {
	open, done, waiting, running int
	findings                     int
	outcomes                     map[capture.Outcome]int
}

func (d *demo) progress(ctx context.Context) (progress, error) {
	var p progress
	counts, err := d.a.ledger.Counts(ctx, d.watch.ID)
	if err != nil {
		return p, err
	}
	for _, states := range counts {
		for s, n := range states {
			switch {
			case s.Final():
				p.done += n
			case s == ledger.Running:
				p.running += n
				p.open += n
			default:
				p.waiting += n
				p.open += n
			}
		}
	}
	found, err := d.a.ledger.FindingCounts(ctx, d.watch.ID)
	if err != nil {
		return p, err
	}
	for _, n := range found {
		p.findings += n
	}
	p.outcomes, err = d.a.ledger.OutcomeCounts(ctx, d.watch.ID)
	return p, err
}

func (p progress) key() string { return fmt.Sprint(p.done, p.open, p.findings) }

func (p progress) line(took time.Duration) string {
	return fmt.Sprintf("%3.0f s   %d jobs done, %d running, %d waiting   %d findings   %s",
		took.Seconds(), p.done, p.running, p.waiting, p.findings, outcomesLine(p.outcomes))
}

func outcomesLine(m map[capture.Outcome]int) string {
	var parts []string
	for o, n := range m {
		parts = append(parts, fmt.Sprintf("%s %d", o, n))
	}
	sort.Strings(parts)
	return strings.Join(parts, ", ")
}

// report prints what was found and where it lies.
func (d *demo) report(ctx context.Context) error {
	page, err := d.a.ledger.Findings(ctx, ledger.FindingFilter{Watch: d.watch.ID, Limit: 100})
	if err != nil {
		return err
	}
	w := d.out
	fmt.Fprintf(w, "\nFindings (%d), the highest score first; %s\n\n", len(page.Findings), "a score is a lead, not a verdict")
	printFindings(w, page.Findings)
	if err := d.reportOutcomes(ctx); err != nil {
		return err
	}
	if len(page.Findings) == 0 {
		return errors.New("the demo found nothing suspicious, which is wrong; demo.log may say why")
	}
	if err := d.reportEvidence(ctx, page.Findings[0]); err != nil {
		return err
	}
	look, err := d.writeLook(ctx, page.Findings)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\nLook at it:  %s\n", look)
	return nil
}

func (d *demo) reportOutcomes(ctx context.Context) error {
	counts, err := d.a.catalog.Counts(ctx)
	if err != nil {
		return err
	}
	t := newTable("outcome", "captures>", "size>", "what it means")
	sum, size := int64(0), int64(0)
	by := map[capture.Outcome]catalog.Count{}
	for _, c := range counts {
		x := by[c.Outcome]
		x.Outcome, x.N, x.Bytes = c.Outcome, x.N+c.N, x.Bytes+c.Bytes
		by[c.Outcome] = x
		sum, size = sum+c.N, size+c.Bytes
	}
	var order []catalog.Count
	for _, c := range by {
		order = append(order, c)
	}
	sort.Slice(order, func(i, j int) bool {
		return order[i].N > order[j].N || order[i].N == order[j].N && order[i].Outcome < order[j].Outcome
	})
	for _, c := range order {
		t.add(string(c.Outcome), fmt.Sprint(c.N), bytesText(c.Bytes), c.Outcome.Sentence())
	}
	fmt.Fprintf(d.out, "\nHow %d visits ended (all runs; each one is archived, %s)\n\n", sum, bytesText(size))
	t.print(d.out)
	return nil
}

func (d *demo) reportEvidence(ctx context.Context, f ledger.Finding) error {
	w := d.out
	s3 := d.a.parts.s3
	s, err := collect(ctx, d.a, f.Capture)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\nThe evidence of the first finding (capture %s)\n\n", f.Capture)
	for _, o := range s.Objects {
		switch o.Role {
		case string(capture.RoleViewport), string(capture.RoleFullPage), string(capture.RoleHTML), string(capture.RoleDOM), "warc":
			fmt.Fprintf(w, "  %-10s %9s  s3://%s/%s\n", o.Role, bytesText(o.Bytes), d.a.cfg.Storage.Bucket, o.Key)
			if o.Role == "warc" {
				fmt.Fprintf(w, "  %-10s delete this version: %s\n", "lock", d.lockProof(ctx, o.Key, o.Version))
			}
		}
	}
	fmt.Fprintf(w, "  %-10s %s\n", "proved", between(s.Sealed))
	fmt.Fprintf(w, `
Any S3 client can list it while the demo runs:
  endpoint   %s   bucket %s
  access key %s
  secret key %s
`, s3.Endpoint, d.a.cfg.Storage.Bucket, s3.AccessKey, s3.SecretKey)
	fmt.Fprintf(w, `
Commands to go on with:
  trawlmark finding show  %s --data %s
  trawlmark evidence show %s --data %s
  trawlmark evidence search belvoir --data %s
`, f.ID, d.f.dir, f.Capture, d.f.dir, d.f.dir)
	return nil
}

// stay says what is up until Ctrl-C.
func (d *demo) stay(context.Context) {
	fmt.Fprintf(d.out, "\nThe marketplace is at %s, the S3 server at %s. Ctrl-C stops everything.\n", d.market.URL, d.a.parts.s3.Endpoint)
}
