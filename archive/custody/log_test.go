package custody

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
)

const testOrigin = "log.example.org/trawlmark"

// world is a log with everything below it in memory.
type world struct {
	t         testing.TB
	vault     *vault.Mem
	store     *Mem
	keys      Keys
	verifiers note.Verifiers
	now       time.Time
	ids       *capture.IDSource
	rand      *mathrand.ChaCha8
	cfg       Config
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, store: &Mem{}, now: time.Date(2026, 3, 14, 15, 9, 26, 535897000, time.UTC), rand: mathrand.NewChaCha8([32]byte{7})}
	w.vault = vault.NewMem(func() time.Time { return w.now })
	w.ids = capture.NewIDSource(func() time.Time { return w.now }, w.rand)
	var err error
	if w.keys, err = NewKeys(testOrigin, w.rand); err != nil {
		t.Fatal(err)
	}
	w.use(w.keys)
	return w
}

// use configures the log with these keys; verifiers of old ones stay.
func (w *world) use(k Keys) {
	signer, co, err := k.Signer()
	if err != nil {
		w.t.Fatal(err)
	}
	public, err := k.Public()
	if err != nil {
		w.t.Fatal(err)
	}
	if w.verifiers, err = VerifierList(public...); err != nil {
		w.t.Fatal(err)
	}
	w.cfg = Config{
		Origin: testOrigin, Signer: signer, CoSigners: co, Verifiers: w.verifiers, Vault: w.vault, Store: w.store,
		Now: func() time.Time { return w.now }, Rand: w.rand, Log: slog.New(slog.DiscardHandler),
	}
}

func (w *world) open() *Log {
	w.t.Helper()
	l, err := Open(context.Background(), w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// captured is the event of a new capture.
func (w *world) captured() Event {
	id := w.ids.New()
	return Event{
		Type: Captured, Actor: "worker:test-1", At: w.now, Subject: Subject{Capture: id},
		Manifest: sha256.Sum256(id[:]), Details: map[string]string{"outcome": "captured"},
	}
}

func (w *world) append(l *Log, n int) []Receipt {
	w.t.Helper()
	var all []Receipt
	for range n {
		r, err := l.Append(context.Background(), w.captured(), Keep{})
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func (w *world) sequence(l *Log) Checkpoint {
	w.t.Helper()
	c, err := l.Sequence(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// TestWalk appends, sequences and proves at sizes around the edges of tiles.
func TestWalk(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	l := w.open()
	if c := w.sequence(l); c.Size != 0 {
		t.Fatalf("an empty log has size %d", c.Size)
	}
	var receipts []Receipt
	var points []Checkpoint
	for _, n := range []int{1, 1, 253, 1, 1, 255, 300, 513, 2} {
		receipts = append(receipts, w.append(l, n)...)
		c := w.sequence(l)
		if c.Size != int64(len(receipts)) {
			t.Fatalf("size %d after %d events", c.Size, len(receipts))
		}
		points = append(points, c)
	}
	for i, r := range receipts {
		row, err := l.Find(ctx, r.Event.ID)
		if err != nil || row.Index != int64(i) {
			t.Fatalf("event %d has index %d, %v", i, row.Index, err)
		}
		if i%37 != 0 {
			continue
		}
		for _, c := range points {
			proof, err := l.ProofAt(ctx, row.Index, c.Size)
			if c.Size <= row.Index {
				if !errors.Is(err, ErrPending) {
					t.Fatalf("proof of %d at %d: %v", i, c.Size, err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := VerifyProof(proof, r.Entry, w.verifiers); err != nil {
				t.Fatalf("proof of %d at %d: %v", i, c.Size, err)
			}
			if err := VerifyProof(proof, receipts[i^1].Entry, w.verifiers); !errors.Is(err, ErrProof) {
				t.Fatalf("another entry passes: %v", err)
			}
		}
	}
	for i, from := range points {
		for _, to := range points[i:] {
			proof, err := l.Consistency(ctx, from.Size, to.Size)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := VerifyConsistency(proof, from, w.verifiers); err != nil {
				t.Fatalf("%d to %d: %v", from.Size, to.Size, err)
			}
		}
	}
}
