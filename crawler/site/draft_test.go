package site

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func TestDraftedAddresses(t *testing.T) {
	for _, c := range []struct{ addr, known, same, id, canonical string }{
		{"https://shop.example/item/12345/blue-bag", "", "/item/777777/red-hat", "777777", "https://shop.example/item/{id}"},
		{"https://shop.example/men/suits/blue-suit/22180132/buy", "22180132", "/women/hats/red-hat/22180199/buy", "22180199", ""},
		{"https://shop.example/cards/geforce-rtx-5050-8g", "GV-N5050", "/phones/blue-phone", "blue-phone", ""},
		{"https://shop.example/blue-bag-p-123456.html", "", "/red-hat-p-99999.html", "99999", ""},
		{"https://shop.example/goods/123456.html", "", "/goods/99999.html", "99999", "https://shop.example/goods/{id}.html"},
		{"https://shop.example/dp/B0CD1DZ6RD", "B0CD1DZ6RD", "/dp/B0CD1DZ6RE", "B0CD1DZ6RE", "https://shop.example/dp/{id}"},
	} {
		u, _ := url.Parse(c.addr)
		rule := pathRule(u.EscapedPath(), c.known)
		re, err := regexp.Compile(rule)
		if err != nil {
			t.Fatalf("%s: %v", c.addr, err)
		}
		m := re.FindStringSubmatch(c.same)
		if m == nil || m[re.SubexpIndex("id")] != c.id || !re.MatchString(u.EscapedPath()) {
			t.Errorf("%s: %s finds %v in %s", c.addr, rule, m, c.same)
		}
		if got := canonicalOf(u, c.known); got != c.canonical {
			t.Errorf("%s: canonical %q, want %q", c.addr, got, c.canonical)
		}
	}
}

func TestSearchTemplate(t *testing.T) {
	for addr, want := range map[string]string{
		"https://shop.example/find?text=Blue+Bag&page=2&sort=new": "https://shop.example/find?text={term}&page={page}&sort=new",
		"https://shop.example/find?text=blue%20bag&p=12":          "https://shop.example/find?text={term:path}&p={page}",
		"https://shop.example/s/blue-bag?pg=3":                    "https://shop.example/s/{term:dash}?pg={page}",
		"https://shop.example/s/red?pg=3":                         "",
		"shop.example":                                            "",
	} {
		got, err := SearchTemplate(addr, "blue bag")
		if got != want || (want == "") != (err != nil) {
			t.Errorf("%s: %q, %v; want %q", addr, got, err, want)
		}
	}
}

// TestDraftIsTried holds that a draft can be laid over the sites in use, and
// that a page which reads as nothing can be drafted from.
func TestDraftIsTried(t *testing.T) {
	set := configs(t)
	bare := Page{URL: "https://www.new-shop.example/thing/99999", Body: []byte(`<title>Things</title><h2>A thing</h2><p>` + strings.Repeat("Words about it. ", 40) + `</p>`)}
	b, err := set.Draft(bare, "https://www.new-shop.example/find?text={term}&page={page}")
	if err != nil {
		t.Fatal(err)
	}
	one, err := Parse("draft.yaml", b)
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	with, err := set.With(one)
	if err != nil {
		t.Fatal(err)
	}
	if m := with.For(bare.URL); m.Site.Name != "new-shop" || m.Kind != KindListing || m.ItemID != "99999" {
		t.Errorf("the draft gives %s %s %q\n%s", m.Site.Name, m.Kind, m.ItemID, b)
	}
	if m := with.For("https://www.new-shop.example/find?text=x"); m.Kind != KindSearch {
		t.Errorf("a search is a %s", m.Kind)
	}
	if set.For(bare.URL).Site.Name == "new-shop" {
		t.Error("the set in use was changed")
	}
}
