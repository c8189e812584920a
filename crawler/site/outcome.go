package site

import (
	"fmt"
	"strings"

	"golang.org/x/net/html"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/listing"
)

// page is what a reading works on.
type page struct {
	Page
	set   *Set
	asked *Match
	match *Match
	doc   *listing.Document
	item  *listing.Listing // candidate reading of the page as a listing
	links []Link
	boxes []*html.Node // see shelf; nil not looked for yet
	// around is what boxPrice found of elements.
	around  map[*html.Node]box
	matches map[string]*Match // see matchOf
	shown   int               // one more than the bytes of visible text; 0 not counted yet
	r       *Reading
}

// hasProduct reports whether a product is on the page: what forbids calling it
// blocked.
func (p *page) hasProduct() bool {
	if len(p.listingLinks()) >= 3 {
		return true
	}
	solid := func(f listing.FieldName) bool {
		c, ok := p.item.Fields[f]
		return ok && c.Source != "opengraph" && c.Source != "dom" && c.Source != "url" && c.Source != "site"
	}
	return solid(listing.Title) && (solid(listing.Price) || solid(listing.Availability) || solid(listing.Description) || solid(listing.SellerName))
}

func (p *page) listingLinks() []Link {
	var out []Link
	for _, l := range p.links {
		if l.Kind == KindListing {
			out = append(out, l)
		}
	}
	return out
}

func (p *page) is(o capture.Outcome, why string) {
	p.r.Outcome = o
	p.r.Evidence = append(p.r.Evidence, why)
}

// classify sets the outcome. The order matters: a page that refuses us says
// nothing of the listing, so refusals come first, and they need a page without
// a product.
func (p *page) classify() {
	status := p.Status
	if status == 0 {
		status = statusOK
	}
	switch {
	case status == statusNotModified:
		p.is(capture.NotModified, "the server answered 304")
	case len(strings.TrimSpace(string(p.Body[:min(len(p.Body), 4096)]))) == 0:
		p.classifyEmpty(status)
	case p.doc.Binary():
		p.is(capture.NotHTML, "the body is not text in any encoding known here")
	case p.refused(status):
	case status < 500 && p.failed():
	case status == statusNotFound || status == statusGone:
		p.classifyGone(status)
	case status >= 400:
		p.is(capture.HTTPError, fmt.Sprintf("the server answered %d", status))
	default:
		p.classifySeen()
	}
}

func (p *page) classifyEmpty(status int) {
	switch {
	case status == statusTooManyRequests:
		p.is(capture.Throttled, "the server answered 429 without a body")
	case status == statusNotFound || status == statusGone:
		p.is(capture.Removed, fmt.Sprintf("the server answered %d without a body", status))
	case status >= 400:
		p.is(capture.HTTPError, fmt.Sprintf("the server answered %d without a body", status))
	default:
		p.is(capture.Empty, "the body is empty")
	}
}

func (p *page) classifyGone(status int) {
	if p.asked.Kind == KindSearch {
		if why, ok := p.marks(p.match.Site.Markers.Empty, p.set.generic.Markers.Empty, "no results"); ok {
			p.is(capture.SearchEmpty, why)
			return
		}
	}
	p.is(capture.Removed, fmt.Sprintf("the server answered %d, and the page is no challenge", status))
}
