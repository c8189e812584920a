package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// uploads is how many objects of one capture go out at once.
const uploads = 4

// Store puts a prepared capture into the vault, then its manifest, then the
// custody event and the catalogue row. It may be called again after any
// failure, by any process that has the spool folder: what is there already is
// recognised by its digest. Discard removes the spooled copy afterwards.
// ErrUnstorable: trying again is no use.
func (a *Archive) Store(ctx context.Context, p *Pending) (Receipt, error) {
	r, err := a.store(ctx, p)
	return r, a.lasting(ctx, p, err)
}

func (a *Archive) store(ctx context.Context, p *Pending) (Receipt, error) {
	if err := a.secure(ctx, p); err != nil {
		return Receipt{}, err
	}
	objects := make([]catalog.Artifact, len(p.Files))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	for i, f := range p.Files {
		g.Go(func() error {
			info, err := a.put(gctx, p, f)
			objects[i] = catalog.Artifact{
				Role: f.Role, Tile: f.Tile, MediaType: f.MediaType, Key: info.Key, Version: info.Version, Bytes: f.Print.Size,
				SHA256: f.Print.SHA256, SHA512: f.Print.SHA512, RetainUntil: maxTime(f.Until, info.RetainUntil), Width: f.Width, Height: f.Height,
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return Receipt{}, fmt.Errorf("capture %s could not be stored: %w", p.ID, err)
	}
	m, err := a.manifest(p, objects)
	if err != nil {
		return Receipt{}, err
	}
	doc, err := m.Marshal()
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", errDraft, err)
	}
	info, err := a.putOnce(ctx, vault.Put{
		Key: vault.ManifestKey(p.ID), MediaType: "application/json", Body: capture.Bytes(doc),
		SHA256: capture.Sum(doc), RetainUntil: p.Entry.RetainUntil, Mode: a.cfg.Mode,
	})
	if err != nil {
		return Receipt{}, fmt.Errorf("the manifest of capture %s could not be stored: %w", p.ID, err)
	}
	return a.record(ctx, p, objects, capture.Sum(doc), info)
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b.UTC()
}

// put stores one file.
func (a *Archive) put(ctx context.Context, p *Pending, f spooled) (vault.Info, error) {
	body, err := p.body(f.File, f.At, f.Print.Size)
	if err != nil {
		return vault.Info{}, err
	}
	put := vault.Put{Key: f.Key, MediaType: f.MediaType, Body: body, SHA256: f.Print.SHA256, RetainUntil: f.Until, Mode: a.cfg.Mode}
	info, err := a.putOnce(ctx, put)
	if own := vault.CaptureKey(p.ID, f.File); errors.Is(err, vault.ErrExists) && f.Key != own {
		// Somebody put other bytes over a shared object. That is for the audit;
		// this capture keeps its bytes to itself.
		put.Key = own
		info, err = a.putOnce(ctx, put)
	}
	return info, err
}

// putOnce is Put for a key that only these bytes can be under: an object that
// is there already with the same digest is the one an earlier attempt stored.
// It gets the lock that was asked for, if that attempt died before it had one,
// or if it is shared and another capture needed it for less long.
func (a *Archive) putOnce(ctx context.Context, put vault.Put) (vault.Info, error) {
	for tries := 1; ; tries++ {
		info, err := a.Vault.Put(ctx, put)
		if !errors.Is(err, vault.ErrExists) {
			return info, err
		}
		// Between seeing a shared object and locking it, it may expire.
		if info, err = a.adopt(ctx, put); !errors.Is(err, vault.ErrNotFound) || tries == 3 {
			return info, err
		}
	}
}

// adopt takes an object that is there for the one that was to be put.
func (a *Archive) adopt(ctx context.Context, put vault.Put) (vault.Info, error) {
	have, err := a.Vault.Stat(ctx, put.Key, "")
	if err != nil {
		return vault.Info{}, err
	}
	sum := have.SHA256
	if sum.IsZero() { // this storage does not tell: read it
		if sum, err = a.digest(ctx, put.Key, have.Version); err != nil {
			return vault.Info{}, err
		}
	}
	if sum != put.SHA256 {
		return vault.Info{}, fmt.Errorf("%s has other bytes than this capture's: %w", put.Key, vault.ErrExists)
	}
	if have.RetainUntil.Before(put.RetainUntil) {
		until := put.RetainUntil
		if _, _, shared := vault.ParseSharedKey(put.Key); shared {
			until = wholeDay(until)
		}
		if err := a.extend(ctx, put.Key, have.Version, put.Mode, until); err != nil {
			return vault.Info{}, fmt.Errorf("%s is stored already, but could not be locked: %w", put.Key, err)
		}
		have.RetainUntil = until
	}
	return have, nil
}

// extend moves a lock later. That it ends later already is fine, and so is a
// storage that is known to keep no locks.
func (a *Archive) extend(ctx context.Context, key, version string, mode vault.Mode, until time.Time) error {
	err := a.Vault.Extend(ctx, key, version, mode, until)
	if errors.Is(err, vault.ErrShorter) || errors.Is(err, vault.ErrUnsupported) && a.cfg.Unlocked {
		return nil
	}
	return err
}

// digest reads an object to know its SHA-256.
func (a *Archive) digest(ctx context.Context, key, version string) (capture.Digest, error) {
	r, _, err := a.Vault.Get(ctx, key, version)
	if err != nil {
		return capture.Digest{}, err
	}
	defer r.Close()
	w := newPrinter(io.Discard)
	_, err = io.Copy(w, r)
	return w.print().SHA256, err
}

// manifest fills in the draft where the files came to lie.
func (a *Archive) manifest(p *Pending, objects []catalog.Artifact) (*manifest.Manifest, error) {
	m := p.made
	if m == nil {
		draft, err := p.draft()
		if err != nil {
			return nil, err
		}
		if m, err = manifest.Parse(draft); err != nil {
			return nil, fmt.Errorf("%w: that of capture %s is damaged: %w", errDraft, p.ID, err)
		}
	}
	for i := range m.Artifacts {
		f := &m.Artifacts[i]
		at := slices.IndexFunc(objects, func(o catalog.Artifact) bool { return o.Role == f.Role && int64(o.Tile) == f.Tile })
		if at < 0 {
			return nil, fmt.Errorf("%w: that of capture %s names a %s that is not in the spool", errDraft, p.ID, f.Role)
		}
		f.Key, f.Version = objects[at].Key, objects[at].Version
	}
	return m, nil
}

func (a *Archive) record(ctx context.Context, p *Pending, objects []catalog.Artifact, digest capture.Digest, info vault.Info) (Receipt, error) {
	e := p.Entry
	receipt, err := a.Custody.Append(ctx, p.event(digest), custody.Keep{})
	if err != nil {
		return Receipt{}, fmt.Errorf("the custody event of capture %s could not be recorded: %w", p.ID, err)
	}
	e.Manifest, e.ManifestKey, e.ManifestVersion, e.Event = digest, info.Key, info.Version, receipt.Event.ID.String()
	// From here on later captures may refer to this one.
	at := slices.IndexFunc(objects, func(o catalog.Artifact) bool { return o.Role == manifest.RoleWARC })
	payloads := slices.Clone(p.Payloads)
	for i := range payloads {
		payloads[i].Version = objects[at].Version
	}
	if err := a.Catalog.AddWith(ctx, e, objects, payloads, p.uses()); err != nil {
		return Receipt{}, fmt.Errorf("capture %s is stored, but the catalogue did not take it: %w", p.ID, err)
	}
	if p.Redacts != nil {
		if err := a.Catalog.AddRedaction(ctx, p.ID, p.Redacts.Capture); err != nil {
			return Receipt{}, fmt.Errorf("capture %s is stored, but the catalogue did not take what it is a redaction of: %w", p.ID, err)
		}
	}
	return Receipt{ID: p.ID, Manifest: digest, Entry: e, Objects: objects}, nil
}

// Discard removes the spooled copy of a capture that is stored.
func (a *Archive) Discard(p *Pending) error { return a.spool.remove(p) }

// Waiting lists the captures in the spool, oldest first. Folders that cannot
// be read are told in the error, beside the others.
func (a *Archive) Waiting() ([]*Pending, error) { return a.spool.list() }

// Room says why no visit should begin now: ErrSpoolFull or ErrDiskFull. What
// Prepare is given all the same it takes if it can.
func (a *Archive) Room() error { return a.spool.ready() }

// Backlog is how many bytes wait in the spool, and how many may.
func (a *Archive) Backlog() (used, limit int64) { return a.spool.used.Load(), a.spool.limit }
