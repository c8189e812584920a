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
