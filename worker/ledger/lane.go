package ledger

import (
	"strings"
	"time"
)

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

// openedBy begins the reason of a lane whose penalty was lifted.
const openedBy = "opened by "

// liftedFor is how long after a lift the limiter is told of it: a dispatcher
// that syncs every few seconds hears it many times.
const liftedFor = time.Minute

// Lifted reports whether a person has just lifted the lane's penalty, and no
// site has closed it since.
func (l Lane) Lifted(now time.Time) bool {
	return l.ClosedUntil.IsZero() && strings.HasPrefix(l.Reason, openedBy) && now.Sub(l.Updated) < liftedFor
}
