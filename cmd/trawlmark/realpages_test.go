package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

// The whole pipeline over saved real pages, served under their own host names:
// every page ends in a typed outcome, and each capture is in the store.
func TestRealPagesRunThrough(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: a hundred pages in Chrome take minutes")
	}
	a := testApp(t, func(c *configs.Config) { c.Crawler.SitesDir = hastySites(t) })
	sites, err := a.openSites()
	if err != nil {
		t.Fatal(err)
	}
	pages := savedPages(t, sites)
	srv := serveReplay(t, pages)
	a.override = map[string]string{"*": srv.addr}
	a.extraCAs = []*x509.Certificate{srv.ca}
	a.budgets = demoBudgets()

	l, err := a.openLedger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := ledger.Watch{Name: "replay", CreatedBy: "test", Depth: 1, MaxListings: len(pages), MaxPages: len(pages)}
	for _, p := range pages {
		w.Seeds = append(w.Seeds, p.url)
	}
	w, err = l.AddWatch(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	// No links are followed: only what was saved can be served.
	var jobs []ledger.Work
	for _, p := range pages {
		jobs = append(jobs, newSeed(sites, p.url))
	}
	planned, err := l.Fire(t.Context(), w.ID, l.Now().Truncate(time.Microsecond), jobs)
	if err != nil {
		t.Fatal(err)
	}
	if planned < len(pages)*9/10 {
		t.Errorf("only %d of %d pages were planned: too many share an address", planned, len(pages))
	}
	stop := start(t, a, roles{dispatcher: true, pools: task.Pools()})
	waitFor(t, 12*time.Minute, "every page to end", func() (bool, string) {
		c, err := l.Counts(t.Context(), w.ID)
		if err != nil {
			t.Fatal(err)
		}
		open := c[ledger.Visit][ledger.Planned] + c[ledger.Visit][ledger.Dispatched] + c[ledger.Visit][ledger.Running]
		return open == 0, fmt.Sprint(c)
	})
	checkReplayed(t, a, l, w, pages)
	stop()
}

// checkReplayed looks at how each page ended.
func checkReplayed(t *testing.T, a *app, l *ledger.Ledger, w ledger.Watch, pages []savedPage) {
	t.Helper()
	byURL := map[string]savedPage{}
	for _, p := range pages {
		byURL[p.url] = p
	}
	table := map[string]map[capture.Outcome]int{}
	var before capture.ID
	seen := 0
	for {
		jobs, err := l.Jobs(t.Context(), ledger.JobFilter{Watch: w.ID, Kind: ledger.Visit, Limit: 500, Before: before})
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			before = j.ID
			p, ok := byURL[j.URL]
			if !ok {
				continue // a link of a page
			}
			seen++
			if !j.Outcome.Valid() || j.State == ledger.Quarantined {
				t.Errorf("%s: state %s, outcome %q, %s", p.file, j.State, j.Outcome, j.Error)
				continue
			}
			if table[p.kind] == nil {
				table[p.kind] = map[capture.Outcome]int{}
			}
			table[p.kind][j.Outcome]++
			switch p.kind {
			case "captcha", "challenge", "blocked":
				if j.Outcome != capture.Challenge {
					t.Errorf("%s is a %s page and ended as %s", p.file, p.kind, j.Outcome)
				}
			}
			if _, err := a.vault.Stat(t.Context(), vault.ManifestKey(j.Capture), ""); err != nil {
				t.Errorf("%s: its capture is not in the store: %v", p.file, err)
			}
		}
		if len(jobs) < 500 {
			break
		}
	}
	if seen < len(pages)*9/10 {
		t.Errorf("%d of %d pages were visited", seen, len(pages))
	}
	var kinds []string
	for k := range table {
		kinds = append(kinds, k)
	}
	sort.Strings(kinds)
	for _, k := range kinds {
		t.Logf("%-22s %s", k, outcomesLine(table[k]))
	}
}

var delays = regexp.MustCompile(`(min_delay|max_delay): *[0-9a-z.]+`)

// hastySites are the embedded site files without the patience that real sites
// deserve: the replay server is ours.
func hastySites(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	from := "../../configs/sites"
	files, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(from, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		text := delays.ReplaceAllString(string(b), "$1: 20ms")
		if !strings.Contains(text, "politeness:") {
			text += "\npoliteness:\n  min_delay: 20ms\n  max_delay: 20ms\n"
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name()), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
