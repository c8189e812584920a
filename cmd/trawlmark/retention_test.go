package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// What a person confirms is locked as the watch says, from the decision on;
// what is dismissed is left as it is; evidence that cannot be locked is not
// decided on, unless it is gone anyway.
func TestADecisionLocksItsEvidence(t *testing.T) {
	cfg, err := configs.Load("", func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	cfg.DataDir = t.TempDir()
	a := newApp(cfg, streams{})
	defer a.close()
	l, err := a.openLedger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w, err := l.AddWatch(t.Context(), ledger.Watch{Name: "w", Seeds: []string{"https://shop.example/"}, Retention: ledger.Retention{Finding: 400 * 24 * 3600}})
	if err != nil {
		t.Fatal(err)
	}
	u := "https://shop.example/1"
	if _, err := l.Fire(t.Context(), w.ID, l.Now(), []ledger.Work{{Kind: ledger.Visit, URL: u, Canonical: u, Lane: "shop.example", Site: "generic", PageKind: "listing"}}); err != nil {
		t.Fatal(err)
	}
	jobs, err := l.Jobs(t.Context(), ledger.JobFilter{Watch: w.ID})
	if err != nil || len(jobs) != 1 {
		t.Fatalf("%d jobs, %v", len(jobs), err)
	}
	fence, err := l.Dispatch(t.Context(), jobs[0].ID, l.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Claim(t.Context(), fence, "test", time.Hour); err != nil {
		t.Fatal(err)
	}
	done, err := l.Finish(t.Context(), fence, ledger.Result{
		Outcome: capture.Captured, Capture: a.ids.New(), Manifest: capture.Sum([]byte("m")),
		Observation: &ledger.Observation{Site: "generic", Canonical: u, URL: u, Outcome: capture.Captured, At: l.Now()},
	})
	if err != nil {
		t.Fatal(err)
	}
	shown := a.ids.New()
	id, err := l.AddFinding(t.Context(), ledger.Scored{Listing: done.Listing, Watch: w.ID, Capture: shown, Score: 0.9, Scorer: "test"})
	if err != nil {
		t.Fatal(err)
	}
	var locked time.Time
	var fail error
	d := decider{Ledger: l, untriaged: time.Hour, finding: 2 * time.Hour, keep: func(_ context.Context, c capture.ID, until time.Time, _, _ string) error {
		if c != shown {
			t.Errorf("the capture %s was locked, want %s", c, shown)
		}
		locked = until
		return fail
	}}
	decide := func(s ledger.FindingState) error {
		t.Helper()
		locked = time.Time{}
		f, err := l.Finding(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Decide(t.Context(), id, ledger.Decision{State: s, By: "person:ann", Version: f.Version})
		return err
	}
	if err := decide(ledger.Dismissed); err != nil || !locked.IsZero() {
		t.Errorf("dismissed: locked until %s, %v", locked, err)
	}
	if err := decide(ledger.Confirmed); err != nil || locked.Before(l.Now().Add(399*24*time.Hour)) {
		t.Errorf("confirmed: locked until %s, %v", locked, err)
	}
	fail = errors.New("the storage is away")
	if err := decide(ledger.Escalated); !errors.Is(err, fail) {
		t.Errorf("got %v", err)
	}
	if f, err := l.Finding(t.Context(), id); err != nil || f.State != ledger.Confirmed {
		t.Errorf("the finding is %s, %v", f.State, err)
	}
	fail = archive.ErrGone
	if err := decide(ledger.Resolved); err != nil {
		t.Errorf("of expired evidence: %v", err)
	}
}
