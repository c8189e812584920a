package custody

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// BenchmarkProof makes and checks the proof file of an entry in a log of
// 20,000, read from its tiles. The floor is SHA-256 of as many bytes as the
// proof's hashes, which is all that checking has to do.
func BenchmarkProof(b *testing.B) {
	ctx := context.Background()
	w := newWorld(b)
	l := w.open()
	var receipts []Receipt
	for range 4 {
		receipts = append(receipts, w.append(l, 5000)...)
		w.sequence(l)
	}
	var made, checked time.Duration
	var size int
	b.ResetTimer()
	for i := range b.N {
		r := receipts[i*7919%len(receipts)]
		began := time.Now()
		proof, err := l.Proof(ctx, r.Event.ID)
		made += time.Since(began)
		if err != nil {
			b.Fatal(err)
		}
		size = max(size, len(proof))
		began = time.Now()
		if err := VerifyProof(proof, r.Entry, w.verifiers); err != nil {
			b.Fatal(err)
		}
		checked += time.Since(began)
	}
	b.ReportMetric(made.Seconds()*1e6/float64(b.N), "us/made")
	b.ReportMetric(checked.Seconds()*1e6/float64(b.N), "us/checked")
	b.ReportMetric(float64(size), "bytes")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkLeaves is the floor of the log: hashing entries into a tree in
// memory, nothing kept (golang.org/x/mod/sumdb/tlog).
func BenchmarkLeaves(b *testing.B) {
	const n = 5000
	for range b.N {
		var stored []tlog.Hash
		r := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
			out := make([]tlog.Hash, len(at))
			for i, x := range at {
				out[i] = stored[x]
			}
			return out, nil
		})
		for i := range int64(n) {
			e := Entry{Viewed, sha256.Sum256(fmt.Append(nil, i))}
			hashes, err := tlog.StoredHashesForRecordHash(i, e.LeafHash(), r)
			if err != nil {
				b.Fatal(err)
			}
			stored = append(stored, hashes...)
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "entries/s")
}
