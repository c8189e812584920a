package archive

import (
	"context"
	"errors"
	"io"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// capture compares what is known of one capture. known: the catalogue has e;
// logged: there is an event document of this id.
func (u *audit) capture(ctx context.Context, id capture.ID, f folder, e catalog.Entry, known, logged bool) error {
	gone, err := u.goneEvent(ctx, id)
	if err != nil {
		return err
	}
	stored, hasManifest := f.files[vault.ManifestKey(id)]
	switch {
	case known && e.State != catalog.Kept || gone && len(f.files) == 0:
		u.goneCapture(id, f, e, known, gone)
		return nil
	case len(f.files) == 0 && !known:
		return u.onlyLogged(ctx, id)
	case known:
		return u.kept(ctx, id, f, e, logged)
	case gone:
		for key := range f.files {
			u.differ(NotErased, id, key, "the log says that the capture is gone, and the catalogue does not know it")
		}
		return nil
	case u.young(made(id)):
		u.r.Storing++
		return nil
	case !hasManifest:
		for key := range f.files {
			u.differ(NotInManifest, id, key, "the capture has no manifest: storing it was never finished; a spool may have it")
		}
		return nil
	}
	u.differ(NotInCatalogue, id, stored.Key, "the catalogue does not have this capture: `trawlmark archive rebuild` adds it")
	return u.kept(ctx, id, f, catalog.Entry{ID: id, ManifestKey: stored.Key, ManifestVersion: stored.Version}, logged)
}

// goneEvent reports whether the log says that a capture expired or was erased.
func (u *audit) goneEvent(ctx context.Context, id capture.ID) (bool, error) {
	row, err := u.h.Find(ctx, goneID(id))
	if errors.Is(err, custody.ErrUnknown) {
		return false, nil
	}
	return err == nil && row.Entry.Type == custody.Erased, err
}

func (u *audit) goneCapture(id capture.ID, f folder, e catalog.Entry, known, gone bool) {
	switch {
	case !known:
		u.differ(NotInCatalogue, id, "", "the log says that the capture is gone; the catalogue does not know that it was there")
	case !gone:
		u.differ(NotInLog, id, e.ManifestKey, "the catalogue says that the capture is %s; no custody event says so", e.State)
	case e.State == catalog.Kept:
		u.differ(NotErased, id, e.ManifestKey, "the log says that the capture is gone; the catalogue still has it: `trawlmark archive expire` finishes it")
	default:
		u.r.Gone++
	}
	for key := range f.files {
		u.differ(NotErased, id, key, "the capture is gone, this file is still there")
	}
}

// onlyLogged is about an event document whose id is no capture that anybody
// else knows: it may be any event.
func (u *audit) onlyLogged(ctx context.Context, id capture.ID) error {
	row, err := u.h.Find(ctx, id)
	if errors.Is(err, custody.ErrUnknown) {
		return nil // the phase of the log reports it
	}
	if err != nil {
		return err
	}
	if row.Entry.Type == custody.Captured || row.Entry.Type == custody.Redacted {
		u.differ(NotInVault, id, vault.ManifestKey(id), "it was logged as captured; its manifest is not there, and nothing says why")
	}
	return nil
}

// kept compares a capture that should be whole. Of one that the catalogue does
// not have, e has only the manifest's place.
func (u *audit) kept(ctx context.Context, id capture.ID, f folder, e catalog.Entry, logged bool) error {
	u.r.Captures++
	found, doc, err := u.a.check(ctx, e, expected{e.ManifestKey, e.ManifestVersion, e.Manifest, -1}, true)
	if err != nil {
		return err
	}
	digest := e.Manifest
	if digest.IsZero() && len(found) > 0 { // nothing to compare it with
		doc, err = u.read(ctx, e)
		if err != nil {
			return err
		}
		digest, found = capture.Sum(doc), nil
	}
	u.all(found)
	u.r.Bytes += int64(len(doc))
	m, err := manifest.Parse(doc)
	if err := u.logged(ctx, e, m, digest, logged); err != nil || len(doc) == 0 {
		return err
	}
	if err != nil || m.Capture != id {
		u.differ(BadManifest, id, e.ManifestKey, "it cannot be read, or is of another capture: %s", errorText(err))
		return nil
	}
	named := map[string]bool{e.ManifestKey: true}
	for _, art := range m.Artifacts {
		named[art.Key] = true
		if err := u.artifact(ctx, e, art); err != nil {
			return err
		}
	}
	for key := range f.files {
		if !named[key] {
			u.differ(NotInManifest, id, key, "the manifest does not name it")
		}
	}
	return u.rows(ctx, e, m)
}

func (u *audit) all(found []Difference) {
	for _, d := range found {
		u.add(d)
	}
}

func (u *audit) read(ctx context.Context, e catalog.Entry) ([]byte, error) {
	r, _, err := u.a.Vault.Get(ctx, e.ManifestKey, e.ManifestVersion)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, manifest.MaxSize+1))
}

