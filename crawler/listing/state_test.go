package listing

import (
	"strings"
	"testing"
)

// TestStateForms holds that what programs carry is read in every form that they
// are known to write it in.
func TestStateForms(t *testing.T) {
	const head = `<title>A long thing</title><h1>A long thing</h1>`
	for name, page := range map[string]string{
		"object":             `<script>window.__DATA__ = {"p":{"title":"A long thing","price":{"amount":12.5,"currency":"EUR"},"seller":{"name":"Cy"}}}</script>`,
		"parsed text":        `<script>window.__DATA__ = JSON.parse("{\"p\":{\"title\":\"A long thing\",\"price\":12.5,\"currency\":\"EUR\",\"seller\":{\"name\":\"Cy\"}}}");</script>`,
		"percent-encoded":    `<script>window.__DATA__ = JSON.parse(decodeURIComponent("%7B%22title%22%3A%22A%20long%20thing%22%2C%22price%22%3A12.5%2C%22currency%22%3A%22EUR%22%2C%22seller%22%3A%7B%22name%22%3A%22Cy%22%7D%7D"));</script>`,
		"base64":             `<script>window.__DATA__ = JSON.parse(atob("eyJ0aXRsZSI6IkEgbG9uZyB0aGluZyIsInByaWNlIjoxMi41LCJjdXJyZW5jeSI6IkVVUiIsInNlbGxlciI6eyJuYW1lIjoiQ3kifX0="));</script>`,
		"text in JSON":       `<script id="__NEXT_DATA__" type="application/json">{"props":{"pageProps":{"data":"{\"catalog\":{\"data\":{\"name\":\"A long thing\",\"price\":12.5,\"currency\":\"EUR\",\"seller\":{\"name\":\"Cy\"}}}}"}}}</script>`,
		"Next.js flight":     `<script>self.__next_f.push([1,"5:[\"$\",\"x\",null,{\"item\":{\"title\":\"A long thing\",\"price\":12.5,"])</script><script>self.__next_f.push([1,"\"currency\":\"EUR\",\"seller\":{\"name\":\"Cy\"}}}]\n"])</script>`,
		"Nuxt":               `<script type="application/json" id="__NUXT_DATA__">[["ShallowReactive",1],{"data":2},{"item":3},{"title":4,"price":5,"currency":6,"seller":7},"A long thing",12.5,"EUR",{"name":8},"Cy"]</script>`,
		"Apollo 3":           `<script>window.__APOLLO_STATE__ = {"ROOT_QUERY":{"__typename":"Query","item":{"__ref":"Item:1"}},"Item:1":{"__typename":"Item","title":"A long thing","price({\"currency\":\"EUR\"})":{"__ref":"Price:1"},"seller":{"__ref":"Shop:9"}},"Price:1":{"__typename":"Price","amount":12.5,"currency":"EUR"},"Shop:9":{"__typename":"Shop","name":"Cy"}}</script>`,
		"Apollo 2":           `<script>window.__APOLLO_STATE__ = {"Item:1":{"__typename":"Item","title":"A long thing","price":{"type":"id","generated":true,"id":"$Item:1.price","typename":"Price"},"seller":{"type":"id","generated":false,"id":"Shop:9","typename":"Shop"}},"$Item:1.price":{"__typename":"Price","amount":12.5,"currency":"EUR"},"Shop:9":{"__typename":"Shop","name":"Cy"}}</script>`,
		"Remix":              `<script>window.__remixContext = {"state":{"loaderData":{"routes/item":{"item":{"title":"A long thing","price":12.5,"currency":"EUR","seller":{"name":"Cy"}}}}}};</script>`,
		"turbo-stream":       `<script>window.__remixContext.streamController.enqueue("[{\"_1\":2},\"loaderData\",{\"_3\":4},\"item\",{\"_5\":6,\"_7\":8,\"_9\":10,\"_11\":12},\"title\",\"A long thing\",\"price\",12.5,\"currency\",\"EUR\",\"seller\",{\"_13\":14},\"name\",\"Cy\"]\n");</script>`,
		"a promise in it":    `<script>window.__reactRouterContext.streamController.enqueue("[{\"_1\":2},\"item\",[\"P\",2]]\n");</script><script>window.__reactRouterContext.streamController.enqueue("P2:[{\"_4\":5,\"_6\":7,\"_8\":9,\"_10\":11},\"title\",\"A long thing\",\"price\",12.5,\"currency\",\"EUR\",\"seller\",{\"_12\":13},\"name\",\"Cy\"]\n");</script>`,
		"Inertia":            `<div id="app" data-page="{&quot;component&quot;:&quot;Pages/Item/Show&quot;,&quot;version&quot;:&quot;0123456789&quot;,&quot;props&quot;:{&quot;item&quot;:{&quot;title&quot;:&quot;A long thing&quot;,&quot;price&quot;:12.5,&quot;currency&quot;:&quot;EUR&quot;,&quot;seller&quot;:{&quot;name&quot;:&quot;Cy&quot;}}}}"></div>`,
		"Vue's binding":      `<item-page :item="{&quot;title&quot;:&quot;A long thing&quot;,&quot;price&quot;:12.5,&quot;currency&quot;:&quot;EUR&quot;,&quot;more&quot;:&quot;and some more words&quot;,&quot;seller&quot;:{&quot;name&quot;:&quot;Cy&quot;}}"></item-page>`,
		"a call":             `<script>Shop.boot("product", {title: 'A long thing', price: 12.5, currency: 'EUR', seller: {name: 'Cy'}})</script>`,
		"a text of a text":   `<script id="__NEXT_DATA__" type="application/json">{"a":"{\"b\":\"{\\\"title\\\":\\\"A long thing\\\",\\\"price\\\":12.5,\\\"currency\\\":\\\"EUR\\\",\\\"seller\\\":{\\\"name\\\":\\\"Cy\\\"}}\"}"}</script>`,
		"an entry of Nuxt 2": `<script>window.__NUXT__={layout:"default",data:[{item:{title:"A long thing",price:12.5,currency:"EUR",seller:{name:"Cy"}}}]};</script>`,
	} {
		l := extract(t, head+page, Context{})
		amount, currency, ok := l.Money()
		if got := l.Text(Title) + " " + amount.String() + " " + currency + " " + l.Text(SellerName); !ok || got != "A long thing 12.5 EUR Cy" {
			t.Errorf("%s: got %q; problems %v", name, got, l.Problems)
		}
	}
}

