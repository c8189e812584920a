package markettest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"golang.org/x/net/html/charset"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// get asks the handler for a path and gives the answer with its body.
func get(t *testing.T, m *Market, path string, header ...string) (*http.Response, []byte) {
	t.Helper()
	r := httptest.NewRequest("GET", "http://127.0.0.1:8095"+path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, r)
	res := rec.Result()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, b
}

// find gives the listing of a key.
func find(t testing.TB, m *Market, key string) Listing {
	t.Helper()
	l, ok := m.Listing(key)
	if !ok {
		t.Fatalf("no listing %s", key)
	}
	return l
}

// parse reads a page in the charset its header declares.
func parse(t *testing.T, res *http.Response, b []byte) *goquery.Document {
	t.Helper()
	r, err := charset.NewReader(bytes.NewReader(b), res.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := goquery.NewDocumentFromReader(r)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCatalogueIsWhole(t *testing.T) {
	m := New(Config{Seed: 7})
	ls := m.Listings()
	currencies, langs, sellers, pages, labels := map[string]int{}, map[string]int{}, map[string]int{}, map[Page]int{}, map[Label]int{}
	seenFaults, ids, keys := map[Fault]int{}, map[string]int{}, map[string]int{}
	for _, l := range ls {
		currencies[l.Currency]++
		langs[l.Lang]++
		sellers[l.Shop.ID]++
		pages[l.Page]++
		labels[l.Expect.Label]++
		seenFaults[l.Fault]++
		ids[l.ID]++
		keys[l.Key]++
		if !capture.Outcome(l.Expect.Outcome).Valid() {
			t.Errorf("%s: %q is not an outcome", l.Key, l.Expect.Outcome)
		}
		if len(l.Pictures) == 0 || l.Shop.Name == "" || len(l.ID) != 12 {
			t.Errorf("%s is not whole: %+v", l.Key, l)
		}
		if l.Expect.Suspicious && (l.Expect.Label != Counterfeit || len(l.Expect.Signals) == 0) {
			t.Errorf("%s: suspicious, but %s with signals %v", l.Key, l.Expect.Label, l.Expect.Signals)
		}
	}
	if ls, n := len(ls), len(ids); n != ls || len(keys) != ls {
		t.Errorf("%d listings, %d ids, %d keys", ls, n, len(keys))
	}
	for f := range faults() {
		if seenFaults[f] == 0 {
			t.Errorf("no listing has fault %s", f)
		}
	}
	for what, n := range map[string][2]int{
		"listings without fault": {seenFaults[""], 75}, "currencies": {len(currencies), 9}, "languages": {len(langs), 10},
		"shops": {len(sellers), 18}, "kinds of pages": {len(pages), 13}, "counterfeits": {labels[Counterfeit], 40}, "honest": {labels[Honest], 10},
		"homonyms": {labels[Homonym], 5}, "accessories": {labels[Accessory], 5}, "authorised": {labels[Authorised], 5},
	} {
		if n[0] < n[1] {
			t.Errorf("%s: %d, want at least %d", what, n[0], n[1])
		}
	}
}

// TestEveryPageSaysWhatExpectSays reads each page in the way its kind is made
// to be read.
func TestEveryPageSaysWhatExpectSays(t *testing.T) {
	for _, day := range []int{0, 5} {
		m := New(Config{Seed: 7, Day: day})
		for _, l := range m.Listings() {
			if l.Fault != "" && l.Fault != FaultSoldOut {
				continue
			}
			res, b := get(t, m, l.Path)
			if res.StatusCode != 200 {
				t.Errorf("%s: status %d", l.Key, res.StatusCode)
				continue
			}
			got := read(t, m, l, parse(t, res, b))
			want := facts{l.Expect.Title, l.Expect.Price, l.Expect.Currency, l.Expect.Seller}
			if l.Page == Converted {
				want.price, want.currency = toUSD(want.price, want.currency), "USD"
			}
			if got != want {
				t.Errorf("%s (%s):\n got %+v\nwant %+v", l.Key, l.Page, got, want)
			}
		}
	}
}

// TestVisiblePage holds that what a person sees agrees with Expect on every
// page that is drawn by the server, and that nothing leaks from those that a
// script draws.
func TestVisiblePage(t *testing.T) {
	m := New(Config{Seed: 7})
	for _, l := range m.Listings() {
		if l.Fault != "" {
			continue
		}
		res, b := get(t, m, l.Path)
		d := parse(t, res, b)
		if l.Page == Script {
			for _, secret := range []string{l.Title, l.Price, l.Shop.Name, l.Shop.ID} {
				if strings.Contains(string(b), secret) {
					t.Errorf("%s: the empty page holds %q", l.Key, secret)
				}
			}
			continue
		}
		if l.Page == State {
			if n := d.Find("main .lst-title").Length(); n != 0 {
				t.Errorf("%s: %d titles are drawn by the server", l.Key, n)
			}
			continue
		}
		if got := d.Find("h1").First().Text(); got != l.Title {
			t.Errorf("%s: shows title %q, want %q", l.Key, got, l.Title)
		}
		if got := d.Find(".lst-price, .x7bd").First().Text(); got != show(l.Price, l.Currency, l.Lang) {
			t.Errorf("%s: shows price %q", l.Key, got)
		}
		if got := d.Find(".lst-seller, .x3fe").First().Text(); got != l.Shop.Name {
			t.Errorf("%s: shows seller %q", l.Key, got)
		}
		if l.Page == OpenGraph || l.Page == DOM {
			if n := d.Find("[itemprop], [property=price], script[type='application/ld+json']").Length(); n != 0 {
				t.Errorf("%s: %d pieces of structured data on a %s page", l.Key, n, l.Page)
			}
		}
	}
}

func TestCharsets(t *testing.T) {
	m := New(Config{Seed: 7})
	for _, key := range []string{"zh-yuandan", "ja-eucjp"} {
		l := find(t, m, key)
		res, b := get(t, m, l.Path)
		if bytes.Contains(b, []byte(l.Title)) {
			t.Errorf("%s: the page is in UTF-8", key)
		}
		if got := parse(t, res, b).Find("h1").Text(); got != l.Title {
			t.Errorf("%s: reads %q, want %q", key, got, l.Title)
		}
		if got := parse(t, &http.Response{Header: http.Header{"Content-Type": {"text/html"}}}, b).Find("h1").Text(); got != l.Title {
			t.Errorf("%s: by meta alone reads %q", key, got)
		}
	}
}
