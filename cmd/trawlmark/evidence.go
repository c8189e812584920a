package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
)

func evidenceCommand(g *globals) *cobra.Command {
	c := &cobra.Command{Use: "evidence", Short: "Find, look at, hold and check what is archived"}
	c.AddCommand(evidenceSearch(g), evidenceShow(g), evidenceGet(g), evidenceHold(g, true), evidenceHold(g, false),
		redactCommand(g), exportCommand(g), verifyCommand(g), trustCommand(g), eraseCommand(g))
	return c
}

func evidenceSearch(g *globals) *cobra.Command {
	var q catalog.Query
	var outcome, from, until string
	c := &cobra.Command{
		Use: "search [WORDS]", Short: "Search captures by words in title, seller, price, URL, ids",
		Long: `Search finds captures by whole words, case and accents ignored; a last word that
ends in * finds what begins so. Without words it lists the newest.`,
		Example: "  trawlmark evidence search belvoir\n  trawlmark evidence search 'lux*' --site demomarket --outcome captured\n  trawlmark evidence search --from 2026-03-01 --until 2026-04-01 --json",
		RunE: func(c *cobra.Command, args []string) error {
			q.Text = strings.Join(args, " ")
			var err error
			if outcome != "" {
				if q.Outcome, err = capture.ParseOutcome(outcome); err != nil {
					return usagef("%w; docs/glossary.md lists them", err)
				}
			}
			if q.From, err = parseDay(from); err != nil {
				return err
			}
			if q.Until, err = parseDay(until); err != nil {
				return err
			}
			return g.with(func(a *app) error { return search(c.Context(), g, a, q) })
		},
	}
	f := c.Flags()
	f.StringVar(&q.Site, "site", "", "only captures of this site")
	f.StringVar(&q.ItemID, "item", "", "only captures of this item id (with --site)")
	f.StringVar(&outcome, "outcome", "", "only captures that ended so")
	f.StringVar(&q.Case, "case", "", "only captures of this case")
	f.BoolVar(&q.Held, "held", false, "only captures under legal hold")
	f.StringVar(&from, "from", "", "begun on or after this day (2026-03-01) or instant (RFC 3339)")
	f.StringVar(&until, "until", "", "begun before this day or instant")
	f.IntVar(&q.Limit, "limit", 50, "how many, up to 500")
	f.StringVar(&q.After, "cursor", "", "go on behind this page")
	return c
}

func parseDay(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02"} {
		if t, err := time.Parse(form, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("%q is neither a day (2026-03-01) nor an instant (2026-03-01T12:00:00Z)", s)
}

func search(ctx context.Context, g *globals, a *app, q catalog.Query) error {
	cat, err := a.openCatalog(ctx)
	if err != nil {
		return err
	}
	p, err := cat.Search(ctx, q)
	if err != nil {
		return usageError{err}
	}
	ids := make([]capture.ID, len(p.Entries))
	for i, e := range p.Entries {
		ids[i] = e.ID
	}
	redactions, err := cat.Originals(ctx, ids)
	if err != nil {
		return err
	}
	if g.json {
		return printJSON(g.s.out, foundPage{p, redactions})
	}
	if len(p.Entries) == 0 {
		fmt.Fprintln(g.s.out, "No capture fits.")
		return nil
	}
	t := newTable("captured", "outcome", "site:14", "title:44", "price>", "seller:22", "capture")
	for _, e := range p.Entries {
		title := e.Title
		if title == "" {
			title = e.FinalURL
		}
		if of, is := redactions[e.ID]; is {
			title = "(redaction of " + of.String()[:13] + "…) " + title
		}
		t.add(timeText(e.Started), string(e.Outcome), e.Site, title, money(e.Price, e.Currency), e.Seller, e.ID.String())
	}
	t.print(g.s.out)
	if p.Next != "" {
		fmt.Fprintf(g.s.out, "\nMore: the same with --cursor %s\n", p.Next)
	}
	return nil
}

// foundPage is what `evidence search` tells; Redactions says of which captures
// others in it are redactions.
type foundPage struct {
	catalog.Page
	Redactions map[capture.ID]capture.ID `json:"redactions"`
}

// shown is what `evidence show` tells.
type shown struct {
	Entry    catalog.Entry      `json:"entry"`
	Original *capture.ID        `json:"redaction_of,omitempty"`
	Redacted []capture.ID       `json:"redactions,omitempty"`
	Objects  []catalog.Artifact `json:"objects"`
	Sealed   archive.Sealed     `json:"sealed"`
	Custody  []custodyLine      `json:"custody"`
	Manifest *manifest.Manifest `json:"manifest"` // null of a capture that is gone
}

type custodyLine struct {
	At      time.Time         `json:"at"`
	Type    string            `json:"type"`
	Actor   string            `json:"actor"`
	Index   int64             `json:"index"` // -1: not in the log yet
	Details map[string]string `json:"details,omitempty"`
}

func evidenceShow(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "show CAPTURE", Short: "Show a capture: what it is, when, its files, who did what with it", Args: cobra.ExactArgs(1),
		Example: "  trawlmark evidence show 019a...",
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			return g.with(func(a *app) error {
				s, err := collect(c.Context(), a, id)
				if err != nil {
					return err
				}
				if g.json {
					return printJSON(g.s.out, s)
				}
				s.print(g.s.out)
				return nil
			})
		},
	}
}

