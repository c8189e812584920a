package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Jitter is how much later than its schedule says a watch may fire: a duration
// ("5m") or a share of the time until the next one ("10%"). However long, a fire
// comes in the first half of that time. Empty is DefaultJitter, "0s" is none.
type Jitter string

// DefaultJitter keeps watches of one hour from asking all sites at once.
const DefaultJitter Jitter = "5m"

// The most that may be asked for: the half in which a fire comes anyway, and a day.
const (
	maxJitterShare = 50
	maxJitter      = 24 * time.Hour
)

// parse gives one of both: a duration, or a share in percent.
func (j Jitter) parse() (d time.Duration, share float64, err error) {
	text := strings.TrimSpace(string(j))
	if text == "" {
		text = string(DefaultJitter)
	}
	if n, ok := strings.CutSuffix(text, "%"); ok {
		share, err = strconv.ParseFloat(strings.TrimSpace(n), 64)
	} else {
		d, err = time.ParseDuration(text)
	}
	if err != nil || len(text) > 32 || d < 0 || d > maxJitter || !(share >= 0 && share <= maxJitterShare) {
		return 0, 0, fmt.Errorf("%w: jitter is %q, want how much later a run may begin: a time such as 5m (24h at most), "+
			"a share of the time between runs such as 10%% (50%% at most), or 0", ErrInvalid, text[:min(len(text), 40)])
	}
	return d, share, nil
}

// width is how long after a scheduled time a watch may fire, when the next one
// is gap later; gap 0: there is none.
func (j Jitter) width(gap time.Duration) (time.Duration, error) {
	d, share, err := j.parse()
	if err != nil {
		return 0, err
	}
	if share > 0 {
		return time.Duration(float64(gap) * share / 100), nil
	}
	if gap > 0 {
		d = min(d, gap/2)
	}
	return d, nil
}

// moment is when a watch fires for a scheduled time: at that second or a later
// one within its jitter, and always before the next scheduled time. It depends
// on the watch and the time alone, so that every dispatcher has the same.
func (w Watch) moment(scheduled time.Time) (time.Time, error) {
	var gap time.Duration
	if next, err := w.Schedule.Next(scheduled); err == nil { // else it is the last one
		gap = next.Sub(scheduled)
	}
	width, err := w.Jitter.width(gap)
	if err != nil || width < time.Second {
		return scheduled, err
	}
	return scheduled.Add(time.Duration(draw(w.ID, scheduled)%uint64(width/time.Second)) * time.Second), nil
}

// draw is a number that looks random and is the same for the same watch and time.
func draw(watch capture.ID, at time.Time) uint64 {
	b := binary.BigEndian.AppendUint64(watch[:], uint64(at.Unix()))
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:8])
}

// first gives the first scheduled time after t, and its moment; zero when the
// watch fires on demand only.
func (w Watch) first(t time.Time) (scheduled, moment time.Time, err error) {
	if scheduled, err = w.Schedule.Next(t); err != nil || scheduled.IsZero() {
		return time.Time{}, time.Time{}, err
	}
	moment, err = w.moment(scheduled)
	return scheduled, moment, err
}

// after gives the first scheduled time after another whose moment is still to
// come: many that were missed become one, and one that has come by the clock but
// not by its jitter is not among them.
func (w Watch) after(scheduled, now time.Time) (s, moment time.Time, err error) {
	s, moment, err = w.first(scheduled)
	if err != nil || s.IsZero() || moment.After(now) {
		return s, moment, err
	}
	// Most of those that were missed are too long ago to have their moment now.
	coming, _, err := w.first(now)
	if err != nil {
		return s, moment, err
	}
	var gap time.Duration
	if next, err := w.Schedule.Next(coming); err == nil {
		gap = next.Sub(coming)
	}
	width, err := w.Jitter.width(gap)
	if from := now.Add(-width); err == nil && s.Before(from) {
		s, moment, err = w.first(from)
	}
	for err == nil && !moment.After(now) {
		s, moment, err = w.first(s)
	}
	return s, moment, err
}

// scheduled is what the schedule says of the watch's next fire. A dispatcher of
// an earlier version knows no jitter and leaves what it was of the fire before.
func (w Watch) scheduled() time.Time {
	if m, err := w.moment(w.NextScheduled); !w.NextScheduled.IsZero() && err == nil && m.Equal(w.NextFire) {
		return w.NextScheduled
	}
	return w.NextFire
}
