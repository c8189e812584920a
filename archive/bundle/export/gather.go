package export

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/trawlmark/trawlmark/archive/bundle"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// gathering is one package on its way.
type gathering struct {
	*Exporter
	warnings []string
	renewed  map[int64]bool            // sizes whose renewals were gathered
	over     map[string]bundle.Renewal // renewals, by the name that lists give them
}

func (g *gathering) warn(format string, args ...any) {
	if w := fmt.Sprintf(format, args...); !slices.Contains(g.warnings, w) {
		g.warnings = append(g.warnings, w)
	}
}

// maxCaptures bounds one package.
const maxCaptures = 10_000

func (g *gathering) input(ctx context.Context, q Request) (bundle.Input, error) {
	in := bundle.Input{
		Export: g.IDs.New(), At: g.Now(), By: q.By, Purpose: q.Purpose, To: q.To, System: g.System, Key: g.Key, Printer: g.Printer,
		Log: bundle.Log{Origin: g.Log.Origin(), Keys: g.Keys},
	}
	entries, err := g.entries(ctx, q)
	if err != nil {
		return in, err
	}
	if q.Redacted {
		if entries, err = g.redacted(ctx, entries, q.RestWhole); err != nil {
			return in, err
		}
	}
	var ids []capture.ID
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	if err := g.settle(ctx, ids); err != nil {
		return in, err
	}
	for _, e := range entries {
		c, err := g.capture(ctx, e)
		if err != nil {
			return in, fmt.Errorf("capture %s: %w", e.ID, err)
		}
		in.Captures = append(in.Captures, c)
	}
	for _, file := range slices.Sorted(maps.Keys(g.over)) {
		in.Renewals = append(in.Renewals, g.over[file])
	}
	if q.Case != "" {
		if in.Case, err = g.caseOf(ctx, q.Case); err != nil {
			return in, err
		}
	}
	if in.Log.Rotations, err = g.events(ctx, custody.Subject{Log: in.Log.Origin}); err != nil {
		return in, err
	}
	if in.Log.Consistency, err = g.consistency(ctx, in); err != nil {
		return in, err
	}
	if in.System.Clock, err = g.clock(ctx, entries); err != nil {
		return in, err
	}
	in.System.Verifier = q.Verifier
	in.System.Notes = append(slices.Clone(in.System.Notes), g.warnings...)
	return in, nil
}

// entries gives what the catalogue has of the captures asked for.
func (g *gathering) entries(ctx context.Context, q Request) ([]catalog.Entry, error) {
	var all []catalog.Entry
	if q.Case == "" {
		for _, id := range q.Captures {
			e, err := g.Catalog.Get(ctx, id)
			if err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(all, func(x catalog.Entry) bool { return x.ID == id }) {
				all = append(all, e)
			}
		}
		return all, nil
	}
	if len(q.Captures) > 0 {
		return nil, errors.New("a package is of one case, or of captures that are named, not of both")
	}
	if _, err := g.Catalog.Case(ctx, q.Case); err != nil {
		return nil, err
	}
	all, err := g.search(ctx, catalog.Query{Case: q.Case})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("the case %q has no captures: %w", q.Case, catalog.ErrNotFound)
	}
	return all, err
}

// search gives all pages of a query.
func (g *gathering) search(ctx context.Context, q catalog.Query) ([]catalog.Entry, error) {
	var all []catalog.Entry
	for q.Limit = 500; ; {
		p, err := g.Catalog.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		if all = append(all, p.Entries...); len(all) > maxCaptures {
			return nil, fmt.Errorf("more than %d captures do not go into one package", maxCaptures)
		}
		if p.Next == "" {
			return all, nil
		}
		q.After = p.Next
	}
}

func (g *gathering) capture(ctx context.Context, e catalog.Entry) (bundle.Capture, error) {
	c := bundle.Capture{
		ID: e.ID, Open: g.open, Reading: reading(e), Locked: e.RetainUntil, Held: e.Held,
	}
	if g.Whole != nil {
		c.Whole = g.whole(e.ID)
	}
	var err error
	if c.Manifest, err = g.read(ctx, e.ManifestKey, e.ManifestVersion, manifest.MaxSize); err != nil {
		return c, fmt.Errorf("its manifest: %w", err)
	}
	if capture.Sum(c.Manifest) != e.Manifest {
		return c, fmt.Errorf("its manifest: %w", bundle.ErrTampered)
	}
	m, err := manifest.Parse(c.Manifest)
	if err != nil {
		return c, err
	}
	if c.Proof, c.Stamps, err = g.sealed(ctx, c.ID); err != nil {
		return c, err
	}
	if m.After != nil {
		if c.After, err = g.after(ctx, *m.After); err != nil {
			return c, err
		}
	}
	if c.Events, err = g.events(ctx, custody.Subject{Capture: e.ID}); err != nil {
		return c, err
	}
	if c.Others, err = g.others(ctx, e); err != nil {
		return c, err
	}
	if m.Redaction != nil {
		err = g.original(ctx, &c, m)
	}
	return c, err
}

func reading(e catalog.Entry) bundle.Reading {
	return bundle.Reading{Title: e.Title, Price: e.Price, Currency: e.Currency, Seller: e.Seller}
}

