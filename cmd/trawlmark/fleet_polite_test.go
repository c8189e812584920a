package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// Politeness as the target's own access log shows it: eight worker processes
// on several lanes, while workers come and go and the limiter forgets.
func TestFleetIsPoliteByTheTargetsOwnLog(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: a fleet of ten processes takes a minute")
	}
	lanes := []lanePlan{
		{"slow", time.Second}, {"steady", 500 * time.Millisecond}, {"brisk", 300 * time.Millisecond}, {"quick", 200 * time.Millisecond},
	}
	f := newFleet(t, fleetOptions{lanes: lanes, market: markettest.Config{Throttles: 1, RetryAfter: 4 * time.Second}})
	const steady = 15 * time.Second
	for _, l := range lanes {
		f.add(f.visits(l, int(90*time.Second/l.delay))...)
	}
	f.dispatcher("d1")
	f.dispatcher("d2")
	for i := range 8 {
		f.worker(fmt.Sprintf("w%d", i+1), "http")
	}
	began := f.firstRequests(lanes, 5)
	time.Sleep(steady) // the measure itself: the rate over this time
	f.checkRates(lanes, began, began.Add(steady))

	t.Log("workers come and go")
	for i := range 3 {
		f.kill(fmt.Sprintf("w%d", i+1))
		f.worker(fmt.Sprintf("w%d", i+1), "http")
		f.progress(lanes, 4)
	}
	t.Log("the limiter forgets everything")
	f.must(f.rdb.FlushAll(t.Context()).Err())
	f.progress(lanes, 6)
	f.checkGaps(lanes)
	f.checkRetryAfter(lanes[3])
	f.checkGaps(lanes)
	f.terminate(90 * time.Second)
	f.checkSlots()
}

// mostWaiting is the share of slot time that may be spent waiting for a lane,
// in percent. The aim is 1 and 3.8 were measured: this short run has each of its
// eleven processes ask every lane for robots.txt and wait a delay after it, and
// four lanes for 64 slots. A busy machine makes tickets late and so waits
// longer; before the dispatcher spaced its tickets it was 25.
const mostWaiting = 15

// checkSlots: of the workers' slot time little was spent waiting for a lane;
// they say so when they have drained.
func (f *testFleet) checkSlots() {
	f.t.Helper()
	var slots, waited time.Duration
	for name, p := range f.procs {
		i := strings.LastIndex(p.out.String(), `msg="worker drained"`)
		if i < 0 {
			continue
		}
		line, _, _ := strings.Cut(p.out.String()[i:], "\n")
		for key, sum := range map[string]*time.Duration{"slot_time=": &slots, "waited_for_lanes=": &waited} {
			_, v, _ := strings.Cut(line, key)
			v, _, _ = strings.Cut(v, " ")
			d, err := time.ParseDuration(v)
			if err != nil {
				f.t.Fatalf("%s: %q: %v", name, line, err)
			}
			*sum += d
		}
	}
	f.t.Logf("slots waited for lanes %s of %s: %.2f %%", waited.Round(time.Millisecond), slots.Round(time.Second), 100*waited.Seconds()/slots.Seconds())
	if slots == 0 || waited*100 > slots*mostWaiting {
		f.t.Errorf("more than %d %% of %s slot time was spent waiting for lanes: %s", mostWaiting, slots, waited)
	}
}

// pages are the requests for pages of a lane, in order.
func (f *testFleet) pages(l lanePlan) []markettest.Access {
	return f.market.Where(markettest.ForHost(l.host()), markettest.PagesOnly)
}

// firstRequests waits until each lane was asked n times, and gives when the
// last one was.
func (f *testFleet) firstRequests(lanes []lanePlan, n int) time.Time {
	f.t.Helper()
	for _, l := range lanes {
		waitFor(f.t, time.Minute, fmt.Sprintf("%d requests on %s", n, l.name), func() (bool, string) {
			f.alive()
			return len(f.pages(l)) >= n, fmt.Sprint(f.states())
		})
	}
	return time.Now()
}

