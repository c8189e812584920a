package site

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/listing"
)

func (p *page) classifySeen() {
	own, gen := &p.match.Site.Markers, &p.set.generic.Markers
	if ct := strings.ToLower(p.ContentType); ct != "" && !strings.Contains(ct, "html") && !strings.Contains(ct, "xml") && !strings.Contains(ct, "text/plain") {
		p.is(capture.NotHTML, "the content type is "+clip(ct, 80))
		return
	}
	if why, ok := p.titleGone(); ok {
		p.is(capture.RemovedSoft, why)
		return
	}
	switch p.match.Kind {
	case KindListing:
		p.classifyListing(own, gen)
	case KindSearch:
		if p.asked.Kind == KindListing && p.asked.Canonical != p.set.For(p.FinalURL).Canonical {
			p.is(capture.RemovedSoft, "the listing's address leads to "+clip(p.FinalURL, 200)+", which is a list of others")
			return
		}
		p.classifySearch(own, gen)
	default:
		p.classifyOther(own, gen)
	}
}

// titleGone reads the title of a page that recommends other things where there
// is nothing at the address.
func (p *page) titleGone() (string, bool) {
	if p.asked.Kind == KindSearch || p.match.Kind == KindListing && len(p.missing()) == 0 {
		return "", false
	}
	if title := plainQuotes(p.doc.Title()); gonePage.MatchString(title) {
		return fmt.Sprintf("removed: the title is %q", clip(title, 100)), true
	}
	return "", false
}

var gonePage = regexp.MustCompile("(?i)" + removedTitle)

func (p *page) classifyOther(own, gen *Markers) {
	if p.asked.Kind == KindListing {
		if why, ok := p.marks(own.Removed, gen.Removed, "removed"); ok {
			p.is(capture.RemovedSoft, why)
			return
		}
		p.is(capture.RemovedSoft, "the listing's address leads to "+clip(p.FinalURL, 200)+", which is no listing")
		return
	}
	if !p.hasProduct() {
		if why, ok := p.marks(own.Removed, gen.Removed, "removed"); ok {
			p.is(capture.RemovedSoft, why)
			return
		}
	}
	if why, ok := p.marks(own.Shell, nil, "shell"); ok && !p.Rendered && p.looksEmpty() {
		p.is(capture.Shell, why)
		return
	}
	if p.looksEmpty() && !p.Rendered {
		p.is(capture.Shell, fmt.Sprintf("the page has %d elements and hardly any text", p.doc.Elements()))
		return
	}
	p.is(capture.Captured, "the page was read")
}

func (p *page) classifySearch(own, gen *Markers) {
	n := len(p.listingLinks())
	if why, ok := p.nothingFound(); ok {
		p.is(capture.SearchEmpty, why)
		return
	}
	if n > 0 {
		p.is(capture.Captured, fmt.Sprintf("the page has %d listings", n))
		return
	}
	if why, ok := p.marks(own.Empty, gen.Empty, "no results"); ok {
		p.is(capture.SearchEmpty, why)
		return
	}
	if why, ok := p.marks(own.Removed, nil, "removed"); ok {
		p.is(capture.RemovedSoft, why)
		return
	}
	if p.Rendered {
		p.is(capture.Partial, "the page has no listings, and does not say that there are none")
		return
	}
	if why, ok := p.marks(own.Shell, gen.Shell, "shell"); ok {
		p.is(capture.Shell, why)
		return
	}
	p.is(capture.Shell, "the page has no listings without a browser, and does not say that there are none")
}

// nothingFound reads the title and the headings of a search, which name the
// number of results where recommendations are shown in their place.
func (p *page) nothingFound() (string, bool) {
	if text := plainQuotes(p.doc.Title()); zeroResults.MatchString(text) {
		return fmt.Sprintf("no results: the title is %q", clip(text, 100)), true
	}
	return "", false
}

var zeroResults = regexp.MustCompile(`(?i)(?:^|[^\d.,])0 (?:results?|items?|products?|listings?|matches|ergebnisse|treffer|artikel|produkte|résultats?|produits?|resultados|productos|produtos|risultati|prodotti|resultaten|producten|träffar|produkter|wyników|件|个结果|個結果)(?:$|[^\p{L}])|(?:^|\W)no (?:search )?results (?:found|for)(?:$|\W)|nenhum resultado|keine (?:ergebnisse|treffer)|aucun résultat|sin resultados|nessun risultato`)

