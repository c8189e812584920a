package site

import (
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/html"

	"github.com/trawlmark/trawlmark/crawler/listing"
)

// How many boxes of one shape make a result list: where a list was asked for,
// and where the address did not say what the page is.
const (
	minCards   = 4
	minUnasked = 8
	minShelf   = 12 // whatever else the page shows
	minListed  = 4  // addresses in the page's own ItemList
)

// shelf finds the results of an unknown shop whose addresses say nothing: the
// largest group of links of one shape, each in a box of its own with a price.
func (f *linkFinder) shelf() {
	wanted := f.p.match.Kind == KindSearch || f.p.match.Kind == KindOther && f.p.asked.Kind == KindSearch
	if !f.p.match.Site.Generic || !wanted {
		return
	}
	best := f.p.shelf()
	if distinct(best) < max(minCards, 2*f.count) {
		return
	}
	if f.p.match.Kind == KindOther {
		f.p.match.Kind = KindSearch
	}
	for _, a := range best {
		abs := f.p.doc.Absolute(listing.Attr(a, "href"))
		m := f.p.matchOf(abs)
		f.addListing(abs, m, a)
		for i := range f.out {
			if f.out[i].URL == abs && f.out[i].PriceText == "" {
				f.out[i].PriceText = clip(f.p.boxPrice(a), 100)
			}
		}
	}
}

// shelf gives the links of the largest group of boxes, in the page's order.
func (p *page) shelf() []*html.Node {
	if p.boxes != nil {
		return p.boxes
	}
	groups := map[string][]*html.Node{}
	var order []string
	for _, a := range p.doc.Anchors() {
		if len(order) > 500 {
			break
		}
		abs := p.doc.Absolute(listing.Attr(a, "href"))
		u, err := url.Parse(abs)
		if abs == "" || err != nil || p.matchOf(abs).Lane != p.match.Lane || len(u.Path) < 4 {
			continue
		}
		if p.boxPrice(a) == "" || p.doc.InDecoy(a) {
			continue
		}
		shape := shapeOf(u)
		if groups[shape] == nil {
			order = append(order, shape)
		}
		groups[shape] = append(groups[shape], a)
	}
	best := ""
	for _, s := range order {
		if distinct(groups[s]) > distinct(groups[best]) {
			best = s
		}
	}
	p.boxes = append([]*html.Node{}, groups[best]...)
	if distinct(p.boxes) >= minCards {
		p.boxes = p.withoutPrice(p.boxes)
	}
	return p.boxes
}

// withoutPrice adds the results that have no price, or stand in another section
// of the site: links of the same form in boxes of the same kind.
func (p *page) withoutPrice(found []*html.Node) []*html.Node {
	kinds := map[string]map[string]bool{} // of boxes -> the links in them
	tails := map[string]bool{}
	in := map[*html.Node]bool{}
	for _, a := range found {
		in[a] = true
		href := listing.Attr(a, "href")
		if u, err := url.Parse(p.doc.Absolute(href)); err == nil {
			tails[tailOf(u)] = true
		}
		if n := p.boxOf(a); n != nil {
			kind := boxKind(n)
			if kinds[kind] == nil {
				kinds[kind] = map[string]bool{}
			}
			kinds[kind][href] = true
		}
	}
	var out []*html.Node
	for _, a := range p.doc.Anchors() {
		if in[a] || p.sameBox(a, kinds, tails) {
			out = append(out, a)
		}
	}
	return out
}

// sameBox reports a link of one of the forms, in a box of one of the kinds that
// several results have.
func (p *page) sameBox(a *html.Node, kinds map[string]map[string]bool, tails map[string]bool) bool {
	abs := p.doc.Absolute(listing.Attr(a, "href"))
	u, err := url.Parse(abs)
	if abs == "" || err != nil || len(u.Path) < 4 || !tails[tailOf(u)] || noPage(abs) {
		return false
	}
	for n, up := a, 0; n != nil && up < 5; n, up = n.Parent, up+1 {
		if len(kinds[boxKind(n)]) >= minCards {
			return !p.doc.InDecoy(a) && p.matchOf(abs).Lane == p.match.Lane
		}
	}
	return false
}

// boxKind names a box by its classes and those of what holds it.
func boxKind(n *html.Node) string {
	kind := n.Data + "." + listing.Attr(n, "class")
	if n.Parent != nil {
		kind += " in " + n.Parent.Data + "." + listing.Attr(n.Parent, "class")
	}
	return kind
}

// boxOf gives the box around a link that its price was found in.
func (p *page) boxOf(a *html.Node) *html.Node {
	for n, up := a, 0; n != nil && up < 5; n, up = n.Parent, up+1 {
		if b := p.around[n]; b.price != "" {
			return n
		}
	}
	return nil
}

// tailOf is an address's form without the section it stands in.
func tailOf(u *url.URL) string {
	shape := shapeOf(u)
	if i := strings.IndexAny(shape, " /"); i > 0 {
		shape = shape[i:]
	}
	return shape
}

func distinct(list []*html.Node) int {
	seen := map[string]bool{}
	for _, a := range list {
		seen[listing.Attr(a, "href")] = true
	}
	return len(seen)
}

var digits = regexp.MustCompile(`\d+`)

// shapeOf is an address's form: how many parts its path has, the first of
// them when there are several, and how it ends.
func shapeOf(u *url.URL) string {
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	shape := digits.ReplaceAllString(parts[0], "#")
	if len(parts) == 1 {
		shape = ""
	}
	if len(shape) > 24 || strings.Count(shape, "-") > 1 { // a title, not a section
		shape = "*"
	}
	last := parts[len(parts)-1]
	if len(parts) > 1 && (last == "p" || last == "dp" || last == "pd") { // /blue-bag/p
		shape += " " + last
	}
	if i := strings.LastIndex(last, "."); i >= 0 {
		shape += " " + last[i:]
	}
	if digits.MatchString(last) {
		shape += " #"
	}
	return shape + strings.Repeat("/", len(parts))
}

// box is what the shelf needs to know of an element around a link.
type box struct {
	crowded bool // more than one card
	price   string
}

// boxPrice gives the price in the small box around a link: one price, and not
// a whole list of them. Links share what is around them, and what is around
// many of them is the whole page: each element is looked at once.
func (p *page) boxPrice(a *html.Node) string {
	for n, up := a, 0; n != nil && up < 5; n, up = n.Parent, up+1 {
		b, known := p.around[n]
		if !known {
			size := listing.TextLen(n, 4100)
			b.crowded = size > 400 && linksIn(n) > 4 || size > 1200 && (size > 4000 || linksIn(n) > 3)
			if !b.crowded {
				b.price = listing.PriceIn(n)
			}
			if p.around == nil {
				p.around = map[*html.Node]box{}
			}
			p.around[n] = b
		}
		if b.crowded || b.price != "" {
			return b.price
		}
	}
	return ""
}

// linksIn counts the different addresses below an element, as far as matters.
func linksIn(n *html.Node) int {
	seen := map[string]bool{}
	for m := range n.Descendants() {
		if m.Type == html.ElementNode && m.Data == "a" {
			if href := listing.Attr(m, "href"); href != "" && href[0] != '#' {
				seen[href] = true
			}
			if len(seen) > 8 {
				break
			}
		}
	}
	return len(seen)
}
