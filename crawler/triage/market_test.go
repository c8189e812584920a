package triage_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/crawler/triage"
)

// demoDay is the day of the demo's rates.
var demoDay = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// demoProfile is the profile of the demo's brand, as its owner would write it.
func demoProfile(t testing.TB, m *markettest.Market) *triage.Brand {
	t.Helper()
	b := m.Brand()
	p := triage.Brand{Name: b.Name, Names: b.Names, Homonyms: b.Homonyms, Currency: "EUR"}
	for _, x := range b.Models {
		price := triage.Decimal{Decimal: decimal.RequireFromString(x.Reference)}
		p.Models = append(p.Models, triage.Model{Name: x.Name, Code: x.Code, Category: x.Category, Price: &price, Currency: x.Currency})
	}
	for _, n := range b.Authorised {
		p.Authorised = append(p.Authorised, triage.Authorised{Name: n})
	}
	for c, r := range map[string]string{"USD": "0.92", "GBP": "1.17", "CNY": "0.127", "JPY": "0.0061", "THB": "0.026", "BRL": "0.16", "AED": "0.25", "VND": "0.000036"} {
		p.Rates = append(p.Rates, triage.Rate{Currency: c, Rate: triage.Decimal{Decimal: decimal.RequireFromString(r)}, Date: "2026-01-02"})
	}
	text, err := json.Marshal(&p)
	if err != nil {
		t.Fatal(err)
	}
	out, err := triage.ParseBrand("demo.json", text)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range b.Official {
		if err := out.AddOfficial(o.Path, o.Bytes); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// field makes a choice as extraction does.
func field(l *listing.Listing, f listing.FieldName, v string) {
	if v != "" {
		l.Fields[f] = listing.Choice{Candidate: listing.Candidate{Field: f, Raw: v, Value: v, Source: "test"}}
	}
}

func price(l *listing.Listing, f listing.FieldName, amount, currency string) {
	if amount == "" {
		return
	}
	d := decimal.RequireFromString(amount)
	l.Fields[f] = listing.Choice{Candidate: listing.Candidate{Field: f, Raw: currency + " " + amount, Value: amount, Amount: &d, Currency: currency, Source: "test"}}
}

// asListing is a market listing as a faithful crawler reads it.
func asListing(x markettest.Listing) *listing.Listing {
	l := &listing.Listing{Site: "pellamart", ItemID: x.ID, Language: x.Lang, Fields: map[listing.FieldName]listing.Choice{}}
	field(l, listing.Title, x.Title)
	field(l, listing.Description, x.Text)
	price(l, listing.Price, x.Price, x.Currency)
	price(l, listing.StrikePrice, x.Strike, x.Currency)
	field(l, listing.Currency, x.Currency)
	field(l, listing.Condition, x.Condition)
	field(l, listing.Brand, x.BrandAttr)
	field(l, listing.Model, x.Model)
	field(l, listing.Category, x.Category)
	field(l, listing.SellerName, x.Shop.Name)
	field(l, listing.SellerID, x.Shop.ID)
	field(l, listing.SellerAge, fmt.Sprintf("on Pellamart for %d days", x.Shop.AgeDays))
	field(l, listing.SellerScore, fmt.Sprintf("%g%%", x.Shop.Positive))
	field(l, listing.SellerCount, fmt.Sprint(x.Shop.Feedback))
	field(l, listing.ShipsFrom, x.ShipsFrom)
	field(l, listing.Stock, fmt.Sprint(x.Stock))
	field(l, listing.SoldCount, fmt.Sprint(x.Sold))
	if x.MinimumOrder > 0 {
		field(l, listing.MinimumOrder, fmt.Sprint(x.MinimumOrder))
	}
	for i := range x.Pictures {
		l.Images = append(l.Images, listing.Choice{Candidate: listing.Candidate{Field: listing.Image, Value: x.PicturePath(i)}})
	}
	return l
}

// hashed keeps hashes of the marketplace's pictures by their path: a path names
// one picture, whatever the market.
var hashed sync.Map

func photosOf(t testing.TB, m *markettest.Market, x markettest.Listing) []triage.PhotoHash {
	t.Helper()
	var out []triage.PhotoHash
	for i := range x.Pictures {
		if h, ok := hashed.Load(x.PicturePath(i)); ok {
			out = append(out, h.(triage.PhotoHash))
			continue
		}
		h, err := triage.HashImage(strings.NewReader(string(m.PictureBytes(x, i))))
		if err != nil {
			t.Fatalf("%s picture %d: %v", x.Key, i, err)
		}
		h.URL = x.PicturePath(i)
		hashed.Store(h.URL, h)
		out = append(out, h)
	}
	return out
}

// The demo marketplace says what each listing truly is.
func TestMarketIsJudgedAsItIs(t *testing.T) {
	m := markettest.New(markettest.Config{})
	t.Cleanup(m.Close)
	b := demoProfile(t, m)
	for _, c := range []struct {
		name    string
		at      time.Time
		photos  bool
		atLeast triage.Level // of every copy
	}{
		{"with photos, rates of the day", demoDay, true, triage.Suspicious},
		{"with photos, old rates", demoDay.AddDate(0, 10, 0), true, triage.Suspicious},
		{"as fetched, without photos", demoDay, false, triage.Review},
	} {
		t.Run(c.name, func(t *testing.T) {
			count := map[string]int{}
			for _, x := range m.Listings() {
				if x.Expect.Title == "" {
					continue // its page does not show it
				}
				s := triage.Subject{Listing: asListing(x), At: c.at}
				if c.photos {
					s.Photos = photosOf(t, m, x)
				}
				a := b.Assess(s)
				count[fmt.Sprintf("%-12s %s", x.Expect.Label, a.Level)]++
				switch {
				case x.Expect.Suspicious && a.Level == triage.Review && c.atLeast == triage.Suspicious && x.Fault != "":
					t.Logf("review only: %s %.1f %s", x.Key, a.Points, names(a))
				case x.Expect.Suspicious && (a.Level == triage.Clear || a.Level == triage.Legitimate || c.atLeast == triage.Suspicious && a.Level != triage.Suspicious):
					t.Errorf("%s (%q) is a copy, and assessed %s with %.1f points: %s", x.Key, x.Title, a.Level, a.Points, explain(a))
				case !x.Expect.Suspicious && a.Level == triage.Suspicious:
					t.Errorf("%s (%q) is %s, and assessed suspicious with %.1f points: %s", x.Key, x.Title, x.Expect.Label, a.Points, explain(a))
				case x.Expect.Label == markettest.Authorised && a.Level != triage.Legitimate:
					t.Errorf("%s is of an authorised seller, and assessed %s", x.Key, a.Level)
				}
				if !x.Expect.Suspicious && a.Level == triage.Review {
					t.Logf("review: %s (%s) %.1f %s", x.Key, x.Expect.Label, a.Points, names(a))
				}
				checkAssessment(t, s, a)
			}
			for _, k := range slices.Sorted(mapKeys(count)) {
				t.Logf("%-26s %d", k, count[k])
			}
		})
	}
}

func mapKeys(m map[string]int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func names(a triage.Assessment) string {
	var out []string
	for _, s := range a.Signals {
		out = append(out, fmt.Sprintf("%s %+g", s.Name, s.Points))
	}
	return strings.Join(out, ", ")
}

func explain(a triage.Assessment) string {
	var b strings.Builder
	for _, s := range a.Signals {
		fmt.Fprintf(&b, "\n\t%+5.1f %-10s %-20s %s", s.Points, s.Family, s.Name, s.Sentence)
	}
	for _, c := range a.Caps {
		fmt.Fprintf(&b, "\n\t      cap: %s", c)
	}
	for _, u := range a.Unknown {
		fmt.Fprintf(&b, "\n\t      unknown %s: %s", u.Name, u.Reason)
	}
	fmt.Fprintf(&b, "\n\t      reference %q converted %q ratio %q", a.Reference, a.Converted, a.Ratio)
	return b.String()
}

// checkAssessment holds what is true of every assessment.
func checkAssessment(t testing.TB, s triage.Subject, a triage.Assessment) {
	t.Helper()
	if a.Points < 0 || a.Points > 100 || a.Version == "" || a.Signals == nil {
		t.Errorf("points %v, version %q, signals %v", a.Points, a.Version, a.Signals)
	}
	families := map[triage.Family]bool{}
	for _, g := range a.Signals {
		if g.Points > 0 {
			families[g.Family] = true
		}
		if g.Sentence == "" || !strings.HasSuffix(g.Sentence, ".") || g.Name == "" || g.Family == "" {
			t.Errorf("signal %+v is not whole", g)
		}
		v := s.Listing.Fields[g.Field].Value
		if g.Span != [2]int{} && (g.Span[0] < 0 || g.Span[0] >= g.Span[1] || g.Span[1] > len(v)) {
			t.Errorf("signal %s: span %v is not in %s of %d bytes", g.Name, g.Span, g.Field, len(v))
		}
	}
	if a.Level == triage.Suspicious && len(families) < 2 {
		t.Errorf("suspicious by one family: %s", explain(a))
	}
}
