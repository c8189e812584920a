package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// jobReopen plans jobs again: those that are named, or all of a kind.
func jobReopen(g *globals) *cobra.Command {
	var f ledger.JobFilter
	var state, kind, watch string
	c := &cobra.Command{
		Use: "reopen [JOB...]", Short: "Plan jobs again that failed, were cancelled or quarantined",
		Long: `Reopen plans jobs again with fresh budgets, once their cause is dealt with: those
that are named, or the newest that fit --state (and --watch, --kind).`,
		Example: `  trawlmark job reopen 019a...
  trawlmark job list --state quarantined --watch aurelle
  trawlmark job reopen --state quarantined --watch aurelle --limit 100`,
		RunE: func(c *cobra.Command, args []string) error {
			switch f.State, f.Kind = ledger.State(state), ledger.Kind(kind); {
			case (state == "") == (len(args) == 0):
				return usagef("name jobs, or say which with --state")
			case state != "" && f.State != ledger.Failed && f.State != ledger.Quarantined && f.State != ledger.Cancelled:
				return usagef("--state %q: want failed, quarantined or cancelled", state)
			case len(args) > 0 && (kind != "" || watch != "" || c.Flags().Changed("limit")):
				return usagef("--kind, --watch and --limit choose among the jobs of a --state; jobs that are named are reopened as they are")
			case kind != "" && f.Kind != ledger.Visit && f.Kind != ledger.Score && f.Kind != ledger.Export:
				return usagef("--kind %q: want visit, score or export", kind)
			case f.Limit < 1 || f.Limit > 500:
				return usagef("--limit is %d, want 1 to 500", f.Limit)
			}
			var ids []capture.ID
			for _, s := range args {
				id, err := parseID(s)
				if err != nil {
					return err
				}
				ids = append(ids, id)
			}
			return g.withLedger(c.Context(), func(l *ledger.Ledger) error {
				if watch != "" {
					w, err := l.WatchNamed(c.Context(), watch)
					if err != nil {
						return err
					}
					f.Watch = w.ID
				}
				if state != "" {
					jobs, err := l.Jobs(c.Context(), f)
					if err != nil {
						return err
					}
					for _, j := range jobs {
						ids = append(ids, j.ID)
					}
				}
				return reopen(c.Context(), g, l, ids)
			})
		},
	}
	c.Flags().StringVar(&state, "state", "", "all jobs in this state: failed, quarantined or cancelled")
	c.Flags().StringVar(&kind, "kind", "", "of these, only visit, score or export")
	c.Flags().StringVar(&watch, "watch", "", "of these, only jobs of this watch")
	c.Flags().IntVar(&f.Limit, "limit", 500, "of these, so many of the newest")
	return c
}

// reopen reopens each job and tells which it could not.
func reopen(ctx context.Context, g *globals, l *ledger.Ledger, ids []capture.ID) error {
	done := []capture.ID{}
	var errs []error
	for _, id := range ids {
		if err := l.Reopen(ctx, id); err != nil {
			errs = append(errs, err)
			continue
		}
		done = append(done, id)
		if !g.json {
			fmt.Fprintf(g.s.out, "%s planned again\n", id)
		}
	}
	if g.json {
		if err := printJSON(g.s.out, map[string]any{"jobs": done, "now": "planned again"}); err != nil {
			return err
		}
	} else if len(ids) == 0 {
		fmt.Fprintln(g.s.out, "No job fits.")
	}
	err := errors.Join(errs...)
	if err != nil && len(done) > 0 {
		return partlyError{err}
	}
	return err
}
