package bundle

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/seal"
	"github.com/trawlmark/trawlmark/archive/seal/demotsa"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/warc"
)

const origin = "log.example.org/trawlmark"

// world is a log, a vault and two authorities on one clock, from which
// packages are made by hand.
type world struct {
	t       *testing.T
	now     time.Time
	ids     *capture.IDSource
	vault   *vault.Mem
	keys    custody.Keys
	log     *custody.Log
	sealer  *seal.Sealer
	tsas    map[string]*demotsa.TSA
	client  *seal.Client
	former  []*x509.Certificate // roots of authorities that have other certificates now
	key     *ecdsa.PrivateKey
	latest  custody.Checkpoint
	commits int
}

// Do answers for the authorities.
func (w *world) Do(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	w.tsas[r.URL.Host].ServeHTTP(rec, r)
	return rec.Result(), nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldAt(t, time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC))
}

func newWorldAt(t *testing.T, at time.Time) *world {
	t.Helper()
	w := &world{t: t, now: at, tsas: map[string]*demotsa.TSA{}}
	now := func() time.Time { return w.now }
	w.ids, w.vault = capture.NewIDSource(now, rand.Reader), vault.NewMem(now)
	var err error
	if w.keys, err = custody.NewKeys(origin, rand.Reader); err != nil {
		t.Fatal(err)
	}
	w.openLog(&custody.Mem{})
	w.client = &seal.Client{HTTP: w, Now: now, Rand: rand.Reader, TSAs: []seal.TSA{{Name: "alpha"}, {Name: "beta"}}}
	w.certify()
	if w.key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	return w
}

