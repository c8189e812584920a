package listing

import (
	"html"
	"strings"
)

// Bounds of what is read as JSON-LD.
const (
	maxLDScripts = 500
	maxLDBytes   = 16 << 20
)

// productTypes are the schema.org types that are one item for sale.
var productTypes = map[string]bool{"Product": true, "ProductGroup": true, "IndividualProduct": true, "ProductModel": true, "SomeProducts": true, "Vehicle": true, "Car": true, "Motorcycle": true, "Book": true}

// jsonLD reads the page's JSON-LD, once.
func (d *Document) jsonLD() []*Tree {
	if d.ldRead {
		return d.ld
	}
	d.ldRead = true
	count, size := 0, 0
	for _, s := range d.scripts {
		if !strings.Contains(s.kind, "ld+json") {
			continue
		}
		count, size = count+1, size+len(s.text)
		if count > maxLDScripts || size > maxLDBytes {
			d.problem("more than %d JSON-LD scripts or %d bytes of them: the rest was not read", maxLDScripts, maxLDBytes)
			break
		}
		if t := d.readLD(s.text, count); t != nil {
			d.ld = append(d.ld, t)
		}
	}
	return d.ld
}

func (d *Document) readLD(text string, number int) *Tree {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	if strings.HasPrefix(strings.TrimLeft(text, "[{ \r\n\t"), "&quot;") {
		text = html.UnescapeString(text)
	}
	t, repairs, err := parseJSON(text, &d.nodes)
	switch {
	case err != nil && t == nil:
		d.problem("JSON-LD script %d could not be read: %v", number, err)
	case err != nil:
		d.problem("JSON-LD script %d was read in part: %v", number, err)
	case len(repairs) > 0:
		d.problem("JSON-LD script %d is not valid JSON and was repaired: %s", number, strings.Join(repairs, ", "))
	}
	return t
}

