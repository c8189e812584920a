package site

import (
	"strings"
	"sync"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/listing"
)

const (
	someText = `<p>` + "This bag is made of leather, has two handles and a pocket, and comes with a box. " + `</p>`
	product  = `<title>Blue bag | Shop</title><h1>Blue bag</h1><script type="application/ld+json">{"@type":"Product","name":"Blue bag","offers":{"price":"20","priceCurrency":"EUR","availability":"https://schema.org/InStock"}}</script>`
)

func header(name, value string) func(string) string {
	return func(n string) string {
		if n == name {
			return value
		}
		return ""
	}
}

func TestOutcomes(t *testing.T) {
	set := configs(t)
	const shop = "https://shop.example/products/blue-bag"
	const amazon = "https://www.amazon.com/dp/B0CD1DZ6RD"
	lots := strings.Repeat(someText, 10)
	for _, tc := range []struct {
		name string
		page Page
		want capture.Outcome
	}{
		{"a listing", Page{URL: shop, Body: []byte(product)}, capture.Captured},
		{"status 0 is 200", Page{URL: shop, Status: 0, Body: []byte(product)}, capture.Captured},
		{"a listing with the words of a block in a script", Page{URL: shop, Body: []byte(product + `<script>var a="Access Denied captcha punish x5secdata px-captcha __cf_chl_opt"</script>` + lots)}, capture.Captured},
		{"a listing with a captcha for comments", Page{URL: shop, Body: []byte(product + `<div class="g-recaptcha"></div>` + lots)}, capture.Captured},
		{"a listing about captchas", Page{URL: shop, Body: []byte(strings.ReplaceAll(product, "Blue bag", "Captcha: a novel"))}, capture.Captured},
		{"403 with a challenge", Page{URL: shop, Status: 403, Body: []byte(`<title>Just a moment...</title><p>Checking</p>`)}, capture.Challenge},
		{"404 with a challenge is no removal", Page{URL: amazon, Status: 404, Body: []byte(`<!-- To discuss automated access to Amazon data please contact api-services-support@amazon.com. --><title>Page Not Found</title><p>Sorry</p>`)}, capture.Challenge},
		{"404 that is one", Page{URL: amazon, Status: 404, Body: []byte(`<title>Page Not Found</title><a href="/ref=cs_404_link">home</a>`)}, capture.Removed},
		{"410", Page{URL: shop, Status: 410, Body: []byte(`<title>Gone</title>`)}, capture.Removed},
		{"404 without a body", Page{URL: shop, Status: 404}, capture.Removed},
		{"a wall that is a script", Page{URL: "https://item.taobao.com/item.htm?id=562283240178", Body: []byte(`<script>sessionStorage.x5referer=location.href;window.location.replace("https://item.taobao.com/item.htm/_____tmd_____/punish?x5secdata=ab")</script>`)}, capture.Challenge},
		{"DataDome", Page{URL: "https://www.etsy.com/listing/550571276/x", Status: 403, Body: []byte(`<html><head><title>etsy.com</title></head><body><script>var dd={'rt':'c','cid':'x'}</script><script src="https://ct.captcha-delivery.com/c.js"></script></body></html>`)}, capture.Challenge},
		{"Incapsula", Page{URL: shop, Body: []byte(`<html><body><iframe id="main-iframe" src="/_Incapsula_Resource?x=1"></iframe></body></html>`)}, capture.Challenge},
		{"access denied", Page{URL: shop, Status: 403, Body: []byte(`<title>Access Denied</title><h1>Access Denied</h1>Reference #18.1`)}, capture.Challenge},
		{"a challenge by its words", Page{URL: amazon, Body: []byte(`<title>Amazon.com</title><h4>Click the button below to continue shopping</h4><form action="/x"></form>`)}, capture.Challenge},
		{"the words of a challenge in a long text", Page{URL: shop, Body: []byte(product + `<p>Press & hold the button to open the bag.</p>` + lots + lots)}, capture.Captured},
		{"403 that says nothing", Page{URL: shop, Status: 403, Body: []byte(`<title>Forbidden</title>`)}, capture.HTTPError},
		{"429", Page{URL: shop, Status: 429, Body: []byte(`<title>Slow down</title>`)}, capture.Throttled},
		{"429 without a body", Page{URL: shop, Status: 429}, capture.Throttled},
		{"503 with Retry-After", Page{URL: shop, Status: 503, Header: header("Retry-After", "30"), Body: []byte(`<title>Busy</title>`)}, capture.Throttled},
		{"503", Page{URL: shop, Status: 503, Body: []byte(`<title>Busy</title>`)}, capture.HTTPError},
		{"500", Page{URL: shop, Status: 500, Body: []byte(product)}, capture.HTTPError},
		{"304", Page{URL: shop, Status: 304}, capture.NotModified},
		{"401", Page{URL: shop, Status: 401, Body: []byte("<p>no")}, capture.LoginWall},
		{"451", Page{URL: shop, Status: 451, Body: []byte("<p>no")}, capture.GeoVariant},
		{"login by title", Page{URL: shop, Body: []byte(`<title>Sign in - Shop</title><form action="/x"><input type=password></form>`)}, capture.LoginWall},
		{"login by address", Page{URL: shop, FinalURL: "https://shop.example/account/login?next=1", Body: []byte(`<title>Shop</title>` + lots)}, capture.LoginWall},
		{"a product called login", Page{URL: shop, Body: []byte(strings.ReplaceAll(product, "Blue bag", "Login sticker"))}, capture.Captured},
		{"consent", Page{URL: shop, FinalURL: "https://consent.shop.example/x", Body: []byte(`<title>Cookies</title>`)}, capture.ConsentWall},
		{"empty", Page{URL: shop, Body: []byte("  \n ")}, capture.Empty},
		{"pdf", Page{URL: shop, ContentType: "application/pdf", Body: []byte("%PDF-1.4 hello")}, capture.NotHTML},
		{"binary", Page{URL: shop, Body: []byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x02\x03")}, capture.NotHTML},
		{"removed softly", Page{URL: shop, Body: []byte(`<title>Shop</title><h1>This listing is no longer available</h1>` + lots)}, capture.RemovedSoft},
		{"removed softly, in German", Page{URL: shop, Body: []byte(`<title>Shop</title><h2>Diese Anzeige ist leider nicht mehr verfügbar</h2>` + lots)}, capture.RemovedSoft},
		{"removed softly, in Chinese", Page{URL: "https://item.taobao.com/item.htm?id=562283240178", Body: []byte(`<title>淘宝网</title><div class="error-notice-hd">很抱歉，您查看的宝贝不存在，可能已下架或者被转移。</div>` + lots)}, capture.RemovedSoft},
		{"to the front page", Page{URL: amazon, FinalURL: "https://www.amazon.com/", Body: []byte(`<title>Amazon</title>` + lots)}, capture.RemovedSoft},
		{"another item", Page{URL: amazon, FinalURL: "https://www.amazon.com/dp/B0000000ZZ", Body: []byte(`<title>x</title><span id="productTitle">Thing</span><div id="corePrice_feature_div"><span class="a-price"><span class="a-offscreen">$8.00</span></span></div>`)}, capture.WrongItem},
		{"a variant under its parent's address", Page{URL: amazon, Body: []byte(`<title>x</title><link rel="canonical" href="https://www.amazon.com/dp/B0CD1DZ6RD"><input id="ASIN" value="B0000000ZZ"><span id="productTitle">Thing</span><div id="corePrice_feature_div"><span class="a-price"><span class="a-offscreen">$8.00</span></span></div>`)}, capture.Captured},
		{"sold", Page{URL: "https://www.vinted.fr/items/4123456789-x", Body: []byte(`<h1 class="web_ui__Text__title">T-shirt</h1><div data-testid="item-status--content">Vendu</div><div data-testid="item-price"><p>15,00&nbsp;€</p></div>`)}, capture.Sold},
		{"sold in data", Page{URL: shop, Body: []byte(strings.ReplaceAll(product, "InStock", "SoldOut"))}, capture.Sold},
		{"unavailable in data", Page{URL: shop, Body: []byte(strings.ReplaceAll(product, "InStock", "OutOfStock"))}, capture.Unavailable},
		{"a sold badge on another product", Page{URL: shop, Body: []byte(product + `<div class="related"><span class="sold-badge">Sold</span></div>` + lots)}, capture.Captured},
		{"shell", Page{URL: shop, Body: []byte(`<title>Shop</title><div id="root"></div><script src="/app.js"></script>`)}, capture.Shell},
		{"shell that Chrome did not fill", Page{URL: shop, Rendered: true, Body: []byte(`<title>Shop</title><div id="root"></div>`)}, capture.Partial},
		{"no price", Page{URL: shop, Body: []byte(`<title>Blue bag</title><h1>Blue bag</h1>` + lots)}, capture.Partial},
		{"search", Page{URL: "https://www.ebay.com/sch/i.html?_nkw=x", Body: []byte(`<ul class="srp-results"><li class="s-item"><a href="https://ebay.com/itm/123456?x">Shop on eBay</a><li class="s-item"><a href="https://www.ebay.com/itm/226771798286">A thing</a></ul>`)}, capture.Captured},
		{"empty search", Page{URL: "https://shop.example/search?q=x", Body: []byte(`<title>Search</title><p>No results found for x</p>` + lots)}, capture.SearchEmpty},
		{"search without a browser", Page{URL: "https://shop.example/search?q=x", Body: []byte(`<title>Search</title>` + lots)}, capture.Shell},
	} {
		r := set.Read(tc.page)
		if r.Outcome != tc.want {
			t.Errorf("%s: %s %v, want %s", tc.name, r.Outcome, r.Evidence, tc.want)
		}
		if !r.Outcome.Valid() || len(r.Evidence) == 0 {
			t.Errorf("%s: outcome %q with evidence %v", tc.name, r.Outcome, r.Evidence)
		}
		if c := r.Outcome.Class(); (c == capture.Refused || c == capture.Failed) && r.Listing != nil {
			t.Errorf("%s: %s has a listing", tc.name, r.Outcome)
		}
	}
}

// TestConcurrent holds that a Set may be used by many at once.
func TestConcurrent(t *testing.T) {
	set := configs(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, u := range []string{"https://www.amazon.com/dp/B0CD1DZ6RD", "https://www.etsy.com/listing/550571276/x", "https://shop.example/products/x"} {
				if r := set.Read(Page{URL: u, Body: []byte(product)}); r.Outcome != capture.Captured {
					t.Errorf("%s: %s %v", u, r.Outcome, r.Evidence)
				}
				set.For(u)
			}
		})
	}
	wg.Wait()
}

