package archive_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/vault"
)

const month = 31 * 24 * time.Hour

// there reports whether an object is in the vault.
func (w *world) there(t *testing.T, key string) bool {
	t.Helper()
	_, err := w.vault.Stat(t.Context(), key, "")
	if err != nil && !errors.Is(err, vault.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

// logIsWhole sequences and reads the whole custody log.
func (w *world) logIsWhole(t *testing.T) {
	t.Helper()
	if _, err := w.log.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := w.log.Monitor(t.Context()); err != nil || r.Count != 0 || r.Entries == 0 {
		t.Errorf("the log has %d entries and %d differences: %+v, %v", r.Entries, r.Count, r.Differences, err)
	}
}

func TestWhatHasExpiredGoesAndTheLogStaysWhole(t *testing.T) {
	w := newWorld(t)
	c := w.rich()
	w.ingest(t, c)
	a := w.open(t)
	if x, err := a.Expire(t.Context(), false); err != nil || x.Done != 0 {
		t.Fatalf("a fresh capture expired: %+v, %v", x, err)
	}
	w.now = w.now.Add(month)
	if x, err := a.Expire(t.Context(), true); err != nil || x.Done != 1 || !w.there(t, vault.ManifestKey(c.ID)) {
		t.Fatalf("the dry run gave %+v, %v", x, err)
	}
	if x, err := a.Expire(t.Context(), false); err != nil || x.Done != 1 || x.Bytes == 0 {
		t.Fatalf("%+v, %v", x, err)
	}
	for _, prefix := range []string{vault.CapturesPrefix, vault.BlobsPrefix} {
		for info := range w.vault.List(t.Context(), prefix, "") {
			t.Errorf("%s is still there", info.Key)
		}
	}
	e, err := w.catalog.Get(t.Context(), c.ID)
	if err != nil || e.State != catalog.Expired || e.Title != "" || e.URL != "" || e.Site != "market" || e.Manifest.IsZero() {
		t.Errorf("the catalogue has %+v, %v", e, err)
	}
	rows, err := w.log.About(t.Context(), custody.Subject{Capture: c.ID})
	if err != nil || len(rows) != 2 || rows[1].Entry.Type != custody.Erased {
		t.Fatalf("events: %+v, %v", rows, err)
	}
	if ev, _, err := w.log.Event(t.Context(), rows[1].ID); err != nil || ev.Manifest != e.Manifest || !strings.Contains(ev.Details["reason"], "retention ended") {
		t.Errorf("the event is %+v, %v", ev, err)
	}
	w.logIsWhole(t)
	if _, _, err := a.Manifest(t.Context(), c.ID); !errors.Is(err, archive.ErrGone) {
		t.Errorf("its manifest gave %v", err)
	}
	if x, err := a.Expire(t.Context(), false); err != nil || x.Done != 0 {
		t.Errorf("again: %+v, %v", x, err)
	}
}

func TestWhatMustStayStays(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, w *world, first capture.ID)
		why     string // "" when it is not even due
	}{
		"held": {func(t *testing.T, w *world, id capture.ID) {
			if err := w.open(t).Hold(t.Context(), id, true, "person:ann", "x"); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"extended": {func(t *testing.T, w *world, id capture.ID) {
			if err := w.open(t).Extend(t.Context(), id, w.now.AddDate(1, 0, 0), "person:ann", "x"); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"locked past the catalogue": {func(t *testing.T, w *world, id capture.ID) {
			if err := w.vault.Extend(t.Context(), vault.WARCKey(id), "", vault.Governance, w.now.AddDate(1, 0, 0)); err != nil {
				t.Fatal(err)
			}
		}, "is locked until"},
		"held past the catalogue": {func(t *testing.T, w *world, id capture.ID) {
			if err := w.vault.Hold(t.Context(), vault.ManifestKey(id), "", true); err != nil {
				t.Fatal(err)
			}
		}, "legal hold"},
		"referred to": {func(t *testing.T, w *world, id capture.ID) {
			second := w.rich()
			w.ingest(t, second)
			if err := w.open(t).Extend(t.Context(), second.ID, w.now.AddDate(1, 0, 0), "person:ann", "x"); err != nil {
				t.Fatal(err)
			}
		}, "refer to payloads"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.rich()
			w.ingest(t, c)
			tt.prepare(t, w, c.ID)
			w.now = w.now.Add(month)
			x, err := w.open(t).Expire(t.Context(), false)
			if err != nil || x.Done != 0 || !w.there(t, vault.ManifestKey(c.ID)) {
				t.Fatalf("%+v, %v", x, err)
			}
			if tt.why == "" && x.Waiting != 0 || tt.why != "" && (x.Waiting != 1 || !strings.Contains(x.Stayed[0].Why, tt.why)) {
				t.Errorf("stayed: %+v", x.Stayed)
			}
			if e, err := w.catalog.Get(t.Context(), c.ID); err != nil || e.State != catalog.Kept {
				t.Errorf("%+v, %v", e, err)
			}
		})
	}
}

// Shared objects go with the last capture that needs them.
func TestSharedObjectsGoWithTheirLastCapture(t *testing.T) {
	w := newWorld(t)
	first := w.ingest(t, w.rich())
	second := w.rich()
	w.ingest(t, second)
	if err := w.open(t).Extend(t.Context(), second.ID, w.now.Add(2*month), "person:ann", "x"); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(month)
	if x, err := w.open(t).Expire(t.Context(), false); err != nil || x.Done != 0 || x.Waiting != 1 {
		t.Fatalf("%+v, %v", x, err)
	}
	w.now = w.now.Add(2 * month)
	for range 2 { // the first becomes free when the second has gone
		if _, err := w.open(t).Expire(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range first.Objects {
		if w.there(t, o.Key) {
			t.Errorf("%s is still there", o.Key)
		}
	}
}

// Every step of a removal, failed or failed-but-happened: doing it again ends
// the same, with one event.
func TestRemovingAgainAfterAnyFailureEndsTheSame(t *testing.T) {
	for _, op := range []string{vault.OpStat, vault.OpPut, vault.OpDelete} {
		for n := range 5 {
			for _, happened := range []bool{false, true} {
				w := newWorld(t)
				c := w.rich()
				w.ingest(t, c)
				w.now = w.now.Add(month)
				count := 0
				fail := func(o, _ string) error {
					if o != op {
						return nil
					}
					if count++; count == n+1 {
						return vault.ErrUnavailable
					}
					return nil
				}
				if happened {
					w.vault.FailAfter = fail
				} else {
					w.vault.Fail = fail
				}
				_, err := w.open(t).Expire(t.Context(), false)
				w.vault.Fail, w.vault.FailAfter = nil, nil
				if count <= n {
					continue // there are not so many
				}
				if !errors.Is(err, vault.ErrUnavailable) {
					t.Errorf("%s %d: the fault did not show: %v", op, n, err)
				}
				if _, err := w.open(t).Expire(t.Context(), false); err != nil {
					t.Errorf("%s %d, happened %v: again: %v", op, n, happened, err)
				}
				rows, err := w.log.About(t.Context(), custody.Subject{Capture: c.ID})
				if e, _ := w.catalog.Get(t.Context(), c.ID); err != nil || len(rows) != 2 || e.State != catalog.Expired || w.vault.Len() != 2 {
					t.Errorf("%s %d, happened %v: %d events, state %q, %d objects, %v", op, n, happened, len(rows), e.State, w.vault.Len(), err)
				}
			}
		}
	}
}

func TestAnOrderIsCarriedOutWhenTheLockEnds(t *testing.T) {
	w := newWorld(t)
	first, second := w.rich(), w.rich()
	w.ingest(t, first)
	w.ingest(t, second)
	if err := w.open(t).Extend(t.Context(), second.ID, w.now.AddDate(1, 0, 0), "worker:test", "a finding"); err != nil {
		t.Fatal(err)
	}
	a := w.open(t)
	got, err := a.Erase(t.Context(), first.ID, "person:ann", "court order 12/26")
	if err != nil || got.Erased || !strings.Contains(got.Why, "locked until") {
		t.Fatalf("%+v, %v", got, err)
	}
	for range 2 { // ordering twice is one order
		if got, err = a.Erase(t.Context(), first.ID, "person:bob", "again"); err != nil || got.Erased {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	// Nobody refers to it any more: the others have the payload by itself.
	third := w.rich()
	w.ingest(t, third)
	w.isWhole(t, second.ID)
	if stored := records(t, w.get(t, vault.WARCKey(third.ID))); count(stored, "revisit https://cdn.example/app.js") != 0 {
		if p, err := w.catalog.Referred(t.Context(), third.ID); err != nil || len(p) != 1 || p[0].Original == first.ID {
			t.Errorf("a new capture refers to %+v, %v", p, err)
		}
	}
	w.now = w.now.AddDate(1, 0, 1)
	if x, err := a.Expire(t.Context(), false); err != nil || x.Erased != 1 {
		t.Fatalf("%+v, %v", x, err)
	}
	if w.there(t, vault.WARCKey(first.ID)) || w.there(t, vault.ManifestKey(first.ID)) {
		t.Error("it is still there")
	}
	e, err := w.catalog.Get(t.Context(), first.ID)
	if err != nil || e.State != catalog.Erased {
		t.Errorf("%+v, %v", e, err)
	}
	rows, err := w.log.About(t.Context(), custody.Subject{Capture: first.ID})
	if err != nil || rows[len(rows)-1].Entry.Type != custody.Erased {
		t.Fatal(rows, err)
	}
	if ev, _, err := w.log.Event(t.Context(), rows[len(rows)-1].ID); err != nil || ev.Details["reason"] != "court order 12/26" || ev.Actor != "person:ann" {
		t.Errorf("%+v, %v", ev, err)
	}
	w.logIsWhole(t)
	if _, err := a.Erase(t.Context(), first.ID, "person:ann", "x"); !errors.Is(err, archive.ErrGone) {
		t.Errorf("erasing it again gave %v", err)
	}
}

func TestAnOrderIsCarriedOutAtOnceWhenNothingLocks(t *testing.T) {
	w := newWorld(t)
	first, second := w.rich(), w.rich()
	w.ingest(t, first)
	w.ingest(t, second)
	if err := w.open(t).Extend(t.Context(), second.ID, w.now.AddDate(1, 0, 0), "worker:test", "a finding"); err != nil {
		t.Fatal(err)
	}
	// The second needs the first's WARC; the storage has lost that lock.
	w.now = w.now.Add(month)
	got, err := w.open(t).Erase(t.Context(), first.ID, "person:ann", "order")
	if err != nil {
		t.Fatal(err)
	}
	if got.Erased {
		t.Fatal("a locked WARC was deleted")
	}
	w.now = w.now.AddDate(0, 11, 2)
	if got, err = w.open(t).Erase(t.Context(), first.ID, "person:ann", "order"); err != nil || !got.Erased {
		t.Fatalf("%+v, %v", got, err)
	}
	w.isWhole(t, second.ID)
}
