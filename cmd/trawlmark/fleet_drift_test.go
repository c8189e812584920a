package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// drift is how much something changed from the first third of a time to the
// last, as a part of what it was: 0.05 is 5 % more. The truth lies between low
// and high with 95 % confidence, as far as the windows are independent.
type drift struct {
	first, last          float64 // medians
	change, low, high    float64
	nFirst, nLast, nLeft int // windows; nLeft are those between, and those with nothing
}

// fewest windows in a third that say anything.
const fewestWindows = 8

// driftOf compares the first third of a series with the last; NaN is a window in
// which nothing was measured. ok is false when there is too little of it.
func driftOf(series []float64) (d drift, ok bool) {
	n := len(series) / 3
	there := func(s []float64) []float64 {
		return slices.DeleteFunc(slices.Clone(s), math.IsNaN)
	}
	first, last := there(series[:n]), there(series[len(series)-n:])
	d.nFirst, d.nLast, d.nLeft = len(first), len(last), len(series)-len(first)-len(last)
	if len(first) < fewestWindows || len(last) < fewestWindows {
		return d, false
	}
	d.first, d.last = median(first), median(last)
	d.change = d.last/d.first - 1
	r := rand.New(rand.NewPCG(1, 2)) // one series has one answer
	again := func(s []float64) float64 {
		out := make([]float64, len(s))
		for i := range out {
			out[i] = s[r.IntN(len(s))]
		}
		return median(out)
	}
	changes := make([]float64, 1000)
	for i := range changes {
		changes[i] = again(last)/again(first) - 1
	}
	slices.Sort(changes)
	d.low, d.high = changes[len(changes)/40], changes[len(changes)-len(changes)/40-1]
	return d, true
}

// beyond reports whether something surely drifted up by more than a part;
// unsure, that it may have.
func (d drift) beyond(most float64) bool { return d.low > most }
func (d drift) unsure(most float64) bool { return !d.beyond(most) && d.high > most }

func (d drift) String() string {
	return fmt.Sprintf("%+.1f %% (%+.1f to %+.1f)", 100*d.change, 100*d.low, 100*d.high)
}

// median of what must not be empty; the order of s changes.
func median(s []float64) float64 {
	slices.Sort(s)
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// growth is how much the line through a series rises from its begin to its end,
// as a part of the middle. The line has the median of the slopes between all
// pairs of samples (Theil and Sen): a garbage collector's peaks do not bend it.
func growth(series []float64) float64 {
	const most = 400 // of samples: their pairs are looked at
	step := max(1, (len(series)+most-1)/most)
	var thin []float64
	for i := 0; i < len(series); i += step {
		thin = append(thin, series[i])
	}
	var slopes []float64
	for i := range thin {
		for j := i + 1; j < len(thin); j++ {
			slopes = append(slopes, (thin[j]-thin[i])/float64(j-i))
		}
	}
	if len(slopes) == 0 {
		return 0
	}
	return median(slopes) * float64(len(thin)-1) / median(thin)
}

// What judges a soak finds a drift that is there, and none that is not.
func TestDriftAndGrowth(t *testing.T) {
	const n = 150 // windows, as in 25 minutes
	noisy := func(seed uint64, noise float64, level func(at float64) float64) (s []float64) {
		r := rand.New(rand.NewPCG(seed, 9))
		for i := range n {
			s = append(s, level(float64(i)/(n-1))*(1+noise*r.NormFloat64()))
		}
		return s
	}
	flat := func(float64) float64 { return 40 }
	rising := func(by float64) func(float64) float64 {
		return func(at float64) float64 { return 40 * (1 + by*at) }
	}
	for seed := range uint64(10) {
		if d, ok := driftOf(noisy(seed, 0.1, flat)); !ok || d.beyond(0.05) {
			t.Errorf("seed %d: nothing drifts and it says %s, %v", seed, d, ok)
		}
		// A third of the rise is lost: from middle to middle of the outer thirds.
		if d, ok := driftOf(noisy(seed, 0.1, rising(0.3))); !ok || !d.beyond(0.05) {
			t.Errorf("seed %d: 20 %% more from third to third and it says %s, %v", seed, d, ok)
		}
		if g := growth(noisy(seed, 0.03, flat)); math.Abs(g) > 0.03 {
			t.Errorf("seed %d: nothing grows and it says %.1f %%", seed, 100*g)
		}
		if g := growth(noisy(seed, 0.03, rising(0.1))); g < 0.07 || g > 0.13 {
			t.Errorf("seed %d: it grows by 10 %% and it says %.1f %%", seed, 100*g)
		}
	}
	// Two peaks of a garbage collector are no growth; a step is.
	peaks := noisy(1, 0, flat)
	peaks[n-1], peaks[n-2] = 80, 90
	if g := growth(peaks); g != 0 {
		t.Errorf("two peaks at the end are %.1f %%", 100*g)
	}
	if g := growth(noisy(1, 0, func(at float64) float64 { return 40 + 8*math.Round(at) })); g < 0.05 {
		t.Errorf("a step of 20 %% is %.1f %%", 100*g)
	}
	holes := noisy(1, 0, flat)
	for i := range holes {
		if i%2 == 0 {
			holes[i] = math.NaN()
		}
	}
	if d, ok := driftOf(holes); !ok || d.change != 0 || d.nFirst != n/6 {
		t.Errorf("every other window is empty: %+v, %v", d, ok)
	}
	if _, ok := driftOf(holes[:20]); ok {
		t.Error("three windows in a third are enough")
	}
	if g := growth(nil); g != 0 {
		t.Error(g)
	}
	many := make([]float64, 20_000)
	for i := range many {
		many[i] = 100 + float64(i)/200
	}
	if g := growth(many); math.Abs(g-100.0/150) > 0.01 {
		t.Errorf("a long series grows by %.3f", g)
	}
}
