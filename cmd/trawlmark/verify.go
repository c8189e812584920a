package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/bundle"
	"github.com/trawlmark/trawlmark/archive/bundle/export"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
)

func verifyCommand(g *globals) *cobra.Command {
	var o verifying
	var from, until string
	c := &cobra.Command{
		Use: "verify [PACKAGE|CAPTURE...]", Short: "Check packages, or captures as they are in the store, layer by layer",
		Long: `Verify checks a package file, or captures in the store, against the log's keys and
the authorities' roots: of this installation, or of the file given by --trust.
For a package of somebody else, use --trust, or trawlmark-verify. Of captures in
the store it also asks the storage for lock, legal hold and version of each object,
and holds a redaction against its original while that is there.

PASS is good. FAIL is not (exit 6). NOT-CHECKED means that nobody knows (exit 7).
Looking at captures this way is no custody event: nothing is shown of them.

Instead of names, --case, --site, --from and --until choose captures by what the
catalogue knows. Several are checked at one time (--parallel), and told in their
order as soon as that can be; how far it is goes to standard error.`,
		Example: "  trawlmark evidence verify case-2026-017.zip\n  trawlmark evidence verify 019a... --all\n  trawlmark evidence verify --case 2026-017\n  trawlmark evidence verify --from 2026-03-01 --until 2026-04-01 --json > march.json",
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if o.which.From, err = parseDay(from); err != nil {
				return err
			}
			if o.which.Until, err = parseDay(until); err != nil {
				return err
			}
			switch chosen := o.which != (catalog.Query{}); {
			case chosen == (len(args) > 0):
				return usagef("name packages or captures, or choose captures with --case, --site, --from or --until")
			case o.parallel < 1 || o.parallel > maxParallel:
				return usagef("--parallel is 1 to %d", maxParallel)
			}
			return verifyEvidence(c.Context(), g, args, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.trustFile, "trust", "", "believe this trust file instead of this installation")
	f.BoolVar(&o.all, "all", false, "list every check, not just those that did not pass")
	f.StringVar(&o.which.Case, "case", "", "all captures of this case")
	f.StringVar(&o.which.Site, "site", "", "all captures of this site")
	f.StringVar(&from, "from", "", "captures begun on or after this day (2026-03-01) or instant (RFC 3339)")
	f.StringVar(&until, "until", "", "captures begun before this day or instant")
	f.IntVar(&o.parallel, "parallel", 2, "how many are checked at one time, up to 32; each takes a temporary file of its size")
	return c
}

const maxParallel = 32

// verifying is how captures and packages are verified.
type verifying struct {
	trustFile string
	all       bool
	which     catalog.Query // of captures; zero: those that are named
	parallel  int
}

// verified is what `evidence verify` tells of one package or capture.
type verified struct {
	Name   string                         `json:"name"`
	Status bundle.Status                  `json:"status"`
	Layers map[bundle.Layer]bundle.Status `json:"layers"`
	Report *bundle.Report                 `json:"report"`
}

func verifyEvidence(ctx context.Context, g *globals, args []string, o verifying) error {
	results := []verified{} // an empty list, for programs
	work := func(a *app) error {
		trust, err := a.trustOr(ctx, o.trustFile)
		if err != nil {
			return err
		}
		if o.which != (catalog.Query{}) {
			if args, err = a.chosen(ctx, o.which); err != nil {
				return err
			}
		}
		var s store // of all of them, opened before they run at one time
		if slices.ContainsFunc(args, isCapture) {
			if s.exporter, err = a.openExporter(ctx); err != nil {
				return err
			}
			if s.archive, err = a.openArchive(ctx, commandSpace("cli")); err != nil {
				return err
			}
		}
		told := newTold(g.s.err, len(args), time.Now)
		return inOrder(ctx, o.parallel, args, func(ctx context.Context, arg string) (verified, error) {
			r, err := s.verify(ctx, arg, trust)
			if err != nil {
				return r, fmt.Errorf("%s: %w", arg, err)
			}
			return r, nil
		}, func(r verified) {
			results = append(results, r)
			if !g.json {
				r.print(g.s.out, o.all)
			}
			told.done(len(results))
		})
	}
	if err := g.with(work); err != nil {
		return err
	}
	if g.json {
		if err := printJSON(g.s.out, results); err != nil {
			return err
		}
	} else if len(results) == 0 {
		fmt.Fprintln(g.s.out, "No capture fits.")
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

func isCapture(arg string) bool { _, err := capture.ParseID(arg); return err == nil }

// chosen gives the captures that a query finds and whose files are there, the
// oldest first.
func (a *app) chosen(ctx context.Context, q catalog.Query) ([]string, error) {
	cat, err := a.openCatalog(ctx)
	if err != nil {
		return nil, err
	}
	if q.Case != "" {
		if _, err := cat.Case(ctx, q.Case); err != nil {
			return nil, err
		}
	}
	var ids []string
	for q.Limit = 500; ; {
		p, err := cat.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, e := range p.Entries {
			if e.State == "" {
				ids = append(ids, e.ID.String())
			}
		}
		if p.Next == "" {
			slices.Sort(ids) // ids are in order of time
			return ids, nil
		}
		q.After = p.Next
	}
}

// inOrder does work on several at one time, at most n, and hands each result
// over in the order of the names as soon as all before it are done. It ends with
// the first error in that order; what comes after it is given up.
func inOrder[T any](ctx context.Context, n int, names []string, work func(context.Context, string) (T, error), done func(T)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		value T
		err   error
	}
	slots := make(chan struct{}, n)
	waiting := make(chan chan result, n) // bounds what is done and not handed over
	go func() {
		defer close(waiting)
		for _, name := range names {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			one := make(chan result, 1)
			go func() {
				defer func() { <-slots }()
				v, err := work(ctx, name)
				one <- result{v, err}
			}()
			select {
			case waiting <- one:
			case <-ctx.Done():
				return
			}
		}
	}()
	var failed error
	handed := 0
	for one := range waiting {
		r := <-one
		if failed == nil && r.err != nil {
			failed = r.err
			cancel()
		}
		if failed == nil {
			done(r.value)
			handed++
		}
	}
	for range cap(slots) { // nobody uses what the caller closes
		slots <- struct{}{}
	}
	if failed == nil && handed < len(names) {
		failed = ctx.Err()
	}
	return failed
}

// told tells of many how far it is, on standard error.
type told struct {
	w     io.Writer
	total int
	now   func() time.Time
	last  time.Time
}

func newTold(w io.Writer, total int, now func() time.Time) *told { return &told{w, total, now, now()} }

const tellEvery = 5 * time.Second

func (p *told) done(n int) {
	if t := p.now(); t.Sub(p.last) >= tellEvery && n < p.total {
		p.last = t
		fmt.Fprintf(p.w, "trawlmark: %d of %d verified\n", n, p.total)
	}
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

// store is where captures are looked at as they are kept.
type store struct {
	exporter *export.Exporter
	archive  *archive.Archive
}

// verify checks a package, or a capture in the store: of that a package is
// made, of which nobody gets anything.
func (s store) verify(ctx context.Context, arg string, trust bundle.Trust) (verified, error) {
	id, err := capture.ParseID(arg)
	if err != nil {
		r, err := verifyFile(ctx, arg, trust)
		if err != nil {
			return verified{}, err
		}
		return verifiedOf(arg, r, bundle.Layers()), nil
	}
	dir, err := os.MkdirTemp("", "trawlmark-verify-*")
	if err != nil {
		return verified{}, err
	}
	defer os.RemoveAll(dir)
	file, err := s.packed(ctx, dir, id)
	if err != nil {
		return verified{}, notVerified(err)
	}
	originals, err := s.originalOf(ctx, dir, id)
	if err != nil {
		return verified{}, notVerified(err)
	}
	r, err := verifyFile(ctx, file, trust, originals...)
	for _, o := range originals {
		err = errors.Join(err, o.Close())
	}
	if err != nil {
		return verified{}, err
	}
	// There is no package that could be whole: the other layers count.
	r.Checks = slices.DeleteFunc(r.Checks, func(c bundle.Check) bool { return c.Layer == bundle.LayerPackage && c.Status != bundle.Fail })
	layers := slices.DeleteFunc(bundle.Layers(), func(l bundle.Layer) bool { return l == bundle.LayerPackage && r.Layer(l) != bundle.Fail })
	if err := s.verifyLocks(ctx, id, r); err != nil {
		return verified{}, err
	}
	return verifiedOf(arg, r, append(layers, bundle.LayerStorage)), nil
}

// packed makes a package of one capture in a folder; nobody gets it.
func (s store) packed(ctx context.Context, dir string, id capture.ID) (string, error) {
	f, err := os.Create(filepath.Join(dir, id.String()+".zip"))
	if err != nil {
		return "", err
	}
	_, err = s.exporter.Export(ctx, f, export.Request{Captures: []capture.ID{id}, By: "system:verify", Dry: true})
	return f.Name(), errors.Join(err, f.Close())
}

// originalOf gives the original of a redaction, to hold it against; none of
// what is no redaction, or whose original is gone.
func (s store) originalOf(ctx context.Context, dir string, id capture.ID) ([]*bundle.Originals, error) {
	of, err := s.exporter.Catalog.Original(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if e, err := s.exporter.Catalog.Get(ctx, of); errors.Is(err, catalog.ErrNotFound) || err == nil && e.State != "" {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	file, err := s.packed(ctx, dir, of)
	if err != nil {
		return nil, fmt.Errorf("the original %s: %w", of, err)
	}
	o, err := bundle.OpenOriginals(file)
	return []*bundle.Originals{o}, err
}

// verifyLocks adds what the storage says of a capture's objects: a package
// cannot tell, the store can.
func (s store) verifyLocks(ctx context.Context, id capture.ID, r *bundle.Report) error {
	locks, err := s.archive.Locks(ctx, id)
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

func verifyFile(ctx context.Context, name string, trust bundle.Trust, originals ...*bundle.Originals) (*bundle.Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return bundle.VerifyWith(ctx, f, fi.Size(), trust, bundle.Options{Originals: originals})
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
