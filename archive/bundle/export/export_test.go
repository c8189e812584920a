package export_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/bundle"
	"github.com/trawlmark/trawlmark/archive/bundle/export"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/seal"
	"github.com/trawlmark/trawlmark/archive/seal/demotsa"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// world is a whole archive, over things in memory.
type world struct {
	now      time.Time
	vault    *vault.Mem
	log      *custody.Log
	catalog  *catalog.Catalog
	archive  *archive.Archive
	notary   *archive.Notary
	ids      *capture.IDSource
	tsa      *demotsa.TSA
	client   *seal.Client
	sealer   func() *seal.Sealer
	down     bool // no authority answers
	exporter *export.Exporter
	trust    bundle.Trust
}

func (w *world) Do(r *http.Request) (*http.Response, error) {
	if w.down {
		return nil, errors.New("no way there")
	}
	rec := httptest.NewRecorder()
	w.tsa.ServeHTTP(rec, r)
	return rec.Result(), nil
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return w.now }
	quiet := slog.New(slog.DiscardHandler)
	w.vault, w.ids = vault.NewMem(now), capture.NewIDSource(now, rand.Reader)
	keys := must[custody.Keys](t)(custody.NewKeys("log.example", rand.Reader))
	signer, _, err := keys.Signer()
	if err != nil {
		t.Fatal(err)
	}
	public := must[[]string](t)(keys.Public())
	verifiers, err := custody.VerifierList(public...)
	if err != nil {
		t.Fatal(err)
	}
	w.log = must[*custody.Log](t)(custody.Open(t.Context(), custody.Config{
		Origin: "log.example", Signer: signer, Verifiers: verifiers, Vault: w.vault, Store: &custody.Mem{}, Now: now, Rand: rand.Reader, Log: quiet,
	}))
	w.tsa = must[*demotsa.TSA](t)(demotsa.Open(t.TempDir(), now, rand.Reader, quiet))
	w.client = &seal.Client{TSAs: []seal.TSA{{Name: "alpha", URL: "http://alpha.invalid/", Roots: w.tsa.Roots()}}, HTTP: w, Now: now, Rand: rand.Reader, Want: 1}
	w.sealer = func() *seal.Sealer {
		return must[*seal.Sealer](t)(seal.New(seal.Config{Client: w.client, Vault: w.vault, Verifiers: verifiers, Now: now, Log: quiet}))
	}
	sealer := w.sealer()
	w.notary = archive.NewNotary(w.log, sealer, quiet)
	w.catalog = must[*catalog.Catalog](t)(catalog.Open(t.Context(), sqldbtest.SQLite(t)()))
	w.archive = must[*archive.Archive](t)(archive.New(archive.Config{SpoolDir: t.TempDir(), Actor: "worker:test", Info: warc.Info{Software: "trawlmark test"}},
		archive.Deps{Vault: w.vault, Catalog: w.catalog, Custody: w.log, IDs: w.ids, Now: now, Log: quiet}))
	w.exporter = &export.Exporter{
		Catalog: w.catalog, Vault: w.vault, Log: w.log, Stamps: sealer, Keys: public, IDs: w.ids, Now: now, Patience: 5 * time.Second,
		Seal:   func(ctx context.Context) error { _, err := w.notary.Seal(ctx); return err },
		System: bundle.System{Software: "trawlmark test", Operator: "Example"},
		Whole: func(ctx context.Context, id capture.ID, out io.Writer) error {
			return w.archive.WriteWhole(ctx, id, out, t.TempDir())
		},
		Key: must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
	}
	w.trust = bundle.Trust{Keys: public, Roots: w.tsa.Roots()}
	return w
}

var app = capture.Bytes(strings.Repeat("console.log(1);\n", 4096))

