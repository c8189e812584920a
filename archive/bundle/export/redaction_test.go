package export_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/bundle"
	"github.com/trawlmark/trawlmark/archive/bundle/export"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
)

// secret is a visit to item 9 that shows a name, in text and in pixels.
func (w *world) secret(t *testing.T) capture.ID {
	t.Helper()
	page := "https://market.example/item/9"
	html := `<html><title>bag</title><p class="review">by Zoë Quill</p>EUR 12</html>`
	shot := func(role capture.Role, tile int) *capture.Artifact {
		m := image.NewNRGBA(image.Rect(0, 0, 50, 50))
		for i := range m.Pix {
			m.Pix[i] = 0xff
		}
		for x := 10; x < 20; x++ {
			m.Set(x, 10, color.NRGBA{255, 0, 0, 255})
		}
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		return &capture.Artifact{Role: role, Tile: tile, MediaType: "image/png", URL: page, Taken: w.now, Width: 50, Height: 50, Body: capture.Bytes(b.Bytes())}
	}
	text := func(role capture.Role, media, s string) *capture.Artifact {
		return &capture.Artifact{Role: role, MediaType: media, URL: page, Taken: w.now, Body: capture.Bytes(s)}
	}
	c := &capture.Capture{
		ID: w.ids.New(), URL: page, FinalURL: page, Started: w.now, Finished: w.now.Add(time.Second), After: w.notary.Anchor(t.Context()),
		Asked: capture.Asked{By: "schedule", Site: "market", PageKind: "listing", ItemID: "9"}, Outcome: capture.Captured,
		Exchanges: []*capture.Exchange{{
			ID: w.ids.New(), Via: "http", Kind: "document", Main: true, Started: w.now, Method: "GET", URL: page, Status: 200, Protocol: "http/1.1",
			ResponseHeader: capture.Header{{Name: "Content-Type", Value: "text/html; charset=utf-8"}}, Body: capture.Bytes(html), Remote: netip.MustParseAddrPort("192.0.2.1:443"),
		}},
		Artifacts: []*capture.Artifact{
			text(capture.RoleHTML, "text/html", html), text(capture.RoleDOM, "text/html", html), text(capture.RoleText, "text/plain", "by Zoë Quill\nEUR 12"),
			text(capture.RoleReading, "application/json", `{"listing":{"fields":{"title":{"value":"bag"},"seller_name":{"value":"zoë quill"}}}}`),
			shot(capture.RoleViewport, 0), shot(capture.RoleFullPage, 0),
		},
		Environment: capture.Environment{Software: "trawlmark test"}, Clock: capture.Clock{Source: "system"}, Policy: capture.Policy{Robots: "allowed", Render: "always"},
	}
	if _, err := w.archive.Ingest(t.Context(), c, archive.Description{Title: "bag", Seller: "Zoë Quill"}); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Minute)
	return c.ID
}

