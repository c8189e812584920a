package custody

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// TestMonitorSees changes one thing after the other, as a hand with the
// storage's own credentials could, and wants each to be told, by its key.
func TestMonitorSees(t *testing.T) {
	ctx := context.Background()
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	type scene struct {
		*world
		l        *Log
		receipts []Receipt
		points   []Checkpoint
	}
	cases := map[string]func(s scene) (key string){
		"nothing": func(scene) string { return "" },
		"an event document is altered": func(s scene) string {
			k := s.receipts[40].Key
			s.vault.Corrupt(k, func(b []byte) []byte { return bytes.Replace(b, []byte("worker:test-1"), []byte("worker:test-2"), 1) })
			return k
		},
		"an event document is replaced": func(s scene) string {
			k := s.receipts[40].Key
			e := s.receipts[40].Event
			e.Actor = "person:mallory"
			doc, _ := e.Marshal()
			s.vault.Overwrite(k, doc)
			return k
		},
		"an event document is another event's": func(s scene) string {
			doc, _ := s.receipts[41].Event.Marshal()
			s.vault.Overwrite(s.receipts[40].Key, doc)
			return s.receipts[40].Key
		},
		"an event document is hidden": func(s scene) string {
			s.vault.Hide(s.receipts[300].Key)
			return s.receipts[300].Key
		},
		"an event is slipped in": func(s scene) string {
			e := s.captured()
			e.ID, e.Salt = e.Subject.Capture, Salt{1}
			doc, _ := e.Marshal()
			k := vault.CustodyEventKey(e.ID)
			if _, err := s.vault.Put(ctx, vault.NewPut(k, "application/json", doc)); err != nil {
				s.t.Fatal(err)
			}
			return k
		},
		"a stranger among the events": func(s scene) string {
			k := vault.CustodyEventsPrefix + "readme.txt"
			if _, err := s.vault.Put(ctx, vault.NewPut(k, "text/plain", []byte("x"))); err != nil {
				s.t.Fatal(err)
			}
			return k
		},
		"a full tile is altered": func(s scene) string {
			k := vault.TileKey(0, 0, 256)
			s.vault.Corrupt(k, flip)
			return k
		},
		"a partial tile is altered": func(s scene) string {
			k := vault.TileKey(0, 1, 100)
			s.vault.Corrupt(k, flip)
			return k
		},
		"a partial tile is gone, the full one is there": func(s scene) string {
			s.vault.Hide(vault.TileKey(0, 0, 10))
			s.vault.Hide(vault.EntriesKey(0, 10))
			return ""
		},
		"a partial tile is gone for good": func(s scene) string {
			k := vault.TileKey(0, 1, 100)
			s.vault.Hide(k)
			return k
		},
		"an upper tile is altered": func(s scene) string {
			k := vault.TileKey(1, 0, 1)
			s.vault.Corrupt(k, flip)
			return k
		},
		"a bundle is altered": func(s scene) string {
			k := vault.EntriesKey(0, 256)
			s.vault.Corrupt(k, flip)
			return k
		},
		"a batch is altered": func(s scene) string {
			k := batchKey(s.points[1].Tree())
			s.vault.Corrupt(k, flip)
			return k
		},
		"a batch is gone": func(s scene) string {
			k := batchKey(s.points[1].Tree())
			s.vault.Hide(k)
			return k
		},
		"a checkpoint is altered": func(s scene) string {
			k := vault.CheckpointKey(s.points[0].Size)
			s.vault.Corrupt(k, flip)
			return k
		},
		"the newest checkpoint is hidden": func(s scene) string {
			k := vault.CheckpointKey(s.points[len(s.points)-1].Size)
			s.vault.Hide(k)
			return k
		},
		"a second history is signed": func(s scene) string {
			// Somebody with the key signs another root for a size.
			size := s.points[0].Size + 1
			c, err := Checkpoint{Origin: testOrigin, Size: size, Root: s.points[0].Root}.sign(s.cfg.Signer)
			if err != nil {
				s.t.Fatal(err)
			}
			k := vault.CheckpointKey(size)
			if _, err := s.vault.Put(ctx, vault.NewPut(k, "text/plain", c.Signed)); err != nil {
				s.t.Fatal(err)
			}
			return k
		},
		"the index says another": func(s scene) string {
			id := s.receipts[7].Event.ID
			row := s.store.rows[id]
			row.Index = 8
			s.store.rows[id] = row
			return s.receipts[7].Key
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			l := w.open()
			s := scene{world: w, l: l}
			for _, n := range []int{10, 246, 100} {
				s.receipts = append(s.receipts, w.append(l, n)...)
				s.points = append(s.points, w.sequence(l))
			}
			key := change(s)
			r, err := l.Monitor(ctx)
			if err != nil {
				t.Fatal(err)
			}
			found := key == "" && r.Count == 0
			for _, d := range r.Differences {
				found = found || d.Key == key
			}
			if !found {
				t.Errorf("wanted a difference at %q, got %d: %+v", key, r.Count, r.Differences)
			}
		})
	}
}