func TestDecoyCard(t *testing.T) {
	r := configs(t).Read(Page{URL: "https://www.ebay.com/sch/i.html?_nkw=x", Body: []byte(`<ul class="srp-results"><li class="s-item"><a href="https://ebay.com/itm/123456?x">Shop on eBay</a><li class="s-item"><a href="https://www.ebay.com/itm/226771798286?hash=1"><img alt="A thing"></a><a href="/itm/226771798286"><div class="s-item__title">A thing</div></a><span class="s-item__price">$5.00</span></ul><a class="pagination__next" href="/sch/i.html?_nkw=x&_pgn=2">Next</a>`)})
	if len(r.Links) != 2 || r.Links[0].ItemID != "226771798286" || r.Links[0].Title != "A thing" || r.Links[0].PriceText != "$5.00" || r.Links[1].Kind != KindNext {
		t.Errorf("links: %+v", r.Links)
	}
}

// TestUnknownShelf holds that results are found where addresses say nothing.
func TestUnknownShelf(t *testing.T) {
	var b strings.Builder
	b.WriteString(`<title>Search</title><nav><a href="/help/contact">Contact</a></nav>`)
	for _, name := range []string{"bag", "belt", "boot", "ring", "watch"} {
		b.WriteString(`<div><a href="/buy/` + name + `"><img alt="` + name + `"></a><p>A ` + name + `</p><b>€ 12,50</b></div>`)
	}
	r := configs(t).Read(Page{URL: "https://shop.example/search?q=b", Body: []byte(b.String())})
	if r.Outcome != capture.Captured || len(r.Links) != 5 || r.Links[4].PriceText != "€ 12,50" || r.Links[0].Title != "bag" {
		t.Errorf("%s %v %+v", r.Outcome, r.Evidence, r.Links)
	}
}

