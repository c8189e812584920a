package listing

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
)

func extract(t testing.TB, page string, ctx Context) *Listing {
	t.Helper()
	return Parse("https://shop.example/products/thing", Decode([]byte(page), "text/html")).Extract(ctx)
}

func TestExtract(t *testing.T) {
	ld := func(json string) string {
		return `<title>Thing</title><h1>Thing</h1><script type="application/ld+json">` + json + `</script>`
	}
	type want struct{ title, price, currency, seller, problem string }
	for _, tc := range []struct {
		name, page string
		ctx        Context
		want       want
	}{
		{"json-ld", ld(`{"@type":"Product","name":"Thing","offers":{"price":"31.49","priceCurrency":"EUR","seller":{"name":"Ana"}}}`), Context{}, want{"Thing", "31.49", "EUR", "Ana", ""}},
		{"graph", ld(`{"@graph":[{"@type":"WebPage","mainEntity":{"@type":["Product","Thing"],"name":"Thing","offers":[{"price":5,"priceCurrency":"usd"}]}}]}`), Context{}, want{"Thing", "5", "USD", "", ""}},
		{"locale price in json-ld", ld(`{"@type":"Product","name":"Thing","offers":{"price":"1.299,00","priceCurrency":"EUR"}}`), Context{}, want{"Thing", "1299", "EUR", "", ""}},
		{"point between thousands", ld(`{"@type":"Product","name":"Thing","offers":{"price":"1.299","priceCurrency":"EUR"}}`) + `<p>1.299,00 €</p>`, Context{}, want{"Thing", "1299", "EUR", "", ""}},
		{"three decimals", ld(`{"@type":"Product","name":"Thing","offers":{"price":"1.290","priceCurrency":"EUR"}}`) + `<p>1,29 €</p>`, Context{}, want{"Thing", "1.29", "EUR", "", ""}},
		{"price is an object", ld(`{"@type":"Product","name":"Thing","offers":{"price":{},"priceCurrency":"USD"}}`), Context{}, want{"Thing", "", "USD", "", ""}},
		{"aggregate", ld(`{"@type":"Product","name":"Thing","offers":{"@type":"AggregateOffer","lowPrice":"40.63","highPrice":"48.75","priceCurrency":"EUR"}}`), Context{}, want{"Thing", "40.63", "EUR", "", ""}},
		{"group", ld(`{"@type":"ProductGroup","name":"Thing","hasVariant":[{"@type":"Product","name":"Thing red","offers":{"price":"9","priceCurrency":"GBP"}},{"@type":"Product","name":"Thing blue","offers":{"price":"7","priceCurrency":"GBP"}}]}`), Context{}, want{"Thing", "7", "GBP", "", ""}},
		{"repaired", ld("{\"@type\":\"Product\", // the thing\n'name':\"Thing\",\n\"description\":\"two\nlines\",\"offers\":{\"price\":\"3\",\"priceCurrency\":\"EUR\",},}"), Context{}, want{"Thing", "3", "EUR", "", "was repaired"}},
		{"quotes inside", ld(`{"@type":"Product","name":"Thing","description":"a 27" monitor","offers":{"price":"3","priceCurrency":"EUR"}}`), Context{}, want{"Thing", "3", "EUR", "", "quotes inside"}},
		{"entities", ld(`{&quot;@type&quot;:&quot;Product&quot;,&quot;name&quot;:&quot;Thing&quot;,&quot;offers&quot;:{&quot;price&quot;:&quot;3&quot;,&quot;priceCurrency&quot;:&quot;EUR&quot;}}`), Context{}, want{"Thing", "3", "EUR", "", ""}},
		{"cut", ld(`{"@type":"Product","name":"Thing","offers":{"price":"3","priceCurrency":"EUR"`), Context{}, want{"Thing", "3", "EUR", "", "not closed"}},
		{"thousands in og, number in json-ld", `<meta property="og:price:amount" content="173.000"><meta property="og:price:currency" content="COP">` + ld(`{"@type":"Product","name":"Thing","offers":{"price":"173000.00","priceCurrency":"COP"}}`), Context{}, want{"Thing", "173000", "COP", "", ""}},
		{"og in another currency", `<meta property="og:price:amount" content="48,00"><meta property="og:price:currency" content="USD"><p>€ 43,90</p>` + ld(`{"@type":"Product","name":"Thing","offers":{"price":"43.90","priceCurrency":"EUR"}}`), Context{}, want{"Thing", "43.9", "EUR", "", ""}},
		{"og only", `<meta property="og:title" content="Thing"><meta property="product:price:amount" content="48,00"><meta property="product:price:currency" content="EUR">`, Context{}, want{"Thing", "48", "EUR", "", ""}},
		{"microdata", `<div itemscope itemtype="http://schema.org/Product"><h1 itemprop=name>Thing</h1><div itemprop=offers itemscope itemtype="http://schema.org/Offer"><meta itemprop='priceCurrency' content='USD'><span itemprop=price content=549.99>$ five hundred</span><div itemprop=seller itemscope><span itemprop=name>Bob</span></div></div></div>`, Context{}, want{"Thing", "549.99", "USD", "Bob", ""}},
		{"rdfa", `<div vocab="https://schema.org/" typeof="Product"><h1 property="name">Thing</h1><div property="offers" typeof="Offer"><span property="price" content="12.5">12,50</span><meta property="priceCurrency" content="EUR"></div></div>`, Context{}, want{"Thing", "12.5", "EUR", "", ""}},
		{"state that is called like the page", `<title>A long thing</title><h1>A long thing</h1><script>window.__DATA__ = {item: {title: 'A long thing', price: {amount: 12.5, currency: "EUR"}, seller: {name: "Cy"}, f: function(a){return {b:a}}, x: a ? 1 : 2}};</script>`, Context{}, want{"A long thing", "12.5", "EUR", "Cy", ""}},
		{"state of another product", `<title>A long thing</title><h1>A long thing</h1><script>window.__DATA__ = {item: {title: 'Something else', price: {amount: 12.5, currency: "EUR"}}};</script>`, Context{}, want{"A long thing", "", "", "", ""}},
		{"visible only", `<title>Thing | Shop</title><h1>Thing</h1><div class="product-price"><del class="old-price">€ 20,00</del> <span class="price">€ 12,50</span></div><section class="related"><span class="price">€ 1,00</span></section>`, Context{}, want{"Thing", "12.5", "EUR", "", ""}},
		{"raised cents", `<title>Thing</title><h1>Thing</h1><div class="price">$12<sup>99</sup></div>`, Context{Currency: "USD"}, want{"Thing", "12.99", "USD", "", ""}},
		{"the earlier price before it", `<title>Thing | Shop</title><h1>Thing</h1><p class="price"><span class="old-price">₹ 399.00</span>&nbsp; ₹ 249.00 Incl. GST</p>`, Context{}, want{"Thing", "249", "INR", "", ""}},
		{"two prices that touch deep in a box", `<title>Thing | Shop</title><h1>Thing</h1><div class="price-box"><svg></svg><p><b><span>119</span>99&nbsp;₽</b></p><div></div></div><p>99 ₽</p>`, Context{}, want{"Thing", "99", "RUB", "", ""}},
		{"two numbers that touch, and nothing to tell which is asked", `<title>Thing | Shop</title><h1>Thing</h1><div class="price"><span>119</span>99&nbsp;₽</div>`, Context{}, want{"Thing", "", "", "", ""}},
		{"an earlier price inside of a box", `<title>Thing | Shop</title><h1>Thing</h1><div class="price"><p><s>119</s>99&nbsp;₽</p></div>`, Context{}, want{"Thing", "99", "RUB", "", ""}},
		{"raised cents are one price", `<title>Thing | Shop</title><h1>Thing</h1><div class="price"><span>$<span>12</span><sup>99</sup></span></div>`, Context{}, want{"Thing", "12.99", "USD", "", ""}},
		{"two prices that only a style sheet parts", `<title>Thing | Shop</title><h1>Thing</h1><p class="price"><span>119</span>99&nbsp;₽</p><div class="price">99 ₽</div>`, Context{}, want{"Thing", "99", "RUB", "", ""}},
		{"a price of nothing for what is gone", ld(`{"@type":"Product","name":"Thing","offers":{"price":0,"priceCurrency":"BRL","availability":"https://schema.org/OutOfStock"}}`), Context{}, want{"Thing", "", "BRL", "", ""}},
		{"crossed out in data", `<del class="price">$ 20.00</del>` + ld(`{"@type":"Product","name":"Thing","offers":{"price":"20.00","priceCurrency":"USD"}}`) + `<div class="price">$ 15.00</div>`, Context{}, want{"Thing", "15", "USD", "", ""}},
		{"dollars of the host", `<h1>Thing</h1><div class="price">$ 15.00</div>`, Context{Currency: "CAD"}, want{"Thing", "15", "CAD", "", ""}},
		{"only an instalment", `<h1>Thing</h1><div>12 x <span class="price">€ 5,00</span> monthly</div>`, Context{}, want{"Thing", "", "", "", ""}},
		{"data-vocabulary.org", `<div itemscope itemtype="http://data-vocabulary.org/Product"><h1 itemprop="name">Thing</h1><div itemprop="offerDetails" itemscope itemtype="http://data-vocabulary.org/Offer"><meta itemprop="currency" content="USD"><span itemprop="price" content="2.99">US$2.99</span></div></div>`, Context{}, want{"Thing", "2.99", "USD", "", ""}},
		{"the cheaper offer is sold out", ld(`{"@type":"Product","name":"Thing","offers":[{"price":1046,"priceCurrency":"SEK","availability":"http://schema.org/InStock"},{"price":586,"priceCurrency":"SEK","availability":"http://schema.org/OutOfStock"}]}`), Context{}, want{"Thing", "1046", "SEK", "", ""}},
		{"the cheaper offer is used", ld(`{"@type":"Product","name":"Thing","offers":[{"price":1046,"priceCurrency":"SEK","itemCondition":"https://schema.org/NewCondition"},{"price":1100,"priceCurrency":"SEK","itemCondition":"https://schema.org/NewCondition"},{"price":586,"priceCurrency":"SEK","itemCondition":"https://schema.org/UsedCondition"}]}`), Context{}, want{"Thing", "1046", "SEK", "", ""}},
		{"a gallery is no list of others", `<h1>Thing</h1><div class="image-carousel-item"><span class="price">€ 9,00</span></div>`, Context{}, want{"Thing", "9", "EUR", "", ""}},
		{"a carousel is", `<h1>Thing</h1><div class="thing-carousel"><span class="price">€ 9,00</span></div>`, Context{}, want{"Thing", "", "", "", ""}},
		{"the usual price in json-ld, the sale's in meta data", `<meta property="og:price:standard_amount" content="150.00"><meta property="product:price:amount" content="120.00"><meta property="product:price:currency" content="USD">` + ld(`{"@type":"Product","name":"Thing","offers":{"price":"150.00","priceCurrency":"USD"}}`), Context{}, want{"Thing", "120", "USD", "", ""}},
		{"the usual price in json-ld, the sale's in state", `<title>A long thing</title><h1>A long thing</h1><script>window.__STORE__ = {"p":{"name":"A long thing","price":150,"final_price":120,"image":"/a.jpg"}}</script><p>€ 120,00</p><p>€ 150,00</p>` + ld(`{"@type":"Product","name":"A long thing","offers":{"price":"150.00","priceCurrency":"EUR"}}`), Context{}, want{"A long thing", "120", "EUR", "", ""}},
		{"a sale in state that the page does not show", `<title>A long thing</title><h1>A long thing</h1><script>window.__STORE__ = {"p":{"name":"A long thing","price":150,"final_price":120,"image":"/a.jpg"}}</script><p>€ 150,00</p>` + ld(`{"@type":"Product","name":"A long thing","offers":{"price":"150.00","priceCurrency":"EUR"}}`), Context{}, want{"A long thing", "150", "EUR", "", ""}},
		{"a list under a heading", `<h1>Thing</h1><div class="box"><a href="/a">A</a><b class="price">€ 5,00</b></div><div class="box"><a href="/b">B</a><b class="price">€ 6,00</b></div><div class="box"><a href="/c">C</a><b class="price">€ 7,00</b></div>`, Context{}, want{"Thing", "", "", "", ""}},
		{"bought together", `<h1>Thing</h1><div class="x_desktop-bought-together_price"><span class="price">$20.36</span></div>`, Context{Currency: "USD"}, want{"Thing", "", "", "", ""}},
		{"only a rate per month, in Romanian", `<h1>Thing</h1><div class="rate"><span class="price">75,37 lei</span> Rata lunară</div>`, Context{}, want{"Thing", "", "", "", ""}},
		{"shopify's product in cents", `<title>A long thing</title><h1>A long thing</h1><script>var p = {"title":"A long thing","handle":"a-long-thing","price":17300000,"price_min":17300000,"vendor":"Ana","variants":[{"id":1,"price":17300000}]};</script><span class="price">$173.000</span>`, Context{Currency: "COP"}, want{"A long thing", "173000", "COP", "Ana", ""}},
		{"the value of a price", `<h1>Thing</h1><div class="prices"><div class="price"><span class="sales"><span class="value" content="16.03">$16.03</span></span> <span class="strike-through list"><span class="value" content="22.90">$22.90</span></span></div></div>`, Context{Currency: "USD"}, want{"Thing", "16.03", "USD", "", ""}},
		{"in a discount container", `<h1>Thing</h1><p class="pdp-discount-container"><span class="pdp-price"><strong>₹387</strong></span></p>`, Context{Currency: "INR"}, want{"Thing", "387", "INR", "", ""}},
		{"the first of many, not a card", `<h1>Thing</h1><div class="box"><b class="price">€ 5,00</b></div><p>` + strings.Repeat("It is a very good thing. ", 40) + `</p><div class="box"><a href="/b">B</a><b class="price">€ 6,00</b></div><div class="box"><a href="/c">C</a><b class="price">€ 7,00</b></div>`, Context{}, want{"Thing", "5", "EUR", "", ""}},
		{"nought for what has no price now", `<h1>A long thing</h1><meta property="product:price:amount" content="0"><meta property="product:price:currency" content="INR"><p>Out of stock</p>`, Context{}, want{"A long thing", "", "INR", "", ""}},
		{"the name in data, the variant in the heading", `<title>Maker Phone 13C 5G 128 GB | Shop</title><h1><a>Maker</a> Phone 13C 5G (Silver)&nbsp;(6 GB RAM)</h1>` + strings.Replace(ld(`{"@type":"Product","name":"Maker Phone 13C 5G (Silver)","offers":{"price":"9","priceCurrency":"EUR"}}`), "<title>Thing</title><h1>Thing</h1>", "", 1), Context{}, want{"Maker Phone 13C 5G (Silver) (6 GB RAM)", "9", "EUR", "", ""}},
		{"a badge in the heading", `<title>Maker Phone 13C 5G 128 GB | Shop</title><h1>Maker Phone 13C 5G <span>Bestseller</span></h1>` + strings.Replace(ld(`{"@type":"Product","name":"Maker Phone 13C 5G","offers":{"price":"9","priceCurrency":"EUR"}}`), "<title>Thing</title><h1>Thing</h1>", "", 1), Context{}, want{"Maker Phone 13C 5G", "9", "EUR", "", ""}},
		{"brand and name on lines of their own", `<title>House Parfum Gentle Gold 70 ml - buy</title><meta property="og:title" content="In stock: Parfum House Gentle Gold"><h1><span>House Parfum</span><span>Gentle Gold</span></h1>`, Context{}, want{"House Parfum Gentle Gold", "", "", "", ""}},
		{"a labelled price", `<h1>Red bike</h1><ul><li><span>Prix :</span> <span>1 185 000 €</span></li></ul>`, Context{}, want{"Red bike", "1185000", "EUR", "", ""}},
		{"a labelled price in boxes", `<h1>Red bike</h1><div class="r"><div><p>قیمت پایه</p></div><div><p>۳،۷۰۰،۰۰۰ تومان</p></div></div>`, Context{}, want{"Red bike", "3700000", "IRR", "", ""}},
		{"the label of a filter", `<h1>Bikes</h1><div class="side-filter"><span>Price:</span> <span>83 €</span></div>`, Context{}, want{"Bikes", "", "", "", ""}},
		{"labels of several items", `<h1>Bikes</h1><p><span>Price:</span> <span>83 €</span></p><p><span>Price:</span> <span>84 €</span></p>`, Context{}, want{"Bikes", "", "", "", ""}},
		{"an offer without a product", `<h1>Red bike</h1><section itemscope itemtype="http://schema.org/Offer"><span itemprop="name">Red bike</span><b itemprop="price" content="120">120 €</b><meta itemprop="priceCurrency" content="EUR"></section>`, Context{}, want{"Red bike", "120", "EUR", "", ""}},
		{"under a heading of others", `<h1>Red bike</h1><p>Not on sale.</p><div class="b-look"><h2><a href="/all">Похожие товары</a></h2><ul><li><a href="/m1">Bike 1</a><span class="b-prices">от 4 500 руб.</span></li></ul></div>`, Context{}, want{"Red bike", "", "", "", ""}},
		{"the brand in the place of the seller", ld(`{"@type":"Product","name":"Thing","brand":"House","offers":{"price":"31.49","priceCurrency":"TRY","seller":{"name":"House"}}}`) + `<p><span>Satıcı:</span> <span>Orange Tree</span></p>`, Context{}, want{"Thing", "31.49", "TRY", "Orange Tree", ""}},
		{"nothing", `<p>hello</p>`, Context{}, want{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := extract(t, tc.page, tc.ctx)
			got := want{l.Text(Title), "", l.Text(Currency), l.Text(SellerName), ""}
			if a, _, ok := l.Money(); ok {
				got.price = a.String()
			}
			if problems := strings.Join(l.Problems, "; "); tc.want.problem != "" && strings.Contains(problems, tc.want.problem) {
				got.problem = tc.want.problem
			}
			if got != tc.want {
				t.Errorf("got %q, want %q; problems %v", got, tc.want, l.Problems)
			}
			for f, c := range l.Fields {
				if c.Why == "" || c.Value == "" {
					t.Errorf("%s was chosen without a value or a reason: %+v", f, c)
				}
			}
		})
	}
}

