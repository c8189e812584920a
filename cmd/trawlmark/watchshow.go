package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/worker/ledger"
)

func watchShow(g *globals) *cobra.Command {
	var runs int
	c := &cobra.Command{
		Use: "show NAME", Short: "Show all of a watch: what it looks for, what it follows, how its runs went", Args: cobra.ExactArgs(1),
		Example: "  trawlmark watch show aurelle\n  trawlmark watch show aurelle --json | jq '.runs[0].refused'",
		RunE: func(c *cobra.Command, args []string) error {
			return g.withLedger(c.Context(), func(l *ledger.Ledger) error {
				w, err := l.WatchNamed(c.Context(), args[0])
				if err != nil {
					return err
				}
				fires, err := l.Fires(c.Context(), w.ID, max(1, min(runs, 500)))
				if err != nil {
					return err
				}
				if g.json {
					return printJSON(g.s.out, struct {
						ledger.Watch
						Runs []ledger.Fired `json:"runs"`
					}{w, fires})
				}
				printWatch(g.s.out, w, fires)
				return nil
			})
		},
	}
	c.Flags().IntVar(&runs, "runs", 5, "how many of its last runs are shown, up to 500")
	return c
}

func watchState(w ledger.Watch) string {
	if w.Paused {
		return "paused"
	}
	return "active"
}

func printWatch(out io.Writer, w ledger.Watch, fires []ledger.Fired) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(out, "%-14s %s\n", name, printableLine(fmt.Sprintf(format, args...)))
	}
	each := func(name string, list []string) {
		for i, s := range list {
			if i > 0 {
				name = ""
			}
			line(name, "%s", s)
		}
	}
	line("watch", "%s (%s), by %s", w.Name, watchState(w), cmp.Or(w.CreatedBy, "nobody known"))
	line("id", "%s", w.ID)
	line("brand", "%s", brandName(w))
	each("sites", w.Sites)
	each("terms", w.Terms)
	each("seeds", w.Seeds)
	when := "only by `trawlmark watch run`"
	if w.Schedule.Cron != "" {
		when = fmt.Sprintf("%s (%s), up to %s later; missed times: %s; next %s", w.Schedule.Cron, cmp.Or(w.Schedule.Zone, "UTC"), w.Jitter, w.Missed,
			timeText(w.NextFire))
	}
	line("when", "%s", when)
	line("limits", "%d search pages and %d listings a run, %d links from a seed; priority %d", w.MaxPages, w.MaxListings, w.Depth, w.Priority)
	line("kept", "%s, findings %s", keptText(w.Retention.Untriaged, "as configured"), keptText(w.Retention.Finding, "as configured"))
	if w.Rules.Empty() {
		line("follows", "every listing that its pages lead to")
	}
	each("hosts", w.Rules.Hosts)
	each("include", w.Rules.Include)
	each("exclude", w.Rules.Exclude)
	if len(fires) == 0 {
		line("runs", "none yet")
		return
	}
	fmt.Fprintln(out)
	t := newTable("run", "jobs>", "open>", "pages>", "listings>", "not followed>", "why:100")
	for _, f := range fires {
		why := refusedText(f.Refused)
		if f.Skipped {
			why = "skipped: nobody was there at the time"
		}
		t.add(timeText(f.At), fmt.Sprint(f.Jobs), fmt.Sprint(f.Open), fmt.Sprint(f.Pages), fmt.Sprint(f.Listings), fmt.Sprint(f.Dropped), why)
	}
	t.print(out)
}

// refusedText says which links were left, the most first.
func refusedText(r ledger.Refused) string {
	reasons := slices.SortedFunc(maps.Keys(r), func(a, b string) int { return cmp.Or(cmp.Compare(r[b], r[a]), cmp.Compare(a, b)) })
	parts := make([]string, len(reasons))
	for i, why := range reasons {
		parts[i] = fmt.Sprintf("%d: %s", r[why], why)
	}
	return strings.Join(parts, "; ")
}

func brandName(w ledger.Watch) string {
	var b struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(w.Brand, &b) != nil || b.Name == "" {
		return "none: what is found is archived and not assessed"
	}
	return b.Name
}

func watchSet(g *globals) *cobra.Command {
	var x watchFlags
	var rename string
	c := &cobra.Command{
		Use: "set NAME", Short: "Change a watch", Args: cobra.ExactArgs(1),
		Long: `Set changes what its flags name and leaves the rest. A list that is given replaces
the old one; an empty one (--exclude "") takes it away. What a watch follows
changes at once, also for a run under way; its limits hold from the next run on.`,
		Example: `  trawlmark watch set aurelle --max-listings 500 --depth 1
  trawlmark watch set aurelle --include '/itm/*' --exclude '*condition=used*'
  trawlmark watch set aurelle --cron "0 6 * * 1-5" --zone Europe/Paris --brand aurelle.yaml`,
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().NFlag() == 0 {
				return usagef("say what to change; `trawlmark watch set --help` lists it")
			}
			return g.with(func(a *app) error {
				l, err := a.openLedger(c.Context())
				if err != nil {
					return err
				}
				w, err := l.WatchNamed(c.Context(), args[0])
				if err != nil {
					return err
				}
				if err := x.apply(c.Flags(), &w); err != nil {
					return err
				}
				if rename != "" {
					w.Name = rename
				}
				if err := checkWatch(a, w); err != nil {
					return err
				}
				if w, err = l.ChangeWatch(c.Context(), w); err != nil {
					return err
				}
				if g.json {
					return printJSON(g.s.out, w)
				}
				fires, err := l.Fires(c.Context(), w.ID, 5)
				if err != nil {
					return err
				}
				printWatch(g.s.out, w, fires)
				return nil
			})
		},
	}
	x.bind(c.Flags())
	c.Flags().StringVar(&rename, "name", "", "another name for it")
	return c
}
