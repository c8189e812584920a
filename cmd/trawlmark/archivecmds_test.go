package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/worker"
)

var captureID = regexp.MustCompile(`"capture": "([0-9a-f-]{36})"`)

// idCmd takes the first capture's id out of a JSON document: `id CAPTURE FILE`.
func idCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: id VARIABLE FILE")
	}
	m := captureID.FindStringSubmatch(ts.ReadFile(args[1]))
	if m == nil {
		ts.Fatalf("%s has no capture", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// On the real storage, with its real locks: what is locked is not deleted, an
// order waits, and what has expired is gone in every version, on record.
func TestExpiryOnTheRealStorage(t *testing.T) {
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
	if _, err := a.openArchive(t.Context(), commandSpace("test")); err != nil {
		t.Fatal(err)
	}
	arch, err := archive.New(archive.Config{SpoolDir: t.TempDir(), Untriaged: 8 * time.Second}, archive.Deps{
		Vault: a.vault, Catalog: a.catalog, Custody: a.custody, IDs: a.ids, Now: time.Now, Log: a.log,
	})
	if err != nil {
		t.Fatal(err)
	}
	cr, err := a.openCrawler(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	_, r, err := worker.Once(t.Context(), cr, arch, crawler.Request{
		ID: a.ids.New(), URL: "http://market.demo.test" + srv.Listings()[0].Path, Asked: capture.Asked{By: "test"}, Render: "never",
	})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := arch.Erase(t.Context(), r.ID, "person:ann", "order 7"); err != nil || e.Erased {
		t.Fatalf("a locked capture: %+v, %v", e, err)
	}
	var x archive.Expiry
	waitFor(t, 3*time.Minute, "the capture to expire", func() (bool, string) {
		if x, err = arch.Expire(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		return x.Done == 1, fmt.Sprintf("%+v", x)
	})
	if x.Erased != 1 {
		t.Errorf("the order was not what it was deleted by: %+v", x)
	}
	for _, o := range r.Objects {
		if _, err := a.vault.Stat(t.Context(), o.Key, o.Version); !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("%s is still there: %v", o.Key, err)
		}
	}
	if _, err := a.custody.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone, err := collect(t.Context(), a, r.ID)
	var out strings.Builder
	if gone.print(&out); err != nil || gone.Manifest != nil || !strings.Contains(out.String(), "erased by order") || !strings.Contains(out.String(), "decision=erase") {
		t.Errorf("what is shown of it: %v\n%s", err, out.String())
	}
	report, err := arch.Audit(t.Context(), a.custody, archive.AuditOptions{Found: func(d archive.Difference) { t.Errorf("%+v", d) }})
	if err != nil || report.Gone != 1 || report.LogEntries < 3 {
		t.Errorf("%+v, %v", report, err)
	}
}
