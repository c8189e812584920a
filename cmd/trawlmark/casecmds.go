package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/catalog"
)

func caseCommand(g *globals) *cobra.Command {
	c := &cobra.Command{Use: "case", Short: "Keep captures of one matter together"}
	c.AddCommand(caseOpen(g), caseAdd(g), caseList(g), caseShow(g), caseClose(g))
	return c
}

// withArchive runs a command's work on the archive.
func (g *globals) withArchive(ctx context.Context, work func(a *app, arch *archive.Archive) error) error {
	return g.with(func(a *app) error {
		arch, err := a.openArchive(ctx, commandSpace("case"))
		if err != nil {
			return err
		}
		return work(a, arch)
	})
}

func caseOpen(g *globals) *cobra.Command {
	var id, note string
	c := &cobra.Command{
		Use: "open NAME", Short: "Open a case", Args: cobra.ExactArgs(1),
		Example: `  trawlmark case open "Aurelle v. Shop X" --id 2026-017`,
		RunE: func(c *cobra.Command, args []string) error {
			return g.withArchive(c.Context(), func(_ *app, arch *archive.Archive) error {
				k, err := arch.OpenCase(c.Context(), id, args[0], note, g.actor())
				if err != nil {
					return err
				}
				if g.json {
					return printJSON(g.s.out, k)
				}
				fmt.Fprintf(g.s.out, "%s opened; put captures into it with: trawlmark case add %s CAPTURE...\n", k.ID, k.ID)
				return nil
			})
		},
	}
	c.Flags().StringVar(&id, "id", "", "the case's id: letters, digits, . _ - (default: the day and a number)")
	c.Flags().StringVar(&note, "note", "", "what it is about")
	return c
}

func caseAdd(g *globals) *cobra.Command {
	var hold bool
	c := &cobra.Command{
		Use: "add CASE CAPTURE...", Short: "Put captures into a case", Args: cobra.MinimumNArgs(2),
		Example: "  trawlmark case add 2026-017 019a... 019b... --hold",
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := parseIDs(args[1:])
			if err != nil {
				return err
			}
			return g.withArchive(c.Context(), func(a *app, arch *archive.Archive) error {
				for _, id := range ids {
					if err := arch.AddToCase(c.Context(), args[0], id, g.actor()); err != nil {
						return err
					}
					if !hold {
						continue
					}
					if err := arch.Hold(c.Context(), id, true, g.actor(), "case "+args[0]); err != nil {
						return err
					}
				}
				k, err := a.catalog.Case(c.Context(), args[0])
				if err != nil {
					return err
				}
				if g.json {
					return printJSON(g.s.out, k)
				}
				fmt.Fprintf(g.s.out, "%s has %s\n", k.ID, counted(k.Captures, "capture"))
				return nil
			})
		},
	}
	c.Flags().BoolVar(&hold, "hold", false, "also put them under legal hold")
	return c
}

func caseList(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the cases, newest first", Args: cobra.NoArgs, Example: "  trawlmark case list",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.with(func(a *app) error {
				cat, err := a.openCatalog(c.Context())
				if err != nil {
					return err
				}
				all, err := cat.Cases(c.Context())
				if err != nil {
					return err
				}
				if g.json {
					if all == nil {
						all = []catalog.Case{}
					}
					return printJSON(g.s.out, all)
				}
				if len(all) == 0 {
					fmt.Fprintln(g.s.out, "There is no case.")
					return nil
				}
				t := newTable("case", "opened", "by", "captures>", "name:60", "closed")
				for _, k := range all {
					t.add(k.ID, timeText(k.Created), k.CreatedBy, fmt.Sprint(k.Captures), k.Name, timeText(k.Closed))
				}
				t.print(g.s.out)
				return nil
			})
		},
	}
}

func caseShow(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "show CASE", Short: "Show a case and its captures", Args: cobra.ExactArgs(1), Example: "  trawlmark case show 2026-017",
		RunE: func(c *cobra.Command, args []string) error {
			return g.with(func(a *app) error { return showCase(c.Context(), g, a, args[0]) })
		},
	}
}

func showCase(ctx context.Context, g *globals, a *app, id string) error {
	cat, err := a.openCatalog(ctx)
	if err != nil {
		return err
	}
	k, err := cat.Case(ctx, id)
	if err != nil {
		return err
	}
	entries := []catalog.Entry{}
	for q := (catalog.Query{Case: id, Limit: 500}); ; {
		p, err := cat.Search(ctx, q)
		if err != nil {
			return err
		}
		entries = append(entries, p.Entries...)
		if q.After = p.Next; q.After == "" {
			break
		}
	}
	if g.json {
		return printJSON(g.s.out, map[string]any{"case": k, "captures": entries})
	}
	fmt.Fprintf(g.s.out, "%s  %s\n  opened %s by %s\n", k.ID, printableLine(k.Name), timeText(k.Created), printableLine(k.CreatedBy))
	if k.Note != "" {
		fmt.Fprintf(g.s.out, "  %s\n", printableLine(k.Note))
	}
	if !k.Closed.IsZero() {
		fmt.Fprintf(g.s.out, "  closed %s\n", timeText(k.Closed))
	}
	fmt.Fprintln(g.s.out)
	t := newTable("captured", "outcome", "title:44", "price>", "seller:22", "held", "capture")
	for _, e := range entries {
		held, title := map[bool]string{true: "held", false: "-"}[e.Held], e.Title
		switch {
		case e.State != catalog.Kept:
			title = "(" + string(e.State) + ")"
		case title == "":
			title = e.FinalURL
		}
		t.add(timeText(e.Started), string(e.Outcome), title, money(e.Price, e.Currency), e.Seller, held, e.ID.String())
	}
	t.print(g.s.out)
	return nil
}

func caseClose(g *globals) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "close CASE", Short: "Close a case; its captures and their holds stay as they are", Args: cobra.ExactArgs(1),
		Example: `  trawlmark case close 2026-017 --reason "settled"`,
		RunE: func(c *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return usagef("say why with --reason: it goes on record")
			}
			return g.withArchive(c.Context(), func(a *app, arch *archive.Archive) error {
				if err := arch.CloseCase(c.Context(), args[0], g.actor(), reason); err != nil {
					return err
				}
				if g.json {
					return printJSON(g.s.out, map[string]any{"case": args[0], "closed": true})
				}
				fmt.Fprintf(g.s.out, "%s closed\n", args[0])
				return nil
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why (required)")
	return c
}
