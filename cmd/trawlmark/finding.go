package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/crawler/triage"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

func findingCommand(g *globals) *cobra.Command {
	c := &cobra.Command{Use: "finding", Short: "Work through what looks suspicious"}
	c.AddCommand(findingList(g), findingShow(g), findingDecide(g))
	return c
}

func findingList(g *globals) *cobra.Command {
	var f ledger.FindingFilter
	var state, watch string
	c := &cobra.Command{
		Use: "list", Short: "List findings, the highest score first", Args: cobra.NoArgs,
		Example: "  trawlmark finding list\n  trawlmark finding list --state new --site ebay --min-score 0.8\n  trawlmark finding list --json | jq '.findings[].listing.url'",
		RunE: func(c *cobra.Command, _ []string) error {
			if state != "" {
				f.States = []ledger.FindingState{ledger.FindingState(state)}
				if !f.States[0].Valid() {
					return usagef("--state %q: want new, in_review, confirmed, dismissed, escalated or resolved", state)
				}
			}
			return g.with(func(a *app) error {
				l, err := a.openLedger(c.Context())
				if err != nil {
					return err
				}
				if watch != "" {
					w, err := l.WatchNamed(c.Context(), watch)
					if err != nil {
						return err
					}
					f.Watch = w.ID
				}
				p, err := l.Findings(c.Context(), f)
				if err != nil {
					return err
				}
				if g.json {
					return printJSON(g.s.out, map[string]any{"findings": p.Findings, "next": p.Next})
				}
				if len(p.Findings) == 0 {
					fmt.Fprintln(g.s.out, "No finding fits.")
					return nil
				}
				printFindings(g.s.out, p.Findings)
				if p.Next != "" {
					fmt.Fprintf(g.s.out, "\nMore: trawlmark finding list --cursor %s\n", p.Next)
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&state, "state", "", "only findings in this state")
	c.Flags().StringVar(&watch, "watch", "", "only findings of this watch")
	c.Flags().StringVar(&f.Site, "site", "", "only findings at this site")
	c.Flags().Float64Var(&f.MinScore, "min-score", 0, "only findings with at least this score, 0 to 1")
	c.Flags().BoolVar(&f.Newest, "newest", false, "the newest first, instead of the highest score")
	c.Flags().IntVar(&f.Limit, "limit", 50, "how many, up to 500")
	c.Flags().StringVar(&f.Cursor, "cursor", "", "go on behind this page")
	return c
}

// assessment reads the reasons of a finding; what an external scorer wrote in
// another form is left alone.
func assessment(f ledger.Finding) triage.Assessment {
	var r struct {
		Assessment triage.Assessment `json:"assessment"`
	}
	_ = json.Unmarshal(f.Reasons, &r)
	return r.Assessment
}

func printFindings(w io.Writer, all []ledger.Finding) {
	t := newTable("score>", "listing:44", "price>", "reference:30", "ratio>", "seller:22", "why:64", "state", "finding")
	for _, f := range all {
		a := assessment(f)
		var why []string
		for _, s := range a.Signals {
			if s.Points > 0 {
				why = append(why, strings.ReplaceAll(s.Name, "_", " "))
			}
		}
		t.add(fmt.Sprintf("%.2f", f.Score), f.Listing.Title, money(f.Listing.Amount, f.Listing.Currency), a.Reference, a.Ratio, f.Listing.Seller,
			strings.Join(why, ", "), string(f.State), f.ID.String())
	}
	t.print(w)
}

func findingShow(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "show FINDING", Short: "Show a finding with every reason and its evidence", Args: cobra.ExactArgs(1),
		Example: "  trawlmark finding show 019a...",
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			return g.with(func(a *app) error {
				l, err := a.openLedger(c.Context())
				if err != nil {
					return err
				}
				f, err := l.Finding(c.Context(), id)
				if err != nil {
					return err
				}
				if g.json {
					return printJSON(g.s.out, f)
				}
				printFinding(g.s.out, f)
				return nil
			})
		},
	}
}

func printFinding(w io.Writer, f ledger.Finding) {
	a := assessment(f)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "  %-10s %s\n", name, printableLine(value))
		}
	}
	fmt.Fprintf(w, "%s  score %.2f  %s\n", f.ID, f.Score, f.State)
	row("listing", f.Listing.Title)
	row("url", f.Listing.URL)
	row("price", money(f.Listing.Amount, f.Listing.Currency))
	row("reference", a.Reference)
	row("converted", a.Converted)
	row("seller", f.Listing.Seller)
	row("first seen", timeText(f.Listing.FirstSeen))
	row("last seen", timeText(f.Listing.LastSeen))
	row("scorer", f.Scorer)
	fmt.Fprintln(w, "  why")
	for _, s := range a.Signals {
		fmt.Fprintf(w, "    %+5.0f  %-10s %s\n", s.Points, s.Family, printableLine(s.Sentence))
	}
	for _, s := range a.Caps {
		fmt.Fprintf(w, "           %s\n", printableLine(s))
	}
	for _, u := range a.Unknown {
		fmt.Fprintf(w, "      ?    %s: %s\n", u.Name, printableLine(u.Reason))
	}
	row("decision", strings.TrimSpace(f.Label+" "+f.Note))
	row("capture", f.Capture.String())
	fmt.Fprintf(w, "\n  Look at the evidence: trawlmark evidence get %s --open viewport\n", f.Capture)
}

func findingDecide(g *globals) *cobra.Command {
	var d ledger.Decision
	c := &cobra.Command{
		Use: "decide FINDING STATE", Short: "Decide on a finding: in_review, confirmed, dismissed, escalated, resolved", Args: cobra.ExactArgs(2),
		Example: `  trawlmark finding decide 019a... confirmed --label counterfeit --note "see the stitching"`,
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			d.State, d.By = ledger.FindingState(args[1]), g.actor()
			if !d.State.Valid() {
				return usagef("%q is not a state: want new, in_review, confirmed, dismissed, escalated or resolved", args[1])
			}
			return g.with(func(a *app) error { return decide(c.Context(), g, a, id, d) })
		},
	}
	c.Flags().StringVar(&d.Label, "label", "", "counterfeit, trademark, official_photo, legitimate, out_of_scope, ...")
	c.Flags().StringVar(&d.Note, "note", "", "why, for whoever reads it later")
	return c
}

func decide(ctx context.Context, g *globals, a *app, id capture.ID, d ledger.Decision) error {
	l, err := a.openLedger(ctx)
	if err != nil {
		return err
	}
	f, err := l.Finding(ctx, id)
	if err != nil {
		return err
	}
	arch, err := a.openArchive(ctx, commandSpace("cli"))
	if err != nil {
		return err
	}
	d.Version = f.Version
	f, err = a.decider(l, arch).Decide(ctx, id, d)
	if err != nil {
		return err
	}
	err = arch.Note(ctx, custody.Decided, d.By, custody.Subject{Capture: f.Capture},
		map[string]string{"finding": f.ID.String(), "state": string(d.State), "label": d.Label})
	if err != nil {
		return err
	}
	if g.json {
		return printJSON(g.s.out, f)
	}
	fmt.Fprintf(g.s.out, "finding %s is %s, by %s at %s\n", f.ID, f.State, f.DecidedBy, timeText(time.Now()))
	return nil
}

func parseID(s string) (capture.ID, error) {
	id, err := capture.ParseID(s)
	if err != nil {
		return id, usagef("%w", err)
	}
	return id, nil
}
