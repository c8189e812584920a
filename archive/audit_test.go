package archive_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// museum is a world with four captures in it: one that expired, two that share
// what they have, one by itself; all logged and older than an audit's grace.
type museum struct {
	*world
	expired, first, second, other archive.Receipt
}

func newMuseum(t *testing.T) *museum {
	m := &museum{world: newWorld(t)}
	m.expired = m.ingest(t, m.rich())
	m.now = m.now.Add(month)
	if x, err := m.open(t).Expire(t.Context(), false); err != nil || x.Done != 1 {
		t.Fatal(x, err)
	}
	m.first, m.second = m.ingest(t, m.rich()), m.ingest(t, m.rich())
	c := m.rich()
	c.Asked.Site, c.Artifacts[1].Body = "elsewhere", capture.Bytes("another picture"+string(picture))
	m.other = m.ingest(t, c)
	m.now = m.now.Add(2 * time.Hour)
	if _, err := m.log.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

// key is where a file of a capture lies.
func key(r archive.Receipt, role capture.Role, tile int) string {
	for _, o := range r.Objects {
		if o.Role == string(role) && o.Tile == tile {
			return o.Key
		}
	}
	panic("no such file: " + string(role))
}

func (m *museum) audit(t *testing.T, o archive.AuditOptions) ([]archive.Difference, archive.AuditReport) {
	t.Helper()
	var found []archive.Difference
	o.Found = func(d archive.Difference) { found = append(found, d) }
	r, err := m.open(t).Audit(t.Context(), m.log, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Differences != int64(len(found)) {
		t.Errorf("%d differences are counted and %d told", r.Differences, len(found))
	}
	return found, r
}

func TestAnAuditOfAGoodArchiveFindsNothing(t *testing.T) {
	m := newMuseum(t)
	for _, deep := range []bool{false, true} {
		found, r := m.audit(t, archive.AuditOptions{Deep: deep})
		if len(found) != 0 {
			t.Errorf("deep %v: %+v", deep, found)
		}
		if r.Captures != 3 || r.Gone != 1 || r.LogEntries == 0 || r.Storing != 0 || r.Position.Phase != archive.PhaseDone {
			t.Errorf("deep %v: %+v", deep, r)
		}
	}
}

// Each fault is one thing that a hand, a disk or a lost database can do.
func TestAnAuditFindsEveryDifference(t *testing.T) {
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	for name, tt := range map[string]struct {
		damage func(t *testing.T, m *museum)
		deep   bool
		want   []archive.What // all of them must be found, and no others
		about  string         // in the key of one of them
	}{
		"a file is deleted": {func(t *testing.T, m *museum) { m.destroy(t, key(m.other, capture.RoleFullPage, 1)) }, false, []archive.What{archive.Missing}, "fullpage-001.png"},
		"a shared file is deleted": {
			func(t *testing.T, m *museum) { m.destroy(t, key(m.first, capture.RoleFullPage, 1)) }, false,
			[]archive.What{archive.Missing, archive.Missing},
			"fullpage-001.png",
		},
		"the WARC that another refers to is deleted": {
			func(t *testing.T, m *museum) { m.destroy(t, vault.WARCKey(m.first.ID)) }, false,
			[]archive.What{archive.Missing, archive.Missing},
			"capture.warc.gz",
		},
		"a manifest is deleted": {func(t *testing.T, m *museum) { m.destroy(t, vault.ManifestKey(m.other.ID)) }, false, []archive.What{archive.Missing}, "manifest.json"},
		"a folder is deleted": {func(t *testing.T, m *museum) {
			for info := range m.vault.List(t.Context(), vault.CaptureFolder(m.other.ID), "") {
				m.destroy(t, info.Key)
			}
		}, false, []archive.What{archive.Missing}, "manifest.json"},
		"a file is overwritten": {func(t *testing.T, m *museum) { m.vault.Overwrite(vault.WARCKey(m.other.ID), []byte("x")) }, false, []archive.What{archive.Covered}, "capture.warc.gz"},
		"a file is hidden":      {func(t *testing.T, m *museum) { m.vault.Hide(vault.WARCKey(m.other.ID)) }, false, []archive.What{archive.Covered}, "capture.warc.gz"},
		"a manifest is hidden":  {func(t *testing.T, m *museum) { m.vault.Hide(vault.ManifestKey(m.other.ID)) }, false, []archive.What{archive.Covered}, "manifest.json"},
		"a disk flips a bit":    {func(t *testing.T, m *museum) { m.vault.Corrupt(vault.WARCKey(m.other.ID), flip) }, true, []archive.What{archive.WrongBytes}, "capture.warc.gz"},
		"a disk cuts a file": {func(t *testing.T, m *museum) {
			m.vault.Corrupt(vault.WARCKey(m.other.ID), func(b []byte) []byte { return b[1:] })
		}, true, []archive.What{archive.WrongSize}, "capture.warc.gz"},
		"a manifest flips a bit": {func(t *testing.T, m *museum) { m.vault.Corrupt(vault.ManifestKey(m.other.ID), flip) }, false, []archive.What{archive.WrongBytes}, "manifest.json"},
		"a file that no manifest names": {
			func(t *testing.T, m *museum) { m.plant(t, vault.CaptureKey(m.other.ID, "planted.html")) }, false,
			[]archive.What{archive.NotInManifest},
			"planted.html",
		},
		"a strange key": {func(t *testing.T, m *museum) { m.plant(t, "captures/notes.txt") }, false, []archive.What{archive.NotInManifest}, "notes.txt"},
		"a shared object that nobody needs": {
			func(t *testing.T, m *museum) { m.plant(t, vault.SharedKey(capture.Sum([]byte("planted")), "dom.html")) }, false,
			[]archive.What{archive.NotInManifest},
			"dom.html",
		},
		"a capture whose storing never ended": {
			func(t *testing.T, m *museum) { m.plant(t, vault.CaptureKey(m.ids.New(), "page.html")) }, false,
			[]archive.What{archive.NotInManifest},
			"page.html",
		},
		"the lock is too short": {func(t *testing.T, m *museum) {
			e := m.other.Entry
			e.RetainUntil = e.RetainUntil.AddDate(1, 0, 0)
			m.must(t, m.catalog.SetRetention(t.Context(), e))
		}, false, []archive.What{archive.Unlocked, archive.Unlocked, archive.Unlocked, archive.Unlocked, archive.Unlocked}, ""},
		"the hold is missing": {func(t *testing.T, m *museum) {
			m.must(t, m.open(t).Hold(t.Context(), m.other.ID, true, "person:ann", "x"))
			m.must(t, m.vault.Hold(t.Context(), vault.WARCKey(m.other.ID), "", false))
		}, false, []archive.What{archive.NoHold}, "capture.warc.gz"},
		"the catalogue lost a capture": {
			func(t *testing.T, m *museum) { m.exec(t, `DELETE FROM capture WHERE id = $1`, m.other.ID.String()) }, false,
			[]archive.What{archive.NotInCatalogue, archive.NotInManifest},
			"",
		},
		"the catalogue has another digest": {func(t *testing.T, m *museum) {
			m.exec(t, `UPDATE capture SET manifest_sha256 = $1 WHERE id = $2`, capture.Sum(nil).String(), m.other.ID.String())
		}, false, []archive.What{archive.WrongBytes, archive.Differs}, "manifest.json"},
		"the catalogue has another version of a file": {func(t *testing.T, m *museum) {
			m.exec(t, `UPDATE artifact SET version = 'v0' WHERE role = 'warc' AND capture = $1`, m.other.ID.String())
		}, false, []archive.What{archive.Differs}, "capture.warc.gz"},
		"the catalogue has a file too many": {func(t *testing.T, m *museum) {
			m.exec(t, `UPDATE artifact SET object_key = 'elsewhere' WHERE role = 'warc' AND capture = $1`, m.other.ID.String())
		}, false, []archive.What{archive.Differs, archive.Differs}, "elsewhere"},
		"the catalogue says expired": {
			func(t *testing.T, m *museum) { m.must(t, m.catalog.Forget(t.Context(), m.other.ID, catalog.Expired)) }, false,
			[]archive.What{archive.NotInLog, archive.NotErased, archive.NotErased, archive.NotErased, archive.NotInManifest},
			"",
		},
		"something of an erased capture is there": {
			func(t *testing.T, m *museum) { m.plant(t, vault.CaptureKey(m.expired.ID, "viewport.png")) }, false,
			[]archive.What{archive.NotErased},
			"viewport.png",
		},
		"the event is deleted": {
			func(t *testing.T, m *museum) { m.destroy(t, vault.CustodyEventKey(m.other.ID)) }, false,
			[]archive.What{archive.NotInLog, archive.BadLog},
			"",
		},
		"the event is cut": {
			func(t *testing.T, m *museum) {
				m.vault.Corrupt(vault.CustodyEventKey(m.other.ID), func(b []byte) []byte { return b[1:] })
			}, false,
			[]archive.What{archive.NotInLog, archive.BadLog},
			"",
		},
		"vault and catalogue lost a capture": {func(t *testing.T, m *museum) {
			for info := range m.vault.List(t.Context(), vault.CaptureFolder(m.other.ID), "") {
				m.destroy(t, info.Key)
			}
			m.exec(t, `DELETE FROM capture WHERE id = $1`, m.other.ID.String())
		}, false, []archive.What{archive.NotInVault, archive.NotInManifest}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMuseum(t)
			tt.damage(t, m)
			m.now = m.now.Add(2 * time.Hour)
			found, _ := m.audit(t, archive.AuditOptions{Deep: tt.deep})
			var kinds []string
			about := tt.about == ""
			for _, d := range found {
				kinds = append(kinds, string(d.What))
				about = about || strings.HasSuffix(d.Key, tt.about)
				if d.Text == "" {
					t.Errorf("no sentence: %+v", d)
				}
			}
			var want []string
			for _, w := range tt.want {
				want = append(want, string(w))
			}
			slices.Sort(kinds)
			slices.Sort(want)
			if !slices.Equal(kinds, want) || !about {
				t.Errorf("found %+v\nwant %v about %q", found, want, tt.about)
			}
		})
	}
}

func (w *world) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// destroy removes all versions of a key past every lock, as a failing storage
// does.
func (w *world) destroy(t *testing.T, key string) {
	t.Helper()
	now := w.now
	w.now = now.AddDate(100, 0, 0)
	defer func() { w.now = now }()
	info, err := w.vault.Stat(t.Context(), key, "")
	w.must(t, err)
	w.must(t, w.vault.Delete(t.Context(), key, info.Version))
}

func (w *world) plant(t *testing.T, key string) {
	t.Helper()
	_, err := w.vault.Put(t.Context(), vault.NewPut(key, "text/plain", []byte("planted")))
	w.must(t, err)
}

func (w *world) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	for _, q := range []string{"PRAGMA foreign_keys = OFF", query} {
		if q != query {
			_, err := w.db.ExecContext(t.Context(), q)
			w.must(t, err)
			continue
		}
		_, err := w.db.ExecContext(t.Context(), q, args...)
		w.must(t, err)
	}
}

