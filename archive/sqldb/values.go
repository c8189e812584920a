package sqldb

import (
	"strings"
	"time"
)

// Micros is how an instant is stored: unix microseconds; 0 for the zero time.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Instant reads what Micros wrote, in UTC.
func Instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// Text makes any string one that both databases store and give back alike:
// NUL and bytes that are not UTF-8 become U+FFFD. Nothing is cut.
func Text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