// certify gives the authorities new certificates; the old roots stay pinned.
func (w *world) certify() {
	w.t.Helper()
	now, quiet := func() time.Time { return w.now }, slog.New(slog.DiscardHandler)
	for i := range w.client.TSAs {
		a := &w.client.TSAs[i]
		host := a.Name + ".invalid"
		if old := w.tsas[host]; old != nil {
			w.former = append(w.former, old.Roots()...)
		}
		tsa, err := demotsa.OpenAt(w.t.TempDir(), "http://"+host, now, rand.Reader, quiet)
		if err != nil {
			w.t.Fatal(err)
		}
		w.tsas[host] = tsa
		a.URL, a.Roots = "http://"+host+"/", append(a.Roots[:len(a.Roots):len(a.Roots)], tsa.Roots()...)
	}
	var err error
	w.sealer, err = seal.New(seal.Config{Client: w.client, Vault: w.vault, Verifiers: w.verifiers(), Now: now, Log: quiet})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) verifiers() note.Verifiers {
	v, err := custody.VerifierList(w.public()...)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func (w *world) public() []string {
	public, err := w.keys.Public()
	if err != nil {
		w.t.Fatal(err)
	}
	return public
}

func (w *world) openLog(store *custody.Mem) {
	w.t.Helper()
	signer, co, err := w.keys.Signer()
	if err != nil {
		w.t.Fatal(err)
	}
	w.log, err = custody.Open(w.t.Context(), custody.Config{
		Origin: origin, Signer: signer, CoSigners: co, Verifiers: w.verifiers(), Vault: w.vault, Store: store,
		Now: func() time.Time { return w.now }, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// trust is what a verifier in this world believes.
func (w *world) trust() Trust {
	t := Trust{Keys: w.public(), Roots: slices.Clone(w.former), At: w.now}
	for _, tsa := range w.tsas {
		t.Roots = append(t.Roots, tsa.Roots()...)
	}
	return t
}

// seal makes a stamped checkpoint of what waits.
func (w *world) seal() {
	w.t.Helper()
	c, err := w.log.Sequence(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.sealer.Seal(w.t.Context(), c); err != nil {
		w.t.Fatal(err)
	}
	w.latest = c
}

func picture(w, h int, seed byte) []byte {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = byte(i)*seed | 0x0f
	}
	m.Set(0, 0, color.Black)
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

const listingHTML = `<!DOCTYPE html><html><head><title>Belvoir bag "new" & cheap</title><link rel="stylesheet" href="/style.css"></head>
<body><h1>Belvoir bag</h1><p id="price">EUR 12.00</p><img src="/bag.png" alt="bag"></body></html>`

// visit makes a capture as a crawler would.
func (w *world) visit(n int) *capture.Capture {
	page := fmt.Sprintf("https://market.example/item/%d", n)
	main := w.ids.New()
	at := w.now
	ex := func(id capture.ID, kind, url, media string, body []byte, isMain bool) *capture.Exchange {
		return &capture.Exchange{
			ID: id, Via: "http", Kind: kind, Main: isMain, Started: at, Finished: at.Add(time.Second), Method: "GET", URL: url,
			RequestHeader: capture.Header{{Name: "Host", Value: "market.example"}, {Name: "User-Agent", Value: "Trawlmark/test"}},
			Status:        200, StatusText: "OK", Protocol: "http/1.1", ResponseHeader: capture.Header{{Name: "Content-Type", Value: media}},
			Body: capture.Bytes(body), Remote: netip.MustParseAddrPort("192.0.2.1:443"),
		}
	}
	c := &capture.Capture{
		ID: w.ids.New(), URL: page + "?ref=1", FinalURL: page, Started: at, Finished: at.Add(2 * time.Second), Elapsed: 2 * time.Second,
		Asked:   capture.Asked{Job: "job-1", By: "schedule", Site: "market", PageKind: "listing", ItemID: fmt.Sprint(n)},
		Outcome: capture.Captured, Evidence: []string{"the page has a product"},
		Redirects: []capture.Redirect{{From: page + "?ref=1", To: page, Status: 302}},
		Exchanges: []*capture.Exchange{
			ex(main, "document", page, "text/html; charset=utf-8", []byte(listingHTML), true),
			ex(w.ids.New(), "stylesheet", "https://market.example/style.css", "text/css", []byte("body { color: #123456 }"), false),
			ex(w.ids.New(), "image", "https://market.example/bag.png", "image/png", picture(40, 30, byte(n)), false),
		},
		Artifacts: []*capture.Artifact{
			{Role: capture.RoleHTML, MediaType: "text/html", URL: page, Taken: at, Body: capture.Bytes(listingHTML)},
			{Role: capture.RoleDOM, MediaType: "text/html", URL: page, Taken: at, Body: capture.Bytes(strings.Replace(listingHTML, "EUR", "&euro;", 1))},
			{Role: capture.RoleViewport, MediaType: "image/png", URL: page, Taken: at, Width: 60, Height: 40, Body: capture.Bytes(picture(60, 40, 3))},
			{Role: capture.RoleFullPage, Tile: 1, MediaType: "image/png", URL: page, Taken: at, Width: 60, Height: 80, Body: capture.Bytes(picture(60, 80, 5))},
			{Role: capture.RoleFullPage, Tile: 2, MediaType: "image/png", URL: page, Taken: at, Width: 60, Height: 20, Body: capture.Bytes(picture(60, 20, 7))},
		},
		Environment: capture.Environment{Software: "trawlmark test", UserAgent: "Trawlmark/test"},
		Clock:       capture.Clock{Source: "system"}, Policy: capture.Policy{Robots: "allowed", Render: "auto"},
	}
	if a, err := w.sealer.Newest(w.t.Context()); err == nil {
		c.After = &a
	}
	return c
}

// archive stores a capture as the archive does.
func (w *world) archive(c *capture.Capture) {
	w.t.Helper()
	ctx := w.t.Context()
	var stored []manifest.Stored
	put := func(role string, tile int, media, key string, b []byte, taken time.Time, width, height int) {
		info, err := w.vault.Put(ctx, vault.NewPut(key, media, b))
		if err != nil {
			w.t.Fatal(err)
		}
		print, _ := capture.FingerprintOf(capture.Bytes(b))
		stored = append(stored, manifest.Stored{Role: role, Tile: tile, MediaType: media, Key: key, Version: info.Version, Print: print, Taken: taken, Width: width, Height: height})
	}
	var b bytes.Buffer
	if _, err := warc.WriteCapture(ctx, &b, c, warc.Options{Info: warc.Info{Software: "trawlmark test"}, NewID: w.ids.New}); err != nil {
		w.t.Fatal(err)
	}
	put(manifest.RoleWARC, 0, "application/warc", vault.WARCKey(c.ID), b.Bytes(), c.Started, 0, 0)
	for _, a := range c.Artifacts {
		key, err := vault.ArtifactKey(c.ID, a.Role, a.Tile)
		if err != nil {
			w.t.Fatal(err)
		}
		put(string(a.Role), a.Tile, a.MediaType, key, a.Body.(capture.Bytes), a.Taken, a.Width, a.Height)
	}
	m, err := manifest.New(c, stored)
	if err != nil {
		w.t.Fatal(err)
	}
	doc, err := m.Marshal()
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.vault.Put(ctx, vault.NewPut(vault.ManifestKey(c.ID), "application/json", doc)); err != nil {
		w.t.Fatal(err)
	}
	w.append(custody.Event{ID: c.ID, Type: custody.Captured, At: c.Finished, Actor: "worker:test", Subject: custody.Subject{Capture: c.ID}, Manifest: capture.Sum(doc)})
}

func (w *world) append(e custody.Event) custody.Event {
	w.t.Helper()
	r, err := w.log.Append(w.t.Context(), e, custody.Keep{})
	if err != nil {
		w.t.Fatal(err)
	}
	return r.Event
}

func (w *world) read(key string) []byte {
	w.t.Helper()
	r, _, err := w.vault.Get(w.t.Context(), key, "")
	if err != nil {
		w.t.Fatalf("%s: %v", key, err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) open(_ context.Context, a manifest.Artifact) Source {
	return func(ctx context.Context) (io.ReadCloser, error) {
		r, _, err := w.vault.Get(ctx, a.Key, a.Version)
		return r, err
	}
}

func (w *world) stamps(s []seal.Stored) []Stamp {
	var out []Stamp
	for _, st := range s {
		out = append(out, Stamp{Name: st.Name, Query: w.read(st.Key("tsq")), Response: w.read(st.Key("tsr")), Chain: w.read(st.Key("pem"))})
	}
	return out
}

// event gives a document and its proof against the newest checkpoint.
func (w *world) event(id capture.ID) Event {
	w.t.Helper()
	_, doc, err := w.log.Event(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	proof, err := w.log.Proof(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return Event{doc, proof}
}

func (w *world) events(s custody.Subject) []Event {
	rows, err := w.log.About(w.t.Context(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	var all []Event
	for _, r := range rows {
		if r.Entry.Type != custody.Exported {
			all = append(all, w.event(r.ID))
		}
	}
	return all
}

// bundled is what of an archived and sealed capture goes into a package.
func (w *world) bundled(c *capture.Capture) Capture {
	w.t.Helper()
	ctx := w.t.Context()
	row, err := w.log.Find(ctx, c.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	sealed, err := w.sealer.Covering(ctx, row.Index)
	if err != nil {
		w.t.Fatal(err)
	}
	proof, err := w.log.ProofAt(ctx, row.Index, sealed.Checkpoint.Size)
	if err != nil {
		w.t.Fatal(err)
	}
	out := Capture{
		ID: c.ID, Manifest: w.read(vault.ManifestKey(c.ID)), Open: w.open, Proof: proof, Stamps: w.stamps(sealed.Stamps),
		Events:  w.events(custody.Subject{Capture: c.ID}),
		Reading: Reading{Title: `Belvoir bag "new" & <cheap>`, Price: "12.00", Currency: "EUR", Seller: "Shop <script>"},
		Locked:  c.Started.AddDate(0, 1, 0),
	}
	if c.After != nil {
		out.After = w.after(c.After)
	}
	return out
}

func (w *world) after(a *capture.Anchor) *After {
	w.t.Helper()
	for info, err := range w.vault.List(w.t.Context(), vault.StampsOf(a.Size), "") {
		if err != nil {
			w.t.Fatal(err)
		}
		stem, ok := strings.CutSuffix(info.Key, ".tsr")
		if b := []byte(nil); ok {
			if b = w.read(info.Key); capture.Sum(b) == a.Stamp {
				return &After{w.read(vault.CheckpointKey(a.Size)), Stamp{Name: strings.TrimPrefix(stem, vault.StampsOf(a.Size)), Query: w.read(stem + ".tsq"), Response: b, Chain: w.read(stem + ".pem")}}
			}
		}
	}
	w.t.Fatal("the stamp that a capture names is not there")
	return nil
}

// input is a case of n captures, each sealed; from the second on they have a
// lower bound in time.
func (w *world) input(n int) Input {
	w.t.Helper()
	var visits []*capture.Capture
	for i := range n {
		c := w.visit(i + 1)
		w.archive(c)
		w.append(custody.Event{Type: custody.Viewed, Actor: "person:ann", Subject: custody.Subject{Capture: c.ID}, Details: map[string]string{"salt": "x", "role": "viewport"}})
		w.now = w.now.Add(3 * time.Second)
		w.seal()
		w.now = w.now.Add(57 * time.Second)
		visits = append(visits, c)
	}
	opened := w.append(custody.Event{Type: custody.Held, Actor: "person:ann", Subject: custody.Subject{Case: "k-7"}, Details: map[string]string{"reason": "Aurelle v. Shop"}})
	w.seal()
	in := Input{
		Export: w.ids.New(), At: w.now, By: "person:ann", Purpose: "Aurelle v. Shop", To: "Counsel & Co",
		Case:   &Case{ID: "k-7", Name: "Aurelle v. Shop", Created: w.now, CreatedBy: "person:ann", Events: []Event{w.event(opened.ID)}},
		Log:    Log{Origin: origin, Keys: w.public()},
		System: System{Software: "trawlmark test", Operator: "Example Ltd", Configuration: "log:\n  level: info\n", TSAs: []string{"alpha", "beta"}},
		Key:    w.key, Commit: nil,
	}
	for _, c := range visits {
		in.Captures = append(in.Captures, w.bundled(c))
	}
	if n > 0 {
		in.Captures[0].Others = []Other{
			{ID: visits[0].ID, Started: visits[0].Started, Outcome: capture.Captured, Reading: Reading{Price: "12.00", Currency: "EUR"}},
			{ID: w.ids.New(), Started: w.now, Outcome: capture.Removed, Manifest: capture.Sum([]byte("later"))},
		}
	}
	in.Commit = w.commit(in)
	return in
}

// commit puts exported events into the log.
func (w *world) commit(in Input) func(context.Context, capture.Digest) (map[capture.ID]Event, error) {
	return func(_ context.Context, contents capture.Digest) (map[capture.ID]Event, error) {
		var ids []capture.ID
		for _, c := range in.Captures {
			e := w.append(custody.Event{
				Type: custody.Exported, Actor: in.By, Subject: custody.Subject{Capture: c.ID},
				Details: map[string]string{"contents": contents.String(), "format": Format, "export": in.Export.String()},
			})
			ids = append(ids, e.ID)
		}
		w.seal()
		w.commits++
		out := map[capture.ID]Event{}
		for i, c := range in.Captures {
			out[c.ID] = w.event(ids[i])
		}
		return out, nil
	}
}

// consistency proves that each checkpoint in a package extends the one before.
func (w *world) consistency(in Input) []Consistency {
	w.t.Helper()
	var proofs, checks [][]byte
	events := func(all []Event) {
		for _, e := range all {
			proofs = append(proofs, e.Proof)
		}
	}
	for _, c := range in.Captures {
		proofs = append(proofs, c.Proof)
		events(c.Events)
		if c.After != nil {
			checks = append(checks, c.After.Checkpoint)
		}
		if c.Original != nil {
			proofs = append(proofs, c.Original.Event.Proof)
		}
	}
	if in.Case != nil {
		events(in.Case.Events)
	}
	events(in.Log.Rotations)
	var sizes []int64
	for _, b := range proofs {
		p, err := custody.ParseProof(b)
		if err != nil {
			return nil // the test wants it so
		}
		checks = append(checks, p.Checkpoint)
	}
	for _, b := range checks {
		h, err := readHead(b)
		if err != nil {
			return nil
		}
		sizes = append(sizes, h.size)
	}
	slices.Sort(sizes)
	sizes = slices.Compact(sizes)
	var out []Consistency
	for i := 0; i+1 < len(sizes); i++ {
		p, err := w.log.Consistency(w.t.Context(), sizes[i], sizes[i+1])
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, Consistency{sizes[i], sizes[i+1], p})
	}
	return out
}

func (w *world) write(in Input) ([]byte, Summary) {
	w.t.Helper()
	in.Log.Consistency = w.consistency(in)
	if in.Renewals == nil {
		in.Renewals = w.renewals(in)
	}
	var b bytes.Buffer
	s, err := Write(w.t.Context(), &b, in)
	if err != nil {
		w.t.Fatal(err)
	}
	if s.SHA256 != sha256.Sum256(b.Bytes()) || s.Size != int64(b.Len()) {
		w.t.Errorf("the summary says %d bytes, %s", s.Size, s.SHA256)
	}
	return b.Bytes(), s
}

func verifyBytes(t *testing.T, b []byte, trust Trust) *Report {
	t.Helper()
	r, err := Verify(t.Context(), bytes.NewReader(b), int64(len(b)), trust)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// roots of somebody else.
func strangersRoots(t *testing.T) []*x509.Certificate {
	tsa, err := demotsa.Open(t.TempDir(), time.Now, rand.Reader, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return tsa.Roots()
}

var errInjected = errors.New("injected")
