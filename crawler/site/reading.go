package site

import (
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/listing"
)

// Reading is what a page was found to say.
type Reading struct {
	Match Match
	// Outcome is one of archive/capture's.
	Outcome capture.Outcome
	// Evidence names what the outcome was read from, a sentence each.
	Evidence []string
	// NeedsChrome lists why a browser would see more; empty when it would not.
	// It is only filled for pages that did not come from a browser.
	NeedsChrome []string
	// Listing is set when one item was read; nil otherwise.
	Listing  *listing.Listing
	Links    []Link
	Encoding string // the charset that the body was read in, "utf-8"
	Language string // BCP 47, as declared or detected; "" unknown
	// Problems are what went wrong on the way: broken JSON, a body that was
	// still compressed, a page cut at a limit.
	Problems []string
}
