package site

import (
	"regexp"
	"strings"

	"golang.org/x/net/html"

	"github.com/andybalholm/cascadia"
	"github.com/trawlmark/trawlmark/crawler/listing"
)

// maxLinks bounds what one page gives.
const maxLinks = 1000

// linkFinder collects the links of a page.
type linkFinder struct {
	p      *page
	rules  *LinkRules
	decoys map[*html.Node]bool
	within map[*html.Node]bool // nil: the whole page
	seen   map[string]bool
	own    map[*html.Node]bool // cards -> whether they link to the item they name
	out    []Link
	count  int
}

// findLinks gives the listings of a page in its order, then the next page and
// the sellers.
func (p *page) findLinks() []Link {
	f := &linkFinder{p: p, rules: &p.match.Site.Links, seen: map[string]bool{}}
	f.decoys = f.nodes(f.rules.Decoys, f.rules.decoys)
	for i, sel := range f.rules.within {
		if found := f.nodes(f.rules.Within[i:i+1], []cascadia.Selector{sel}); len(found) > 0 {
			f.within = found
			break
		}
	}
	if p.match.Kind == KindListing && p.match.ItemID != "" {
		f.seen[p.match.ItemID] = true // a listing's links to itself are no finds
	}
	f.anchors()
	if f.p.match.Site.Generic && f.p.match.Kind == KindSearch {
		f.dropFurniture()
	}
	f.cards()
	f.state()
	f.jsonld()
	f.shelf()
	f.next()
	return f.out
}

func (f *linkFinder) nodes(css []string, sels []cascadia.Selector) map[*html.Node]bool {
	out := map[*html.Node]bool{}
	for i, sel := range sels {
		for _, n := range f.p.doc.Find(css[i], sel) {
			out[n] = true
		}
	}
	return out
}

func (f *linkFinder) allowed(n *html.Node) bool {
	if len(f.decoys) == 0 && f.within == nil {
		return true
	}
	inside := f.within == nil
	for a := n; a != nil; a = a.Parent {
		if f.decoys[a] {
			return false
		}
		if f.within[a] {
			inside = true
		}
	}
	return inside
}

// anchors takes every <a> that leads to a listing or seller of the site.
func (f *linkFinder) anchors() {
	for _, a := range f.p.doc.Anchors() {
		if len(f.out) >= maxLinks {
			return
		}
		href := listing.Attr(a, "href")
		if href == "" || href[0] == '#' || !f.allowed(a) {
			continue
		}
		abs := f.p.doc.Absolute(href)
		if abs == "" || noPage(abs) {
			continue
		}
		m := f.p.matchOf(abs)
		if !f.home(m) {
			continue
		}
		switch m.Kind {
		case KindListing:
			if f.variant(a, m.ItemID) {
				continue
			}
			f.addListing(abs, m, a)
		case KindSeller:
			if !f.seen["seller "+m.Canonical] && len(f.out) < maxLinks {
				f.seen["seller "+m.Canonical] = true
				f.out = append(f.out, Link{URL: abs, Canonical: m.Canonical, ItemID: m.ItemID, Kind: KindSeller, Title: clip(listing.Text(a), 300)})
			}
		}
	}
}

// noPage reports an address of a picture or another file: galleries link to
// them from paths that look like a product's.
func noPage(abs string) bool {
	if i := strings.IndexAny(abs, "?#"); i >= 0 {
		abs = abs[:i]
	}
	i := strings.LastIndexByte(abs, '.')
	if i < 1 || len(abs)-i > 6 {
		return false
	}
	switch strings.ToLower(abs[i+1:]) {
	case "jpg", "jpeg", "png", "gif", "webp", "avif", "svg", "ico", "pdf", "zip", "mp4", "webm", "css", "js", "xml":
		return true
	}
	return false
}

// matchOf is Set.For for the links of a page, which are asked for several times.
func (p *page) matchOf(abs string) *Match {
	m, ok := p.matches[abs]
	if !ok {
		m = p.set.For(abs)
		if p.matches == nil {
			p.matches = map[string]*Match{}
		}
		if len(p.matches) < 20*maxLinks {
			p.matches[abs] = m
		}
	}
	return m
}

