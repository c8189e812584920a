package site

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/markettest"
)

// TestDemoMarket reads every listing of the demonstration marketplace over
// HTTP, without a browser, and compares with what its author says is there.
func TestDemoMarket(t *testing.T) {
	srv, err := markettest.Start(markettest.Config{HugeBytes: 1 << 20, BombBytes: 1 << 20, FirstByte: 1, TrickleGap: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	set := configs(t)
	client := srv.Client()
	client.CheckRedirect = nil
	read := 0
	for _, l := range srv.Listings() {
		switch l.Fault { // these are the fetcher's and the browser's
		case markettest.FaultStall, markettest.FaultCut, markettest.FaultBadChunk, markettest.FaultBadGzip, markettest.FaultHuge, markettest.FaultGzipBomb, markettest.FaultEndless, markettest.FaultLoop, markettest.FaultPrivate, markettest.FaultDownload, markettest.FaultRobots, markettest.FaultTrickle:
			continue
		}
		page, ok := get(t, client, "http://market.demo.test"+l.Path)
		if !ok {
			t.Errorf("%s: no answer", l.Key)
			continue
		}
		r := set.Read(page)
		want := l.Expect.Outcome
		if l.Expect.Plain != "" {
			want = l.Expect.Plain
		}
		if string(r.Outcome) != want {
			t.Errorf("%s (%s, %s): outcome %s %v, want %s", l.Key, l.Page, l.Fault, r.Outcome, r.Evidence, want)
			continue
		}
		if r.Listing == nil || l.Expect.Price == "" || l.Expect.NeedsBrowser && l.Page == markettest.Script {
			continue
		}
		read++
		amount, currency, ok := r.Listing.Money()
		if !ok || amount.StringFixed(2) != fixed(l.Expect.Price) || currency != l.Expect.Currency {
			t.Errorf("%s (%s): price %s %s from %s, want %s %s", l.Key, l.Page, amount, currency, r.Listing.Fields[listing.Price].Path, l.Expect.Price, l.Expect.Currency)
		}
		if got := r.Listing.Text(listing.Title); got != listing.Clean(l.Expect.Title) {
			t.Errorf("%s (%s): title %q, want %q", l.Key, l.Page, got, l.Expect.Title)
		}
		if got := r.Listing.Text(listing.SellerName); got != listing.Clean(l.Expect.Seller) {
			t.Errorf("%s (%s): seller %q, want %q", l.Key, l.Page, got, l.Expect.Seller)
		}
		if r.Listing.ItemID != l.Expect.ItemID {
			t.Errorf("%s (%s): item %q, want %q", l.Key, l.Page, r.Listing.ItemID, l.Expect.ItemID)
		}
	}
	if read < 20 {
		t.Errorf("only %d listings were compared", read)
	}
}

// TestWithoutFile reads the same marketplace as a shop that nobody wrote a file
// for: what schema.org and OpenGraph say must be enough.
func TestWithoutFile(t *testing.T) {
	srv, err := markettest.Start(markettest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	set, err := Load(fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	read, right := 0, 0
	for _, l := range srv.Listings() {
		if l.Fault != "" || l.Page == markettest.Script || l.Page == markettest.Converted || l.Page == markettest.DOM {
			continue
		}
		page, ok := get(t, srv.Client(), "http://market.demo.test"+l.Path)
		r := set.Read(page)
		if !ok || r.Listing == nil {
			t.Errorf("%s (%s): %s %v", l.Key, l.Page, r.Outcome, r.Evidence)
			continue
		}
		read++
		amount, currency, _ := r.Listing.Money()
		seller := r.Listing.Text(listing.SellerName)
		if amount.StringFixed(2) == fixed(l.Expect.Price) && currency == l.Expect.Currency && r.Listing.Text(listing.Title) == listing.Clean(l.Expect.Title) && (l.Page == markettest.OpenGraph || seller == listing.Clean(l.Expect.Seller)) {
			right++
			continue
		}
		t.Logf("%s (%s): %q %s %s %q, want %q %s %s %q", l.Key, l.Page, r.Listing.Text(listing.Title), amount, currency, seller, l.Expect.Title, l.Expect.Price, l.Expect.Currency, l.Expect.Seller)
	}
	if read == 0 || right*100 < read*98 {
		t.Errorf("%d of %d listings read right without a site file, want 98 %%", right, read)
	}
}

func TestDemoMarketSearch(t *testing.T) {
	srv, err := markettest.Start(markettest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	set := configs(t)
	u, err := set.Site("demomarket").SearchURL("aurelle", 1)
	if err != nil {
		t.Fatal(err)
	}
	page, _ := get(t, srv.Client(), u)
	r := set.Read(page)
	listings, next := 0, 0
	for _, l := range r.Links {
		switch l.Kind {
		case KindListing:
			listings++
			if l.Title == "" || l.PriceText == "" || l.Position != listings {
				t.Errorf("link %d: %+v", listings, l)
			}
		case KindNext:
			next++
		}
	}
	if listings != markettest.PerPage || next != 1 {
		t.Errorf("%d listings and %d next pages, want %d and 1", listings, next, markettest.PerPage)
	}
	page, _ = get(t, srv.Client(), "http://market.demo.test/search?q=nothinghasthisname")
	if r := set.Read(page); r.Outcome != "search_empty" {
		t.Errorf("an empty search is %s %v", r.Outcome, r.Evidence)
	}
}

func fixed(s string) string {
	if m, err := listing.ParsePrice(s, listing.Hint{Machine: true}); err == nil {
		return m.Amount.StringFixed(2)
	}
	return s
}

func get(t *testing.T, client *http.Client, u string) (Page, bool) {
	t.Helper()
	resp, err := client.Get(u)
	if err != nil {
		t.Logf("%s: %v", u, err)
		return Page{}, false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		t.Logf("%s: %v", u, err)
	}
	final := u
	if resp.Request != nil {
		final = resp.Request.URL.String()
	}
	return Page{URL: u, FinalURL: final, Status: resp.StatusCode, Header: resp.Header.Get, ContentType: resp.Header.Get("Content-Type"), Body: body}, !strings.HasPrefix(final, "http://169")
}
