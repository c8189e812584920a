package listing

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// vocabulary is how microdata and RDFa mark things up; both are read by the
// same walk. Sources: HTML Living Standard 5 (microdata), RDFa Lite 1.1.
type vocabulary struct {
	source           string
	scope, kind, key string
	confidence       float64
}

var vocabularies = []vocabulary{
	{"microdata", "itemscope", "itemtype", "itemprop", .8},
	{"rdfa", "typeof", "typeof", "property", .75},
}

// property is one value of an item; item is set when the value is an item.
type property struct {
	name, value string
	node        *html.Node
	item        *item
}

// item is a thing with properties.
type item struct {
	kinds []string
	props []property
	node  *html.Node
}

const maxItems = 5000

// itemsOf gives the items of a vocabulary that are not properties of others.
func (d *Document) itemsOf(v vocabulary) []*item {
	if d.items == 0 {
		return nil
	}
	var out []*item
	left := maxItems
	var walk func(n *html.Node, within *item, depth int)
	walk = func(n *html.Node, within *item, depth int) {
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			if c.Type != html.ElementNode || left <= 0 {
				continue
			}
			here := within
			names := strings.Fields(attr(c, v.key))
			if _, scope := lookup(c, v.scope); scope {
				left--
				it := &item{kinds: strings.Fields(attr(c, v.kind)), node: c}
				if within != nil && len(names) > 0 {
					for _, name := range names {
						within.props = append(within.props, property{name: localName(name), value: Text(c), node: c, item: it})
					}
				} else {
					out = append(out, it)
				}
				here = it
			} else if within != nil && len(names) > 0 {
				left--
				for _, name := range names {
					within.props = append(within.props, property{name: localName(name), value: propertyValue(c), node: c})
				}
			}
			walk(c, here, depth+1)
		}
	}
	walk(d.root, nil, 0)
	for _, it := range out {
		d.addReferenced(it, v)
	}
	return out
}

// addReferenced follows itemref, one level: deeper chains are not used by shops
// and would invite loops.
func (d *Document) addReferenced(it *item, v vocabulary) {
	for _, id := range strings.Fields(attr(it.node, "itemref")) {
		n := d.ids[id]
		if n == nil {
			continue
		}
		for m := range n.Descendants() {
			if names := attr(m, v.key); names != "" && m.Type == html.ElementNode {
				it.props = append(it.props, property{name: localName(names), value: propertyValue(m), node: m})
			}
		}
		if names := attr(n, v.key); names != "" {
			it.props = append(it.props, property{name: localName(names), value: propertyValue(n), node: n})
		}
	}
}

func lookup(n *html.Node, key string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val, true
		}
	}
	return "", false
}

func localName(s string) string {
	if i := strings.LastIndexAny(s, "/#:"); i >= 0 {
		return s[i+1:]
	}
	return s
}

// propertyValue is the value of an element by the standard's table; content
// wins over everything, because that is what it is written for.
func propertyValue(n *html.Node) string {
	if v, ok := lookup(n, "content"); ok && v != "" {
		return v
	}
	var key string
	switch n.DataAtom {
	case atom.A, atom.Area, atom.Link:
		key = "href"
	case atom.Img, atom.Audio, atom.Embed, atom.Iframe, atom.Source, atom.Track, atom.Video:
		key = "src"
	case atom.Object:
		key = "data"
	case atom.Data, atom.Meter, atom.Input:
		key = "value"
	case atom.Time:
		key = "datetime"
	}
	if key != "" {
		if v := attr(n, key); v != "" {
			return v
		}
	}
	return Text(n)
}

func (it *item) isProduct() bool {
	for _, k := range it.kinds {
		if productTypes[localName(k)] {
			return true
		}
	}
	return false
}

func (it *item) prop(names ...string) (property, bool) {
	for _, n := range names {
		for _, p := range it.props {
			if p.name == n && (p.value != "" || p.item != nil) {
				return p, true
			}
		}
	}
	return property{}, false
}

// productItem chooses the page's product; several says that there are more of
// the kind and none is the page's.
func (d *Document) productItem(v vocabulary, ctx Context) (main *item, several bool) {
	var products []*item
	var find func(it *item, depth int)
	find = func(it *item, depth int) {
		if it.isProduct() && !d.inDecoy(it.node) {
			products = append(products, it)
			return
		}
		for _, p := range it.props {
			if p.item != nil && depth < 8 && !notTheItem[p.name] {
				find(p.item, depth+1)
			}
		}
	}
	for _, it := range d.itemsOf(v) {
		find(it, 0)
	}
	for _, it := range products {
		if p, ok := it.prop("name"); ok && d.isTitle(p.value) {
			return it, false
		}
	}
	switch len(products) {
	case 0:
		return nil, false
	case 1:
		return products[0], false
	}
	return nil, true
}