// Whatever is in a redacted package, however it is packed, holds nothing of
// what was hidden.
func TestARedactedPackageHoldsNothingOfWhatWasHidden(t *testing.T) {
	w := newWorld(t)
	first := w.secret(t) // its readings would tell in the comparison
	id := w.secret(t)
	if err := w.archive.Note(t.Context(), custody.Viewed, "person:bob", custody.Subject{Capture: id}, map[string]string{"reason": "Zoë Quill complained"}); err != nil {
		t.Fatal(err)
	}
	r, err := w.archive.Redact(t.Context(), archive.Redaction{
		Capture: id, Reason: "a third party", Boxes: []archive.Box{{X: 5, Y: 5, W: 20, H: 20}}, Remove: []archive.Removal{{Kind: "text", What: "Zoë Quill", Why: "a reviewer"}},
	}, "person:ann")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.archive.StoreRedaction(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]export.Request{
		"in its place": {Captures: []capture.ID{id}, Redacted: true, By: "person:ann"}, "by its id": {Captures: []capture.ID{r.ID}, By: "person:ann"},
	} {
		b, s := w.export(t, q)
		if report := w.verify(t, b); report.Status() != bundle.Pass || report.Captures[0].Redaction == nil || report.Captures[0].Redaction.Original != id {
			t.Fatalf("%s: %s: %+v", name, report.Status(), report.Failed())
		}
		if len(s.Captures) != 1 || s.Captures[0] != r.ID {
			t.Errorf("%s: %v", name, s.Captures)
		}
		nothing(t, name, b, []string{"Zoë", "Zo\\u00eb", "Zo&euml;", "Quill", "quill", "QUILL"})
		if !bytes.Contains(b, []byte(first.String())) || !bytes.Contains(b, []byte("not shown, because somebody wrote in them")) {
			t.Errorf("%s: the other capture, or that an event is withheld, is not told", name)
		}
	}
	mixed := export.Request{Captures: []capture.ID{first, r.ID}, Redacted: true, By: "person:ann"}
	if _, err := w.exporter.Export(t.Context(), io.Discard, mixed); !errors.Is(err, export.ErrNoRedaction) || !strings.Contains(err.Error(), first.String()) {
		t.Errorf("a capture without a redaction: %v", err)
	}
	for name, c := range map[string]struct {
		q    export.Request
		want error
	}{
		"one has none": {mixed, export.ErrNoRedaction}, "not asked for redacted": {export.Request{Captures: []capture.ID{first}}, nil},
		"the rest whole": {export.Request{Captures: mixed.Captures, Redacted: true, RestWhole: true}, nil},
		"its redaction":  {export.Request{Captures: []capture.ID{id}, Redacted: true}, nil},
		"not there":      {export.Request{Captures: []capture.ID{w.ids.New()}}, catalog.ErrNotFound},
		"no such case":   {export.Request{Case: "k-404"}, catalog.ErrNotFound},
	} {
		if err := export.Check(t.Context(), w.exporter.Catalog, c.q); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	mixed.RestWhole = true
	_, s := w.export(t, mixed)
	if len(s.Captures) != 2 || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "handed over whole") {
		t.Errorf("%v, %q", s.Captures, s.Warnings)
	}
}

// Who is refused reads which captures, and what to run.
func TestTheRefusalNamesTheCapturesAndTheCommand(t *testing.T) {
	var u export.Unredacted
	for i := range 7 {
		u = append(u, capture.ID{byte(i + 1)})
	}
	for n, want := range map[int]string{
		1: "capture " + u[0].String() + " has no redaction; make one with `trawlmark evidence redact " + u[0].String() + "`, or hand such captures over whole with --rest-whole",
		2: "2 captures have no redaction: " + u[0].String() + ", " + u[1].String() + "; make one",
		7: u[4].String() + " and 2 more; make one",
	} {
		if got := u[:n].Error(); !strings.Contains(got, want) || !errors.Is(u[:n], export.ErrNoRedaction) {
			t.Errorf("%d: %s", n, got)
		}
	}
}

