package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive/bundle"
	"github.com/trawlmark/trawlmark/archive/bundle/export"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

func packageCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use: "package", Short: "Have packages made by the workers, and fetch them",
		Long: `Packages of large cases take a while. Order one, and a worker of the pool export
makes it, verifies it and keeps it in the storage until it is removed.
"trawlmark evidence export" makes one here and now.`,
	}
	c.AddCommand(packageOrder(g), packageList(g), packageGet(g), packageRemove(g))
	return c
}

func packageOrder(g *globals) *cobra.Command {
	var o worker.PackageOrder
	c := &cobra.Command{
		Use: "order [CAPTURE...]", Short: "Have captures, or a case, packed by a worker",
		Long: `Order plans a job for the pool export. That it is exported, by whom, for whom and
why goes on record when the package is made, as with "evidence export". What that
would refuse is refused here: a case without captures, or with --redacted a
capture of which there is no redaction.`,
		Example: `  trawlmark package order --case 2026-017 --purpose "Aurelle v. Shop X" --to "Counsel LLP"
  trawlmark package order 019a... --json | jq -r .id`,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case (o.Case == "") == (len(args) == 0):
				return usagef("name captures, or a case with --case")
			case o.RestWhole && !o.Redacted:
				return usagef("--rest-whole goes with --redacted: without that, every capture is handed over whole")
			}
			for _, s := range args {
				id, err := parseID(s)
				if err != nil {
					return err
				}
				o.Captures = append(o.Captures, id)
			}
			o.By = g.actor()
			return g.with(func(a *app) error { return orderPackage(c.Context(), g, a, o) })
		},
	}
	f := c.Flags()
	f.StringVar(&o.Case, "case", "", "all captures of this case")
	f.StringVar(&o.Purpose, "purpose", "", "why; it goes on record and into the package")
	f.StringVar(&o.To, "to", "", "for whom; it goes on record and into the package")
	f.BoolVar(&o.Redacted, "redacted", false, "hand over the newest redaction of each capture in its place; refused when one has none")
	f.BoolVar(&o.RestWhole, "rest-whole", false, "with --redacted: hand over whole what has no redaction")
	return c
}

func orderPackage(ctx context.Context, g *globals, a *app, o worker.PackageOrder) error {
	cat, err := a.openCatalog(ctx)
	if err != nil {
		return err
	}
	// What would be refused is told now, not by a job that fails later.
	if err := export.Check(ctx, cat, exportRequest(o)); err != nil {
		return err
	}
	l, err := a.openLedger(ctx)
	if err != nil {
		return err
	}
	w, err := o.Work()
	if err != nil {
		return err
	}
	ids, err := l.Add(ctx, w)
	if err != nil {
		return err
	}
	job, err := l.Job(ctx, ids[0])
	if err != nil {
		return err
	}
	if g.json {
		return printJSON(g.s.out, packageRow(job))
	}
	fmt.Fprintf(g.s.out, "%s ordered; fetch it with `trawlmark package get %s`\n", worker.PackageName(job, o), job.ID)
	return nil
}

// exportRequest is what a worker is asked to hand over.
func exportRequest(o worker.PackageOrder) export.Request {
	return export.Request{Case: o.Case, Captures: o.Captures, By: o.By, To: o.To, Purpose: o.Purpose, Redacted: o.Redacted, RestWhole: o.RestWhole}
}

// packaged is a package as the commands tell it.
type packaged struct {
	ID    capture.ID          `json:"id"` // of the job that makes it
	State string              `json:"state"`
	Name  string              `json:"name"`
	Order worker.PackageOrder `json:"order"`
	Note  string              `json:"note,omitempty"`
	Job   ledger.Job          `json:"job"`
}

func packageRow(j ledger.Job) packaged {
	o, err := worker.OrderOf(j)
	p := packaged{ID: j.ID, State: worker.PackageState(j), Name: worker.PackageName(j, o), Order: o, Note: j.Error, Job: j}
	if err != nil {
		p.Note = err.Error()
	}
	return p
}

func packageList(g *globals) *cobra.Command {
	f := ledger.JobFilter{Kind: ledger.Export}
	c := &cobra.Command{
		Use: "list", Short: "List the packages that were ordered, the newest first", Args: cobra.NoArgs,
		Example: "  trawlmark package list\n  trawlmark package list --json | jq '.[] | select(.state == \"ready\") | .id'",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.withLedger(c.Context(), func(l *ledger.Ledger) error {
				jobs, err := l.Jobs(c.Context(), f)
				if err != nil {
					return err
				}
				rows := []packaged{}
				for _, j := range jobs {
					rows = append(rows, packageRow(j))
				}
				if g.json {
					return printJSON(g.s.out, rows)
				}
				if len(rows) == 0 {
					fmt.Fprintln(g.s.out, "No package was ordered yet; see `trawlmark package order --help`.")
					return nil
				}
				t := newTable("package", "state", "of:30", "for:30", "ordered", "by:20", "note:70")
				for _, p := range rows {
					of := p.Order.Case
					if of == "" {
						of = fmt.Sprintf("%d captures", len(p.Order.Captures))
					}
					t.add(p.ID.String(), p.State, of, p.Order.To, timeText(p.Job.Created), p.Order.By, p.Note)
				}
				t.print(g.s.out)
				return nil
			})
		},
	}
	c.Flags().IntVar(&f.Limit, "limit", 50, "how many, up to 500")
	return c
}

