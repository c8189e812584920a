package custodysql

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/custody/storetest"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
	"github.com/trawlmark/trawlmark/archive/vault"
)

func benchLog(b *testing.B, store custody.Store) *custody.Log {
	cfg := storetest.Config(b, "log.example.org/x", vault.NewMem(time.Now), time.Now)
	cfg.Store = store
	l, err := custody.Open(context.Background(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	return l
}

func stores(b *testing.B, f func(b *testing.B, store custody.Store)) {
	b.Run("mem", func(b *testing.B) { f(b, &custody.Mem{}) })
	b.Run("sqlite", func(b *testing.B) { f(b, open(b, sqldbtest.SQLite(b)(), time.Now)) })
	b.Run("postgres", func(b *testing.B) { f(b, open(b, sqldbtest.PostgreSQL(b)(), time.Now)) })
}

// BenchmarkAppend is one event made durable, one caller; the vault is memory.
func BenchmarkAppend(b *testing.B) {
	stores(b, func(b *testing.B, store custody.Store) {
		l := benchLog(b, store)
		ids := capture.NewIDSource(time.Now, rand.Reader)
		b.ResetTimer()
		for range b.N {
			e := custody.Event{Type: custody.Viewed, Actor: "person:ann", Subject: custody.Subject{Capture: ids.New()}}
			if _, err := l.Append(context.Background(), e, custody.Keep{}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
}

// BenchmarkSequence is a full batch of 5,000 waiting events, from the queue to
// the published checkpoint.
func BenchmarkSequence(b *testing.B) {
	stores(b, func(b *testing.B, store custody.Store) {
		ctx := context.Background()
		l := benchLog(b, store)
		ids := capture.NewIDSource(time.Now, rand.Reader)
		const batch = 5000
		for range b.N {
			b.StopTimer()
			for range batch {
				e := custody.Event{Type: custody.Viewed, Actor: "person:ann", Subject: custody.Subject{Capture: ids.New()}}
				if _, err := l.Append(ctx, e, custody.Keep{}); err != nil {
					b.Fatal(err)
				}
			}
			b.StartTimer()
			if _, err := l.Sequence(ctx); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "entries/s")
	})
}