// An expert who has both holds a redaction against its original, to the pixel.
func TestARedactionIsHeldAgainstItsOriginal(t *testing.T) {
	w := newWorld(t)
	id, other := w.secret(t), w.secret(t)
	r, err := w.archive.Redact(t.Context(), archive.Redaction{
		Capture: id, Reason: "a third party", Boxes: []archive.Box{{X: 5, Y: 5, W: 20, H: 20}}, Remove: []archive.Removal{{Kind: "text", What: "Zoë Quill", Why: "a reviewer"}},
	}, "person:ann")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.archive.StoreRedaction(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, b, 0o600)); err != nil {
			t.Fatal(err)
		}
		return name
	}
	copied, _ := w.export(t, export.Request{Captures: []capture.ID{r.ID}, By: "person:ann"})
	whole, _ := w.export(t, export.Request{Captures: []capture.ID{id}, By: "person:ann"})
	another, _ := w.export(t, export.Request{Captures: []capture.ID{other}, By: "person:ann"})
	for file, b := range members(t, whole) {
		write("unpacked/"+file, b)
		if name, ok := strings.CutPrefix(file, "native/"+id.String()+"/"); ok { // as `evidence get` writes it
			write("got/"+id.String()+"/"+name, b)
		}
		if file == "seal/"+id.String()+"/manifest.json" {
			write("got/"+id.String()+"/manifest.json", b)
		}
		if strings.HasSuffix(file, "/dom.html") {
			b[len(b)/2] ^= 1
		}
		write("damaged/"+file, b)
	}
	for name, c := range map[string]struct {
		path   string
		status bundle.Status
		says   []string
	}{
		"a package": {write("whole.zip", whole), bundle.Pass, []string{
			"by the original at hand, the redaction is it but for", "every record is in the copy as it was, but for the ", "replaced: 400 of 2500 pixels are black, all others are as captured",
			"replaced: nothing was added or changed, and text was taken out in 1 place(s)",
		}},
		"a folder":        {filepath.Join(dir, "unpacked"), bundle.Pass, []string{"every record is in the copy as it was"}},
		"taken out":       {filepath.Join(dir, "got"), bundle.Pass, []string{"every record is in the copy as it was"}},
		"a damaged one":   {filepath.Join(dir, "damaged"), bundle.Fail, []string{"the file at hand has not the bytes that the original's manifest names"}},
		"another capture": {write("another.zip", another), bundle.NotChecked, []string{"is not in what was named as original"}},
	} {
		o, err := bundle.OpenOriginals(c.path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		report, err := bundle.VerifyWith(t.Context(), bytes.NewReader(copied), int64(len(copied)), w.trust, bundle.Options{Originals: []*bundle.Originals{o}})
		if err = errors.Join(err, o.Close()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text := strings.Join(report.Lines(true), "\n")
		if report.Status() != c.status {
			t.Errorf("%s: %s\n%s", name, report.Status(), text)
		}
		for _, s := range c.says {
			if !strings.Contains(text, s) {
				t.Errorf("%s: it does not say %q\n%s", name, s, text)
			}
		}
	}
	if _, err := bundle.OpenOriginals(filepath.Join(dir, "nosuch")); err == nil {
		t.Error("what is not there was opened")
	}
}

// members gives the files of a package, or of one in it.
func members(t *testing.T, b []byte) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(in)
		if err = errors.Join(err, in.Close()); err != nil {
			t.Fatal(err)
		}
		all[f.Name] = data
	}
	return all
}

// nothing unpacks a package to its last layer and looks for texts and pixels.
func nothing(t *testing.T, name string, b []byte, secrets []string) {
	t.Helper()
	for file, data := range members(t, b) {
		look := [][]byte{data}
		if strings.HasSuffix(file, ".wacz") {
			nothing(t, name+": "+file, data, secrets)
		}
		if strings.HasSuffix(file, ".gz") {
			g, err := gzip.NewReader(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			plain, err := io.ReadAll(g) // member by member
			if err != nil {
				t.Fatal(err)
			}
			look = append(look, plain)
			for rest := plain; ; { // and the images in it
				_, after, ok := bytes.Cut(rest, []byte("\x89PNG"))
				if !ok {
					break
				}
				pixels(t, name+": "+file, append([]byte("\x89PNG"), after...))
				rest = after
			}
		}
		for _, d := range look {
			for _, s := range secrets {
				if bytes.Contains(d, []byte(s)) {
					t.Errorf("%s: %s holds %q", name, file, s)
				}
			}
		}
		if strings.HasSuffix(file, ".png") {
			pixels(t, name+": "+file, data)
		}
	}
}

func pixels(t *testing.T, name string, b []byte) {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			if r, g, _, _ := m.At(x, y).RGBA(); r == 0xffff && g == 0 {
				t.Fatalf("%s shows a hidden pixel at %d,%d", name, x, y)
			}
		}
	}
}
