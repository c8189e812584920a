package archive_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/warc"
)

var (
	script  = bytes.Repeat([]byte("console.log('a script of the site');\n"), 200)
	picture = bytes.Repeat([]byte("the pixels of a screenshot "), 300)
)

// rich is a capture with a subresource, a page and a screenshot that are large
// enough to be shared.
func (w *world) rich() *capture.Capture {
	c := w.capture()
	c.Started, c.Finished = w.now, w.now.Add(2*time.Second)
	page := []byte("<html>" + strings.Repeat("price 12 ", 400) + "</html>")
	c.Exchanges[0].Body, c.Exchanges[0].Started = capture.Bytes(page), w.now
	c.Exchanges = append(c.Exchanges, &capture.Exchange{
		ID: w.ids.New(), Via: "chrome", Kind: "script", Started: w.now, Finished: w.now.Add(time.Second), Method: "GET", URL: "https://cdn.example/app.js",
		Status: 200, StatusText: "OK", Protocol: "h2", ResponseHeader: capture.Header{{Name: "Content-Type", Value: "text/javascript"}},
		Body: capture.Bytes(script), Decoded: true, Remote: netip.MustParseAddrPort("192.0.2.2:443"),
	})
	c.Artifacts[0].Body = capture.Bytes(page)
	c.Artifacts[1].Body = capture.Bytes(picture)
	return c
}

func (w *world) ingest(t *testing.T, c *capture.Capture) archive.Receipt {
	t.Helper()
	r, err := w.open(t).Ingest(t.Context(), c, seen)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bytesIn is what the vault holds of the captures.
func (w *world) bytesIn(t *testing.T) int64 {
	t.Helper()
	var n int64
	for _, prefix := range []string{vault.CapturesPrefix, vault.BlobsPrefix, vault.CustodyEventsPrefix} {
		for info, err := range w.vault.List(t.Context(), prefix, "") {
			if err != nil {
				t.Fatal(err)
			}
			n += info.Size
		}
	}
	return n
}

func TestTheSameBytesAreStoredOnce(t *testing.T) {
	w := newWorld(t)
	first := w.rich()
	w.ingest(t, first)
	before := w.bytesIn(t)
	w.now = w.now.Add(3 * time.Hour)
	second := w.rich()
	r := w.ingest(t, second)

	stored := records(t, w.get(t, vault.WARCKey(second.ID)))
	if count(stored, "revisit https://cdn.example/app.js") != 1 || count(stored, "response "+second.URL) != 1 {
		t.Errorf("the script must be referred to and the page must be there: %q", stored)
	}
	if added := w.bytesIn(t) - before; added > int64(len(script)) {
		t.Errorf("the second capture added %d bytes", added)
	}
	for _, o := range r.Objects {
		if o.Role == manifest.RoleWARC || o.Bytes < 1024 {
			continue
		}
		if _, name, ok := vault.ParseSharedKey(o.Key); !ok || name == "" {
			t.Errorf("%s lies under %s and is not shared", o.Role, o.Key)
		}
		info, err := w.vault.Stat(t.Context(), o.Key, o.Version)
		if err != nil || info.RetainUntil.Before(r.Entry.RetainUntil) {
			t.Errorf("%s is locked until %s, the capture until %s, %v", o.Key, info.RetainUntil, r.Entry.RetainUntil, err)
		}
	}
	// What it refers to is locked as long, and that is on record.
	info, err := w.vault.Stat(t.Context(), vault.WARCKey(first.ID), "")
	if err != nil || info.RetainUntil.Before(r.Entry.RetainUntil) {
		t.Errorf("the WARC of the first is locked until %s, the second capture until %s, %v", info.RetainUntil, r.Entry.RetainUntil, err)
	}
	rows, err := w.log.About(t.Context(), custody.Subject{Capture: first.ID})
	if err != nil || len(rows) != 2 || rows[1].Entry.Type != custody.RetentionChanged {
		t.Errorf("the events of the first are %+v, %v", rows, err)
	}
	w.isWhole(t, second.ID)

	// A third one on the same day extends nothing again.
	w.ingest(t, w.rich())
	if rows, _ := w.log.About(t.Context(), custody.Subject{Capture: first.ID}); len(rows) != 2 {
		t.Errorf("each capture extends the lock anew: %d events", len(rows))
	}
}

// isWhole makes the WARC of a capture whole and checks the script in it.
func (w *world) isWhole(t *testing.T, id capture.ID) {
	t.Helper()
	var b bytes.Buffer
	if err := w.open(t).WriteWhole(t.Context(), id, &b, t.TempDir()); err != nil {
		t.Errorf("capture %s: %v", id, err)
		return
	}
	r := warc.NewReader(&b)
	found := false
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.Type == warc.TypeRevisit {
			t.Errorf("%s is still a reference", rec.Target)
		}
		if rec.Type == warc.TypeResponse && rec.Target == "https://cdn.example/app.js" {
			m, err := rec.HTTP()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(m.Body)
			found = err == nil && bytes.Equal(got, script)
		}
	}
	if !found {
		t.Error("the script is not there, or has other bytes")
	}
}

