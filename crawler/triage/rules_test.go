package triage_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/crawler/triage"
)

// case1 is a listing in one line: fields by name, "price" with its currency.
type fields map[listing.FieldName]string

func made(f fields) *listing.Listing {
	l := &listing.Listing{Site: "pella", Language: f["lang"], Country: f["country"], Fields: map[listing.FieldName]listing.Choice{}}
	for k, v := range f {
		switch k {
		case "lang", "country":
		case listing.Price, listing.StrikePrice:
			amount, currency, _ := strings.Cut(v, " ")
			price(l, k, amount, currency)
			field(l, listing.Currency, currency)
		default:
			l.Fields[k] = listing.Choice{Candidate: listing.Candidate{Field: k, Raw: v, Value: v}}
		}
	}
	return l
}

// Each rule: what it fires on, with how many points, and what it lets go.
func TestRules(t *testing.T) {
	b := brand(t, fullProfile)
	const bag = "Aurelle Belvoir bag"
	for _, c := range []struct {
		name   string
		signal string
		points float64 // 0: the signal must not be there
		f      fields
	}{
		// words
		{"replica", "explicit_words", 35, fields{"title": bag + " replica"}},
		{"in the description", "explicit_words", 24.5, fields{"title": bag, "description": "a good replica"}},
		{"not a replica", "explicit_words", 0, fields{"title": bag, "description": "This is not a replica!"}},
		{"no replica", "explicit_words", 0, fields{"title": bag, "description": "no replica, bought in Paris"}},
		{"no es réplica", "explicit_words", 0, fields{"title": bag, "description": "no es réplica", "lang": "es"}},
		{"no es original, sino réplica", "explicit_words", 24.5, fields{"title": bag, "description": "NO es ORIGINAL, sino solo REPLICA", "lang": "es"}},
		{"keine Fälschung", "explicit_words", 0, fields{"title": bag, "description": "Garantiert keine Fälschung", "lang": "de"}},
		{"Fälschung", "explicit_words", 24.5, fields{"title": bag, "description": "gute Fälschung", "lang": "de"}},
		{"fake leather", "explicit_words", 0, fields{"title": bag, "description": "lining of fake leather"}},
		{"replicates", "explicit_words", 0, fields{"title": bag, "description": "replicates the sea"}},
		{"高仿", "explicit_words", 35, fields{"title": "欧瑞尔 手袋 高仿"}},
		{"拒绝高仿", "explicit_words", 0, fields{"title": "欧瑞尔 手袋 正品 拒绝高仿"}},
		{"licensed replica shirt", "explicit_words", 0, fields{"title": "オーレル レプリカユニフォーム"}},
		{"replica in Thai of two encodings", "compatible_with", -30, fields{"title": "สาย ส\u0e4d\u0e32หรับ Aurelle", "brand": "X"}},
		{"one to one", "grade_words", 25, fields{"title": bag + " 1:1"}},
		{"scale 1:1", "grade_words", 0, fields{"title": bag + " scale 1:1"}},
		{"scale 1:18", "grade_words", 0, fields{"title": bag + " 1:18"}},
		{"AAA", "grade_words", 15, fields{"title": bag + " AAA+ quality"}},
		{"AAA batteries", "grade_words", 0, fields{"title": "Aurelle watch, needs 2 AAA batteries"}},
		{"French words on an English page", "hedge_words", 0, fields{"title": "Aurelle genre bag", "lang": "en"}},
		{"French words on a French page", "hedge_words", 10, fields{"title": "Sac genre Aurelle", "lang": "fr"}},
		{"type C", "hedge_words", 0, fields{"title": "Aurelle chargeur type c", "lang": "fr"}},
		{"far from the brand", "hedge_words", 0, fields{"title": "Aurelle " + strings.Repeat("bag ", 40) + "genre", "lang": "fr"}},
		{"authentic alone", "authenticity_claim", 0, fields{"title": bag + " 100% authentic"}},
		{"authentic beside others", "authenticity_claim", 3, fields{"title": bag + " authentic quality 1:1"}},
		// compatibility
		{"for", "compatible_with", -30, fields{"title": "Strap for Aurelle Corsaire", "brand": "StrapWorld"}},
		{"for, with the brand's own field", "compatible_with", 0, fields{"title": "Strap for Aurelle Corsaire", "brand": "Aurelle"}},
		{"for women", "compatible_with", 0, fields{"title": "Bag for women Aurelle"}},
		{"para hombre", "compatible_with", 0, fields{"title": "Reloj para hombre Aurelle"}},
		{"named twice", "compatible_with", 0, fields{"title": "Aurelle bag, dust bag for Aurelle"}},
		{"a list", "compatible_with", -30, fields{"title": "Cable for Aurelle Lune and Aurelle Corsaire", "brand": "No Brand"}},
		{"far before", "compatible_with", 0, fields{"title": "for " + strings.Repeat("nice ", 12) + "Aurelle bag"}},
		{"category", "compatible_with", -30, fields{"title": "Aurelle Corsaire strap", "category": "Watch straps", "brand": "StrapWorld"}},
		{"price of an accessory", "price_ratio", 0, fields{"title": "Strap for Aurelle Corsaire", "price": "9 EUR"}},
		// price
		{"under a tenth", "price_ratio", 35, fields{"title": bag, "price": "144 EUR", "condition": "new"}},
		{"under a fifth", "price_ratio", 30, fields{"title": bag, "price": "289 EUR"}},
		{"under 0.35", "price_ratio", 18, fields{"title": bag, "price": "500 EUR"}},
		{"under half", "price_ratio", 8, fields{"title": bag, "price": "700 EUR"}},
		{"at the price", "price_ratio", -5, fields{"title": bag, "price": "1450 EUR"}},
		{"converted", "price_ratio", 35, fields{"title": bag, "price": "150 USD"}},
		{"yen", "price_ratio", 30, fields{"title": "オーレル バッグ", "price": "19800 JPY"}},
		{"used, cheap", "price_ratio", 10, fields{"title": bag, "price": "100 EUR", "condition": "used"}},
		{"by the code", "price_ratio", 35, fields{"title": "Aurelle AU-2040", "price": "300 EUR"}},
		{"false discount", "fake_discount", 5, fields{"title": bag, "price": "100 EUR", "strike_price": "1400 EUR"}},
		{"true discount", "fake_discount", 0, fields{"title": bag, "price": "1000 EUR", "strike_price": "1400 EUR"}},
		// identity
		{"OEM", "attribute_mismatch", 30, fields{"title": bag, "brand": "OEM"}},
		{"No Brand", "attribute_mismatch", 20, fields{"title": bag, "brand": "No Brand"}},
		{"another brand", "attribute_mismatch", 10, fields{"title": bag, "brand": "Zhuoya"}},
		{"empty", "attribute_mismatch", 10, fields{"title": bag, "brand": ""}},
		{"the brand", "attribute_mismatch", 0, fields{"title": bag, "brand": "AURELLE"}},
		{"stated", "attribute_mismatch", 30, fields{"title": bag, "description": "● Marca: OEM ● Color: rojo"}},
		{"stated to be the brand", "attribute_mismatch", 0, fields{"title": bag, "description": "Brand: Aurelle"}},
		{"bad check digit", "gtin_mismatch", 10, fields{"title": bag, "gtin": "3760123456780"}},
		{"another prefix", "gtin_mismatch", 10, fields{"title": bag, "gtin": "4006381333931"}},
		{"its own number", "gtin_mismatch", 0, fields{"title": bag, "gtin": "3760123456784"}},
		{"a code that no model has", "unlisted_code", 8, fields{"title": bag + " AU-9999"}},
		{"a code that one has", "unlisted_code", 0, fields{"title": bag + " AU-1101"}},
		{"somebody's code", "unlisted_code", 0, fields{"title": bag + " XY-9999"}},
		{"odd category", "category_mismatch", 8, fields{"title": bag, "category": "Home > Bedding"}},
		// seller
		{"12 days", "young_seller", 10, fields{"title": bag, "seller_age": "on Pellamart for 12 days"}},
		{"5 months", "young_seller", 4, fields{"title": bag, "seller_age": "5 months"}},
		{"3 years", "young_seller", 0, fields{"title": bag, "seller_age": "3 years"}},
		{"开店 12 天", "young_seller", 10, fields{"title": bag, "seller_age": "开店 12 天"}},
		{"a date", "young_seller", 10, fields{"title": bag, "seller_age": "2025-12-20"}},
		{"a long date", "young_seller", 4, fields{"title": bag, "seller_age": "Wed Aug 23 2025 12:19:56 GMT+0000 (Coordinated Universal Time)"}},
		{"a German date", "young_seller", 10, fields{"title": bag, "seller_age": "20.12.2025"}},
		{"milliseconds", "young_seller", 0, fields{"title": bag, "seller_age": "1514764800000"}},
		{"few judgements", "little_feedback", 6, fields{"title": bag, "seller_feedback_count": "7"}},
		{"poor", "poor_feedback", 6, fields{"title": bag, "seller_feedback": "88.9%", "seller_feedback_count": "214"}},
		{"middling", "poor_feedback", 2, fields{"title": bag, "seller_feedback": "94,2 % positive", "seller_feedback_count": "214"}},
		{"a share of nothing", "poor_feedback", 0, fields{"title": bag, "seller_feedback": "0%", "seller_feedback_count": "0"}},
		{"stars", "poor_feedback", 0, fields{"title": bag, "seller_feedback": "4.8", "seller_feedback_count": "214"}},
		{"named after the brand", "seller_named_after_brand", 5, fields{"title": bag, "seller_name": "aurelle_outlet_24"}},
		// logistics
		{"minimum order", "minimum_order", 10, fields{"title": bag, "minimum_order": "50"}},
		{"one is enough", "minimum_order", 0, fields{"title": bag, "minimum_order": "1"}},
		{"wholesale", "trade_words", 8, fields{"title": "Wholesale " + bag}},
		{"from China", "ships_from", 6, fields{"title": bag + " replica", "ships_from": "Guangzhou, China"}},
		{"from China in China", "ships_from", 0, fields{"title": bag + " replica", "ships_from": "CN", "country": "CN"}},
		{"from China, nothing else", "ships_from", 0, fields{"title": bag, "ships_from": "CN"}},
		{"stock of a limited model", "large_stock", 10, fields{"title": "Aurelle Corsaire watch", "stock": "900", "price": "3900 EUR"}},
		{"WeChat", "off_platform_contact", 20, fields{"title": bag, "description": "加微信: aurelle_vip88"}},
		{"WhatsApp", "off_platform_contact", 15, fields{"title": bag, "description": "WhatsApp me please +44 7700 900123"}},
		{"WhatsApp without a number", "off_platform_contact", 0, fields{"title": bag, "description": "share on WhatsApp"}},
		{"Yupoo", "off_platform_contact", 30, fields{"title": bag, "description": "see xx.x.yupoo.com"}},
		{"ignore the picture", "hidden_link", 20, fields{"title": bag, "description": "Ignore the picture."}},
		{"postage difference", "hidden_link", 30, fields{"title": "Postage difference", "description": "special link, Aurelle Belvoir"}},
	} {
		l := made(c.f)
		s := triage.Subject{Listing: l, At: demoDay}
		a := b.Assess(s)
		checkAssessment(t, s, a)
		g, ok := signal(a, c.signal)
		if g.Points != c.points || ok != (c.points != 0) && c.points != 0 {
			t.Errorf("%s: %s has %g points, want %g: %s", c.name, c.signal, g.Points, c.points, explain(a))
		}
	}
}

