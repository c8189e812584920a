package seal

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/seal/demotsa"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
	"github.com/trawlmark/trawlmark/archive/vault"
)

const testOrigin = "log.example.org/trawlmark"

// world is a log, a vault and two authorities, on one clock.
type world struct {
	t     testing.TB
	now   time.Time
	vault *vault.Mem
	keys  custody.Keys
	log   *custody.Log
	tsas  [3]*authorityServer
	cfg   Config

	onTick []func() // told when the clock is set
}

// authorityServer is a demonstration authority that misbehaves on demand.
type authorityServer struct {
	tsa  *demotsa.TSA
	url  string
	down atomic.Pointer[http.HandlerFunc] // instead of an answer
}

// fail makes it answer by h from now on; nil: properly.
func (a *authorityServer) fail(h http.HandlerFunc) {
	if h == nil {
		a.down.Store(nil)
		return
	}
	a.down.Store(&h)
}

func (a *authorityServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := a.down.Load(); h != nil {
		(*h)(w, r)
		return
	}
	a.tsa.ServeHTTP(w, r)
}

func newWorld(t testing.TB) *world {
	return newWorldAt(t, time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC))
}

func newWorldAt(t testing.TB, at time.Time) *world {
	w := &world{t: t, now: at}
	now := func() time.Time { return w.now }
	discard := slog.New(slog.DiscardHandler)
	w.vault = vault.NewMem(now)
	var err error
	if w.keys, err = custody.NewKeys(testOrigin, rand.Reader); err != nil {
		t.Fatal(err)
	}
	signer, _, err := w.keys.Signer()
	if err != nil {
		t.Fatal(err)
	}
	public, _ := w.keys.Public()
	verifiers, err := custody.VerifierList(public...)
	if err != nil {
		t.Fatal(err)
	}
	w.log, err = custody.Open(context.Background(), custody.Config{
		Origin: testOrigin, Signer: signer, Verifiers: verifiers, Vault: w.vault, Store: &custody.Mem{},
		Now: now, Rand: rand.Reader, Log: discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	client := &Client{HTTP: &http.Client{}, Now: now, Rand: rand.Reader, Timeout: 2 * time.Minute}
	for i, name := range []string{"alpha", "beta-1", "gamma"} {
		a := &authorityServer{}
		srv := httptest.NewServer(a)
		t.Cleanup(srv.Close)
		a.url = srv.URL
		if a.tsa, err = demotsa.OpenAt(t.TempDir(), a.url, now, rand.Reader, discard); err != nil {
			t.Fatal(err)
		}
		w.tsas[i] = a
		client.TSAs = append(client.TSAs, TSA{Name: name, URL: srv.URL, Roots: a.tsa.Roots()})
	}
	w.cfg = Config{Client: client, Vault: w.vault, Verifiers: verifiers, Now: now, Log: discard}
	return w
}

func (w *world) sealer() *Sealer {
	s, err := New(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// grow adds n events and gives the new checkpoint.
func (w *world) grow(n int) custody.Checkpoint {
	w.t.Helper()
	for range n {
		_, err := w.log.Append(context.Background(), custody.Event{Type: custody.Viewed, Actor: "person:ann", Subject: custody.Subject{Case: "c-1"}}, custody.Keep{})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	c, err := w.log.Sequence(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) seal(s *Sealer, c custody.Checkpoint) []Stored {
	w.t.Helper()
	st, err := s.Seal(context.Background(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	return st
}

func (w *world) read(key string) []byte {
	w.t.Helper()
	s := w.sealer()
	b, err := s.get(context.Background(), key, 1<<20)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// openssl runs it, or skips where it is missing.
func openssl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed: cannot ask a program that is not ours")
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	return string(out), err
}

// writer gives what writes files into a folder of the test.
func (w *world) writer() func(name string, b []byte) string {
	dir := w.t.TempDir()
	return func(name string, b []byte) string {
		w.t.Helper()
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			w.t.Fatal(err)
		}
		return p
	}
}

// TestOpenSSL has the stored files checked as the documentation says.
func TestOpenSSL(t *testing.T) {
	w := newWorld(t)
	c := w.grow(3)
	stored := w.seal(w.sealer(), c)
	if len(stored) != 2 {
		t.Fatalf("%d stamps", len(stored))
	}
	write := w.writer()
	ck := write("checkpoint", w.read(vault.CheckpointKey(c.Size)))
	other := write("other", []byte("other bytes"))
	for i, st := range stored {
		tsr := write("ck.tsr", w.read(st.Key("tsr")))
		tsq := write("ck.tsq", w.read(st.Key("tsq")))
		chain := write("chain.pem", w.read(st.Key("pem")))
		root := write("root.pem", stamp.PEM(w.tsas[i].tsa.Roots()))
		// The demonstration certificates begin at the test's time, so that is
		// when openssl has to look.
		at := "-attime"
		when := st.Time.At.Unix()
		args := []string{"ts", "-verify", "-in", tsr, "-CAfile", root, "-untrusted", chain, at, itoa(when)}
		if out, err := openssl(t, append(args, "-data", ck)...); err != nil {
			t.Fatalf("openssl refuses: %s", out)
		}
		if out, err := openssl(t, append(args, "-queryfile", tsq)...); err != nil {
			t.Fatalf("openssl refuses the query: %s", out)
		}
		if out, err := openssl(t, append(args, "-data", other)...); err == nil {
			t.Fatalf("openssl accepts other bytes: %s", out)
		}
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func TestAnchorsAndBounds(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	s := w.sealer()
	if _, err := s.Newest(ctx); !errors.Is(err, ErrNone) {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Hour)
	w.seal(s, w.grow(0))
	var sealed []custody.Checkpoint
	for _, n := range []int{1, 4, 1, 300, 2} {
		w.now = w.now.Add(time.Minute)
		c := w.grow(n)
		w.seal(s, c)
		sealed = append(sealed, c)
		w.now = w.now.Add(time.Minute)
		w.grow(1) // not stamped
		a, err := w.sealer().Newest(ctx)
		if err != nil || a.Size != c.Size {
			t.Fatalf("newest: %+v, %v; want size %d", a, err, c.Size)
		}
	}
	for index := int64(0); index < sealed[len(sealed)-1].Size; index++ {
		got, err := s.Covering(ctx, index)
		if err != nil {
			t.Fatal(err)
		}
		want := sealed[0]
		for _, c := range sealed {
			if want = c; c.Size > index {
				break
			}
		}
		if got.Checkpoint.Size != want.Size || len(got.Stamps) != 2 {
			t.Fatalf("entry %d is covered by %d with %d stamps, want %d", index, got.Checkpoint.Size, len(got.Stamps), want.Size)
		}
	}
	if _, err := s.Covering(ctx, sealed[len(sealed)-1].Size); !errors.Is(err, ErrNone) {
		t.Fatal(err)
	}
}