// TestStateTextsStayTexts holds that only sound JSON in a text is read as such.
func TestStateTextsStayTexts(t *testing.T) {
	for _, text := range []string{
		`{\"a\":\"b\",\"c\": nothing sound, and long enough to matter}`,
		`[see the \"notes\": they say more than one would like to know]`,
		`{\"short\":1}`,
	} {
		d := Parse("https://shop.example/", Decode([]byte(`<script>window.s = {"note":"`+text+`","x":1}</script>`), "text/html"))
		if got := strings.Join(d.StateTexts("s.note"), ""); got != unescapeJS(text) {
			t.Errorf("got %q, want %q", got, unescapeJS(text))
		}
	}
}

// TestStreamsEnd holds that a stream whose entries name each other ends.
func TestStreamsEnd(t *testing.T) {
	loop := `[{\"_1\":0,\"_2\":3},\"me\",\"list\",[0,3,3,3,3,3,3,3]]\n`
	d := Parse("https://shop.example/", Decode([]byte(`<script>x.streamController.enqueue("`+loop+`");</script>`), "text/html"))
	d.nodes = 10_000
	if len(d.allStates()) != 1 {
		t.Error("the stream was not read")
	}
}

// TestDrawnPrice holds that a price which is a picture is said to be one, and
// that no other number is taken in its place.
func TestDrawnPrice(t *testing.T) {
	l := extract(t, `<h1>A long thing</h1><div class="item-price"><svg width="60"><path d="M1 2"></path></svg> ₾</div><p>2019 · 120,000 km</p>`, Context{})
	if l.Has(Price) || !strings.Contains(strings.Join(l.Problems, " "), "the price is not readable") {
		t.Errorf("price %v, problems %v", l.Fields[Price], l.Problems)
	}
	l = extract(t, `<h1>A long thing</h1><div class="price-alert"><svg></svg></div><span class="price">€ 5.00</span>`, Context{})
	if len(l.Problems) > 0 {
		t.Errorf("problems %v", l.Problems)
	}
}