// logged compares a capture with its custody event.
func (u *audit) logged(ctx context.Context, e catalog.Entry, m *manifest.Manifest, digest capture.Digest, logged bool) error {
	if !logged {
		u.differ(NotInLog, e.ID, e.ManifestKey, "there is no custody event that it was captured")
		return nil
	}
	ev, _, err := u.h.Event(ctx, e.ID)
	switch {
	case errors.Is(err, vault.ErrNotFound), errors.Is(err, custody.ErrEvent), errors.Is(err, custody.ErrCorrupt):
		u.differ(NotInLog, e.ID, vault.CustodyEventKey(e.ID), "the custody event that it was captured cannot be read: %s", err)
		return nil
	case err != nil:
		return err
	}
	of := e.ID
	if m != nil && m.Redaction != nil {
		of = m.Redaction.Capture
	}
	if ev.Type != sealedBy(m) || ev.Manifest != digest || ev.Subject.Capture != of {
		u.differ(Differs, e.ID, e.ManifestKey, "the log has the manifest %s, the catalogue or the vault %s", ev.Manifest, digest)
	}
	return nil
}

// artifact looks at one file: its bytes only in a deep audit.
func (u *audit) artifact(ctx context.Context, e catalog.Entry, art manifest.Artifact) error {
	u.r.Objects++
	if u.o.Deep {
		found, _, err := u.a.check(ctx, e, expected{art.Key, art.Version, art.SHA256, art.Bytes}, false)
		u.r.Bytes += art.Bytes
		u.all(found)
		return err
	}
	info, err := u.a.Vault.Stat(ctx, art.Key, art.Version)
	if errors.Is(err, vault.ErrNotFound) {
		u.differ(Missing, e.ID, art.Key, "the version %s that the manifest names is not there", art.Version)
		return nil
	}
	if err != nil {
		return err
	}
	u.a.checkLock(e, info, func(w What, format string, args ...any) { u.differ(w, e.ID, art.Key, format, args...) })
	switch {
	case info.Size != art.Bytes:
		u.differ(WrongSize, e.ID, art.Key, "it has %d bytes, the manifest says %d", info.Size, art.Bytes)
	case !info.SHA256.IsZero() && info.SHA256 != art.SHA256:
		u.differ(WrongBytes, e.ID, art.Key, "its SHA-256 is %s, the manifest says %s", info.SHA256, art.SHA256)
	}
	return nil
}

// rows compares the catalogue's files with the manifest's, and looks for what
// the capture refers to.
func (u *audit) rows(ctx context.Context, e catalog.Entry, m *manifest.Manifest) error {
	if e.Manifest.IsZero() {
		return nil // the catalogue does not have it
	}
	arts, err := u.a.Catalog.Artifacts(ctx, e.ID)
	if err != nil {
		return err
	}
	have := map[string]catalog.Artifact{}
	for _, o := range arts {
		have[o.Key] = o
	}
	for _, art := range m.Artifacts {
		if o := have[art.Key]; o.Version != art.Version || o.SHA256 != art.SHA256 || o.Bytes != art.Bytes {
			u.differ(Differs, e.ID, art.Key, "the catalogue has version %q and SHA-256 %s, the manifest %q and %s", o.Version, o.SHA256, art.Version, art.SHA256)
		}
		delete(have, art.Key)
	}
	for key := range have {
		u.differ(Differs, e.ID, key, "the catalogue has this file, the manifest does not")
	}
	refers, err := u.a.Catalog.Referred(ctx, e.ID)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, p := range refers {
		if seen[p.Key] {
			continue
		}
		seen[p.Key] = true
		info, err := u.a.Vault.Stat(ctx, p.Key, p.Version)
		if errors.Is(err, vault.ErrNotFound) {
			u.differ(Missing, e.ID, p.Key, "the capture's WARC refers to a payload in it, and it is not there")
			continue
		}
		if err != nil {
			return err
		}
		u.a.checkLock(e, info, func(w What, format string, args ...any) { u.differ(w, e.ID, p.Key, format, args...) })
	}
	return nil
}

// sealedBy is the type of the custody event that a manifest is sealed by.
func sealedBy(m *manifest.Manifest) custody.Type {
	if m != nil && m.Redaction != nil {
		return custody.Redacted
	}
	return custody.Captured
}
