package vaulttest_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/vaulttest"
)

func TestMem(t *testing.T) {
	vaulttest.Run(t, func(*testing.T) vaulttest.Target {
		var clock atomic.Int64
		clock.Store(time.Date(2025, 1, 2, 3, 4, 5, 6, time.UTC).UnixNano())
		now := func() time.Time { return time.Unix(0, clock.Load()) }
		var down atomic.Bool
		m := &vault.Mem{Now: now, Fail: func(string, string) error {
			if down.Load() {
				return vault.ErrUnavailable
			}
			return nil
		}}
		return vaulttest.Target{
			Vault: m, Now: now,
			Advance:   func(d time.Duration) { clock.Add(int64(d)) },
			Overwrite: func(_ context.Context, key string, b []byte) (string, error) { return m.Overwrite(key, b), nil },
			Hide:      func(_ context.Context, key string) error { m.Hide(key); return nil },
			Break:     func() func() { down.Store(true); return func() { down.Store(false) } },
		}
	})
}
