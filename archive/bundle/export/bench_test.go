package export_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/bundle"
	"github.com/trawlmark/trawlmark/archive/bundle/export"
	"github.com/trawlmark/trawlmark/archive/capture"
)

// TestExportOfAHundredCaptures measures what docs/performance.md, "The
// package", says: TRAWLMARK_BENCH_EXPORT=1 go test -v -run Hundred ./archive/bundle/export
func TestExportOfAHundredCaptures(t *testing.T) {
	if os.Getenv("TRAWLMARK_BENCH_EXPORT") == "" {
		t.Skip("a measurement, not a test: set TRAWLMARK_BENCH_EXPORT=1")
	}
	w := newWorld(t)
	var ids []capture.ID
	for n := range 100 {
		ids = append(ids, w.large(t, n))
	}
	begun := time.Now()
	b, s := w.export(t, export.Request{Captures: ids, By: "person:ann"})
	exported := time.Since(begun)
	begun = time.Now()
	sum := sha256.Sum256(b)
	hashed := time.Since(begun)
	begun = time.Now()
	r := w.verify(t, b)
	verified := time.Since(begun)
	if r.Status() != bundle.Pass || s.SHA256 != sum {
		t.Fatalf("%s: %+v", r.Status(), r.Failed())
	}
	mb := func(d time.Duration) float64 { return float64(len(b)) / 1e6 / d.Seconds() }
	fmt.Printf("export: 100 captures, %.1f MB, %d files in %.2f s; verify %.0f MB/s, sha256 %.0f MB/s, ratio 1:%.1f\n",
		float64(len(b))/1e6, s.Files, exported.Seconds(), mb(verified), mb(hashed), mb(hashed)/mb(verified))
}

// large is a visit with two screenshots of 400 KB, a page of 120 KB, and 60 KB
// of an image that no other has.
func (w *world) large(t *testing.T, n int) capture.ID {
	t.Helper()
	page := fmt.Sprintf("https://market.example/item/%d", n)
	bytesOf := func(size int) capture.Bytes {
		b := make([]byte, size)
		_, _ = rand.Read(b)
		return b
	}
	html := capture.Bytes(bytes.Repeat([]byte("<p>A bag of the finest cloth.</p>\n"), 3600))
	ex := func(kind, url, media string, body capture.Body, main bool) *capture.Exchange {
		return &capture.Exchange{
			ID: w.ids.New(), Via: "http", Kind: kind, Main: main, Started: w.now, Method: "GET", URL: url, Status: 200, Protocol: "http/1.1",
			ResponseHeader: capture.Header{{Name: "Content-Type", Value: media}}, Body: body, Remote: netip.MustParseAddrPort("192.0.2.1:443"),
		}
	}
	c := &capture.Capture{
		ID: w.ids.New(), URL: page, FinalURL: page, Started: w.now, Finished: w.now.Add(time.Second), After: w.notary.Anchor(t.Context()),
		Asked: capture.Asked{By: "schedule", Site: "market", PageKind: "listing", ItemID: fmt.Sprint(n)}, Outcome: capture.Captured,
		Exchanges: []*capture.Exchange{ex("document", page, "text/html", html, true), ex("script", "https://market.example/app.js", "text/javascript", app, false), ex("image", page+".jpg", "image/jpeg", bytesOf(60<<10), false)},
		Artifacts: []*capture.Artifact{
			{Role: capture.RoleHTML, MediaType: "text/html", URL: page, Taken: w.now, Body: html},
			{Role: capture.RoleDOM, MediaType: "text/html", URL: page, Taken: w.now, Body: html},
			{Role: capture.RoleViewport, MediaType: "image/png", URL: page, Taken: w.now, Width: 1366, Height: 900, Body: bytesOf(400 << 10)},
			{Role: capture.RoleFullPage, MediaType: "image/png", URL: page, Taken: w.now, Width: 1366, Height: 1900, Body: bytesOf(400 << 10)},
		},
		Environment: capture.Environment{Software: "trawlmark test"}, Clock: capture.Clock{Source: "system"}, Policy: capture.Policy{Robots: "allowed", Render: "always"},
	}
	if _, err := w.archive.Ingest(t.Context(), c, archive.Description{Title: "bag"}); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Second)
	return c.ID
}