func TestWhatIsNotReferredTo(t *testing.T) {
	for name, change := range map[string]func(w *world, first, second *capture.Capture){
		"another site":        func(_ *world, _, second *capture.Capture) { second.Asked.Site = "other" },
		"too old":             func(_ *world, _, second *capture.Capture) { second.Started = second.Started.Add(31 * 24 * time.Hour) },
		"other bytes":         func(_ *world, _, second *capture.Capture) { second.Exchanges[1].Body = capture.Bytes(script[1:]) },
		"cut short":           func(_ *world, _, second *capture.Capture) { second.Exchanges[1].Truncated = capture.ByTime },
		"the first cut short": func(_ *world, first, _ *capture.Capture) { first.Exchanges[1].Truncated = capture.ByTime },
		"everything whole":    func(w *world, _, _ *capture.Capture) { w.whole = true },
		"the page itself":     func(_ *world, _, second *capture.Capture) { second.Exchanges[1].Main = true },
		"small": func(_ *world, first, second *capture.Capture) {
			first.Exchanges[1].Body, second.Exchanges[1].Body = capture.Bytes(script[:1023]), capture.Bytes(script[:1023])
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			first, second := w.rich(), w.rich()
			change(w, first, second)
			w.ingest(t, first)
			w.ingest(t, second)
			if stored := records(t, w.get(t, vault.WARCKey(second.ID))); count(stored, "revisit https://cdn.example/app.js") != 0 {
				t.Errorf("%q", stored)
			}
		})
	}
}

