package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/worker/task"
)

func queueCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use: "queue", Short: "Look at the pools' queues, stop one, let it go on",
		Long: `A pool that is paused hands out no more tickets: what runs ends, what is planned
waits. It needs the fleet's Redis (redis.addresses): the embedded one belongs to
the process of "trawlmark up". To stop a single site, pause its lane.`,
	}
	c.AddCommand(queueList(g),
		queueAct(g, "pause", "paused", "Let workers take nothing more from pools until resume", (*task.Client).Pause),
		queueAct(g, "resume", "resumed", "Let workers take from pools again", (*task.Client).Resume),
		&cobra.Command{
			Use: "forget POOL...", Short: "Delete tickets that broke their handler; the ledger has planned their jobs again", Args: cobra.MinimumNArgs(1),
			Example: "  trawlmark queue forget browser",
			RunE: func(c *cobra.Command, args []string) error {
				return g.withPools(c.Context(), args, func(q *task.Client) error {
					forgotten := map[string]int{}
					for _, pool := range args {
						n, err := q.Forget(c.Context(), pool)
						if err != nil {
							return err
						}
						forgotten[pool] = n
						if !g.json {
							fmt.Fprintf(g.s.out, "pool %s: %d tickets forgotten\n", pool, n)
						}
					}
					if g.json {
						return printJSON(g.s.out, map[string]any{"forgotten": forgotten})
					}
					return nil
				})
			},
		})
	return c
}

// withPools runs work on the fleet's queue, after it is sure that the pools are
// pools.
func (g *globals) withPools(ctx context.Context, pools []string, work func(q *task.Client) error) error {
	for _, p := range pools {
		if !slices.Contains(task.Pools(), p) {
			return usagef("there is no pool %q; want %s", p, strings.Join(task.Pools(), ", "))
		}
	}
	return g.with(func(a *app) error {
		if len(a.cfg.Redis.Addresses) == 0 {
			return missingPart{errors.New("the queue is embedded in the process of `trawlmark up`, and no other reaches it; name the fleet's Redis in redis.addresses, " +
				"or pause lanes (`trawlmark lane pause`) and watches (`trawlmark watch pause`)")}
		}
		r, err := a.queue(ctx)
		if err != nil {
			return err
		}
		rdb, err := r.Open()
		if err != nil {
			return missingPart{err}
		}
		defer rdb.Close()
		err = work(task.NewClient(rdb, 0))
		if errors.Is(err, task.ErrUnavailable) {
			return missingPart{err}
		}
		return err
	})
}

func queueList(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the pools with what waits and runs in them", Args: cobra.NoArgs,
		Example: "  trawlmark queue list --config /etc/trawlmark.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.withPools(c.Context(), nil, func(q *task.Client) error {
				var all []task.Depth
				for _, pool := range task.Pools() {
					d, err := q.Depth(c.Context(), pool)
					if err != nil {
						return err
					}
					all = append(all, d)
				}
				if g.json {
					return printJSON(g.s.out, all)
				}
				t := newTable("pool", "state", "waiting>", "running>", "given up>", "oldest>")
				for _, d := range all {
					state := "open"
					if d.Paused {
						state = "paused"
					}
					t.add(d.Pool, state, fmt.Sprint(d.Waiting), fmt.Sprint(d.Running), fmt.Sprint(d.GivenUp), d.Oldest.Round(time.Second).String())
				}
				t.print(g.s.out)
				return nil
			})
		},
	}
}

func queueAct(g *globals, verb, done, short string, act func(*task.Client, context.Context, string) error) *cobra.Command {
	return &cobra.Command{
		Use: verb + " POOL...", Short: short, Args: cobra.MinimumNArgs(1),
		Example: "  trawlmark queue " + verb + " browser",
		RunE: func(c *cobra.Command, args []string) error {
			return g.withPools(c.Context(), args, func(q *task.Client) error {
				for _, pool := range args {
					if err := act(q, c.Context(), pool); err != nil {
						return err
					}
					if !g.json {
						fmt.Fprintf(g.s.out, "pool %s %s\n", pool, done)
					}
				}
				if g.json {
					return printJSON(g.s.out, map[string]any{"pools": args, "now": done})
				}
				return nil
			})
		},
	}
}
