package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
)

// ErrTampered: stored bytes are not those the manifest names.
var ErrTampered = errors.New("the stored bytes are not those of the manifest")

// ErrGone: the capture was erased, or its retention ended. That it was there
// stays in the custody log and the catalogue.
var ErrGone = errors.New("the capture is gone: it was erased, or its retention ended")

// Manifest reads a capture's manifest from the vault and checks it against the
// digest that the catalogue has. Reading it is no custody event.
func (a *Archive) Manifest(ctx context.Context, id capture.ID) (*manifest.Manifest, []byte, error) {
	e, err := a.Catalog.Get(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if e.State != catalog.Kept {
		return nil, nil, fmt.Errorf("capture %s: %w", id, ErrGone)
	}
	r, _, err := a.Vault.Get(ctx, e.ManifestKey, e.ManifestVersion)
	if err != nil {
		return nil, nil, fmt.Errorf("the manifest of capture %s: %w", id, err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, manifest.MaxSize+1))
	if err != nil {
		return nil, nil, fmt.Errorf("the manifest of capture %s: %w", id, err)
	}
	if capture.Sum(b) != e.Manifest {
		return nil, nil, fmt.Errorf("the manifest of capture %s: %w", id, ErrTampered)
	}
	m, err := manifest.Parse(b)
	return m, b, err
}

// Open gives the bytes of one artifact in the version of the manifest, and
// leaves a custody event that actor had them. The reader gives ErrTampered at
// its end when the bytes are not those of the manifest: whoever uses them
// before has been told too late, so small things are better read whole.
func (a *Archive) Open(ctx context.Context, id capture.ID, role string, tile int, actor string, how custody.Type) (io.ReadCloser, catalog.Artifact, error) {
	arts, err := a.Catalog.Artifacts(ctx, id)
	if err != nil {
		return nil, catalog.Artifact{}, err
	}
	i := slices.IndexFunc(arts, func(x catalog.Artifact) bool { return x.Role == role && x.Tile == tile })
	if i < 0 {
		e, err := a.Catalog.Get(ctx, id)
		if err != nil {
			return nil, catalog.Artifact{}, err
		}
		if e.State != catalog.Kept {
			return nil, catalog.Artifact{}, fmt.Errorf("capture %s: %w", id, ErrGone)
		}
		return nil, catalog.Artifact{}, fmt.Errorf("capture %s has no %s: %w", id, role, catalog.ErrNotFound)
	}
	art := arts[i]
	r, _, err := a.Vault.Get(ctx, art.Key, art.Version)
	if err != nil {
		return nil, catalog.Artifact{}, err
	}
	if err := a.Note(ctx, how, actor, custody.Subject{Capture: id}, map[string]string{"role": role, "tile": fmt.Sprint(tile)}); err != nil {
		r.Close()
		return nil, catalog.Artifact{}, err
	}
	return &checked{ReadCloser: r, sum: sha256.New(), want: art}, art, nil
}

// checked hashes what is read and refuses at the end what differs.
type checked struct {
	io.ReadCloser
	sum  hash.Hash
	n    int64
	want catalog.Artifact
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.sum.Write(p[:n])
	c.n += int64(n)
	if err == io.EOF && (c.n != c.want.Bytes || capture.Digest(c.sum.Sum(nil)) != c.want.SHA256) {
		return n, fmt.Errorf("%s: %w", c.want.Key, ErrTampered)
	}
	return n, err
}

// Note records what somebody did to evidence.
func (a *Archive) Note(ctx context.Context, t custody.Type, actor string, s custody.Subject, details map[string]string) error {
	_, err := a.Custody.Append(ctx, custody.Event{Type: t, Actor: actor, Subject: s, Details: maps.Clone(details), At: a.Now()}, custody.Keep{})
	if err != nil {
		return fmt.Errorf("it could not be recorded that the evidence was %s, so it is not given: %w", t, err)
	}
	return nil
}

// Extend locks a capture's objects until a later time; earlier is ignored
// (a lock is never shortened). The reason goes into the custody event.
func (a *Archive) Extend(ctx context.Context, id capture.ID, until time.Time, actor, reason string) error {
	if t := until.UTC().Truncate(time.Second); t.Before(until) {
		until = t.Add(time.Second) // locks have whole seconds: rather a longer one
	} else {
		until = t
	}
	e, err := a.Catalog.Get(ctx, id)
	if err != nil {
		return err
	}
	if !until.After(e.RetainUntil) {
		return nil
	}
	if e.State != catalog.Kept {
		return fmt.Errorf("capture %s: %w", id, ErrGone)
	}
	all, err := a.objects(ctx, e)
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.other != nil {
			err = a.lockOther(ctx, *o.other, until, id)
		} else {
			err = a.extend(ctx, o.key, o.version, a.cfg.Mode, until)
		}
		if err != nil {
			return fmt.Errorf("the lock of capture %s could not be extended: %s: %w", id, o.key, err)
		}
	}
	if err := a.Note(ctx, custody.RetentionChanged, actor, custody.Subject{Capture: id},
		map[string]string{"until": until.Format(time.RFC3339), "reason": reason}); err != nil {
		return err
	}
	e.RetainUntil = until
	return a.Catalog.SetRetention(ctx, e)
}

// Hold sets or lifts the legal hold on all objects of a capture.
func (a *Archive) Hold(ctx context.Context, id capture.ID, on bool, actor, reason string) error {
	e, err := a.Catalog.Get(ctx, id)
	if err != nil {
		return err
	}
	if e.State != catalog.Kept {
		return fmt.Errorf("capture %s: %w", id, ErrGone)
	}
	all, err := a.objects(ctx, e)
	if err != nil {
		return err
	}
	for _, o := range all {
		if !on { // an object that another held capture needs stays held
			users, err := a.Catalog.Users(ctx, o.key, id)
			if err != nil {
				return err
			}
			if users.Held {
				continue
			}
		}
		if err := a.Vault.Hold(ctx, o.key, o.version, on); err != nil {
			return fmt.Errorf("the legal hold of capture %s could not be changed: %s: %w", id, o.key, err)
		}
	}
	how := custody.Held
	if !on {
		how = custody.Released
	}
	if err := a.Note(ctx, how, actor, custody.Subject{Capture: id}, map[string]string{"reason": reason}); err != nil {
		return err
	}
	e.Held = on
	return a.Catalog.SetRetention(ctx, e)
}

// object is one stored object that a capture needs.
type object struct {
	key, version string
	other        *catalog.Payload // set for what belongs to another capture
}

// objects lists every stored object that a capture needs: its files, what its
// WARC refers to, and last its manifest.
func (a *Archive) objects(ctx context.Context, e catalog.Entry) ([]object, error) {
	arts, err := a.Catalog.Artifacts(ctx, e.ID)
	if err != nil {
		return nil, err
	}
	refers, err := a.Catalog.Referred(ctx, e.ID)
	if err != nil {
		return nil, err
	}
	var all []object
	seen := map[string]bool{}
	add := func(o object) {
		if !seen[o.key] {
			all = append(all, o)
		}
		seen[o.key] = true
	}
	for _, art := range arts {
		add(object{art.Key, art.Version, nil})
	}
	for _, p := range refers {
		add(object{p.Key, p.Version, &p})
	}
	add(object{e.ManifestKey, e.ManifestVersion, nil})
	return all, nil
}