// Between preparing and storing, what a capture refers to may go: the spool
// has the bytes.
func TestWhatWasReferredToIsGoneWhenTheCaptureIsStored(t *testing.T) {
	w := newWorld(t)
	first := w.rich()
	w.ingest(t, first)
	w.now = w.now.Add(3 * time.Hour)
	p, err := w.open(t).Prepare(t.Context(), w.rich(), seen, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(22 * time.Hour) // past the first lock, before the second
	info, err := w.vault.Stat(t.Context(), vault.WARCKey(first.ID), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.vault.Delete(t.Context(), info.Key, info.Version); err != nil {
		t.Fatal(err)
	}
	if _, err := w.open(t).Store(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.isWhole(t, p.ID)
}

// Between preparing and storing, an order may move what a capture refers to.
func TestWhatWasReferredToHasMovedWhenTheCaptureIsStored(t *testing.T) {
	w := newWorld(t)
	first, second := w.rich(), w.rich()
	w.ingest(t, first)
	w.ingest(t, second) // needs the payload, so that it is moved
	p, err := w.open(t).Prepare(t.Context(), w.rich(), seen, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.open(t).Erase(t.Context(), first.ID, "person:ann", "order 7"); err != nil {
		t.Fatal(err)
	}
	before, err := w.vault.Stat(t.Context(), vault.WARCKey(first.ID), "")
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(10 * time.Hour)
	p.Entry.RetainUntil = w.now.AddDate(1, 0, 0)
	if _, err := w.open(t).Store(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.isWhole(t, p.ID)
	if after, err := w.vault.Stat(t.Context(), vault.WARCKey(first.ID), ""); err != nil || !after.RetainUntil.Equal(before.RetainUntil) {
		t.Errorf("what is to be erased was locked for longer, until %s, %v", after.RetainUntil, err)
	}
	moved, err := w.vault.Stat(t.Context(), vault.SharedKey(capture.Sum(script), vault.FilePayload), "")
	if err != nil || moved.RetainUntil.Before(p.Entry.RetainUntil) {
		t.Errorf("the payload is locked until %s, %v", moved.RetainUntil, err)
	}
}

func TestAHoldReachesWhatACaptureRefersTo(t *testing.T) {
	w := newWorld(t)
	first, second := w.rich(), w.rich()
	w.ingest(t, first)
	r := w.ingest(t, second)
	a := w.open(t)
	held := func(key string) bool {
		info, err := w.vault.Stat(t.Context(), key, "")
		if err != nil {
			t.Fatal(err)
		}
		return info.Hold
	}
	for _, id := range []capture.ID{first.ID, second.ID} {
		if err := a.Hold(t.Context(), id, true, "person:ann", "Aurelle v. Shop"); err != nil {
			t.Fatal(err)
		}
	}
	if !held(vault.WARCKey(first.ID)) {
		t.Error("the WARC that the held capture refers to is not held")
	}
	if err := a.Hold(t.Context(), first.ID, false, "person:ann", "settled"); err != nil {
		t.Fatal(err)
	}
	if !held(vault.WARCKey(first.ID)) || !held(r.Objects[1].Key) {
		t.Error("releasing the first took away what the second needs")
	}
	if held(vault.ManifestKey(first.ID)) {
		t.Error("the first is still held")
	}
	if err := a.Hold(t.Context(), second.ID, false, "person:ann", "settled"); err != nil {
		t.Fatal(err)
	}
	if held(vault.WARCKey(first.ID)) || held(r.Objects[1].Key) {
		t.Error("something stays held for nobody")
	}
}

func TestExtendingReachesWhatACaptureRefersTo(t *testing.T) {
	w := newWorld(t)
	first, second := w.rich(), w.rich()
	w.ingest(t, first)
	w.ingest(t, second)
	until := w.now.AddDate(2, 0, 0)
	if err := w.open(t).Extend(t.Context(), second.ID, until, "worker:test", "a finding"); err != nil {
		t.Fatal(err)
	}
	if info, err := w.vault.Stat(t.Context(), vault.WARCKey(first.ID), ""); err != nil || info.RetainUntil.Before(until) {
		t.Errorf("it is locked until %s, %v", info.RetainUntil, err)
	}
	if e, err := w.catalog.Get(t.Context(), first.ID); err != nil || !e.RetainUntil.Before(until) {
		t.Errorf("the first capture itself is extended to %s, %v", e.RetainUntil, err)
	}
}

// Other bytes over a shared object are for the audit to find; captures go on.
func TestAnOverwrittenSharedObjectStopsNoCapture(t *testing.T) {
	w := newWorld(t)
	r := w.ingest(t, w.rich())
	for _, o := range r.Objects {
		if o.Role == string(capture.RoleFullPage) && o.Tile == 1 {
			w.vault.Overwrite(o.Key, []byte("forged"))
		}
	}
	second := w.ingest(t, w.rich())
	w.complete(t, second.ID)
}

// lockless is a storage that takes locks and keeps none, as s3vault is over a
// bucket without Object Lock that was allowed.
type lockless struct{ *vault.Mem }

func (l lockless) Put(ctx context.Context, p vault.Put) (vault.Info, error) {
	p.RetainUntil = time.Time{}
	return l.Mem.Put(ctx, p)
}

func TestAStorageWithoutLocksThatWasAllowed(t *testing.T) {
	w := newWorld(t)
	w.nolock, w.vault.NoLock = true, true
	open := func() *archive.Archive {
		a := w.open(t)
		a.Vault, a.Custody = lockless{w.vault}, nowhere{}
		return a
	}
	first, second := w.rich(), w.rich()
	for _, c := range []*capture.Capture{first, second} {
		if _, err := open().Ingest(t.Context(), c, seen); err != nil {
			t.Fatal(err)
		}
	}
	if err := open().Extend(t.Context(), second.ID, w.now.AddDate(1, 0, 0), "worker:test", "a finding"); err != nil {
		t.Error(err)
	}
	if s, err := open().Rehash(t.Context(), 10); err != nil || !s.Good() || s.Captures != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	// An order is carried out at once; the other one stays whole.
	if e, err := open().Erase(t.Context(), first.ID, "person:ann", "order 7"); err != nil || !e.Erased {
		t.Fatalf("%+v, %v", e, err)
	}
	if w.there(t, vault.WARCKey(first.ID)) {
		t.Error("it is still there")
	}
	w.isWhole(t, second.ID)
}

// nowhere is a custody log that keeps nothing.
type nowhere struct{}

func (nowhere) Append(context.Context, custody.Event, custody.Keep) (custody.Receipt, error) {
	return custody.Receipt{}, nil
}
