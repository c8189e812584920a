package site

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/listing"
)

func mustEncode(s string, err error) string {
	if err != nil {
		panic(err)
	}
	return s
}

// TestLayouts reads the shapes of marketplaces' pages, reduced to what the
// rules look at and to the traps around it. The words are invented.
func TestLayouts(t *testing.T) {
	set := configs(t)
	type want struct{ title, price, currency, seller, id string }
	for _, tc := range []struct {
		name, url, body string
		want            want
		outcome         capture.Outcome
	}{
		{
			"aliexpress before 2023", "https://www.aliexpress.com/item/4000123456789.html",
			`<meta property="og:title" content="US $97.39 20% OFF|Old phone 64GB|phones| - AliExpress"><script>
			window.runParams = {
				data: {"actionModule":{"productId":4000123456789,"totalAvailQuantity":15583},"priceModule":{"formatedActivityPrice":"US $97.39 - 128.72","formatedPrice":"US $120.00 - 160.00"},"storeModule":{"storeName":"Good Phones Store","storeNum":5012345,"storeURL":"//www.aliexpress.com/store/5012345","openTime":"May 12, 2019"},"titleModule":{"subject":"Old phone 64GB","tradeCount":1000},"imageModule":{"imagePathList":["https://ae01.alicdn.com/kf/a.jpg"]}},
				csrfToken: 'x', f: function () { return {a: 1}; }
			};</script>`,
			want{"Old phone 64GB", "97.39", "USD", "Good Phones Store", "4000123456789"},
			capture.Captured,
		},
		{
			"tmall of old, GB18030", "https://detail.tmall.com/item.htm?id=41234567890",
			mustEncode(simplifiedchinese.GB18030.NewEncoder().String(`<meta charset="gbk"><title>蓝色手提包-tmall.com天猫</title><div class="tb-detail-hd"><h1 data-spm="1">蓝色手提包 新款</h1></div><a class="slogo-shopname">某某旗舰店</a><input type="hidden" name="seller_nickname" value="某某旗舰店"><script>(function(){TShop.Setup({"itemDO":{"title":"蓝色手提包 新款","reservePrice":"599.00","userId":"12345","sellerNickName":"%E6%9F%90"},"api":{"x":1}});})();</script>`)),
			want{"蓝色手提包 新款", "599", "CNY", "某某旗舰店", "41234567890"},
			capture.Captured,
		},
		{
			"etsy, og in dollars", "https://www.etsy.com/listing/1385245506/necklace",
			`<meta property="og:title" content="Necklace - Etsy"><meta property="og:price:amount" content="49.99"><meta property="og:price:currency" content="USD"><h1 data-buy-box-listing-title="true">Silver necklace</h1><p>€40.63+</p><script type="application/ld+json">{"@type":"Product","name":"Silver necklace","offers":{"@type":"AggregateOffer","lowPrice":"40.63","highPrice":"48.75","priceCurrency":"EUR","offerCount":8,"availability":"https://schema.org/InStock"}}</script><script>var x={"shop_name":"SilverPlace","shop_id":28732980}</script>`,
			want{"Silver necklace", "40.63", "EUR", "SilverPlace", "1385245506"},
			capture.Captured,
		},
		{
			"mercado libre", "https://articulo.mercadolibre.com.co/MCO-555666777-bolso-azul-_JM",
			`<h1 class="ui-pdp-title">Bolso azul de cuero</h1><span class="ui-pdp-subtitle">Nuevo  |  +100 vendidos</span><div class="ui-pdp-price"><s class="andes-money-amount andes-money-amount--previous ui-pdp-price__original-value"><span>$</span><span class="andes-money-amount__fraction">250.000</span></s><div class="ui-pdp-price__second-line"><span itemprop="offers" itemscope><meta itemprop="price" content="173000"><span class="andes-money-amount"><span class="andes-money-amount__currency-symbol">$</span><span class="andes-money-amount__fraction">173.000</span></span></span></div></div><div class="ui-pdp-seller__header__title"><a href="https://www.mercadolibre.com.co/perfil/TIENDA">TIENDA AZUL</a></div>`,
			want{"Bolso azul de cuero", "173000", "COP", "TIENDA AZUL", "MCO555666777"},
			capture.Captured,
		},
		{
			"rakuten, EUC-JP", "https://item.rakuten.co.jp/blue-shop/bag-001/",
			mustEncode(japanese.EUCJP.NewEncoder().String(`<meta http-equiv="Content-Type" content="text/html; charset=EUC-JP"><title>【楽天市場】青いバッグ:ブルーショップ</title><div itemscope itemtype="http://schema.org/Product"><span class="item_name" itemprop="name"><b>青いバッグ</b></span><div itemprop="offers" itemscope itemtype="http://schema.org/Offer"><meta itemprop="price" content="12800"><meta itemprop="priceCurrency" content="JPY"></div></div><div data-shop-name="ブルーショップ"></div>`)),
			want{"青いバッグ", "12800", "JPY", "ブルーショップ", "bag-001"},
			capture.Captured,
		},
		{
			"walmart", "https://www.walmart.com/ip/Blue-bag/123456789",
			`<h1 id="main-title">Blue bag</h1><script id="__NEXT_DATA__" type="application/json">{"props":{"pageProps":{"initialData":{"data":{"product":{"name":"Blue bag","usItemId":"123456789","sellerDisplayName":"Bag Seller LLC","catalogSellerId":"77","availabilityStatus":"IN_STOCK","brand":"Nobody","priceInfo":{"currentPrice":{"price":24.5,"currencyUnit":"USD","priceString":"$24.50"},"wasPrice":{"price":40}},"imageInfo":{"allImages":[{"url":"https://i5.walmartimages.com/a.jpeg"}]}}}}}}}</script>`,
			want{"Blue bag", "24.5", "USD", "Bag Seller LLC", "123456789"},
			capture.Captured,
		},
		{
			"vestiaire, cents", "https://www.vestiairecollective.com/women-bags/handbags/house/blue-bag-12345678.shtml",
			`<h1>Blue leather handbag</h1><script id="__NEXT_DATA__" type="application/json">{"props":{"pageProps":{"product":{"name":"Blue leather handbag","price":{"cents":125000,"currency":"EUR"},"brand":{"name":"House"},"seller":{"firstname":"Ana","id":991}}}}}</script>`,
			want{"Blue leather handbag", "1250", "EUR", "Ana", "12345678"},
			capture.Captured,
		},
		{
			"vestiaire, a promotion", "https://www.vestiairecollective.com/women-bags/handbags/house/blue-bag-12345679.shtml",
			`<h1 class="product-main-heading_productTitle__x1"><span class="product-main-heading_productTitle__name__x1">Blue leather handbag</span></h1><div><span class="product-price_productPrice__price__x1">€1,500</span><span class="product-price_productPrice__price--promo__x2">€1,250</span></div>` + strings.Repeat(someText, 6),
			want{"Blue leather handbag", "1250", "EUR", "", "12345679"},
			capture.Captured,
		},
		{
			"mercado libre, a label before the seller", "https://www.mercadolivre.com.br/bolsa-azul/p/MLB1234567890",
			`<h1 class="ui-pdp-title">Bolsa azul</h1><div class="ui-pdp-price"><div class="ui-pdp-price__second-line"><span class="andes-money-amount"><meta itemprop="price" content="69.9">R$69,90</span></div></div><div class="ui-pdp-seller__header__title"><span class="ui-pdp-seller__label-sold">Vendido por</span><button class="ui-pdp-seller__link-trigger-button">LOJA AZUL</button></div>` + strings.Repeat(someText, 6),
			want{"Bolsa azul", "69.9", "BRL", "LOJA AZUL", "MLB1234567890"},
			capture.Captured,
		},
		{
			"amazon, an offer of another in a pop-up", "https://www.amazon.com/dp/B012345678",
			`<span id="productTitle">Blue bag</span><div id="buybox"><div id="outOfStock">Currently unavailable.<div class="a-popover-preload"><table class="_export-alternatives"><tr><td><span class="a-color-price a-text-bold">$129.99</span></td></tr></table></div></div></div>` + strings.Repeat(someText, 6),
			want{"Blue bag", "", "", "", "B012345678"},
			capture.Unavailable,
		},
		{
			"stockx", "https://stockx.com/air-thing-1-retro-blue",
			`<h1 data-component="primary-product-title">Air Thing 1 Retro Blue</h1><script type="application/ld+json">{"@type":"Product","name":"Air Thing 1 Retro Blue","sku":"DZ5485-612","offers":{"@type":"AggregateOffer","lowPrice":154,"highPrice":900,"priceCurrency":"USD"}}</script>`,
			want{"Air Thing 1 Retro Blue", "154", "USD", "", "air-thing-1-retro-blue"},
			capture.Captured,
		},
		{
			"kleinanzeigen", "https://www.kleinanzeigen.de/s-anzeige/blaue-tasche/2712345678-156-3331",
			`<h1 id="viewad-title"><span class="is-hidden">Reserviert • </span>Blaue Tasche</h1><h2 id="viewad-price">1.250 € VB</h2><div id="viewad-contact"><span class="userprofile-vip"><a href="/s-bestandsliste.html?userId=4455">Ana</a></span></div>`,
			want{"Blaue Tasche", "1250", "EUR", "Ana", "2712345678"},
			capture.Captured,
		},
		{
			"yahoo auctions", "https://page.auctions.yahoo.co.jp/jp/auction/v1160803398",
			`<h1 class="ProductTitle__text">青いバッグ</h1><dl class="Price Price--buynow"><dd class="Price__value">3,100円<span class="Price__tax">（税0円）</span></dd></dl><span class="Seller__name"><a href="/seller/abc">あおい</a></span>`,
			want{"青いバッグ", "3100", "JPY", "あおい", "v1160803398"},
			capture.Captured,
		},
		{
			"shopify, by no file", "https://bags.example/collections/all/products/blue-bag?variant=42",
			`<meta property="og:site_name" content="Bags"><meta property="og:type" content="product"><meta property="og:title" content="Blue bag"><meta property="og:price:amount" content="173.000"><meta property="og:price:currency" content="COP"><h1 class="product__title">Blue bag</h1><script type="application/ld+json">{"@context":"http://schema.org/","@type":"Product","name":"Blue bag","brand":{"@type":"Brand","name":"House"},"offers":[{"@type":"Offer","sku":"A","availability":"http://schema.org/OutOfStock","price":190000.00,"priceCurrency":"COP","url":"https://bags.example/products/blue-bag?variant=41"},{"@type":"Offer","availability":"http://schema.org/InStock","price":173000.00,"priceCurrency":"COP","url":"https://bags.example/products/blue-bag?variant=42"}]}</script>`,
			want{"Blue bag", "173000", "COP", "Bags", "blue-bag"},
			capture.Captured,
		},
		{
			"woocommerce, by no file", "https://bags.example/product/blue-bag/",
			`<body class="woocommerce single-product"><div class="product"><div class="summary"><h1 class="product_title entry-title">Blue bag</h1><p class="price"><del><span class="woocommerce-Price-amount amount"><bdi><span class="woocommerce-Price-currencySymbol">&pound;</span>80.00</bdi></span></del> <ins><span class="woocommerce-Price-amount amount"><bdi><span>&pound;</span>64.50</bdi></span></ins></p></div></div><section class="related products"><p class="price"><span class="woocommerce-Price-amount amount">&pound;5.00</span></p></section>`,
			want{"Blue bag", "64.5", "GBP", "", "blue-bag"},
			capture.Captured,
		},
		{
			"price is an object", "https://www.shop.example/products/lamp",
			`<title>Lamp | Shop</title><h1>Lamp</h1>` + strings.Repeat(someText, 6) + `<script type="application/ld+json">{"@type":"Product","name":"Lamp","offers":{"@type":"Offer","price":{},"priceCurrency":"USD"}}</script>`,
			want{"Lamp", "", "USD", "", "lamp"},
			capture.Partial,
		},
		{
			"prestashop microdata with content", "https://shop.example/fr/sacs/123-sac-bleu.html",
			`<section itemscope itemtype="https://schema.org/Product"><h1 itemprop="name">Sac bleu</h1><div class="product-prices"><span class="regular-price">120,00 €</span><div itemprop="offers" itemscope itemtype="https://schema.org/Offer"><meta itemprop="priceCurrency" content="EUR"><span itemprop="price" content="99.9">99,90 €</span></div></div></section>`,
			want{"Sac bleu", "99.9", "EUR", "", ""},
			capture.Captured,
		},
		{
			"next.js flight", "https://www.vinted.fr/items/4123456789-sac",
			`<h1 class="web_ui__Text__title">Sac bleu</h1><div data-testid="item-price"><p>15,00&nbsp;€</p></div><div>16,45 € Protection acheteurs incluse</div><script>self.__next_f.push([1,"7:[\"$\",\"x\",null,{\"item\":{\"title\":\"Sac bleu\",\"user\":{\"login\":\"ana_b\",\"id\":55}}}]\n"])</script>`,
			want{"Sac bleu", "15", "EUR", "ana_b", "4123456789"},
			capture.Captured,
		},
		{
			"nuxt 3", "https://shop.example/p/991122",
			`<title>Blue travel bag</title><h1>Blue travel bag</h1><script type="application/json" id="__NUXT_DATA__">[{"data":1},{"product":2},{"name":3,"price":4,"currency":5,"sellerName":6},"Blue travel bag",49.5,"EUR","Ana's"]</script>`,
			want{"Blue travel bag", "49.5", "EUR", "Ana's", "991122"},
			capture.Captured,
		},
	} {
		r := set.Read(Page{URL: tc.url, Status: 200, Body: []byte(tc.body)})
		if r.Listing == nil {
			t.Errorf("%s: no listing: %s %v", tc.name, r.Outcome, r.Evidence)
			continue
		}
		got := want{title: r.Listing.Text(listing.Title), currency: r.Listing.Text(listing.Currency), seller: r.Listing.Text(listing.SellerName), id: r.Listing.ItemID}
		if a, _, ok := r.Listing.Money(); ok {
			got.price = a.String()
		}
		if tc.want.id == "" {
			got.id = ""
		}
		if got != tc.want || r.Outcome != tc.outcome {
			t.Errorf("%s: %s %v\n got %q\nwant %q\nprice %+v", tc.name, r.Outcome, r.Evidence, got, tc.want, r.Listing.Fields[listing.Price].Why)
		}
	}
}

