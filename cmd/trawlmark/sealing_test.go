package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/seal"
	"github.com/trawlmark/trawlmark/archive/seal/demotsa"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/crawler"
)

// localTSA is a time stamp authority reached by HTTP, and the file of its root.
func localTSA(t *testing.T, name string) configs.TSA {
	t.Helper()
	var tsa *demotsa.TSA
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tsa.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	var err error
	if tsa, err = demotsa.OpenAt(t.TempDir(), srv.URL, time.Now, rand.Reader, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), name+"-root.pem")
	if err := os.WriteFile(root, stamp.PEM(tsa.Roots()), 0o600); err != nil {
		t.Fatal(err)
	}
	return configs.TSA{Name: name, URL: srv.URL, Roots: root}
}

// TestReplacedAuthority: what an authority stamped stays sealed after another
// took its place, if it is named as a former one; if not, nothing vouches for
// it, and the trust file says the same.
func TestReplacedAuthority(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	old, next := localTSA(t, "old"), localTSA(t, "next")
	open := func(tsas []configs.TSA, former ...configs.FormerTSA) *app {
		a := testApp(t, func(c *configs.Config) {
			c.DataDir, c.Seal.TSAs, c.Seal.Former = dir, tsas, former
			c.Egress.Allow = []string{"127.0.0.0/8"}
		})
		if _, err := a.openNotary(ctx); err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := open([]configs.TSA{old})
	if _, err := a.custody.Append(ctx, custody.Event{Type: custody.Viewed, Actor: "person:ann", Subject: custody.Subject{Case: "c-1"}}, custody.Keep{}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.notary.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	if got, err := a.notary.Tend(ctx); err != nil || got.Revocation != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if c := clocks(a); c.State != "note" || !strings.Contains(c.Detail, "no other clock") { // recorded, and so no news
		t.Errorf("%+v", c)
	}
	roots := func(a *app) int {
		tr, err := a.trust(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return len(tr.Roots)
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}

	forgot := open([]configs.TSA{next})
	if _, err := forgot.sealer.Covering(ctx, 0); !errors.Is(err, seal.ErrNone) || !errors.Is(err, seal.ErrStranger) {
		t.Errorf("an unknown authority's stamp: %v", err)
	}
	if n := roots(forgot); n != 1 {
		t.Errorf("%d roots in the trust file", n)
	}
	if err := forgot.close(); err != nil {
		t.Fatal(err)
	}

	named := open([]configs.TSA{next}, configs.FormerTSA{Name: "old", Roots: old.Roots})
	got, err := named.sealer.Covering(ctx, 0)
	if err != nil || len(got.Stamps) != 1 || got.Stamps[0].TSA != "old" {
		t.Fatalf("%+v, %v", got, err)
	}
	if k, err := named.sealer.Revocation(ctx, got.Stamps[0].Stamp); err != nil || k.Standing != stamp.Unrevoked {
		t.Errorf("%+v, %v", k.Revocation, err)
	}
	if n := roots(named); n != 2 {
		t.Errorf("%d roots in the trust file", n)
	}
	if sealer, _, err := named.openStamps(ctx); err != nil {
		t.Error(err)
	} else if _, err := sealer.Covering(ctx, 0); err != nil {
		t.Errorf("an export would not find the stamp: %v", err)
	}
	if _, err := named.notary.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	if c := clocks(named); c.State != "good" || !strings.Contains(c.Detail, "tsa:next") {
		t.Errorf("%+v", c)
	}
	all, err := named.sealer.Clocks(ctx, time.Now().Add(-time.Hour), time.Now(), 100)
	if err != nil || len(all) != 1 || all[0].Source != "tsa:old" {
		t.Errorf("%v, %v", all, err)
	}
}

// fixed is a crawler whose visits end as they are told.
type fixed struct{ c *capture.Capture }

func (f fixed) Visit(context.Context, crawler.Request) *crawler.Result {
	return &crawler.Result{Capture: f.c}
}

// TestCapturesSayHowRightTheClockWas: by an authority that tells the time, not
// by a demonstration one on the same clock.
func TestCapturesSayHowRightTheClockWas(t *testing.T) {
	ctx := context.Background()
	ahead := 3 * time.Second
	a := testApp(t, func(c *configs.Config) { c.Seal.TSAs = []configs.TSA{localTSA(t, "near")} })
	a.now = func() time.Time { return time.Now().Add(ahead) }
	if _, err := a.openNotary(ctx); err != nil {
		t.Fatal(err)
	}
	c := &capture.Capture{Clock: capture.Clock{Source: "system"}}
	d := a.dated(ctx, fixed{c})
	waitFor(t, 2*time.Minute, "a reading of the clock", func() (bool, string) {
		got := d.Visit(ctx, crawler.Request{}).Capture.Clock
		return got.Source != "system", got.Source
	})
	if c.Clock.Source != "system, tsa:near" || c.Clock.Offset >= 0 || (c.Clock.Offset+ahead).Abs() > c.Clock.Error || c.Clock.Error < ahead {
		t.Errorf("%+v", c.Clock)
	}
	demo := testApp(t, nil)
	if _, err := demo.openNotary(ctx); err != nil {
		t.Fatal(err)
	}
	c.Clock = capture.Clock{Source: "system"}
	if got := demo.dated(ctx, fixed{c}).Visit(ctx, crawler.Request{}).Capture.Clock; got.Source != "system" || got.Error != 0 {
		t.Errorf("%+v", got)
	}
}

// TestRevocationIsAskedBehindTheGuard: an address in an authority's certificate
// is anybody's, and leads to no private network.
func TestRevocationIsAskedBehindTheGuard(t *testing.T) {
	ctx := context.Background()
	a := testApp(t, func(c *configs.Config) { c.Seal.TSAs = []configs.TSA{localTSA(t, "near")} })
	n, err := a.openNotary(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Seal(ctx); err != nil { // the authority itself was chosen by the operator
		t.Fatal(err)
	}
	if got, err := n.Tend(ctx); err == nil || !strings.Contains(err.Error(), "127.0.0.1") || got.Revocation != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestNoSecondKey: a key is made for a log that begins, never for one that is
// there; and it may lie elsewhere.
func TestNoSecondKey(t *testing.T) {
	ctx := context.Background()
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "secrets", "log.key")
	open := func(key string) (*app, error) {
		a := testApp(t, func(c *configs.Config) { c.DataDir, c.Custody.Key = dir, key })
		_, err := a.openNotary(ctx)
		return a, err
	}
	a, err := open("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.notary.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	key := a.keyFile()
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	// The key is gone; even a fresh database does not make it a new log.
	kept, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{key, filepath.Join(dir, "trawlmark.db")} {
		if err := os.Remove(gone); err != nil {
			t.Fatal(err)
		}
	}
	b, err := open("")
	if err == nil || !strings.Contains(err.Error(), "no new key is made") || !strings.Contains(err.Error(), "custody.key") || classify(err) != exitUnavailable {
		t.Fatalf("%v", err)
	}
	if _, err := os.Stat(key); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("a key was made all the same")
	}
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(elsewhere), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(elsewhere, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := open(elsewhere)
	if !errors.Is(err, custody.ErrBehind) { // the right key: what is left to mend is the database
		t.Fatalf("%v", err)
	}
	if c.vault == nil {
		t.Fatal("the storage was not opened")
	}
}