// ingest archives one visit of item 7.
func (w *world) ingest(t *testing.T, price string, outcome capture.Outcome) capture.ID {
	t.Helper()
	page := "https://market.example/item/7"
	html := capture.Bytes("<html><title>bag</title>price " + price + "</html>")
	c := &capture.Capture{
		ID: w.ids.New(), URL: page, FinalURL: page, Started: w.now, Finished: w.now.Add(time.Second), After: w.notary.Anchor(t.Context()),
		Asked: capture.Asked{By: "schedule", Site: "market", PageKind: "listing", ItemID: "7"}, Outcome: outcome,
		Exchanges: []*capture.Exchange{{
			ID: w.ids.New(), Via: "http", Kind: "document", Main: true, Started: w.now, Method: "GET", URL: page, Status: 200, Protocol: "http/1.1",
			ResponseHeader: capture.Header{{Name: "Content-Type", Value: "text/html"}}, Body: html, Remote: netip.MustParseAddrPort("192.0.2.1:443"),
		}, {
			// The same at each visit: the archive stores it once.
			ID: w.ids.New(), Via: "http", Kind: "script", Started: w.now, Method: "GET", URL: "https://market.example/app.js", Status: 200, Protocol: "http/1.1",
			ResponseHeader: capture.Header{{Name: "Content-Type", Value: "text/javascript"}}, Body: app, Remote: netip.MustParseAddrPort("192.0.2.1:443"),
		}},
		Artifacts:   []*capture.Artifact{{Role: capture.RoleHTML, MediaType: "text/html", URL: page, Taken: w.now, Body: html}},
		Environment: capture.Environment{Software: "trawlmark test"}, Clock: capture.Clock{Source: "system"}, Policy: capture.Policy{Robots: "allowed", Render: "never"},
	}
	if _, err := w.archive.Ingest(t.Context(), c, archive.Description{Title: "bag", Price: price, Currency: "EUR", Seller: "Shop"}); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Minute)
	return c.ID
}

func (w *world) export(t *testing.T, q export.Request) ([]byte, export.Summary) {
	t.Helper()
	var b bytes.Buffer
	s, err := w.exporter.Export(t.Context(), &b, q)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), s
}

func (w *world) verify(t *testing.T, b []byte) *bundle.Report {
	t.Helper()
	return must[*bundle.Report](t)(bundle.Verify(t.Context(), bytes.NewReader(b), int64(len(b)), w.trust))
}

func (w *world) eventsOf(t *testing.T, s custody.Subject, typ custody.Type) []custody.Event {
	t.Helper()
	var all []custody.Event
	for _, r := range must[[]custody.Row](t)(w.log.About(t.Context(), s)) {
		if r.Entry.Type == typ {
			e, _, err := w.log.Event(t.Context(), r.ID)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
		}
	}
	return all
}