// open reads an artifact in the version of the manifest.
func (g *gathering) open(_ context.Context, a manifest.Artifact) bundle.Source {
	return func(ctx context.Context) (io.ReadCloser, error) {
		r, _, err := g.Vault.Get(ctx, a.Key, a.Version)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.Key, err)
		}
		return r, nil
	}
}

// whole makes a WARC whole each time it is read.
func (g *gathering) whole(id capture.ID) bundle.Source {
	return bundle.Piped(func(ctx context.Context, w io.Writer) error { return g.Whole(ctx, id, w) })
}

// after finds the stamped checkpoint that a manifest names as known. One that
// is gone is said, not a reason to hand over nothing.
func (g *gathering) after(ctx context.Context, a manifest.After) (*bundle.After, error) {
	check, err := g.read(ctx, vault.CheckpointKey(a.Size), "", custody.MaxCheckpoint)
	if err != nil {
		return g.gone(a, err)
	}
	end := "-" + hex.EncodeToString(a.Stamp[:4]) + ".tsr"
	for info, err := range g.Vault.List(ctx, vault.StampsOf(a.Size), "") {
		if err != nil {
			return nil, err
		}
		if !strings.HasSuffix(info.Key, end) {
			continue
		}
		st, err := g.stamp(ctx, a.Size, strings.TrimSuffix(strings.TrimPrefix(info.Key, vault.StampsOf(a.Size)), ".tsr"))
		if err != nil {
			return g.gone(a, err)
		}
		if capture.Sum(st.Response) == a.Stamp {
			return &bundle.After{Checkpoint: check, Stamp: st}, nil
		}
	}
	return g.gone(a, vault.ErrNotFound)
}

func (g *gathering) gone(a manifest.After, err error) (*bundle.After, error) {
	if !errors.Is(err, vault.ErrNotFound) {
		return nil, err
	}
	g.warn("the stamp of the checkpoint of %d entries, which a visit named as known, is not in the storage", a.Size)
	return nil, nil
}

func (g *gathering) stamp(ctx context.Context, size int64, name string) (s bundle.Stamp, err error) {
	s.Name = name
	for _, f := range []struct {
		ext  string
		into *[]byte
	}{{"tsq", &s.Query}, {"tsr", &s.Response}, {"pem", &s.Chain}} {
		if *f.into, err = g.read(ctx, vault.StampKey(size, name, f.ext), "", max(stamp.MaxResponse, 1<<20)); err != nil {
			return s, err
		}
	}
	return s, nil
}

// events gives all events about a subject that are in the log, with proofs.
func (g *gathering) events(ctx context.Context, s custody.Subject) ([]bundle.Event, error) {
	rows, err := g.Log.About(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := g.settleRows(ctx, rows); err != nil {
		return nil, err
	}
	var all []bundle.Event
	for _, r := range rows {
		e, err := g.event(ctx, r.ID)
		if errors.Is(err, vault.ErrNotFound) {
			g.warn("the document of the custody event %s (%s) was erased; its commitment stands in the log", r.ID, r.Entry.Type)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the custody event %s: %w", r.ID, err)
		}
		all = append(all, e)
	}
	return all, nil
}

// settleRows seals the events that wait for the log.
func (g *gathering) settleRows(ctx context.Context, rows []custody.Row) error {
	var waiting []capture.ID
	for _, r := range rows {
		if r.Index == custody.Pending {
			waiting = append(waiting, r.ID)
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	return g.settle(ctx, waiting)
}

func (g *gathering) event(ctx context.Context, id capture.ID) (bundle.Event, error) {
	_, doc, err := g.Log.Event(ctx, id)
	if err != nil {
		return bundle.Event{}, err
	}
	proof, err := g.Log.Proof(ctx, id)
	return bundle.Event{Doc: doc, Proof: proof}, err
}

// others lists the captures of the same listing, by time.
func (g *gathering) others(ctx context.Context, e catalog.Entry) ([]bundle.Other, error) {
	if e.Site == "" || e.ItemID == "" {
		return nil, nil
	}
	entries, err := g.search(ctx, catalog.Query{Site: e.Site, ItemID: e.ItemID})
	if err != nil {
		return nil, err
	}
	ids := make([]capture.ID, len(entries))
	for i, o := range entries {
		ids[i] = o.ID
	}
	redactions, err := g.Catalog.Originals(ctx, ids)
	if err != nil {
		return nil, err
	}
	var all []bundle.Other
	for _, o := range entries {
		if _, is := redactions[o.ID]; is && o.ID != e.ID || o.ID == redactions[e.ID] {
			continue // a redaction is no other look at the listing
		}
		all = append(all, bundle.Other{ID: o.ID, Started: o.Started, Outcome: o.Outcome, Reading: reading(o), Manifest: o.Manifest})
	}
	slices.SortFunc(all, func(a, b bundle.Other) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return all, nil
}

func (g *gathering) caseOf(ctx context.Context, id string) (*bundle.Case, error) {
	k, err := g.Catalog.Case(ctx, id)
	if err != nil {
		return nil, err
	}
	events, err := g.events(ctx, custody.Subject{Case: id})
	return &bundle.Case{ID: k.ID, Name: k.Name, Note: k.Note, Created: k.Created, CreatedBy: k.CreatedBy, Events: events}, err
}

// read gives a small object whole.
func (g *gathering) read(ctx context.Context, key, version string, limit int64) ([]byte, error) {
	r, _, err := g.Vault.Get(ctx, key, version)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", key, limit)
	}
	return b, err
}
