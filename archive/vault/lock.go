package vault

import (
	"fmt"
	"time"
)

// LockTime is the form in which the end of a lock is kept: UTC, whole seconds,
// rounded up, because a lock that ends before the instant asked for would be
// shorter than asked. Zero stays zero.
func LockTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	t = t.UTC()
	if s := t.Truncate(time.Second); !s.Equal(t) {
		return s.Add(time.Second)
	}
	return t
}

// Locked reports whether the object may not be deleted at that time.
func (i Info) Locked(at time.Time) bool { return i.Hold || at.Before(i.RetainUntil) }

// CheckExtend says whether a lock like i's may become (mode, until), and gives
// the mode it gets: mode "" keeps the one there is, Governance when there is
// none. Both implementations ask here, so that they refuse the same:
// an earlier end is ErrShorter, Compliance never becomes Governance
// (ErrLocked). done reports that the lock is as asked already.
func CheckExtend(i Info, mode Mode, until, now time.Time) (m Mode, done bool, err error) {
	until = LockTime(until)
	if mode == "" {
		mode = i.Mode
	}
	switch mode {
	case "":
		mode = Governance
	case Governance, Compliance:
	default:
		return "", false, fmt.Errorf("extend %q: %q is no retention mode, want %s or %s", i.Key, mode, Governance, Compliance)
	}
	switch {
	case until.Before(i.RetainUntil):
		return "", false, fmt.Errorf("extend %q to %s: %w: it lasts until %s", i.Key, stamp(until), ErrShorter, stamp(i.RetainUntil))
	case i.Mode == Compliance && mode == Governance && now.Before(i.RetainUntil):
		return "", false, fmt.Errorf("extend %q: %w: COMPLIANCE is never turned into GOVERNANCE", i.Key, ErrLocked)
	case until.Equal(i.RetainUntil) && mode == i.Mode:
		return mode, true, nil
	case !now.Before(until):
		return "", false, fmt.Errorf("extend %q to %s: that is not in the future", i.Key, stamp(until))
	}
	return mode, false, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
