package site

import (
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// TestWalls holds what refusals look like, by vendor and language, and what
// only looks like one.
func TestWalls(t *testing.T) {
	const (
		listing = "https://shop.example/product/blue-bag"
		search  = "https://shop.example/search?q=bag"
		other   = "https://shop.example/brand/bags.html"
	)
	text := strings.Repeat("Words about bags that say nothing of walls. ", 60)
	links := ""
	for _, id := range []string{"a1", "b2", "c3", "d4", "e5"} {
		links += `<div><a href="/products/` + id + `">Bag ` + id + `</a> € 12,50</div>`
	}
	set := configs(t)
	for _, tc := range []struct {
		name, url, body string
		want            capture.Outcome
	}{
		{"eBay's check in Korean", "https://www.ebay.com/itm/226771798286", `<title>중단이 발생하여 죄송합니다.</title><p>eBay에 액세스하기 전에</p><input type=hidden id=_chlghost value=x>`, capture.Challenge},
		{"Alibaba's punish component", "https://www.aliexpress.com/item/1005008204179129.html", `<link rel=stylesheet href="//g.alicdn.com/bsop-static/sufei-punish/0.1.110/build/main.css"><punish-component></punish-component>`, capture.Challenge},
		{"Cloudflare's block in Spanish", search, `<title>Ups!... Shop Perú | Blocked</title><h1>¡Alto!</h1><p>Este sitio web utiliza un servicio de seguridad para protegerse</p>`, capture.Challenge},
		{"a firewall's block", search, `<title>The URL you requested has been blocked</title><h2>Web Page Blocked!</h2><p>Attack ID: 20000051</p>`, capture.Challenge},
		{"taken for a bot", listing, `<title>Shop</title><div class="title">Sorry, we guessed you were a bot, please restart your browser.</div>`, capture.Challenge},
		{"WooCommerce's empty search", search, `<title>Bag - Shop</title><div class="woocommerce-no-products-found"><div class="woocommerce-info" role="status">No products were found matching your selection.</div></div>` + text, capture.SearchEmpty},
		{"Servicepipe", listing, `<noscript><meta http-equiv=refresh content="0; url=/exhkqyad"></noscript><script>function get_cookie_spsc_encrypted_part(){}</script>`, capture.Challenge},
		{"a device check", listing, `<title>Gold Shop — checking device</title><noscript>enable JavaScript</noscript>`, capture.Challenge},
		{"Russian 403", listing, `<title>HTTP 403</title><h1>403</h1><p>Доступ к сайту shop.example запрещен.</p>`, capture.Challenge},
		{"Naver", search, `<title>네이버쇼핑</title><div>쇼핑 서비스 접속이 일시적으로 제한되었습니다.</div>`, capture.Challenge},
		{"Yahoo! Japan's characters", "https://auctions.yahoo.co.jp/jp/auction/x1234567890", `<title>文字認証を行います。 - Yahoo! JAPAN</title>`, capture.Challenge},
		{"Akamai's interstitial", listing, `<meta http-equiv="refresh" content="5; URL='/?bm-verify=AAQ'"><p>x</p>`, capture.Challenge},
		{"JD's check", "https://item.jd.com/100012043978.html", `<title>京东验证</title><div id=captcha></div>`, capture.Challenge},
		{"Baidu's check", listing, `<title>百度安全验证</title>`, capture.Challenge},
		{"a turnstile and nothing else", listing, `<title>Shop</title><div class="cf-turnstile"></div>`, capture.Challenge},
		{"a turnstile in a form of a page with text", listing, `<title>Blue bag</title><h1>Blue bag</h1><div class="cf-turnstile"></div>` + text, capture.Partial},
		{"a long page with a challenge's title", other, `<title>Security Check: bags through airports</title><h1>Bags</h1>` + strings.Repeat(text, 3), capture.Captured},
		{"Shopee's login in Portuguese", "https://shopee.com.br/search?keyword=x", `<title>Shopee Brasil | Ofertas</title><p>Parece que você ainda não está logado. Faça login para continuar</p>`, capture.LoginWall},
		{"Mercado Libre's account", "https://listado.mercadolibre.com.ar/celular", `<h1>¡Hola! Para continuar, ingresa a tu cuenta</h1>`, capture.LoginWall},
		{"a password and nothing else", other, `<form action="/x"><label>Courriel <input type=text></label> <label>Passe <input type=password></label></form>`, capture.LoginWall},
		{"a password in a dialog of a frame", other, `<div id=root></div><div class="modal"><form action="/x"><label>Courriel <input type=text></label><input type=password></form></div>`, capture.Shell},
		{"another country", listing, `<title>Shop</title><h1>Sorry, this item is not available in your country</h1>`, capture.GeoVariant},
		{"Amazon's own failure", "https://www.amazon.com/dp/B0CD1DZ6RD", `<title>Sorry! Something went wrong!</title><img alt=dog>`, capture.HTTPError},
		{"a failure in Portuguese", listing, `<title>Shop.com.br Algo deu errado</title>`, capture.HTTPError},
		{"a failure with 404", listing, `<title>Service Unavailable</title>`, capture.HTTPError},
		{"eBay's error page", "https://www.ebay.com/itm/226771798286", `<title>Error Page | eBay</title><h1>SORRY</h1><p>Something went wrong on our end</p>`, capture.HTTPError},
		{"the browser's own error page", listing, `<title>shop.example</title><body class="neterror"><div id="main-frame-error">This page isn't working</div>`, capture.HTTPError},
		{"gone in Swedish", other, `<title>Sidan kunde inte hittas - Shop</title>` + text, capture.RemovedSoft},
		{"gone in Japanese", listing, `<title>Shop</title><div><p>この商品は存在しません</p></div>`, capture.RemovedSoft},
		{"gone, with recommendations", other, `<title>404 Not Found</title><h2>You may like</h2>` + links, capture.RemovedSoft},
		{"gone, with a curly apostrophe", listing, `<title>Shop</title><h2>The page you are looking for doesn’t exist</h2>`, capture.RemovedSoft},
		{"404 in a model's name", listing, `<title>404 Stainless Kettle</title><h1>404 Stainless Kettle</h1><div class=price>€ 20,00</div>` + text, capture.Captured},
		{"nothing found, with recommendations", search, `<title>Search: 0 results found for "bag"</title><h2>You may like</h2>` + links, capture.SearchEmpty},
		{"10 results", search, `<title>Search: 10 results found for "bag"</title>` + links, capture.Captured},
		{"an empty cart is no empty search", search, `<title>Bags</title><p>No products in the cart.</p>` + text, capture.Shell},
		{"a rush", "https://www.flipkart.com/search?q=iphone", `<title>Online Shopping India</title><div class="errorTitle">Lot of rush for the best offers!</div><div>We're finding the best way to get you there faster.</div>`, capture.Throttled},
		{"words of a rush in a long page", other, `<title>Bags</title><h1>Bags</h1><p>There is a lot of rush for bags.</p>` + text, capture.Captured},
		{"an article named like a challenge", other, `<title>Just a moment...</title><h1>Waiting for bags</h1><p>` + text[:300] + `</p><p>` + text[:300] + `</p><p>` + text[:300] + `</p>`, capture.Captured},
		{"a challenge with a heading", other, `<title>Just a moment...</title><h1>shop.example</h1><p>Verifying you are human. This may take a few seconds.</p>`, capture.Challenge},
		{"Mercado Libre's verification of an account", "https://www.mercadolibre.com.mx/gz/account-verification?go=x", `<title>Mercado Libre</title><p>x</p>`, capture.LoginWall},
		{"a login by telephone", other, `<title>知乎</title><form><input name=digits><button type=button>获取短信验证码</button></form>`, capture.LoginWall},
		{"gone in Swedish, the other way round", other, `<title>Shop</title><h1> Tyvärr kunde inte sidan hittas</h1>` + text, capture.RemovedSoft},
		{"gone in Spanish", other, `<p>Hay 1 de error</p><div class="alert alert-danger"><ol><li>No encontrado</li></ol></div>`, capture.RemovedSoft},
		{"gone in Russian", other, `<title>Market</title><h2>Такого товара у нас нет</h2><p>` + text, capture.RemovedSoft},
		{"nothing found in Swedish", search, `<h1>Sökt på: x</h1><p>Gör gärna en ny sökning och prova att:</p>` + text, capture.SearchEmpty},
		{"nothing found in Hebrew", search, `<title>x</title><p>לא נמצאו מוצרים</p>` + text, capture.SearchEmpty},
	} {
		status := 200
		if strings.HasSuffix(tc.name, "with 404") {
			status = 404
		}
		r := set.Read(Page{URL: tc.url, Status: status, Body: []byte(tc.body)})
		if r.Outcome != tc.want {
			t.Errorf("%s: %s %v, want %s", tc.name, r.Outcome, r.Evidence, tc.want)
		}
		if r.Outcome == capture.SearchEmpty && len(r.Links) > 0 {
			t.Errorf("%s: links of an empty search: %+v", tc.name, r.Links)
		}
	}
}
