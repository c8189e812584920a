package archive

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

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// ErrRedaction is an order that cannot be carried out as it is; the text says
// what to change.
var ErrRedaction = errors.New("the redaction cannot be made so")

func cannot(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrRedaction, fmt.Errorf(format, args...))
}

// redacts is what a pending redaction is of.
type redacts struct {
	Capture  capture.ID     `json:"capture"`
	Manifest capture.Digest `json:"manifest"`
	At       time.Time      `json:"at"`
	Reason   string         `json:"reason"`
	Held     bool           `json:"held"`
}

// Redacted is a redaction as it was made.
type Redacted struct {
	ID       capture.ID         `json:"redaction"`
	Manifest *manifest.Manifest `json:"manifest"`
	// Unchanged are images and files that stand as they were, for somebody to
	// look at.
	Unchanged []string `json:"unchanged"`
	pending   *Pending
}

// Files gives the files of a redaction that is not stored yet: name and path.
func (r *Redacted) Files() map[string]string {
	out := map[string]string{}
	for _, f := range r.pending.Files {
		out[f.File] = filepath.Join(r.pending.dir, f.File)
	}
	return out
}

// Redact makes a redaction on disk: a copy of a capture from which parts are
// withheld, with a manifest of its own (archive/manifest/SPEC.md,
// "Redactions"). Nothing is stored before StoreRedaction; DropRedaction throws
// it away. Errors: ErrRedaction, ErrGone, ErrTampered; others are of this disk
// or the storage.
func (a *Archive) Redact(ctx context.Context, order Redaction, actor string) (*Redacted, error) {
	if err := order.Validate(); err != nil {
		return nil, cannot("%w", err)
	}
	m, doc, err := a.Manifest(ctx, order.Capture)
	if err != nil {
		return nil, err
	}
	if m.Redaction != nil {
		return nil, cannot("%s is a redaction itself; redact the original, %s, with everything that is to be hidden", m.Capture, m.Redaction.Capture)
	}
	entry, err := a.Catalog.Get(ctx, order.Capture)
	if err != nil {
		return nil, err
	}
	id := a.IDs.New()
	tmp, err := a.spool.beginFolder(id)
	if err != nil {
		return nil, err
	}
	now := a.Now().UTC().Truncate(time.Microsecond)
	p := &Pending{ID: id, Actor: actor, Redacts: &redacts{order.Capture, capture.Sum(doc), now, order.Reason, entry.Held}}
	r := &redacting{a: a, order: order, m: m, doc: doc, entry: entry, tmp: tmp, p: p}
	r.until = maxTime(entry.RetainUntil, now.Add(a.cfg.Untriaged)).Truncate(time.Second).Add(time.Second)
	out, err := r.make(ctx)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(tmp))
	}
	return out, nil
}

// StoreRedaction stores a redaction as captures are stored: locked, sealed by a
// custody event, in the catalogue. It is held if the original is.
func (a *Archive) StoreRedaction(ctx context.Context, r *Redacted) (Receipt, error) {
	receipt, err := a.Store(ctx, r.pending)
	if err != nil {
		return receipt, err
	}
	if r.pending.Redacts.Held {
		if err := a.Hold(ctx, r.ID, true, r.pending.Actor, "the original is held"); err != nil {
			return receipt, err
		}
	}
	return receipt, a.Discard(r.pending)
}

// DropRedaction throws a redaction away that was not stored.
func (a *Archive) DropRedaction(r *Redacted) error { return a.Discard(r.pending) }

// redacting is one redaction on its way.
type redacting struct {
	a     *Archive
	order Redaction
	m     *manifest.Manifest
	doc   []byte
	entry catalog.Entry
	tmp   string
	p     *Pending
	e     *editor
	until time.Time // end of the lock
}

// decision is what becomes of an artifact: body set, it is replaced; removed,
// it goes; else it stays.
type decision struct {
	body    []byte
	removed bool
}

// editor carries out an order on texts, images and records.
type editor struct {
	spec      Redaction
	n         needles
	selectors []selectorOf // by removal; nil for other kinds
	count     []int64      // by removal, but those of texts
	textOf    []int        // needle of each removal of a text; -1 for other kinds
	decisions map[capture.Digest]decision
	records   []manifest.WithheldRecord
	newID     func() capture.ID
}