// TestMonitorTells: how far it got is told as it goes, and what it holds in
// memory does not grow with the log.
func TestMonitorTells(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.cfg.MaxBatch = 500
	l := w.open()
	const batches, each = 12, 500
	for range batches {
		w.append(l, each)
		w.sequence(l)
	}
	var told []Progress
	var heap []uint64
	r, err := l.MonitorTelling(ctx, func(p Progress) {
		told = append(told, p)
		heap = append(heap, liveHeap())
	})
	if err != nil || r.Count != 0 || r.Entries != batches*each {
		t.Fatalf("%+v, %v", r, err)
	}
	if len(told) != batches+batches*each/1000 {
		t.Fatalf("told %d times", len(told))
	}
	for i, p := range told {
		if want := int64(min(i+1, batches) * each); p.Entries != want || p.Of != batches*each {
			t.Fatalf("the %dth time: %+v", i+1, p)
		}
	}
	if last := told[len(told)-1]; last.Documents != batches*each {
		t.Fatalf("%+v", last)
	}
	// From the second batch on nothing may pile up: 500 entries are some 200 KB.
	if grown := int64(heap[batches-1]) - int64(heap[1]); grown > 1<<20 {
		t.Errorf("%d bytes more after %d entries than after %d", grown, batches*each, 2*each)
	}
}