func TestNeedsChrome(t *testing.T) {
	set := configs(t)
	shell := Page{URL: "https://shop.example/products/x", Body: []byte(`<div id="root"></div>`)}
	if r := set.Read(shell); len(r.NeedsChrome) == 0 {
		t.Error("a shell needs no browser")
	}
	shell.Rendered = true
	if r := set.Read(shell); len(r.NeedsChrome) != 0 {
		t.Errorf("a rendered page needs a browser: %v", r.NeedsChrome)
	}
	if r := set.Read(Page{URL: "https://shop.example/products/x", Body: []byte(product)}); len(r.NeedsChrome) != 0 {
		t.Errorf("a whole page needs a browser: %v", r.NeedsChrome)
	}
}

func TestExplain(t *testing.T) {
	r := configs(t).Read(Page{URL: "https://shop.example/products/x", Body: []byte(`<meta property="og:price:amount" content="25"><meta property="og:price:currency" content="USD">` + product)})
	rows := Explain(r)
	chosen := map[listing.FieldName]int{}
	prices := 0
	for _, row := range rows {
		if row.Field == listing.Price {
			prices++
		}
		if row.Chosen {
			chosen[row.Field]++
			if row.Why == "" {
				t.Errorf("chosen without a reason: %+v", row)
			}
			if row.Field == listing.Price && (row.Value != "20 EUR" || !strings.Contains(row.Conflict, "25 USD")) {
				t.Errorf("price %+v", row)
			}
		}
	}
	if prices != 2 || chosen[listing.Price] != 1 || chosen[listing.Title] != 1 {
		t.Errorf("%d prices, chosen %v", prices, chosen)
	}
	if Explain(&Reading{}) != nil {
		t.Error("nothing is explained")
	}
}