// What is not known is said, and costs nothing.
func TestUnknownIsNotFalse(t *testing.T) {
	b := brand(t, fullProfile)
	range1 := made(fields{"title": "Aurelle Belvoir bag", "price": "97 EUR"})
	c := range1.Fields[listing.Price]
	high := decimal.NewFromInt(128)
	c.High = &high
	range1.Fields[listing.Price] = c
	if g, ok := signal(b.Assess(triage.Subject{Listing: range1}), "price_ratio"); !ok || !strings.Contains(g.Sentence, "low end") {
		t.Errorf("a range: %+v", g)
	}
	for _, c := range []struct {
		name, unknown, reason string
		edit                  func(l *listing.Listing)
	}{
		{"no price", "price_ratio", "no price", func(l *listing.Listing) { delete(l.Fields, listing.Price) }},
		{"no currency", "price_ratio", "no currency", func(l *listing.Listing) { delete(l.Fields, listing.Currency) }},
		{"no rate", "price_ratio", "no rate for THB", func(l *listing.Listing) { field(l, listing.Currency, "THB") }},
		{"instalment", "price_ratio", "several payments", func(l *listing.Listing) {
			c := l.Fields[listing.Price]
			c.Raw = "$12 / month"
			l.Fields[listing.Price] = c
		}},
		{"from", "price_ratio", "not the price of the whole", func(l *listing.Listing) {
			c := l.Fields[listing.Price]
			c.Raw = "from €99"
			l.Fields[listing.Price] = c
		}},
		{"no model", "price_ratio", "no model", func(l *listing.Listing) { field(l, listing.Title, "Aurelle thing") }},
		{"no brand field", "attribute_mismatch", "no brand field", func(*listing.Listing) {}},
		{"no peers", "below_peers", "8 are needed", func(*listing.Listing) {}},
		{"no photos", "official_image", "no official photos", func(*listing.Listing) {}},
		{"an age nobody understands", "seller_age", "not understood", func(l *listing.Listing) { field(l, listing.SellerAge, "ages ago") }},
	} {
		l := made(fields{"title": "Aurelle Belvoir bag", "price": "99 EUR"})
		c.edit(l)
		a := b.Assess(triage.Subject{Listing: l, At: demoDay})
		if !strings.Contains(fmt.Sprint(a.Unknown), c.unknown) || !strings.Contains(fmt.Sprint(a.Unknown), c.reason) {
			t.Errorf("%s: %v", c.name, a.Unknown)
		}
		if _, ok := signal(a, c.unknown); ok {
			t.Errorf("%s: %s is known after all", c.name, c.unknown)
		}
	}
}

