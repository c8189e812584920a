package worker

import (
	"maps"
	"sync"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// turns remembers which watch had a lane last. Safe for concurrent use.
type turns struct {
	mu   sync.Mutex
	last map[string]capture.ID
}

func newTurns() *turns { return &turns{last: map[string]capture.ID{}} }

// pick chooses among the best jobs of several watches: the highest priority,
// and among equals the watch whose turn it is, in order of id.
func (t *turns) pick(lane string, ready []ledger.Job) ledger.Job {
	t.mu.Lock()
	last := t.last[lane].String()
	t.mu.Unlock()
	var first, next *ledger.Job
	for i := range ready {
		j := &ready[i]
		if j.Priority < ready[0].Priority {
			break // they come highest first
		}
		id := j.Watch.String()
		if first == nil || id < first.Watch.String() {
			first = j
		}
		if id > last && (next == nil || id < next.Watch.String()) {
			next = j
		}
	}
	if next == nil {
		return *first
	}
	return *next
}

// took notes whose turn it was.
func (t *turns) took(lane string, watch capture.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last[lane] = watch
}

// rests remembers until when a lane has no slot, so that it is not asked for
// one at every tick: with ten thousand lanes that is most of the work. Safe for
// concurrent use.
type rests struct {
	now   func() time.Time
	mu    sync.Mutex
	until map[string]time.Time
	kept  int // how many there may be before those that are over are dropped
}

func newRests(now func() time.Time) *rests { return &rests{now: now, until: map[string]time.Time{}} }

func (r *rests) rest(lane string, d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d > 0 {
		r.until[lane] = r.now().Add(d)
	}
}

func (r *rests) resting(lane string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, ok := r.until[lane]
	return ok && r.now().Before(until)
}

// forget drops the rests that are over, when there are many.
func (r *rests) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.until) <= r.kept {
		return
	}
	now := r.now()
	maps.DeleteFunc(r.until, func(_ string, until time.Time) bool { return !now.Before(until) })
	r.kept = 2*len(r.until) + 100
}
