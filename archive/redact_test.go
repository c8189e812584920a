package archive_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// secretPNG has a red square at 10,10 20x20, and a text chunk in front of it.
func secretPNG(t *testing.T, w, h int) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{uint8(x), uint8(y), 200, 255}
			if x >= 10 && x < 30 && y >= 10 && y < 30 {
				c = color.NRGBA{255, 0, 0, 255}
			}
			m.SetNRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const secretHTML = `<!DOCTYPE html><html><head><title>bag</title><script>var s={"buyer":"J\u00fcrgen M\u00fcller","u":"https:\/\/track.example\/p?u=99887766"}</script></head>
<body><h1>bag</h1><p>Review by <b>Jürgen</b> <i>Müller</i>, J&uuml;rgen&nbsp;M&#252;ller</p><img src="https://track.example/p?u=99887766">
<div id="phone"><span>Call</span> <a href="tel:+4930777321">+49 30 777321</a></div><footer>a+49 30 777321b</footer></body></html>`

func zipped(s string) capture.Bytes {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(s))
	_ = z.Close()
	return b.Bytes()
}

// secretive is a visit with things to hide in every form that they come in.
func (w *world) secretive(t *testing.T) *capture.Capture {
	t.Helper()
	c := w.capture()
	page := c.URL
	ex := func(kind, url, media, encoding string, body capture.Body, main bool) *capture.Exchange {
		h := capture.Header{{Name: "Content-Type", Value: media}, {Name: "Set-Cookie", Value: "sid=0123456789abcdef"}}
		if encoding != "" {
			h = append(h, capture.Field{Name: "Content-Encoding", Value: encoding})
		}
		return &capture.Exchange{
			ID: w.ids.New(), Via: "http", Kind: kind, Main: main, Started: noon, Finished: noon.Add(time.Second), Method: "GET", URL: url,
			RequestHeader: capture.Header{{Name: "Cookie", Value: "sid=0123456789abcdef"}}, Status: 200, StatusText: "OK", Protocol: "http/1.1",
			ResponseHeader: h, Body: body, Remote: netip.MustParseAddrPort("192.0.2.1:443"),
		}
	}
	c.Exchanges = []*capture.Exchange{
		ex("document", page, "text/html; charset=utf-8", "gzip", zipped(secretHTML), true),
		ex("image", "https://track.example/p?u=99887766", "image/gif", "", capture.Bytes("GIF89a"), false),
		ex("xhr", "https://market.example/api", "application/json", "", capture.Bytes(`{"buyer":"J\u00dcRGEN  m\u00fcller","price":12}`), false),
		ex("script", "https://market.example/app.js", "text/javascript", "", capture.Bytes(strings.Repeat("console.log(1);\n", 4096)), false),
	}
	shot := func(role capture.Role, tile, w, h int) *capture.Artifact {
		return &capture.Artifact{Role: role, Tile: tile, MediaType: "image/png", URL: page, Taken: noon, Width: w, Height: h, Body: capture.Bytes(secretPNG(t, w, h))}
	}
	text := func(role capture.Role, media, s string) *capture.Artifact {
		return &capture.Artifact{Role: role, MediaType: media, URL: page, Taken: noon, Body: capture.Bytes(s)}
	}
	c.Artifacts = []*capture.Artifact{
		text(capture.RoleHTML, "text/html", secretHTML), text(capture.RoleDOM, "text/html", secretHTML),
		text(capture.RoleText, "text/plain; charset=utf-8", "bag\nReview by Jürgen Müller, Jürgen\u00a0Müller\nCall +49 30 777321"),
		text(capture.RoleReading, "application/json", `{"listing":{"fields":{"title":{"value":"bag"},"seller_name":{"value":"Jürgen Müller"}}}}`),
		text(capture.RolePageInfo, "application/json", `{"https://track.example/p?u=99887766":{"status":200}}`),
		shot(capture.RoleViewport, 0, 60, 40), shot(capture.RoleFullPage, 1, 60, 80), shot(capture.RoleFullPage, 2, 60, 50),
	}
	return c
}

var hideAll = archive.Redaction{
	Reason: "names of third parties",
	Boxes:  []archive.Box{{X: 8, Y: 8, W: 30, H: 30, Why: "a buyer"}, {Tile: 2, X: 10, Y: 10, W: 20, H: 20}},
	Remove: []archive.Removal{
		{Kind: "text", What: "Jürgen Müller", Why: "a buyer"},
		{Kind: "selector", What: "#phone"},
		{Kind: "url", What: "https://track.example/*"},
		{Kind: "header", What: "set-cookie"},
		{Kind: "header", What: "cookie"},
	},
}