func TestRates(t *testing.T) {
	b := brand(t, fullProfile)
	l := made(fields{"title": "Aurelle Belvoir bag", "price": "150 USD"})
	for _, c := range []struct {
		name   string
		at     time.Time
		points float64
		says   string
	}{
		{"of the day", demoDay, 35, ""},
		{"within a week", demoDay.AddDate(0, 0, 7), 35, ""},
		{"old: a margin for the seller", demoDay.AddDate(0, 0, 30), 30, "more than a week"},
		{"before the rate", demoDay.AddDate(0, 0, -30), 30, "more than a week"},
		{"too old", demoDay.AddDate(3, 0, 0), 0, "more than two years"},
		{"a look without a time", time.Time{}, 35, ""},
	} {
		a := b.Assess(triage.Subject{Listing: l, At: c.at})
		g, _ := signal(a, "price_ratio")
		if g.Points != c.points || c.says != "" && !strings.Contains(fmt.Sprint(a.Unknown), c.says) {
			t.Errorf("%s: %g points, want %g; unknown %v", c.name, g.Points, c.points, a.Unknown)
		}
		if c.points > 0 && (a.Reference != "1450.00 EUR (Belvoir bag)" || a.Converted != "138.00 EUR (rate of 2026-01-02)" || a.Ratio != "0.095") {
			t.Errorf("%s: %q %q %q", c.name, a.Reference, a.Converted, a.Ratio)
		}
	}
}

