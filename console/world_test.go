package console

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/warc"
	"github.com/trawlmark/trawlmark/console/session"
	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/triage"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock goes when it is told to.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// noTimes is a log that no authority has stamped yet.
type noTimes struct{ anchor *capture.Anchor }

func (n noTimes) Anchor(context.Context) *capture.Anchor { return n.anchor }
func (noTimes) Sealed(_ context.Context, _ capture.ID, after *capture.Anchor) (archive.Sealed, error) {
	return archive.Sealed{After: after, Index: custody.Pending}, nil
}

// liar is a vault that gives other bytes than it took, when told to.
type liar struct {
	*vault.Mem
	lies bool
}

func (l *liar) Get(ctx context.Context, key, version string) (io.ReadCloser, vault.Info, error) {
	r, info, err := l.Mem.Get(ctx, key, version)
	if err != nil || !l.lies || strings.HasPrefix(key, "custody/") {
		return r, info, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if len(b) > 0 {
		b[len(b)/2] ^= 1
	}
	return io.NopCloser(bytes.NewReader(b)), info, err
}

// world is a console over a real ledger, catalogue, custody log and archive, on
// SQLite and a vault in memory.
type world struct {
	t      *testing.T
	open   func() *sqldb.DB // another handle of the database, as another process has
	clock  *clock
	ids    *capture.IDSource
	ledger *ledger.Ledger
	index  *catalog.Catalog
	vault  *liar
	log    *custody.Log
	arch   *archive.Archive
	watch  ledger.Watch
	cfg    Config
	deps   Deps
	srv    *Server
	h      http.Handler
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newWorld(t *testing.T, change ...func(*Config, *Deps)) *world {
	t.Helper()
	c := &clock{t: noon}
	w := &world{t: t, clock: c, ids: capture.NewIDSource(c.now, rand.Reader), vault: &liar{Mem: vault.NewMem(c.now)}}
	w.open = sqldbtest.SQLite(t)
	db := w.open()
	w.ledger = must(ledger.Open(t.Context(), db, w.ids, c.now, ledger.Config{LocalClock: true}))(t)
	w.index = must(catalog.Open(t.Context(), db))(t)
	keys := must(custody.NewKeys("log.example", rand.Reader))(t)
	signer, _, err := keys.Signer()
	verifiers := must(custody.VerifierList(must(keys.Public())(t)...))(t)
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	w.log = must(custody.Open(t.Context(), custody.Config{
		Origin: "log.example", Signer: signer, Verifiers: verifiers, Vault: w.vault, Store: &custody.Mem{}, Now: c.now, Rand: rand.Reader, Log: quiet,
	}))(t)
	w.arch = must(archive.New(archive.Config{SpoolDir: t.TempDir(), Actor: "worker:test", Info: warc.Info{Software: "test"}},
		archive.Deps{Vault: w.vault, Catalog: w.index, Custody: w.log, IDs: w.ids, Now: c.now, Log: quiet}))(t)
	w.watch = must(w.ledger.AddWatch(t.Context(), ledger.Watch{
		Name: "aurelle", Brand: json.RawMessage(`{"name":"Maison Aurelle"}`), Sites: []string{"market"}, Terms: []string{"belvoir"}, CreatedBy: "person:ann",
	}))(t)
	w.cfg = Config{Listen: "127.0.0.1:8480", AccountsFile: filepath.Join(t.TempDir(), "accounts.jsonl"), Build: "test build"}
	w.deps = Deps{
		Sessions: must(session.Open(t.Context(), db))(t),
		Findings: w.ledger, Listings: w.ledger, Watches: w.ledger, Work: w.ledger, Lanes: w.ledger, Index: w.index, Matters: w.index, Cases: w.arch,
		Evidence: w.arch, Custody: w.log, Times: noTimes{}, IDs: w.ids, Now: c.now, Rand: rand.Reader, Log: quiet,
		Fire: func(ctx context.Context, wa ledger.Watch, by string) (int, error) {
			return w.ledger.Fire(ctx, wa.ID, c.now(), []ledger.Work{w.visit("fire", by)})
		},
	}
	for _, f := range change {
		f(&w.cfg, &w.deps)
	}
	w.srv = must(New(w.cfg, w.deps))(t)
	w.srv.accounts.cost = cost{memory: 8, time: 1, lanes: 1} // the real one is tested once
	w.h = w.srv.Handler()
	return w
}

func (w *world) visit(item, by string) ledger.Work {
	u := "https://market.example/item/" + item
	return ledger.Work{Kind: ledger.Visit, Lane: "market", Site: "market", URL: u, Canonical: u, PageKind: "listing", ItemID: item, AskedBy: by}
}

// picturePNG is a small screenshot.
func picturePNG(t testing.TB) []byte {
	t.Helper()
	return must(picture400())(t)
}

var picture400 = sync.OnceValues(func() ([]byte, error) {
	m := image.NewRGBA(image.Rect(0, 0, 400, 900))
	for y := range 900 {
		for x := range 400 {
			m.Set(x, y, color.RGBA{uint8(x), uint8(y), 80, 255})
		}
	}
	var b bytes.Buffer
	err := png.Encode(&b, m)
	return b.Bytes(), err
})

const hostileHTML = "<html><script>alert('captured')</script><p>price\u202e12</p></html>"

// captured archives a capture of an item's page.
func (w *world) captured(item, title string) catalog.Entry {
	w.t.Helper()
	page := "https://market.example/item/" + item
	now := w.clock.now()
	c := &capture.Capture{
		ID: w.ids.New(), URL: page, FinalURL: page, Started: now, Finished: now.Add(time.Second), Elapsed: time.Second,
		Asked:   capture.Asked{Watch: w.watch.ID.String(), By: "schedule", Site: "market", PageKind: "listing", ItemID: item},
		Outcome: capture.Captured, Evidence: []string{"the page has a product"},
		Artifacts: []*capture.Artifact{
			{Role: capture.RoleDOM, MediaType: "text/html;charset=utf-8", URL: page, Taken: now, Body: capture.Bytes(hostileHTML)},
			{Role: capture.RoleViewport, MediaType: "image/png", URL: page, Taken: now, Width: 400, Height: 900, Body: capture.Bytes(picturePNG(w.t))},
		},
		Environment: capture.Environment{Software: "test"}, Clock: capture.Clock{Source: "system"}, Policy: capture.Policy{Robots: "allowed", Render: "auto"},
	}
	return must(w.arch.Ingest(w.t.Context(), c, archive.Description{Title: title, Price: "139", Currency: "USD", Seller: "Mirror House"}))(w.t).Entry
}

// found makes a finding of a listing, as the workers do it.
func (w *world) found(item, title string, score float64) ledger.Finding {
	w.t.Helper()
	ctx, t := w.t.Context(), w.t
	e := w.captured(item, title)
	w.clock.forward(time.Second)
	must(w.ledger.Fire(ctx, w.watch.ID, w.clock.now(), []ledger.Work{w.visit(item, "schedule")}))(t)
	job := must(w.ledger.Jobs(ctx, ledger.JobFilter{State: ledger.Planned, Kind: ledger.Visit, Limit: 1}))(t)[0]
	fence := must(w.ledger.Dispatch(ctx, job.ID, w.clock.now()))(t)
	must(w.ledger.Claim(ctx, fence, "w1", time.Minute))(t)
	l := listing.Listing{Site: "market", ItemID: item, Fields: map[listing.FieldName]listing.Choice{
		listing.Title:       {Candidate: listing.Candidate{Field: listing.Title, Value: title, Raw: title, Source: "jsonld", Path: "$.name", Confidence: 0.9}},
		listing.Description: {Candidate: listing.Candidate{Field: listing.Description, Value: "best replica ever", Source: "dom", Path: ".d", Confidence: 0.5}},
	}}
	done := must(w.ledger.Finish(ctx, fence, ledger.Result{Outcome: capture.Captured, Capture: e.ID, Manifest: e.Manifest, Observation: &ledger.Observation{
		Site: "market", ItemID: item, Canonical: e.URL, URL: e.URL, Outcome: capture.Captured, At: w.clock.now(), Title: title, Amount: "139", Currency: "USD",
		Seller: "Mirror House", Data: must(json.Marshal(l))(t),
	}}))(t)
	reasons := must(json.Marshal(map[string]any{"assessment": triage.Assessment{
		Brand: "Maison Aurelle", Level: triage.Suspicious, Points: 100 * score, Reference: "1450.00 EUR (Belvoir bag)", Ratio: "0.09",
		Signals: []triage.Signal{
			{Name: "price_ratio", Family: triage.Price, Points: 35, Sentence: "The price is 9 % of the reference."},
			{Name: "explicit_words", Family: triage.Words, Points: 30, Sentence: "The description says replica.", Field: listing.Description, Span: [2]int{5, 12}},
		},
	}}))(t)
	id := must(w.ledger.AddFinding(ctx, ledger.Scored{Listing: done.Listing, Watch: w.watch.ID, Capture: e.ID, Manifest: e.Manifest, Score: score, Reasons: reasons, Scorer: "builtin/1"}))(t)
	return must(w.ledger.Finding(ctx, id))(t)
}

// browser is somebody at the console.
type browser struct {
	w      *world
	cookie *http.Cookie
	change func(*http.Request)
}

// as signs somebody of a role in; the account has the role's name.
func (w *world) as(role Role) *browser {
	w.t.Helper()
	name := string(role)
	if _, err := w.srv.accounts.Get(name); err != nil {
		if err := w.srv.accounts.Add(name, role, "correct horse battery"); err != nil {
			w.t.Fatal(err)
		}
	}
	b := &browser{w: w}
	r := b.post("/signin", url.Values{"name": {name}, "password": {"correct horse battery"}})
	if r.Code != http.StatusSeeOther || len(r.Result().Cookies()) != 1 {
		w.t.Fatalf("sign-in answered %d: %s", r.Code, r.Body)
	}
	b.cookie = r.Result().Cookies()[0]
	return b
}

func (w *world) nobody() *browser { return &browser{w: w} }

func (b *browser) do(method, path string, body io.Reader, media string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, body)
	r.Host = "127.0.0.1:8480"
	r.RemoteAddr = "127.0.0.1:50000"
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	if b.change != nil {
		b.change(r)
	}
	rec := httptest.NewRecorder()
	b.w.h.ServeHTTP(rec, r)
	return rec
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	return b.do(http.MethodGet, path, nil, "")
}

// page is get that must work.
func (b *browser) page(path string) string {
	b.w.t.Helper()
	r := b.get(path)
	if r.Code != http.StatusOK {
		b.w.t.Fatalf("GET %s answered %d: %s", path, r.Code, r.Body)
	}
	return r.Body.String()
}

func (b *browser) post(path string, form url.Values) *httptest.ResponseRecorder {
	return b.do(http.MethodPost, path, strings.NewReader(form.Encode()), "application/x-www-form-urlencoded")
}

func (b *browser) json(method, path, body string) (int, map[string]any) {
	b.w.t.Helper()
	r := b.do(method, path, strings.NewReader(body), "application/json")
	var m map[string]any
	if err := json.Unmarshal(r.Body.Bytes(), &m); err != nil {
		b.w.t.Fatalf("%s %s is not JSON: %v: %s", method, path, err, r.Body)
	}
	return r.Code, m
}

// events are the custody events about a capture, the oldest first, as
// "type actor details".
func (w *world) events(id capture.ID) []string {
	w.t.Helper()
	var out []string
	for _, row := range must(w.log.About(w.t.Context(), custody.Subject{Capture: id}))(w.t) {
		e, _, err := w.log.Event(w.t.Context(), row.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		if e.Type != custody.Captured {
			out = append(out, fmt.Sprintf("%s %s %v", e.Type, e.Actor, e.Details))
		}
	}
	return out
}
