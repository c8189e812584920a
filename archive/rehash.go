package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// What is a kind of difference between what is stored and what should be.
type What string

// The differences. Rehash finds the first group, Audit all of them.
const (
	Missing     What = "missing"      // an object that a manifest or the catalogue names is not there
	WrongBytes  What = "wrong_bytes"  // its bytes are not those that were announced
	WrongSize   What = "wrong_size"   // it has another size
	Unlocked    What = "unlocked"     // its lock ends before the capture's retention
	NoHold      What = "no_hold"      // the capture is under legal hold and the object is not
	Covered     What = "covered"      // another version or a delete marker stands over it
	BadManifest What = "bad_manifest" // the manifest cannot be read, or is another capture's

	NotInCatalogue What = "not_in_catalogue" // stored, but the catalogue does not have it
	NotInLog       What = "not_in_log"       // stored, but no custody event says that it was captured
	NotInVault     What = "not_in_vault"     // logged as captured, but its manifest is not there and nothing says why
	NotInManifest  What = "not_in_manifest"  // an object that no manifest names
	Differs        What = "differs"          // the catalogue or the log say something else than the manifest
	NotErased      What = "not_erased"       // logged as erased, and still there
	BadLog         What = "log"              // the custody log itself does not fit
)

// Kinds lists all of them; docs/archive.md says what to do about each.
func Kinds() []What {
	return []What{
		Missing, WrongBytes, WrongSize, Unlocked, NoHold, Covered, BadManifest, NotInCatalogue, NotInLog, NotInVault, NotInManifest,
		Differs, NotErased, BadLog,
	}
}

// Difference is one thing that is not as it should be.
type Difference struct {
	What    What       `json:"what"`
	Capture capture.ID `json:"capture,omitzero"`
	Key     string     `json:"key,omitempty"`
	Text    string     `json:"text"` // a sentence
}

// Sampled is what a Rehash read.
type Sampled struct {
	At       time.Time    `json:"at"`
	Captures int          `json:"captures"`
	Objects  int          `json:"objects"`
	Bytes    int64        `json:"bytes"`
	Found    []Difference `json:"differences"`
	// Failed counts objects that the storage did not give, which is no proof of
	// anything: they are looked at another day.
	Failed int `json:"failed"`
}

// Good reports whether everything that was read was as it should be, and
// something was.
func (s Sampled) Good() bool { return len(s.Found) == 0 && s.Failed == 0 }

// Rehash reads every object of up to n captures, chosen at random, in the
// versions of their manifests, and compares digest, size, lock and hold. The
// error is that it could not look; the storage refusing some objects is in the
// result.
func (a *Archive) Rehash(ctx context.Context, n int) (Sampled, error) {
	s := Sampled{At: a.Now().UTC(), Found: []Difference{}}
	all, err := a.Catalog.Sample(ctx, n, a.Rand)
	if err != nil {
		return s, err
	}
	for _, e := range all {
		if err := a.rehash(ctx, e, &s); err != nil {
			return s, err
		}
		s.Captures++
	}
	return s, nil
}

func (a *Archive) rehash(ctx context.Context, e catalog.Entry, s *Sampled) error {
	found, doc, err := a.check(ctx, e, expected{key: e.ManifestKey, version: e.ManifestVersion, sum: e.Manifest, size: -1}, true)
	if err := s.add(ctx, e, found, int64(len(doc)), err); err != nil || len(doc) == 0 {
		return err
	}
	m, err := manifest.Parse(doc)
	if err != nil || m.Capture != e.ID {
		s.Found = append(s.Found, Difference{BadManifest, e.ID, e.ManifestKey, "the manifest cannot be read, or is of another capture: " + errorText(err)})
		return nil
	}
	for _, f := range m.Artifacts {
		found, _, err := a.check(ctx, e, expected{f.Key, f.Version, f.SHA256, f.Bytes}, false)
		if err := s.add(ctx, e, found, f.Bytes, err); err != nil {
			return err
		}
	}
	return nil
}

// add counts what one check gave. Only the end of ctx ends the sample.
func (s *Sampled) add(ctx context.Context, e catalog.Entry, found []Difference, n int64, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.Objects++
	s.Found = append(s.Found, found...)
	if err != nil {
		s.Failed++
		return nil
	}
	s.Bytes += n
	return nil
}

// expected is an object as it must be. size -1: not known.
type expected struct {
	key, version string
	sum          capture.Digest
	size         int64
}

// check compares one object with what it must be. keep gives its bytes (of a
// manifest, bounded). The error is the storage's.
func (a *Archive) check(ctx context.Context, e catalog.Entry, want expected, keep bool) (found []Difference, doc []byte, err error) {
	add := func(w What, format string, args ...any) {
		found = append(found, Difference{w, e.ID, want.key, fmt.Sprintf(format, args...)})
	}
	info, err := a.Vault.Stat(ctx, want.key, want.version)
	if errors.Is(err, vault.ErrNotFound) {
		add(Missing, "the version %s that was stored is not there", want.version)
		return found, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	a.checkLock(e, info, add)
	r, _, err := a.Vault.Get(ctx, want.key, want.version)
	if err != nil {
		return found, nil, err
	}
	defer r.Close()
	out := io.Discard
	var head limited
	if keep {
		out = &head
	}
	p := newPrinter(out)
	if _, err := io.Copy(p, r); err != nil {
		return found, nil, err
	}
	got := p.print()
	switch {
	case want.size >= 0 && got.Size != want.size:
		add(WrongSize, "it has %d bytes, the manifest says %d", got.Size, want.size)
	case got.SHA256 != want.sum:
		add(WrongBytes, "its SHA-256 is %s, and must be %s", got.SHA256, want.sum)
		return found, nil, nil
	}
	return found, head.b, nil
}

// checkLock compares the lock of an object with what its capture needs.
func (a *Archive) checkLock(e catalog.Entry, info vault.Info, add func(What, string, ...any)) {
	if !info.Latest {
		add(Covered, "another version or a delete marker stands over version %s", info.Version)
	}
	if a.cfg.Unlocked {
		return
	}
	if e.Held && !info.Hold {
		add(NoHold, "its capture is under legal hold, the object is not")
	}
	if e.RetainUntil.After(a.Now()) && info.RetainUntil.Before(e.RetainUntil) {
		add(Unlocked, "its lock ends %s, its capture must be kept until %s", lockEnd(info), e.RetainUntil.UTC().Format(time.RFC3339))
	}
}

func lockEnd(i vault.Info) string {
	if i.RetainUntil.IsZero() {
		return "never began"
	}
	return i.RetainUntil.UTC().Format(time.RFC3339)
}

// limited keeps what a manifest may have and drops the rest.
type limited struct{ b []byte }

func (l *limited) Write(p []byte) (int, error) {
	l.b = append(l.b, p[:min(len(p), manifest.MaxSize+1-len(l.b))]...)
	return len(p), nil
}