func TestWhatIsJustBeingStoredIsNoDifference(t *testing.T) {
	m := newMuseum(t)
	m.plant(t, vault.CaptureKey(m.ids.New(), "page.html"))
	m.plant(t, vault.SharedKey(capture.Sum([]byte("planted")), "dom.html"))
	if found, r := m.audit(t, archive.AuditOptions{}); len(found) != 0 || r.Storing != 2 {
		t.Errorf("%+v, %+v", found, r)
	}
}

// An audit that breaks off anywhere goes on there, and finds the same.
func TestAnAuditGoesOnWhereItBrokeOff(t *testing.T) {
	m := newMuseum(t)
	m.vault.Hide(vault.WARCKey(m.other.ID))
	m.plant(t, vault.SharedKey(capture.Sum([]byte("planted")), "dom.html"))
	m.now = m.now.Add(2 * time.Hour)
	want, _ := m.audit(t, archive.AuditOptions{})
	if len(want) != 2 {
		t.Fatal(want)
	}
	for stop := 1; ; stop++ {
		ctx, cancel := context.WithCancel(t.Context())
		var n atomic.Int64 // the log is read by several goroutines
		m.vault.Fail = func(op, _ string) error {
			if n.Add(1) == int64(stop) {
				cancel()
				return ctx.Err()
			}
			return nil
		}
		var found []archive.Difference
		keep := func(d archive.Difference) { found = append(found, d) }
		r, err := m.open(t).Audit(ctx, m.log, archive.AuditOptions{Found: keep})
		m.vault.Fail = nil
		cancel()
		if err == nil {
			if stop < 10 {
				t.Fatalf("the audit did only %d things", stop)
			}
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if _, err := m.open(t).Audit(t.Context(), m.log, archive.AuditOptions{From: r.Position, Found: keep}); err != nil {
			t.Fatal(err)
		}
		seen := map[archive.Difference]bool{}
		for _, d := range found {
			seen[d] = true
		}
		for _, d := range want {
			if !seen[d] {
				t.Errorf("stopped at %d, %+v was not found in %+v", stop, d, found)
			}
		}
	}
}

func TestARehashFindsWhatAuditsDo(t *testing.T) {
	for name, tt := range map[string]struct {
		damage func(t *testing.T, m *museum)
		want   archive.What
		failed int
	}{
		"nothing": {func(*testing.T, *museum) {}, "", 0},
		"bytes": {func(t *testing.T, m *museum) {
			m.vault.Corrupt(vault.WARCKey(m.other.ID), func(b []byte) []byte { b[7] ^= 1; return b })
		}, archive.WrongBytes, 0},
		"size": {func(t *testing.T, m *museum) {
			m.vault.Corrupt(vault.WARCKey(m.other.ID), func(b []byte) []byte { return b[1:] })
		}, archive.WrongSize, 0},
		"manifest": {func(t *testing.T, m *museum) {
			m.vault.Corrupt(vault.ManifestKey(m.other.ID), func(b []byte) []byte { b[7] ^= 1; return b })
		}, archive.WrongBytes, 0},
		"gone":   {func(t *testing.T, m *museum) { m.destroy(t, vault.WARCKey(m.other.ID)) }, archive.Missing, 0},
		"hidden": {func(t *testing.T, m *museum) { m.vault.Hide(vault.WARCKey(m.other.ID)) }, archive.Covered, 0},
		"does not answer": {func(t *testing.T, m *museum) {
			m.vault.Fail = func(op, key string) error {
				if op == vault.OpRead && key == vault.WARCKey(m.other.ID) {
					return vault.ErrUnavailable
				}
				return nil
			}
		}, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMuseum(t)
			tt.damage(t, m)
			s, err := m.open(t).Rehash(t.Context(), 10)
			if err != nil || s.Captures != 3 || s.Failed != tt.failed {
				t.Fatalf("%+v, %v", s, err)
			}
			if tt.want == "" && len(s.Found) != 0 || tt.want != "" && (len(s.Found) != 1 || s.Found[0].What != tt.want || s.Found[0].Capture != m.other.ID) {
				t.Errorf("found %+v, want %q", s.Found, tt.want)
			}
		})
	}
}

