package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
)

func archiveCommand(g *globals) *cobra.Command {
	c := &cobra.Command{Use: "archive", Short: "Check the archive, let go what has expired, rebuild the catalogue"}
	c.AddCommand(archiveAudit(g), archiveRehash(g), archiveRebuild(g), archiveExpire(g))
	return c
}

// differences prints what is found as it is found: a line each, or the
// elements of a JSON document that end closes with the report.
type differences struct {
	g *globals
	n int
}

func (d *differences) found(x archive.Difference) {
	d.n++
	if d.g.json {
		b, err := json.Marshal(x)
		if err != nil {
			panic(err) // strings only
		}
		fmt.Fprintf(d.g.s.out, "%s\n    %s", map[bool]string{true: `{"differences": [`, false: ","}[d.n == 1], b)
		return
	}
	fmt.Fprintf(d.g.s.out, "%-16s %s\n", x.What, printableLine(x.Text))
	if !x.Capture.IsZero() {
		fmt.Fprintf(d.g.s.out, "%-16s capture %s\n", "", x.Capture)
	}
	if x.Key != "" {
		fmt.Fprintf(d.g.s.out, "%-16s %s\n", "", printableLine(x.Key))
	}
}

// end closes the JSON document, or prints the sentence.
func (d *differences) end(report any, sentence string) error {
	if !d.g.json {
		_, err := fmt.Fprintln(d.g.s.out, sentence)
		return err
	}
	b, err := json.MarshalIndent(report, "  ", "  ")
	if err != nil {
		return err
	}
	head := map[bool]string{true: "\n  ],", false: `{"differences": [],`}[d.n > 0]
	_, err = fmt.Fprintf(d.g.s.out, "%s\n  \"report\": %s\n}\n", head, b)
	return err
}

func (d *differences) verdict(n int64) error {
	if n == 0 {
		return nil
	}
	return tamperError{fmt.Errorf("%d differences were found; each is named above, docs/archive.md says what to do about which", n)}
}

func archiveAudit(g *globals) *cobra.Command {
	var deep bool
	var resume string
	c := &cobra.Command{
		Use: "audit", Short: "Compare storage, catalogue and custody log with each other", Args: cobra.NoArgs,
		Long: `Audit compares the storage, the catalogue and the custody log with each other,
both ways, and reports every difference: files that are missing, changed, not
locked or covered by other versions; captures that one of the three does not
know; what was erased is explained by the log. It changes nothing. Exit code 6
when there is a difference.`,
		Example: "  trawlmark archive audit\n  trawlmark archive audit --deep --resume audit.json   # reads every byte; stopped, it goes on there",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.with(func(a *app) error {
				arch, err := a.openArchive(c.Context(), commandSpace("archive"))
				if err != nil {
					return err
				}
				return audit(c.Context(), g, a, arch, archive.AuditOptions{Deep: deep}, resume)
			})
		},
	}
	c.Flags().BoolVar(&deep, "deep", false, "read every byte of every file again")
	c.Flags().StringVar(&resume, "resume", "", "keep how far it came in `FILE`; an audit that was stopped goes on there")
	return c
}

func audit(ctx context.Context, g *globals, a *app, arch *archive.Archive, o archive.AuditOptions, resume string) error {
	if resume != "" {
		b, err := os.ReadFile(resume)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		default:
			if err := json.Unmarshal(b, &o.From); err != nil {
				return usagef("--resume: %s was not written by an audit: %w", resume, err)
			}
		}
	}
	d := &differences{g: g}
	o.Found = d.found
	keep := func(p archive.Position) error {
		if resume == "" {
			return nil
		}
		return writeJSON(resume, p)
	}
	tell := seldom(g.s.now)
	o.Progress = func(p archive.Position, r archive.AuditReport) {
		if err := keep(p); err != nil {
			a.log.Warn("how far the audit came could not be written", "file", resume, "error", err)
		}
		tell(func() {
			a.log.Info("the audit goes on", "phase", p.Phase, "captures", r.Captures, "objects", r.Objects, "differences", r.Differences)
		})
	}
	r, err := arch.Audit(ctx, a.custody, o)
	if err != nil {
		return errors.Join(err, keep(r.Position))
	}
	if resume != "" {
		if err := os.Remove(resume); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	err = d.end(r, fmt.Sprintf("Compared: %s, %s, %d log entries. %s. Gone, as the log says: %s; just being stored: %d.",
		counted(r.Captures, "capture"), counted(r.Objects, "file"), r.LogEntries, counted(r.Differences, "difference"), counted(r.Gone, "capture"), r.Storing))
	return errors.Join(err, d.verdict(r.Differences))
}

