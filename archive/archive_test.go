package archive_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/custody/storetest"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/warc"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// world is an archive over things in memory, and a spool folder that survives
// the archive.
type world struct {
	vault   *vault.Mem
	store   *custody.Mem
	log     *custody.Log
	catalog *catalog.Catalog
	db      *sqldb.DB
	ids     *capture.IDSource
	spool   string
	limit   int64
	whole   bool
	nolock  bool
	now     time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{store: &custody.Mem{}, spool: t.TempDir(), now: noon}
	now := func() time.Time { return w.now }
	w.vault, w.ids = vault.NewMem(now), capture.NewIDSource(now, rand.Reader)
	cfg := storetest.Config(t, "log.example", w.vault, now)
	cfg.Store = w.store
	var err error
	w.log, err = custody.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.db = sqldbtest.SQLite(t)()
	w.catalog, err = catalog.Open(t.Context(), w.db)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// open gives an archive on the world, as a process that just started has it.
func (w *world) open(t *testing.T) *archive.Archive {
	t.Helper()
	a, err := archive.New(archive.Config{
		SpoolDir: w.spool, SpoolLimit: w.limit, Whole: w.whole, Unlocked: w.nolock, Untriaged: 24 * time.Hour, Actor: "worker:test",
		Info: warc.Info{Software: "trawlmark test"},
	}, archive.Deps{
		Vault: w.vault, Catalog: w.catalog, Custody: w.log, IDs: w.ids,
		Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func (w *world) capture() *capture.Capture {
	page := "https://market.example/item/7"
	return &capture.Capture{
		ID: w.ids.New(), URL: page, FinalURL: page, Started: noon, Finished: noon.Add(2 * time.Second), Elapsed: 2 * time.Second,
		Asked:   capture.Asked{Job: "job-1", Epoch: 3, Watch: "watch-1", By: "schedule", Site: "market", PageKind: "listing", ItemID: "7"},
		Outcome: capture.Captured, Evidence: []string{"the page has a product"},
		Exchanges: []*capture.Exchange{{
			ID: w.ids.New(), Via: "http", Kind: "document", Main: true, Started: noon, Finished: noon.Add(time.Second),
			Method: "GET", URL: page, Status: 200, StatusText: "OK", Protocol: "http/1.1",
			ResponseHeader: capture.Header{{Name: "Content-Type", Value: "text/html"}}, Body: capture.Bytes("<html>price 12</html>"),
			Remote: netip.MustParseAddrPort("192.0.2.1:443"),
		}},
		Artifacts: []*capture.Artifact{
			{Role: capture.RoleHTML, MediaType: "text/html", URL: page, Taken: noon, Body: capture.Bytes("<html>price 12</html>")},
			{Role: capture.RoleFullPage, Tile: 1, MediaType: "image/png", URL: page, Taken: noon, Width: 10, Height: 20, Body: capture.Bytes("png1")},
			{Role: capture.RoleFullPage, Tile: 2, MediaType: "image/png", URL: page, Taken: noon, Width: 10, Height: 5, Body: capture.Bytes("png2")},
		},
		Environment: capture.Environment{Software: "trawlmark test", UserAgent: "Trawlmark/test"},
		Clock:       capture.Clock{Source: "system"}, Policy: capture.Policy{Robots: "allowed", Render: "auto"},
	}
}

var seen = archive.Description{Title: "Belvoir bag", Price: "12", Currency: "EUR", Seller: "Shop"}

func TestIngestKeepsEverythingLockedAndListed(t *testing.T) {
	w := newWorld(t)
	a := w.open(t)
	c := w.capture()
	r, err := a.Ingest(t.Context(), c, seen)
	if err != nil {
		t.Fatal(err)
	}
	doc := w.get(t, vault.ManifestKey(c.ID))
	m, err := manifest.Parse(doc)
	if err != nil {
		t.Fatal(err)
	}
	if r.Manifest != capture.Sum(doc) {
		t.Error("the receipt's digest is not the stored manifest's")
	}
	if len(m.Artifacts) != 4 {
		t.Errorf("the manifest lists %d files, want the WARC, the HTML and two tiles", len(m.Artifacts))
	}
	for _, f := range m.Artifacts {
		got := w.get(t, f.Key)
		if capture.Sum(got) != f.SHA256 || int64(len(got)) != f.Bytes {
			t.Errorf("%s: the stored bytes are not those of the manifest", f.Key)
		}
		info, err := w.vault.Stat(t.Context(), f.Key, f.Version)
		if err != nil || info.RetainUntil.Before(noon.Add(24*time.Hour)) {
			t.Errorf("%s in the version of the manifest is locked until %v, %v", f.Key, info.RetainUntil, err)
		}
		if err := w.vault.Delete(t.Context(), f.Key, f.Version); !errors.Is(err, vault.ErrLocked) {
			t.Errorf("%s could be deleted: %v", f.Key, err)
		}
	}
	e, err := w.catalog.Get(t.Context(), c.ID)
	if err != nil || e.Title != "Belvoir bag" || e.Manifest != r.Manifest || e.Watch != "watch-1" {
		t.Errorf("the catalogue has %+v, %v", e, err)
	}
	rows, err := w.log.About(t.Context(), custody.Subject{Capture: c.ID})
	if err != nil || len(rows) != 1 || rows[0].Entry.Type != custody.Captured {
		t.Errorf("custody events: %+v, %v", rows, err)
	}
	if left, err := a.Waiting(); err != nil || len(left) != 0 {
		t.Errorf("the spool still has %v, %v", left, err)
	}
	if used, _ := a.Backlog(); used != 0 {
		t.Errorf("%d bytes of the spool are counted", used)
	}
}

func (w *world) get(t *testing.T, key string) []byte {
	t.Helper()
	r, _, err := w.vault.Get(t.Context(), key, "")
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every write of an ingest, failed or failed-but-stored: storing again, also
// by a fresh process, ends in the same evidence and one custody event.
func TestStoringAgainAfterAnyFailureEndsTheSame(t *testing.T) {
	const writes = 6 // 4 files, manifest, custody event
	for n := range writes {
		for _, happened := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, happened %v", n, happened), func(t *testing.T) {
				w := newWorld(t)
				c := w.capture()
				p, err := w.open(t).Prepare(t.Context(), c, seen, json.RawMessage(`{"job":"job-1"}`))
				if err != nil {
					t.Fatal(err)
				}
				var count atomic.Int64
				fail := func(op, _ string) error {
					if op == vault.OpPut && count.Add(1) == int64(n)+1 {
						return vault.ErrUnavailable
					}
					return nil
				}
				if happened {
					w.vault.FailAfter = fail
				} else {
					w.vault.Fail = fail
				}
				if _, err := w.open(t).Store(t.Context(), p); !errors.Is(err, vault.ErrUnavailable) {
					t.Fatalf("the fault did not show: %v", err)
				}
				w.vault.Fail, w.vault.FailAfter = nil, nil

				a := w.open(t) // the next process
				waiting, err := a.Waiting()
				if err != nil || len(waiting) != 1 || waiting[0].ID != c.ID || string(waiting[0].Note) != `{"job":"job-1"}` {
					t.Fatalf("the spool has %+v, %v", waiting, err)
				}
				if _, err := a.Store(t.Context(), waiting[0]); err != nil {
					t.Fatal(err)
				}
				w.complete(t, c.ID)
			})
		}
	}
}

// complete checks that a capture is whole: once in catalogue and custody, and
// every object of its manifest there.
func (w *world) complete(t *testing.T, id capture.ID) {
	t.Helper()
	m, err := manifest.Parse(w.get(t, vault.ManifestKey(id)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Artifacts {
		if capture.Sum(w.get(t, f.Key)) != f.SHA256 {
			t.Errorf("%s differs from the manifest", f.Key)
		}
	}
	rows, err := w.log.About(t.Context(), custody.Subject{Capture: id})
	if err != nil || len(rows) != 1 {
		t.Errorf("%d custody events, %v", len(rows), err)
	}
	if _, err := w.catalog.Get(t.Context(), id); err != nil {
		t.Error(err)
	}
}

func TestCustodyFailureIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	c := w.capture()
	a := w.open(t)
	p, err := a.Prepare(t.Context(), c, seen, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.vault.FailAfter = func(_, key string) error {
		if strings.HasPrefix(key, vault.CustodyEventsPrefix) {
			cancel() // the process is told to stop right here
			return ctx.Err()
		}
		return nil
	}
	if _, err := a.Store(ctx, p); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	w.vault.FailAfter = nil
	if _, err := a.Store(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.complete(t, c.ID)
}

func TestAnotherCapturesBytesUnderTheKeyAreRefused(t *testing.T) {
	w := newWorld(t)
	c := w.capture()
	forged := []byte("not the page")
	if _, err := w.vault.Put(t.Context(), vault.Put{
		Key: vault.CaptureKey(c.ID, "page.html"), Body: capture.Bytes(forged), SHA256: capture.Sum(forged),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.open(t).Ingest(t.Context(), c, seen); !errors.Is(err, vault.ErrExists) {
		t.Errorf("got %v", err)
	}
	if _, err := w.catalog.Get(t.Context(), c.ID); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("a capture that is not whole stands in the catalogue: %v", err)
	}
}

// A storage that died between bytes and lock kept an object without its lock.
func TestAnObjectThatIsThereWithoutItsLockGetsIt(t *testing.T) {
	w := newWorld(t)
	c := w.capture()
	page := []byte("<html>price 12</html>")
	key := vault.CaptureKey(c.ID, "page.html")
	if _, err := w.vault.Put(t.Context(), vault.Put{Key: key, Body: capture.Bytes(page), SHA256: capture.Sum(page)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.open(t).Ingest(t.Context(), c, seen); err != nil {
		t.Fatal(err)
	}
	if info, err := w.vault.Stat(t.Context(), key, ""); err != nil || info.RetainUntil.Before(noon.Add(24*time.Hour)) {
		t.Errorf("it is locked until %v, %v", info.RetainUntil, err)
	}
}

func TestAFullSpoolSaysSo(t *testing.T) {
	w := newWorld(t)
	w.limit = 1
	a := w.open(t)
	if _, err := a.Prepare(t.Context(), w.capture(), seen, nil); err != nil {
		t.Fatal(err) // the first one may cross the limit
	}
	if _, err := a.Prepare(t.Context(), w.capture(), seen, nil); !errors.Is(err, archive.ErrSpoolFull) {
		t.Errorf("got %v", err)
	}
	if used, limit := a.Backlog(); used <= limit {
		t.Errorf("backlog %d of %d", used, limit)
	}
}

func TestWhatACrashLeftUnfinishedIsSweptAndTheRestKept(t *testing.T) {
	w := newWorld(t)
	if _, err := w.open(t).Prepare(t.Context(), w.capture(), seen, nil); err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(w.spool, w.ids.New().String()+".tmp")
	if err := os.Mkdir(cut, 0o700); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(w.spool, w.ids.New().String())
	if err := os.Mkdir(broken, 0o700); err != nil {
		t.Fatal(err)
	}
	waiting, err := w.open(t).Waiting()
	if len(waiting) != 1 {
		t.Errorf("%d captures wait, want 1", len(waiting))
	}
	if err == nil || !strings.Contains(err.Error(), broken) {
		t.Errorf("a folder that cannot be read was not reported: %v", err)
	}
	if _, err := os.Stat(cut); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unfinished folder is still there: %v", err)
	}
}

func TestAnUnknownOutcomeIsRefused(t *testing.T) {
	w := newWorld(t)
	c := w.capture()
	c.Outcome = "fine"
	if _, err := w.open(t).Prepare(t.Context(), c, seen, nil); err == nil {
		t.Error("was taken")
	}
}

func TestAWholeWARCHoldsTheExchangeAndTheArtifacts(t *testing.T) {
	for _, whole := range []bool{false, true} {
		w := newWorld(t)
		w.whole = whole
		c := w.capture()
		a := w.open(t)
		if _, err := a.Ingest(t.Context(), c, seen); err != nil {
			t.Fatal(err)
		}
		var b, again bytes.Buffer
		if err := a.WriteWhole(t.Context(), c.ID, &b, t.TempDir()); err != nil {
			t.Fatal(err)
		}
		if err := a.WriteWhole(t.Context(), c.ID, &again, t.TempDir()); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
			t.Errorf("the second time gave other bytes, %v", err)
		}
		targets := records(t, b.Bytes())
		for _, want := range []string{"response " + c.URL, "request " + c.URL, "resource urn:fullPage:1:" + c.URL, "resource urn:fullPage:2:" + c.URL} {
			if n := count(targets, want); n != 1 {
				t.Errorf("stored whole %v: the WARC has %d records %q: %q", whole, n, want, targets)
			}
		}
		stored := records(t, w.get(t, vault.WARCKey(c.ID)))
		if got := slices.Contains(stored, "resource urn:fullPage:1:"+c.URL); got != whole {
			t.Errorf("stored whole %v: screenshots in the stored WARC: %v", whole, got)
		}
	}
}

// records gives "type target" of each record of a WARC.
func records(t *testing.T, b []byte) []string {
	t.Helper()
	r := warc.NewReader(bytes.NewReader(b))
	var all []string
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(rec.Type)+" "+rec.Target)
	}
}

func count(all []string, want string) int {
	n := 0
	for _, s := range all {
		if s == want {
			n++
		}
	}
	return n
}
