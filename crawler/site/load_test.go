package site

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func TestLoadErrors(t *testing.T) {
	ok := "name: shop\nhosts: [{name: shop.example}]\n"
	for _, tc := range []struct{ name, file, want string }{
		{"unknown key", ok + "colour: red\n", `a.yaml: line 3: unknown field "colour"`},
		{"wrong type", ok + "hosts: 7\n", "a.yaml: line 3:"},
		{"no name", "hosts: [{name: shop.example}]\n", "name"},
		{"bad name", "name: A Shop\nhosts: [{name: shop.example}]\n", `a.yaml: line 1: name: "A Shop"`},
		{"no hosts", "name: shop\n", "hosts: a site needs at least one host"},
		{"bad host", "name: shop\nhosts:\n  - {name: 'https://x'}\n", "line 3: hosts[0].name"},
		{"bad country", ok + "country: de\n", `line 3: country: "de"`},
		{"bad currency", ok + "currency: EURO\n", "line 3: currency"},
		{"bad render", ok + "render: {listing: maybe}\n", "line 3: render.listing"},
		{"bad kind in render", ok + "render: {item: never}\n", "render.item"},
		{"bad robots", ok + "politeness: {robots: ignore}\n", "line 3: politeness.robots"},
		{"delays", ok + "politeness: {min_delay: 10s, max_delay: 1s}\n", "line 3: politeness.max_delay"},
		{"bad path", ok + "pages:\n  - {kind: listing, path: '('}\n", "line 4: pages[0].path"},
		{"empty page rule", ok + "pages:\n  - {kind: listing}\n", "line 4: pages[0]"},
		{"bad kind", ok + "pages:\n  - {kind: item, path: x}\n", "line 4: pages[0].kind"},
		{"bad canonical", ok + "pages:\n  - {kind: listing, path: 'x', canonical: 'https://{host}/{id}'}\n", "{id} is no named group"},
		{"bad css", ok + "markers:\n  sold: [{css: 'a['}]\n", "line 4: markers.sold[0].css"},
		{"body alone", ok + "markers:\n  sold: [{body: gone}]\n", "body alone proves nothing"},
		{"bad template", ok + "search: {url: 'https://{host}/{word}'}\n", "{word} is not known"},
		{"no address", ok + "search: {url: '{host}/x'}\n", "does not make an http(s) address"},
		{"offset without size", ok + "search: {url: 'https://{host}/?s={offset}'}\n", "page_size"},
		{"bad field", ok + "listing:\n  fields:\n    colour: [{css: a}]\n", "line 5: listing.fields.colour"},
		{"two sources", ok + "listing:\n  fields:\n    title: [{css: a, meta: b}]\n", "line 5: listing.fields.title[0]"},
		{"bad viewport", ok + "browser: {viewport: big}\n", "line 3: browser.viewport"},
		{"bad proxy", ok + "egress: 'http://user:hunter2@proxy:1'\n", "line 3: egress"},
		{"bad proxy of a host", "name: shop\nhosts:\n  - {name: shop.example, egress: DE}\n", "line 3: hosts[0].egress"},
		{"lane with a proxy", ok + "lane: shop@de\n", "line 3: lane"},
		{"state without url", ok + "links: {state: [a.b]}\n", "links.url"},
	} {
		_, err := Load(fstest.MapFS{"a.yaml": {Data: []byte(tc.file)}})
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "a.yaml") {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestLoadAllErrorsAtOnce(t *testing.T) {
	_, err := Load(fstest.MapFS{"a.yaml": {Data: []byte("name: shop\ncountry: x\ncurrency: y\nhosts: [{name: shop.example}]\n")}})
	if err == nil || !strings.Contains(err.Error(), "country") || !strings.Contains(err.Error(), "currency") {
		t.Errorf("got %v", err)
	}
}

func TestLoadOverrides(t *testing.T) {
	file := func(name, host string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("name: " + name + "\nhosts: [{name: " + host + "}]\n")}
	}
	set, err := Load(fstest.MapFS{"a.yaml": file("a", "a.example"), "b.yaml": file("b", "b.example")}, fstest.MapFS{"mine.yaml": file("a", "other.example")})
	if err != nil {
		t.Fatal(err)
	}
	if m := set.For("https://a.example/"); !m.Site.Generic {
		t.Error("the replaced site is still there")
	}
	if m := set.For("https://other.example/"); m.Site.Name != "a" || len(set.Sites()) != 2 {
		t.Errorf("got %s of %d", m.Site.Name, len(set.Sites()))
	}
	if _, err := Load(fstest.MapFS{"a.yaml": file("a", "a.example"), "b.yaml": file("b", "a.example")}); err == nil || !strings.Contains(err.Error(), "belongs to both") {
		t.Errorf("one host in two sites: %v", err)
	}
	if _, err := Load(fstest.MapFS{"a.yaml": file("a", "a.example"), "b.yaml": file("a", "b.example")}); err == nil || !strings.Contains(err.Error(), "already the name of a.yaml") {
		t.Errorf("one name in two files: %v", err)
	}
}

func TestFor(t *testing.T) {
	set := configs(t)
	for _, tc := range []struct{ url, site, kind, id, canonical, lane string }{
		{"https://www.amazon.de/Old-Spice/dp/B0CD1DZ6RD/ref=sr_1_1?th=1", "amazon", "listing", "B0CD1DZ6RD", "https://www.amazon.de/dp/B0CD1DZ6RD", "amazon-de"},
		{"https://www.amazon.co.jp/s?k=x", "amazon", "search", "", "https://www.amazon.co.jp/s?k=x", "amazon-jp"},
		{"https://m.ebay.de/itm/something/226771798286?hash=1", "ebay", "listing", "226771798286", "https://www.ebay.de/itm/226771798286", "ebay"},
		{"https://www.ebay.com/p/1701411334?iid=298293090902", "ebay", "other", "1701411334", "https://www.ebay.com/p/1701411334", "ebay"},
		{"https://es.aliexpress.com/item/1005006180026951.html?spm=a2g0o", "aliexpress", "listing", "1005006180026951", "https://es.aliexpress.com/item/1005006180026951.html", "aliexpress"},
		{"https://item.taobao.com/item.htm?spm=1&id=562283240178", "taobao", "listing", "562283240178", "https://item.taobao.com/item.htm?id=562283240178", "taobao"},
		{"https://detail.tmall.com/item.htm?id=562283240178&skuId=3", "tmall", "listing", "562283240178", "https://detail.tmall.com/item.htm?id=562283240178", "taobao"},
		{"https://shopee.com.mx/Camisa-i.567678683.21873056212?model_id=2", "shopee", "listing", "21873056212", "https://shopee.com.mx/product/567678683/21873056212", "shopee-mx"},
		{"https://articulo.mercadolibre.com.mx/MLM-3550670100-x-_JM", "mercadolibre", "listing", "MLM3550670100", "https://articulo.mercadolibre.com.mx/MLM-3550670100", "mercadolibre-mx"},
		{"https://articulo.mercadolibre.com.co/MCO-3550670100-x-_JM", "mercadolibre", "listing", "MCO3550670100", "https://articulo.mercadolibre.com.co/MCO-3550670100", "mercadolibre-co"},
		{"https://www.vinted.fr/items/4123456789-tshirt-nike?referrer=catalog", "vinted", "listing", "4123456789", "https://www.vinted.fr/items/4123456789", "vinted"},
		{"https://jp.mercari.com/item/m96084058332", "mercari", "listing", "m96084058332", "https://jp.mercari.com/item/m96084058332", "mercari"},
		{"https://item.rakuten.co.jp/some-shop/ab-123/", "rakuten", "listing", "ab-123", "https://item.rakuten.co.jp/some-shop/ab-123/", "rakuten"},
		{"https://www.flipkart.com/x/p/itm7d3b6b5d0f501?pid=MOBGX2F3QGZYYZAK&lid=1", "flipkart", "listing", "MOBGX2F3QGZYYZAK", "https://www.flipkart.com/p/itm7d3b6b5d0f501?pid=MOBGX2F3QGZYYZAK", "flipkart"},
		{"https://www.dhgate.com/product/bag/123456789.html", "dhgate", "listing", "123456789", "https://www.dhgate.com/product/-/123456789.html", "dhgate"},
		{"https://www.temu.com/de/bag-g-601099512345678.html?x=1", "temu", "listing", "601099512345678", "https://www.temu.com/goods.html?goods_id=601099512345678", "temu"},
		{"https://shop.example.co.uk/Collections/all/products/Blue-Bag?utm_source=x&b=2&a=1#top", "generic", "other", "", "https://shop.example.co.uk/Collections/all/products/Blue-Bag?a=1&b=2", "example.co.uk"},
		{"https://shop.example.co.uk/products/blue-bag", "generic", "listing", "blue-bag", "https://shop.example.co.uk/products/blue-bag", "example.co.uk"},
		{"not a url", "generic", "other", "", "not a url", "generic"},
	} {
		m := set.For(tc.url)
		if m.Site.Name != tc.site || string(m.Kind) != tc.kind || m.ItemID != tc.id || m.Canonical != tc.canonical || m.Lane != tc.lane {
			t.Errorf("%s: %s %s %q %s lane %s", tc.url, m.Site.Name, m.Kind, m.ItemID, m.Canonical, m.Lane)
		}
	}
}

// TestCanonicalIsStable holds that a canonical address means what the address
// it was made of means.
func TestCanonicalIsStable(t *testing.T) {
	set := configs(t)
	for _, u := range []string{"https://www.amazon.de/x/dp/B0CD1DZ6RD", "https://www.lazada.sg/products/x-i123456-s9.html", "https://detail.1688.com/offer/712345678.html", "https://www.etsy.com/de/listing/550571276/x", "https://www.walmart.com/ip/x/123456789", "https://www.kleinanzeigen.de/s-anzeige/x/2712345678-22-3", "https://www.carousell.sg/p/x-1381698748/", "https://stockx.com/air-jordan-1-retro"} {
		m := set.For(u)
		again := set.For(m.Canonical)
		if m.Kind != KindListing || again.Kind != m.Kind || again.ItemID != m.ItemID || again.Canonical != m.Canonical {
			t.Errorf("%s: %s -> %s %s %s", u, m.Canonical, again.Kind, again.ItemID, again.Canonical)
		}
	}
}

func TestSearchURL(t *testing.T) {
	set := configs(t)
	for _, tc := range []struct {
		host, term string
		page       int
		want       string
	}{
		{"www.amazon.co.uk", "blue bag", 2, "https://www.amazon.co.uk/s?k=blue+bag&page=2"},
		{"www.mercadolibre.com.ar", "bolso azul", 1, "https://listado.mercadolibre.com.ar/bolso-azul"},
		{"www.mercadolibre.com.ar", "bolso azul", 3, "https://listado.mercadolibre.com.ar/bolso-azul_Desde_97"},
		{"www.1688.com", "包", 1, "https://s.1688.com/selloffer/offer_search.htm?keywords=%B0%FC&beginPage=1"},
		{"s.taobao.com", "包", 2, "https://s.taobao.com/search?q=%E5%8C%85&s=44"},
		{"www.rakuten.co.jp", "鞄", 1, "https://search.rakuten.co.jp/search/mall/%E9%9E%84/?p=1"},
	} {
		got, err := set.For("https://"+tc.host+"/").Site.SearchURL(tc.term, tc.page)
		if err != nil || got != tc.want {
			t.Errorf("%s: %s %v, want %s", tc.host, got, err, tc.want)
		}
	}
	for name, call := range map[string]func() (string, error){
		"no template": func() (string, error) { return set.generic.SearchURL("x", 1) },
		"no term":     func() (string, error) { return set.Site("ebay").SearchURL(" ", 1) },
		"page 0":      func() (string, error) { return set.Site("ebay").SearchURL("x", 0) },
		"beyond":      func() (string, error) { return set.Site("ebay").SearchURL("x", 9999) },
		"encoding":    func() (string, error) { return set.Site("1688").SearchURL("\U0001F45C\U000E0041", 1) },
	} {
		if u, err := call(); err == nil {
			t.Errorf("%s: %s", name, u)
		}
	}
}

// TestEverySite holds what every site file must be able to do.
func TestEverySite(t *testing.T) {
	set := configs(t)
	if len(set.Sites()) < 26 {
		t.Errorf("only %d sites", len(set.Sites()))
	}
	for _, s := range set.Sites() {
		for _, h := range s.Hosts {
			at := set.For("https://" + h.Name + "/").Site
			u, err := at.SearchURL("blue bag", 1)
			if err != nil {
				t.Errorf("%s: %v", h.Name, err)
				continue
			}
			if m := set.For(u); m.Site.Name != s.Name || m.Kind != KindSearch {
				t.Errorf("%s: its search address %s is a %s page of %s", h.Name, u, m.Kind, m.Site.Name)
			}
		}
	}
	if _, err := os.Stat("../../configs/sites/generic.yaml"); err == nil {
		t.Error("generic is the name of the built-in site")
	}
}

// TestDocs holds that the file which docs/sites.md shows is one.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile("../../docs/sites.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "```yaml\n")
	example, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("docs/sites.md has no YAML block")
	}
	set, err := Load(fstest.MapFS{"shop.yaml": {Data: []byte(example)}})
	if err != nil {
		t.Fatal(err)
	}
	m := set.For("https://www.shop.co.example/item/77?x=1")
	if m.ItemID != "77" || m.Lane != "shop-uk" || m.Site.Currency != "GBP" || m.Canonical != "https://www.shop.co.example/item/77" {
		t.Errorf("%+v", m)
	}
	for _, f := range []string{"seller_feedback_count", "minimum_order", "strike_price"} {
		if !strings.Contains(string(b), f) {
			t.Errorf("the field %s is not documented", f)
		}
	}
}

func TestLanesCountEachWayOutByItself(t *testing.T) {
	set, err := Load(fstest.MapFS{"a.yaml": {Data: []byte(`name: shop
lane: shops
egress: de
hosts:
  - {name: shop.example}
  - {name: shop.example.org, egress: us, lane: shops-us}
`)}, "b.yaml": {Data: []byte("name: other\nhosts: [{name: other.example}, {name: b2b.shop.example.org}]\n")}})
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"https://www.shop.example/1": "shops@de", "https://shop.example.org/1": "shops-us@us", "https://other.example/1": "other", "https://unknown.example/1": "unknown.example",
	} {
		if got := set.For(url).Lane; got != want {
			t.Errorf("%s: lane %q, want %q", url, got, want)
		}
	}
	if got := fmt.Sprint(set.Egresses()); got != "map[de:[shop] us:[shop]]" {
		t.Errorf("proxies asked for: %s", got)
	}
	for host, want := range map[string]bool{"www.shop.example": true, "SHOP.example.": true, "other.example": false, "notshop.example": false, "example": false, "shop.example.org": false, "www.shop.example.org": true} {
		if set.Covers("shop", host) != want {
			t.Errorf("%s: covered is %v", host, !want)
		}
	}
}
