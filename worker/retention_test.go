package worker_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// run fires a watch for some pages and does the visits.
func (w *world) run(v *worker.Visitor, watch ledger.Watch, works ...ledger.Work) []capture.ID {
	w.t.Helper()
	if _, err := w.ledger.Fire(w.t.Context(), watch.ID, w.ledger.Now(), works); err != nil {
		w.t.Fatal(err)
	}
	var made []capture.ID
	for range works {
		jobs, err := w.ledger.Jobs(w.t.Context(), ledger.JobFilter{Watch: watch.ID, State: ledger.Planned, Kind: ledger.Visit})
		if err != nil || len(jobs) == 0 {
			w.t.Fatalf("%d jobs are planned, %v", len(jobs), err)
		}
		if err := handle(w.t, v, w.dispatch(jobs[0].ID)); err != nil {
			w.t.Fatal(err)
		}
		made = append(made, w.job(jobs[0].ID).Capture)
	}
	return made
}

func (w *world) entry(id capture.ID) catalog.Entry {
	w.t.Helper()
	e, err := w.catalog.Get(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// A watch says how long its captures are locked, those of suspicious listings
// apart; what it says later holds for later captures and shortens no lock.
func TestAWatchSaysHowLongItsCapturesAreKept(t *testing.T) {
	w := newWorld(t)
	v := w.visitorWith(worker.Config{Untriaged: 24 * time.Hour, FindingKeep: 48 * time.Hour}, archive.Config{})
	add := func(name string, r ledger.Retention) ledger.Watch {
		t.Helper()
		watch, err := w.ledger.AddWatch(t.Context(), ledger.Watch{
			Name: name, Seeds: []string{searchURL}, Brand: json.RawMessage(`{"name": "Aurelle", "thresholds": {"suspicious": 40, "review": 20}}`), Retention: r,
		})
		if err != nil {
			t.Fatal(err)
		}
		return watch
	}
	within := func(what string, e catalog.Entry, keep time.Duration) {
		t.Helper()
		if d := e.RetainUntil.Sub(e.Started); d < keep || d > keep+2*time.Second {
			t.Errorf("%s is locked for %s, want %s", what, d, keep)
		}
		arts, err := w.catalog.Artifacts(t.Context(), e.ID)
		if err != nil || len(arts) == 0 {
			t.Fatalf("%d files, %v", len(arts), err)
		}
		for _, a := range arts {
			if info, err := w.vault.Stat(t.Context(), a.Key, a.Version); err != nil || info.RetainUntil.Before(e.RetainUntil) {
				t.Errorf("%s: %s is locked until %s, want %s, %v", what, a.Key, info.RetainUntil, e.RetainUntil, err)
			}
		}
	}
	plain := w.run(v, add("plain", ledger.Retention{}), worker.NewVisit(w.sites, searchURL))
	within("a capture of a watch that says nothing", w.entry(plain[0]), 24*time.Hour)

	short := add("short", ledger.Retention{Untriaged: 3600, Finding: 100 * 3600})
	first := w.run(v, short, worker.NewVisit(w.sites, searchURL+"&n=1"))
	within("a capture of a watch that keeps for an hour", w.entry(first[0]), time.Hour)

	w.crawl.says = map[listing.FieldName]string{
		listing.Title: "Aurelle Belvoir bag, 1:1 replica, mirror quality", listing.Brand: "Aurelle", listing.ShipsFrom: "CN",
	}
	found := w.run(v, short, worker.NewVisit(w.sites, itemURL))
	within("a capture of a suspicious listing", w.entry(found[0]), 100*time.Hour)
	rows, err := w.custody.About(t.Context(), custody.Subject{Capture: found[0]})
	if err != nil || len(rows) != 2 || rows[1].Entry.Type != custody.RetentionChanged {
		t.Errorf("the custody log has %+v, %v", rows, err)
	}

	short.Retention = ledger.Retention{Untriaged: 600}
	if short, err = w.ledger.ChangeWatch(t.Context(), short); err != nil {
		t.Fatal(err)
	}
	later := w.run(v, short, worker.NewVisit(w.sites, searchURL+"&n=2"))
	within("a capture after the change", w.entry(later[0]), 10*time.Minute)
	within("a capture from before the change", w.entry(first[0]), time.Hour)
}

// What says "not modified" must not outlive what it speaks of.
func TestAWatchThatKeepsShortlyIsLookedAtInFull(t *testing.T) {
	w := newWorld(t)
	v := w.visitor()
	watch, err := w.ledger.AddWatch(t.Context(), ledger.Watch{Name: "w", Seeds: []string{itemURL}, Retention: ledger.Retention{Untriaged: 600}})
	if err != nil {
		t.Fatal(err)
	}
	w.crawl.etag = `"v1"`
	w.run(v, watch, worker.NewVisit(w.sites, itemURL))
	w.run(v, watch, worker.NewVisit(w.sites, itemURL+"?a=1"))
	if p := w.crawl.visits[1].Previous; p == nil || p.ETag != `"v1"` {
		t.Errorf("a capture that is young was not referred to: %+v", p)
	}
	w.crawl.took = -6 * time.Minute // begun more than half of the retention ago
	w.run(v, watch, worker.NewVisit(w.sites, item(2)))
	w.run(v, watch, worker.NewVisit(w.sites, item(2)+"?a=1"))
	if p := w.crawl.visits[3].Previous; p == nil || p.ETag != "" || p.LastModified != "" {
		t.Errorf("a capture that expires soon was referred to: %+v", p)
	}
}
