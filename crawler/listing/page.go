package listing

import (
	"regexp"
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
		if total > most || n.Type == html.ElementNode && unseen[n.DataAtom] {
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
