package archive

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/custody/storetest"
	"github.com/trawlmark/trawlmark/archive/seal"
	"github.com/trawlmark/trawlmark/archive/seal/demotsa"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// sealing is a log, its authorities and their clock.
type sealing struct {
	t     *testing.T
	mu    sync.Mutex
	now   time.Time
	vault *vault.Mem
	log   *custody.Log
	seal  seal.Config
	tsas  map[string]*demotsa.TSA // by host
	asked map[string]int          // requests for stamps, by host
	down  bool                    // what is asked about revocation hangs
	said  bytes.Buffer            // what was logged, by slog
	slog  *slog.Logger
}

func (s *sealing) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Do answers for the authorities.
func (s *sealing) Do(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	tsa, down := s.tsas[r.URL.Host], s.down
	if r.Method == http.MethodPost && r.URL.Path == "/" {
		s.asked[r.URL.Host]++
		down = false
	}
	s.mu.Unlock()
	if down {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	w := httptest.NewRecorder()
	tsa.ServeHTTP(w, r)
	return w.Result(), nil
}

func newSealing(t *testing.T) *sealing {
	s := &sealing{t: t, now: time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC), tsas: map[string]*demotsa.TSA{}, asked: map[string]int{}}
	s.vault, s.slog = vault.NewMem(s.clock), slog.New(slog.NewTextHandler(&s.said, nil))
	cfg := storetest.Config(t, "log.example.org/x", s.vault, s.clock)
	var err error
	s.log, err = custody.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	client := &seal.Client{HTTP: s, Now: s.clock, Rand: rand.Reader}
	s.seal = seal.Config{
		Client: client, Vault: s.vault, Verifiers: cfg.Verifiers, Web: s, Host: "host-1", Now: s.clock,
		Log: s.slog,
	}
	for _, name := range []string{"alpha", "beta"} {
		client.TSAs = append(client.TSAs, seal.TSA{Name: name})
	}
	s.newCertificates()
	return s
}

// newCertificates gives all authorities new ones, and pins the new roots too.
// The old ones go on telling of their revocation, where they did.
func (s *sealing) newCertificates() {
	for i, t := range s.seal.Client.TSAs {
		host := fmt.Sprintf("%s-%d.example", t.Name, len(t.Roots))
		s.seal.Client.TSAs[i].URL = "http://" + host + "/"
		tsa, err := demotsa.OpenAt(s.t.TempDir(), "http://"+host, s.clock, rand.Reader, slog.New(slog.DiscardHandler))
		if err != nil {
			s.t.Fatal(err)
		}
		s.tsas[host] = tsa
		s.seal.Client.TSAs[i].Roots = append(s.seal.Client.TSAs[i].Roots, tsa.Roots()...)
	}
}

// notary is one process' of them.
func (s *sealing) notary() *Notary {
	sealer, err := seal.New(s.seal)
	if err != nil {
		s.t.Fatal(err)
	}
	return NewNotary(s.log, sealer, s.slog)
}

func (s *sealing) captured(n *Notary) capture.ID {
	id := capture.NewIDSource(s.clock, rand.Reader).New()
	_, err := s.log.Append(context.Background(), custody.Event{
		Type: custody.Captured, Actor: "worker:test", Subject: custody.Subject{Capture: id}, Manifest: capture.Sum([]byte(id.String())),
	}, custody.Keep{})
	if err == nil {
		_, err = n.Seal(context.Background())
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

func (s *sealing) at(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = t
}

// TestSealsOutliveTheirCertificates: what tends the seals renews them before
// the certificates end, once, whoever else does it too; and a capture of
// before is sealed as it was, long after they ended.
func TestSealsOutliveTheirCertificates(t *testing.T) {
	ctx := context.Background()
	s := newSealing(t)
	n := s.notary()
	began := s.clock()
	id := s.captured(n)
	first, err := n.Tend(ctx)
	if err != nil || first.Renewed != 0 || first.Revocation != 2 {
		t.Fatalf("%+v, %v", first, err)
	}
	row, err := s.log.Find(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	end, err := n.sealer.Until(ctx, row.Index+1)
	if err != nil {
		t.Fatal(err)
	}
	s.at(end.AddDate(0, 0, -91)) // a day too early
	if got, err := n.Tend(ctx); err != nil || got.Renewed != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	s.at(end.AddDate(0, 0, -60))
	s.newCertificates()
	clear(s.asked)
	// Four processes at once: one list, one stamp of each authority.
	var wg sync.WaitGroup
	renewed := make([]int, 4)
	for i := range renewed {
		n := s.notary()
		wg.Go(func() {
			for {
				got, err := n.Tend(ctx)
				renewed[i] += got.Renewed
				if err == nil {
					return
				}
				if !errors.Is(err, custody.ErrBusy) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if sum := renewed[0] + renewed[1] + renewed[2] + renewed[3]; sum != 1 || s.asked["alpha-1.example"] != 1 || s.asked["beta-1.example"] != 1 {
		t.Fatalf("renewed %v times, asked %v", renewed, s.asked)
	}
	if !strings.Contains(s.said.String(), "time stamps were renewed") {
		t.Error("nobody was told")
	}
	// The old certificates are history.
	s.at(end.AddDate(2, 0, 0))
	later := s.notary()
	got, err := later.Sealed(ctx, id, nil)
	if err != nil || got.Before.After(began.Add(2*time.Second)) || len(got.By) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	until, err := later.sealer.Until(ctx, got.Size)
	if err != nil || !until.After(s.clock()) {
		t.Fatalf("believable until %s, %v", until, err)
	}
	renewals, err := later.sealer.Renewals(ctx, got.Size)
	if err != nil || len(renewals) != 2 || !renewals[0].Time.At.Before(end) {
		t.Fatalf("%d renewals, %v", len(renewals), err)
	}
	// And what was said of the old certificates when they were in force is there.
	sealed, err := later.sealer.Covering(ctx, row.Index)
	if err != nil {
		t.Fatal(err)
	}
	if k, err := later.sealer.Revocation(ctx, sealed.Stamps[0].Stamp); err != nil || k.Standing != stamp.Unrevoked {
		t.Fatalf("%+v, %v", k.Revocation, err)
	}
}

// TestTendingDelaysNoSeal: authorities that hang when asked about revocation
// cost no seal anything.
func TestTendingDelaysNoSeal(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := newSealing(t)
	s.down = true
	n := s.notary()
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx, time.Millisecond) }()
	var last int64 = -1
	for range 5 { // sealed again and again, while the first question hangs
		if _, err := s.log.Append(ctx, custody.Event{Type: custody.Viewed, Actor: "person:ann", Subject: custody.Subject{Case: "c-1"}}, custody.Keep{}); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(2 * time.Minute)
		for {
			a, err := n.sealer.Newest(ctx)
			if err == nil && a.Size > last {
				last = a.Size
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("nothing is sealed")
			}
			s.at(s.clock().Add(11 * time.Second)) // Newest looks again
			time.Sleep(time.Millisecond)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
