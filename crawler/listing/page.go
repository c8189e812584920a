package listing

import (
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Products says whether the page's structured data is about one product, or
// about many of which none is the page's.
func (d *Document) Products(ctx Context) (one, many bool) {
	top, listed := d.ldProducts()
	if p := d.ldProduct(ctx); p != nil {
		if sellsMany(p) {
			return false, true
		}
		if p.get("offers") != nil || d.isTitle(p.get("name").scalar()) {
			return true, false
		}
	}
	for _, v := range vocabularies {
		it, several := d.productItem(v, ctx)
		if it != nil {
			return true, false
		}
		many = many || several
		if o := d.loneOffer(v); o != nil && !several {
			if name, ok := o.prop("name"); ok && d.isTitle(name.value) {
				return true, false
			}
		}
	}
	kind := strings.ToLower(d.Meta("og:type"))
	if strings.Contains(kind, "product") && !strings.Contains(kind, "group") {
		return true, false
	}
	return false, many || len(top) > 1 || listed > 1
}

// sellsMany reports a "product" that is a category: classified advertisers
// write one whose offers each have a page of their own.
func sellsMany(p *Tree) bool { return len(offerPages(p)) >= 5 }

// SpansMany reports that what the page calls its product is an aggregate of
// many offers from one price to another, without a number of its own: shops
// write their categories and searches so. Pages of one item with many sellers
// may say the same: the caller looks at what else the page shows.
func (d *Document) SpansMany(ctx Context) bool {
	if p := d.ldProduct(ctx); p != nil {
		if p.first("sku", "mpn", "productID", "gtin", "gtin13", "gtin12", "gtin14", "gtin8", "isbn").scalar() != "" {
			return false
		}
		for _, o := range p.get("offers").items() {
			count, low, high := o.get("offerCount").scalar(), o.get("lowPrice").scalar(), o.get("highPrice").scalar()
			if hasType(o, "AggregateOffer") && (manyOffers(count, low, high) || !d.isTitle(p.get("name").scalar()) && spread(count, low, high)) {
				return true
			}
		}
		return false
	}
	for _, v := range vocabularies {
		it, _ := d.productItem(v, ctx)
		if it == nil {
			continue
		}
		if _, numbered := it.prop("sku", "mpn", "productID", "gtin", "gtin13", "gtin12", "gtin14", "gtin8", "isbn"); numbered {
			return false
		}
		if o, ok := it.prop("offers"); ok && o.item != nil {
			count, _ := o.item.prop("offerCount")
			low, _ := o.item.prop("lowPrice")
			high, _ := o.item.prop("highPrice")
			return manyOffers(count.value, low.value, high.value)
		}
	}
	return false
}

func manyOffers(count, low, high string) bool {
	n, err := strconv.Atoi(strings.TrimSpace(count))
	return err == nil && n >= 5 && low != "" && high != "" && low != high
}

// spread reports a range of prices of which nobody says how many there are:
// where the name of what is sold so is not what the page is called, it is the
// name of a category.
func spread(count, low, high string) bool {
	return count == "" && low != "" && high != "" && low != high
}

// offerPages gives the different addresses of a product's offers.
func offerPages(p *Tree) []string {
	var pages []string
	seen := map[string]bool{}
	for _, o := range p.get("offers").items() {
		for _, one := range o.get("offers").items() {
			if u := one.get("url").scalar(); u != "" && !seen[u] && len(pages) < maxFound {
				seen[u] = true
				pages = append(pages, u)
			}
		}
	}
	return pages
}

// ListURLs gives the addresses that the page's JSON-LD lists, as written.
func (d *Document) ListURLs() []string {
	out := d.ldListURLs()
	top, _ := d.ldProducts()
	for _, p := range top {
		if pages := offerPages(p); len(pages) >= 5 {
			out = append(out, pages...)
		}
	}
	return out
}

// NextLinks gives the addresses of rel=next, as written.
func (d *Document) NextLinks() []string {
	var out []string
	for _, n := range d.all.list {
		if (n.DataAtom == atom.Link || n.DataAtom == atom.A) && strings.EqualFold(attr(n, "rel"), "next") {
			out = append(out, attr(n, "href"))
		}
	}
	return out
}

// MatchScript gives the first match of an expression in the page's scripts.
func (d *Document) MatchScript(re *regexp.Regexp) string {
	for _, s := range d.scripts {
		if m := re.FindString(s.text); m != "" {
			return m
		}
	}
	return ""
}

// InDecoy reports whether an element stands in a part that belongs to other
// products; known after Extract.
func (d *Document) InDecoy(n *html.Node) bool { return d.inDecoy(n) }

// TextLen measures an element's text, and stops at most.
func TextLen(n *html.Node, most int) int {
	total := 0
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if total > most || n.Type == html.ElementNode && unseen(n.DataAtom) {
			return
		}
		if n.Type == html.TextNode {
			total += len(strings.TrimSpace(n.Data))
		}
		for c := n.FirstChild; c != nil && total <= most; c = c.NextSibling {
			walk(c)
		}
	}
	walk(n)
	return total
}

// Alternates gives the addresses of the page's other languages, absolute.
func (d *Document) Alternates() []string {
	var out []string
	for _, n := range d.all.list {
		if n.DataAtom == atom.Link && strings.EqualFold(attr(n, "rel"), "alternate") && attr(n, "hreflang") != "" && len(out) < 20 {
			if u := d.Absolute(attr(n, "href")); u != "" {
				out = append(out, u)
			}
		}
	}
	return out
}
