package triage

import (
	"fmt"
	"slices"
)

// Caps on what one family may say alone (DOMAIN: combination).
const (
	capWords       = 45
	capPriceNew    = 35
	capPriceUsed   = 10
	capSeller      = 30
	capDescription = 10
)

// combine makes points and a level of the signals.
func (r *reading) combine(t Thresholds) {
	// The country only adds to what another signal says.
	if i := slices.IndexFunc(r.a.Signals, func(s Signal) bool { return s.Name == "ships_from" }); i >= 0 && !r.otherThan(i) {
		r.a.Signals[i].Points = 0
		r.a.Signals[i].Sentence += " By itself that counts for nothing."
	}
	sum, families := 0.0, map[Family]bool{}
	for _, s := range r.a.Signals {
		sum += s.Points
		if s.Points > 0 {
			families[s.Family] = true
		}
	}
	points := min(max(sum, 0), 100)
	limit := func(most float64, format string, args ...any) {
		if points > most {
			r.a.Caps = append(r.a.Caps, fmt.Sprintf(format, args...)+fmt.Sprintf(": at most %g points, not %g", most, points))
			points = most
		}
	}
	if r.gate.weak() {
		limit(capDescription, "only the description names the brand")
	}
	if r.gate.photoOnly() {
		limit(t.Suspicious-1, "only a photo ties the listing to the brand")
	}
	if len(families) == 1 {
		switch {
		case families[Words]:
			limit(capWords, "words alone speak against it")
		case families[Price] && r.used:
			limit(capPriceUsed, "only the price of a used thing speaks against it")
		case families[Price]:
			limit(capPriceNew, "the price alone speaks against it")
		case families[Seller]:
			limit(capSeller, "the seller alone speaks against it")
		}
		limit(t.Suspicious-1, "one family of signals is not enough to be suspicious")
	}
	r.a.Points = round1(points)
	switch {
	case r.a.Points >= t.Suspicious:
		r.a.Level = Suspicious
	case r.a.Points >= t.Review:
		r.a.Level = Review
	default:
		r.a.Level = Clear
	}
}

// otherThan reports whether another signal than i has points.
func (r *reading) otherThan(i int) bool {
	for j, s := range r.a.Signals {
		if j != i && s.Points > 0 {
			return true
		}
	}
	return false
}