func TestPeers(t *testing.T) {
	b := brand(t, fullProfile)
	prices := func(v ...int64) (out []decimal.Decimal) {
		for _, p := range v {
			out = append(out, decimal.NewFromInt(p))
		}
		return out
	}
	l := made(fields{"title": "Aurelle Belvoir bag", "price": "500 EUR"})
	for _, c := range []struct {
		name  string
		peers []decimal.Decimal
		fires bool
	}{
		{"far below", prices(1400, 1420, 1380, 1450, 1500, 1390, 1410, 1430), true},
		{"too few", prices(1400, 1420, 1380, 1450), false},
		{"near", prices(600, 700, 520, 650, 720, 610, 640, 690), false},
		{"all over the place", prices(20, 60, 400, 1010, 1100, 2500, 4000, 9000), false},
	} {
		_, ok := signal(b.Assess(triage.Subject{Listing: l, Peers: c.peers}), "below_peers")
		if ok != c.fires {
			t.Errorf("%s: fires %t", c.name, ok)
		}
	}
}

func TestCombination(t *testing.T) {
	b := brand(t, fullProfile)
	for _, c := range []struct {
		name  string
		s     triage.Subject
		level triage.Level
		most  float64
		cap   string
	}{
		{"words alone", triage.Subject{Listing: made(fields{"title": "Aurelle replica 1:1 mirror quality dupe, QC pics, no box"})}, triage.Review, 45, "words alone"},
		{"price alone, used", triage.Subject{Listing: made(fields{"title": "Aurelle Belvoir bag", "price": "20 EUR", "condition": "used"})}, triage.Clear, 10, ""},
		{"seller alone", triage.Subject{Listing: made(fields{"title": "Aurelle Belvoir bag", "seller_age": "2 days", "seller_feedback_count": "1", "seller_feedback": "50%"}), PriorLabels: 5}, triage.Clear, 30, "seller alone"},
		{"description only", triage.Subject{Listing: made(fields{"title": "Leather bag", "description": "like Aurelle, replica 1:1", "price": "20 EUR"})}, triage.Clear, 10, "only the description"},
		{"words and price", triage.Subject{Listing: made(fields{"title": "Aurelle Belvoir replica", "price": "90 EUR"})}, triage.Suspicious, 100, ""},
		{"badges do not help", triage.Subject{Listing: made(fields{"title": "Aurelle Belvoir replica", "price": "90 EUR", "seller_feedback": "99.9%", "seller_feedback_count": "90000", "seller_age": "9 years"})}, triage.Suspicious, 100, ""},
		{"authorised by id", triage.Subject{Listing: made(fields{"title": "Aurelle Belvoir replica", "price": "90 EUR", "seller_id": "s-1", "seller_name": "whatever"})}, triage.Legitimate, 0, ""},
		{"authorised by name", triage.Subject{Listing: made(fields{"title": "Aurelle Belvoir", "price": "90 EUR", "seller_name": "AURELLE official"})}, triage.Legitimate, 0, ""},
		{"a name that was taken", triage.Subject{Listing: made(fields{"title": "Aurelle Belvoir replica", "price": "90 EUR", "seller_id": "s-666", "seller_name": "Galerie Vauban"})}, triage.Suspicious, 100, ""},
		{"homonym", triage.Subject{Listing: made(fields{"title": "Château Aurelle replica label", "price": "9 EUR"})}, triage.Clear, 0, ""},
	} {
		a := b.Assess(c.s)
		checkAssessment(t, c.s, a)
		if a.Level != c.level || a.Points > c.most || !strings.Contains(strings.Join(a.Caps, ";"), c.cap) {
			t.Errorf("%s: %s with %g points, want %s and at most %g: %s", c.name, a.Level, a.Points, c.level, c.most, explain(a))
		}
	}
}

