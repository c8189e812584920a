package ledger

import "time"

// Lane is what is durably known of a lane: a penalty that a site asked for, or
// a pause that an operator set.
type Lane struct {
	Name        string    `json:"name"`
	ClosedUntil time.Time `json:"closed_until,omitzero"`
	Reason      string    `json:"reason,omitempty"`
	Paused      bool      `json:"paused,omitempty"`
	PausedBy    string    `json:"paused_by,omitempty"`
	Updated     time.Time `json:"updated"`
}

// Open reports whether the lane may be used at the instant now.
func (l Lane) Open(now time.Time) bool { return !l.Paused && !l.ClosedUntil.After(now) }