func collect(ctx context.Context, a *app, id capture.ID) (shown, error) {
	arch, err := a.openArchive(ctx, commandSpace("cli"))
	if err != nil {
		return shown{}, err
	}
	var s shown
	if s.Entry, err = a.catalog.Get(ctx, id); err != nil {
		return s, err
	}
	if s.Objects, err = a.catalog.Artifacts(ctx, id); err != nil {
		return s, err
	}
	of, has, err := redactionLine(ctx, a.catalog, id)
	if err != nil {
		return s, err
	}
	if s.Redacted = has; !of.IsZero() {
		s.Original = &of
	}
	var after *capture.Anchor
	switch s.Manifest, _, err = arch.Manifest(ctx, id); {
	case errors.Is(err, archive.ErrTampered):
		return s, tamperError{err}
	case errors.Is(err, archive.ErrGone): // that it was there can still be shown
	case err != nil:
		return s, err
	default:
		after = anchorOf(s.Manifest)
	}
	if s.Sealed, err = a.notary.Sealed(ctx, id, after); err != nil {
		return s, err
	}
	rows, err := a.custody.About(ctx, custody.Subject{Capture: id})
	if err != nil {
		return s, err
	}
	for _, r := range rows {
		e, _, err := a.custody.Event(ctx, r.ID)
		if err != nil {
			return s, err
		}
		s.Custody = append(s.Custody, custodyLine{e.At, string(e.Type), e.Actor, r.Index, e.Details})
	}
	return s, nil
}

func anchorOf(m *manifest.Manifest) *capture.Anchor {
	if m.After == nil {
		return nil
	}
	return &capture.Anchor{
		Origin: m.After.Origin, Size: m.After.Size, Root: m.After.Root, Stamp: m.After.Stamp,
		Checkpoint: m.After.Checkpoint, StampedAt: m.After.StampedAt.Time,
	}
}

// between says in one line when a capture was made, as far as it is proved.
func between(s archive.Sealed) string {
	from, to := "an unknown time (no stamped checkpoint was known when it began)", "now (it waits for the next stamped checkpoint)"
	if s.After != nil {
		from = s.After.StampedAt.UTC().Format(time.RFC3339)
	}
	if !s.Before.IsZero() {
		to = s.Before.UTC().Format(time.RFC3339) + " (" + strings.Join(s.By, ", ") + ")"
	}
	return "between " + from + " and " + to
}

func (s shown) print(w io.Writer) {
	e := s.Entry
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "  %-10s %s\n", name, printableLine(value))
		}
	}
	fmt.Fprintf(w, "%s  %s: %s\n", e.ID, e.Outcome, e.Outcome.Sentence())
	if s.Original != nil {
		row("redacted", "a copy of "+s.Original.String()+" with parts withheld")
	}
	for _, r := range s.Redacted {
		row("redaction", r.String())
	}
	row("url", e.URL)
	if e.FinalURL != e.URL {
		row("final", e.FinalURL)
	}
	row("title", e.Title)
	row("price", money(e.Price, e.Currency))
	row("seller", e.Seller)
	row("clock", timeText(e.Started)+" to "+timeText(e.Finished)+" (this machine's)")
	row("proved", between(s.Sealed))
	if e.State != catalog.Kept {
		row("gone", map[catalog.State]string{
			catalog.Expired: "its retention has ended; its files are deleted", catalog.Erased: "it was erased by order; its files are deleted",
		}[e.State])
	}
	row("locked", "until "+timeText(e.RetainUntil)+map[bool]string{true: ", and under legal hold", false: ""}[e.Held])
	m := s.Manifest
	if m == nil {
		m = &manifest.Manifest{}
	}
	if m := m.Main; m != nil {
		row("server", fmt.Sprintf("%s port %d, %s, status %d", m.IP, m.Port, m.Protocol, m.Status))
	}
	row("manifest", "sha256:"+e.Manifest.String())
	for _, m := range m.Missing {
		row("missing", m.What+" "+m.URL+": "+m.Reason)
	}
	fmt.Fprintln(w)
	t := newTable("  role", "bytes>", "sha256", "key")
	for _, o := range s.Objects {
		name := o.Role
		if o.Tile > 0 {
			name = fmt.Sprintf("%s %d", o.Role, o.Tile)
		}
		t.add("  "+name, fmt.Sprint(o.Bytes), o.SHA256.String()[:16]+"…", o.Key)
	}
	t.print(w)
	fmt.Fprintln(w)
	t = newTable("  when", "what", "who", "leaf>", "details:60")
	for _, l := range s.Custody {
		leaf := "waits"
		if l.Index >= 0 {
			leaf = fmt.Sprint(l.Index)
		}
		var d []string
		for k, v := range l.Details {
			d = append(d, k+"="+v)
		}
		t.add("  "+timeText(l.At), l.Type, l.Actor, leaf, strings.Join(d, " "))
	}
	t.print(w)
}

