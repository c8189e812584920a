package render

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Renderer makes captures with Chrome. It is safe for concurrent use; more
// than Config.MaxContexts at once wait their turn.
type Renderer struct {
	cfg   Config
	slots chan struct{}

	mu     sync.Mutex
	cur    *chrome
	all    map[*chrome]bool // running, the retired ones too
	closed bool
	// spares are contexts opened ahead, in cur; preparing more are on their way.
	spares    []*opened
	preparing int
	// starting guards that one Chrome is started at a time.
	starting sync.Mutex
	ending   sync.WaitGroup
	counters counters
}

// ErrClosed is what Render ends with after Close.
var ErrClosed = errors.New("the renderer is closed")

// New sweeps what killed Renderers left behind and starts a Chrome, so that a
// machine without a working one is known at once.
func New(ctx context.Context, cfg Config) (*Renderer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	cfg = cfg.withDefaults()
	if n := sweep(cfg); n > 0 {
		cfg.Log.Info("swept leftover Chrome profiles", "count", n)
	}
	r := &Renderer{cfg: cfg, slots: make(chan struct{}, cfg.MaxContexts), all: map[*chrome]bool{}}
	ch, err := r.acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	r.release(ch)
	return r, nil
}

// Close ends every Chrome: when it returns there is no process and no profile
// folder left. Captures still being made end as crashed.
func (r *Renderer) Close() error {
	r.mu.Lock()
	r.closed = true
	r.discardAll(nil)
	var idle, busy []*chrome
	for ch := range r.all {
		if ch.refs == 0 {
			idle = append(idle, ch)
		} else {
			busy = append(busy, ch)
		}
	}
	r.cur = nil
	r.mu.Unlock()
	var wg sync.WaitGroup
	for _, ch := range idle {
		wg.Go(func() { r.end(ch) })
	}
	for _, ch := range busy {
		// Asked to close, it would first abort its pages, and their captures
		// would take that for what the site did.
		wg.Go(func() {
			ch.kill()
			r.end(ch)
		})
	}
	wg.Wait()
	r.ending.Wait()
	return nil
}

// Render makes one capture. It always returns a Result, and it ends: at the
// latest Request.Deadline plus the readout after it began.
func (r *Renderer) Render(ctx context.Context, req Request) *Result {
	req = req.withDefaults()
	started := r.cfg.Now().UTC()
	none := func(o capture.Outcome, why string) *Result {
		return &Result{
			URL: req.URL, FinalURL: req.URL, Outcome: o, Evidence: []string{why}, Viewport: req.viewport(),
			Settled: "no page", Started: started, Finished: r.cfg.Now().UTC(),
		}
	}
	if o, why := req.check(); o != "" {
		return none(o, why)
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return none(capture.Timeout, "the capture waited for a free browser context until its time was up")
	}
	var res *Result
	// A Chrome that dies under a capture may do so because of another one: it
	// is made again, once, in a new Chrome.
	for attempt := 1; ; attempt++ {
		ch, err := r.acquire(ctx)
		if err != nil {
			if res != nil {
				return res
			}
			return none(capture.RenderCrash, "no browser: "+err.Error())
		}
		v := newVisit(r.cfg, ch, req, r.spare(ch))
		v.onLoaded = func() { r.prepare(ch) }
		res, err = v.run(ctx)
		if err == nil && (v.crashed != "" || v.hung) && res.Outcome == capture.RenderCrash {
			r.counters.pageCrashes.Add(1)
		}
		r.leave(ctx, v)
		if err == nil {
			r.counters.count(res)
			return res
		}
		r.cfg.Log.WarnContext(ctx, "Chrome failed under a capture", "attempt", attempt, "error", err)
		res.Outcome = capture.RenderCrash
		res.Evidence = append(res.Evidence, err.Error())
		if attempt == 2 || ctx.Err() != nil {
			r.counters.count(res)
			return res
		}
		r.counters.repeats.Add(1)
	}
}

// acquire gives a Chrome to make a capture in, a new one when the current one
// is due for replacement.
func (r *Renderer) acquire(ctx context.Context) (*chrome, error) {
	if ch := r.take(); ch != nil {
		return ch, nil
	}
	r.starting.Lock()
	defer r.starting.Unlock()
	if ch := r.take(); ch != nil {
		return ch, nil // somebody else started it
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.isClosed() {
		return nil, ErrClosed
	}
	ch, err := launch(ctx, r.cfg)
	if err != nil {
		r.counters.startFailures.Add(1)
		return nil, err
	}
	r.counters.starts.Add(1)
	r.counters.sandboxed.Store(ch.sandboxed)
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		ch.kill()
		return nil, ErrClosed
	}
	r.cur = ch
	r.all[ch] = true
	ch.refs, ch.uses = 1, 1
	r.mu.Unlock()
	return ch, nil
}

func (r *Renderer) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// take counts a capture in on the current Chrome; nil when a new one is needed.
func (r *Renderer) take() *chrome {
	r.mu.Lock()
	defer r.mu.Unlock()
	ch := r.cur
	if ch == nil {
		return nil
	}
	switch {
	case ch.sick.Load() || ch.conn.lost() != nil:
		r.retire(ch, recycleSick)
		return nil
	case ch.uses > r.cfg.RecycleAfter:
		r.retire(ch, recycleCount)
		return nil
	case r.cfg.Now().Sub(ch.started) > r.cfg.RecycleAge:
		r.retire(ch, recycleAge)
		return nil
	}
	ch.refs++
	ch.uses++
	return ch
}

// retire takes a Chrome out of use; it ends when the last capture in it does.
// The lock is held.
func (r *Renderer) retire(ch *chrome, why int) {
	if !ch.retired && !r.closed {
		if ch.conn.lost() != nil {
			r.counters.crashes.Add(1)
		} else {
			r.counters.recycles[why].Add(1)
		}
	}
	ch.retired = true
	r.discardAll(ch)
	if r.cur == ch {
		r.cur = nil
	}
	r.endIdle(ch)
}

// endIdle ends a retired Chrome that nobody uses. The lock is held.
func (r *Renderer) endIdle(ch *chrome) {
	if ch.retired && ch.refs == 0 && !r.closed {
		r.ending.Go(func() { r.end(ch) })
	}
}

// leave closes a capture's context and counts it out. Nobody has to wait for
// that, but Close does.
func (r *Renderer) leave(ctx context.Context, v *visit) {
	out := func() {
		v.dispose(ctx)
		if v.ahead != nil {
			v.ahead.relay.close()
			r.ownPort(v.ahead.relay, false)
		}
		r.release(v.ch)
	}
	r.mu.Lock()
	closed := r.closed
	if !closed {
		r.ending.Go(out)
	}
	r.mu.Unlock()
	if closed {
		out()
	}
}

// release counts a capture out.
func (r *Renderer) release(ch *chrome) {
	fat := false
	if ch.conn.lost() == nil {
		fat = groupRSS(ch.cmd.Process.Pid) > r.cfg.RecycleRSS
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	ch.refs--
	switch {
	case ch.sick.Load() || ch.conn.lost() != nil:
		r.retire(ch, recycleSick)
	case fat:
		r.retire(ch, recycleMemory)
	default:
		r.endIdle(ch)
	}
}

func (r *Renderer) end(ch *chrome) {
	ch.close()
	r.mu.Lock()
	delete(r.all, ch)
	r.mu.Unlock()
}