// What renewed the stamps goes along, once for all captures, and the package
// passes when the certificates of its first stamps have ended.
func TestRenewalsGoAlong(t *testing.T) {
	w := newWorld(t)
	var ids []capture.ID
	for range 2 {
		ids = append(ids, w.ingest(t, "12.00", capture.Captured))
		if _, err := w.notary.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sealed := must[seal.Sealed](t)(w.sealer().Covering(t.Context(), 0))
	end := sealed.Stamps[0].Time.NotAfter
	w.now = end.Add(-time.Hour)
	w.tsa = must[*demotsa.TSA](t)(demotsa.Open(t.TempDir(), func() time.Time { return w.now }, rand.Reader, slog.New(slog.DiscardHandler)))
	w.client.TSAs[0].Roots = append(w.client.TSAs[0].Roots, w.tsa.Roots()...)
	sealer := w.sealer()
	if r := must[seal.Renewing](t)(sealer.Renew(t.Context())); r.Stamped != 2 || len(r.Kept) != 1 {
		t.Fatalf("%+v", r)
	}
	w.now = end.AddDate(1, 0, 0)
	w.notary, w.exporter.Stamps = archive.NewNotary(w.log, sealer, slog.New(slog.DiscardHandler)), sealer
	w.trust.Roots, w.trust.At = w.client.TSAs[0].Roots, w.now
	b, _ := w.export(t, export.Request{Captures: ids, By: "person:ann"})
	r := w.verify(t, b)
	if r.Status() != bundle.Pass {
		t.Fatalf("%s: %+v", r.Status(), r.Checks)
	}
	renewals, kept := 0, 0
	for _, c := range r.Checks {
		if strings.HasPrefix(c.File, "seal/renewals/") && strings.HasSuffix(c.Note, "renews the stamps of 2 checkpoints") {
			renewals++
		}
		if strings.Contains(c.Note, "it was renewed before") {
			kept++
		}
	}
	if renewals != 1 || kept != 2 {
		t.Errorf("%d renewals for %d stamps: %+v", renewals, kept, r.Checks)
	}
}

func TestLooseCapturesAreHandedOverOnRecord(t *testing.T) {
	w := newWorld(t)
	first := w.ingest(t, "12.00", capture.Captured)
	if _, err := w.notary.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := w.ingest(t, "9.00", capture.Captured)
	gone := w.ingest(t, "", capture.Removed) // in the comparison only
	b, s := w.export(t, export.Request{Captures: []capture.ID{first, second, first}, By: "person:ann", Purpose: "Aurelle v. Shop", To: "Counsel", Verifier: []byte("\x7fELF")})
	r := w.verify(t, b)
	if r.Status() != bundle.Pass {
		t.Errorf("%s: %+v", r.Status(), r.Failed())
	}
	if !slices.ContainsFunc(r.Checks, func(c bundle.Check) bool {
		return strings.HasSuffix(c.File, ".consistency") && c.Status == bundle.Pass && strings.Contains(c.Note, "was extended to")
	}) || !bytes.Contains(b, []byte("verify/trawlmark-verify")) {
		t.Errorf("there is no proof that the log was only extended: %+v", r.Checks)
	}
	if len(r.Captures) != 2 || r.Captures[1].NotBefore.IsZero() || len(s.Warnings) != 0 {
		t.Errorf("%+v, %q", r.Captures, s.Warnings)
	}
	if !bytes.Contains(b, []byte(gone.String())) || !bytes.Contains(b, []byte("became")) {
		t.Error("the later captures of the listing are not compared")
	}
	for _, id := range []capture.ID{first, second} {
		events := w.eventsOf(t, custody.Subject{Capture: id}, custody.Exported)
		if len(events) != 2 {
			t.Fatalf("%d exported events", len(events))
		}
		before, after := events[0], events[1]
		if before.Details["contents"] != s.Contents.String() || before.Details["package"] != "" || before.Details["purpose"] != "Aurelle v. Shop" || before.Details["recipient"] != "Counsel" {
			t.Errorf("before: %v", before.Details)
		}
		if after.Details["package"] != s.SHA256.String() || after.Details["bytes"] != fmt.Sprint(len(b)) || after.Actor != "person:ann" {
			t.Errorf("after: %v", after.Details)
		}
	}
	// The next package tells of the first one.
	b, _ = w.export(t, export.Request{Captures: []capture.ID{first}, By: "person:bob"})
	if r := w.verify(t, b); r.Status() != bundle.Pass || !bytes.Contains(b, []byte(s.SHA256.String())) {
		t.Errorf("again: %s %+v", r.Status(), r.Failed())
	}
}

// A capture that refers to an earlier one is handed over with everything in
// it, and the WARC as it is kept beside it.
func TestAPackageDependsOnNothing(t *testing.T) {
	w := newWorld(t)
	w.ingest(t, "12.00", capture.Captured)
	second := w.ingest(t, "9.00", capture.Captured)
	kept := []byte("native/" + second.String() + "/capture.warc.gz")
	q := export.Request{Captures: []capture.ID{second}, By: "person:ann"}
	b, _ := w.export(t, q)
	if !bytes.Contains(b, kept) {
		t.Fatal("the archive stores identical bytes more than once, so this test tests nothing")
	}
	if r := w.verify(t, b); r.Status() != bundle.Pass {
		t.Errorf("%s: %+v", r.Status(), r.Failed())
	}
	// Another WARC than the one that is kept, made whole, is found.
	first := w.ingest(t, "1.00", capture.Captured)
	for name, whole := range map[string]func(context.Context, capture.ID, io.Writer) error{
		"another capture": func(ctx context.Context, _ capture.ID, out io.Writer) error {
			return w.archive.WriteWhole(ctx, first, out, t.TempDir())
		},
		"not whole": func(ctx context.Context, id capture.ID, out io.Writer) error {
			r, _, err := w.vault.Get(ctx, vault.WARCKey(id), "")
			if err == nil {
				_, err = io.Copy(out, r)
			}
			return err
		},
	} {
		x := *w.exporter
		x.Whole = whole
		var out bytes.Buffer
		if _, err := x.Export(t.Context(), &out, q); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r := w.verify(t, out.Bytes()); r.Layer(bundle.LayerWACZ) != bundle.Fail {
			t.Errorf("%s: the WACZ is %s", name, r.Layer(bundle.LayerWACZ))
		}
	}
	x := *w.exporter
	x.Whole = nil
	if _, err := x.Export(t.Context(), io.Discard, q); err == nil {
		t.Error("a package that depends on another was handed over")
	}
}

func TestACaseIsHandedOverWhole(t *testing.T) {
	w := newWorld(t)
	ids := []capture.ID{w.ingest(t, "12.00", capture.Captured), w.ingest(t, "9.00", capture.Captured)}
	if err := w.catalog.OpenCase(t.Context(), catalog.Case{ID: "2026-017", Name: "Aurelle v. Shop", Created: w.now, CreatedBy: "person:ann"}); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if err := w.catalog.AddToCase(t.Context(), "2026-017", id, "person:ann", w.now); err != nil {
			t.Fatal(err)
		}
	}
	b, s := w.export(t, export.Request{Case: "2026-017", By: "person:ann"})
	if r := w.verify(t, b); r.Status() != bundle.Pass || len(r.Captures) != 2 || s.Name != "case-2026-017.zip" {
		t.Errorf("%s, %s: %+v", s.Name, r.Status(), r.Failed())
	}
	if events := w.eventsOf(t, custody.Subject{Case: "2026-017"}, custody.Exported); len(events) != 1 || events[0].Details["package"] != s.SHA256.String() {
		t.Errorf("%+v", events)
	}
	b, _ = w.export(t, export.Request{Case: "2026-017", By: "person:ann"})
	if r := w.verify(t, b); r.Status() != bundle.Pass {
		t.Errorf("again, with an event of the case: %+v", r.Failed())
	}
	for name, q := range map[string]export.Request{
		"no such case": {Case: "nix", By: "person:ann"}, "no such capture": {Captures: []capture.ID{w.ids.New()}, By: "person:ann"},
	} {
		if _, err := w.exporter.Export(t.Context(), io.Discard, q); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.exporter.Export(t.Context(), io.Discard, export.Request{Case: "2026-017", Captures: ids, By: "person:ann"}); err == nil {
		t.Error("a case and captures were both taken")
	}
}

func TestLookingOnlyLeavesNoEvent(t *testing.T) {
	w := newWorld(t)
	id := w.ingest(t, "12.00", capture.Captured)
	b, _ := w.export(t, export.Request{Captures: []capture.ID{id}, By: "system:verify", Dry: true})
	r := w.verify(t, b)
	if r.Status() != bundle.NotChecked || r.Layer(bundle.LayerPackage) != bundle.NotChecked || r.Layer(bundle.LayerStamps) != bundle.Pass {
		t.Errorf("%s: %+v", r.Status(), r.Checks)
	}
	if n := len(w.eventsOf(t, custody.Subject{Capture: id}, custody.Exported)); n != 0 {
		t.Errorf("%d exported events", n)
	}
}

func TestAnAuthorityThatIsAwayIsSaidAndStopsNothing(t *testing.T) {
	w := newWorld(t)
	w.down = true
	id := w.ingest(t, "12.00", capture.Captured)
	b, s := w.export(t, export.Request{Captures: []capture.ID{id}, By: "person:ann"})
	r := w.verify(t, b)
	if r.Status() != bundle.NotChecked || r.Layer(bundle.LayerStamps) != bundle.NotChecked || r.Layer(bundle.LayerCheckpoint) != bundle.Pass {
		t.Errorf("%s: %+v", r.Status(), r.Checks)
	}
	if len(s.Warnings) == 0 || !bytes.Contains(b, []byte("is not time-stamped")) {
		t.Errorf("warnings %q", s.Warnings)
	}
}

func TestAnErasedEventIsSaid(t *testing.T) {
	w := newWorld(t)
	id := w.ingest(t, "12.00", capture.Captured)
	if err := w.archive.Note(t.Context(), custody.Viewed, "person:ann", custody.Subject{Capture: id}, nil); err != nil {
		t.Fatal(err)
	}
	viewed := w.eventsOf(t, custody.Subject{Capture: id}, custody.Viewed)[0]
	w.vault.Hide(vault.CustodyEventKey(viewed.ID))
	b, s := w.export(t, export.Request{Captures: []capture.ID{id}, By: "person:ann"})
	if r := w.verify(t, b); r.Status() != bundle.Pass || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], viewed.ID.String()) {
		t.Errorf("%s, %q", r.Status(), s.Warnings)
	}
}

