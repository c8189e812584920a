package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/seal/stamp"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// web counts what is asked for by way of a client.
type web struct {
	Doer
	asked atomic.Int64
}

func (w *web) Do(r *http.Request) (*http.Response, error) {
	w.asked.Add(1)
	return w.Doer.Do(r)
}

// connected is a world whose sealers may ask about revocation.
func connected(t *testing.T) (*world, *web) {
	w := newWorld(t)
	way := &web{Doer: http.DefaultClient}
	w.cfg.Web = way
	return w, way
}

func (w *world) fetch(s *Sealer) int {
	w.t.Helper()
	n, err := s.FetchRevocation(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) kept(s *Sealer, st Stored) Kept {
	w.t.Helper()
	k, err := s.Revocation(context.Background(), st.Stamp)
	if err != nil {
		w.t.Fatal(err)
	}
	return k
}

func TestRevocationIsKept(t *testing.T) {
	w, way := connected(t)
	s := w.sealer()
	stored := w.seal(s, w.grow(1))
	if k := w.kept(s, stored[0]); k.Standing != stamp.Unchecked || k.What != "no revocation data kept" || k.Key != "" {
		t.Fatalf("%+v", k)
	}
	w.at(w.now.Add(time.Minute))
	if n := w.fetch(s); n != 2 {
		t.Fatalf("%d files of two authorities", n)
	}
	asked := way.asked.Load()
	for _, s := range []*Sealer{s, w.sealer()} { // not asked again too soon, by nobody
		if n := w.fetch(s); n != 0 || way.asked.Load() != asked {
			t.Fatalf("%d files, %d requests", n, way.asked.Load()-asked)
		}
		k := w.kept(s, stored[0])
		if k.Standing != stamp.Unrevoked || !k.AsOf.Equal(w.now) || !strings.HasPrefix(k.Key, "log/revocation/alpha/") || !bytes.Equal(k.File, w.read(k.Key)) {
			t.Fatalf("%+v", k)
		}
		said, err := stamp.ParseRevocation(k.File)
		if err != nil || len(said.CRLs) != 1 || len(said.OCSP) != 1 {
			t.Fatalf("%+v, %v", said, err)
		}
	}
	w.at(w.now.Add(24 * time.Hour))
	if n := w.fetch(s); n != 2 {
		t.Fatalf("%d files a day later", n)
	}
	// openssl agrees, of the file that is kept.
	write := w.writer()
	root, rev := write("root.pem", stamp.PEM(w.tsas[0].tsa.Roots())), write("x.rev", w.kept(s, stored[0]).File)
	leaf := write("leaf.pem", stamp.PEM(stored[0].Time.Chain[:1]))
	args := []string{"verify", "-CAfile", root, "-CRLfile", rev, "-crl_check", "-purpose", "timestampsign", "-attime", itoa(w.now.Unix()), leaf}
	if out, err := openssl(t, args...); err != nil {
		t.Errorf("openssl: %s", out)
	}
}

// TestRevokedStampDoesNotCount: neither a new one nor a stored one.
func TestRevokedStampDoesNotCount(t *testing.T) {
	ctx := context.Background()
	w, _ := connected(t)
	var logged bytes.Buffer
	w.cfg.Log = slog.New(slog.NewTextHandler(&logged, nil))
	s := w.sealer()
	old := w.seal(s, w.grow(1))
	stolen := w.now.Add(time.Hour)
	w.at(stolen.Add(time.Hour))
	bad := w.seal(s, w.grow(1))
	w.tsas[0].tsa.Revoke(stolen, 4) // superseded: what is older stands
	w.at(w.now.Add(time.Hour))
	w.fetch(s)
	if !strings.Contains(logged.String(), "was revoked") {
		t.Error("nobody is told")
	}
	for _, s := range []*Sealer{s, w.sealer()} {
		if k := w.kept(s, bad[0]); k.Standing != stamp.Revoked || !k.RevokedAt.Equal(stolen) || !errors.Is(k.Err(), stamp.ErrRevoked) {
			t.Fatalf("%+v", k)
		}
		if k := w.kept(s, old[0]); k.Standing != stamp.Unrevoked {
			t.Fatalf("%+v", k)
		}
		for index, want := range []int{2, 1} {
			if got, err := s.Covering(ctx, int64(index)); err != nil || len(got.Stamps) != want {
				t.Fatalf("entry %d: %d stamps, %v", index, len(got.Stamps), err)
			}
		}
	}
	// New stamps of it are not taken: the third authority steps in.
	stored := w.seal(s, w.grow(1))
	if len(stored) != 2 || stored[0].TSA != "beta-1" || stored[1].TSA != "gamma" {
		t.Fatalf("%+v", stored)
	}
	if st := s.Status()[0]; !errors.Is(st.Err, stamp.ErrRevoked) {
		t.Fatalf("%+v", st)
	}
	// The key was stolen: nothing of it stands, however old.
	w.tsas[1].tsa.Revoke(stolen, 1)
	w.at(w.now.Add(25 * time.Hour))
	w.fetch(s)
	if got, err := s.Covering(ctx, 0); err != nil || len(got.Stamps) != 1 || got.Stamps[0].TSA != "alpha" {
		t.Fatalf("%+v, %v", got, err)
	}
}

// TestHostileRevocation: whatever comes instead of a statement costs bounded
// time and memory, is told, is not kept, and disturbs no seal.
func TestHostileRevocation(t *testing.T) {
	w, way := connected(t)
	s := w.sealer()
	w.seal(s, w.grow(1))
	stale, err := w.tsas[0].tsa.RevocationList()
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := w.tsas[2].tsa.RevocationList()
	if err != nil {
		t.Fatal(err)
	}
	w.at(w.now.Add(30 * 24 * time.Hour))
	reply := func(b []byte) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(b) }
	}
	for name, h := range map[string]http.HandlerFunc{
		"error page":      down,
		"garbage":         reply([]byte("<html>")),
		"nothing":         reply(nil),
		"replay":          reply(stale),
		"another's":       reply(foreign),
		"endless":         endless,
		"round and round": func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, r.URL.Path, http.StatusFound) },
		"broken off": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Length", "4000")
			_, _ = rw.Write([]byte("abc"))
		},
	} {
		for i := range w.tsas[:2] {
			w.tsas[i].fail(h)
		}
		s := w.sealer()
		if n, err := s.FetchRevocation(context.Background()); n != 0 || err == nil || !strings.Contains(err.Error(), "alpha") || !strings.Contains(err.Error(), "beta-1") {
			t.Errorf("%s: %d files, %v", name, n, err)
		}
	}
	for info := range w.vault.List(context.Background(), vault.RevocationPrefix, "") {
		t.Errorf("%s is kept", info.Key)
	}
	for i := range w.tsas[:2] {
		w.tsas[i].fail(nil)
	}
	w.seal(s, w.grow(1))
	// Nobody answers at all, and the caller's patience ends.
	ctx, cancel := context.WithCancel(context.Background())
	way.Doer = doer(func(r *http.Request) (*http.Response, error) {
		if _, ok := r.Context().Deadline(); !ok {
			t.Error("a request has no deadline")
		}
		cancel()
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	if _, err := w.sealer().FetchRevocation(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	way.Doer = http.DefaultClient
	if n := w.fetch(w.sealer()); n != 2 {
		t.Errorf("%d files when all is well again", n)
	}
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// TestDamagedRevocation: what the vault gives back is not believed.
func TestDamagedRevocation(t *testing.T) {
	w, _ := connected(t)
	s := w.sealer()
	stored := w.seal(s, w.grow(1))
	w.fetch(s)
	key := w.kept(s, stored[0]).Key
	w.vault.Corrupt(key, func(b []byte) []byte { return b[:len(b)-30] })
	if k := w.kept(w.sealer(), stored[0]); k.Standing != stamp.Unchecked {
		t.Errorf("%+v", k.Revocation)
	}
	if got, err := w.sealer().Covering(context.Background(), 0); err != nil || len(got.Stamps) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	w.vault.Fail = func(op, k string) error {
		if op == vault.OpGet && strings.HasPrefix(k, vault.RevocationPrefix) {
			return vault.ErrUnavailable
		}
		return nil
	}
	if _, err := w.sealer().Covering(context.Background(), 0); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("what could not be looked at is passed over: %v", err)
	}
}

// TestClock: how far apart the clocks are is known, and kept.
func TestClock(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ours := 7 * time.Second // ahead of the authorities
	w.cfg.Client.Now = func() time.Time { return w.now.Add(ours) }
	s := w.sealer()
	w.seal(s, w.grow(1))
	for _, r := range s.Clock() {
		if r.Offset != -ours || r.Within != time.Second || !strings.HasPrefix(r.Source, "tsa:") {
			t.Errorf("%s", r)
		}
	}
	worst := s.Clock()[0]
	ours = time.Second
	w.at(w.now.Add(time.Minute))
	w.seal(s, w.grow(1))
	s.Observe(CompareDate("s3", w.now, w.now, w.now.Add(2*time.Second)))
	all := s.Clock()
	if len(all) != 5 || all[0] != worst || all[4].Offset != -500*time.Millisecond || all[4].Within != 1500*time.Millisecond {
		t.Fatalf("%v", all)
	}
	from := w.now.Add(-time.Hour)
	w.at(w.now.Add(time.Hour))
	if err := s.RecordClock(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.RecordClock(ctx); err != nil || len(s.Clock()) != 0 {
		t.Fatalf("%v, %v", s.Clock(), err)
	}
	got, err := w.sealer().Clocks(ctx, from, w.now, 100)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(all) {
		t.Fatalf("%v, %v", got, err)
	}
	if got, err := s.Clocks(ctx, from, w.now, 2); err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	if got, err := s.Clocks(ctx, w.now.Add(time.Minute), w.now.Add(time.Hour), 2); err != nil || len(got) != 0 {
		t.Fatalf("%v, %v", got, err)
	}
	before := w.vault.Len()
	w.tsas[0].fail(down)
	if r, err := s.AskClock(ctx); err != nil || r.Source != "tsa:beta-1" || r.Offset != -ours || w.vault.Len() != before {
		t.Fatalf("%s, %v; %d objects kept", r, err, w.vault.Len()-before)
	}
	p := vault.NewPut(vault.ClockKey(w.now, "ffffffff"), "application/json", []byte("{}"))
	if _, err := w.vault.Put(ctx, p); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Clocks(ctx, from, w.now, 100); err == nil || len(got) != 5 {
		t.Fatalf("%v, %v", got, err)
	}
}
