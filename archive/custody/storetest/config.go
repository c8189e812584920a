package storetest

import (
	"crypto/rand"
	"log/slog"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// Config is what a log of its own with a new key opens with. Store, and what
// else the test is about, is for the test to set.
func Config(t testing.TB, origin string, v vault.Vault, now func() time.Time) custody.Config {
	t.Helper()
	keys, err := custody.NewKeys(origin, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, _, err := keys.Signer()
	if err != nil {
		t.Fatal(err)
	}
	public, err := keys.Public()
	if err != nil {
		t.Fatal(err)
	}
	verifiers, err := custody.VerifierList(public...)
	if err != nil {
		t.Fatal(err)
	}
	return custody.Config{
		Origin: origin, Signer: signer, Verifiers: verifiers, Vault: v, Store: &custody.Mem{},
		Now: now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}
}
