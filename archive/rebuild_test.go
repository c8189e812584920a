package archive_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// reading is the artifact that says what was read: what `seen` says.
func reading(c *capture.Capture) *capture.Artifact {
	field := func(v string) map[string]any { return map[string]any{"value": v, "raw": v} }
	price := field("12")
	price["amount"] = "12"
	doc, err := json.Marshal(map[string]any{"note": "derived", "listing": map[string]any{"site": "market", "fields": map[string]any{
		"title": field(seen.Title), "price": price, "currency": field(seen.Currency), "seller_name": field(seen.Seller),
	}}})
	if err != nil {
		panic(err)
	}
	return &capture.Artifact{Role: capture.RoleReading, MediaType: "application/json", URL: c.URL, Taken: c.Finished, Body: capture.Bytes(doc)}
}

// readable is a capture of which something was read.
func (w *world) readable() *capture.Capture {
	c := w.rich()
	c.Artifacts = append(c.Artifacts, reading(c))
	return c
}

// full is a world with something of everything that a catalogue has.
func full(t *testing.T) (w *world, a *archive.Archive, ids []capture.ID) {
	w = newWorld(t)
	a = w.open(t)
	old := w.ingest(t, w.readable())
	k, err := a.OpenCase(t.Context(), "2026-017", "Aurelle v. Shop One", "first letter sent", "person:ann")
	w.must(t, err)
	w.must(t, a.AddToCase(t.Context(), k.ID, old.ID, "person:ann"))
	w.now = w.now.Add(month)
	if x, err := a.Expire(t.Context(), false); err != nil || x.Done != 1 {
		t.Fatal(x, err)
	}
	first, second, third := w.ingest(t, w.readable()), w.ingest(t, w.readable()), w.ingest(t, w.readable())
	w.must(t, a.AddToCase(t.Context(), k.ID, second.ID, "person:ann"))
	w.must(t, a.AddToCase(t.Context(), k.ID, second.ID, "person:ann"))
	w.must(t, a.Hold(t.Context(), second.ID, true, "person:ann", "Aurelle v. Shop One"))
	w.must(t, a.Extend(t.Context(), third.ID, w.now.AddDate(3, 0, 0), "worker:test", "a finding"))
	if e, err := a.Erase(t.Context(), first.ID, "person:bob", "order 7"); err != nil || e.Erased {
		t.Fatal(e, err)
	}
	w.now = w.now.Add(time.Minute)
	b, err := a.OpenCase(t.Context(), "", "Another matter", "", "person:bob")
	w.must(t, err)
	w.must(t, a.CloseCase(t.Context(), b.ID, "person:bob", "settled"))
	_, err = w.log.Sequence(t.Context())
	w.must(t, err)
	return w, a, []capture.ID{old.ID, first.ID, second.ID, third.ID}
}

// dump gives every row of the catalogue.
func dump(t *testing.T, db *sqldb.DB, payloads bool) []string {
	t.Helper()
	tables := map[string]string{
		"capture": "*", "word": "word, started, capture", "evidence_case": "*", "case_capture": "*", "erasure_order": "*",
		"capture_count": "*",
		// How long an object that others share is locked is only known as of this
		// capture.
		"artifact": "capture, role, tile, media_type, object_key, version, bytes, sha256, sha512, width, height",
	}
	if payloads {
		tables["payload"], tables["payload_use"] = "*", "*"
	}
	var all []string
	for table, columns := range tables {
		where := ""
		if table == "capture_count" {
			where = " WHERE n > 0"
		}
		rows, err := db.QueryContext(t.Context(), "SELECT "+columns+" FROM "+table+where)
		if err != nil {
			t.Fatal(err)
		}
		names, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values := make([]any, len(names))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			line := table
			for i, v := range values {
				value := *v.(*any)
				if yes, ok := value.(bool); ok { // SQLite has numbers there
					value = map[bool]int{true: 1}[yes]
				}
				line += fmt.Sprintf(" %s=%v", names[i], value)
			}
			all = append(all, line)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
	slices.Sort(all)
	return all
}

func lost(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// fresh replaces the catalogue by an empty one, as after the loss of the
// database.
func (w *world) fresh(t *testing.T, db *sqldb.DB) {
	t.Helper()
	c, err := catalog.Open(t.Context(), db)
	w.must(t, err)
	w.db, w.catalog = db, c
}

func TestARebuiltCatalogueIsTheOneThatWasLost(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func() *sqldb.DB) {
		w, _, ids := full(t)
		before := dump(t, w.db, false)
		w.fresh(t, open())
		var found []archive.Difference
		keep := archive.RebuildOptions{Found: func(d archive.Difference) { found = append(found, d) }}
		r, err := w.open(t).Rebuild(t.Context(), w.log, keep)
		if err != nil || len(found) != 0 || r.Captures != 3 || r.Gone != 1 || r.Cases != 2 || r.Orders != 1 {
			t.Fatalf("%+v, %+v, %v", r, found, err)
		}
		after := dump(t, w.db, false)
		for _, s := range lost(before, after) {
			t.Errorf("lost: %s", s)
		}
		for _, s := range lost(after, before) {
			t.Errorf("new:  %s", s)
		}
		// It is as useful as before: references lead to their payloads, an audit
		// is content, and captures refer to what is there.
		for _, id := range ids[1:] {
			w.isWhole(t, id)
		}
		w.now = w.now.Add(2 * time.Hour)
		if _, err := w.open(t).Audit(t.Context(), w.log, archive.AuditOptions{Found: func(d archive.Difference) { t.Errorf("audit: %+v", d) }}); err != nil {
			t.Error(err)
		}
		// Again, it changes nothing.
		if _, err := w.open(t).Rebuild(t.Context(), w.log, keep); err != nil || !slices.Equal(dump(t, w.db, false), after) || len(found) != 0 {
			t.Errorf("the second time: %+v, %v", found, err)
		}
		next := w.readable()
		w.ingest(t, next)
		w.isWhole(t, next.ID)
	})
}

