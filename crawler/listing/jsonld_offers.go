package listing

import (
	"strings"
)

// addOffers reads the offers of a product: one, several, or an aggregate.
func (e *extraction) addOffers(p *Tree) {
	offers := p.get("offers").items()
	if len(offers) == 0 && hasType(p, "ProductGroup") {
		for _, v := range p.get("hasVariant").items() {
			offers = append(offers, v.get("offers").items()...)
		}
	}
	var flat []*Tree
	for _, o := range offers {
		if inner := o.get("offers").items(); len(inner) > 0 && o.first("lowPrice", "price") == nil {
			flat = append(flat, inner...)
			continue
		}
		flat = append(flat, o)
	}
	if len(flat) == 0 {
		return
	}
	o, path := flat[0], "offers"
	if len(flat) > 1 {
		path = "offers[]"
		if mine := e.offerOfPage(flat); mine != nil {
			o, path = mine, "offers[the page's variant]"
		}
	}
	e.addOffer(o, path)
	if len(flat) > 1 && path == "offers[]" {
		e.addOfferRange(flat)
		e.addAvailability(flat)
	}
}

// offerOfPage gives the offer whose address or number is the page's own.
func (e *extraction) offerOfPage(offers []*Tree) *Tree {
	for _, key := range []string{"variant", "sku", "pid", "model_id", "skuId"} {
		want := e.doc.URL.Query().Get(key)
		if want == "" {
			continue
		}
		for _, o := range offers {
			if strings.Contains(o.get("url").scalar(), key+"="+want) || o.get("sku").scalar() == want {
				return o
			}
		}
	}
	return nil
}

func (e *extraction) addOffer(o *Tree, path string) {
	const src = "jsonld"
	cur := o.first("priceCurrency", "pricecurrency", "currency")
	conf := .85
	if path == "offers[]" { // the first of several: the range is as likely
		conf = .8
	}
	switch {
	case isZero(o.first("lowPrice", "price")) && gone(o): // no price is known: nothing is given away
	case o.get("lowPrice") != nil:
		e.addPrice(Price, o.get("lowPrice").scalar(), o.get("highPrice").scalar(), cur.scalar(), src, path+".lowPrice", conf)
	case o.get("price").scalar() != "":
		e.addPrice(Price, o.get("price").scalar(), "", cur.scalar(), src, path+".price", conf)
	case o.get("highPrice") != nil:
		e.addPrice(Price, o.get("highPrice").scalar(), "", cur.scalar(), src, path+".highPrice", .5)
	}
	e.addSpecifications(o, cur, path)
	if c := cur.scalar(); c != "" {
		e.add(Candidate{Field: Currency, Raw: c, Source: src, Path: path + ".priceCurrency", Confidence: .85})
	}
	if path != "offers[]" { // of several offers the best counts: see addAvailability
		e.addText(Availability, named2(o.get("availability")), src, path+".availability", .8)
	}
	e.addText(Condition, o.get("itemCondition"), src, path+".itemCondition", .8)
	e.addText(Stock, o.get("inventoryLevel").first("value"), src, path+".inventoryLevel", .8)
	seller := o.first("seller", "offeredBy")
	e.addText(SellerName, named2(seller), src, path+".seller.name", .75)
	if s := seller.items(); len(s) > 0 {
		e.addText(SellerURL, s[0].first("url", "@id"), src, path+".seller.url", .7)
	}
	e.addText(ShipsFrom, o.get("availableAtOrFrom").get("address").first("addressCountry"), src, path+".availableAtOrFrom", .6)
}

// isZero reports a price of nothing, gone an offer that
// is not in stock.
func isZero(price *Tree) bool {
	s := price.scalar()
	return s != "" && strings.Trim(s, "0.,") == "" && strings.Contains(s, "0")
}

func gone(o *Tree) bool {
	switch availability(named2(o.get("availability")).scalar()) {
	case "", "in_stock", "limited":
		return false
	}
	return true
}

// addSpecifications reads priceSpecification: the crossed-out price is named
// by its priceType, a unit price by its reference quantity.
func (e *extraction) addSpecifications(o, cur *Tree, path string) {
	for _, s := range o.get("priceSpecification").items() {
		c := s.get("priceCurrency").scalar()
		if c == "" {
			c = cur.scalar()
		}
		kind := s.get("priceType").scalar()
		if s.get("referenceQuantity") != nil && kind == "" && o.get("price") != nil {
			continue
		}
		field, conf := Price, .8
		if strings.Contains(kind, "Strikethrough") || strings.Contains(kind, "ListPrice") || strings.Contains(kind, "MSRP") || strings.Contains(kind, "SRP") || strings.Contains(kind, "RegularPrice") {
			field = StrikePrice
		}
		low, high := s.first("price", "minPrice"), s.get("maxPrice")
		e.addPrice(field, low.scalar(), high.scalar(), c, "jsonld", path+".priceSpecification.price", conf)
		if c != "" && o.get("priceCurrency") == nil {
			e.add(Candidate{Field: Currency, Raw: c, Source: "jsonld", Path: path + ".priceSpecification.priceCurrency", Confidence: .8})
		}
	}
}

// inStock gives the offers that can be bought; all of them when none says so.
func inStock(offers []*Tree) []*Tree {
	var out []*Tree
	for _, o := range offers[:min(len(offers), maxFound)] {
		if a := availability(named2(o.get("availability")).scalar()); a == "in_stock" || a == "limited" {
			out = append(out, o)
		}
	}
	if len(out) == 0 {
		return offers
	}
	return out
}

// alike gives the offers in the condition of the first.
func alike(offers []*Tree) []*Tree {
	want := condition(offers[0].get("itemCondition").scalar())
	var out []*Tree
	for _, o := range offers {
		if condition(o.get("itemCondition").scalar()) == want {
			out = append(out, o)
		}
	}
	return out
}

// addOfferRange records that several offers are a range from the least: of
// those in stock, nobody asks the price of the others now, and of those in the
// first one's condition, which is the one that is recorded.
func (e *extraction) addOfferRange(offers []*Tree) {
	offers = alike(inStock(offers))
	var low, high, cur string
	var least, most *Money
	for _, o := range offers[:min(len(offers), maxFound)] {
		text := o.first("price", "lowPrice").scalar()
		if text == "" {
			text = o.get("priceSpecification").first("price").scalar()
		}
		m, err := ParsePrice(text, Hint{Machine: true})
		if err != nil {
			continue
		}
		if least == nil || m.Amount.LessThan(least.Amount) {
			least, low, cur = &m, text, o.get("priceCurrency").scalar()
		}
		if most == nil || m.Amount.GreaterThan(most.Amount) {
			most, high = &m, text
		}
	}
	if least != nil && most.Amount.GreaterThan(least.Amount) {
		e.addPrice(Price, low, high, cur, "jsonld", "offers[least]", .82)
	}
}

// addAvailability says that a product is in stock when one of its offers is.
func (e *extraction) addAvailability(offers []*Tree) {
	best := offers[0]
	for _, o := range offers[:min(len(offers), maxFound)] {
		if a := availability(named2(o.get("availability")).scalar()); a == "in_stock" || a == "limited" {
			best = o
			break
		}
	}
	e.addText(Availability, named2(best.get("availability")), "jsonld", "offers[any].availability", .8)
}

func (e *extraction) addVariants(p *Tree) {
	for _, v := range p.get("hasVariant").items() {
		e.addText(Variant, v.get("name"), "jsonld", "hasVariant.name", .7)
	}
}