// The sample is drawn by the randomness that is given, every capture alike.
func TestARehashReadsARandomSample(t *testing.T) {
	w := newWorld(t)
	var all []capture.ID
	for range 8 {
		all = append(all, w.ingest(t, w.capture()).ID)
	}
	random := &fixed{src: rand.NewChaCha8([32]byte{1})}
	times := map[capture.ID]int{}
	for range 200 {
		got, err := w.catalog.Sample(t.Context(), 2, random)
		if err != nil || len(got) != 2 || got[0].ID == got[1].ID {
			t.Fatal(got, err)
		}
		times[got[0].ID]++
		times[got[1].ID]++
	}
	for _, id := range all {
		if n := times[id]; n < 25 || n > 80 { // 50 expected
			t.Errorf("capture %s was chosen %d times of 400", id, n)
		}
	}
	if _, err := w.catalog.Sample(t.Context(), 2, strings.NewReader("short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("without randomness: %v", err)
	}
}

type fixed struct{ src *rand.ChaCha8 }

func (f *fixed) Read(p []byte) (int, error) { return f.src.Read(p) }

func TestAKeeperTellsWhatItFound(t *testing.T) {
	m := newMuseum(t)
	m.vault.Hide(vault.WARCKey(m.other.ID))
	var out bytes.Buffer
	k := archive.NewKeeper(m.open(t), archive.KeeperConfig{Sample: 10, Expire: true}, logTo(&out))
	if _, err := k.Turn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := k.Last(); r == nil || len(r.Sample.Found) != 1 || r.Error != "" || r.Ended.IsZero() {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(out.String(), "covered") || !strings.Contains(out.String(), m.other.ID.String()) {
		t.Errorf("the log says %q", out.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.Run(ctx, time.Hour); err != nil {
		t.Errorf("a keeper that is stopped gives %v", err)
	}
}

func TestEveryDifferenceIsExplained(t *testing.T) {
	page, err := os.ReadFile("../docs/archive.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range archive.Kinds() {
		if !strings.Contains(string(page), "`"+string(w)+"`") {
			t.Errorf("docs/archive.md does not say what to do about %s", w)
		}
	}
}
