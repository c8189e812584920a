package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

func jobCommand(g *globals) *cobra.Command {
	c := &cobra.Command{Use: "job", Short: "Look at the work: list, show, cancel, reopen, prune"}
	c.AddCommand(jobList(g), jobShow(g),
		jobAct(g, "cancel", "cancelled", "Take jobs back; a visit under way is stopped", func(ctx context.Context, l *ledger.Ledger, id capture.ID) error {
			return l.Cancel(ctx, id, "cancelled by "+g.actor())
		}),
		jobReopen(g), jobPrune(g))
	return c
}

// withLedger runs work on the ledger alone.
func (g *globals) withLedger(ctx context.Context, work func(l *ledger.Ledger) error) error {
	return g.with(func(a *app) error {
		l, err := a.openLedger(ctx)
		if err != nil {
			return err
		}
		return work(l)
	})
}

func jobList(g *globals) *cobra.Command {
	var f ledger.JobFilter
	var state, kind, watch, before string
	c := &cobra.Command{
		Use: "list", Short: "List jobs, the newest first", Args: cobra.NoArgs,
		Example: "  trawlmark job list --state quarantined\n  trawlmark job list --watch aurelle --state failed --json",
		RunE: func(c *cobra.Command, _ []string) error {
			f.State, f.Kind = ledger.State(state), ledger.Kind(kind)
			if before != "" {
				id, err := parseID(before)
				if err != nil {
					return err
				}
				f.Before = id
			}
			return g.withLedger(c.Context(), func(l *ledger.Ledger) error {
				if watch != "" {
					w, err := l.WatchNamed(c.Context(), watch)
					if err != nil {
						return err
					}
					f.Watch = w.ID
				}
				jobs, err := l.Jobs(c.Context(), f)
				if err != nil {
					return err
				}
				return printJobs(g, jobs)
			})
		},
	}
	c.Flags().StringVar(&state, "state", "", "planned, dispatched, running, done, failed, cancelled or quarantined")
	c.Flags().StringVar(&kind, "kind", "", "visit, score or export")
	c.Flags().StringVar(&watch, "watch", "", "only jobs of this watch")
	c.Flags().IntVar(&f.Limit, "limit", 50, "how many, up to 500")
	c.Flags().StringVar(&before, "before", "", "go on behind this job")
	return c
}

func printJobs(g *globals, jobs []ledger.Job) error {
	if g.json {
		return printJSON(g.s.out, jobs)
	}
	if len(jobs) == 0 {
		fmt.Fprintln(g.s.out, "No job fits.")
		return nil
	}
	t := newTable("job", "kind", "state", "outcome", "lane:20", "updated", "what:60", "last failure:60")
	for _, j := range jobs {
		what := j.URL
		if what == "" {
			what = j.Listing.String()
		}
		t.add(j.ID.String(), string(j.Kind), string(j.State), string(j.Outcome), j.Lane, timeText(j.Updated), what, j.Error)
	}
	t.print(g.s.out)
	return nil
}

func jobShow(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "show JOB", Short: "Show a job and each of its attempts", Args: cobra.ExactArgs(1),
		Example: "  trawlmark job show 019a...",
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			return g.withLedger(c.Context(), func(l *ledger.Ledger) error {
				j, err := l.Job(c.Context(), id)
				if err != nil {
					return err
				}
				attempts, err := l.Attempts(c.Context(), id)
				if err != nil {
					return err
				}
				if g.json {
					return printJSON(g.s.out, map[string]any{"job": j, "attempts": attempts})
				}
				fmt.Fprintf(g.s.out, "%s  %s, %s, epoch %d\n  url      %s\n  lane     %s, pool %s, priority %d\n  ready    %s\n",
					j.ID, j.Kind, j.State, j.Epoch, printableLine(j.URL), j.Lane, j.Pool, j.Priority, timeText(j.ReadyAt))
				t := newTable("  epoch>", "worker:20", "started", "ended", "how", "outcome", "capture", "error:60")
				for _, x := range attempts {
					t.add(fmt.Sprint(x.Epoch), x.Worker, timeText(x.Started), timeText(x.Ended), x.How, string(x.Outcome), x.Capture.String(), x.Error)
				}
				t.print(g.s.out)
				return nil
			})
		},
	}
}

