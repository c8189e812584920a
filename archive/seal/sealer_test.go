package seal

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
)

func down(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "", 500) }

// TestOutage: an authority that is down is told, owes, and catches up with the
// newest checkpoint, never with one it could not have seen.
func TestOutage(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.cfg.Client.TSAs = w.cfg.Client.TSAs[:2]
	s := w.sealer()
	w.seal(s, w.grow(1))
	w.tsas[1].fail(down)
	w.now = w.now.Add(time.Minute)
	began := w.now
	stored, err := s.Seal(ctx, w.grow(1))
	if len(stored) != 1 || !errors.Is(err, ErrTooFew) {
		t.Fatalf("%d stamps, %v", len(stored), err)
	}
	// The same checkpoint again, at once: only the one that owes is asked.
	if stored, err = s.Seal(ctx, w.grow(0)); len(stored) != 0 || !errors.Is(err, ErrTooFew) {
		t.Fatalf("%d stamps, %v", len(stored), err)
	}
	// All down: the log goes on.
	w.tsas[0].fail(down)
	w.now = w.now.Add(time.Minute)
	if stored, err = s.Seal(ctx, w.grow(1)); len(stored) != 0 || !errors.Is(err, ErrTooFew) {
		t.Fatalf("%d stamps, %v", len(stored), err)
	}
	st := s.Status()
	if st[0].Owed != 3 || !st[0].Since.Equal(w.now) || st[0].Size != 2 || st[1].Owed != 2 || !st[1].Since.Equal(began) || st[1].Count != 3 || st[1].Size != 1 || st[1].Err == nil {
		t.Fatalf("%+v", st)
	}
	if _, err := s.Covering(ctx, 2); !errors.Is(err, ErrNone) {
		t.Fatalf("entry 2 is sealed by nobody, but: %v", err)
	}
	// Back: the newest checkpoint is stamped, and covers what was missed.
	w.tsas[0].fail(nil)
	w.tsas[1].fail(nil)
	w.now = w.now.Add(time.Hour)
	newest := w.grow(1)
	if stored = w.seal(s, newest); len(stored) != 2 {
		t.Fatalf("%d stamps", len(stored))
	}
	for _, st := range s.Status() {
		if !st.Since.IsZero() || st.Owed != 0 || st.Err != nil || st.Count != 0 || st.Size != 4 {
			t.Fatalf("%+v", st)
		}
	}
	got, err := s.Covering(ctx, 2)
	if err != nil || got.Checkpoint.Size != 4 || got.NotAfter.Before(w.now) {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, err = s.Covering(ctx, 1); err != nil || got.Checkpoint.Size != 2 || len(got.Stamps) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	// Nothing to do.
	if stored = w.seal(s, newest); len(stored) != 0 {
		t.Fatalf("stamped again: %d", len(stored))
	}
}

// TestIdle: while the log does not grow its checkpoint is stamped anew, so
// that a visit has a recent "not before"; what it covers keeps its first time.
func TestIdle(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	s := w.sealer()
	c := w.grow(1)
	start := w.now
	for range 5 {
		if n := len(w.seal(s, c)); n != 2 {
			t.Fatalf("%d stamps", n)
		}
		w.now = w.now.Add(30 * time.Second)
		if n := len(w.seal(s, c)); n != 0 {
			t.Fatalf("%d stamps too many", n)
		}
		w.now = w.now.Add(30 * time.Second)
	}
	for _, s := range []*Sealer{s, w.sealer()} {
		a, err := s.Newest(ctx)
		if err != nil || a.Size != 1 || !a.StampedAt.Equal(w.now.Add(-time.Minute)) || a.Origin != testOrigin || a.Root != c.Root.String() || a.Checkpoint != capture.Sum(c.Signed) {
			t.Fatalf("%+v, %v", a, err)
		}
		got, err := s.Covering(ctx, 0)
		if err != nil || len(got.Stamps) != 2 || !got.NotAfter.Equal(start.Add(time.Second)) {
			t.Fatalf("%s, %d, %v; want %s", got.NotAfter, len(got.Stamps), err, start)
		}
	}
}

// TestRecall: a worker sees another process' stamps within Recall.
func TestRecall(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	s, worker := w.sealer(), w.sealer()
	w.seal(s, w.grow(1))
	if a, err := worker.Newest(ctx); err != nil || a.Size != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	w.seal(s, w.grow(1))
	w.now = w.now.Add(9 * time.Second)
	if a, err := worker.Newest(ctx); err != nil || a.Size != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	w.now = w.now.Add(time.Second)
	looks := 0
	w.vault.Fail = func(op, key string) error {
		if op == vault.OpList {
			looks++
		}
		return nil
	}
	if a, err := worker.Newest(ctx); err != nil || a.Size != 2 {
		t.Fatalf("%+v, %v", a, err)
	}
	if looks > 12 {
		t.Errorf("%d listings to find the next stamp", looks)
	}
	w.vault.Fail = func(op, _ string) error { return vault.ErrUnavailable }
	w.now = w.now.Add(time.Minute)
	if _, err := worker.Newest(ctx); !errors.Is(err, vault.ErrUnavailable) {
		t.Fatal(err)
	}
}

// TestNeighboursShareACheckpoint: what seals one capture is read and checked
// once within Recall for all whom it seals, and anew after it. A seal that may
// yet become more is not remembered.
func TestNeighboursShareACheckpoint(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	s := w.sealer()
	w.seal(s, w.grow(1))
	stored := w.seal(s, w.grow(5)) // entries 1 to 5
	reads := 0
	w.vault.Fail = func(op, key string) error {
		if op == vault.OpGet || op == vault.OpList {
			reads++
		}
		return nil
	}
	look := func(index int64, stamps int) (read int) {
		t.Helper()
		before := reads
		got, err := s.Covering(ctx, index)
		if err != nil || got.Checkpoint.Size != 6 || len(got.Stamps) != stamps {
			t.Fatalf("entry %d: covered by %d with %d stamps, %v; want 6 with %d", index, got.Checkpoint.Size, len(got.Stamps), err, stamps)
		}
		return reads - before
	}
	if look(2, 2) == 0 || look(1, 2) == 0 {
		t.Fatal("no look at the vault for what is not known yet")
	}
	for index := int64(1); index < 6; index++ {
		if n := look(index, 2); n > 0 {
			t.Errorf("entry %d: %d reads more", index, n)
		}
	}
	if _, err := s.Covering(ctx, 6); !errors.Is(err, ErrNone) {
		t.Errorf("an entry behind it: %v", err)
	}
	w.vault.Hide(stored[0].Key("tsr"))
	w.now = w.now.Add(10 * time.Second)
	for range 2 {
		if look(3, 1) == 0 {
			t.Error("a seal that lacks a stamp was remembered")
		}
	}
}

// TestStoredStampsAreChecked: what the vault gives back is not believed.
func TestStoredStampsAreChecked(t *testing.T) {
	ctx := context.Background()
	for name, spoil := range map[string]func(w *world, st Stored){
		"stamp altered": func(w *world, st Stored) {
			w.vault.Corrupt(st.Key("tsr"), func(b []byte) []byte { b[60] ^= 1; return b })
		},
		"stamp swapped": func(w *world, st Stored) {
			w.vault.Overwrite(st.Key("tsr"), w.read(vault.StampKey(1, w.first(1), "tsr")))
		},
		"stamp hidden": func(w *world, st Stored) { w.vault.Hide(st.Key("tsr")) },
		"query hidden": func(w *world, st Stored) { w.vault.Hide(st.Key("tsq")) },
		"root forgotten": func(w *world, st Stored) {
			w.cfg.Client.TSAs[0].Roots, w.cfg.Client.TSAs[1].Roots = w.tsas[2].tsa.Roots(), w.tsas[2].tsa.Roots()
		},
	} {
		w := newWorld(t)
		s := w.sealer()
		w.seal(s, w.grow(1))
		w.now = w.now.Add(time.Minute)
		stored := w.seal(s, w.grow(1))
		for _, st := range stored {
			spoil(w, st)
		}
		fresh := w.sealer()
		if got, err := fresh.Covering(ctx, 1); !errors.Is(err, ErrNone) {
			t.Errorf("%s: sealed by %d, %v", name, got.Checkpoint.Size, err)
		}
		a, err := fresh.Newest(ctx)
		if name == "root forgotten" {
			if !errors.Is(err, ErrNone) {
				t.Errorf("%s: %+v, %v", name, a, err)
			}
			continue
		}
		if err != nil || a.Size != 1 {
			t.Errorf("%s: the anchor is %+v, %v", name, a, err)
		}
	}
}

// first is the name of the first stamp of a size.
func (w *world) first(size int64) string {
	for info := range w.vault.List(context.Background(), vault.StampsOf(size), "") {
		if _, name, ok := parseStampKey(info.Key); ok {
			return name
		}
	}
	w.t.Fatal("no stamp")
	return ""
}

// TestEveryWriteOfAStamp lets each write fail, before and after it happened:
// the stamp is either whole or does not count, and the next call makes good.
func TestEveryWriteOfAStamp(t *testing.T) {
	ctx := context.Background()
	injected := errors.New("injected")
	for at := range 8 { // per stamp: chain, query, chain beside it, reply
		for _, after := range []bool{false, true} {
			w := newWorld(t)
			s := w.sealer()
			c := w.grow(2)
			n := 0
			fail := func(op, _ string) error {
				if op == vault.OpPut {
					if n++; n == at+1 {
						return injected
					}
				}
				return nil
			}
			if after {
				w.vault.FailAfter = fail
			} else {
				w.vault.Fail = fail
			}
			if _, err := s.Seal(ctx, c); !errors.Is(err, injected) {
				t.Fatalf("write %d: %v", at, err)
			}
			w.vault.Fail, w.vault.FailAfter = nil, nil
			if got, err := w.sealer().Covering(ctx, 0); err == nil && len(got.Stamps) == 0 {
				t.Errorf("write %d: sealed by nothing", at)
			}
			w.now = w.now.Add(time.Second)
			restarted := w.sealer()
			w.seal(restarted, c)
			if got, err := restarted.Covering(ctx, 0); err != nil || len(got.Stamps) != 2 {
				t.Errorf("write %d, stored %v: %d stamps, %v", at, after, len(got.Stamps), err)
			}
		}
	}
}

// TestFailedStoreIsOwed: a stamp that could not be kept is asked for again by
// the same Sealer, at once.
func TestFailedStoreIsOwed(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	s := w.sealer()
	c := w.grow(1)
	w.vault.Fail = func(op, _ string) error {
		if op == vault.OpPut {
			return vault.ErrUnavailable
		}
		return nil
	}
	if _, err := s.Seal(ctx, c); !errors.Is(err, vault.ErrUnavailable) {
		t.Fatal(err)
	}
	w.vault.Fail = nil
	if stored := w.seal(s, c); len(stored) != 2 {
		t.Fatalf("%d stamps", len(stored))
	}
}

// TestFormer: stamps of an authority that was replaced still count.
func TestFormer(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.seal(w.sealer(), w.grow(1))
	old := w.cfg.Client.TSAs[:2]
	w.cfg.Client.TSAs = []TSA{w.cfg.Client.TSAs[2], {Name: "beta", URL: w.tsas[0].url, Roots: w.tsas[0].tsa.Roots()}}
	// Nobody can say whether a stranger's stamp is good: it counts for nothing,
	// and that it is there is told apart from that there is none.
	if _, err := w.sealer().Covering(ctx, 0); !errors.Is(err, ErrNone) || !errors.Is(err, ErrStranger) {
		t.Fatal(err)
	}
	w.cfg.Former = old
	s := w.sealer()
	if got, err := s.Covering(ctx, 0); err != nil || len(got.Stamps) != 2 {
		t.Fatalf("%d, %v", len(got.Stamps), err)
	}
	w.now = w.now.Add(time.Minute)
	if stored := w.seal(s, w.grow(0)); len(stored) != 2 || stored[1].TSA != "beta" {
		t.Fatalf("%+v", stored)
	}
	if got, err := s.Covering(ctx, 0); err != nil || len(got.Stamps) != 4 {
		t.Fatalf("%d, %v", len(got.Stamps), err)
	}
	w.cfg.Former = append(w.cfg.Former, TSA{Name: "beta", Roots: w.tsas[0].tsa.Roots()})
	if _, err := New(w.cfg); err == nil {
		t.Fatal("an authority is former and asked")
	}
}