// readyPackage gives a package's job and where it lies.
func readyPackage(ctx context.Context, a *app, id capture.ID) (ledger.Job, worker.PackageOrder, vault.Info, error) {
	var none vault.Info
	l, err := a.openLedger(ctx)
	if err != nil {
		return ledger.Job{}, worker.PackageOrder{}, none, err
	}
	j, err := l.Job(ctx, id)
	if err != nil {
		return j, worker.PackageOrder{}, none, err
	}
	o, err := worker.OrderOf(j)
	if err != nil {
		return j, o, none, err
	}
	if j.State != ledger.Done {
		return j, o, none, fmt.Errorf("the package is not ready: %s%s", worker.PackageState(j), because(j.Error))
	}
	v, err := a.openVault(ctx)
	if err != nil {
		return j, o, none, err
	}
	info, err := v.Stat(ctx, vault.ExportKey(id), "")
	if errors.Is(err, vault.ErrNotFound) {
		err = fmt.Errorf("the package was made and removed since; order it again: %w", err)
	}
	return j, o, info, err
}

func because(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

func packageGet(g *globals) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "get PACKAGE", Short: "Write a package that is ready into a file", Args: cobra.ExactArgs(1),
		Long: `Get fetches a package from the storage, compares its digest and verifies it as
"evidence verify" does before it gets its name. That it was taken goes on record.`,
		Example: "  trawlmark package get 019a...\n  trawlmark package get 019a... -o for-court.zip",
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			return g.with(func(a *app) error { return getPackage(c.Context(), g, a, id, out) })
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "file to write; it must not exist (default: the package's own name)")
	return c
}

func getPackage(ctx context.Context, g *globals, a *app, id capture.ID, out string) error {
	j, o, info, err := readyPackage(ctx, a, id)
	if err != nil {
		return err
	}
	if out == "" {
		out = worker.PackageName(j, o)
	}
	if _, err := os.Lstat(out); err == nil {
		return usagef("%s is there already; a package is not written over another file", out)
	}
	arch, err := a.openArchive(ctx, commandSpace("cli"))
	if err != nil {
		return err
	}
	if err := notePackage(o, id, func(s custody.Subject, d map[string]string) error {
		return arch.Note(ctx, custody.Downloaded, g.actor(), s, d)
	}); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(out), ".package-*.partial")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = fetchPackage(ctx, a.vault, info, tmp)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return notVerified(err)
	}
	trust, err := a.trust(ctx)
	if err != nil {
		return err
	}
	report, err := verifyFile(ctx, tmp.Name(), trust)
	if err != nil {
		return err
	}
	if report.Status() == bundle.Fail {
		verifiedOf(out, report, bundle.Layers()).print(g.s.err, false)
		return tamperError{errors.New("the package in the storage does not verify, so it is not handed over")}
	}
	if err := place(tmp.Name(), out); err != nil {
		return fmt.Errorf("the package was fetched, but cannot be put in its place: %w", err)
	}
	if g.json {
		return printJSON(g.s.out, map[string]any{"file": out, "size": info.Size, "sha256": report.SHA256, "verified": report.Status()})
	}
	fmt.Fprintf(g.s.out, "%s  %s\nsha256 %s\nverified: %s\n", out, bytesText(info.Size), report.SHA256, report.Status())
	return nil
}

// notePackage records that a package was taken: with its case, or with each of
// its captures.
func notePackage(o worker.PackageOrder, id capture.ID, note func(custody.Subject, map[string]string) error) error {
	details := map[string]string{"package": id.String()}
	if o.Case != "" {
		return note(custody.Subject{Case: o.Case}, details)
	}
	for _, c := range o.Captures {
		if err := note(custody.Subject{Capture: c}, details); err != nil {
			return err
		}
	}
	return nil
}

// fetchPackage copies a package, holds it against its digest and gives that.
func fetchPackage(ctx context.Context, v vault.Vault, info vault.Info, to io.Writer) (capture.Digest, error) {
	r, _, err := v.Get(ctx, info.Key, info.Version)
	if err != nil {
		return capture.Digest{}, err
	}
	defer r.Close()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, h), r)
	if err != nil {
		return capture.Digest{}, fmt.Errorf("the package could not be read: %w", err)
	}
	sum := capture.Digest(h.Sum(nil))
	if n != info.Size || !info.SHA256.IsZero() && sum != info.SHA256 {
		return sum, vault.ErrDigest
	}
	return sum, nil
}

func packageRemove(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "remove PACKAGE...", Short: "Remove packages from the storage; the evidence in them stays", Args: cobra.MinimumNArgs(1),
		Example: "  trawlmark package remove 019a...",
		RunE: func(c *cobra.Command, args []string) error {
			return g.with(func(a *app) error {
				var gone []capture.ID
				for _, s := range args {
					id, err := parseID(s)
					if err != nil {
						return err
					}
					_, _, info, err := readyPackage(c.Context(), a, id)
					if err != nil {
						return err
					}
					if err := a.vault.Delete(c.Context(), info.Key, info.Version); err != nil {
						return err
					}
					gone = append(gone, id)
					if !g.json {
						fmt.Fprintf(g.s.out, "package %s removed\n", id)
					}
				}
				if g.json {
					return printJSON(g.s.out, map[string]any{"packages": gone, "now": "removed"})
				}
				return nil
			})
		},
	}
}