func (e *editor) bySelector() bool {
	return slices.ContainsFunc(e.spec.Remove, func(r Removal) bool { return r.Kind == manifest.ChangeSelector })
}

func (r *redacting) make(ctx context.Context) (*Redacted, error) {
	whole := filepath.Join(r.tmp, "original.warc.gz")
	if err := r.writeOriginal(ctx, whole); err != nil {
		return nil, err
	}
	bodies, err := r.artifacts(ctx)
	if err != nil {
		return nil, err
	}
	if r.e, err = r.newEditor(whole, bodies); err != nil {
		return nil, err
	}
	boxes, err := r.decideAll(bodies)
	if err != nil {
		return nil, err
	}
	if err := r.writeWARC(ctx, whole); err != nil {
		return nil, err
	}
	if err := os.Remove(whole); err != nil {
		return nil, err
	}
	changes, err := r.changes(boxes)
	if err != nil {
		return nil, err
	}
	m, err := r.manifest(changes)
	if err != nil {
		return nil, err
	}
	if err := r.guard(); err != nil {
		return nil, err
	}
	draft, err := m.Marshal()
	if err != nil {
		return nil, err
	}
	if err := writeSynced(filepath.Join(r.tmp, draftFile), draft); err != nil {
		return nil, err
	}
	r.fillEntry(m)
	out := &Redacted{ID: r.p.ID, Manifest: m, pending: r.p}
	for _, f := range r.p.Files {
		if f.Role != manifest.RoleWARC && !slices.ContainsFunc(m.Redaction.Withheld, func(w manifest.Withheld) bool { return w.Role == f.Role && int(w.Tile) == f.Tile }) {
			out.Unchanged = append(out.Unchanged, f.File)
		}
	}
	return out, r.a.spool.commitFolder(r.tmp, r.p)
}

func (r *redacting) writeOriginal(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = r.a.WriteWhole(ctx, r.m.Capture, f, r.tmp)
	return errors.Join(err, f.Close())
}

// maxArtifact bounds a file that is edited in memory.
const maxArtifact = 256 << 20

// artifacts reads the files of the original, but the WARC, in their order.
func (r *redacting) artifacts(ctx context.Context) ([][]byte, error) {
	out := make([][]byte, len(r.m.Artifacts))
	for i, art := range r.m.Artifacts {
		if art.Role == manifest.RoleWARC {
			continue
		}
		if art.Bytes > maxArtifact {
			return nil, cannot("%s has %d bytes; remove it whole by artifact:%s", art.Key, art.Bytes, art.Role)
		}
		in, _, err := r.a.Vault.Get(ctx, art.Key, art.Version)
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(io.LimitReader(in, art.Bytes+1))
		if err = errors.Join(err, in.Close()); err != nil {
			return nil, err
		}
		if capture.Sum(b) != art.SHA256 {
			return nil, fmt.Errorf("%s: %w", art.Key, ErrTampered)
		}
		out[i] = b
	}
	return out, nil
}

// put writes a file of the redaction.
func (r *redacting) put(art manifest.Artifact, b []byte) error {
	name, err := vault.ArtifactFile(capture.Role(art.Role), int(art.Tile))
	if err != nil {
		return err
	}
	print, err := copyIn(filepath.Join(r.tmp, name), capture.Bytes(b))
	if err != nil {
		return err
	}
	f := spooled{
		File: name, Key: vault.CaptureKey(r.p.ID, name), Role: art.Role, Tile: int(art.Tile), MediaType: art.MediaType,
		Print: print, Until: r.until, Width: int(art.Width), Height: int(art.Height),
	}
	if art.Taken != nil {
		f.Taken = art.Taken.Time
	}
	r.p.Files = append(r.p.Files, f)
	return nil
}

