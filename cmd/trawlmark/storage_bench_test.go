package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/worker"
)

// captureTwice captures one unchanged listing of the demo marketplace twice,
// with everything real (Chrome, S3, SQLite), and gives the bytes that each
// capture added to the bucket: files, shared files, manifest, custody event.
// Chrome on a busy machine draws a page otherwise now and then; such a capture
// saw something else, is logged, and another one is made.
func captureTwice(t testing.TB, whole bool) (first, second int64) {
	t.Helper()
	srv, err := markettest.Start(markettest.Config{CrawlDelay: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	a := testApp(t, nil)
	a.override = map[string]string{}
	for _, h := range srv.Hosts() {
		a.override[h] = srv.Addr
	}
	arch, err := a.openArchive(t.Context(), commandSpace("storage"))
	if err != nil {
		t.Fatal(err)
	}
	if whole {
		arch, err = archive.New(archive.Config{SpoolDir: t.TempDir(), Whole: true}, archive.Deps{
			Vault: a.vault, Catalog: a.catalog, Custody: a.custody, IDs: a.ids, Now: time.Now, Log: a.log,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	cr, err := a.openCrawler(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	page := ""
	for _, l := range srv.Listings() {
		if l.Page == markettest.JSONLD && l.Fault == "" && l.Lang == "en" {
			page = "http://market.demo.test" + l.Path
			break
		}
	}
	var drawn []string
	for n := range 5 {
		before := stored(t, a.vault)
		res, r, err := worker.Once(t.Context(), cr, arch, crawler.Request{ID: a.ids.New(), URL: page, Asked: capture.Asked{By: "bench"}, Render: "always"})
		if err != nil || res.Capture.Outcome != capture.Captured || len(r.Objects) < 6 {
			t.Fatalf("the capture ended as %s with %d files, %v", res.Capture.Outcome, len(r.Objects), err)
		}
		added := stored(t, a.vault) - before
		if n == 0 {
			first, drawn = added, append(drawn, screenshots(r))
			continue
		}
		if slices.Contains(drawn, screenshots(r)) {
			return first, added
		}
		t.Logf("capture %d was drawn otherwise than those before, and added %d bytes", n+1, added)
		drawn = append(drawn, screenshots(r))
	}
	t.Fatal("no two captures of an unchanged listing were drawn alike")
	return 0, 0
}

// screenshots names what a capture's screenshots show.
func screenshots(r archive.Receipt) string {
	var all []string
	for _, o := range r.Objects {
		if o.MediaType == "image/png" {
			all = append(all, o.SHA256.String())
		}
	}
	return strings.Join(all, " ")
}

// stored is how many bytes the bucket holds of captures.
func stored(t testing.TB, v vault.Vault) int64 {
	t.Helper()
	var n int64
	for _, prefix := range []string{vault.CapturesPrefix, vault.BlobsPrefix, vault.CustodyEventsPrefix} {
		for info, err := range v.List(t.Context(), prefix, "") {
			if err != nil {
				t.Fatal(err)
			}
			n += info.Size
		}
	}
	return n
}

// maxUnchanged is what a second capture of an unchanged listing may add, of
// what the first one added.
const maxUnchanged = 0.15

func TestAnUnchangedListingCostsLittleToCaptureAgain(t *testing.T) {
	first, second := captureTwice(t, false)
	t.Logf("the first capture added %d bytes, the second %d: %.1f %%", first, second, 100*float64(second)/float64(first))
	if float64(second) > maxUnchanged*float64(first) {
		t.Errorf("the second capture added %d bytes, more than %.0f %% of the first one's %d", second, 100*maxUnchanged, first)
	}
}

// BenchmarkUnchangedListing prints what captures of an unchanged listing cost
// in the bucket, and beside it what they would cost with everything stored
// every time.
func BenchmarkUnchangedListing(b *testing.B) {
	for b.Loop() {
		first, second := captureTwice(b, false)
		floor, again := captureTwice(b, true)
		b.ReportMetric(float64(first), "first-B")
		b.ReportMetric(float64(second), "second-B")
		b.ReportMetric(100*float64(second)/float64(first), "second-%-of-first")
		b.ReportMetric(float64(floor), "first-whole-B")
		b.ReportMetric(float64(again), "second-whole-B")
		b.Logf("an unchanged listing captured again: %d bytes of the first one's %d (%.1f %%); stored whole it is %d and %d",
			second, first, 100*float64(second)/float64(first), floor, again)
	}
}
