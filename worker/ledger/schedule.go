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
// itself. A schedule with fixed hours fires once for each of them on days when
// clocks are set: at the jump for an hour that does not exist, and the first
// time for one that comes twice. One for every hour goes on by real time.
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
	next := nextIn(c, t, zone)
	if next.IsZero() {
		return time.Time{}, fmt.Errorf("%w: cron %q never comes (no such day)", ErrInvalid, s.Cron)
	}
	return next.UTC(), nil
}

// everyHour is how the cron library marks a field that is a star.
const everyHour = 1 << 63

// nextIn gives the next instant of a schedule by the clocks of a zone.
func nextIn(c cron.Schedule, t time.Time, zone *time.Location) time.Time {
	spec, fixed := c.(*cron.SpecSchedule)
	if !fixed || spec.Hour&everyHour != 0 {
		return c.Next(t.In(zone))
	}
	// By the clock on the wall, which the library is told is UTC: it knows no jumps.
	at := wall(t.In(zone))
	for {
		if at = c.Next(at); at.IsZero() {
			return at
		}
		if next := firstAt(at, zone); next.After(t) {
			return next
		}
	}
}

// wall is what the clock on the wall shows, as a time of UTC.
func wall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// firstAt is when the clock on the wall of a zone shows a time first, or the
// jump over it.
func firstAt(at time.Time, zone *time.Location) time.Time {
	t := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), zone)
	start, end := t.ZoneBounds()
	switch shown := wall(t); {
	case shown.After(at): // the library made it later
		return start
	case shown.Before(at):
		return end
	case start.IsZero():
		return t
	}
	_, now := t.Zone()
	_, before := start.Add(-time.Nanosecond).Zone()
	if earlier := t.Add(time.Duration(now-before) * time.Second); earlier.Before(start) && wall(earlier.In(zone)).Equal(at) {
		return earlier
	}
	return t
}
