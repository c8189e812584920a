package site

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// TestUnknownLists holds that a list is known as one where neither the address
// nor the site's file says so.
func TestUnknownLists(t *testing.T) {
	const u = "https://shop.example/telephones/tout.html"
	boxes, slugs, split, ads, flats, pieces := "", "", "", "", "", ""
	for i := range 14 {
		boxes += fmt.Sprintf(`<li><a href="/smartphone-%c-%d.html">Phone %d</a><b>%d,000 TND</b></li>`, 'a'+i, i, i, 300+i)
		slugs += fmt.Sprintf(`<li><a href="/very-good-phone-of-%c/p">Phone %d</a><p>%s</p><b class=price><em>S/</em><span>%d</span></b></li>`, 'a'+i, i, strings.Repeat("good ", 30), 300+i)
		split += fmt.Sprintf(`<div class=card><a href="/flat/%d00000/">Flat %d</a><p>%s</p><span class="item-price">%d<span>€/mes</span></span></div>`, i+1, i, strings.Repeat("bright rooms ", 30), 900+i)
	}
	for i := range 14 {
		price := fmt.Sprintf("<b>€ %d</b>", 10+i)
		if i%3 == 2 {
			price = ""
		}
		ads += fmt.Sprintf(`<p class="ad"><a href="/%s/ad-%d.html">A thing %d</a> %s</p>`, []string{"north", "south"}[i%2], 5000100+i, i, price)
		flats += fmt.Sprintf(`<div class="card"><a href="/flat/%d"><h3>Flat %d</h3></a><div class="price">USD %d.000</div><p>%s</p></div>`, 5000100+i, i, 100+i, strings.Repeat("bright rooms near the park ", 60))
		pieces += fmt.Sprintf(`<div class="x1"><a href="/flat/%d">Flat %d</a><p>%s</p><p class="x2"><span>1 550 %03d</span> <span>DH</span></p></div>`, 5000100+i, i, strings.Repeat("bright rooms ", 12), i)
	}
	offers := ""
	for i := range 6 {
		offers += fmt.Sprintf(`{"@type":"Offer","price":%d,"priceCurrency":"EUR","url":"https://shop.example/d/ad-%d.html"},`, 10+i, i)
	}
	set := configs(t)
	for _, tc := range []struct {
		name, body string
		least      int
	}{
		{"boxes of one shape", `<h1>Telephones</h1><ul>` + boxes + `</ul>`, 14},
		{"titles first in the address", `<h1>Telephones</h1><ul>` + slugs + `</ul>`, 14},
		{"amount and currency apart, in long boxes", `<h1>Flats</h1>` + split, 14},
		{"a category written as one product", `<h1>Ads</h1><script type="application/ld+json">{"@type":"Product","name":"Ads","offers":{"@type":"AggregateOffer","lowPrice":10,"priceCurrency":"EUR","offers":[` + strings.TrimSuffix(offers, ",") + `]}}</script>`, 6},
		{"a search written as one product with a range", `<h1>Phones</h1><script type="application/ld+json">{"@type":"Product","name":"Phones","offers":{"@type":"AggregateOffer","offerCount":32,"lowPrice":19,"highPrice":9900,"priceCurrency":"TND"}}</script><ul>` + boxes + `</ul>`, 14},
		{"some without a price, in two sections", `<h1>Ads</h1>` + ads, 14},
		{"long boxes, the price first", `<h1>Flats</h1>` + flats, 14},
		{"amount and currency in elements without names", `<h1>Flats</h1>` + pieces, 14},
		{"a range of which nobody says how many", `<h1>Flats in town</h1><script type="application/ld+json">{"@type":"Vehicle","name":"Cars","offers":{"@type":"AggregateOffer","lowPrice":516,"highPrice":39950,"priceCurrency":"EUR"}}</script>` + flats, 14},
		{"the same in microdata", `<div itemscope itemtype="http://schema.org/Product"><h1 itemprop="name">Phones</h1><div itemprop="offers" itemscope itemtype="http://schema.org/AggregateOffer"><meta itemprop="offerCount" content="1650"><meta itemprop="lowPrice" content="300"><meta itemprop="highPrice" content="400"></div></div><ul>` + boxes + `</ul>`, 14},
		{"the shop software says so", `<body class="archive tax-product_cat woocommerce"><h1>Telephones</h1><ul>` + boxes + `</ul>`, 14},
	} {
		r := set.Read(Page{URL: u, Body: []byte(tc.body)})
		n := 0
		for _, l := range r.Links {
			if l.Kind == KindListing {
				n++
			}
		}
		if r.Outcome != capture.Captured || r.Match.Kind != KindSearch || n != tc.least || r.Listing != nil {
			t.Errorf("%s: %s %s %v, %d listings, want %d", tc.name, r.Match.Kind, r.Outcome, r.Evidence, n, tc.least)
		}
	}
	one := `<h1>Phone 7</h1><div class="price">307,000 TND</div><p>` + strings.Repeat("About the phone. ", 40) + `</p><h2>Related</h2><ul class="related">` + boxes + `</ul>`
	if r := set.Read(Page{URL: u, Body: []byte(one)}); r.Match.Kind != KindListing {
		t.Errorf("an item with related ones is a %s: %s %v", r.Match.Kind, r.Outcome, r.Evidence)
	}
	sellers := `<script type="application/ld+json">{"@type":"Product","name":"Phone 7","sku":"77","offers":{"@type":"AggregateOffer","offerCount":32,"lowPrice":19,"highPrice":9900,"priceCurrency":"TND"}}</script>` + one
	if r := set.Read(Page{URL: u, Body: []byte(sellers)}); r.Match.Kind != KindListing {
		t.Errorf("an item of many sellers is a %s: %s %v", r.Match.Kind, r.Outcome, r.Evidence)
	}
}