// TestConflict holds that disagreeing prices are all kept, and named.
func TestConflict(t *testing.T) {
	l := extract(t, `<h1>Thing</h1><div class="p-main">EUR 3.500,00</div><script type="application/ld+json">{"@type":"Product","name":"Thing","offers":{"price":"3971.45","priceCurrency":"USD"}}</script>`,
		rulesFor(t, Rules{Fields: map[FieldName][]Source{Price: {{CSS: ".p-main"}}}}))
	p := l.Fields[Price]
	if p.Value != "3500" || l.Text(Currency) != "EUR" || !strings.Contains(p.Conflict, "3971.45 USD") {
		t.Errorf("got %s %s, conflict %q", p.Value, l.Text(Currency), p.Conflict)
	}
}

func rulesFor(t testing.TB, r Rules) Context {
	t.Helper()
	if bad := r.Compile(); len(bad) > 0 {
		t.Fatal(bad)
	}
	return Context{Rules: &r}
}

func TestRules(t *testing.T) {
	page := `<meta name="id" content="A-77"><h1>Thing</h1><p class="stock">noch 12 da</p><div class="ad"><b class=seller>Eve</b></div><b class="seller"> Ana <i>x</i></b><input id=p value="800">
		<script>window.shop = {"nick": "bo", "deep": {"list": [{"id": 5}, {"id": 6}]}}; var q = {cents: 1250}</script>`
	ctx := rulesFor(t, Rules{Decoys: []string{".ad"}, Fields: map[FieldName][]Source{
		ItemID:       {{Meta: "id", Match: `A-(\d+)`}},
		Stock:        {{CSS: ".stock"}},
		SellerName:   {{CSS: ".seller", Own: true}},
		SellerID:     {{State: "shop.nick"}},
		Variant:      {{State: "shop.deep.list.*.id", All: true}},
		StrikePrice:  {{State: "q.cents", Minor: 2}},
		Price:        {{CSS: "#p", Attr: "value", Minor: 2, Machine: true}},
		Availability: {{CSS: ".stock", Match: "da", Value: "in_stock"}},
		Model:        {{Script: `"nick": "(\w+)"`}},
		Brand:        {{URL: `/products/(\w+)`}},
	}})
	l := extract(t, page, ctx)
	for f, want := range map[FieldName]string{ItemID: "77", Stock: "12", SellerName: "Ana", SellerID: "bo", StrikePrice: "12.5", Price: "8", Availability: "in_stock", Model: "bo", Brand: "thing"} {
		if got := l.Text(f); got != want {
			t.Errorf("%s = %q, want %q", f, got, want)
		}
	}
	if len(l.Variants) != 2 {
		t.Errorf("variants: %v", l.Variants)
	}
	for _, bad := range []Rules{
		{Fields: map[FieldName][]Source{"colour": {{CSS: "a"}}}},
		{Fields: map[FieldName][]Source{Title: {{CSS: "a", Meta: "b"}}}},
		{Fields: map[FieldName][]Source{Title: {{CSS: "a["}}}},
		{Fields: map[FieldName][]Source{Title: {{Script: "("}}}},
		{Decoys: []string{"]"}},
		{Required: []FieldName{"x"}},
		{Distrust: map[FieldName][]string{Price: {"rumour"}}},
	} {
		if len(bad.Compile()) == 0 {
			t.Errorf("%+v compiles", bad)
		}
	}
}