func (r *redacting) writeWARC(ctx context.Context, whole string) error {
	in, err := os.Open(whole)
	if err != nil {
		return err
	}
	defer in.Close()
	f, err := os.OpenFile(filepath.Join(r.tmp, vault.FileWARC), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	w := newPrinter(f)
	err = warc.Rewrite(ctx, w, in, r.p.Redacts.At, r.e.record)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("the WARC of the redaction could not be made: %w", err)
	}
	r.p.Files = append(r.p.Files, spooled{
		File: vault.FileWARC, Key: vault.WARCKey(r.p.ID), Role: manifest.RoleWARC, MediaType: "application/warc", Print: w.print(),
		Until: r.until, Taken: r.m.Started.UTC(),
	})
	return nil
}

// guard reads everything that was made once more and refuses a redaction that
// still holds what was to be hidden: that would be a fault of this program.
func (r *redacting) guard() error {
	for _, f := range r.p.Files {
		b, err := os.ReadFile(filepath.Join(r.tmp, f.File))
		if err != nil {
			return err
		}
		switch {
		case f.Role == manifest.RoleWARC:
			err = r.guardWARC(b)
		case strings.HasPrefix(f.MediaType, "image/"):
			if r.e.n.inBytes(b) {
				err = errors.New("it holds what is to be hidden")
			}
		case r.e.n.in(utf8Of(b, f.MediaType)):
			err = errors.New("it holds what is to be hidden")
		}
		if err != nil {
			return cannot("%s: %w; remove it whole", f.File, err)
		}
	}
	return nil
}

func (r *redacting) guardWARC(b []byte) error {
	rd := warc.NewReader(strings.NewReader(string(b)))
	for {
		rec, err := rd.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		block, err := io.ReadAll(rec)
		if err != nil {
			return err
		}
		head, body, http := splitHTTP(rec, block)
		_, text, ok := r.e.readable(rec, head, body, http)
		if r.e.tells(rec) || r.e.n.in(head) || ok && r.e.n.in(text) || !ok && r.e.n.inBytes(body) {
			return fmt.Errorf("its %s record %s holds what is to be hidden", rec.Type, rec.ID)
		}
	}
}

// fillEntry makes the catalogue's row: what was read from the page is read
// again from the redaction.
func (r *redacting) fillEntry(m *manifest.Manifest) {
	e := entryOf(m, vault.Info{})
	e.Event, e.RetainUntil, e.ManifestKey, e.Held = "", r.until, "", false
	hide := func(s string) string { out, _ := r.e.n.hide(s); return out }
	e.Title, e.Price, e.Currency, e.Seller = hide(r.entry.Title), hide(r.entry.Price), r.entry.Currency, hide(r.entry.Seller)
	for i := range r.p.Files {
		e.Bytes += r.p.Files[i].Print.Size
		if r.p.Files[i].Role == string(capture.RoleReading) {
			if b, err := os.ReadFile(filepath.Join(r.tmp, r.p.Files[i].File)); err == nil && len(b) <= maxReading {
				d := describe(b)
				e.Title, e.Price, e.Currency, e.Seller = d.Title, d.Price, d.Currency, d.Seller
			}
		}
	}
	if w := m.Redaction.Withheld; slices.ContainsFunc(w, func(w manifest.Withheld) bool {
		return w.Role == string(capture.RoleReading) && w.How == manifest.Removed
	}) {
		e.Title, e.Price, e.Currency, e.Seller = "", "", "", ""
	}
	r.p.Entry = e
}

// event is the custody event that a stored capture, or redaction, is sealed by.
func (p *Pending) event(digest capture.Digest) custody.Event {
	if p.Redacts == nil {
		// The capture's own id names the event, so storing twice logs once.
		return custody.Event{
			ID: p.ID, Type: custody.Captured, At: p.Entry.Finished.Truncate(time.Microsecond), Actor: p.Actor,
			Subject: custody.Subject{Capture: p.ID}, Manifest: digest,
		}
	}
	return custody.Event{
		ID: p.ID, Type: custody.Redacted, At: p.Redacts.At, Actor: p.Actor, Subject: custody.Subject{Capture: p.Redacts.Capture}, Manifest: digest,
		Details: map[string]string{"redaction": p.ID.String(), "original": p.Redacts.Manifest.String(), "reason": p.Redacts.Reason},
	}
}
