package crawler_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/egress"
	"github.com/trawlmark/trawlmark/crawler/fetch"
	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/crawler/render"
	"github.com/trawlmark/trawlmark/crawler/site"
)

// market is the demo marketplace and a crawler that can reach nothing else.
type market struct {
	*markettest.Server
	crawler *crawler.Crawler
	ids     *capture.IDSource
}

func newMarket(t testing.TB, withChrome bool, cfg markettest.Config, ccfg crawler.Config) *market {
	t.Helper()
	srv, err := markettest.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	over := map[string]string{}
	for _, h := range srv.Hosts() {
		over[h] = srv.Addr
	}
	guard, err := egress.New(egress.Config{Override: over})
	if err != nil {
		t.Fatal(err)
	}
	sites, err := site.Load(os.DirFS("../configs/sites"))
	if err != nil {
		t.Fatal(err)
	}
	m := &market{Server: srv, ids: capture.NewIDSource(time.Now, rand.Reader)}
	deps := crawler.Deps{
		Guard: guard, Fetcher: fetch.New(fetch.Config{Deadline: 20 * time.Second}), Sites: sites, IDs: m.ids, Now: time.Now,
		Log: slog.New(slog.DiscardHandler),
	}
	if withChrome {
		deps.Renderer = chrome(t)
	}
	ccfg.UserAgent, ccfg.SpoolDir = "Trawlmark-test/1.0", t.TempDir()
	m.crawler, err = crawler.New(ccfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func chrome(t testing.TB) *render.Renderer {
	t.Helper()
	r, err := render.New(t.Context(), render.Config{MaxContexts: 2})
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("Chrome must be there in CI: %v", err)
		}
		t.Skipf("no Chrome: %v", err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (m *market) visit(ctx context.Context, l markettest.Listing, screenshot bool) *crawler.Result {
	return m.crawler.Visit(ctx, crawler.Request{
		ID: m.ids.New(), URL: "http://market.demo.test" + l.Path, Asked: capture.Asked{By: "test"}, Screenshot: screenshot,
	})
}

// Every page of the marketplace that costs no more than a page ends in the
// outcome it is made for, and what it shows is read from it.
func TestEveryListingEndsInItsOutcome(t *testing.T) {
	t.Parallel() // it mostly waits
	m := newMarket(t, true, markettest.Config{CrawlDelay: -1, Throttles: 1, FirstByte: 100 * time.Millisecond}, crawler.Config{})
	for _, l := range m.Listings() {
		if costly[l.Fault] {
			continue // TestFaultsEndBounded
		}
		res := m.visit(t.Context(), l, false)
		m.check(t, l, res, l.Expect.Outcome)
		if err := res.Close(); err != nil {
			t.Errorf("%s: %v", l.Key, err)
		}
	}
}

// costly faults take their time by nature.
var costly = map[markettest.Fault]bool{
	markettest.FaultHang: true, markettest.FaultStall: true, markettest.FaultEndless: true, markettest.FaultGzipBomb: true,
	markettest.FaultTrickle: true, markettest.FaultTall: true, markettest.FaultInfiniteScroll: true, markettest.FaultBusyNetwork: true,
	markettest.FaultBrokenImages: true, markettest.FaultHuge: true, markettest.FaultSlowFirstByte: true,
}

// inBrowser are the faults that only a browser meets.
var inBrowser = map[markettest.Fault]bool{
	markettest.FaultHang: true, markettest.FaultTall: true, markettest.FaultInfiniteScroll: true,
	markettest.FaultBusyNetwork: true, markettest.FaultBrokenImages: true,
}

func TestFaultsEndBounded(t *testing.T) {
	t.Parallel() // it mostly waits
	if testing.Short() {
		t.Skip("-short: pages that never end take their deadline each")
	}
	m := newMarket(t, true, markettest.Config{CrawlDelay: -1, TrickleGap: 10 * time.Millisecond, FirstByte: 100 * time.Millisecond}, crawler.Config{Deadline: 40 * time.Second, MaxBody: 4 << 20})
	for _, l := range m.Listings() {
		if !costly[l.Fault] {
			continue
		}
		began := time.Now()
		res := m.visit(t.Context(), l, inBrowser[l.Fault])
		if took := time.Since(began); took > 4*time.Minute { // a busy machine ends it late, but ends it
			t.Errorf("%s (%s) took %v with a deadline of 40 s", l.Key, l.Fault, took)
		}
		m.check(t, l, res, l.Expect.Outcome)
		res.Close()
	}
}

func (m *market) check(t *testing.T, l markettest.Listing, res *crawler.Result, want string) {
	t.Helper()
	c := res.Capture
	if string(c.Outcome) != want && !(want == "captured" && c.Outcome == capture.Partial && fewMissing(c)) {
		t.Errorf("%s (%s, %s): outcome %s, want %s; %s", l.Key, l.Fault, l.Page, c.Outcome, want, strings.Join(c.Evidence, "; "))
		return
	}
	if len(c.Exchanges) == 0 && c.Outcome != capture.RobotsDenied {
		t.Errorf("%s: nothing was kept of what was seen", l.Key)
	}
	if l.Expect.Title == "" || want != "captured" {
		return
	}
	if res.Reading == nil || res.Reading.Listing == nil {
		t.Errorf("%s (%s): no listing was read", l.Key, l.Page)
		return
	}
	got := res.Reading.Listing
	for _, f := range []struct {
		field listing.FieldName
		want  string
	}{
		{listing.Title, l.Expect.Title},
		{listing.Price, l.Expect.Price},
		{listing.Currency, l.Expect.Currency},
		{listing.SellerName, l.Expect.Seller},
		{listing.ItemID, l.Expect.ItemID},
	} {
		if v := got.Text(f.field); !same(f.field, v, f.want) {
			t.Errorf("%s (%s, %s): %s is %q, want %q (%s)", l.Key, l.Page, l.Lang, f.field, v, f.want, got.Fields[f.field].Source)
		}
	}
}

// fewMissing: the page is whole but for things that are broken on purpose.
func fewMissing(c *capture.Capture) bool { return len(c.Missing) <= 3 }

func same(f listing.FieldName, got, want string) bool {
	if f == listing.Price {
		return trimZeros(got) == trimZeros(want)
	}
	return strings.TrimSpace(got) == strings.TrimSpace(want)
}

func trimZeros(s string) string {
	if strings.Contains(s, ".") {
		return strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func TestSearchPagesGiveTheirListingsAndNoDecoys(t *testing.T) {
	m := newMarket(t, false, markettest.Config{CrawlDelay: -1}, crawler.Config{})
	for _, q := range []string{"aurelle", "maison aurelle bag", "欧瑞尔", "aurelle replica"} {
		want := map[string]bool{}
		for _, l := range m.Results(q) {
			want[l.ID] = true
		}
		got := map[string]bool{}
		next := "http://market.demo.test" + markettest.SearchPath(q, 1)
		for pages := 0; next != "" && pages < 20; pages++ {
			res := m.crawler.Visit(t.Context(), crawler.Request{ID: m.ids.New(), URL: next, Asked: capture.Asked{By: "test"}})
			if res.Capture.Outcome != capture.Captured {
				t.Fatalf("%s: %s %v", next, res.Capture.Outcome, res.Capture.Evidence)
			}
			next = ""
			for _, l := range res.Reading.Links {
				switch l.Kind {
				case site.KindListing:
					got[l.ItemID] = true
				case site.KindNext:
					next = l.URL
				}
			}
			res.Close()
		}
		for id := range want {
			if !got[id] {
				t.Errorf("%q: listing %s was not found", q, id)
			}
		}
		for id := range got {
			if !want[id] {
				t.Errorf("%q: %s is a decoy", q, id)
			}
		}
	}
}
