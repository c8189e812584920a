package vaulttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// Target is a vault to be tried, and what the suite may do around it. Every
// subtest gets a fresh one from the function given to Run; all of them may
// share one storage if each begins with no objects.
type Target struct {
	Vault vault.Vault
	// Now is the clock that the vault's locks run by; time.Now when nil.
	Now func() time.Time
	// Advance moves that clock; nil for a storage with a clock of its own: then
	// a lock's end is waited for, and not at all under -short.
	Advance func(time.Duration)
	// Overwrite puts a version over an object past the interface, as a plain
	// PUT does, and gives the version; nil when there is no way.
	Overwrite func(ctx context.Context, key string, b []byte) (version string, err error)
	// Hide puts a delete marker over an object past the interface, as a plain
	// DELETE does.
	Hide func(ctx context.Context, key string) error
	// Break makes the storage unreachable, mend undoes that; nil when there is
	// no way. A broken target has to give up within GiveUp (a minute when zero).
	Break  func() (mend func())
	GiveUp time.Duration
}

// Run holds the suite against the vaults that open gives.
func Run(t *testing.T, open func(*testing.T) Target) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, *tester)
	}{
		{"put and read back", roundTrip},
		{"sizes", sizes},
		{"odd keys", oddKeys},
		{"bad keys", badKeys},
		{"clashing keys", clashingKeys},
		{"created once", createdOnce},
		{"one of many writers wins", racingWriters},
		{"wrong digest", wrongDigest},
		{"broken body", brokenBody},
		{"missing", missing},
		{"retention", retention},
		{"retention is rounded up", roundedUp},
		{"retention ends", retentionEnds},
		{"extension", extension},
		{"racing extensions", racingExtensions},
		{"compliance", compliance},
		{"legal hold", legalHold},
		{"hold from the start", holdFromStart},
		{"bad locks", badLocks},
		{"delete", deletion},
		{"versions", versions},
		{"hidden", hidden},
		{"list", list},
		{"list pages", listPages},
		{"cancelled", cancelled},
		{"outage", outage},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := open(t)
			if target.Now == nil {
				target.Now = time.Now
			}
			if target.GiveUp == 0 {
				target.GiveUp = minute
			}
			c.run(t, &tester{T: t, Target: target, ctx: t.Context()})
		})
	}
}

// tester is one subtest at its target.
type tester struct {
	*testing.T
	Target
	ctx context.Context
}

// put stores b or ends the test.
func (x *tester) put(key string, b []byte, with ...func(*vault.Put)) vault.Info {
	x.Helper()
	p := vault.NewPut(key, "text/plain", b)
	for _, f := range with {
		f(&p)
	}
	i, err := x.Vault.Put(x.ctx, p)
	if err != nil {
		x.Fatalf("put %q: %v", key, err)
	}
	return i
}

// locked is a Put with this lock.
func (x *tester) locked(mode vault.Mode, d time.Duration) func(*vault.Put) {
	return func(p *vault.Put) { p.Mode, p.RetainUntil = mode, x.at(d) }
}

// at is d from now, in whole seconds.
func (x *tester) at(d time.Duration) time.Time { return vault.LockTime(x.Now().Add(d)) }

func (x *tester) stat(key, version string) vault.Info {
	x.Helper()
	i, err := x.Vault.Stat(x.ctx, key, version)
	if err != nil {
		x.Fatalf("stat %q %q: %v", key, version, err)
	}
	return i
}

func (x *tester) read(key, version string) ([]byte, vault.Info) {
	x.Helper()
	r, i, err := x.Vault.Get(x.ctx, key, version)
	if err != nil {
		x.Fatalf("get %q %q: %v", key, version, err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		x.Fatalf("read %q %q: %v", key, version, err)
	}
	return b, i
}

// holds checks that a version has exactly these bytes.
func (x *tester) holds(key, version string, want []byte) {
	x.Helper()
	if got, _ := x.read(key, version); !bytes.Equal(got, want) {
		x.Errorf("%q %q holds %d bytes of %s, want %d of %s", key, version, len(got), capture.Sum(got), len(want), capture.Sum(want))
	}
}

// wants checks an error's kind.
func (x *tester) wants(err, kind error, what string, args ...any) {
	x.Helper()
	if !errors.Is(err, kind) {
		x.Errorf("%s: got %v, want %v", fmt.Sprintf(what, args...), err, kind)
	}
}

// stays checks that nobody can delete a version.
func (x *tester) stays(key, version string) {
	x.Helper()
	x.wants(x.Vault.Delete(x.ctx, key, version), vault.ErrLocked, "delete the locked %q", key)
	x.stat(key, version)
}

// goes deletes a version that nothing holds.
func (x *tester) goes(key, version string) {
	x.Helper()
	if err := x.Vault.Delete(x.ctx, key, version); err != nil {
		x.Errorf("delete the unlocked %q: %v", key, err)
		return
	}
	_, err := x.Vault.Stat(x.ctx, key, version)
	x.wants(err, vault.ErrNotFound, "stat the deleted %q", key)
}

func (x *tester) list(prefix, after string) []vault.Info {
	x.Helper()
	var all []vault.Info
	for i, err := range x.Vault.List(x.ctx, prefix, after) {
		if err != nil {
			x.Fatalf("list %q after %q: %v", prefix, after, err)
		}
		all = append(all, i)
	}
	return all
}