// liveHeap is what is reachable.
func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkMonitor walks a log of 100,000 entries in 20 checkpoints; the vault
// is memory, and is not counted in what the walk needs.
func BenchmarkMonitor(b *testing.B) {
	ctx := context.Background()
	w := newWorld(b)
	l := w.open()
	const batches, each = 20, 5000
	for range batches {
		w.append(l, each)
		w.sequence(l)
	}
	before := liveHeap()
	var peak uint64
	b.ResetTimer()
	for range b.N {
		r, err := l.MonitorTelling(ctx, func(Progress) {
			b.StopTimer()
			peak = max(peak, liveHeap())
			b.StartTimer()
		})
		if err != nil || r.Count != 0 || r.Entries != batches*each {
			b.Fatalf("%+v, %v", r, err)
		}
	}
	b.ReportMetric(float64(batches*each*b.N)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(max(0, float64(peak)-float64(before))/(1<<20), "MiB-live")
	b.ReportMetric(0, "ns/op")
}

// TestErased: a document that is gone is no difference once an erased event
// names it.
func TestErased(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	l := w.open()
	receipts := w.append(l, 5)
	gone := receipts[2]
	w.sequence(l)
	w.vault.Hide(gone.Key)
	if r, err := l.Monitor(ctx); err != nil || r.Count != 1 || r.Differences[0].ID != gone.Event.ID {
		t.Fatalf("%+v, %v", r, err)
	}
	_, err := l.Append(ctx, Event{
		Type: Erased, Actor: "system:retention", Subject: gone.Event.Subject,
		Details: map[string]string{DetailEvents: gone.Event.ID.String(), "reason": "end of retention"},
	}, Keep{})
	if err != nil {
		t.Fatal(err)
	}
	w.sequence(l)
	if r, err := l.Monitor(ctx); err != nil || r.Count != 0 || r.Erased != 1 || r.Events != 5 {
		t.Fatalf("%+v, %v", r, err)
	}
	// The proof of what is left still stands.
	proof, err := l.Proof(ctx, receipts[4].Event.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := VerifyProof(proof, receipts[4].Entry, w.verifiers); err != nil {
		t.Fatal(err)
	}
}

// TestStoreLost takes the store away, whole or by setting it back.
func TestStoreLost(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	l := w.open()
	w.append(l, 3)
	w.sequence(l)
	w.append(l, 300)
	w.sequence(l)
	w.store.mu.Lock()
	old := Mem{head: w.store.head, version: w.store.version, rows: map[capture.ID]Row{}, order: w.store.order}
	for id, r := range w.store.rows {
		old.rows[id] = r
	}
	w.store.mu.Unlock()
	all := w.append(l, 40)
	newest := w.sequence(l)
	waiting := w.append(l, 2) // in the queue only

	for name, store := range map[string]*Mem{"empty": {}, "set back": &old} {
		w.store, w.cfg.Store = store, store
		l, err := Open(ctx, w.cfg)
		if !errors.Is(err, ErrBehind) {
			t.Fatalf("%s: opening says %v", name, err)
		}
		if _, err := l.Sequence(ctx); !errors.Is(err, ErrBehind) {
			t.Fatalf("%s: sequencing says %v", name, err)
		}
		c, err := l.Restore(ctx)
		if err != nil || c.Size != newest.Size {
			t.Fatalf("%s: restored to %d, %v", name, c.Size, err)
		}
		if row, err := l.Find(ctx, all[39].Event.ID); err != nil || row.Index != 342 || row.Subject != all[39].Event.Subject || !row.At.Equal(all[39].Event.At) {
			t.Fatalf("%s: %+v, %v", name, row, err)
		}
		if row, err := l.Find(ctx, waiting[1].Event.ID); err != nil || row.Index != Pending {
			t.Fatalf("%s: %+v, %v", name, row, err)
		}
		if r, err := l.Monitor(ctx); err != nil || r.Count != 0 || r.Queued != 2 {
			t.Fatalf("%s: %+v, %v", name, r, err)
		}
	}
	w.sequence(w.open())
	w.check(345)
}

// TestSweep queues what a process that died between the two writes of Append
// left in the vault.
func TestSweep(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	l := w.open()
	w.append(l, 2)
	w.store.Fail = func(op string) error {
		if op == "add" {
			return errInjected
		}
		return nil
	}
	if _, err := l.Append(ctx, w.captured(), Keep{}); !errors.Is(err, errInjected) {
		t.Fatal(err)
	}
	w.store.Fail = nil
	if n, err := l.Sweep(ctx, w.now.Add(24*time.Hour)); n != 0 || err != nil {
		t.Fatalf("tomorrow's events: %d, %v", n, err)
	}
	if n, err := l.Sweep(ctx, w.now); n != 1 || err != nil {
		t.Fatalf("today's events: %d, %v", n, err)
	}
	if n, err := l.Sweep(ctx, time.Time{}); n != 0 || err != nil {
		t.Fatalf("again: %d, %v", n, err)
	}
	// A damaged document is told and stops nothing.
	k := vault.CustodyEventKey(w.ids.New())
	if _, err := w.vault.Put(ctx, vault.NewPut(k, "application/json", []byte("{}"))); err != nil {
		t.Fatal(err)
	}
	if n, err := l.Sweep(ctx, time.Time{}); n != 0 || !errors.Is(err, ErrEvent) || !strings.Contains(err.Error(), k) {
		t.Fatalf("damaged: %d, %v", n, err)
	}
	if c := w.sequence(l); c.Size != 3 {
		t.Fatal(c.Size)
	}
}