func (p *page) classifyListing(own, gen *Markers) {
	missing := p.missing()
	if len(missing) > 0 || !p.hasProduct() {
		if why, ok := p.marks(own.Removed, gen.Removed, "removed"); ok {
			p.is(capture.RemovedSoft, why)
			return
		}
	} else if why, ok := p.marks(own.Removed, nil, "removed"); ok {
		p.is(capture.RemovedSoft, why)
		return
	}
	if why, ok := p.wrongItem(); ok {
		p.is(capture.WrongItem, why)
		return
	}
	inStock := p.item.Text(listing.Availability) == "in_stock"
	genSold, genGone := gen.Sold, gen.Unavailable
	if inStock { // what is said of the item in data is stronger than a badge somewhere
		genSold, genGone = nil, nil
	}
	if why, ok := p.marks(own.Sold, genSold, "sold"); ok {
		p.is(capture.Sold, why)
		return
	}
	if a := p.item.Fields[listing.Availability]; a.Value == "sold" {
		p.is(capture.Sold, fmt.Sprintf("%s (%s) says %q", a.Source, a.Path, clip(a.Raw, 80)))
		return
	}
	if why, ok := p.marks(own.Unavailable, genGone, "unavailable"); ok {
		p.is(capture.Unavailable, why)
		return
	}
	if a := p.item.Fields[listing.Availability]; a.Value == "out_of_stock" {
		p.is(capture.Unavailable, fmt.Sprintf("%s (%s) says %q", a.Source, a.Path, clip(a.Raw, 80)))
		return
	}
	if len(missing) == 0 {
		p.is(capture.Captured, "the listing has "+joined(p.match.Site.Listing.Required))
		return
	}
	if !p.Rendered {
		if why, ok := p.marks(own.Shell, gen.Shell, "shell"); ok {
			p.is(capture.Shell, why)
			return
		}
		if p.looksEmpty() {
			p.is(capture.Shell, fmt.Sprintf("the page has %d elements, hardly any text, and no %s", p.doc.Elements(), joined(missing)))
			return
		}
	}
	p.is(capture.Partial, "the page does not show: "+joined(missing))
}

// wrongItem compares the item asked for with the one that is shown. Only the
// address and the site's own rule count: structured data often names the
// parent of a variant.
func (p *page) wrongItem() (string, bool) {
	want := p.asked.ItemID
	if want == "" {
		return "", false
	}
	shown := map[string]bool{}
	if p.match.Site == p.asked.Site && p.match.ItemID != "" && p.FinalURL != p.URL {
		shown[p.match.ItemID] = true
	}
	for _, c := range p.item.Candidates {
		if c.Field == listing.ItemID && c.Source == "adapter" {
			shown[c.Value] = true
		}
	}
	if len(shown) == 0 || shown[want] || p.names(want) {
		return "", false
	}
	for id := range shown {
		if !strings.EqualFold(id, want) {
			return fmt.Sprintf("item %s was asked for, item %s is shown", clip(want, 60), clip(id, 60)), true
		}
	}
	return "", false
}

// names reports whether the page names an item anywhere as its own: a variant
// is shown under its parent's address, and the other way round.
func (p *page) names(id string) bool {
	for _, u := range p.doc.CanonicalLinks() {
		if m := p.set.For(u); m.ItemID == id {
			return true
		}
	}
	for _, c := range p.item.Candidates {
		if c.Field == listing.ItemID && c.Source != "url" && strings.EqualFold(c.Value, id) {
			return true
		}
	}
	return false
}

func (p *page) missing() []listing.FieldName {
	var out []listing.FieldName
	for _, f := range p.match.Site.Listing.Required {
		if !p.item.Has(f) {
			out = append(out, f)
		}
	}
	return out
}

// looksEmpty reports a page that shows next to nothing: an application's frame.
func (p *page) looksEmpty() bool {
	return p.visible() < 400
}

func joined(fields []listing.FieldName) string {
	var s []string
	for _, f := range fields {
		s = append(s, strings.ReplaceAll(string(f), "_", " "))
	}
	return strings.Join(s, ", ")
}
