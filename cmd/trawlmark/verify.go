package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive/bundle"
	"github.com/trawlmark/trawlmark/archive/bundle/export"
	"github.com/trawlmark/trawlmark/archive/capture"
)

func verifyCommand(g *globals) *cobra.Command {
	var trustFile string
	var all bool
	c := &cobra.Command{
		Use: "verify PACKAGE|CAPTURE...", Short: "Check packages, or captures as they are in the store, layer by layer", Args: cobra.MinimumNArgs(1),
		Long: `Verify checks a package file, or captures in the store, against the log's keys and
the authorities' roots: of this installation, or of the file given by --trust.
For a package of somebody else, use --trust, or trawlmark-verify. Of captures in
the store it also asks the storage for lock, legal hold and version of each object.

PASS is good. FAIL is not (exit 6). NOT-CHECKED means that nobody knows (exit 7).
Looking at captures this way is no custody event: nothing is shown of them.`,
		Example: "  trawlmark evidence verify case-2026-017.zip\n  trawlmark evidence verify 019a... --all",
		RunE: func(c *cobra.Command, args []string) error {
			return verifyEvidence(c.Context(), g, args, trustFile, all)
		},
	}
	c.Flags().StringVar(&trustFile, "trust", "", "believe this trust file instead of this installation")
	c.Flags().BoolVar(&all, "all", false, "list every check, not just those that did not pass")
	return c
}

// verified is what `evidence verify` tells of one package or capture.
type verified struct {
	Name   string                         `json:"name"`
	Status bundle.Status                  `json:"status"`
	Layers map[bundle.Layer]bundle.Status `json:"layers"`
	Report *bundle.Report                 `json:"report"`
}

func verifyEvidence(ctx context.Context, g *globals, args []string, trustFile string, all bool) error {
	var results []verified
	work := func(a *app) error {
		trust, err := a.trustOr(ctx, trustFile)
		if err != nil {
			return err
		}
		for _, arg := range args {
			r, err := a.verifyOne(ctx, arg, trust)
			if err != nil {
				return fmt.Errorf("%s: %w", arg, err)
			}
			results = append(results, r)
			if !g.json {
				r.print(g.s.out, all)
			}
		}
		return nil
	}
	if err := g.with(work); err != nil {
		return err
	}
	if g.json {
		if err := printJSON(g.s.out, results); err != nil {
			return err
		}
	}
	worst := exitOK
	for _, r := range results {
		switch {
		case r.Status == bundle.Fail:
			worst = exitNotVerified
		case r.Status != bundle.Pass && worst == exitOK:
			worst = exitPartly
		}
	}
	if worst != exitOK {
		return silentlyExit{worst}
	}
	return nil
}

func (a *app) trustOr(ctx context.Context, file string) (bundle.Trust, error) {
	if file == "" {
		return a.trust(ctx)
	}
	f, err := os.Open(file)
	if err != nil {
		return bundle.Trust{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, bundle.MaxTrust+1))
	if err != nil {
		return bundle.Trust{}, err
	}
	t, err := bundle.ParseTrust(b)
	if err != nil {
		return t, usageError{fmt.Errorf("%s: %w", file, err)}
	}
	return t, nil
}

