package site

import (
	"fmt"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/listing"
)

// Read says what a page is, how the visit ended, and what stands on it. It is
// pure, and bounded whatever the bytes are.
func (s *Set) Read(in Page) *Reading {
	p := &page{Page: in, set: s, r: &Reading{}}
	if p.FinalURL == "" {
		p.FinalURL = p.URL
	}
	p.asked = in.Asked
	if p.asked == nil || p.asked.Site == nil {
		p.asked = s.For(p.URL)
	}
	contentType := in.ContentType
	if in.Rendered {
		contentType = "text/html; charset=utf-8"
	}
	decoded := listing.Decode(in.Body, contentType)
	p.doc = listing.Parse(p.FinalURL, decoded)
	p.r.Encoding, p.r.Language = decoded.Encoding, p.doc.Language()
	p.identify()
	p.item = p.doc.Extract(p.context())
	p.decideKind()
	p.links = p.findLinks()
	p.classify()
	p.finish()
	return p.r
}

// identify finds out what the final address means; where it says nothing, the
// page's own canonical address is asked.
func (p *page) identify() {
	p.match = p.set.For(p.FinalURL)
	if p.match.Kind != KindOther {
		return
	}
	for _, c := range p.doc.CanonicalLinks() {
		if m := p.set.For(c); m.Site == p.match.Site && m.Kind != KindOther && sameLane(m, p.match) {
			p.match = m
			return
		}
	}
}

func sameLane(a, b *Match) bool { return a.Lane == b.Lane }

func (p *page) context() listing.Context {
	return listing.Context{
		Site: p.match.Site.Name, Country: p.match.Site.Country, Currency: p.match.Site.Currency, Language: p.match.Site.Language,
		Canonical: p.match.Canonical, ItemID: p.knownID(), Rules: &p.match.Site.Listing,
		Slug: p.slug(), Shop: p.match.Site.Generic,
	}
}

// knownID is the item's id from the address; a generic shop's slug is none.
func (p *page) knownID() string {
	if p.match.Site.Generic || p.match.Kind != KindListing {
		return ""
	}
	return p.match.ItemID
}

// slug is what an unknown shop's address calls the item.
func (p *page) slug() string {
	if !p.match.Site.Generic {
		return ""
	}
	for _, u := range append([]string{p.FinalURL}, p.doc.CanonicalLinks()...) {
		if m := p.set.For(u); m.ItemID != "" && m.Kind != KindSearch {
			return m.ItemID
		}
	}
	return ""
}

// decideKind corrects the kind by what the page holds.
func (p *page) decideKind() {
	own := &p.match.Site.Markers
	m := *p.match
	switch {
	case p.listed:
		m.Kind = KindListing
	case len(own.Listing) > 0 && m.Kind != KindListing && p.anyHolds(own.Listing):
		m.Kind = KindListing
	case len(own.SearchPage) > 0 && m.Kind != KindSearch && p.anyHolds(own.SearchPage):
		m.Kind = KindSearch
	case m.Site.Generic || m.Kind == KindOther:
		one, many := p.doc.Products(p.context())
		switch {
		case m.Site.Generic && m.Kind != KindListing && p.doc.SpansMany(p.context()) && distinct(p.shelf()) >= minUnasked:
			m.Kind = KindSearch
		case one && m.Kind != KindSearch:
			m.Kind = KindListing
		case many && m.Kind != KindListing:
			m.Kind = KindSearch
		case many && m.Site.Generic && !one && !p.item.Has(listing.Price):
			m.Kind = KindSearch
		case m.Site.Generic && m.Kind == KindOther && !one && p.looksLikeList():
			m.Kind = KindSearch
		case m.Site.Generic && m.Kind == KindOther && p.looksLikeItem():
			m.Kind = KindListing
		}
	}
	p.match = &m
}

// looksLikeItem reports a page without structured data that a person would
// take for an item's: one heading, and one price close below it.
func (p *page) looksLikeItem() bool {
	price, ok := p.item.Fields[listing.Price]
	title, titled := p.item.Fields[listing.Title]
	if !ok || !titled || title.Confidence < .55 {
		return false
	}
	if title.Path == "h1" && price.Confidence >= .55 {
		return true
	}
	// Where the address has an item's number, one amount is enough, wherever
	// it stands.
	return p.match.ItemID != "" && price.Confidence >= .4 && (title.Path == "h1" || title.Path == "og:title") && p.oneAmount(price)
}

// oneAmount reports that every price that the page shows is the same.
func (p *page) oneAmount(price listing.Choice) bool {
	for _, c := range p.item.Candidates {
		if c.Field == listing.Price && c.Amount != nil && !c.Amount.Equal(*price.Amount) {
			return false
		}
	}
	return price.Amount != nil
}

// looksLikeList reports a page of an unknown shop that lists things: its data
// does, or it is little else than boxes of one shape with a price each, the
// first of which is the price that would be taken for the page's.
func (p *page) looksLikeList() bool {
	if p.asked.Kind == KindListing {
		return false
	}
	listed := 0
	for _, u := range p.doc.ListURLs() {
		if m := p.set.For(p.doc.Absolute(u)); m.Lane == p.match.Lane {
			listed++
		}
	}
	if listed >= minListed {
		return true
	}
	boxes := p.shelf()
	if distinct(boxes) < minUnasked {
		return false
	}
	price, ok := p.item.Fields[listing.Price]
	if !ok || price.Source != "dom" && price.Source != "state" {
		return !ok
	}
	if distinct(boxes) >= minShelf && !p.looksLikeItem() {
		return true
	}
	for _, a := range boxes[:3] {
		if strings.Contains(p.boxPrice(a), price.Raw) || strings.Contains(price.Raw, p.boxPrice(a)) {
			return true
		}
	}
	return false
}

func (p *page) anyHolds(list []Marker) bool {
	for i := range list {
		if _, ok := p.holds(&list[i]); ok {
			return true
		}
	}
	return false
}

// finish fills the rest of the reading.
func (p *page) finish() {
	r := p.r
	r.Match = *p.match
	r.Links = p.links
	switch r.Outcome.Class() {
	case capture.Refused, capture.Failed:
		if r.Outcome != capture.Shell {
			r.Links = nil // what a wall links to is not a result
		}
	default:
		if r.Outcome == capture.SearchEmpty {
			r.Links = nil // what is recommended where nothing was found is not a result
		}
		if p.match.Kind == KindListing && r.Outcome != capture.NotHTML && r.Outcome != capture.Removed && r.Outcome != capture.RemovedSoft {
			r.Listing = p.item
		}
	}
	r.Problems = p.item.Problems
	if r.Language == "" && r.Listing != nil {
		r.Language = p.match.Site.Language
	}
	if !p.Rendered {
		r.NeedsChrome = p.whyChrome()
	}
}

// whyChrome lists what a browser could add.
func (p *page) whyChrome() []string {
	var why []string
	switch p.r.Outcome {
	case capture.Shell:
		why = append(why, "the page is empty without a browser")
	case capture.Challenge:
		why = append(why, "the site asks for a browser check")
	case capture.ConsentWall:
		why = append(why, "a consent dialog hides the page")
	case capture.Captured, capture.Partial:
		if p.match.Kind != KindListing {
			break
		}
		for _, f := range p.missing() {
			why = append(why, fmt.Sprintf("the %s was not found", joined([]listing.FieldName{f})))
		}
	}
	return why
}
