package s3vault_test

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/s3vault"
	"github.com/trawlmark/trawlmark/archive/s3vault/gateway/gatewaytest"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// BenchmarkPut stores locked objects over 8 connections. The digest is not part
// of it: whoever puts has it already.
func BenchmarkPut(b *testing.B) {
	s3 := gatewaytest.Start(b)
	for _, size := range []int{10_000, 100_000, 2_000_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			v, err := s3vault.Open(b.Context(), config(s3), slog.New(slog.DiscardHandler))
			if err == nil {
				err = v.Ensure(b.Context())
			}
			if err != nil {
				b.Fatal(err)
			}
			body := make([]byte, size)
			rand.Read(body)
			p := vault.NewPut("", "application/octet-stream", body)
			p.RetainUntil = time.Now().Add(time.Minute)
			var n atomic.Int64
			b.SetParallelism(4) // of 2 cores: 8
			b.SetBytes(int64(size))
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					p := p
					p.Key = fmt.Sprintf("bench/%d", n.Add(1))
					if _, err := v.Put(b.Context(), p); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "objects/s")
		})
	}
}