// TestResultsOfACard holds that a card gives one result, and that a market's
// other site is at home in its results.
func TestResultsOfACard(t *testing.T) {
	set := configs(t)
	card := `<div class="s-main-slot"><div class="s-result-item" data-asin="B0CD1DZ6RD" data-component-type="s-search-result"><h2><a href="/x/dp/B0CD1DZ6RD/ref=sr_1_1">Sweater</a></h2><a href="/x/dp/B0CD1DZ6RE/ref=is_sr_s_dp_2">blue</a><a href="/x/dp/B0CD1DZ6RF/">red</a></div></div>`
	r := set.Read(Page{URL: "https://www.amazon.com/s?k=sweater", Body: []byte(card)})
	if len(r.Links) != 1 || r.Links[0].ItemID != "B0CD1DZ6RD" {
		t.Errorf("a card with swatches gives %+v", r.Links)
	}
	both := `<div class="item"><a href="//item.taobao.com/item.htm?id=601465987171">a</a></div><div class="item"><a href="//detail.tmall.com/item.htm?id=609353516840&ns=1">b</a></div><a href="https://detail.1688.com/offer/546639475124.html">c</a>`
	r = set.Read(Page{URL: "https://s.taobao.com/search?q=x", Body: []byte(both)})
	if len(r.Links) != 2 || r.Links[1].Canonical != "https://detail.tmall.com/item.htm?id=609353516840" {
		t.Errorf("Taobao's results are %+v", r.Links)
	}
}

// TestRecommendationsAreNoResults holds that an unknown shop's furniture is
// left out of its results.
func TestRecommendationsAreNoResults(t *testing.T) {
	body := `<title>Search: bag</title><main>`
	for i := range 6 {
		body += fmt.Sprintf(`<div class=card><a href="/products/bag-%d">Bag</a> € 12,50</div>`, i)
	}
	body += `</main><div class="recommendations"><a href="/products/hat">Hat</a> € 9,00</div><footer><a href="/products/gift-card">Gift card</a></footer>`
	r := configs(t).Read(Page{URL: "https://shop.example/search?q=bag", Body: []byte(body)})
	if len(r.Links) != 6 || r.Links[5].Position != 6 {
		t.Errorf("%d links: %+v", len(r.Links), r.Links)
	}
}

func TestCanonicalKeepsWhatMayName(t *testing.T) {
	set := configs(t)
	for u, want := range map[string]string{
		"https://shop.example/item.php?ref=B7&utm_source=x":         "https://shop.example/item.php?ref=B7",
		"https://shop.example/blue-bag/?ref=home&source=mail&sid=9": "https://shop.example/blue-bag/",
		"https://shop.example/bag?affiliate_id=7&color=red":         "https://shop.example/bag?color=red",
		"https://shop.example/bag?_pos=1&_sid=12ab&_ss=r&variant=4": "https://shop.example/bag?variant=4",
		"https://shop.example/bag?affordable=1&trkid=9":             "https://shop.example/bag?affordable=1",
		"https://WWW.shop.example:443/bag?b=2&a=1#x":                "https://www.shop.example/bag?a=1&b=2",
	} {
		if m := set.For(u); m.Canonical != want {
			t.Errorf("%s: %s, want %s", u, m.Canonical, want)
		}
	}
}

func TestGuessOfAnAddressWithoutScheme(t *testing.T) {
	if got := configs(t).Guess([]byte(`<link rel=canonical href="//item.jd.com/100121438395.html"><link rel=alternate hreflang=x href="/search">`), ""); got != "https://item.jd.com/100121438395.html" {
		t.Errorf("%q", got)
	}
}

// TestManyLinks reads a page whose many links lie in one box without a word:
// looking at the box for each of them would take minutes.
func TestManyLinks(t *testing.T) {
	var b strings.Builder
	b.WriteString("<div><div><div><p>x</p>")
	for i := range 20000 {
		fmt.Fprintf(&b, `<a href="/sect/item-%d"><b></b></a>`, i)
	}
	r := configs(t).Read(Page{URL: "https://shop.example/search?q=x", Status: 200, Body: []byte(b.String()), ContentType: "text/html"})
	if r.Outcome != capture.Shell {
		t.Errorf("got %s %v", r.Outcome, r.Evidence)
	}
}

// TestListsInData holds lists whose links are only in data, and links of items
// in cards without a price.
func TestListsInData(t *testing.T) {
	set := configs(t)
	for _, tc := range []struct{ name, url, body, first string }{
		{"SHEIN's trends", "https://us.shein.com/top-trend", `<p>Trends</p><script>var trendPageSsrData = {"products":{"list":[{"goods_id":"52376688","goods_name":"Shirt"},{"goods_id":"40698595"}]}};</script>`, "https://us.shein.com/-p-52376688.html"},
		{"cars", "https://cars.example/s/all", `<div><a href="/ka/pr/119009815/a-car?offerType=basic">A car</a></div><div><a href="/ka/pr/118903816/b-car">B</a></div><a href="/ka/pr/about">about</a>`, "https://cars.example/ka/pr/119009815/a-car?offerType=basic"},
	} {
		r := set.Read(Page{URL: tc.url, Body: []byte(tc.body)})
		if r.Match.Kind != KindSearch || r.Outcome != capture.Captured || len(r.Links) != 2 || r.Links[0].URL != tc.first {
			t.Errorf("%s: %s %s %v, links %+v", tc.name, r.Match.Kind, r.Outcome, r.Evidence, r.Links)
		}
	}
}
