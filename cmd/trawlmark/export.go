package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/bundle"
	"github.com/trawlmark/trawlmark/archive/bundle/export"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
)

func exportCommand(g *globals) *cobra.Command {
	var q export.Request
	var out string
	var p portalFlags
	var verifier string
	c := &cobra.Command{
		Use: "export [CAPTURE...]", Short: "Hand over captures, or a case, as a package that anybody can verify",
		Long: `Export writes one ZIP file with the captures, what proves them, and the means to
check it without Trawlmark: verify/verify.sh needs a shell, openssl and coreutils.

Every file is hashed against its manifest before and while it is copied. That it
was exported goes on record in the custody log, before and after. The package is
verified once more before it gets its name.

Give the receiver the trust file (trawlmark evidence trust) by another way than
the package.
` + portalHelp,
		Example: "  trawlmark evidence export 019a... --purpose \"Aurelle v. Shop X\" --to \"Counsel LLP\"\n" +
			"  trawlmark evidence export --case 2026-017 -o for-court.zip\n" +
			"  trawlmark evidence export --case 2026-017 --portal temu --complaint complaint.yaml -o temu",
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case (q.Case == "") == (len(args) == 0):
				return usagef("name captures, or a case with --case")
			case q.RestWhole && !q.Redacted:
				return usagef("--rest-whole goes with --redacted: without that, every capture is handed over whole")
			}
			for _, s := range args {
				id, err := parseID(s)
				if err != nil {
					return err
				}
				q.Captures = append(q.Captures, id)
			}
			q.By = g.actor()
			if p.name == "" && (p.complaint != "" || p.draft) {
				return usagef("--complaint and --draft are for a portal; name it with --portal")
			}
			if p.name != "" {
				return g.with(func(a *app) error { return exportPortal(c.Context(), g, a, q, p, out) })
			}
			if verifier != "" {
				b, err := os.ReadFile(verifier)
				if err != nil {
					return err
				}
				q.Verifier = b
			}
			return g.with(func(a *app) error { return exportEvidence(c.Context(), g, a, q, out) })
		},
	}
	f := c.Flags()
	f.BoolVar(&q.Redacted, "redacted", false, "hand over the newest redaction of each capture in its place (evidence redact); refused when one has none")
	f.BoolVar(&q.RestWhole, "rest-whole", false, "with --redacted: hand over whole what has no redaction")
	f.StringVar(&q.Case, "case", "", "all captures of this case")
	f.StringVarP(&out, "output", "o", "", "file to write (a folder with --portal); it must not exist (default case-<id>.zip or captures-<export id>.zip)")
	f.StringVar(&verifier, "with-verifier", "", "put this program, a static trawlmark-verify, into the package as verify/trawlmark-verify")
	f.StringVar(&p.name, "portal", "", "write files for this complaint channel instead: ebay-vero, alibaba-ipp, amazon-rav, temu, dsa-notice")
	f.StringVar(&p.complaint, "complaint", "", "what the rights holder says of the right, with --portal")
	f.BoolVar(&p.draft, "draft", false, "write the files although the portal would reject them, with blanks, with --portal")
	f.StringVar(&q.Purpose, "purpose", "", "why; it goes on record and into the package")
	f.StringVar(&q.To, "to", "", "for whom; it goes on record and into the package")
	return c
}

// exportedFile is what `evidence export` tells.
type exportedFile struct {
	File string `json:"file"`
	export.Summary
	Verified bundle.Status `json:"verified"`
}

func exportEvidence(ctx context.Context, g *globals, a *app, q export.Request, out string) error {
	x, err := a.openExporter(ctx)
	if err != nil {
		return err
	}
	// Exhibits are printed by the Chrome that is there; without one the package
	// has them as HTML only, and says so.
	if r, err := a.openRenderer(ctx); err == nil {
		x.Printer = r
	} else {
		fmt.Fprintf(g.s.err, "trawlmark: the exhibits are not printed to PDF: %v\n", err)
	}
	trust, err := a.trust(ctx)
	if err != nil {
		return err
	}
	dir := "."
	if out != "" {
		if _, err := os.Lstat(out); err == nil {
			return usagef("%s is there already; a package is not written over another file", out)
		}
		dir = filepath.Dir(out)
	}
	tmp, err := os.CreateTemp(dir, ".export-*.partial")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // it is gone after the rename
	s, err := x.Export(ctx, tmp, q)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return notVerified(err)
	}
	report, err := verifyFile(ctx, tmp.Name(), trust)
	if err != nil {
		return err
	}
	if report.SHA256 != s.SHA256 || report.Status() == bundle.Fail {
		verifiedOf(s.Name, report, bundle.Layers()).print(g.s.err, false)
		return tamperError{errors.New("what was written does not verify, so it is not handed over")}
	}
	if out == "" {
		out = s.Name
	}
	if err := place(tmp.Name(), out); err != nil {
		return fmt.Errorf("the package was made, but cannot be put in its place: %w", err)
	}
	if g.json {
		return printJSON(g.s.out, exportedFile{out, s, report.Status()})
	}
	fmt.Fprintf(g.s.out, "%s  %s, %d captures, %d files\nsha256 %s\nverified: %s\n", out, bytesText(s.Size), len(s.Captures), s.Files, s.SHA256, report.Status())
	for _, l := range bundle.Layers() {
		if st := report.Layer(l); st != bundle.Pass {
			fmt.Fprintf(g.s.out, "  %s: %s\n", l, st)
		}
	}
	for _, warning := range s.Warnings {
		fmt.Fprintln(g.s.err, "trawlmark: "+printableLine(warning))
	}
	return nil
}

// place gives a file its name, and never another file's: by a link, or where a
// file system has none, by a rename.
func place(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrExist}
	}
	return os.Rename(from, to)
}

// notVerified gives evidence that differs, or is gone, the exit code for it.
func notVerified(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, vault.ErrDigest) || errors.Is(err, archive.ErrTampered) || errors.Is(err, bundle.ErrTampered) || errors.Is(err, bundle.ErrChanged) || errors.Is(err, vault.ErrNotFound) {
		return tamperError{fmt.Errorf("%w; nothing was handed over", err)}
	}
	return err
}

// openExporter opens what a package is made from.
func (a *app) openExporter(ctx context.Context) (*export.Exporter, error) {
	arch, err := a.openArchive(ctx, commandSpace("cli"))
	if err != nil {
		return nil, err
	}
	sealer, authorities, err := a.openStamps(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := a.logHistory(ctx)
	if err != nil {
		return nil, err
	}
	key, err := a.waczKey()
	if err != nil {
		return nil, err
	}
	config, err := maskedConfig(a.cfg)
	if err != nil {
		return nil, err
	}
	return &export.Exporter{
		Catalog: a.catalog, Vault: a.vault, Log: a.custody, Stamps: sealer, Keys: keys, Key: key, IDs: a.ids, Now: time.Now,
		Whole: func(ctx context.Context, id capture.ID, w io.Writer) error { return arch.WriteWhole(ctx, id, w, a.tmp) },
		Seal:  func(ctx context.Context) error { _, err := a.notary.Seal(ctx); return err },
		System: bundle.System{
			Software: software(), Operator: a.cfg.Operator, TSAs: authorities,
			Configuration: config,
		},
	}, nil
}