// verifyOne checks a package, or a capture in the store: of that a package is
// made, of which nobody gets anything.
func (a *app) verifyOne(ctx context.Context, arg string, trust bundle.Trust) (verified, error) {
	id, err := capture.ParseID(arg)
	if err != nil {
		r, err := verifyFile(ctx, arg, trust)
		if err != nil {
			return verified{}, err
		}
		return verifiedOf(arg, r, bundle.Layers()), nil
	}
	x, err := a.openExporter(ctx)
	if err != nil {
		return verified{}, err
	}
	tmp, err := os.CreateTemp("", "trawlmark-verify-*")
	if err != nil {
		return verified{}, err
	}
	defer os.Remove(tmp.Name())
	_, err = x.Export(ctx, tmp, export.Request{Captures: []capture.ID{id}, By: "system:verify", Dry: true})
	if err = errors.Join(err, tmp.Close()); err != nil {
		return verified{}, notVerified(err)
	}
	r, err := verifyFile(ctx, tmp.Name(), trust)
	if err != nil {
		return verified{}, err
	}
	// There is no package that could be whole: the other layers count.
	r.Checks = slices.DeleteFunc(r.Checks, func(c bundle.Check) bool { return c.Layer == bundle.LayerPackage && c.Status != bundle.Fail })
	layers := slices.DeleteFunc(bundle.Layers(), func(l bundle.Layer) bool { return l == bundle.LayerPackage && r.Layer(l) != bundle.Fail })
	if err := a.verifyLocks(ctx, id, r); err != nil {
		return verified{}, err
	}
	return verifiedOf(arg, r, append(layers, bundle.LayerStorage)), nil
}

// verifyLocks adds what the storage says of a capture's objects: a package
// cannot tell, the store can.
func (a *app) verifyLocks(ctx context.Context, id capture.ID, r *bundle.Report) error {
	arch, err := a.openArchive(ctx, commandSpace("cli"))
	if err != nil {
		return err
	}
	locks, err := arch.Locks(ctx, id)
	if err != nil {
		return err
	}
	for _, l := range locks {
		switch {
		case len(l.Wrong) > 0:
			r.Add(bundle.LayerStorage, bundle.Fail, id, l.Key, strings.Join(l.Wrong, "; "))
		case !l.Told:
			r.Add(bundle.LayerStorage, bundle.NotChecked, id, l.Key, "nothing keeps it: the storage has no locks, or the retention has ended")
		default:
			note := fmt.Sprintf("%s until %s", l.Mode, timeText(l.RetainUntil))
			if l.Hold {
				note += ", legal hold"
			}
			r.Add(bundle.LayerStorage, bundle.Pass, id, l.Key, note)
		}
	}
	return nil
}

func verifiedOf(name string, r *bundle.Report, layers []bundle.Layer) verified {
	v := verified{Name: name, Status: bundle.Pass, Layers: map[bundle.Layer]bundle.Status{}, Report: r}
	for _, l := range layers {
		s := r.Layer(l)
		v.Layers[l] = s
		if s == bundle.Fail || s != bundle.Pass && v.Status == bundle.Pass {
			v.Status = s
		}
	}
	return v
}

func verifyFile(ctx context.Context, name string, trust bundle.Trust) (*bundle.Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return bundle.Verify(ctx, f, fi.Size(), trust)
}

func (v verified) print(w io.Writer, all bool) {
	r := v.Report
	fmt.Fprintf(w, "%s: %s\n", printableLine(v.Name), v.Status)
	for _, c := range r.Captures {
		line := "no time of it is proved"
		if !c.NotAfter.IsZero() {
			line = "before " + timeText(c.NotAfter)
			if !c.NotBefore.IsZero() {
				line = "between " + timeText(c.NotBefore) + " and " + timeText(c.NotAfter)
			}
		}
		fmt.Fprintf(w, "  %s  %s  %s\n    %s\n", c.ID, c.Outcome, printableLine(c.URL), line)
		if r := c.Redaction; r != nil {
			fmt.Fprintf(w, "    redaction of %s, made %s by %s: %s\n", r.Original, timeText(r.At), printableLine(r.By), printableLine(r.Reason))
		}
	}
	for _, l := range append(bundle.Layers(), bundle.LayerStorage) {
		s, ok := v.Layers[l]
		if !ok {
			continue
		}
		fmt.Fprintf(w, "  %-21s %s\n", l, s)
		for _, c := range r.Checks {
			if c.Layer == l && (all || c.Status != bundle.Pass) {
				fmt.Fprintf(w, "    %-11s %s\n", c.Status, printableLine(strings.TrimPrefix(c.File+": "+c.Note, ": ")))
			}
		}
	}
}
