package vaulttest

import (
	"sync"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
)

const minute = time.Minute

func retention(_ *testing.T, x *tester) {
	until := x.at(10 * minute)
	put := x.put("kept", []byte("1"), func(p *vault.Put) { p.RetainUntil = until })
	for name, i := range map[string]vault.Info{"put": put, "stat": x.stat("kept", ""), "stat by version": x.stat("kept", put.Version)} {
		if i.Mode != vault.Governance || !i.RetainUntil.Equal(until) || i.Hold {
			x.Errorf("%s says %s until %s, hold %v; want GOVERNANCE until %s", name, i.Mode, i.RetainUntil, i.Hold, until)
		}
	}
	// Get need not tell the lock, but must not tell another one.
	if _, i := x.read("kept", put.Version); !i.RetainUntil.IsZero() && !i.RetainUntil.Equal(until) {
		x.Errorf("get says until %s, want %s", i.RetainUntil, until)
	}
	x.stays("kept", put.Version)
	x.holds("kept", "", []byte("1"))
}

func roundedUp(_ *testing.T, x *tester) {
	asked := x.at(10 * minute).Add(300 * time.Millisecond)
	i := x.put("rounded", nil, func(p *vault.Put) { p.RetainUntil = asked })
	if got := x.stat("rounded", i.Version).RetainUntil; got.Before(asked) || got.Sub(asked) >= time.Second {
		x.Errorf("a lock until %s was asked, it lasts until %s", asked, got)
	}
}

func retentionEnds(t *testing.T, x *tester) {
	if x.Advance == nil && testing.Short() {
		t.Skip("-short does not wait for the end of a real lock")
	}
	// Long enough to be stored before it ends. That a lock holds is said by
	// others; here it may have ended by the time of the first try.
	until := x.at(4 * time.Second)
	i := x.put("ends", []byte("1"), func(p *vault.Put) { p.RetainUntil = until })
	for end := time.Now().Add(2 * minute); ; {
		err := x.Vault.Delete(x.ctx, "ends", i.Version)
		switch now := x.Now(); {
		case err == nil && now.Before(until.Add(-time.Second)): // its clock may be a little ahead
			t.Fatalf("a lock until %s let go at %s", until, now)
		case err == nil:
			return
		case time.Now().After(end):
			t.Fatalf("a lock of 4 s still holds after two minutes: %v", err)
		}
		if x.Advance != nil {
			x.Advance(time.Second)
			continue
		}
		time.Sleep(100 * time.Millisecond) // the storage's clock cannot be moved
	}
}

func extension(_ *testing.T, x *tester) {
	i := x.put("more", []byte("1"), x.locked("", 10*minute))
	first, second := x.at(10*minute), x.at(20*minute)
	x.wants(x.Vault.Extend(x.ctx, "more", i.Version, "", second), nil, "extend")
	if got := x.stat("more", i.Version); !got.RetainUntil.Equal(second) || got.Mode != vault.Governance {
		x.Errorf("after the extension: %s until %s, want GOVERNANCE until %s", got.Mode, got.RetainUntil, second)
	}
	x.wants(x.Vault.Extend(x.ctx, "more", "", "", second), nil, "extend to the same end")
	for _, until := range []time.Time{first.Add(-minute), second.Add(-time.Second), x.at(-minute), {}} {
		x.wants(x.Vault.Extend(x.ctx, "more", i.Version, "", until), vault.ErrShorter, "shorten to %s", until)
	}
	if got := x.stat("more", i.Version); !got.RetainUntil.Equal(second) {
		x.Errorf("a refused extension moved the end to %s", got.RetainUntil)
	}
	x.stays("more", i.Version)

	free := x.put("free", []byte("2"))
	x.wants(x.Vault.Extend(x.ctx, "free", "", "", second), nil, "lock an unlocked object")
	if got := x.stat("free", ""); !got.RetainUntil.Equal(second) || got.Mode != vault.Governance {
		x.Errorf("a new lock: %s until %s", got.Mode, got.RetainUntil)
	}
	x.stays("free", free.Version)
}

// racingExtensions: whatever the order, the end is the latest one asked for
// that was accepted, and no call shortens what another one made.
func racingExtensions(_ *testing.T, x *tester) {
	i := x.put("race", nil, x.locked("", minute))
	var wg sync.WaitGroup
	errs, ends := make([]error, 8), make([]time.Time, 8)
	for n := range errs {
		ends[n] = x.at(time.Duration(n+2) * minute)
		wg.Go(func() { errs[n] = x.Vault.Extend(x.ctx, "race", i.Version, "", ends[n]) })
	}
	wg.Wait()
	var latest time.Time
	for n, err := range errs {
		if err == nil && ends[n].After(latest) {
			latest = ends[n]
		} else if err != nil {
			x.wants(err, vault.ErrShorter, "extension %d", n)
		}
	}
	if got := x.stat("race", i.Version).RetainUntil; got.Before(latest) {
		x.Errorf("an accepted lock until %s was shortened to %s", latest, got)
	}
}

