package seal

import "time"

// RenewStatus is how renewing goes, as far as this process called Renew.
type RenewStatus struct {
	Looked time.Time // when Renew was called last; zero: never
	// Ends is when the first chain ends that was to be renewed and was not;
	// zero when there is none.
	Ends time.Time
	// Late are the checkpoints whose stamps had ended before anybody renewed
	// them, as the last walk over all of them found.
	Late int
	// Err is why what is due was not renewed, at the last call; nil when
	// nothing is left, or fewer authorities than wanted renewed it.
	Err error
}

// RenewStatus tells how renewing goes: for metrics and alarms.
func (s *Sealer) RenewStatus() RenewStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.renewal
}

// noteRenewing keeps the books of one Renew. What could not be read at all
// says nothing of what ends: that stays as it was known.
func (s *Sealer) noteRenewing(r Renewing, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.renewal
	st.Looked = s.cfg.Now()
	switch {
	case err == nil || len(r.Kept) > 0 || r.Late > 0 && r.Until.IsZero():
		st.Err, st.Ends = nil, time.Time{}
	default:
		st.Err = err
		if !r.Until.IsZero() {
			st.Ends = r.Until
		}
	}
	if r.walked {
		st.Late = r.lateInAll
	}
}
