package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
func (a *Archive) Store(ctx context.Context, p *Pending) (Receipt, error) {
	versions := make([]string, len(p.Files))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	for i, f := range p.Files {
		g.Go(func() error {
			v, err := a.put(gctx, p, f)
			versions[i] = v
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return Receipt{}, fmt.Errorf("capture %s could not be stored: %w", p.ID, err)
	}
	m, err := a.manifest(p, versions)
	if err != nil {
		return Receipt{}, err
	}
	doc, err := m.Marshal()
	if err != nil {
		return Receipt{}, err
	}
	info, err := a.putOnce(ctx, vault.Put{
		Key: vault.ManifestKey(p.ID), MediaType: "application/json", Body: capture.Bytes(doc),
		SHA256: capture.Sum(doc), RetainUntil: p.Entry.RetainUntil, Mode: a.cfg.Mode,
	})
	if err != nil {
		return Receipt{}, fmt.Errorf("the manifest of capture %s could not be stored: %w", p.ID, err)
	}
	return a.record(ctx, p, versions, capture.Sum(doc), info)
}

// put stores one file and gives its version.
func (a *Archive) put(ctx context.Context, p *Pending, f spooled) (string, error) {
	body, err := capture.File(filepath.Join(p.dir, f.File))
	if err != nil {
		return "", err
	}
	info, err := a.putOnce(ctx, vault.Put{
		Key: f.Key, MediaType: f.MediaType, Body: body, SHA256: f.Print.SHA256, RetainUntil: f.Until, Mode: a.cfg.Mode,
	})
	return info.Version, err
}

// putOnce is Put for a key that only these bytes can be under: an object that
// is there already with the same digest is the one an earlier attempt stored.
// It gets the lock that was asked for, if that attempt died before it had one.
func (a *Archive) putOnce(ctx context.Context, put vault.Put) (vault.Info, error) {
	info, err := a.Vault.Put(ctx, put)
	if !errors.Is(err, vault.ErrExists) {
		return info, err
	}
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
		if err := a.Vault.Extend(ctx, put.Key, have.Version, put.Mode, put.RetainUntil); err != nil {
			return vault.Info{}, fmt.Errorf("%s was stored by an earlier attempt, but could not be locked: %w", put.Key, err)
		}
	}
	return have, nil
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

// manifest fills the versions into the draft.
func (a *Archive) manifest(p *Pending, versions []string) (*manifest.Manifest, error) {
	draft, err := os.ReadFile(filepath.Join(p.dir, draftFile))
	if err != nil {
		return nil, err
	}
	m, err := manifest.Parse(draft)
	if err != nil {
		return nil, fmt.Errorf("the draft manifest of capture %s is damaged: %w", p.ID, err)
	}
	byKey := map[string]string{}
	for i, f := range p.Files {
		byKey[f.Key] = versions[i]
	}
	for i := range m.Artifacts {
		m.Artifacts[i].Version = byKey[m.Artifacts[i].Key]
	}
	return m, nil
}

func (a *Archive) record(ctx context.Context, p *Pending, versions []string, digest capture.Digest, info vault.Info) (Receipt, error) {
	e := p.Entry
	// The capture's own id names the event, so storing twice logs once.
	receipt, err := a.Custody.Append(ctx, custody.Event{
		ID: p.ID, Type: custody.Captured, At: e.Finished.Truncate(time.Microsecond), Actor: p.Actor,
		Subject: custody.Subject{Capture: p.ID}, Manifest: digest,
	}, custody.Keep{})
	if err != nil {
		return Receipt{}, fmt.Errorf("the custody event of capture %s could not be recorded: %w", p.ID, err)
	}
	e.Manifest, e.ManifestKey, e.ManifestVersion, e.Event = digest, info.Key, info.Version, receipt.Event.ID.String()
	objects := make([]catalog.Artifact, len(p.Files))
	for i, f := range p.Files {
		objects[i] = catalog.Artifact{
			Role: f.Role, Tile: f.Tile, MediaType: f.MediaType, Key: f.Key, Version: versions[i], Bytes: f.Print.Size,
			SHA256: f.Print.SHA256, SHA512: f.Print.SHA512, RetainUntil: f.Until, Width: f.Width, Height: f.Height,
		}
	}
	if err := a.Catalog.Add(ctx, e, objects); err != nil {
		return Receipt{}, fmt.Errorf("capture %s is stored, but the catalogue did not take it: %w", p.ID, err)
	}
	return Receipt{ID: p.ID, Manifest: digest, Entry: e, Objects: objects}, nil
}

// Discard removes the spooled copy of a capture that is stored.
func (a *Archive) Discard(p *Pending) error { return a.spool.remove(p) }

// Waiting lists the captures in the spool, oldest first. Folders that cannot
// be read are told in the error, beside the others.
func (a *Archive) Waiting() ([]*Pending, error) { return a.spool.list() }

// Backlog is how many bytes wait in the spool, and how many may.
func (a *Archive) Backlog() (used, limit int64) { return a.spool.used.Load(), a.spool.limit }
