package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/site"
	"github.com/trawlmark/trawlmark/worker/lane"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

// DispatcherConfig is how work is handed out.
type DispatcherConfig struct {
	// Tick is how often is looked. Default 500 ms.
	Tick time.Duration
	// Reconcile is how often lost jobs are put back. Default 5 s.
	Reconcile time.Duration
	// MaxQueued bounds the tickets of a pool that no worker has taken yet: more
	// would only wait, and be sent again when they waited too long. A pool that
	// takes them slowly gets fewer. Default 64.
	MaxQueued int
}

func (c DispatcherConfig) withDefaults() DispatcherConfig {
	if c.Tick == 0 {
		c.Tick = 500 * time.Millisecond
	}
	if c.Reconcile == 0 {
		c.Reconcile = 5 * time.Second
	}
	if c.MaxQueued == 0 {
		c.MaxQueued = 64
	}
	return c
}

// Queue carries tickets. *task.Client is one.
type Queue interface {
	Enqueue(ctx context.Context, t task.Ticket, pool string) error
	// Depth tells how many tickets of a pool wait, and for how long.
	Depth(ctx context.Context, pool string) (task.Depth, error)
}

// Slots hands out the times at which a lane may be asked. *lane.Limiter is one.
type Slots interface {
	// Reserve takes the lane's next slot if it comes within p.MaxWait.
	Reserve(ctx context.Context, name string, p lane.Params) (lane.Slot, error)
	// GiveBack returns a slot that is not used.
	GiveBack(ctx context.Context, s lane.Slot) error
	// Sync tells the limiter what the ledger knows of lanes.
	Sync(ctx context.Context) error
}

// Roster shares lanes out among dispatchers. *lane.Roster is one.
type Roster interface {
	Share(ctx context.Context) (lane.Share, error)
	Leave(ctx context.Context) error
}

// Dispatcher fires due watches, hands out ready jobs as their lanes allow, and
// puts back what was lost. Any number may run; the ledger keeps them apart.
type Dispatcher struct {
	cfg    DispatcherConfig
	ledger *ledger.Ledger
	queue  Queue
	slots  Slots
	roster Roster // nil: alone
	sites  *site.Set
	log    *slog.Logger

	share lane.Share
	turns *turns
	rests *rests
	rooms *rooms
	first string // the lane that the next round begins with
}

// NewDispatcher makes a Dispatcher. roster says which lanes are its own when
// there are several; nil: all are.
func NewDispatcher(cfg DispatcherConfig, l *ledger.Ledger, q Queue, s Slots, roster Roster, sites *site.Set, log *slog.Logger) *Dispatcher {
	cfg = cfg.withDefaults()
	return &Dispatcher{
		cfg: cfg, ledger: l, queue: q, slots: s, roster: roster, sites: sites, log: log,
		turns: newTurns(), rests: newRests(l.Now), rooms: newRooms(cfg.MaxQueued),
	}
}

