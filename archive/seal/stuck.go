package seal

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// askAgain is how long "no authority lasts longer" is believed. To hear it
// once takes reading a list's worth of stamps and a stamp of each authority.
const askAgain = 24 * time.Hour

// stuck is the answer that no authority lasts longer, and what it rests on.
type stuck struct {
	err    error     // nil: that was not the answer
	at     time.Time // when it was given
	until  time.Time // when the first chain ends that could not be renewed
	chains string    // all that stamps rested on: a new one may last longer
}

// chainKeys tells whether the chains are still the same.
func chainKeys(chains []Chain) string {
	var keys []string
	for _, c := range chains {
		keys = append(keys, c.Key)
	}
	return strings.Join(keys, "\n")
}

// nobodyLasts remembers what authorities answered, if it was that: one that
// was down or refused may answer otherwise in an hour.
func (s *Sealer) nobodyLasts(b batch, err error, failed []*FailedError) {
	if !slices.ContainsFunc(failed, func(f *FailedError) bool { return !errors.Is(f.Err, ErrNoLonger) }) {
		s.stuck = stuck{err: err, at: s.cfg.Now(), until: b.until, chains: s.chains}
	}
}

// remembered gives the answer of before while it can be expected to be the
// same: for a day, but not in the last day, and until there is another chain.
// What is weak has no last day.
func (s *Sealer) remembered() error {
	now, k := s.cfg.Now(), s.stuck
	lastDay := k.until.After(k.at) && !now.Before(k.until.Add(-askAgain))
	if k.err == nil || lastDay || now.Sub(k.at) >= askAgain || k.chains != s.chains {
		s.stuck = stuck{}
		return nil
	}
	return k.err
}