// typesOf gives the @type names of a node, without prefixes.
func typesOf(t *Tree) []string {
	var out []string
	for _, k := range t.first("@type", "type", "@Type").items() {
		name := k.scalar()
		if i := strings.LastIndexAny(name, "/#:"); i >= 0 {
			name = name[i+1:]
		}
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

func hasType(t *Tree, names ...string) bool {
	for _, have := range typesOf(t) {
		for _, n := range names {
			if have == n {
				return true
			}
		}
	}
	return false
}

func isProduct(t *Tree) bool {
	for _, have := range typesOf(t) {
		if productTypes[have] {
			return have != "Book" || t.get("offers") != nil
		}
	}
	return false
}

// notTheItem are the properties under which other products stand.
var notTheItem = map[string]bool{"isRelatedTo": true, "isSimilarTo": true, "isAccessoryOrSparePartFor": true, "isConsumableFor": true, "hasVariant": true, "isVariantOf": true, "itemListElement": true, "itemReviewed": true, "itemOffered": false, "review": true, "reviews": true, "offers": true, "makesOffer": true, "breadcrumb": true, "hasPart": true}

// ldProducts gives the products that the JSON-LD is about: listed says how
// many more stand in lists.
func (d *Document) ldProducts() (top []*Tree, listed int) {
	var walk func(t *Tree, depth int, inList bool)
	walk = func(t *Tree, depth int, inList bool) {
		if t == nil || depth > maxTreeDepth {
			return
		}
		if t.kind == arrayTree {
			for _, k := range t.kids {
				walk(k, depth+1, inList)
			}
			return
		}
		if t.kind != objectTree {
			return
		}
		if isProduct(t) {
			if inList {
				listed++
				return
			}
			top = append(top, t)
			return
		}
		for i, k := range t.kids {
			walk(k, depth+1, inList || notTheItem[t.keys[i]])
		}
	}
	for _, t := range d.jsonLD() {
		walk(t, 0, false)
	}
	return top, listed
}

// ldListURLs gives the addresses of the ItemLists of the page, in order.
func (d *Document) ldListURLs() []string {
	var out []string
	for _, t := range d.jsonLD() {
		t.walk(func(o *Tree, _ int) bool {
			if hasType(o, "BreadcrumbList") {
				return true
			}
			for _, e := range o.get("itemListElement").items() {
				item := e
				if in := e.first("item"); in != nil {
					item = in
				}
				for _, v := range []*Tree{item.first("url", "@id"), item, e.get("url")} {
					if s := v.scalar(); strings.Contains(s, "/") {
						out = append(out, s)
						break
					}
				}
			}
			return len(out) < maxFound
		})
	}
	return out
}

// ldProduct chooses the product that the page is about; nil when there is none
// or when several could be it.
func (d *Document) ldProduct(ctx Context) *Tree {
	top, _ := d.ldProducts()
	top = withoutCopies(top)
	if len(top) <= 1 {
		if len(top) == 1 {
			return top[0]
		}
		return nil
	}
	var fits []*Tree
	for _, t := range top {
		if d.isTheItem(t, ctx) {
			fits = append(fits, t)
		}
	}
	if len(fits) > 0 {
		return fits[0]
	}
	var offered []*Tree
	for _, t := range top {
		if t.get("offers") != nil {
			offered = append(offered, t)
		}
	}
	if len(offered) == 1 {
		return offered[0]
	}
	return nil
}

// withoutCopies drops nodes that repeat an earlier one's name; the copy with
// offers wins.
func withoutCopies(list []*Tree) []*Tree {
	var out []*Tree
	at := map[string]int{}
	for _, t := range list {
		name := sameText(t.get("name").scalar())
		if i, ok := at[name]; ok && name != "" {
			if out[i].get("offers") == nil && t.get("offers") != nil {
				out[i] = t
			}
			continue
		}
		at[name] = len(out)
		out = append(out, t)
	}
	return out
}

// isTheItem compares a product node with the page's address and headings.
func (d *Document) isTheItem(t *Tree, ctx Context) bool {
	if ctx.ItemID != "" {
		for _, k := range []string{"sku", "productID", "mpn", "productId"} {
			if strings.EqualFold(t.get(k).scalar(), ctx.ItemID) {
				return true
			}
		}
		if u := t.first("url", "@id").scalar(); u != "" && strings.Contains(u, ctx.ItemID) {
			return true
		}
	}
	return d.isTitle(t.get("name").scalar())
}

// isTitle reports whether a name is what the page calls itself.
func (d *Document) isTitle(name string) bool {
	name = sameText(name)
	if len(name) < 4 {
		return false
	}
	for _, t := range d.titleHints() {
		if t == name || len(name) >= 12 && strings.HasPrefix(t, name) || len(t) >= 20 && strings.HasPrefix(name, t) {
			return true
		}
	}
	return false
}

// titleHints are the page's own names for itself, made comparable.
func (d *Document) titleHints() []string {
	if d.titles != nil {
		return d.titles
	}
	d.titles = []string{}
	for _, h := range d.headings[:min(len(d.headings), 5)] {
		if t := sameText(Text(h)); t != "" {
			d.titles = append(d.titles, t)
		}
	}
	for _, t := range []string{d.Meta("og:title"), d.Meta("twitter:title"), d.title} {
		if t = sameText(t); t != "" {
			d.titles = append(d.titles, t)
		}
	}
	return d.titles
}

func sameText(s string) string {
	return strings.ToLower(Clean(html.UnescapeString(s)))
}

// addLD adds the candidates of the chosen JSON-LD product.
func (e *extraction) addLD() {
	p := e.doc.ldProduct(e.ctx)
	if p == nil {
		return
	}
	const src = "jsonld"
	e.addText(Title, p.get("name"), src, "name", .85)
	e.addText(Description, p.get("description"), src, "description", .8)
	for _, k := range []string{"sku", "productID", "productId", "mpn"} {
		e.addText(ItemID, p.get(k), src, k, .5)
	}
	for _, k := range []string{"gtin", "gtin13", "gtin12", "gtin14", "gtin8", "isbn", "ean", "upc"} {
		e.addText(GTIN, p.get(k), src, k, .85)
	}
	e.addText(Brand, named2(p.get("brand")), src, "brand", .85)
	if p.get("brand") == nil {
		e.addText(Brand, named2(p.get("manufacturer")), src, "manufacturer", .6)
	}
	e.addText(Model, named2(p.get("model")), src, "model", .8)
	e.addText(Category, named2(p.get("category")), src, "category", .7)
	e.addText(Condition, p.get("itemCondition"), src, "itemCondition", .8)
	for _, img := range p.first("image", "images").items() {
		e.addText(Image, imageURL(img), src, "image", .8)
	}
	r := p.first("aggregateRating")
	e.addText(Rating, r.get("ratingValue"), src, "aggregateRating.ratingValue", .8)
	e.addText(ReviewCount, r.first("reviewCount", "ratingCount"), src, "aggregateRating.reviewCount", .8)
	e.addOffers(p)
	e.addVariants(p)
}

// named2 gives the name of a thing that may be a text or {name}.
func named2(t *Tree) *Tree {
	if t == nil {
		return nil
	}
	one := t
	if items := t.items(); len(items) > 0 {
		one = items[0]
	}
	if one.kind == objectTree {
		return one.first("name", "@value")
	}
	return one
}

func imageURL(t *Tree) *Tree {
	if t.kind == objectTree {
		if list := t.first("contentUrl", "url", "@id"); list != nil {
			return list.items()[0]
		}
		return nil
	}
	return t
}

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
