package main

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
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
		{"slow", time.Second}, {"steady", 700 * time.Millisecond}, {"brisk", 500 * time.Millisecond}, {"quick", 400 * time.Millisecond},
	}
	machine := newStarvation()
	f := newFleet(t, fleetOptions{lanes: lanes, market: markettest.Config{Throttles: refusals, RetryAfter: retryAfter}})
	for _, l := range lanes {
		f.add(f.visits(l, int(5*time.Minute/l.delay))...) // more than can be done
	}
	f.dispatcher("d1")
	f.dispatcher("d2")
	for i := range 8 {
		f.worker(fmt.Sprintf("w%d", i+1), "http")
	}
	f.progress(lanes, 5)
	f.checkRates(lanes)

	t.Log("workers come and go")
	for i := range 3 {
		f.kill(fmt.Sprintf("w%d", i+1))
		f.worker(fmt.Sprintf("w%d", i+1), "http")
		f.progress(lanes, 2)
	}
	t.Log("the limiter forgets everything")
	f.must(f.rdb.FlushAll(t.Context()).Err())
	f.progress(lanes, 4)
	f.checkGaps(lanes, machine)
	f.checkRetryAfter(lanes[3], markettest.FaultThrottled, http.StatusTooManyRequests)
	f.checkRetryAfter(lanes[2], markettest.FaultBusyDate, http.StatusServiceUnavailable)
	f.checkGaps(lanes, machine)
	f.terminate(90 * time.Second)
	f.checkSlots(machine)
}

// mostWaiting is the share of slot time that may be spent waiting for a lane,
// in percent: the aim. A machine on which something waits for a core most of the
// time makes tickets late, and who is late makes the next one wait; 0.6 was
// measured on one that did for 96 % of the time, so more than busyWaiting is a
// fault of the fleet there too.
const (
	mostWaiting = 1
	busyWaiting = 3
)

// checkSlots: of the workers' slot time little was spent waiting for a lane;
// they say so when they have drained.
func (f *testFleet) checkSlots(machine starvation) {
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
	most := time.Duration(mostWaiting)
	if machine.share() > starvedFrom {
		most = busyWaiting
	}
	f.t.Logf("slots waited for lanes %s of %s: %.2f %%; something waited for a core for %.0f %% of the time",
		waited.Round(time.Millisecond), slots.Round(time.Second), 100*waited.Seconds()/slots.Seconds(), 100*machine.share())
	if slots == 0 || waited*100 > slots*most {
		f.t.Errorf("more than %d %% of %s slot time was spent waiting for lanes: %s", most, slots, waited)
	}
}

// pages are the requests for pages of a lane, in order.
func (f *testFleet) pages(l lanePlan) []markettest.Access {
	return f.market.Where(markettest.ForHost(l.host()), markettest.PagesOnly)
}

// progress waits until each lane was asked n more times.
func (f *testFleet) progress(lanes []lanePlan, n int) {
	f.t.Helper()
	for _, l := range lanes {
		have := len(f.pages(l))
		waitFor(f.t, 3*time.Minute, fmt.Sprintf("%d more requests on %s", n, l.name), func() (bool, string) {
			f.alive()
			return len(f.pages(l)) >= have+n, fmt.Sprint(f.states())
		})
	}
}

// checkGaps: no gap is below the lane's delay. The marketplace writes a request
// down when it gets a core, which is not when it came: on a machine where
// something waited for a core most of the time, a gap may look a twentieth
// shorter than it was.
func (f *testFleet) checkGaps(lanes []lanePlan, machine starvation) {
	f.t.Helper()
	for _, l := range lanes {
		least := l.delay
		if machine.share() > starvedFrom {
			least -= l.delay / 20
		}
		gaps := markettest.Gaps(f.pages(l))
		under, short := 0, 0
		for _, g := range gaps {
			if g < least {
				under++
			}
			if g < l.delay {
				short++
			}
		}
		f.t.Logf("lane %-7s delay %6s: %3d gaps, smallest %s, %d below the delay", l.name, l.delay, len(gaps), slices.Min(gaps), short)
		if under > 0 {
			f.t.Errorf("lane %s: %d of %d gaps are below %s, the smallest is %s", l.name, under, len(gaps), least, slices.Min(gaps))
		}
	}
}

// A lane's rate is judged on its best stretch of requests one after the other:
// a machine that stalls spoils some stretches, a fleet that leaves a slot
// unused now and then spoils them all. One slot missed in a stretch is 94 %.
const (
	stretch     = 15 // gaps
	enoughRate  = 0.95
	rateLasts   = 2 * time.Minute
	starvedFrom = 0.5
)

