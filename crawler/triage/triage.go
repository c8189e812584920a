package triage

import (
	"time"

	"github.com/shopspring/decimal"

	"github.com/trawlmark/trawlmark/crawler/listing"
)

// Family groups signals; a listing needs two of them to be suspicious.
type Family string

// The families (DOMAIN: combination).
const (
	Identity  Family = "identity"
	Words     Family = "words"
	Price     Family = "price"
	Image     Family = "image"
	Seller    Family = "seller"
	Logistics Family = "logistics"
	History   Family = "history"
)

// Signal is one computed reason.
type Signal struct {
	Name   string `json:"name"` // "price_ratio", "explicit_words", ...
	Family Family `json:"family"`
	// Points it adds to the score, 0-100; negative for what speaks against.
	Points float64 `json:"points"`
	// Value is what was measured, as text: "0.08", "réplique".
	Value string `json:"value,omitempty"`
	// Sentence says it to a person, in one sentence, with the numbers.
	Sentence string `json:"sentence"`
	// Field and Span say where in the listing: bytes of Fields[Field].Value.
	Field listing.FieldName `json:"field,omitempty"`
	Span  [2]int            `json:"span,omitzero"`
}

// Unknown is a signal that could not be computed, and why. Unknown is not false.
type Unknown struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Level is what follows from an assessment.
type Level string

// The levels.
const (
	Suspicious Level = "suspicious" // into the analysts' queue now
	Review     Level = "review"     // worth a look when there is time
	Clear      Level = "clear"
	Legitimate Level = "legitimate" // an authorised seller: rule 0
)

// Assessment is the signals of one listing for one brand.
type Assessment struct {
	Brand   string    `json:"brand"`
	Version string    `json:"version"` // of the rules and thresholds
	Level   Level     `json:"level"`
	Points  float64   `json:"points"` // clamped to 0-100, caps applied
	Signals []Signal  `json:"signals"`
	Unknown []Unknown `json:"unknown,omitempty"`
	// Caps that were applied, in words.
	Caps []string `json:"caps,omitempty"`
	// Reference is the price the listing was compared with, and the listing's
	// own price in that currency; empty when there is none.
	Reference string `json:"reference,omitempty"` // "2450.00 EUR (Belvoir bag)"
	Converted string `json:"converted,omitempty"` // "196.00 EUR (rate of 2026-03-01)"
	Ratio     string `json:"ratio,omitempty"`     // "0.08"
}

// Look is a listing as an earlier capture showed it.
type Look struct {
	At       time.Time
	Title    string
	Amount   decimal.NullDecimal
	Currency string
	Seller   string
	SellerID string
	Images   []string // URLs
	Gone     bool     // removed, sold or unavailable then
}

// PhotoHash is the two perceptual hashes of one image of the listing.
type PhotoHash struct {
	URL   string
	DHash uint64
	PHash uint64
}

// Subject is all that an assessment looks at.
type Subject struct {
	Listing *listing.Listing
	Photos  []PhotoHash // of the listing's own images, as far as they were seen
	History []Look      // oldest first, without this look
	// Peers are prices that other sellers of the same site ask for the same
	// goods, in the listing's currency (Brand.SameGoods).
	Peers []decimal.Decimal
	// SellerBrands counts other watched brands this seller offers; PriorLabels
	// are how many other listings of this seller a person confirmed as infringing.
	SellerBrands, PriorLabels int
	At                        time.Time
}
