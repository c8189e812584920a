package worker

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

// rooms says how many tickets each pool takes now. A pool whose workers are
// slow, few or away is sent few: its tickets would wait until their leases end,
// be sent again behind others, and so a job could be sent for ever and never be
// taken; and they would fill the queue for the other pools. Safe for concurrent
// use.
type rooms struct {
	most int
	mu   sync.Mutex
	pool map[string]*room
}

type room struct {
	window int // tickets that may wait for a worker
	unsent int // of this dispatcher: their slots have not come yet
	left   int // tickets that may still be sent in this round
}

// A pool begins with firstWindow tickets. The window doubles while more could
// be sent and those who wait are taken within promptly, and halves while the
// oldest waits for longer than slowly, a fifth of a ticket's lease.
const (
	firstWindow = 8
	leastWindow = 2
	promptly    = time.Second
	slowly      = 4 * time.Second
)

func newRooms(most int) *rooms {
	r := &rooms{most: most, pool: map[string]*room{}}
	for _, p := range task.Pools() {
		r.pool[p] = &room{window: min(firstWindow, most), left: 1}
	}
	return r
}

// measure brings a pool's room up to date: its queue, and how many of its jobs
// the ledger has as dispatched.
func (r *rooms) measure(d task.Depth, dispatched int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pool[d.Pool]
	waiting := d.Waiting + p.unsent
	switch {
	case d.Waiting > 0 && d.Oldest > slowly:
		p.window = max(leastWindow, p.window/2)
	case (d.Waiting == 0 || d.Oldest < promptly) && p.left <= 0: // the last round used it up
		p.window = min(r.most, 2*p.window)
	}
	p.left = min(p.window-waiting, r.most-dispatched)
}

// full lists the pools that take no more in this round.
func (r *rooms) full() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for name, p := range r.pool {
		if p.left <= 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// allFull reports whether there is room for nothing.
func (r *rooms) allFull() bool { return len(r.full()) == len(task.Pools()) }

// take takes room for one ticket, and says whether there was any.
func (r *rooms) take(pool string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pool[pool]
	if p == nil || p.left <= 0 {
		return false
	}
	p.left--
	p.unsent++
	return true
}

// sent says that a ticket for which room was taken is in the queue or lost;
// back, that there is none.
func (r *rooms) sent(pool string) { r.change(pool, 0) }
func (r *rooms) back(pool string) { r.change(pool, 1) }

func (r *rooms) change(pool string, left int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pool[pool]
	p.unsent--
	p.left += left
}

// measureRooms asks queue and ledger how full each pool is. A pool that has
// nothing dispatched has nothing in the queue worth asking for.
func (d *Dispatcher) measureRooms(ctx context.Context) error {
	waiting, err := d.ledger.Waiting(ctx)
	if err != nil {
		return err
	}
	for _, pool := range task.Pools() {
		depth := task.Depth{Pool: pool}
		if waiting[pool] > 0 {
			if depth, err = d.queue.Depth(ctx, pool); err != nil {
				return err
			}
		}
		d.rooms.measure(depth, waiting[pool])
	}
	return nil
}

// choose picks the job that goes next among the best ones of several watches,
// and takes room for it; nil when none of their pools has any.
func (d *Dispatcher) choose(lane string, ready []ledger.Job) *ledger.Job {
	for len(ready) > 0 {
		j := d.turns.pick(lane, ready)
		if d.rooms.take(j.Pool) {
			return &j
		}
		ready = slices.DeleteFunc(ready, func(r ledger.Job) bool { return r.Pool == j.Pool })
	}
	return nil
}