// checkRates: of what the lanes allow at least 95 % is used. It ends as soon as
// every lane has shown it. A machine that made somebody wait for a core for more
// than half of the time says nothing about the fleet.
func (f *testFleet) checkRates(lanes []lanePlan) {
	f.t.Helper()
	began, starved := time.Now(), newStarvation()
	best := map[string]float64{}
	short := func() (names []string) {
		for _, l := range lanes {
			best[l.name] = bestStretch(f.pages(l), l.delay)
			if best[l.name] < enoughRate {
				names = append(names, l.name)
			}
		}
		return names
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for time.Since(began) < rateLasts && len(short()) > 0 {
		<-tick.C
		f.alive()
	}
	missed := short()
	for _, l := range lanes {
		f.t.Logf("lane %-7s delay %6s: %.1f %% of the allowed rate, %s", l.name, l.delay, 100*best[l.name], widest(f.pages(l)))
	}
	share := starved.share()
	f.t.Logf("measured for %s; something waited for a core for %.0f %% of it", time.Since(began).Round(time.Second), 100*share)
	switch {
	case len(missed) == 0:
	case share > starvedFrom:
		f.t.Logf("NOT JUDGED: the machine was too busy to tell whether %s could have been asked more often", strings.Join(missed, ", "))
	default:
		f.t.Errorf("less than %.0f %% of the allowed rate was used on %s in every stretch of %d requests", 100*enoughRate, strings.Join(missed, ", "), stretch)
	}
}

// bestStretch is the part of the allowed rate that was used in the best of all
// stretches of requests: from one to another a whole number of delays fits.
func bestStretch(log []markettest.Access, delay time.Duration) (best float64) {
	for i := stretch; i < len(log); i++ {
		best = max(best, float64(stretch*delay)/float64(log[i].Time.Sub(log[i-stretch].Time)))
	}
	return best
}

// widest tells of the widest gap, for who looks for its cause.
func widest(log []markettest.Access) string {
	gaps := markettest.Gaps(log)
	if len(gaps) == 0 {
		return "no gap"
	}
	i := slices.Index(gaps, slices.Max(gaps))
	return fmt.Sprintf("of %d gaps the widest is %s, after %s", len(gaps), gaps[i].Round(time.Millisecond), log[i].Path)
}

// starvation measures how much of the time something waited for a core.
type starvation struct {
	began  time.Time
	waited time.Duration
}

func newStarvation() starvation { return starvation{time.Now(), stalled()} }

// share is 0 on a machine that does not tell: then everything is judged.
func (s starvation) share() float64 {
	return float64(stalled()-s.waited) / float64(time.Since(s.began))
}

// stalled is for how long so far something waited for a core, as Linux counts
// it (pressure stall information); 0 where it does not.
func stalled() time.Duration {
	b, err := os.ReadFile("/proc/pressure/cpu")
	if err != nil {
		return 0
	}
	_, total, _ := strings.Cut(string(b), "total=")
	total, _, _ = strings.Cut(total, "\n")
	us, _ := strconv.ParseInt(total, 10, 64)
	return time.Duration(us) * time.Microsecond
}

// checkRetryAfter: a refusal that says Retry-After, in seconds or as a date,
// stops the whole fleet within 250 ms, and a Redis that forgets does not start
// it again. The marketplace refuses several times, and the best time counts: a
// machine that stalls may be late once.
func (f *testFleet) checkRetryAfter(l lanePlan, fault markettest.Fault, status int) {
	f.t.Helper()
	j := f.visit(l, f.market.WithFault(fault)[0].Path)
	j.Priority = 100
	id := f.add(j)[0]
	late := make([]time.Duration, refusals)
	for n := range refusals {
		told := f.refused(l, status, n)
		time.Sleep(time.Until(told.Add(time.Second)))
		f.must(f.rdb.FlushAll(f.t.Context()).Err())
		until := told.Add(retryAfter)
		if fault == markettest.FaultBusyDate {
			until = until.Truncate(time.Second) // a date has no more
		}
		f.progress([]lanePlan{l}, 1)
		for _, a := range f.pages(l) {
			if a.Time.After(told) && a.Time.Before(until) {
				late[n] = max(late[n], a.Time.Sub(told))
			}
		}
		if late[n] <= 250*time.Millisecond {
			break
		}
	}
	f.t.Logf("lane %-7s %d with Retry-After (%s): asked again before its time %s later", l.name, status, fault, late)
	if slices.Min(late) > 250*time.Millisecond {
		f.t.Errorf("lane %s was asked after it said Retry-After, each time: %s later", l.name, late)
	}
	waitFor(f.t, 3*time.Minute, "the refused visit to be made again", func() (bool, string) {
		j, err := f.ledger.Job(f.t.Context(), id)
		f.must(err)
		return j.State == ledger.Done, fmt.Sprintf("%s %s %s", j.State, j.Outcome, j.Error)
	})
}

// refused waits for the nth refusal of a lane and tells when it was asked for.
func (f *testFleet) refused(l lanePlan, status, n int) (told time.Time) {
	f.t.Helper()
	waitFor(f.t, 3*time.Minute, fmt.Sprint("a ", status), func() (bool, string) {
		f.alive()
		got := f.market.Where(markettest.ForHost(l.host()), markettest.ForStatus(status), markettest.Finished)
		if len(got) <= n {
			return false, fmt.Sprint(f.states())
		}
		told = got[n].Time
		return true, ""
	})
	return told
}

// What the marketplace does with listings that refuse at first.
const (
	refusals   = 3
	retryAfter = 3 * time.Second
)
