package ledger

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule says when a watch fires.
type Schedule struct {
	// Cron has five fields (minute, hour, day of month, month, day of week) or
	// is @hourly, @daily, @weekly, @monthly, @every 6h. Empty: on demand only.
	Cron string `json:"cron"`
	// Zone is the IANA time zone the fields are read in. Default UTC.
	Zone string `json:"zone"`
}

// Validate reports what cannot be read.
func (s Schedule) Validate() error {
	_, err := s.Next(time.Unix(0, 0))
	return err
}

// Next gives the first instant after t; the zero time when it never fires by
// itself.
func (s Schedule) Next(t time.Time) (time.Time, error) {
	if s.Cron == "" {
		return time.Time{}, nil
	}
	if strings.Contains(s.Cron, "TZ=") {
		return time.Time{}, fmt.Errorf("%w: cron %q: the time zone goes into zone", ErrInvalid, s.Cron)
	}
	zone, err := time.LoadLocation(s.Zone)
	if err != nil || s.Zone == "Local" {
		return time.Time{}, fmt.Errorf("%w: zone %q is not a time zone's name, want one such as Europe/Berlin", ErrInvalid, s.Zone)
	}
	c, err := cron.ParseStandard(s.Cron)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: cron %q cannot be read: %v", ErrInvalid, s.Cron, err)
	}
	next := c.Next(t.In(zone))
	if next.IsZero() {
		return time.Time{}, fmt.Errorf("%w: cron %q never comes (no such day)", ErrInvalid, s.Cron)
	}
	return next.UTC(), nil
}