func archiveRehash(g *globals) *cobra.Command {
	var sample int
	c := &cobra.Command{
		Use: "rehash", Short: "Read a random sample of captures again and compare every byte", Args: cobra.NoArgs,
		Long:    "Rehash is what the dispatcher does every day: it reads all files of some captures,\nchosen at random, and compares digest, size, lock and hold with their manifests.",
		Example: "  trawlmark archive rehash --sample 100",
		RunE: func(c *cobra.Command, _ []string) error {
			if sample < 1 {
				return usagef("--sample: read at least 1 capture")
			}
			return g.with(func(a *app) error {
				arch, err := a.openArchive(c.Context(), commandSpace("archive"))
				if err != nil {
					return err
				}
				s, err := arch.Rehash(c.Context(), sample)
				if err != nil {
					return err
				}
				d := &differences{g: g}
				for _, x := range s.Found {
					d.found(x)
				}
				err = d.end(s, fmt.Sprintf("Read again: %s, %s, %s. %s; %s could not be read.",
					counted(s.Captures, "capture"), counted(s.Objects, "file"), bytesText(s.Bytes), counted(len(s.Found), "difference"), counted(s.Failed, "file")))
				if s.Failed > 0 {
					err = errors.Join(err, partlyError{fmt.Errorf("%d files could not be read", s.Failed)})
				}
				return errors.Join(err, d.verdict(int64(len(s.Found))))
			})
		},
	}
	c.Flags().IntVar(&sample, "sample", 50, "how many captures")
	return c
}

func archiveRebuild(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "rebuild", Short: "Make the catalogue and the log's index anew from the storage alone", Args: cobra.NoArgs,
		Long: `Rebuild reads manifests, readings, locks and custody events from the storage and
fills the catalogue of this configuration's database: after a lost or old
database, into an empty one. What is there already stays. The keys of the log
must be in the data folder. Watches, jobs and findings are not in the storage.`,
		Example: "  trawlmark archive rebuild",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.with(func(a *app) error { return rebuild(c.Context(), g, a) })
		},
	}
}

func rebuild(ctx context.Context, g *globals, a *app) error {
	if _, err := a.openNotary(ctx); errors.Is(err, custody.ErrBehind) && a.custody != nil {
		if _, err := a.custody.Restore(ctx); err != nil {
			return fmt.Errorf("the index of the custody log could not be made anew: %w", err)
		}
	} else if err != nil {
		return err
	}
	arch, err := a.openArchive(ctx, commandSpace("archive"))
	if err != nil {
		return err
	}
	if _, err := a.custody.Sweep(ctx, time.Time{}); err != nil {
		return err
	}
	d, tell := &differences{g: g}, seldom(g.s.now)
	r, err := arch.Rebuild(ctx, a.custody, archive.RebuildOptions{
		Found: d.found,
		Progress: func(r archive.RebuildReport) {
			tell(func() { a.log.Info("the rebuild goes on", "captures", r.Captures, "events", r.Events) })
		},
	})
	if err != nil {
		return fmt.Errorf("the catalogue is rebuilt in part; run it again: %w", err)
	}
	err = d.end(r, fmt.Sprintf("%d captures, %d that are gone, %d cases and %d orders to erase are in the catalogue; %d things did not fit.",
		r.Captures, r.Gone, r.Cases, r.Orders, r.Differences))
	return errors.Join(err, d.verdict(r.Differences))
}

