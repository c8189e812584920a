package export

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/trawlmark/trawlmark/archive/bundle"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/seal"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// ErrNoRedaction is a capture that was to be handed over redacted and has no
// redaction. Errors that are it are Unredacted.
var ErrNoRedaction = errors.New("a capture has no redaction to hand over")

// Unredacted are the captures that an export asked for redacted and that have
// no redaction.
type Unredacted []capture.ID

// maxNamed is how many captures a sentence names.
const maxNamed = 5

// Error names the captures and the command that makes what is missing.
func (u Unredacted) Error() string {
	var names []string
	for _, id := range u[:min(len(u), maxNamed)] {
		names = append(names, id.String())
	}
	list := strings.Join(names, ", ")
	if more := len(u) - len(names); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	what := "capture " + list + " has no redaction"
	if len(u) != 1 {
		what = fmt.Sprintf("%d captures have no redaction: %s", len(u), list)
	}
	return what + "; make one with `trawlmark evidence redact " + names[0] + "`, or hand such captures over whole with --rest-whole"
}

// Is makes an Unredacted an ErrNoRedaction.
func (u Unredacted) Is(target error) bool { return target == ErrNoRedaction }

// Check says what Export would refuse of a request by what the catalogue has,
// before anything is made: who orders a package hears of it at once, and not by
// a job that fails later.
func Check(ctx context.Context, c Catalog, q Request) error {
	g := &gathering{Exporter: &Exporter{Catalog: c}}
	entries, err := g.entries(ctx, q)
	if err == nil && q.Redacted {
		_, err = g.redacted(ctx, entries, q.RestWhole)
	}
	return err
}

// redacted puts the newest redaction of each capture in its place. A capture
// that has none is handed over whole only when that was asked for: who asks for
// redactions does not expect to hand over what one was forgotten for.
func (g *gathering) redacted(ctx context.Context, entries []catalog.Entry, restWhole bool) ([]catalog.Entry, error) {
	var out []catalog.Entry
	var without Unredacted
	add := func(e catalog.Entry) {
		if !slices.ContainsFunc(out, func(x catalog.Entry) bool { return x.ID == e.ID }) {
			out = append(out, e)
		}
	}
	for _, e := range entries {
		if _, err := g.Catalog.Original(ctx, e.ID); err == nil {
			add(e)
			continue
		} else if !errors.Is(err, catalog.ErrNotFound) {
			return nil, err
		}
		all, err := g.Catalog.Redactions(ctx, e.ID)
		if err != nil {
			return nil, err
		}
		if len(all) == 0 {
			without = append(without, e.ID)
			add(e)
			continue
		}
		r, err := g.Catalog.Get(ctx, all[len(all)-1])
		if err != nil {
			return nil, err
		}
		add(r)
	}
	if len(without) > 0 && !restWhole {
		return nil, without
	}
	for _, id := range without {
		g.warn("capture %s has no redaction, and is handed over whole", id)
	}
	return out, nil
}

// original fills in what proves the original of a redaction. Nothing of what
// was withheld may come in by another door: other captures of the listing are
// told without what was read from them, and custody events of the original
// with texts that somebody wrote are told by their place in the log.
func (g *gathering) original(ctx context.Context, c *bundle.Capture, m *manifest.Manifest) error {
	r := m.Redaction
	rows, err := g.Log.About(ctx, custody.Subject{Capture: r.Capture})
	if err != nil {
		return err
	}
	if err := g.settleRows(ctx, rows); err != nil {
		return err
	}
	o := &bundle.Original{}
	_, doc, err := g.Log.Event(ctx, r.Capture)
	if err != nil {
		return fmt.Errorf("the original %s: %w", r.Capture, err)
	}
	proof, stamps, err := g.sealed(ctx, r.Capture)
	if err != nil {
		return fmt.Errorf("the original %s: %w", r.Capture, err)
	}
	o.Event, o.Stamps = bundle.Event{Doc: doc, Proof: proof}, stamps
	if r.Disclosed {
		if o.Manifest, err = g.read(ctx, vault.ManifestKey(r.Capture), "", manifest.MaxSize); err != nil {
			return fmt.Errorf("the manifest of the original: %w", err)
		}
	}
	sealedBy, err := g.event(ctx, c.ID)
	if err != nil {
		return err
	}
	c.Events = append(c.Events, sealedBy)
	for _, row := range rows {
		if row.ID == r.Capture || row.ID == c.ID {
			continue
		}
		e, _, err := g.Log.Event(ctx, row.ID)
		if err != nil && !errors.Is(err, vault.ErrNotFound) {
			return err
		}
		if err != nil || !plain(e) {
			o.Withheld = append(o.Withheld, fmt.Sprintf("%s at %s, entry %d of the log", row.Entry.Type, row.At.UTC().Format("2006-01-02 15:04:05 UTC"), row.Index))
			continue
		}
		ev, err := g.event(ctx, row.ID)
		if err != nil {
			return err
		}
		c.Events = append(c.Events, ev)
	}
	for i := range c.Others {
		c.Others[i].Reading = bundle.Reading{}
	}
	c.Original = o
	return nil
}

// plain reports whether an event has only details that a program wrote.
func plain(e custody.Event) bool {
	for k := range e.Details {
		switch k {
		case "role", "tile", "until", "object", "decision", "contents", "format", "export", "package", "bytes":
		default:
			return false
		}
	}
	return true
}

// sealed finds the first stamped checkpoint over a capture's event; while there
// is none the proof is against the newest one.
func (g *gathering) sealed(ctx context.Context, id capture.ID) ([]byte, []bundle.Stamp, error) {
	row, err := g.Log.Find(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	sealed, err := g.Stamps.Covering(ctx, row.Index)
	if errors.Is(err, seal.ErrNone) {
		g.warn("capture %s is not time-stamped: no authority has answered since it was made", id)
		proof, err := g.Log.Proof(ctx, id)
		return proof, nil, err
	}
	if err != nil {
		return nil, nil, err
	}
	var stamps []bundle.Stamp
	for _, st := range sealed.Stamps {
		chain, err := g.read(ctx, st.Key("pem"), "", 1<<20)
		if err != nil {
			return nil, nil, err
		}
		said, err := g.Stamps.Revocation(ctx, st.Stamp)
		if err != nil {
			return nil, nil, err
		}
		stamps = append(stamps, bundle.Stamp{Name: st.Name, Query: st.Query, Response: st.Response, Chain: chain, Revocation: said.File})
	}
	if err := g.renewals(ctx, sealed.Checkpoint.Size, stamps); err != nil {
		return nil, nil, err
	}
	proof, err := g.Log.ProofAt(ctx, row.Index, sealed.Checkpoint.Size)
	return proof, stamps, err
}