// Every read and write fails once: nothing is handed over, or something whole,
// and the next try works.
func TestEveryFaultOfTheStorageEndsTheExport(t *testing.T) {
	w := newWorld(t)
	id := w.ingest(t, "12.00", capture.Captured)
	q := export.Request{Captures: []capture.ID{id}, By: "person:ann"}
	injected := fmt.Errorf("injected: %w", vault.ErrUnavailable)
	faults := 0
	for at := range 80 {
		n, what := 0, ""
		var mu sync.Mutex // the log publishes several objects at once
		w.vault.Fail = func(op, key string) error {
			mu.Lock()
			defer mu.Unlock()
			if n++; n == at+1 {
				what = op + " " + key
				return injected
			}
			return nil
		}
		var out bytes.Buffer
		_, err := w.exporter.Export(t.Context(), &out, q)
		w.vault.Fail = nil
		if n <= at {
			break
		}
		faults++
		// A file whose head alone is needed may fail behind it.
		if err == nil && w.verify(t, out.Bytes()).Status() == bundle.Pass {
			continue
		}
		if !errors.Is(err, injected) {
			t.Errorf("operation %d, %s, failed and the export says %v", at, what, err)
		}
	}
	if faults < 20 {
		t.Errorf("only %d faults were made", faults)
	}
	b, _ := w.export(t, q)
	if r := w.verify(t, b); r.Status() != bundle.Pass {
		t.Errorf("afterwards: %+v", r.Failed())
	}
}

func TestTamperedEvidenceIsNotHandedOver(t *testing.T) {
	for _, file := range []string{vault.FileManifest, vault.FileWARC, "page.html"} {
		w := newWorld(t)
		id := w.ingest(t, "12.00", capture.Captured)
		w.vault.Corrupt(vault.CaptureKey(id, file), func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		if _, err := w.exporter.Export(t.Context(), io.Discard, export.Request{Captures: []capture.ID{id}, By: "person:ann"}); err == nil {
			t.Errorf("%s: it was handed over", file)
		}
		if n := len(w.eventsOf(t, custody.Subject{Capture: id}, custody.Exported)); n != 0 {
			t.Errorf("%s: %d exported events", file, n)
		}
	}
}
