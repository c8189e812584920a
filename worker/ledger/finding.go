package ledger

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// FindingState is where a finding is in the analysts' work.
type FindingState string

// The states. Any may follow any: a decision can be taken back, and the history
// keeps both.
const (
	New       FindingState = "new"
	InReview  FindingState = "in_review"
	Confirmed FindingState = "confirmed"
	Dismissed FindingState = "dismissed"
	Escalated FindingState = "escalated" // a second pair of eyes is asked for
	Resolved  FindingState = "resolved"  // confirmed, and gone from the site
)

// Valid reports whether s is one of the states.
func (s FindingState) Valid() bool {
	switch s {
	case New, InReview, Confirmed, Dismissed, Escalated, Resolved:
		return true
	}
	return false
}

// Finding is a suspicious listing in the queue of one watch.
type Finding struct {
	ID       capture.ID      `json:"id"`
	Watch    capture.ID      `json:"watch,omitzero"`
	Capture  capture.ID      `json:"capture"` // the one scored last
	Manifest capture.Digest  `json:"manifest"`
	Score    float64         `json:"score"` // 0 to 1, millionths
	Reasons  json.RawMessage `json:"reasons,omitempty"`
	Scorer   string          `json:"scorer"`

	State     FindingState `json:"state"`
	Label     string       `json:"label,omitempty"` // the label of the decision
	Note      string       `json:"note,omitempty"`
	DecidedBy string       `json:"decided_by,omitempty"`
	DecidedAt time.Time    `json:"decided_at,omitzero"`
	Created   time.Time    `json:"created"`
	// ScoredAt later than DecidedAt: it was scored again since the decision,
	// which stands until somebody takes another.
	ScoredAt time.Time `json:"scored_at"`
	// Version rises with every decision; Decide wants the one that was seen.
	Version int64 `json:"version"`

	Listing Listing `json:"listing"`
}

// Decision is what a person says of a finding.
type Decision struct {
	State FindingState
	Label string // from the closed set the console owns, up to 100 bytes
	Note  string // up to 4,000 bytes
	By    string
	// Version of the finding that the person saw.
	Version int64
}

// Decided is one entry of a finding's history.
type Decided struct {
	Version int64        `json:"version"`
	At      time.Time    `json:"at"`
	By      string       `json:"by"`
	From    FindingState `json:"from"`
	To      FindingState `json:"to"`
	Label   string       `json:"label,omitempty"`
	Note    string       `json:"note,omitempty"`
	Score   float64      `json:"score"`   // as it was then
	Capture capture.ID   `json:"capture"` // what was looked at
}

// FindingFilter selects findings. The zero filter is all of them, the highest
// score first.
type FindingFilter struct {
	States   []FindingState
	Watch    capture.ID
	Site     string
	MinScore float64
	// Newest orders by time of finding rather than by score.
	Newest bool
	Limit  int    // default 50, at most 500
	Cursor string // Next of the page before
}

// FindingPage is one page; Next is "" on the last.
type FindingPage struct {
	Findings []Finding
	Next     string
}

func (d Decision) validate() error {
	switch {
	case !d.State.Valid():
		return fmt.Errorf("%w: a finding's state is %q", ErrInvalid, d.State)
	case d.By == "":
		return fmt.Errorf("%w: a decision needs the one who decides", ErrInvalid)
	case len(d.Label) > 100 || len(d.Note) > 4000:
		return fmt.Errorf("%w: a label has up to 100 bytes and a note up to 4,000", ErrInvalid)
	}
	return nil
}
