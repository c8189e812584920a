package main

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/warc"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/worker"
)

func TestMeasureTmp(t *testing.T) {
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
	arch, err := a.openArchive(t.Context(), commandSpace("bench"))
	if err != nil {
		t.Fatal(err)
	}
	cr, err := a.openCrawler(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range srv.Listings() {
		if l.Page != markettest.JSONLD || l.Fault != "" || l.Lang != "en" {
			continue
		}
		for range 2 {
			time.Sleep(1200*time.Millisecond)
			_, r, err := worker.Once(t.Context(), cr, arch, crawler.Request{ID: a.ids.New(), URL: "http://market.demo.test" + l.Path, Asked: capture.Asked{By: "bench"}, Render: "always"})
			if err != nil {
				t.Fatal(err)
			}
			t.Log(r.Entry.Outcome, r.Entry.Bytes)
			for _, o := range r.Objects {
				t.Logf("  %-10s %d %8d %.12s", o.Role, o.Tile, o.Bytes, o.SHA256)
			}
			rd, _, err := a.vault.Get(t.Context(), r.Objects[len(r.Objects)-1].Key, "")
			if err != nil { t.Fatal(err) }
			for _, o := range r.Objects { if o.Role == "warc" { rd, _, _ = a.vault.Get(t.Context(), o.Key, "") } }
			wr := warc.NewReader(rd)
			for {
				rec, err := wr.Next()
				if errors.Is(err, io.EOF) { break }
				if err != nil { t.Fatal(err) }
				rec.Finish()
				t.Logf("    %-10s %8d %8d %.16s %.60s", rec.Type, rec.Length, rec.Blocks, rec.Get("WARC-Payload-Digest"), rec.Target)
			}
		}
		break
	}
}