// Where nothing was erased, the index of payloads comes back as it was, too.
func TestARebuiltIndexOfPayloadsIsTheOneThatWasLost(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.ingest(t, w.readable())
	}
	before := dump(t, w.db, true)
	w.fresh(t, sqldbtest.SQLite(t)())
	if _, err := w.open(t).Rebuild(t.Context(), w.log, archive.RebuildOptions{}); err != nil {
		t.Fatal(err)
	}
	after := dump(t, w.db, true)
	if !slices.Equal(before, after) {
		t.Errorf("lost %q\nnew  %q", lost(before, after), lost(after, before))
	}
}

func TestARebuildBrokenOffIsFinishedByTheNext(t *testing.T) {
	w, _, _ := full(t)
	before := dump(t, w.db, false)
	for stop := 1; ; stop++ {
		w.fresh(t, sqldbtest.SQLite(t)())
		n := 0
		w.vault.Fail = func(string, string) error {
			if n++; n == stop {
				return vault.ErrUnavailable
			}
			return nil
		}
		_, err := w.open(t).Rebuild(t.Context(), w.log, archive.RebuildOptions{})
		w.vault.Fail = nil
		if err == nil {
			if stop < 20 {
				t.Fatalf("the rebuild did only %d things", stop)
			}
			return
		}
		if !errors.Is(err, vault.ErrUnavailable) {
			t.Fatal(err)
		}
		if _, err := w.open(t).Rebuild(t.Context(), w.log, archive.RebuildOptions{}); err != nil {
			t.Fatal(err)
		}
		if after := dump(t, w.db, false); !slices.Equal(before, after) {
			t.Fatalf("stopped at %d: lost %q\nnew %q", stop, lost(before, after), lost(after, before))
		}
		stop += 4 // every fifth is enough
	}
}

// What does not fit is not taken, and told.
func TestARebuildTellsWhatItDoesNotTake(t *testing.T) {
	for name, tt := range map[string]struct {
		damage func(t *testing.T, m *museum)
		want   archive.What
	}{
		"a forged manifest": {func(t *testing.T, m *museum) {
			m.vault.Overwrite(vault.ManifestKey(m.other.ID), m.get(t, vault.ManifestKey(m.first.ID)))
		}, archive.BadManifest},
		"a changed manifest": {func(t *testing.T, m *museum) {
			doc := strings.Replace(string(m.get(t, vault.ManifestKey(m.other.ID))), `"outcome":"captured"`, `"outcome":"removed"`, 1)
			m.vault.Overwrite(vault.ManifestKey(m.other.ID), []byte(doc))
		}, archive.WrongBytes},
		"an event that is gone": {func(t *testing.T, m *museum) { m.destroy(t, vault.CustodyEventKey(m.other.ID)) }, archive.NotInLog},
		"a file that is gone":   {func(t *testing.T, m *museum) { m.destroy(t, key(m.other, capture.RoleFullPage, 1)) }, archive.Missing},
		"a broken WARC": {func(t *testing.T, m *museum) {
			m.vault.Corrupt(vault.WARCKey(m.other.ID), func(b []byte) []byte { return b[:len(b)/2] })
		}, archive.WrongBytes},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMuseum(t)
			tt.damage(t, m)
			m.fresh(t, sqldbtest.SQLite(t)())
			var found []archive.Difference
			r, err := m.open(t).Rebuild(t.Context(), m.log, archive.RebuildOptions{Found: func(d archive.Difference) { found = append(found, d) }})
			if err != nil || len(found) != 1 || found[0].What != tt.want || found[0].Capture != m.other.ID || r.Differences != 1 {
				t.Errorf("%+v, %+v, %v", r, found, err)
			}
		})
	}
}

func TestCasesAreOnRecord(t *testing.T) {
	w := newWorld(t)
	a := w.open(t)
	c := w.ingest(t, w.capture())
	if _, err := a.OpenCase(t.Context(), "", " ", "", "person:ann"); err == nil {
		t.Error("a case without a name was opened")
	}
	if _, err := a.OpenCase(t.Context(), "no/slash", "x", "", "person:ann"); err == nil {
		t.Error("an id that the log cannot hold was taken")
	}
	k, err := a.OpenCase(t.Context(), "", "Aurelle v. X", "", "person:ann")
	if err != nil || k.ID != "2026-03-01-1" {
		t.Fatalf("%+v, %v", k, err)
	}
	if _, err := a.OpenCase(t.Context(), k.ID, "again", "", "person:ann"); err == nil {
		t.Error("one id for two cases")
	}
	if l, err := a.OpenCase(t.Context(), "", "Another", "", "person:ann"); err != nil || l.ID != "2026-03-01-2" {
		t.Errorf("%+v, %v", l, err)
	}
	if err := a.AddToCase(t.Context(), "nowhere", c.ID, "person:ann"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if err := a.AddToCase(t.Context(), k.ID, w.ids.New(), "person:ann"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("%v", err)
	}
	w.must(t, a.CloseCase(t.Context(), k.ID, "person:ann", "settled"))
	w.must(t, a.CloseCase(t.Context(), k.ID, "person:ann", "settled"))
	if err := a.AddToCase(t.Context(), k.ID, c.ID, "person:ann"); err == nil {
		t.Error("a closed case took a capture")
	}
}