func TestContacts(t *testing.T) {
	l := extract(t, `<h1>Bag</h1><script type="application/ld+json">{"@type":"Product","name":"Bag","description":"Contact WhatsApp: +44 7700 900123, wechat bag_shop88, mail to seller@example.com, see bags.x.yupoo.com. Order 12345678901","offers":{"price":"3","priceCurrency":"EUR"}}</script>`, Context{})
	var got []string
	for _, c := range l.Contacts {
		got = append(got, c.Value)
	}
	want := []string{"mail:seller@example.com", "whatsapp:+44 7700 900123", "wechat:bag_shop88", "yupoo:bags.x.yupoo.com"}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("contacts %q, want %q", got, want)
	}
}

func TestDecode(t *testing.T) {
	const chinese = "乳白亚克力外壳 60%键盘外壳 淘宝网 商品详情 价格 卖家信用评价 配送 快递 数量 库存 收藏商品"
	const japan = "トラック用アシストグリップ スマートフォンホルダー 商品の状態 未使用に近い 送料込み 出品者"
	gb, _ := simplifiedchinese.GB18030.NewEncoder().String("<title>" + chinese + "</title>")
	euc, _ := japanese.EUCJP.NewEncoder().String("<title>" + japan + "</title>")
	sjis, _ := japanese.ShiftJIS.NewEncoder().String("<title>" + japan + "</title>")
	html := "<html><title>Thing</title>" + strings.Repeat("<p>text</p>", 50)
	for _, tc := range []struct {
		name, body, contentType, encoding, has, problem string
	}{
		{"utf-8", "<title>" + chinese + "</title>", "text/html; charset=utf-8", "utf-8", chinese, ""},
		{"declared gbk by header", gb, "text/html; charset=GBK", "gb18030", chinese, ""},
		{"declared gbk by meta", `<meta charset="gbk">` + gb, "text/html", "gb18030", chinese, ""},
		{"not declared", gb, "", "gb18030", chinese, ""},
		{"wrongly declared utf-8", gb, "text/html; charset=utf-8", "gb18030", chinese, "reads as"},
		{"wrongly declared latin-1", "<title>" + chinese + "</title>", "text/html; charset=ISO-8859-1", "utf-8", chinese, "but is UTF-8"},
		{"euc-jp", euc, "text/html; charset=euc-jp", "euc-jp", japan, ""},
		{"euc-jp not declared", euc, "", "euc-jp", japan, ""},
		{"shift-jis not declared", sjis, "", "shift_jis", japan, ""},
		{"bom", "\xef\xbb\xbf<title>é</title>", "text/html; charset=ascii", "utf-8", "é", ""},
		{"gzip left on", gz(html), "text/html", "utf-8", "Thing", "still gzip-compressed"},
		{"zstd left on", zst(html), "text/html", "utf-8", "Thing", "still zstd-compressed"},
		{"brotli left on", br(html), "text/html", "utf-8", "Thing", "still brotli-compressed"},
		{"binary", "\x00\x01\x02\x03\x04\x05\x06\x07" + strings.Repeat("\x01\x90", 200), "text/html", "binary", "", "not text"},
	} {
		d := Decode([]byte(tc.body), tc.contentType)
		if d.Encoding != tc.encoding || !strings.Contains(string(d.Text), tc.has) || !strings.Contains(strings.Join(d.Problems, ";"), tc.problem) {
			t.Errorf("%s: encoding %s, text %.60q, problems %v", tc.name, d.Encoding, d.Text, d.Problems)
		}
	}
}

