package triage_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/crawler/triage"
)

const fullProfile = `
name: Maison Aurelle
names: [Aurelle, 欧瑞尔, オーレル, ออเรลล์, أوريل]
homonyms: [Aurelle Martin, Château Aurelle]
currency: EUR
models:
  - {name: Belvoir bag, code: AU-1101, category: Bags, price: 1450.00}
  - {name: Belvoir mini bag, code: AU-1102, category: Bags, price: 980.00}
  - {name: Corsaire watch, code: AU-2040, category: Watches, price: 3900, limited: true}
  - {name: Lune wallet, code: AU-1210, category: Wallets, price: 420}
authorised: [{site: pella, id: s-1, name: Galerie Vauban}, {name: Aurelle Official}]
rates: [{currency: USD, rate: 0.92, date: 2026-01-02}, {currency: JPY, rate: 0.0061, date: 2026-01-02}]
gtin_prefixes: ["3760123"]
`

// Texts that are made to hurt: each is assessed in bounded time, and what was
// not read is said.
func TestHostileTextsAreBounded(t *testing.T) {
	b := brand(t, fullProfile)
	for name, text := range map[string]string{
		"a megabyte of a":         strings.Repeat("a", 1<<20),
		"a megabyte of names":     strings.Repeat("Aurelle ", 1<<17),
		"a megabyte of one name":  strings.Repeat("Aurelle", 150_000),
		"combining marks":         "A" + strings.Repeat("\u0301", 1<<20) + "urelle",
		"marks on every letter":   strings.Repeat("A\u0336\u0301\u0302\u0303u\u0336r\u0336", 50_000),
		"zero width":              "Au" + strings.Repeat("\u200b", 1<<20) + "relle",
		"single letters":          strings.Repeat("A u r e l l ", 100_000),
		"compat words":            strings.Repeat("for ", 1<<18) + "Aurelle",
		"replica not a replica":   strings.Repeat("not a replica ", 80_000),
		"Cyrillic and Latin":      strings.Repeat("Аurеllе ", 1<<17),
		"messengers":              strings.Repeat("wechat whatsapp telegram ", 50_000),
		"brand labels":            strings.Repeat("marca: marca：marca ", 60_000),
		"regional indicators":     strings.Repeat("🇦🇺🇷🇪🇱🇱🇪", 40_000),
		"Hangul":                  strings.Repeat("각", 300_000),
		"ligatures that grow":     strings.Repeat("ﷺ", 300_000),
		"bytes that are no text":  strings.Repeat("\xff\xfe\xc3(", 200_000),
		"one to one":              strings.Repeat("1 : 1 ", 200_000),
		"newlines":                strings.Repeat("\n\t \u2028", 200_000),
		"homonyms":                "Aurelle " + strings.Repeat("Château Aurelle ", 80_000),
		"right to left overrides": strings.Repeat("\u202eelleruA\u202c ", 60_000),
	} {
		l := &listing.Listing{Fields: map[listing.FieldName]listing.Choice{}}
		for _, f := range []listing.FieldName{
			listing.Title, listing.Description, listing.Brand, listing.Model, listing.Category, listing.GTIN, listing.SellerName, listing.SellerID,
			listing.SellerAge, listing.SellerScore, listing.SellerCount, listing.ShipsFrom, listing.Location, listing.Stock, listing.SoldCount, listing.MinimumOrder, listing.Condition,
		} {
			field(l, f, text)
		}
		s := triage.Subject{Listing: l, At: demoDay, History: []triage.Look{{Title: text, At: demoDay}, {Title: text, Gone: true}}}
		began := time.Now()
		a := b.Assess(s)
		took := time.Since(began)
		checkAssessment(t, s, a)
		if doc, err := json.Marshal(a); err != nil || len(doc) > 64<<10 {
			t.Errorf("%s: the assessment has %d bytes: %v", name, len(doc), err)
		}
		// Generous: the machine may be busy, and the race detector slow. Typical
		// is a few milliseconds; what grows with the square takes minutes.
		if took > time.Minute {
			t.Errorf("%s took %v", name, took)
		}
		if len(text) > 1<<16 && !strings.Contains(fmt.Sprint(a.Unknown), "bytes were read") {
			t.Errorf("%s: nothing says that %d bytes were not read to the end: %v", name, len(text), a.Unknown)
		}
	}
}

