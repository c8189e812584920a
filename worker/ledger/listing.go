package ledger

import (
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// ListingState is what is known of a listing's life.
type ListingState string

// The states.
const (
	Unseen      ListingState = "unseen" // never seen: every look was refused
	Active      ListingState = "active"
	Sold        ListingState = "sold"
	Unavailable ListingState = "unavailable" // there, but it cannot be bought now
	// Missing: the site said once that it is not there. A wall can look like
	// that, so it is not called removed before a second look.
	Missing ListingState = "missing"
	// Removed: the site said so twice, at least 24 h apart, with no look
	// between that saw it.
	Removed ListingState = "removed"
)

// Listing is one item at one site over time, as last seen.
type Listing struct {
	ID        capture.ID `json:"id"`
	Site      string     `json:"site"`
	ItemID    string     `json:"item_id"`
	Canonical string     `json:"canonical"`
	URL       string     `json:"url"`
	Title     string     `json:"title"`
	Amount    string     `json:"amount"`
	Currency  string     `json:"currency"`
	Seller    string     `json:"seller"`
	SellerID  string     `json:"seller_id"`

	State      ListingState `json:"state"`
	StateSince time.Time    `json:"state_since"`
	FirstSeen  time.Time    `json:"first_seen"`
	LastSeen   time.Time    `json:"last_seen"` // when it was last there
	LastLooked time.Time    `json:"last_looked"`
	Looks      int          `json:"looks"`
}

// Previous is the newest capture that shows a listing's page.
type Previous struct {
	Listing      capture.ID
	Capture      capture.ID
	Manifest     capture.Digest
	At           time.Time
	ETag         string
	LastModified string
	Fingerprint  string
}

// confirmRemoval is how far apart the two looks must be.
const confirmRemoval = 24 * time.Hour

// next gives the state after a look at the listing at the instant at.
func (l Listing) next(o capture.Outcome, at time.Time) ListingState {
	switch o {
	case capture.Captured, capture.Partial:
		return Active
	case capture.NotModified:
		if l.State == Sold || l.State == Unavailable {
			return l.State // the page that said so has not changed
		}
		return Active
	case capture.Sold:
		return Sold
	case capture.Unavailable:
		return Unavailable
	case capture.Removed, capture.RemovedSoft:
		switch {
		case l.State == Removed, l.State == Missing && at.Sub(l.StateSince) >= confirmRemoval:
			return Removed
		}
		return Missing
	}
	return l.State // refused or failed: nothing was learned
}

// shows reports whether a capture with this outcome shows the listing.
func shows(o capture.Outcome) bool {
	switch o {
	case capture.Captured, capture.Partial, capture.Sold, capture.Unavailable:
		return true
	}
	return false
}