// Run works until ctx ends. Faults of database, queue or limiter are logged
// and tried again: nothing is dispatched meanwhile, and nothing is lost.
func (d *Dispatcher) Run(ctx context.Context) error {
	tick := time.NewTicker(d.cfg.Tick)
	defer tick.Stop()
	var reconciled, seated time.Time
	trouble := ""
	defer d.leave(ctx)
	for {
		var err error
		if d.roster != nil && time.Since(seated) >= time.Second {
			if d.share, err = d.roster.Share(ctx); err == nil {
				seated = time.Now()
			}
		}
		if err == nil && time.Since(reconciled) >= d.cfg.Reconcile {
			if err = errors.Join(d.reconcile(ctx), d.slots.Sync(ctx)); err == nil {
				reconciled = time.Now()
			}
		}
		if err == nil {
			err = d.Once(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		// One line when trouble begins, changes or ends, not one a tick.
		if now := text(err); now != trouble {
			if now != "" {
				d.log.Warn("nothing is dispatched for now", "error", now)
			} else {
				d.log.Info("dispatching again")
			}
			trouble = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// leave gives this dispatcher's lanes to the others at once.
func (d *Dispatcher) leave(ctx context.Context) {
	if d.roster == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := d.roster.Leave(ctx); err != nil {
		d.log.Info("the other dispatchers take over in some seconds: they could not be told", "error", err)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (d *Dispatcher) reconcile(ctx context.Context) error {
	n, err := d.ledger.Reconcile(ctx, d.ledger.Now())
	if err == nil && n > 0 {
		d.log.Info("put back jobs whose ticket or worker was lost", "jobs", n)
	}
	return err
}

// Once fires what is due and hands out what is ready.
func (d *Dispatcher) Once(ctx context.Context) error {
	return errors.Join(d.fire(ctx), d.handOut(ctx))
}

func (d *Dispatcher) fire(ctx context.Context) error {
	due, err := d.ledger.DueWatches(ctx, d.ledger.Now(), 100)
	if err != nil {
		return err
	}
	for _, w := range due {
		if w.Skip {
			if err := d.ledger.SkipFire(ctx, w.Watch.ID, w.FireAt); err != nil && !errors.Is(err, ledger.ErrFired) {
				return err
			}
			continue
		}
		jobs, problems := Seeds(d.sites, w.Watch)
		for _, p := range problems {
			d.log.Warn("part of a watch cannot be visited", "watch", w.Watch.Name, "error", p)
		}
		n, err := d.ledger.Fire(ctx, w.Watch.ID, w.FireAt, jobs)
		switch {
		case errors.Is(err, ledger.ErrFired), errors.Is(err, ledger.ErrPaused):
		case err != nil:
			return err
		default:
			d.log.Info("watch fired", "watch", w.Watch.Name, "jobs", n)
		}
	}
	return nil
}

// Seeds are the visits that one fire of a watch begins with: a search for each
// term at each site, and its own URLs. What cannot be visited is told beside.
func Seeds(sites *site.Set, w ledger.Watch) (jobs []ledger.Work, problems []error) {
	add := func(u string) {
		j := NewVisit(sites, u)
		j.Priority, j.AskedBy = w.Priority, "schedule"
		jobs = append(jobs, j)
	}
	for _, name := range w.Sites {
		s := sites.Site(name)
		if s == nil {
			problems = append(problems, fmt.Errorf("there is no site file named %q; `trawlmark site list` shows them", name))
			continue
		}
		for _, term := range w.Terms {
			u, err := s.SearchURL(term, 1)
			if err != nil {
				problems = append(problems, fmt.Errorf("site %s cannot be searched for %q: %w", name, term, err))
				continue
			}
			add(u)
		}
	}
	for _, u := range w.Seeds {
		add(u)
	}
	return jobs, problems
}

// handOut sends tickets for ready jobs, each lane no faster than it allows.
// Lanes take turns, so that a long one does not keep the others waiting.
func (d *Dispatcher) handOut(ctx context.Context) error {
	if err := d.measureRooms(ctx); err != nil {
		return err
	}
	w := d.walk()
	var again []string // lanes that had a job and may have another
	for !d.rooms.allFull() {
		lanes, err := w.more(ctx)
		if err != nil {
			return err
		}
		if len(lanes) == 0 {
			if len(again) == 0 {
				return nil
			}
			n := min(len(again), batch)
			lanes, again = again[:n:n], again[n:]
			if lanes, err = w.still(ctx, lanes); err != nil {
				return err
			}
		}
		sent, passed, err := d.some(ctx, lanes)
		if err != nil {
			return err
		}
		if passed != nil {
			w.leave(*passed)
		}
		again = append(again, sent...)
	}
	w.stop()
	return nil
}

// batch is how many jobs are dispatched in one transaction, and looking is how
// many lanes are looked at at the same time.
const (
	batch   = 64
	looking = 8
)

// offer is a job and the slot that its lane gives it.
type offer struct {
	job  ledger.Job
	slot lane.Slot
	at   time.Time // when the slot was taken
}

// some hands out one job of each of some lanes. It tells which had one, and the
// first, if any, that had one for which there was no room any more.
func (d *Dispatcher) some(ctx context.Context, lanes []string) (sent []string, passed *string, err error) {
	offers, passed, failed := d.offers(ctx, lanes)
	byID := map[capture.ID]*offer{}
	var ids []capture.ID
	for _, o := range offers {
		byID[o.job.ID] = o
		ids = append(ids, o.job.ID)
	}
	slices.SortFunc(ids, func(a, b capture.ID) int { return strings.Compare(a.String(), b.String()) }) // one order for all: no deadlock
	fences, err := d.ledger.DispatchAll(ctx, ids, d.ledger.Now())
	failed = errors.Join(failed, err)
	for _, f := range fences {
		o := byID[f.Job]
		delete(byID, f.Job)
		d.turns.took(o.job.Lane, o.job.Watch)
		sent = append(sent, o.job.Lane)
		// A ticket that does not reach the queue is put back by the reconciler.
		err := d.sendAt(ctx, task.Ticket{Job: f.Job, Epoch: f.Epoch}, o.job.Pool, o.slot.Wait-time.Since(o.at))
		failed = errors.Join(failed, err)
	}
	for _, o := range byID { // another dispatcher was faster, or the ledger is away
		d.rooms.back(o.job.Pool)
		failed = errors.Join(failed, d.slots.GiveBack(ctx, o.slot))
	}
	return sent, passed, failed
}

// offers gives the best job of each lane that has one, with its slot. What got a
// slot is told beside an error, too.
func (d *Dispatcher) offers(ctx context.Context, lanes []string) (offers []*offer, passed *string, err error) {
	full := d.rooms.full()
	ready := make([][]ledger.Job, len(lanes))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(looking)
	for i, name := range lanes {
		g.Go(func() (err error) {
			ready[i], err = d.ledger.ReadyByWatch(gctx, d.ledger.Now(), name, full...)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	offers = make([]*offer, len(lanes))
	g, gctx = errgroup.WithContext(ctx)
	g.SetLimit(looking)
	for i, name := range lanes { // room is taken in their order: who had none is the first next time
		job := d.choose(name, ready[i])
		if job == nil {
			if len(ready[i]) > 0 && passed == nil {
				passed = &lanes[i]
			}
			continue
		}
		g.Go(func() (err error) { offers[i], err = d.reserve(gctx, *job); return err })
	}
	err = g.Wait()
	return slices.DeleteFunc(offers, func(o *offer) bool { return o == nil }), passed, err
}

// reserve gives a job that has room the slot that its lane has for it; nil when
// it has none now.
func (d *Dispatcher) reserve(ctx context.Context, job ledger.Job) (*offer, error) {
	o := &offer{job: job}
	if job.Lane == "" {
		return o, nil
	}
	var err error
	if o.slot, err = d.slots.Reserve(ctx, job.Lane, d.params(job)); err == nil {
		o.at = time.Now() // after the answer: a ticket that is early waits in a worker's slot
		return o, nil
	}
	d.rooms.back(job.Pool)
	var closed *lane.Closed
	switch {
	case errors.As(err, &closed):
		// Not for longer than a moment: an operator may open it.
		d.rests.rest(job.Lane, min(max(closed.Wait, 0), time.Second))
		return nil, nil
	case errors.Is(err, lane.ErrNotYet):
		d.rests.rest(job.Lane, o.slot.Wait-d.ahead())
		return nil, nil
	}
	return nil, err // fail closed: without the limiter nothing goes out
}

// sendAt sends a ticket when its slot comes. Only the dispatcher waits.
func (d *Dispatcher) sendAt(ctx context.Context, t task.Ticket, pool string, wait time.Duration) error {
	if wait <= 0 {
		defer d.rooms.sent(pool)
		return d.queue.Enqueue(ctx, t, pool)
	}
	time.AfterFunc(wait, func() {
		defer d.rooms.sent(pool)
		if err := d.queue.Enqueue(ctx, t, pool); err != nil && ctx.Err() == nil {
			d.log.Warn("a ticket could not be sent; its job is put back when its lease ends", "job", t.Job.String(), "error", err)
		}
	})
	return nil
}

// ahead is how long before it comes a slot may be taken: a dispatcher that is
// late by a tick or two on a busy machine misses none.
func (d *Dispatcher) ahead() time.Duration { return 3 * d.cfg.Tick }

// params are the politeness of the site that a job visits.
func (d *Dispatcher) params(j ledger.Job) lane.Params {
	p := Politeness(d.sites, j.URL)
	p.MaxWait = d.ahead()
	return p
}

// Politeness is what the site of a URL asks of its lane.
func Politeness(sites *site.Set, rawURL string) lane.Params {
	p := sites.For(rawURL).Site.Politeness
	return lane.Params{Min: p.MinDelay, Max: p.MaxDelay, Factor: p.Factor}
}
