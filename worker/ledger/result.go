package ledger

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Result is how a job was done. Its JSON form reads back to the same Result: a
// worker may keep it on disk beside a capture until the storage takes that.
type Result struct {
	// Outcome of a visit; empty for other kinds.
	Outcome  capture.Outcome `json:"outcome,omitempty"`
	Capture  capture.ID      `json:"capture,omitzero"`  // zero when the job makes none
	Manifest capture.Digest  `json:"manifest,omitzero"` // of the capture's manifest

	// Observation is the listing that the page showed; nil when none.
	Observation *Observation `json:"observation,omitempty"`
	// Suspicious plans a score job for the observation.
	Suspicious bool `json:"suspicious,omitempty"`
	// Follow are the visits that the page's links ask for; those planned in
	// this fire already, and those over the watch's limits, are left out and
	// counted.
	Follow []Work `json:"follow,omitempty"`
	// Refused are the page's links that are not followed, counted by reason.
	Refused Refused `json:"refused,omitempty"`
	// Finding is what a score job found; its listing, watch and capture are
	// the job's.
	Finding *Scored `json:"finding,omitempty"`
	// Note is shown with the job ("package ... of 12 captures").
	Note string `json:"note,omitempty"`
}

// Finished says what Finish did.
type Finished struct {
	// Repeated: this very result was written before; nothing changed.
	Repeated bool
	Listing  capture.ID // of the observation
	New      bool       // the listing was never seen before
	ScoreJob capture.ID
	Planned  int // new jobs, the score job included
	Known    int // links that this fire has already
	Dropped  int // links not followed: Result.Refused, and those over a limit of the watch
	Finding  capture.ID
}

// Observation is a listing as one capture showed it, or did not show it.
type Observation struct {
	Site      string `json:"site"`
	ItemID    string `json:"item_id"`
	Canonical string `json:"canonical"`
	URL       string `json:"url"`

	Listing  capture.ID      `json:"listing"` // set by the ledger, as the next five
	Capture  capture.ID      `json:"capture"`
	Manifest capture.Digest  `json:"manifest"`
	Outcome  capture.Outcome `json:"outcome"`
	Watch    capture.ID      `json:"watch,omitzero"`
	Job      capture.ID      `json:"job,omitzero"`

	At       time.Time `json:"at"`                 // when the visit began; zero: now
	Title    string    `json:"title,omitempty"`    // shortened past 500 characters
	Amount   string    `json:"amount,omitempty"`   // plain decimal, never a float
	Currency string    `json:"currency,omitempty"` // ISO 4217, "" when not seen
	Seller   string    `json:"seller,omitempty"`
	SellerID string    `json:"seller_id,omitempty"`
	// What the next visit can ask "changed since?" with.
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	// Fingerprint is equal when the page says the same thing.
	Fingerprint string `json:"fingerprint,omitempty"`

	Signals json.RawMessage `json:"signals,omitempty"` // triage, up to 1 MiB
	Data    json.RawMessage `json:"data,omitempty"`    // the whole listing, up to 8 MiB
}

// Ref names a listing: by its site and item id or, where the site has no item
// ids, by its site and canonical URL.
type Ref struct{ Site, ItemID, Canonical string }

// Ref of the listing observed.
func (o Observation) Ref() Ref { return Ref{o.Site, o.ItemID, o.Canonical} }

// Scored is what a scorer says of a suspicious observation.
type Scored struct {
	Listing  capture.ID      `json:"listing,omitzero"`
	Watch    capture.ID      `json:"watch,omitzero"`
	Capture  capture.ID      `json:"capture,omitzero"` // zero: the listing's newest
	Manifest capture.Digest  `json:"manifest,omitzero"`
	Score    float64         `json:"score"`             // 0 to 1
	Reasons  json.RawMessage `json:"reasons,omitempty"` // JSON, up to 1 MiB
	Scorer   string          `json:"scorer"`            // name and version
}

// Validate reports the first field that makes no sense.
func (r Result) Validate() error {
	if r.Outcome != "" && !r.Outcome.Valid() {
		return fmt.Errorf("%w: %q is not an outcome", ErrInvalid, r.Outcome)
	}
	if r.Suspicious && r.Observation == nil {
		return fmt.Errorf("%w: a suspicious result needs an observation", ErrInvalid)
	}
	if o := r.Observation; o != nil {
		if err := o.validate(); err != nil {
			return err
		}
		if r.Capture.IsZero() {
			return fmt.Errorf("%w: an observation needs a capture", ErrInvalid)
		}
	}
	for _, w := range r.Follow {
		if err := w.Validate(); err != nil {
			return err
		}
	}
	if r.Finding != nil {
		return r.Finding.validate()
	}
	return nil
}

func (o Observation) validate() error {
	switch {
	case o.Site == "" || len(o.Site) > 100:
		return fmt.Errorf("%w: an observation's site must have 1 to 100 bytes", ErrInvalid)
	case o.ItemID == "" && o.Canonical == "":
		return fmt.Errorf("%w: an observation needs an item id or a canonical url", ErrInvalid)
	case len(o.Signals) > maxSignals || len(o.Signals) > 0 && !json.Valid(o.Signals):
		return fmt.Errorf("%w: signals must be JSON of at most 1 MiB", ErrInvalid)
	case len(o.Data) > maxData || len(o.Data) > 0 && !json.Valid(o.Data):
		return fmt.Errorf("%w: an observation's data must be JSON of at most 8 MiB", ErrInvalid)
	}
	return nil
}

func (s Scored) validate() error {
	if !(s.Score >= 0 && s.Score <= 1) { // NaN fails too
		return fmt.Errorf("%w: a score is %v, want 0 to 1", ErrInvalid, s.Score)
	}
	if len(s.Reasons) > maxSignals || len(s.Reasons) > 0 && !json.Valid(s.Reasons) {
		return fmt.Errorf("%w: reasons must be JSON of at most 1 MiB", ErrInvalid)
	}
	return nil
}