// progress waits until each lane was asked n more times.
func (f *testFleet) progress(lanes []lanePlan, n int) {
	f.t.Helper()
	for _, l := range lanes {
		have := len(f.pages(l))
		waitFor(f.t, time.Minute, fmt.Sprintf("%d more requests on %s", n, l.name), func() (bool, string) {
			return len(f.pages(l)) >= have+n, fmt.Sprint(f.states())
		})
	}
}

func (f *testFleet) checkGaps(lanes []lanePlan) {
	f.t.Helper()
	for _, l := range lanes {
		gaps := markettest.Gaps(f.pages(l))
		under := 0
		for _, g := range gaps {
			if g < l.delay {
				under++
			}
		}
		f.t.Logf("lane %-7s delay %6s: %3d gaps, smallest %s", l.name, l.delay, len(gaps), slices.Min(gaps))
		if under > 0 {
			f.t.Errorf("lane %s: %d of %d gaps are below %s, the smallest is %s", l.name, under, len(gaps), l.delay, slices.Min(gaps))
		}
	}
}

// checkRates: of what the lanes allow at least 95 % is used.
func (f *testFleet) checkRates(lanes []lanePlan, from, to time.Time) {
	f.t.Helper()
	for _, l := range lanes {
		var in []markettest.Access
		for _, a := range f.pages(l) {
			if a.Time.After(from) && a.Time.Before(to) {
				in = append(in, a)
			}
		}
		if len(in) < 2 {
			f.t.Errorf("lane %s: only %d requests", l.name, len(in))
			continue
		}
		// From one request to another a whole number of delays fits.
		span := in[len(in)-1].Time.Sub(in[0].Time)
		used := float64(len(in)-1) * float64(l.delay) / float64(span)
		idle := to.Sub(in[len(in)-1].Time)
		f.t.Logf("lane %-7s delay %6s: %.1f %% of the allowed rate", l.name, l.delay, 100*used)
		if used < 0.95 || idle > 3*l.delay {
			f.t.Errorf("lane %s used %.1f %% of the allowed rate in %s, the last request %s before the end", l.name, 100*used, span, idle)
		}
	}
}

// checkRetryAfter: a 429 stops the whole fleet, and a Redis that forgets does
// not start it again.
func (f *testFleet) checkRetryAfter(l lanePlan) {
	f.t.Helper()
	j := f.visit(l, f.market.WithFault(markettest.FaultThrottled)[0].Path)
	j.Priority = 100
	id := f.add(j)[0]
	var told markettest.Access
	waitFor(f.t, 30*time.Second, "a 429", func() (bool, string) {
		got := f.market.Where(markettest.ForHost(l.host()), markettest.ForStatus(429), markettest.Finished)
		if len(got) == 0 {
			return false, fmt.Sprint(f.states())
		}
		told = got[0]
		return true, ""
	})
	time.Sleep(time.Until(told.Time.Add(time.Second)))
	f.must(f.rdb.FlushAll(f.t.Context()).Err())
	until := told.Time.Add(f.retryAfter())
	f.progress([]lanePlan{l}, 2)
	for _, a := range f.pages(l) {
		if after := a.Time.Sub(told.Time); after > 250*time.Millisecond && a.Time.Before(until) {
			f.t.Errorf("lane %s was asked %s after it said Retry-After %s", l.name, after, f.retryAfter())
		}
	}
	waitFor(f.t, time.Minute, "the refused visit to be made again", func() (bool, string) {
		j, err := f.ledger.Job(f.t.Context(), id)
		f.must(err)
		return j.State == ledger.Done, fmt.Sprintf("%s %s %s", j.State, j.Outcome, j.Error)
	})
}

func (f *testFleet) retryAfter() time.Duration { return 4 * time.Second }
