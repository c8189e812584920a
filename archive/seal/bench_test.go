package seal

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/seal/stamp"
)

// BenchmarkSeal is the latency of a seal: from a signed checkpoint to two
// stamps that are checked and kept, the authorities being on this machine. The
// floor is the same two exchanges by a bare client, one after the other,
// nothing checked or kept.
func BenchmarkSeal(b *testing.B) {
	ctx := context.Background()
	w := newWorld(b)
	s := w.sealer()
	c := w.grow(1)
	var floor, sealed time.Duration
	b.ResetTimer()
	for range b.N {
		for i := range 2 {
			q, err := stamp.NewRequest(c.Signed, w.cfg.Client.Rand)
			if err != nil {
				b.Fatal(err)
			}
			began := time.Now()
			resp, err := http.Post(w.tsas[i].url, "application/timestamp-query", bytes.NewReader(q.DER))
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			floor += time.Since(began)
		}
		w.at(w.now.Add(time.Minute))
		began := time.Now()
		if stored, err := s.Seal(ctx, c); err != nil || len(stored) != 2 {
			b.Fatalf("%d stamps, %v", len(stored), err)
		}
		sealed += time.Since(began)
	}
	n := float64(b.N)
	b.ReportMetric(sealed.Seconds()*1000/n, "ms/seal")
	b.ReportMetric(floor.Seconds()*1000/n, "ms-bare")
	b.ReportMetric(sealed.Seconds()/floor.Seconds(), "times-bare")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkVerifyStamp checks a stamp with its chain.
func BenchmarkVerifyStamp(b *testing.B) {
	w := newWorld(b)
	st := w.seal(w.sealer(), w.grow(1))[0]
	c := w.read(st.Key("tsr"))
	check, err := w.sealer().checkpoint(context.Background(), st.Size)
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		if _, err := stamp.Verify(c, check.Signed, stamp.Trust{Roots: w.tsas[0].tsa.Roots()}, time.Time{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "stamps/s")
	b.ReportMetric(float64(len(c)), "bytes-tsr")
}

// BenchmarkRenew is one list of a thousand checkpoints, found, stamped by two
// and kept.
func BenchmarkRenew(b *testing.B) {
	w := newWorld(b)
	s := w.sealer()
	for range stamp.MaxRenewed {
		w.seal(s, w.grow(1))
	}
	end, err := s.Until(context.Background(), 1)
	if err != nil {
		b.Fatal(err)
	}
	w.at(end.Add(-time.Hour))
	w.renewTSAs()
	var spent time.Duration
	var list int
	for range b.N {
		s := w.sealer()
		began := time.Now()
		r, err := s.Renew(context.Background())
		spent += time.Since(began)
		if err != nil || r.Stamped != stamp.MaxRenewed {
			b.Fatalf("%d renewed, %v", r.Stamped, err)
		}
		list = len(r.Kept[0].List)
		for _, k := range r.Kept { // to do it again
			w.vault.Hide(k.Key("tsr"))
		}
	}
	b.ReportMetric(float64(stamp.MaxRenewed*b.N)/spent.Seconds(), "checkpoints/s")
	b.ReportMetric(float64(list), "bytes-list")
	b.ReportMetric(0, "ns/op")
}
