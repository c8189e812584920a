package ledger

import (
	"fmt"
	"time"
)

// Retention is how long the captures of a watch are locked, in seconds from
// their start; 0: as the configuration says. It holds for captures that are made
// and findings that are decided from now on: a lock is extended, never shortened.
type Retention struct {
	// Untriaged is for every capture, Finding for those of a listing that was
	// found suspicious.
	Untriaged int64 `json:"untriaged_seconds,omitempty"`
	Finding   int64 `json:"finding_seconds,omitempty"`
}

// The bounds of a retention, those of the configuration.
const (
	minRetention = time.Minute
	maxRetention = 36500 * 24 * time.Hour
)

// Or fills what the watch leaves to the configuration.
func (r Retention) Or(untriaged, finding time.Duration) (time.Duration, time.Duration) {
	if r.Untriaged > 0 {
		untriaged = time.Duration(r.Untriaged) * time.Second
	}
	if r.Finding > 0 {
		finding = time.Duration(r.Finding) * time.Second
	}
	// Only one of the two was given, and it crosses the other's default.
	return untriaged, max(untriaged, finding)
}

func (r Retention) validate() error {
	for _, f := range []struct {
		name    string
		seconds int64
	}{{"untriaged", r.Untriaged}, {"finding", r.Finding}} {
		if f.seconds != 0 && (f.seconds < int64(minRetention/time.Second) || f.seconds > int64(maxRetention/time.Second)) {
			return fmt.Errorf("%w: the retention of %s captures is %d seconds, want one minute to 100 years, or 0 for that of the configuration",
				ErrInvalid, f.name, f.seconds)
		}
	}
	if r.Untriaged > 0 && r.Finding > 0 && r.Finding < r.Untriaged {
		return fmt.Errorf("%w: the retention of findings must not be shorter than that of untriaged captures", ErrInvalid)
	}
	return nil
}
