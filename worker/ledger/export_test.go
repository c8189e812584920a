package ledger

import "time"

// Reclaim is what Reconcile does with one job that it found late.
var Reclaim = (*Ledger).reclaim

// AfterFire is what comes after a scheduled time.
func AfterFire(w Watch, scheduled, now time.Time) (time.Time, time.Time, error) {
	return w.after(scheduled, now)
}