func TestDraft(t *testing.T) {
	set := configs(t)
	b, err := set.Draft(Page{URL: "https://www.new-shop.example/item/12345/blue-bag", Body: []byte(`<html lang="de"><title>Blue bag</title><h1>Blue bag</h1><div class="box"><span class="the-price">€ 20,00</span></div>`)}, "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse("draft.yaml", b)
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	again, err := newSet(map[string]*Site{s.Name: s})
	if err != nil {
		t.Fatal(err)
	}
	if m := again.For("https://new-shop.example/item/777/other"); m.Kind != KindListing || m.ItemID != "777" {
		t.Errorf("the drafted rule gives %s %q\n%s", m.Kind, m.ItemID, b)
	}
	if len(s.Listing.Fields[listing.Price]) == 0 {
		t.Errorf("no price rule:\n%s", b)
	}
	for _, bad := range []Page{{URL: "nowhere", Body: []byte(product)}, {URL: "https://shop.example/products/x", Body: []byte("<title>Just a moment...</title>")}} {
		if out, err := set.Draft(bad, ""); err == nil {
			t.Errorf("%s drafts:\n%s", bad.URL, out)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("https://www.amazon.com/dp/B0CD1DZ6RD", []byte(product), 200, false)
	f.Add("https://shop.example/search?q=x", []byte(`<a href="/p/1">x</a>`), 404, true)
	f.Add("", []byte("\x1f\x8b"), 0, false)
	f.Add("https://www.ebay.com/itm/226771798286", []byte(`<div class=x-price-primary>EUR 3`), 200, true)
	set := configs(f)
	f.Fuzz(func(t *testing.T, u string, body []byte, status int, rendered bool) {
		r := set.Read(Page{URL: u, Status: status, Body: body, Rendered: rendered})
		if !r.Outcome.Valid() || len(r.Evidence) == 0 || r.Match.Site == nil {
			t.Errorf("%q: outcome %q, evidence %v", u, r.Outcome, r.Evidence)
		}
		if c := r.Outcome.Class(); c == capture.Refused && r.Listing != nil {
			t.Errorf("%q: %s with a listing", u, r.Outcome)
		}
		Explain(r)
	})
}