// The same subject gives the same bytes, whatever was assessed in between.
func TestAssessIsDeterministic(t *testing.T) {
	m := markettest.New(markettest.Config{})
	t.Cleanup(m.Close)
	b := demoProfile(t, m)
	first := map[string]string{}
	for range 3 {
		for _, x := range m.Listings() {
			doc, err := json.Marshal(b.Assess(triage.Subject{Listing: asListing(x), At: demoDay}))
			if err != nil {
				t.Fatal(err)
			}
			if was, ok := first[x.Key]; ok && was != string(doc) {
				t.Fatalf("%s:\n%s\n%s", x.Key, was, doc)
			}
			first[x.Key] = string(doc)
		}
	}
}

func TestNothingToAssess(t *testing.T) {
	b := brand(t, fullProfile)
	a := b.Assess(triage.Subject{})
	if a.Level != triage.Clear || len(a.Unknown) != 1 || a.Signals == nil {
		t.Errorf("%+v", a)
	}
	for _, s := range []triage.Subject{
		{Listing: &listing.Listing{}},
		{Listing: titled("")},
		{Listing: titled("a bag of no brand")},
	} {
		if a := b.Assess(s); a.Level != triage.Clear || a.Points != 0 || len(a.Signals) != 0 {
			t.Errorf("%+v", a)
		}
	}
	var made triage.Brand // never parsed
	made.Name = "Aurelle"
	if a := made.Assess(triage.Subject{Listing: titled("Aurelle replica bag")}); a.Points == 0 {
		t.Errorf("a profile that was not parsed: %+v", a)
	}
}

func FuzzAssess(f *testing.F) {
	b, err := triage.ParseBrand("fuzz", []byte(fullProfile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("Aurelle Belvoir 1:1 replica AU-1101", "Marca: OEM. WeChat: abcdef12", "Aure11e", "12 days", "€ 59.90", int64(5990))
	f.Add("A u r e l l e", "for Aurelle\u200b bag", "No Brand", "Joined Mar 2019", "¥19800", int64(1))
	f.Add("Аurelle", "สําหรับ ออเรลล์", "", "1514764800000", "from 3", int64(-4))
	f.Fuzz(func(t *testing.T, title, text, attr, age, raw string, cents int64) {
		l := &listing.Listing{Language: attr, Country: age, Fields: map[listing.FieldName]listing.Choice{}}
		d := decimal.New(cents, -2)
		for f, v := range map[listing.FieldName]string{
			listing.Title: title, listing.Description: text, listing.Brand: attr, listing.SellerAge: age, listing.SellerName: text, listing.GTIN: age,
			listing.SellerScore: raw, listing.SellerCount: age, listing.ShipsFrom: attr, listing.Category: attr, listing.Model: title, listing.Stock: raw, listing.MinimumOrder: age,
		} {
			field(l, f, v)
		}
		l.Fields[listing.Price] = listing.Choice{Candidate: listing.Candidate{Raw: raw, Value: raw, Amount: &d}}
		field(l, listing.Currency, "USD")
		s := triage.Subject{Listing: l, At: demoDay, History: []triage.Look{{Title: text, At: demoDay.Add(-time.Hour), Amount: decimal.NewNullDecimal(d), Currency: "USD"}}, Peers: []decimal.Decimal{d}}
		a := b.Assess(s)
		checkAssessment(t, s, a)
		one, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if two, _ := json.Marshal(b.Assess(s)); string(one) != string(two) {
			t.Errorf("two assessments differ:\n%s\n%s", one, two)
		}
	})
}

func BenchmarkAssess(b *testing.B) {
	m := markettest.New(markettest.Config{})
	b.Cleanup(m.Close)
	p := demoProfile(b, m)
	x, _ := m.Listing("belvoir-1to1")
	s := triage.Subject{Listing: asListing(x), Photos: photosOf(b, m, x), At: demoDay}
	b.ReportAllocs()
	for b.Loop() {
		p.Assess(s)
	}
}
