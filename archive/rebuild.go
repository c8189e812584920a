package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// RebuildOptions are how a catalogue is rebuilt. The zero value is fine.
type RebuildOptions struct {
	// Found gets what is not as the vault says it should be, and so is not in
	// the catalogue; nil is fine.
	Found func(Difference)
	// Progress is told about every 500 captures or events; nil is fine.
	Progress func(RebuildReport)
}

// RebuildReport counts what a Rebuild put into the catalogue.
type RebuildReport struct {
	Captures    int64 `json:"captures"`
	Gone        int64 `json:"gone"` // expired or erased: only that they were there
	Payloads    int64 `json:"payloads"`
	References  int64 `json:"references"`
	Cases       int64 `json:"cases"`
	Orders      int64 `json:"erasure_orders"`
	Events      int64 `json:"events_read"`
	Differences int64 `json:"differences"`
}

// Rebuild makes the catalogue anew from the vault alone: captures from their
// manifests, what was read from them from their readings, retention and holds
// from the locks, references from the WARCs, and cases, erasures and orders
// from the custody events. What the catalogue has already stays as it is, so
// it may be broken off and done again. It changes nothing in the vault.
func (a *Archive) Rebuild(ctx context.Context, h History, o RebuildOptions) (RebuildReport, error) {
	b := &rebuild{a: a, h: h, o: o}
	err := b.captures(ctx)
	if err == nil {
		err = b.references(ctx)
	}
	if err == nil {
		err = b.events(ctx)
	}
	return b.r, err
}

type rebuild struct {
	a *Archive
	h History
	o RebuildOptions
	r RebuildReport
	n int
	// later are references to captures that come later in the listing: of two
	// visits at one time either may have been stored first.
	later []reference
}

func (b *rebuild) differ(w What, id capture.ID, key, format string, args ...any) {
	b.r.Differences++
	if b.o.Found != nil {
		b.o.Found(Difference{w, id, key, fmt.Sprintf(format, args...)})
	}
}

func (b *rebuild) step() {
	if b.n++; b.n%500 == 0 && b.o.Progress != nil {
		b.o.Progress(b.r)
	}
}

func (b *rebuild) captures(ctx context.Context) error {
	for info, err := range b.a.Vault.List(ctx, vault.CapturesPrefix, "") {
		if err != nil {
			return err
		}
		id, file, ok := vault.ParseCaptureKey(info.Key)
		if !ok || file != vault.FileManifest {
			continue // an audit tells what belongs to no manifest
		}
		if err := b.capture(ctx, id, info); err != nil {
			return fmt.Errorf("capture %s: %w", id, err)
		}
		b.step()
	}
	return nil
}

func (b *rebuild) capture(ctx context.Context, id capture.ID, info vault.Info) error {
	doc, err := b.object(ctx, info.Key, info.Version, manifest.MaxSize)
	if err != nil {
		return err
	}
	m, err := manifest.Parse(doc)
	if err != nil || m.Capture != id {
		b.differ(BadManifest, id, info.Key, "it cannot be read, or is of another capture: %s", errorText(err))
		return nil
	}
	ev, _, err := b.h.Event(ctx, id)
	switch {
	case errors.Is(err, vault.ErrNotFound), errors.Is(err, custody.ErrEvent), errors.Is(err, custody.ErrCorrupt):
		b.differ(NotInLog, id, info.Key, "there is no custody event that it was captured, so it is not taken: %s", err)
		return nil
	case err != nil:
		return err
	case ev.Type != sealedBy(m) || ev.Manifest != capture.Sum(doc):
		b.differ(WrongBytes, id, info.Key, "its SHA-256 is %s, the log says %s", capture.Sum(doc), ev.Manifest)
		return nil
	}
	lock, err := b.a.Vault.Stat(ctx, info.Key, info.Version)
	if err != nil {
		return err
	}
	e := entryOf(m, lock)
	e.Manifest = ev.Manifest
	arts, err := b.artifacts(ctx, m, &e)
	if err != nil {
		return err
	}
	if err := b.a.Catalog.Add(ctx, e, arts); err != nil {
		return err
	}
	b.r.Captures++
	if m.Redaction != nil { // nothing refers to a redaction
		return b.a.Catalog.AddRedaction(ctx, id, m.Redaction.Capture)
	}
	return b.payloads(ctx, m, arts)
}