// seldom gives a function that does what it is given, but not more often than
// every ten seconds: how far a long command is.
func seldom(now func() time.Time) func(func()) {
	if now == nil {
		now = time.Now
	}
	last := now()
	return func(do func()) {
		if t := now(); t.Sub(last) >= 10*time.Second {
			last = t
			do()
		}
	}
}

func archiveExpire(g *globals) *cobra.Command {
	var dry bool
	c := &cobra.Command{
		Use: "expire", Short: "Delete what no retention, hold or reference keeps", Args: cobra.NoArgs,
		Long: `Expire deletes the captures whose retention has ended and carries out orders to
erase whose locks have ended. What is held, still locked, or needed by captures
that are kept, stays. Each deletion is on record; that a capture was there stays
in the log and the catalogue.`,
		Example: "  trawlmark archive expire --dry-run\n  trawlmark archive expire",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.with(func(a *app) error {
				arch, err := a.openArchive(c.Context(), commandSpace("archive"))
				if err != nil {
					return err
				}
				tell := seldom(g.s.now)
				x, err := arch.ExpireTelling(c.Context(), dry, func(x archive.Expiry) {
					tell(func() { a.log.Info("expire goes on", "deleted", x.Done, "staying", x.Waiting) })
				})
				if g.json {
					return errors.Join(err, printJSON(g.s.out, x))
				}
				verb := map[bool]string{true: "to be deleted", false: "deleted"}[dry]
				fmt.Fprintf(g.s.out, "%s (%s) %s, %d of them by order; %d that are due stay a while.\n", counted(x.Done, "capture"), bytesText(x.Bytes), verb, x.Erased, x.Waiting)
				for _, s := range x.Stayed {
					fmt.Fprintf(g.s.out, "  %s  %s\n", s.Capture, s.Why)
				}
				return err
			})
		},
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "only tell what would be deleted")
	return c
}

func eraseCommand(g *globals) *cobra.Command {
	var order string
	c := &cobra.Command{
		Use: "erase CAPTURE...", Short: "Erase captures on order, at once or when their lock ends", Args: cobra.MinimumNArgs(1),
		Long: `Erase deletes captures for good: by order of a court or an authority, or because a
person asked for it. A capture that is locked is not deleted before its lock
ends: the order is put on record, nothing refers to the capture any more, and
"archive expire" carries it out. Under legal hold it waits for the release.
That the capture was there stays on record; nothing of the page does.`,
		Example: `  trawlmark evidence erase 019a... --order "LG Hamburg 308 O 12/26"`,
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := parseIDs(args)
			if err != nil {
				return err
			}
			if strings.TrimSpace(order) == "" {
				return usagef("name the order with --order: it goes on record")
			}
			return g.with(func(a *app) error {
				arch, err := a.openArchive(c.Context(), commandSpace("archive"))
				if err != nil {
					return err
				}
				var all []archive.Erasure
				for _, id := range ids {
					e, err := arch.Erase(c.Context(), id, g.actor(), order)
					if err != nil {
						return err
					}
					all = append(all, e)
					if g.json {
						continue
					}
					if e.Erased {
						fmt.Fprintf(g.s.out, "%s erased\n", id)
					} else {
						fmt.Fprintf(g.s.out, "%s not yet: %s. The order is on record and is carried out then.\n", id, e.Why)
					}
				}
				if g.json {
					return printJSON(g.s.out, all)
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&order, "order", "", "which `ORDER`, by whom (required); it goes on record")
	return c
}

func parseIDs(args []string) ([]capture.ID, error) {
	var ids []capture.ID
	for _, s := range args {
		id, err := parseID(s)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// wholeName is the file of a WARC with everything in it, beside the one that
// is kept.
const wholeName = "whole.warc.gz"

// writeWhole writes the WARC of a capture with everything in it, for programs
// that read one file. It is derived; what is kept stands beside it.
func writeWhole(ctx context.Context, arch *archive.Archive, id capture.ID, dir string) (string, error) {
	f, err := os.Create(filepath.Join(dir, wholeName))
	if err != nil {
		return "", err
	}
	err = arch.WriteWhole(ctx, id, f, dir)
	return f.Name(), errors.Join(err, f.Close())
}
