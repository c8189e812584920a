package markettest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/tidwall/gjson"
)

type facts struct{ title, price, currency, seller string }

// read takes title, price, currency and seller from the place that the kind of
// page has them in, and only from there.
func read(t *testing.T, m *Market, l Listing, d *goquery.Document) facts {
	t.Helper()
	text := func(sel string) string { return strings.TrimSpace(d.Find(sel).First().Text()) }
	attr := func(sel, name string) string { return d.Find(sel).First().AttrOr(name, "") }
	switch l.Page {
	case Script:
		_, b := get(t, m, "/api/item/"+attr("#app", "data-item")+".json")
		return fromState(gjson.ParseBytes(b))
	case State:
		for _, s := range d.Find("script").EachIter() {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(s.Text()), "window.__PRELOADED_STATE__ = "); ok {
				return fromState(gjson.Get(strings.TrimSuffix(rest, ";"), "item"))
			}
		}
		return facts{}
	case Microdata:
		return facts{text("[itemprop=name]"), attr("[itemprop=price]", "content"), attr("[itemprop=priceCurrency]", "content"), attr("[itemprop=seller] [itemprop=name]", "content")}
	case RDFa:
		return facts{text("[property=name]"), attr("[property=price]", "content"), attr("[property=priceCurrency]", "content"), attr("[property=seller] [property=name]", "content")}
	case OpenGraph:
		return facts{
			attr("meta[property='og:title']", "content"), strings.ReplaceAll(attr("meta[property='product:price:amount']", "content"), ",", "."),
			attr("meta[property='product:price:currency']", "content"), text(".x3fe"),
		}
	case DOM:
		if got := text(".lst-price"); got != show(l.Price, l.Currency, l.Lang) {
			t.Errorf("%s: shows price %q", l.Key, got)
		}
		return facts{text("h1.lst-title"), l.Price, l.Currency, text("a.lst-seller")}
	}
	return fromLD(t, l, text("script[type='application/ld+json']"))
}

func fromState(item gjson.Result) facts {
	return facts{item.Get("title").String(), item.Get("price.amount").String(), item.Get("price.currency").String(), item.Get("seller.name").String()}
}

// fromLD finds the one Product of a JSON-LD text, wherever it is.
func fromLD(t *testing.T, l Listing, text string) facts {
	t.Helper()
	if !json.Valid([]byte(text)) {
		t.Errorf("%s: JSON-LD is not JSON: %.80q", l.Key, text)
		return facts{}
	}
	path := map[Page]string{Graph: `@graph.#(@type=="Product")`, Array: `#(@type=="Product")`, Nested: "mainEntity"}[l.Page]
	p := gjson.Parse(text)
	if path != "" {
		p = p.Get(path)
	}
	offer := p.Get("offers")
	f := facts{title: p.Get("name").String()}
	switch l.Page {
	case Nested:
		offer = offer.Get("0")
	case Aggregate:
		if got := offer.Get("lowPrice").String(); got != l.Price {
			t.Errorf("%s: lowPrice %s, want %s", l.Key, got, l.Price)
		}
		offer = offer.Get("offers.0")
	case JSONLDNum:
		if offer.Get("price").Type != gjson.Number {
			t.Errorf("%s: the price is not a number", l.Key)
		}
		f.price, f.currency, f.seller = offer.Get("price").Raw, offer.Get("priceCurrency").String(), offer.Get("seller.name").String()
		return f
	}
	f.price, f.currency, f.seller = offer.Get("price").String(), offer.Get("priceCurrency").String(), offer.Get("seller.name").String()
	return f
}