func jobAct(g *globals, verb, done, short string, act func(context.Context, *ledger.Ledger, capture.ID) error) *cobra.Command {
	return &cobra.Command{
		Use: verb + " JOB...", Short: short, Args: cobra.MinimumNArgs(1),
		Example: "  trawlmark job " + verb + " 019a...",
		RunE: func(c *cobra.Command, args []string) error {
			var ids []capture.ID
			for _, s := range args {
				id, err := parseID(s)
				if err != nil {
					return err
				}
				ids = append(ids, id)
			}
			return g.withLedger(c.Context(), func(l *ledger.Ledger) error {
				for _, id := range ids {
					if err := act(c.Context(), l, id); err != nil {
						return err
					}
					if !g.json {
						fmt.Fprintf(g.s.out, "%s %s\n", id, done)
					}
				}
				if g.json {
					return printJSON(g.s.out, map[string]any{"jobs": ids, "now": done})
				}
				return nil
			})
		},
	}
}

func jobPrune(g *globals) *cobra.Command {
	var older string
	c := &cobra.Command{
		Use: "prune", Short: "Forget jobs that ended long ago; their captures, listings and findings stay", Args: cobra.NoArgs,
		Example: "  trawlmark job prune --older 180d",
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := configs.ParseDuration(older)
			if err != nil {
				return usageError{err}
			}
			return g.withLedger(c.Context(), func(l *ledger.Ledger) error {
				all := 0
				for {
					n, err := l.Prune(c.Context(), l.Now().Add(-d), 1000)
					all += n
					if err != nil {
						return err
					}
					if n == 0 {
						break
					}
				}
				if g.json {
					return printJSON(g.s.out, map[string]any{"pruned": all})
				}
				fmt.Fprintf(g.s.out, "%d jobs forgotten\n", all)
				return nil
			})
		},
	}
	c.Flags().StringVar(&older, "older", "180d", "jobs that ended longer ago than this")
	return c
}

func laneCommand(g *globals) *cobra.Command {
	c := &cobra.Command{Use: "lane", Short: "Look at the lanes, stop one, let it go on, lift a penalty"}
	c.AddCommand(laneList(g),
		laneAct(g, "pause", "paused", "Stop a lane: no worker asks its sites anything until resume", (*ledger.Ledger).PauseLane),
		laneAct(g, "resume", "resumed", "End a pause", known((*ledger.Ledger).ResumeLane)),
		laneAct(g, "lift", "lifted", "Lift the penalty of a lane before its time, for who knows better than what the site asked", known((*ledger.Ledger).OpenLane)))
	return c
}

// known is an act on lanes that were ever closed or paused: there is nothing to
// end of another one, and its name is mistyped.
func known(act func(*ledger.Ledger, context.Context, string, string) error) func(*ledger.Ledger, context.Context, string, string) error {
	return func(l *ledger.Ledger, ctx context.Context, lane, by string) error {
		all, err := l.Lanes(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(x ledger.Lane) bool { return x.Name == lane }) {
			return fmt.Errorf("lane %q was never closed or paused (`trawlmark lane list`): %w", lane, ledger.ErrNotFound)
		}
		return act(l, ctx, lane, by)
	}
}

func laneList(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the lanes that were ever closed or paused", Args: cobra.NoArgs,
		Example: "  trawlmark lane list",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.withLedger(c.Context(), func(l *ledger.Ledger) error {
				all, err := l.Lanes(c.Context())
				if err != nil {
					return err
				}
				if g.json {
					return printJSON(g.s.out, all)
				}
				if len(all) == 0 {
					fmt.Fprintln(g.s.out, "No lane was ever closed or paused.")
					return nil
				}
				t := newTable("lane:40", "state", "until", "why:70")
				for _, x := range all {
					t.add(x.Name, laneState(x, l.Now()), timeText(x.ClosedUntil), strings.TrimSpace(x.Reason+" "+x.PausedBy))
				}
				t.print(g.s.out)
				return nil
			})
		},
	}
}

func laneState(x ledger.Lane, now time.Time) string {
	switch {
	case x.Paused:
		return "paused"
	case !x.Open(now):
		return "closed"
	}
	return "open"
}

func laneAct(g *globals, verb, done, short string, act func(*ledger.Ledger, context.Context, string, string) error) *cobra.Command {
	return &cobra.Command{
		Use: verb + " LANE", Short: short, Args: cobra.ExactArgs(1),
		Long:    short + ". It takes effect within seconds, when the dispatcher next compares the lanes with the ledger.",
		Example: "  trawlmark lane " + verb + " ebay",
		RunE: func(c *cobra.Command, args []string) error {
			return g.withLedger(c.Context(), func(l *ledger.Ledger) error {
				if err := act(l, c.Context(), args[0], g.actor()); err != nil {
					return err
				}
				if g.json {
					return printJSON(g.s.out, map[string]any{"lane": args[0], "now": done})
				}
				fmt.Fprintf(g.s.out, "lane %s %s\n", args[0], done)
				return nil
			})
		},
	}
}