// dropFurniture leaves out what an unknown shop shows beside its results:
// links in parts named after recommendations, and in menus. Where nearly all
// stand in such parts, the names mean something else.
func (f *linkFinder) dropFurniture() {
	inside := map[string]bool{}
	for _, a := range f.p.doc.Anchors() {
		if !f.p.doc.InDecoy(a) {
			inside[f.p.doc.Absolute(listing.Attr(a, "href"))] = true
		}
	}
	var kept []Link
	n := 0
	for _, l := range f.out {
		if l.Kind == KindListing {
			if !inside[l.URL] {
				continue
			}
			n++
			l.Position = n
		}
		kept = append(kept, l)
	}
	if n >= minCards || n*2 >= f.count {
		f.out, f.count = kept, n
	}
}

// variant reports a link to another item inside a card that names its own and
// links to it: the other colours of one result are no results.
func (f *linkFinder) variant(a *html.Node, id string) bool {
	if f.rules.ID == "" || f.rules.card == nil || id == "" {
		return false
	}
	for n := a; n != nil; n = n.Parent {
		if n.Type != html.ElementNode || !f.rules.card.Match(n) {
			continue
		}
		own := listing.Attr(n, f.rules.ID)
		return own != "" && own != id && f.linksTo(n, own)
	}
	return false
}

func (f *linkFinder) linksTo(card *html.Node, id string) bool {
	links, ok := f.own[card]
	if !ok {
		for n := range card.Descendants() {
			if n.Type == html.ElementNode && n.Data == "a" {
				if m := f.p.matchOf(f.p.doc.Absolute(listing.Attr(n, "href"))); m.ItemID == id {
					links = true
					break
				}
			}
		}
		if f.own == nil {
			f.own = map[*html.Node]bool{}
		}
		f.own[card] = links
	}
	return links
}

// home reports an address of the same marketplace: of the same site, or of a
// named site that shares its lane, as Tmall's goods in Taobao's results.
func (f *linkFinder) home(m *Match) bool {
	here := f.p.match
	if m.Site.Name != here.Site.Name {
		return !m.Site.Generic && !here.Site.Generic && m.Lane == here.Lane
	}
	return !m.Site.Generic || m.Lane == here.Lane
}

// clickCounter is an address that bills an advertiser for the click before it
// goes on to the item. A crawl must cost nobody money: the item is visited.
var clickCounter = regexp.MustCompile(`(?i)^https?://[^/?#]*click\d*\.|^https?://[^/?#]+/(?:mclics|sspa/click|aclk)\b`)

// mayCount spares most addresses the expression.
func mayCount(abs string) bool {
	low := strings.ToLower(abs)
	return strings.Contains(low, "clic") || strings.Contains(low, "aclk")
}

// addListing adds a listing once; a later link with a title completes the
// earlier one (a card's picture links first, its title second).
func (f *linkFinder) addListing(abs string, m *Match, a *html.Node) {
	key := m.ItemID
	if key == "" {
		key = m.Canonical
	}
	title, price := f.cardTexts(a)
	if f.seen[key] {
		for i := range f.out {
			l := &f.out[i]
			if l.Kind == KindListing && (l.ItemID == key || l.Canonical == key) {
				if l.Title == "" {
					l.Title = title
				}
				if l.PriceText == "" {
					l.PriceText = price
				}
				break
			}
		}
		return
	}
	f.seen[key] = true
	f.count++
	if m.Canonical != "" && m.Canonical != abs && mayCount(abs) && clickCounter.MatchString(abs) {
		abs = m.Canonical
	}
	f.out = append(f.out, Link{URL: abs, Canonical: m.Canonical, ItemID: m.ItemID, Kind: KindListing, Position: f.count, Title: title, PriceText: price})
}

// cardTexts reads the title and price of the box around a link.
func (f *linkFinder) cardTexts(a *html.Node) (title, price string) {
	title = listing.Attr(a, "title")
	if title == "" {
		title = listing.Text(a)
	}
	if title == "" {
		title = listing.Attr(a, "aria-label")
	}
	if title == "" {
		title = firstAlt(a)
	}
	if f.rules.card != nil {
		for n := a; n != nil; n = n.Parent {
			if n.Type != html.ElementNode || !f.rules.card.Match(n) {
				continue
			}
			if f.rules.title != nil {
				if t := cascadia.Query(n, f.rules.title); t != nil && listing.Text(t) != "" {
					title = listing.Text(t)
				}
			}
			if f.rules.price != nil {
				if t := cascadia.Query(n, f.rules.price); t != nil {
					price = listing.Text(t)
				}
			}
			break
		}
	}
	return clip(title, 300), clip(price, 100)
}

