package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

func watchCommand(g *globals) *cobra.Command {
	c := &cobra.Command{Use: "watch", Short: "Say what to look for, where and how often"}
	c.AddCommand(watchAdd(g), watchSet(g), watchList(g), watchShow(g), watchRun(g),
		watchAct(g, "pause", "Stop a watch from firing", (*ledger.Ledger).PauseWatch),
		watchAct(g, "resume", "Let a paused watch fire again", (*ledger.Ledger).ResumeWatch),
		watchAct(g, "remove", "Remove a watch; what it found stays", func(l *ledger.Ledger, ctx context.Context, id capture.ID) error {
			_, err := l.RemoveWatch(ctx, id)
			return err
		}))
	return c
}

func watchAdd(g *globals) *cobra.Command {
	var x watchFlags
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a watch",
		Long: `A watch searches marketplaces for terms on a schedule and assesses each listing
for a brand. The brand profile (names, models with reference prices, authorised
sellers) is a YAML file; docs/brands.md explains it.

Every listing on its search pages is visited, unless --host, --include or
--exclude leave it out or a limit is reached; "watch show" tells how many were
left and why. Patterns are of path and query, written as in robots.txt: they fit
from the start, * is anything, $ is the end. Paging links are held to --host and
--exclude alone.`,
		Example: `  trawlmark watch add aurelle --brand aurelle.yaml --site ebay --term "aurelle belvoir" --cron "0 6 * * *" --zone Europe/Paris
  trawlmark watch add shop-x --brand aurelle.yaml --seed https://shop.example/collections/bags --every 12h --include '/products/*' --exclude '*gift-card*'
  trawlmark watch add once --brand aurelle.yaml --site etsy --term aurelle --max-listings 200 --depth 1`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return g.with(func(a *app) error {
				w := ledger.Watch{Name: args[0], CreatedBy: g.actor()}
				if err := x.apply(c.Flags(), &w); err != nil {
					return err
				}
				return addWatch(c.Context(), g, a, w)
			})
		},
	}
	x.bind(c.Flags())
	return c
}

// checkWatch refuses a watch that cannot work, in a sentence.
func checkWatch(a *app, w ledger.Watch) error {
	sites, err := a.openSites()
	if err != nil {
		return err
	}
	return refusedWatch(worker.CheckWatch(sites, w))
}

func addWatch(ctx context.Context, g *globals, a *app, w ledger.Watch) error {
	l, err := a.openLedger(ctx)
	if err != nil {
		return err
	}
	if err := checkWatch(a, w); err != nil {
		return err
	}
	jobs, _ := worker.Seeds(a.sites, w)
	w, err = l.AddWatch(ctx, w)
	if err != nil {
		return err
	}
	if g.json {
		return printJSON(g.s.out, w)
	}
	fmt.Fprintf(g.s.out, "watch %s added: %d pages to begin with", w.Name, len(jobs))
	if w.NextFire.IsZero() {
		fmt.Fprintf(g.s.out, "; start it with `trawlmark watch run %s`\n", w.Name)
	} else {
		fmt.Fprintf(g.s.out, ", next at %s\n", timeText(w.NextFire))
	}
	return nil
}

func watchList(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the watches and their last run", Args: cobra.NoArgs,
		Example: "  trawlmark watch list\n  trawlmark watch list --json | jq '.[].name'",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.with(func(a *app) error {
				ctx := c.Context()
				l, err := a.openLedger(ctx)
				if err != nil {
					return err
				}
				all, err := l.Watches(ctx)
				if err != nil {
					return err
				}
				if g.json {
					return printJSON(g.s.out, all)
				}
				t := newTable("name:30", "state", "sites:24", "terms:30", "next", "last", "jobs>", "open>", "listings>", "not followed>", "rules", "kept")
				for _, w := range all {
					var last ledger.Fired
					fires, err := l.Fires(ctx, w.ID, 1)
					if err != nil {
						return err
					}
					if len(fires) > 0 {
						last = fires[0]
					}
					t.add(w.Name, watchState(w), fmt.Sprint(w.Sites), fmt.Sprintf("%q", w.Terms), timeText(w.NextFire), timeText(last.At),
						fmt.Sprint(last.Jobs), fmt.Sprint(last.Open), fmt.Sprint(last.Listings), fmt.Sprint(last.Dropped), rulesWord(w.Rules),
						keptWord(w.Retention))
				}
				if len(all) == 0 {
					fmt.Fprintln(g.s.out, "There is no watch yet; see `trawlmark watch add --help`.")
					return nil
				}
				t.print(g.s.out)
				return nil
			})
		},
	}
}

// rulesWord says in a word whether a watch leaves something out.
func rulesWord(r ledger.Rules) string {
	if r.Empty() {
		return "-"
	}
	return fmt.Sprint(len(r.Hosts) + len(r.Include) + len(r.Exclude))
}

func watchRun(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "run NAME", Short: "Fire a watch now", Args: cobra.ExactArgs(1),
		Long:    "Fire a watch now, whatever its schedule. The work is done by `trawlmark up` or the workers; see `trawlmark watch list` for how far it is.",
		Example: "  trawlmark watch run aurelle",
		RunE: func(c *cobra.Command, args []string) error {
			return g.with(func(a *app) error {
				l, err := a.openLedger(c.Context())
				if err != nil {
					return err
				}
				w, err := l.WatchNamed(c.Context(), args[0])
				if err != nil {
					return err
				}
				n, err := fireNow(c.Context(), a, l, w, g.actor())
				if err != nil {
					return err
				}
				if g.json {
					return printJSON(g.s.out, map[string]any{"watch": w.ID, "planned": n})
				}
				fmt.Fprintf(g.s.out, "watch %s fired: %d pages planned\n", w.Name, n)
				return nil
			})
		},
	}
}

func fireNow(ctx context.Context, a *app, l *ledger.Ledger, w ledger.Watch, by string) (int, error) {
	sites, err := a.openSites()
	if err != nil {
		return 0, err
	}
	jobs, problems := worker.Seeds(sites, w)
	if len(jobs) == 0 {
		return 0, errors.Join(append(problems, errors.New("the watch has nothing to begin with"))...)
	}
	for i := range jobs {
		jobs[i].AskedBy = by
	}
	return l.Fire(ctx, w.ID, l.Now().Truncate(time.Microsecond), jobs)
}

func watchAct(g *globals, verb, short string, act func(*ledger.Ledger, context.Context, capture.ID) error) *cobra.Command {
	return &cobra.Command{
		Use: verb + " NAME", Short: short, Args: cobra.ExactArgs(1),
		Example: "  trawlmark watch " + verb + " aurelle",
		RunE: func(c *cobra.Command, args []string) error {
			return g.with(func(a *app) error {
				l, err := a.openLedger(c.Context())
				if err != nil {
					return err
				}
				w, err := l.WatchNamed(c.Context(), args[0])
				if err != nil {
					return err
				}
				if err := act(l, c.Context(), w.ID); err != nil {
					return err
				}
				if g.json {
					w, err := l.Watch(c.Context(), w.ID)
					if err != nil {
						return err
					}
					return printJSON(g.s.out, w)
				}
				fmt.Fprintf(g.s.out, "watch %s %sd\n", w.Name, verb)
				return nil
			})
		},
	}
}