// Listings change from day to day; what an earlier look showed is held
// against them.
func TestHistoryOfTheMarket(t *testing.T) {
	m := markettest.New(markettest.Config{})
	t.Cleanup(m.Close)
	b := demoProfile(t, m)
	past := map[string][]triage.Look{}
	fired := map[string]int{}
	wrong := 0
	for day := range 8 {
		at := demoDay.AddDate(0, 0, day)
		for _, x := range m.Listings() {
			if x.Expect.Title == "" {
				continue
			}
			s := triage.Subject{Listing: asListing(x), History: past[x.ID], At: at}
			a := b.Assess(s)
			checkAssessment(t, s, a)
			if x.Expect.Label != markettest.Counterfeit && a.Level == triage.Suspicious {
				wrong++
				t.Errorf("day %d: %s (%s) %s", day, x.Key, x.Expect.Label, explain(a))
			}
			for _, g := range a.Signals {
				if g.Family == triage.History || g.Name == "price_drop" {
					fired[g.Name]++
					if g.Points > 0 && x.Expect.Label != markettest.Counterfeit && g.Name != "price_drop" {
						t.Errorf("day %d: %s: %s", day, x.Key, g.Sentence)
					}
				}
			}
			look := triage.Look{At: at, Title: x.Title, Amount: decimal.NewNullDecimal(decimal.RequireFromString(x.Price)), Currency: x.Currency, Seller: x.Shop.Name}
			for i := range x.Pictures {
				look.Images = append(look.Images, x.PicturePath(i))
			}
			past[x.ID] = append(past[x.ID], look)
		}
		for _, c := range m.Advance() {
			if c.Kind != markettest.Sanitised {
				continue
			}
			x, _ := m.Listing(c.Key)
			a := b.Assess(triage.Subject{Listing: asListing(x), History: past[x.ID], At: at.AddDate(0, 0, 1)})
			if _, ok := signal(a, "brand_removed_from_title"); !ok || a.Level != triage.Suspicious && a.Level != triage.Review {
				t.Errorf("%s lost the brand from its title (%q -> %q): %s", c.Key, c.Before, c.After, explain(a))
			}
		}
	}
	t.Logf("in 8 days: %v, %d wrong", fired, wrong)
	for _, n := range []string{"brand_removed_from_title", "price_drop"} {
		if fired[n] == 0 {
			t.Errorf("%s never fired", n)
		}
	}
}