func firstAlt(a *html.Node) string {
	for n := range a.Descendants() {
		if n.Type == html.ElementNode && n.Data == "img" {
			return listing.Clean(listing.Attr(n, "alt"))
		}
	}
	return ""
}

// cards takes boxes that name their item's id in an attribute.
func (f *linkFinder) cards() {
	if f.rules.ID == "" || f.rules.card == nil || f.rules.URL == "" {
		return
	}
	for _, n := range f.p.doc.Find(f.rules.Card, f.rules.card) {
		id := listing.Attr(n, f.rules.ID)
		if id == "" || f.seen[id] || !f.allowed(n) || len(f.out) >= maxLinks {
			continue
		}
		f.addID(id)
		l := &f.out[len(f.out)-1]
		if f.rules.title != nil {
			if t := cascadia.Query(n, f.rules.title); t != nil {
				l.Title = clip(listing.Text(t), 300)
			}
		}
		if f.rules.price != nil {
			if t := cascadia.Query(n, f.rules.price); t != nil {
				l.PriceText = clip(listing.Text(t), 100)
			}
		}
	}
}

// state takes the ids or addresses of embedded data, for pages whose links are
// only made by scripts.
func (f *linkFinder) state() {
	if f.p.match.Kind != KindSearch {
		return
	}
	for _, path := range f.rules.State {
		for _, v := range f.p.doc.StateTexts(path) {
			if len(f.out) >= maxLinks {
				return
			}
			if strings.Contains(v, "/") {
				f.addURL(v)
			} else if !f.seen[v] && len(v) < 80 {
				f.addID(v)
			}
		}
	}
}

func (f *linkFinder) addID(id string) {
	host := f.p.match.Site.searchHost()
	u := strings.NewReplacer("{host}", host, "{id}", id).Replace(f.rules.URL)
	m := f.p.set.For(u)
	f.seen[id] = true
	f.count++
	f.out = append(f.out, Link{URL: u, Canonical: m.Canonical, ItemID: id, Kind: KindListing, Position: f.count})
}

func (f *linkFinder) addURL(raw string) {
	abs := f.p.doc.Absolute(raw)
	if abs == "" {
		return
	}
	m := f.p.set.For(abs)
	if !f.home(m) {
		return
	}
	if m.Kind != KindListing && !m.Site.Generic {
		return
	}
	key := m.ItemID
	if key == "" {
		key = m.Canonical
	}
	if f.seen[key] || len(f.out) >= maxLinks {
		return
	}
	f.seen[key] = true
	f.count++
	f.out = append(f.out, Link{URL: abs, Canonical: m.Canonical, ItemID: m.ItemID, Kind: KindListing, Position: f.count})
}

// jsonld takes the ItemLists of a search page.
func (f *linkFinder) jsonld() {
	if f.p.match.Kind != KindSearch || f.within != nil {
		return
	}
	for _, u := range f.p.doc.ListURLs() {
		f.addURL(u)
	}
}

// next finds the following page: the site's rule, else rel=next.
func (f *linkFinder) next() {
	if f.p.match.Kind != KindSearch {
		return
	}
	button := false // there is one, which only a script turns
	for i, sel := range f.rules.next {
		for _, n := range f.p.doc.Find(f.rules.Next[i], sel) {
			href := listing.Attr(n, "href")
			if f.addNext(href) {
				return
			}
			button = button || href == "" || href[0] == '#' || strings.HasPrefix(href, "javascript:")
		}
	}
	for _, n := range f.p.doc.NextLinks() {
		if f.addNext(n) {
			return
		}
	}
	// Where the site's file says how a next link looks, none means the end;
	// where it does not, few results do.
	s := f.p.match.Site
	if button || len(f.rules.Next) == 0 && f.count >= max(minResults, s.Search.PageSize/2) {
		f.addNext(s.NextSearchURL(f.p.FinalURL))
	}
}

// minResults is how many listings a page has that another may follow.
const minResults = 10

func (f *linkFinder) addNext(href string) bool {
	abs := f.p.doc.Absolute(href)
	if abs == "" || abs == f.p.FinalURL || strings.HasPrefix(href, "#") {
		return false
	}
	m := f.p.set.For(abs)
	if m.Lane != f.p.match.Lane {
		return false
	}
	f.out = append(f.out, Link{URL: abs, Canonical: m.Canonical, Kind: KindNext})
	return true
}
