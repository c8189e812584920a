package triage_test

import (
	"testing"

	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/triage"
)

func TestSameGoods(t *testing.T) {
	b, err := triage.ParseBrand("test", []byte(`{"name": "Aurelle", "currency": "EUR", "models": [
		{"name": "Belvoir bag", "code": "AU-1101", "price": "1450.00"}, {"name": "Lune wallet", "price": "390.00"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := triage.ParseBrand("test", []byte(`{"name": "Aurelle"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		b          *triage.Brand
		one, other string
		same       bool
	}{
		{b, "Aurelle Belvoir bag cognac", "AURELLE Belvoir Tasche, neu", true},
		{b, "Aurelle Belvoir bag cognac", "Aurelle Lune wallet cognac", false},
		{b, "Aurelle Belvoir bag cognac", "Belvoir castle bag", false}, // not the brand
		{b, "Aurelle Belvoir bag cognac", "Aurelle scarf", false},
		{b, "Aurelle scarf silk red", "Aurelle scarf silk blue", true},
		{plain, "Aurelle scarf silk red", "Aurelle scarf silk blue", true},
		{plain, "Aurelle scarf silk red", "Aurelle handbag leather", false},
		{plain, "", "", false},
	} {
		if got := c.b.SameGoods(c.one, c.other); got != c.same {
			t.Errorf("%q and %q: %v", c.one, c.other, got)
		}
		if got := c.b.SameGoods(c.other, c.one); got != c.same {
			t.Errorf("%q and %q, the other way round: %v", c.one, c.other, got)
		}
	}
	if m := b.NamesModel("belvoir leather bag"); m != "Belvoir bag" {
		t.Errorf("the model is %q", m)
	}
}

// An address that only has another size, host or signature is the same photo.
func TestPhotosAreKnownByWhatNamesThem(t *testing.T) {
	b, err := triage.ParseBrand("test", []byte(`{"name": "Aurelle"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		before, now string
		swapped     bool
	}{
		{"https://i.cdn.example/images/g/xk0AAOSw1/s-l500.jpg", "https://i2.cdn.example/images/g/xk0AAOSw1/s-l1600.webp?sig=1", false},
		{"https://m.cdn.example/images/I/71abcDEF9._AC_SL1500_.jpg", "https://m.cdn.example/images/I/71abcDEF9._AC_SX300_.jpg", false},
		{"https://x.example/photo.jpg?v=1", "https://x.example/photo.jpg?v=2", false},
		{"https://x.example/a/photo.jpg", "https://x.example/b/photo.jpg", true},
		{"https://i.cdn.example/images/g/xk0AAOSw1/s-l500.jpg", "https://i.cdn.example/images/g/zz9BBOSw2/s-l500.jpg", true},
	} {
		l := &listing.Listing{Site: "x", ItemID: "1", Fields: map[listing.FieldName]listing.Choice{
			listing.Title: {Candidate: listing.Candidate{Field: listing.Title, Value: "Aurelle Belvoir bag"}},
		}, Images: []listing.Choice{{Candidate: listing.Candidate{Field: listing.Image, Value: c.now}}}}
		a := b.Assess(triage.Subject{Listing: l, At: demoDay, History: []triage.Look{{At: demoDay.AddDate(0, 0, -1), Title: "Aurelle Belvoir bag", Images: []string{c.before}}}})
		if _, got := signal(a, "images_swapped"); got != c.swapped {
			t.Errorf("%s, then %s: swapped is %v", c.before, c.now, got)
		}
	}
}
