package custody

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// TestAppendTwice: the same event again is the same receipt, another event
// under its id is refused.
func TestAppendTwice(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	l := w.open()
	e := w.captured()
	r1, err := l.Append(ctx, e, Keep{})
	if err != nil {
		t.Fatal(err)
	}
	if r1.Event.ID != e.Subject.Capture {
		t.Errorf("a captured event has the id %s, its capture %s", r1.Event.ID, e.Subject.Capture)
	}
	w.now = w.now.Add(time.Hour)
	again := e
	again.At = time.Time{} // "now", whenever that was
	for _, e := range []Event{e, again, r1.Event} {
		r2, err := l.Append(ctx, e, Keep{})
		if err != nil || r2.Digest != r1.Digest || r2.Entry != r1.Entry {
			t.Errorf("the same event gave %+v, %v", r2, err)
		}
	}
	w.sequence(l)
	if _, err := l.Append(ctx, e, Keep{}); err != nil {
		t.Error(err)
	}
	if c := w.sequence(l); c.Size != 1 {
		t.Errorf("it is in the log %d times", c.Size)
	}
	for name, change := range map[string]func(*Event){
		"actor":    func(e *Event) { e.Actor = "worker:test-2" },
		"time":     func(e *Event) { e.At = e.At.Add(time.Microsecond) },
		"manifest": func(e *Event) { e.Manifest[0] ^= 1 },
		"details":  func(e *Event) { e.Details = map[string]string{"outcome": "removed"} },
		"case":     func(e *Event) { e.Subject.Case = "c-1" },
		"salt":     func(e *Event) { e.Salt = Salt{1} },
	} {
		other := e
		change(&other)
		if _, err := l.Append(ctx, other, Keep{}); !errors.Is(err, ErrConflict) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	for name, change := range map[string]func(*Event){
		"type":            func(e *Event) { e.Type = "looked" },
		"no actor":        func(e *Event) { e.Actor = "" },
		"actor":           func(e *Event) { e.Actor = "a\nb" },
		"actor bytes":     func(e *Event) { e.Actor = "\xff" },
		"long actor":      func(e *Event) { e.Actor = strings.Repeat("a", 257) },
		"no subject":      func(e *Event) { e.Type, e.Subject = Viewed, Subject{} },
		"no capture":      func(e *Event) { e.Subject = Subject{Case: "c-1"}; e.ID = w.ids.New() },
		"no manifest":     func(e *Event) { e.Manifest = capture.Digest{} },
		"case":            func(e *Event) { e.Subject.Case = "../x" },
		"case dot":        func(e *Event) { e.Subject.Case = ".x" },
		"log":             func(e *Event) { e.Subject.Log = testOrigin },
		"rotation":        func(e *Event) { e.Type = KeyRotated },
		"detail name":     func(e *Event) { e.Details = map[string]string{"A": "x"} },
		"detail value":    func(e *Event) { e.Details = map[string]string{"a": "\xff"} },
		"long detail":     func(e *Event) { e.Details = map[string]string{"a": strings.Repeat("x", maxValue+1)} },
		"too old":         func(e *Event) { e.At = time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC) },
		"year past 9999":  func(e *Event) { e.At = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"too many detail": func(e *Event) { e.Details = many(maxDetail+1, 1) },
		"too large":       func(e *Event) { e.Details = many(20, maxValue) },
	} {
		e := w.captured()
		change(&e)
		if _, err := l.Append(context.Background(), e, Keep{}); !errors.Is(err, ErrEvent) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if w.vault.Len() != 0 {
		t.Error("something was stored")
	}
}

func many(n, size int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m["k"+strings.Repeat("x", i)] = strings.Repeat("v", size)
	}
	return m
}

// TestLocks: events get the lock the caller wants, all else the log's own.
func TestLocks(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.cfg.Retention, w.cfg.Mode = 48*time.Hour, vault.Compliance
	l := w.open()
	until := w.now.Add(30 * 24 * time.Hour).Truncate(time.Second)
	r1, err := l.Append(ctx, w.captured(), Keep{Until: until, Mode: vault.Governance})
	if err != nil {
		t.Fatal(err)
	}
	r2 := w.append(l, 1)[0]
	c := w.sequence(l)
	for key, want := range map[string]vault.Info{
		r1.Key:                 {RetainUntil: until, Mode: vault.Governance},
		r2.Key:                 {RetainUntil: w.now.Add(48 * time.Hour).Truncate(time.Second), Mode: vault.Compliance},
		vault.CheckpointKey(2): {RetainUntil: w.now.Add(48 * time.Hour).Truncate(time.Second), Mode: vault.Compliance},
		vault.TileKey(0, 0, 2): {RetainUntil: w.now.Add(48 * time.Hour).Truncate(time.Second), Mode: vault.Compliance},
		batchKey(c.Tree()):     {RetainUntil: w.now.Add(48 * time.Hour).Truncate(time.Second), Mode: vault.Compliance},
		vault.EntriesKey(0, 2): {RetainUntil: w.now.Add(48 * time.Hour).Truncate(time.Second), Mode: vault.Compliance},
	} {
		info, err := w.vault.Stat(ctx, key, "")
		if err != nil || !info.RetainUntil.Equal(want.RetainUntil) || info.Mode != want.Mode {
			t.Errorf("%s: %s until %s, %v", key, info.Mode, info.RetainUntil, err)
		}
	}
}

func TestAboutAndPending(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	l := w.open()
	r := w.append(l, 2)
	id := r[0].Event.Subject.Capture
	if _, err := l.Proof(ctx, r[0].Event.ID); !errors.Is(err, ErrPending) {
		t.Fatal(err)
	}
	if _, err := l.Proof(ctx, w.ids.New()); !errors.Is(err, ErrUnknown) {
		t.Fatal(err)
	}
	if _, err := l.Newest(ctx); !errors.Is(err, ErrPending) {
		t.Fatal(err)
	}
	w.sequence(l)
	held, err := l.Append(ctx, Event{Type: Held, Actor: "person:ann", At: w.now.Add(time.Minute), Subject: Subject{Capture: id, Case: "c-1"}}, Keep{})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := l.About(ctx, Subject{Capture: id})
	if err != nil || len(rows) != 2 || rows[0].Index != 0 || rows[1].ID != held.Event.ID || rows[1].Index != Pending {
		t.Fatalf("%+v, %v", rows, err)
	}
	if rows, err = l.About(ctx, Subject{Case: "c-1"}); err != nil || len(rows) != 1 {
		t.Fatalf("%+v, %v", rows, err)
	}
	w.sequence(l)
	proof, err := l.Proof(ctx, held.Event.ID)
	if err != nil {
		t.Fatal(err)
	}
	e, doc, err := l.Event(ctx, held.Event.ID)
	if err != nil || capture.Sum(doc) != held.Digest {
		t.Fatal(err)
	}
	entry, err := e.Entry()
	if err != nil {
		t.Fatal(err)
	}
	if c, err := Verified(proof, entry, w.verifiers); err != nil || c.Size != 3 {
		t.Fatalf("%+v, %v", c, err)
	}
}

func TestBusy(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	l := w.open()
	unlock, err := w.store.Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Sequence(ctx); !errors.Is(err, ErrBusy) {
		t.Fatal(err)
	}
	unlock()
	w.sequence(l)
}

func TestConfig(t *testing.T) {
	for key, change := range map[string]func(*Config){
		"origin":    func(c *Config) { c.Origin = "with space" },
		"signer":    func(c *Config) { c.Origin = "log.example.org/other" },
		"verifiers": func(c *Config) { c.Verifiers = nil },
		"retention": func(c *Config) { c.Retention = -1 },
		"max_batch": func(c *Config) { c.MaxBatch = MaxBatch + 1 },
		"vault":     func(c *Config) { c.Vault = nil },
	} {
		w := newWorld(t)
		change(&w.cfg)
		if _, err := Open(context.Background(), w.cfg); err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}