// TestPicturesAreNoListings holds that a gallery's addresses are not followed.
func TestPicturesAreNoListings(t *testing.T) {
	r := configs(t).Read(Page{URL: "https://shop.example/products/blue-bag", Status: 200, Body: []byte(`<h1>Blue bag</h1><a href="/media/catalog/product/cache/b/l/blue-bag_main.jpg">Blue bag</a><a href="/products/red-bag">Red bag</a>`)})
	for _, l := range r.Links {
		if strings.HasSuffix(l.URL, ".jpg") {
			t.Errorf("a picture was taken for a listing: %s", l.URL)
		}
	}
	if len(r.Links) == 0 {
		t.Error("the other bag was not found")
	}
}

// TestAdvertisedResults holds that what is advertised is found, and that its
// click is not counted.
func TestAdvertisedResults(t *testing.T) {
	r := configs(t).Read(Page{URL: "https://listado.mercadolibre.com.pe/bolso", Status: 200, Body: []byte(`<ol class="ui-search-layout">
		<li class="ui-search-layout__item"><h3><a href="https://click1.mercadolibre.com.pe/mclics/clicks/external/MPE/count?a=xyz&pdp_filters=item_id%3AMPE875943008#wid=1">Bolso azul</a></h3></li>
		<li class="ui-search-layout__item"><h3><a href="https://www.mercadolibre.com.pe/bolso-rojo/p/MPE37206722">Bolso rojo</a></h3></li></ol>`)})
	var got []string
	for _, l := range r.Links {
		got = append(got, l.ItemID+" "+l.URL)
	}
	want := []string{"MPE875943008 https://articulo.mercadolibre.com.pe/MPE-875943008", "MPE37206722 https://www.mercadolibre.com.pe/bolso-rojo/p/MPE37206722"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, want %q", got, want)
	}
}