// loneOffer is the one offer of a page that has no product: classified
// advertisements mark up the price without the thing.
func (d *Document) loneOffer(v vocabulary) *item {
	var offers []*item
	for _, it := range d.itemsOf(v) {
		for _, k := range it.kinds {
			if localName(k) == "Offer" && !d.inDecoy(it.node) {
				offers = append(offers, it)
				break
			}
		}
	}
	if len(offers) != 1 {
		return nil
	}
	if _, ok := offers[0].prop("price"); !ok {
		return nil
	}
	return offers[0]
}

// addItems adds the candidates of microdata and RDFa.
func (e *extraction) addItems() {
	for _, v := range vocabularies {
		it, several := e.doc.productItem(v, e.ctx)
		if it == nil {
			if o := e.doc.loneOffer(v); o != nil && !several {
				e.addItem(o, vocabulary{source: v.source, confidence: v.confidence - .1})
			}
			continue
		}
		e.addItem(it, v)
	}
}

func (e *extraction) addItem(it *item, v vocabulary) {
	text := func(f FieldName, in *item, conf float64, names ...string) {
		for _, name := range names {
			if p, ok := in.prop(name); ok {
				value := p.value
				if p.item != nil {
					if inner, ok := p.item.prop("name"); ok {
						value = inner.value
					}
				}
				e.add(Candidate{Field: f, Raw: value, Source: v.source, Path: name, Confidence: conf})
			}
		}
	}
	text(Title, it, v.confidence, "name")
	text(Description, it, v.confidence-.1, "description")
	text(ItemID, it, .5, "sku", "productID", "mpn")
	text(GTIN, it, v.confidence, "gtin", "gtin13", "gtin12", "gtin14", "gtin8", "isbn")
	text(Brand, it, v.confidence, "brand")
	text(Brand, it, .6, "manufacturer")
	text(Model, it, v.confidence, "model")
	text(Category, it, .6, "category")
	text(Condition, it, v.confidence, "itemCondition")
	for _, p := range it.props {
		if p.name == "image" && p.item == nil {
			e.add(Candidate{Field: Image, Raw: p.value, Source: v.source, Path: "image", Confidence: v.confidence})
		}
	}
	if r, ok := it.prop("aggregateRating"); ok && r.item != nil {
		text(Rating, r.item, v.confidence, "ratingValue")
		text(ReviewCount, r.item, v.confidence, "reviewCount", "ratingCount")
	}
	offers := it
	if o, ok := it.prop("offers", "offer", "offerDetails"); ok && o.item != nil {
		offers = o.item
	}
	e.addItemOffer(offers, v, text)
}

// addItemAvailability says that a product is in stock when one of its variants
// is.
func (e *extraction) addItemAvailability(o *item, v vocabulary) {
	best := ""
	for _, p := range o.props {
		if p.name != "availability" {
			continue
		}
		if a := availability(p.value); best == "" || a == "in_stock" || a == "limited" {
			best = p.value
		}
		if availability(best) == "in_stock" {
			break
		}
	}
	if best != "" {
		e.add(Candidate{Field: Availability, Raw: best, Source: v.source, Path: "availability", Confidence: v.confidence})
	}
}

func (e *extraction) addItemOffer(o *item, v vocabulary, text func(FieldName, *item, float64, ...string)) {
	cur, _ := o.prop("priceCurrency", "currency") // the latter in data-vocabulary.org, schema.org's forerunner
	if cur.value != "" {
		e.add(Candidate{Field: Currency, Raw: cur.value, Source: v.source, Path: "priceCurrency", Confidence: v.confidence})
	}
	if p, ok := o.prop("lowPrice"); ok {
		high, _ := o.prop("highPrice")
		e.addPrice(Price, p.value, high.value, cur.value, v.source, "offers.lowPrice", v.confidence)
	}
	for _, p := range o.props {
		if p.name != "price" || p.value == "" {
			continue
		}
		conf := v.confidence
		if Instalment(contextOf(p.node)) {
			conf -= .3
		}
		e.addPrice(Price, p.value, "", cur.value, v.source, "offers.price", conf)
	}
	e.addItemAvailability(o, v)
	text(Condition, o, v.confidence, "itemCondition")
	text(SellerName, o, .7, "seller")
	if s, ok := o.prop("seller"); ok && s.item != nil {
		text(SellerURL, s.item, .7, "url")
	}
	text(Location, o, v.confidence, "availableAtOrFrom")
	text(Stock, o, .7, "inventoryLevel")
}