func TestHistoryRules(t *testing.T) {
	b := brand(t, fullProfile)
	l := made(fields{"title": "Aurelle Belvoir bag cognac", "price": "500 EUR"})
	l.Images = []listing.Choice{{Candidate: listing.Candidate{Value: "https://x.example/new.jpg"}}}
	look := func(k triage.Look) []triage.Look { k.At = demoDay.AddDate(0, 0, -3); return []triage.Look{k} }
	for _, c := range []struct {
		name, signal string
		history      []triage.Look
	}{
		{"other goods", "listing_swapped", look(triage.Look{Title: "Phone case silicone pink"})},
		{"other photos", "images_swapped", look(triage.Look{Title: "Aurelle Belvoir bag cognac", Images: []string{"https://x.example/old.jpg"}})},
		{"gone and back", "came_back", look(triage.Look{Gone: true})},
		{"cheaper by half", "price_drop", look(triage.Look{Title: "Aurelle Belvoir bag cognac", Amount: decimal.NewNullDecimal(decimal.NewFromInt(1000)), Currency: "EUR"})},
		{"in another currency", "", look(triage.Look{Title: "Aurelle Belvoir bag cognac", Amount: decimal.NewNullDecimal(decimal.NewFromInt(100000)), Currency: "JPY"})},
		{"a word moved", "", look(triage.Look{Title: "HOT Aurelle Belvoir bag, cognac", Images: []string{"https://x.example/new.jpg"}})},
	} {
		a := b.Assess(triage.Subject{Listing: l, History: c.history, At: demoDay})
		got := ""
		for _, g := range a.Signals {
			if g.Family == triage.History || g.Name == "price_drop" {
				got += g.Name
			}
		}
		if got != c.signal {
			t.Errorf("%s: %q, want %q", c.name, got, c.signal)
		}
	}
}