func gz(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

func zst(s string) string {
	w, _ := zstd.NewWriter(nil)
	return string(w.EncodeAll([]byte(s), nil))
}

func br(s string) string {
	var b bytes.Buffer
	w := brotli.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

// TestHostile holds that the worst pages end in bounded time, and that what
// was not read is said.
func TestHostile(t *testing.T) {
	if underRace {
		t.Skip("bounds of time mean nothing under the race detector")
	}
	deep := strings.Repeat("[", 1<<20)
	for name, page := range map[string]string{
		"30 MB of text":          strings.Repeat("lorem ipsum 12,00 € ", 1_500_000),
		"30 MB of tags":          strings.Repeat("<b>", 10_000_000),
		"deep nesting":           strings.Repeat("<div>", 200_000) + "<h1>Thing</h1>",
		"deep JSON-LD":           `<script type="application/ld+json">` + deep + `</script>`,
		"deep state":             `<script>window.x = ` + deep + `</script>`,
		"100k JSON-LD scripts":   strings.Repeat(`<script type="application/ld+json">{"@type":"Product","name":"x"}</script>`, 100_000),
		"many assignments":       "<script>" + strings.Repeat("a={b:[1,2,{c:1}]};", 500_000) + "</script>",
		"unclosed strings":       "<script>" + strings.Repeat(`window.a={"b":"`, 100_000) + "</script>",
		"many prices":            "<h1>x</h1>" + strings.Repeat(`<span class="price">$ 1.00</span>`, 300_000),
		"wide attributes":        `<div class="` + strings.Repeat("price ", 2_000_000) + `">`,
		"nested microdata":       strings.Repeat(`<div itemscope itemtype="http://schema.org/Product" itemprop="x">`, 100_000),
		"gzip bomb":              gz(strings.Repeat("\x00", 300<<20)),
		"one line of numbers":    strings.Repeat("1 ", 10_000_000),
		"brackets in expression": "<script>window.a={b:" + strings.Repeat("(", 2_000_000) + "</script>",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			doc := Parse("https://shop.example/x", Decode([]byte(page), ""))
			l := doc.Extract(Context{})
			if took := time.Since(start); took > 2*time.Minute { // seconds, unless the machine is busy; the square of it is an hour
				t.Errorf("took %s", took)
			}
			if len(page) > 20<<20 && strings.HasPrefix(name, "30 MB of tags") && len(l.Problems) == 0 {
				t.Error("the page was cut and nothing says so")
			}
			t.Logf("%s, %d candidates, problems %.200q", time.Since(start), len(l.Candidates), l.Problems)
		})
	}
}

