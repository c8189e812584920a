package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Maintained counts. Each transaction gathers what it changes and writes it
// last, in one order, so that transactions neither hold the hot rows for long
// nor deadlock over them.

type tallyKey struct{ what, owner, name string }

// What is counted, and whose.
const (
	tallyJobs         = "jobs"          // "kind:state" by watch
	tallyOutcomes     = "outcomes"      // outcome by watch
	tallySiteOutcomes = "site_outcomes" // outcome by site
	tallyListings     = "listings"      // state by site
	tallyFindings     = "findings"      // state by watch
)

func (t *tx) count(what, owner, name string, n int64) {
	t.tally[tallyKey{what, owner, name}] += n
}

// move counts one thing from one name to another; "" is nowhere.
func (t *tx) move(what, owner, from, to string) {
	if from == to {
		return
	}
	if from != "" {
		t.count(what, owner, from, -1)
	}
	if to != "" {
		t.count(what, owner, to, 1)
	}
}

func jobName(k Kind, s State) string { return string(k) + ":" + string(s) }

func (t *tx) moveJob(j Job, from, to State) {
	name := func(s State) string {
		if s == "" {
			return ""
		}
		return jobName(j.Kind, s)
	}
	t.move(tallyJobs, idText(j.Watch), name(from), name(to))
}

func (t *tx) flush(ctx context.Context) error {
	var keys []tallyKey
	for k, n := range t.tally {
		if n != 0 {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	slices.SortFunc(keys, func(a, b tallyKey) int {
		return cmp.Or(cmp.Compare(a.what, b.what), cmp.Compare(a.owner, b.owner), cmp.Compare(a.name, b.name))
	})
	var values []string
	var args []any
	for i, k := range keys {
		values = append(values, "("+placeholders(4*i+1, 4)+")")
		args = append(args, k.what, k.owner, k.name, t.tally[k])
	}
	_, err := t.ExecContext(ctx, `INSERT INTO tallies (what, owner, name, n) VALUES `+strings.Join(values, ", ")+`
		ON CONFLICT (what, owner, name) DO UPDATE SET n = tallies.n + excluded.n`, args...)
	return err
}

// Counts is how many jobs are in each state, by kind.
type Counts map[Kind]map[State]int

// Counts gives the jobs of one watch, or of all when watch is zero.
func (l *Ledger) Counts(ctx context.Context, watch capture.ID) (Counts, error) {
	tallies, err := l.tallies(ctx, tallyJobs, idText(watch))
	c := Counts{}
	for name, n := range tallies {
		kind, state, _ := strings.Cut(name, ":")
		if c[Kind(kind)] == nil {
			c[Kind(kind)] = map[State]int{}
		}
		c[Kind(kind)][State(state)] = n
	}
	return c, err
}

// OutcomeCounts gives how the visits of a watch ended, of all when zero.
func (l *Ledger) OutcomeCounts(ctx context.Context, watch capture.ID) (map[capture.Outcome]int, error) {
	return tallied[capture.Outcome](l.tallies(ctx, tallyOutcomes, idText(watch)))
}

// SiteOutcomes gives how the visits to a site ended, to all when "".
func (l *Ledger) SiteOutcomes(ctx context.Context, site string) (map[capture.Outcome]int, error) {
	return tallied[capture.Outcome](l.tallies(ctx, tallySiteOutcomes, site))
}

// ListingCounts gives the listings of a site by state, of all when "".
func (l *Ledger) ListingCounts(ctx context.Context, site string) (map[ListingState]int, error) {
	return tallied[ListingState](l.tallies(ctx, tallyListings, site))
}

// FindingCounts gives the findings of a watch by state, of all when zero.
func (l *Ledger) FindingCounts(ctx context.Context, watch capture.ID) (map[FindingState]int, error) {
	return tallied[FindingState](l.tallies(ctx, tallyFindings, idText(watch)))
}

func tallied[K ~string](in map[string]int, err error) (map[K]int, error) {
	out := make(map[K]int, len(in))
	for k, n := range in {
		out[K(k)] = n
	}
	return out, err
}

func (l *Ledger) tallies(ctx context.Context, what, owner string) (map[string]int, error) {
	type row struct {
		name string
		n    int
	}
	query, args := `SELECT name, CAST(SUM(n) AS BIGINT) FROM tallies WHERE what = $1 GROUP BY name`, []any{what}
	if owner != "" {
		query, args = `SELECT name, n FROM tallies WHERE what = $1 AND owner = $2`, []any{what, owner}
	}
	rows, err := all(ctx, l.db, func(s scanner) (r row, err error) { return r, s.Scan(&r.name, &r.n) }, query, args...)
	if err != nil {
		return nil, fmt.Errorf("counts of %s: %w", what, err)
	}
	m := map[string]int{}
	for _, r := range rows {
		if r.n != 0 {
			m[r.name] = r.n
		}
	}
	return m, nil
}