func compliance(_ *testing.T, x *tester) {
	until := x.at(minute)
	i := x.put("strict", []byte("1"), func(p *vault.Put) { p.Mode, p.RetainUntil = vault.Compliance, until })
	if got := x.stat("strict", ""); got.Mode != vault.Compliance || !got.RetainUntil.Equal(until) {
		x.Errorf("%s until %s, want COMPLIANCE until %s", got.Mode, got.RetainUntil, until)
	}
	x.stays("strict", i.Version)
	x.wants(x.Vault.Extend(x.ctx, "strict", "", vault.Governance, until.Add(time.Second)), vault.ErrLocked, "weaken")
	x.wants(x.Vault.Extend(x.ctx, "strict", "", "", until.Add(-time.Second)), vault.ErrShorter, "shorten")
	x.wants(x.Vault.Extend(x.ctx, "strict", "", "", until.Add(2*time.Second)), nil, "extend")
	if got := x.stat("strict", ""); got.Mode != vault.Compliance || !got.RetainUntil.Equal(until.Add(2*time.Second)) {
		x.Errorf("after the extension: %s until %s", got.Mode, got.RetainUntil)
	}

	g := x.put("stricter", []byte("2"), x.locked(vault.Governance, minute))
	end := x.stat("stricter", "").RetainUntil
	x.wants(x.Vault.Extend(x.ctx, "stricter", g.Version, vault.Compliance, end), nil, "strengthen")
	if got := x.stat("stricter", ""); got.Mode != vault.Compliance || !got.RetainUntil.Equal(end) {
		x.Errorf("strengthened: %s until %s, want COMPLIANCE until %s", got.Mode, got.RetainUntil, end)
	}
}

func legalHold(_ *testing.T, x *tester) {
	i := x.put("held", []byte("1"))
	for range 2 {
		x.wants(x.Vault.Hold(x.ctx, "held", i.Version, true), nil, "hold")
	}
	if got := x.stat("held", ""); !got.Hold || !got.RetainUntil.IsZero() {
		x.Errorf("held: %+v", got)
	}
	x.stays("held", i.Version)
	for range 2 {
		x.wants(x.Vault.Hold(x.ctx, "held", "", false), nil, "lift")
	}
	if x.stat("held", i.Version).Hold {
		x.Error("the hold was lifted and is still told")
	}
	x.goes("held", i.Version)

	// A hold and a retention are two locks: lifting one leaves the other.
	j := x.put("both", []byte("2"), x.locked("", 10*minute), func(p *vault.Put) { p.Hold = true })
	x.stays("both", j.Version)
	x.wants(x.Vault.Hold(x.ctx, "both", j.Version, false), nil, "lift")
	x.stays("both", j.Version)
}

func holdFromStart(_ *testing.T, x *tester) {
	i := x.put("from the start", []byte("1"), func(p *vault.Put) { p.Hold = true })
	if !i.Hold || !x.stat("from the start", "").Hold {
		x.Error("the hold is not told")
	}
	x.stays("from the start", i.Version)
	x.wants(x.Vault.Hold(x.ctx, "from the start", i.Version, false), nil, "lift")
	x.goes("from the start", i.Version)
}

func badLocks(_ *testing.T, x *tester) {
	for name, p := range map[string]vault.Put{
		"past":         {RetainUntil: x.at(-minute)},
		"unknown mode": {RetainUntil: x.at(minute), Mode: "FOREVER"},
	} {
		p.Key, p.Body, p.SHA256 = "bad/"+name, capture.Bytes(nil), capture.Sum(nil)
		if _, err := x.Vault.Put(x.ctx, p); err == nil {
			x.Errorf("%s: accepted", name)
		}
		_, err := x.Vault.Stat(x.ctx, p.Key, "")
		x.wants(err, vault.ErrNotFound, "after %s", name)
	}
	x.put("unlocked", nil)
	if err := x.Vault.Extend(x.ctx, "unlocked", "", "FOREVER", x.at(minute)); err == nil {
		x.Error("extend: an unknown mode was accepted")
	}
	if err := x.Vault.Extend(x.ctx, "unlocked", "", "", x.at(-minute)); err == nil {
		x.Error("extend: a lock in the past was accepted")
	}
}

func deletion(_ *testing.T, x *tester) {
	i := x.put("bye", []byte("1"))
	if err := x.Vault.Delete(x.ctx, "bye", ""); err == nil {
		x.Error("a delete without a version was accepted")
	}
	x.holds("bye", "", []byte("1"))
	x.goes("bye", i.Version)
	if got := x.list("", ""); len(got) != 0 {
		x.Errorf("still listed: %v", got)
	}
}
