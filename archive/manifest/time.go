package manifest

import (
	"fmt"
	"time"
)

const timeLayout = "2006-01-02T15:04:05.000000000Z"

// Time is an instant in UTC, written with nine decimals (RFC 3339, section
// 5.6): one instant, one text.
type Time struct{ time.Time }

// At makes a Time; the monotonic reading and the zone are dropped.
func At(t time.Time) Time { return Time{t.Round(0).UTC()} }

// String gives the text, 30 characters.
func (t Time) String() string { return t.UTC().Format(timeLayout) }

// MarshalText makes a Time a JSON string.
func (t Time) MarshalText() ([]byte, error) {
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return nil, fmt.Errorf("the year %d cannot be written as RFC 3339", y)
	}
	return []byte(t.String()), nil
}

// MarshalJSON hides the one of time.Time, which drops trailing zeros.
func (t Time) MarshalJSON() ([]byte, error) {
	b, err := t.MarshalText()
	if err != nil {
		return nil, err
	}
	return append(append([]byte{'"'}, b...), '"'), nil
}

// UnmarshalText accepts exactly what MarshalText writes.
func (t *Time) UnmarshalText(b []byte) error {
	v, err := time.Parse(timeLayout, string(b))
	if err != nil || v.UTC().Format(timeLayout) != string(b) || v.Year() < 1 {
		return fmt.Errorf("%.40q is not a time: want UTC as 2006-01-02T15:04:05.000000000Z", b)
	}
	t.Time = v.UTC()
	return nil
}

// UnmarshalJSON accepts exactly what MarshalJSON writes.
func (t *Time) UnmarshalJSON(b []byte) error {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return fmt.Errorf("%.40q is not a time: want a string", b)
	}
	return t.UnmarshalText(b[1 : len(b)-1])
}

// optional gives null for a time that was never set.
func optional(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	v := At(t)
	return &v
}