// secrets are what must be nowhere in a redaction by hideAll.
var secrets = []string{"Jürgen", "Müller", "rgen", "u00fcl", "#252;", "777321", "99887766", "0123456789abcdef", "track.example"}

func (w *world) redact(t *testing.T, a *archive.Archive, order archive.Redaction) *archive.Redacted {
	t.Helper()
	r, err := a.Redact(t.Context(), order, "person:ann")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.StoreRedaction(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARedactionHoldsNothingOfWhatWasHidden(t *testing.T) {
	w := newWorld(t)
	a := w.open(t)
	c := w.secretive(t)
	if _, err := a.Ingest(t.Context(), c, archive.Description{Title: "bag", Seller: "Jürgen Müller"}); err != nil {
		t.Fatal(err)
	}
	w.now = noon.Add(time.Hour)
	order := hideAll
	order.Capture = c.ID
	r := w.redact(t, a, order)

	m, doc, err := a.Manifest(t.Context(), r.ID)
	if err != nil || m.Redaction == nil || m.Redaction.Capture != c.ID || m.Format != manifest.FormatRedaction {
		t.Fatalf("%v %+v", err, m)
	}
	all := map[string][]byte{"manifest": doc}
	for _, art := range m.Artifacts {
		b := w.get(t, art.Key)
		if capture.Sum(b) != art.SHA256 {
			t.Errorf("%s is not what the manifest names", art.Key)
		}
		all[art.Role] = b
		if art.MediaType == "image/png" {
			black(t, b, art)
		}
	}
	all["warc"] = inflatedWARC(t, all["warc"])
	e, err := w.catalog.Get(t.Context(), r.ID)
	if err != nil || e.Title != "bag" || e.ItemID != "7" {
		t.Fatalf("%+v, %v", e, err)
	}
	all["entry"] = []byte(e.Title + e.Seller + e.Price + e.URL)
	for name, b := range all {
		for _, s := range secrets {
			if bytes.Contains(b, []byte(s)) {
				t.Errorf("%s holds %q", name, s)
			}
		}
	}
	if p, err := w.catalog.Search(t.Context(), catalog.Query{Text: "müller"}); err != nil || len(p.Entries) != 1 || p.Entries[0].ID != c.ID {
		t.Errorf("the search finds %+v, %v", p.Entries, err)
	}
	// What was hidden is named by its digest, what was not is what it was.
	how := map[string]string{}
	for _, x := range m.Redaction.Withheld {
		how[x.Role] = x.How
	}
	for role, want := range map[string]string{"warc": "replaced", "html": "replaced", "dom": "replaced", "text": "replaced", "reading": "replaced", "pageinfo": "removed", "viewport": "replaced", "fullpage": "replaced"} {
		if role == "pageinfo" { // JSON stays JSON
			want = "replaced"
		}
		if how[role] != want {
			t.Errorf("%s is %q, want %q", role, how[role], want)
		}
	}
	if len(m.Redaction.Records) < 5 || !bytes.Contains(all["warc"], []byte("console.log(1)")) || !bytes.Contains(all["warc"], []byte("WARC-Type: conversion")) {
		t.Errorf("%d records withheld", len(m.Redaction.Records))
	}
	// The log has it, about the original; the original is as it was.
	rows, err := w.log.About(t.Context(), custody.Subject{Capture: c.ID})
	if err != nil || len(rows) != 2 || rows[1].Entry.Type != custody.Redacted || rows[1].ID != r.ID {
		t.Fatalf("%+v, %v", rows, err)
	}
	ev, _, err := w.log.Event(t.Context(), r.ID)
	if err != nil || ev.Manifest != capture.Sum(doc) || ev.Details["reason"] != order.Reason || ev.Actor != "person:ann" {
		t.Errorf("%+v, %v", ev, err)
	}
	if of, err := w.catalog.Original(t.Context(), r.ID); err != nil || of != c.ID {
		t.Errorf("%s, %v", of, err)
	}
	if _, err := a.Redact(t.Context(), archive.Redaction{Capture: r.ID, Reason: "x", Boxes: hideAll.Boxes}, "person:ann"); !errors.Is(err, archive.ErrRedaction) {
		t.Errorf("a redaction was redacted: %v", err)
	}
	if info, err := w.vault.Stat(t.Context(), vault.ManifestKey(r.ID), ""); err != nil || info.RetainUntil.IsZero() {
		t.Errorf("it is not locked: %+v, %v", info, err)
	}
	if locks, err := a.Locks(t.Context(), r.ID); err != nil || len(locks) != len(m.Artifacts)+1 || slices.ContainsFunc(locks, func(l archive.ObjectLock) bool { return len(l.Wrong) > 0 || !l.Told }) {
		t.Errorf("%+v, %v", locks, err)
	}
	w.sound(t, a, r.ID)
}

func TestLocksTellWhatTheStorageDoesNotKeep(t *testing.T) {
	w := newWorld(t)
	a := w.open(t)
	c := w.secretive(t)
	if _, err := a.Ingest(t.Context(), c, archive.Description{}); err != nil {
		t.Fatal(err)
	}
	wrong := func(want string) {
		t.Helper()
		locks, err := a.Locks(t.Context(), c.ID)
		if err != nil || !strings.Contains(fmt.Sprint(locks), want) {
			t.Errorf("want %q: %+v, %v", want, locks, err)
		}
	}
	if err := a.Hold(t.Context(), c.ID, true, "person:ann", "x"); err != nil {
		t.Fatal(err)
	}
	if err := w.vault.Hold(t.Context(), vault.ManifestKey(c.ID), "", false); err != nil {
		t.Fatal(err)
	}
	wrong("under legal hold, the object is not")
	w.vault.Hide(vault.WARCKey(c.ID))
	wrong("stands over")
	e, err := w.catalog.Get(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	e.RetainUntil = e.RetainUntil.AddDate(1, 0, 0)
	if err := w.catalog.SetRetention(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	wrong("its capture must be kept until")
}

// sound: audit and rebuild know redactions.
func (w *world) sound(t *testing.T, a *archive.Archive, id capture.ID) {
	t.Helper()
	if _, err := w.log.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := a.Audit(t.Context(), w.log, archive.AuditOptions{Deep: true, Found: func(d archive.Difference) { t.Errorf("%+v", d) }}); err != nil {
		t.Errorf("%+v, %v", r, err)
	}
	want, err := w.catalog.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	w.db = sqldbtest.SQLite(t)()
	if w.catalog, err = catalog.Open(t.Context(), w.db); err != nil {
		t.Fatal(err)
	}
	w.spool = t.TempDir()
	a = w.open(t)
	if _, err := a.Rebuild(t.Context(), w.log, archive.RebuildOptions{Found: func(d archive.Difference) { t.Errorf("%+v", d) }}); err != nil {
		t.Fatal(err)
	}
	got, err := w.catalog.Get(t.Context(), id)
	want.Held, want.RequestedBy = got.Held, got.RequestedBy
	if err != nil || got != want {
		t.Errorf("rebuilt: %+v\nwant     %+v, %v", got, want, err)
	}
	if _, err := w.catalog.Original(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// black looks at the pixels of an image.
func black(t *testing.T, b []byte, a manifest.Artifact) {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	red := 0
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			if r, g, _, _ := m.At(x, y).RGBA(); r > 0xf000 && g == 0 {
				red++
			}
		}
	}
	if red > 0 || m.Bounds().Dx() != int(a.Width) || m.Bounds().Dy() != int(a.Height) {
		t.Errorf("%s %d: %d hidden pixels can be seen", a.Role, a.Tile, red)
	}
	if r, _, b, _ := m.At(50, 35).RGBA(); r == 0 && b == 0 {
		t.Errorf("%s: more than the box is black", a.Role)
	}
}

// inflatedWARC gives everything in a WARC, headers and blocks, decoded.
func inflatedWARC(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	rd := warc.NewReader(bytes.NewReader(b))
	for {
		rec, err := rd.Next()
		if err == io.EOF {
			return out.Bytes()
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range rec.Header {
			out.WriteString(f.Name + ": " + f.Value + "\n")
		}
		block, err := io.ReadAll(rec)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(block)
		if _, body, ok := bytes.Cut(block, []byte("\r\n\r\n")); ok {
			if z, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
				_, _ = io.Copy(&out, z)
			}
		}
		out.WriteByte('\n')
	}
}

func TestARedactionThatCannotBeMadeSaysWhy(t *testing.T) {
	w := newWorld(t)
	a := w.open(t)
	c := w.secretive(t)
	if _, err := a.Ingest(t.Context(), c, archive.Description{}); err != nil {
		t.Fatal(err)
	}
	text := func(s string) []archive.Removal { return []archive.Removal{{Kind: "text", What: s}} }
	for name, x := range map[string]struct {
		order archive.Redaction
		want  string
	}{
		"nothing":                  {archive.Redaction{Reason: "x"}, "say what to hide"},
		"no reason":                {archive.Redaction{Boxes: hideAll.Boxes}, "say why"},
		"a box outside":            {archive.Redaction{Reason: "x", Boxes: []archive.Box{{X: 500, Y: 0, W: 1, H: 1}}}, "outside of every image"},
		"no such tile":             {archive.Redaction{Reason: "x", Boxes: []archive.Box{{Tile: 7, W: 1, H: 1}}}, "no such image"},
		"an image not looked at":   {archive.Redaction{Reason: "x", Remove: text("Jürgen Müller")}, "has no box"},
		"a text that is not there": {archive.Redaction{Reason: "x", Remove: text("Nobody Here"), Seen: []string{"viewport", "fullpage"}}, "finds nothing"},
		"a short text":             {archive.Redaction{Reason: "x", Remove: text("ab")}, "at least"},
		"a reason that tells":      {archive.Redaction{Reason: "for JÜRGEN müller", Remove: text("Jürgen Müller"), Seen: []string{"viewport", "fullpage"}}, "the reason says"},
		"a bad selector":           {archive.Redaction{Reason: "x", Remove: []archive.Removal{{Kind: "selector", What: "###"}}}, "no CSS selector"},
		"the WARC":                 {archive.Redaction{Reason: "x", Remove: []archive.Removal{{Kind: "artifact", What: "warc"}}}, "made anew"},
		"an artifact it has not":   {archive.Redaction{Reason: "x", Remove: []archive.Removal{{Kind: "artifact", What: "before"}}}, "has no"},
	} {
		x.order.Capture = c.ID
		_, err := a.Redact(t.Context(), x.order, "person:ann")
		if !errors.Is(err, archive.ErrRedaction) || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left, err := a.Waiting(); err != nil || len(left) != 0 {
		t.Errorf("%d left in the spool, %v", len(left), err)
	}
}

// A process that dies between making and storing a redaction leaves one that
// the next one stores as what it is.
func TestARedactionInTheSpoolIsStoredAsOne(t *testing.T) {
	w := newWorld(t)
	a := w.open(t)
	c := w.secretive(t)
	if _, err := a.Ingest(t.Context(), c, archive.Description{}); err != nil {
		t.Fatal(err)
	}
	order := hideAll
	order.Capture = c.ID
	made, err := a.Redact(t.Context(), order, "person:ann")
	if err != nil {
		t.Fatal(err)
	}
	a = w.open(t)
	left, err := a.Waiting()
	if err != nil || len(left) != 1 {
		t.Fatalf("%d, %v", len(left), err)
	}
	for range 2 {
		if _, err := a.Store(t.Context(), left[0]); err != nil {
			t.Fatal(err)
		}
	}
	ev, _, err := w.log.Event(t.Context(), made.ID)
	if err != nil || ev.Type != custody.Redacted {
		t.Errorf("%+v, %v", ev, err)
	}
}

func TestRemovalsAndBoxesAreReadAsTheyAreWritten(t *testing.T) {
	for s, want := range map[string]archive.Box{
		"1,2,3,4": {X: 1, Y: 2, W: 3, H: 4}, "1,2,3,4:2": {X: 1, Y: 2, W: 3, H: 4, Tile: 2}, "viewport:1,2,3,4": {Role: "viewport", X: 1, Y: 2, W: 3, H: 4},
	} {
		if got, err := archive.ParseBox(s); err != nil || got != want {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "1,2,3", "1,2,3,4,5", "1,2,3,4:0", "1,2,3,4:x", "dom:1,2,3,4", "-1,2,3,4", "1,2,0,4", "1, 2,3,4", "a:1,2,3,4:1:1"} {
		if b, err := archive.ParseBox(s); err == nil {
			t.Errorf("%q was taken: %+v", s, b)
		}
	}
	for _, s := range []string{"", "text", "text:ab", "magic:x", "url:*", "selector:", "artifact:warc"} {
		if r, err := archive.ParseRemoval(s); err == nil {
			t.Errorf("%q was taken: %+v", s, r)
		}
	}
}

func FuzzHide(f *testing.F) {
	f.Add("Jürgen Müller", `J\u00fcrgen%20M%C3%BCller &amp;uuml; J&#252;rgen  MÜLLER`)
	f.Add("a+b c", "%61%2bB\u200b&nbsp;C")
	f.Fuzz(func(t *testing.T, needle, text string) { archive.HideCheck(t, needle, text) })
}