// entryOf gives what the manifest and its lock say.
func entryOf(m *manifest.Manifest, lock vault.Info) catalog.Entry {
	return catalog.Entry{
		ID: m.Capture, Started: m.Started.UTC(), Finished: m.Finished.UTC(), URL: m.URL, FinalURL: m.FinalURL,
		Site: m.Asked.Site, PageKind: m.Asked.PageKind, ItemID: m.Asked.ItemID, Canonical: m.Asked.Canonical, Watch: m.Asked.Watch,
		Job: m.Asked.Job, RequestedBy: m.Asked.By, Outcome: m.Outcome, ManifestKey: lock.Key, ManifestVersion: lock.Version,
		Event: m.Capture.String(), RetainUntil: lock.RetainUntil.UTC(), Held: lock.Hold,
	}
}

// artifacts gives the files of a capture with their locks, and fills in what
// was read from the page.
func (b *rebuild) artifacts(ctx context.Context, m *manifest.Manifest, e *catalog.Entry) ([]catalog.Artifact, error) {
	var all []catalog.Artifact
	for _, f := range m.Artifacts {
		o := catalog.Artifact{
			Role: f.Role, Tile: int(f.Tile), MediaType: f.MediaType, Key: f.Key, Version: f.Version, Bytes: f.Bytes,
			SHA256: f.SHA256, SHA512: f.SHA512, Width: int(f.Width), Height: int(f.Height),
		}
		lock, err := b.a.Vault.Stat(ctx, f.Key, f.Version)
		switch {
		case errors.Is(err, vault.ErrNotFound):
			b.differ(Missing, m.Capture, f.Key, "the version %s that the manifest names is not there", f.Version)
		case err != nil:
			return nil, err
		}
		o.RetainUntil = lock.RetainUntil.UTC()
		e.Bytes += f.Bytes
		all = append(all, o)
		if f.Role == string(capture.RoleReading) && err == nil {
			doc, err := b.object(ctx, f.Key, f.Version, maxReading)
			if err != nil {
				return nil, err
			}
			if capture.Sum(doc) != f.SHA256 {
				b.differ(WrongBytes, m.Capture, f.Key, "its SHA-256 is %s, the manifest says %s", capture.Sum(doc), f.SHA256)
				continue
			}
			d := describe(doc)
			e.Title, e.Price, e.Currency, e.Seller = d.Title, d.Price, d.Currency, d.Seller
		}
	}
	return all, nil
}

const maxReading = 64 << 20

// describe reads title, price and seller from a reading: of the members of
// its listing, listing.fields.<name>.value, and amount of the price.
func describe(doc []byte) Description {
	var r struct {
		Listing *struct {
			Fields map[string]struct {
				Value  string  `json:"value"`
				Amount *string `json:"amount"`
			} `json:"fields"`
		} `json:"listing"`
	}
	if json.Unmarshal(doc, &r) != nil || r.Listing == nil {
		return Description{} // nothing was read from the page
	}
	f := r.Listing.Fields
	d := Description{Title: f["title"].Value, Seller: f["seller_name"].Value}
	if amount := f["price"].Amount; amount != nil {
		d.Price, d.Currency = *amount, f["currency"].Value
	}
	return d
}

func (b *rebuild) object(ctx context.Context, key, version string, limit int64) ([]byte, error) {
	r, _, err := b.a.Vault.Get(ctx, key, version)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	doc, err := io.ReadAll(io.LimitReader(r, limit+1))
	if int64(len(doc)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", key, limit)
	}
	return doc, err
}
