package worker

import (
	"context"
	"slices"

	"github.com/trawlmark/trawlmark/worker/task"
)

// walk is one round through the lanes that have work for pools with room. It
// begins where the round before had to stop, and asks the ledger for no more
// lanes than there is room for tickets: with ten thousand of them the ledger
// would do little else at each look.
type walk struct {
	d     *Dispatcher
	begin string
	// What is still to be read: from one lane on and before another; after the
	// last of all, from the first to where it began.
	from, before string
	read         bool

	page       []string // read and not given yet
	pageBefore string   // before, when it was read
	full       []string // pools that had no room then

	given   int
	second  string // the second lane that was given
	stopped bool   // it is known where the next round begins
}

// step is how many lanes are read at once.
const step = 4 * batch

func (d *Dispatcher) walk() *walk {
	d.rests.forget()
	return &walk{d: d, from: d.first, begin: d.first, full: d.rooms.full()}
}

// more gives some more lanes of this round that may have a slot, none when it
// is around.
func (w *walk) more(ctx context.Context) ([]string, error) {
	if full := w.d.rooms.full(); !slices.Equal(full, w.full) {
		w.filled(full)
	}
	for len(w.page) == 0 {
		if w.read {
			w.stop()
			return nil, nil
		}
		if err := w.readPage(ctx); err != nil {
			return nil, err
		}
	}
	n := min(len(w.page), batch)
	lanes := w.page[:n:n]
	w.page = w.page[n:]
	if at := 1 - w.given; at >= 0 && at < n {
		w.second = lanes[at]
	}
	w.given += n
	return lanes, nil
}

// filled: some pools have no room any more. The next round begins here for
// them; this one goes on with the lanes that have work for the others.
func (w *walk) filled(full []string) {
	w.full = full
	if len(w.page) > 0 {
		w.from, w.before, w.read = w.page[0], w.pageBefore, false
		w.page = nil
	}
	if !w.read {
		w.leave(w.from)
	}
}

// stop ends the round where it is.
func (w *walk) stop() {
	switch {
	case len(w.page) > 0:
		w.leave(w.page[0])
	case !w.read:
		w.leave(w.from)
	default:
		w.leave(w.second) // who was first is not always first
	}
}

// leave says which lane the next round begins with. The first word counts: what
// had no turn since then is next.
func (w *walk) leave(lane string) {
	if !w.stopped {
		w.d.first, w.stopped = lane, true
	}
}

// open lists the pools with room.
func (w *walk) open() []string {
	return slices.DeleteFunc(task.Pools(), func(p string) bool { return slices.Contains(w.full, p) })
}

// still gives those of the lanes that had a job in this round that have another
// one for a pool with room. To ask each for its next job while its pool is full
// would be to go through all the jobs that it has.
func (w *walk) still(ctx context.Context, lanes []string) ([]string, error) {
	if len(w.full) == 0 {
		return lanes, nil
	}
	return w.d.ledger.ReadyAmong(ctx, w.d.ledger.Now(), w.open(), lanes)
}

func (w *walk) readPage(ctx context.Context) error {
	names, next, err := w.d.ledger.ReadyLanesFrom(ctx, w.d.ledger.Now(), w.open(), w.from, w.before, step)
	if err != nil {
		return err
	}
	w.pageBefore = w.before
	switch {
	case next != "":
		w.from = next
	case w.before == "" && w.begin != "": // the last lane of all: on with the first
		w.from, w.before = "", w.begin
	default:
		w.read = true
	}
	for _, name := range names {
		if w.d.share.Has(name) && !w.d.rests.resting(name) {
			w.page = append(w.page, name)
		}
	}
	return nil
}
