package render

import "sync/atomic"

// Stats is what a Renderer did since New. All but Running and Busy only grow.
type Stats struct {
	// Starts are Chromes that came up, StartFailures those that did not.
	Starts, StartFailures uint64
	// Crashes are Chromes that died by themselves, PageCrashes the processes of
	// single pages that died or hung in a Chrome that went on.
	Crashes, PageCrashes uint64
	// Recycles are Chromes taken out of use, by reason: "count", "age",
	// "memory", or "sick" when a capture could not be cleaned up.
	Recycles map[string]uint64
	// Captures are the renderings that ended, Repeats those made again because
	// Chrome died under the first try.
	Captures, Repeats uint64
	// MissingBodies are bodies that were answered but not had whole,
	// MissingOther everything else that captures list as missing.
	MissingBodies, MissingOther uint64
	// Running are the Chromes that run now, those that only end their last
	// capture included; Busy the captures being made.
	Running, Busy int
	// Sandboxed says whether the newest Chrome runs in its sandbox.
	Sandboxed bool
}

// counters are the growing part of Stats.
type counters struct {
	starts, startFailures, crashes, pageCrashes atomic.Uint64
	captures, repeats, bodies, others           atomic.Uint64
	recycles                                    [len(recycleReasons)]atomic.Uint64
	sandboxed                                   atomic.Bool
}

// The reasons for which a Chrome is taken out of use.
const (
	recycleCount = iota
	recycleAge
	recycleMemory
	recycleSick
)

var recycleReasons = [...]string{"count", "age", "memory", "sick"}

// Stats gives the counters as they stand. It is cheap.
func (r *Renderer) Stats() Stats {
	n := &r.counters
	s := Stats{
		Starts: n.starts.Load(), StartFailures: n.startFailures.Load(), Crashes: n.crashes.Load(), PageCrashes: n.pageCrashes.Load(),
		Captures: n.captures.Load(), Repeats: n.repeats.Load(), MissingBodies: n.bodies.Load(), MissingOther: n.others.Load(),
		Recycles: map[string]uint64{}, Busy: len(r.slots), Sandboxed: n.sandboxed.Load(),
	}
	for i, name := range recycleReasons {
		s.Recycles[name] = n.recycles[i].Load()
	}
	r.mu.Lock()
	s.Running = len(r.all)
	r.mu.Unlock()
	return s
}

// count adds up what a finished rendering had and lacked.
func (n *counters) count(res *Result) {
	n.captures.Add(1)
	for _, m := range res.Missing {
		if m.What == "body" {
			n.bodies.Add(1)
		} else {
			n.others.Add(1)
		}
	}
}