func FuzzParsePrice(f *testing.F) {
	for _, s := range []string{"$12.99", "1.299,00 €", "¥1,638", "10 - 20 EUR", "１２３円", "٣٫٥ ريال", "1.5万円", "free", "1250€ 60", "-5 %", "R$ 1.234,56"} {
		f.Add(s, "EUR")
	}
	f.Fuzz(func(t *testing.T, text, context string) {
		m, err := ParsePrice(text, Hint{Context: context})
		if err != nil {
			return
		}
		if m.Amount.IsNegative() || m.Text == "" || m.High != nil && m.High.LessThan(m.Amount) {
			t.Errorf("%q gives %+v", text, m)
		}
		if m.Currency != "" && !IsCurrency(m.Currency) {
			t.Errorf("%q gives currency %q", text, m.Currency)
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2,{"b":null}]}`, `{a:'b',}`, `{"a":"b" + c, d: function(){return "}"}}`, `[1,2`, `{"a":"x"y"}`, `/* c */{"a":!0}`, `JSON.parse("{\"a\":1}")`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		nodes := 10_000
		tree, repairs, err := parseJSON(s, &nodes)
		if tree == nil && err == nil {
			t.Errorf("%q gives neither a value nor an error (repairs %v)", s, repairs)
		}
	})
}

func FuzzExtract(f *testing.F) {
	f.Add([]byte(`<h1>x</h1><script type="application/ld+json">{"@type":"Product","name":"x","offers":{"price":"1"}}</script>`))
	f.Add([]byte(`<div itemscope itemtype="http://schema.org/Product"><b itemprop=price>1`))
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		l := Parse("https://shop.example/x", Decode(body, "")).Extract(Context{})
		if p, ok := l.Fields[Price]; ok && (p.Amount == nil || p.Raw == "") {
			t.Errorf("a price without amount or source text: %+v", p)
		}
	})
}