func evidenceGet(g *globals) *cobra.Command {
	var out, open string
	c := &cobra.Command{
		Use: "get CAPTURE", Short: "Take the files of a capture out of the store (on record)", Args: cobra.ExactArgs(1),
		Long: `Get writes the files of a capture as they are kept, and whole.warc.gz: the WARC with
everything in it. The WARC that is kept refers to earlier captures for scripts and
images that were the same, and has no screenshots; the whole one is derived from it.`,
		Example: "  trawlmark evidence get 019a... -o ./evidence\n  trawlmark evidence get 019a... --open viewport   # one file, its name is printed",
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			return g.with(func(a *app) error { return getEvidence(c.Context(), g, a, id, out, open) })
		},
	}
	c.Flags().StringVarP(&out, "output", "o", ".", "folder to write into; the files go into a folder named by the capture")
	c.Flags().StringVar(&open, "open", "", "only this role: warc, html, dom, viewport, fullpage, text, reading, pageinfo")
	return c
}

func getEvidence(ctx context.Context, g *globals, a *app, id capture.ID, out, role string) error {
	arch, err := a.openArchive(ctx, commandSpace("cli"))
	if err != nil {
		return err
	}
	e, err := a.catalog.Get(ctx, id)
	if err != nil {
		return err
	}
	arts, err := a.catalog.Artifacts(ctx, id)
	if err != nil {
		return err
	}
	var wanted []catalog.Artifact
	var have []string
	for _, o := range arts {
		have = append(have, o.Role)
		if role == "" || o.Role == role {
			wanted = append(wanted, o)
		}
	}
	if len(wanted) == 0 {
		return fmt.Errorf("capture %s has no %s; it has %s: %w", id, role, strings.Join(have, ", "), catalog.ErrNotFound)
	}
	dir := filepath.Join(out, id.String())
	if err := writeOut(ctx, arch, archive.Receipt{ID: id, Entry: e, Objects: wanted}, dir, g.actor()); err != nil {
		if errors.Is(err, archive.ErrTampered) {
			return tamperError{err}
		}
		return err
	}
	var names []string
	for _, o := range wanted {
		names = append(names, filepath.Join(dir, path.Base(o.Key)))
	}
	if role == "" {
		whole, err := writeWhole(ctx, arch, id, dir)
		if err != nil {
			return err
		}
		names = append(names, whole)
	}
	if g.json {
		return printJSON(g.s.out, map[string]any{"capture": id, "folder": dir, "files": names})
	}
	for _, n := range names {
		fi, err := os.Stat(n)
		if err != nil {
			return err
		}
		fmt.Fprintf(g.s.out, "%s  %s\n", n, bytesText(fi.Size()))
	}
	return nil
}

func evidenceHold(g *globals, on bool) *cobra.Command {
	var reason string
	verb, short := "hold", "Put captures under legal hold: nothing deletes them until it is lifted"
	if !on {
		verb, short = "release", "Lift the legal hold of captures"
	}
	c := &cobra.Command{
		Use: verb + " CAPTURE...", Short: short, Args: cobra.MinimumNArgs(1),
		Example: "  trawlmark evidence " + verb + ` 019a... --reason "Aurelle v. Shop X"`,
		RunE: func(c *cobra.Command, args []string) error {
			var ids []capture.ID
			for _, s := range args {
				id, err := parseID(s)
				if err != nil {
					return err
				}
				ids = append(ids, id)
			}
			if strings.TrimSpace(reason) == "" {
				return usagef("say why with --reason: it goes on record")
			}
			return g.with(func(a *app) error {
				arch, err := a.openArchive(c.Context(), commandSpace("cli"))
				if err != nil {
					return err
				}
				for _, id := range ids {
					if err := arch.Hold(c.Context(), id, on, g.actor(), reason); err != nil {
						return err
					}
					if !g.json {
						fmt.Fprintf(g.s.out, "%s %s\n", id, map[bool]string{true: "held", false: "released"}[on])
					}
				}
				if g.json {
					return printJSON(g.s.out, map[string]any{"captures": ids, "held": on})
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why (required)")
	return c
}
