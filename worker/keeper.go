package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// keeper stores captures and tells the ledger, beside the slots: a slot is free
// as soon as its capture is whole on disk. The job's lease is held until then,
// so the page is not fetched again, however long the storage takes. How many
// captures may wait is bounded; slots wait for their turn beyond it.
type keeper struct {
	v *Visitor
	// places are taken by the captures that slots have handed over, turns by
	// those that are being stored.
	places, turns chan struct{}

	mu sync.Mutex
	// stopped is set by drain: nothing new is begun then.
	stopped bool
	cancels map[capture.ID]context.CancelFunc // of what is kept, by capture
	idle    chan struct{}                     // closed while nothing is
}

func newKeeper(v *Visitor) *keeper {
	k := &keeper{
		v: v, places: make(chan struct{}, v.cfg.Behind), turns: make(chan struct{}, v.cfg.Storing),
		cancels: map[capture.ID]context.CancelFunc{}, idle: make(chan struct{}),
	}
	close(k.idle)
	return k
}

// store hands a capture over to be stored, and waits only while too many are
// before it.
func (k *keeper) store(ctx context.Context, p *archive.Pending, d Done) error {
	select {
	case k.places <- struct{}{}:
		k.adopt(ctx, p, d, func() { <-k.places })
		return nil
	case <-ctx.Done():
	}
	// When the worker stops, the next start stores what the spool has. When
	// only the job has moved on, the capture was made all the same.
	if errors.Is(context.Cause(ctx), ErrLeaseLost) {
		k.adopt(ctx, p, d, func() {})
	}
	return context.Cause(ctx)
}

// adopt stores in the background until drain, and calls done in the end.
func (k *keeper) adopt(ctx context.Context, p *archive.Pending, d Done, done func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		cancel()
		done()
		return // it is in the spool, and the next start stores it
	}
	if len(k.cancels) == 0 {
		k.idle = make(chan struct{})
	}
	k.cancels[p.ID] = cancel
	go func() {
		k.keep(ctx, p, d)
		cancel()
		done()
		k.mu.Lock()
		defer k.mu.Unlock()
		if delete(k.cancels, p.ID); len(k.cancels) == 0 {
			close(k.idle)
		}
	}()
}

// settled is closed as soon as nothing is being kept.
func (k *keeper) settled() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.idle
}

// drain begins nothing new, gives what is being kept time until ctx ends, and
// then stops it.
func (k *keeper) drain(ctx context.Context) {
	k.mu.Lock()
	k.stopped = true
	k.mu.Unlock()
	select {
	case <-k.settled():
	case <-ctx.Done():
	}
	k.mu.Lock()
	for _, cancel := range k.cancels {
		cancel()
	}
	k.mu.Unlock()
	<-k.settled()
}

// keep stores one capture and finishes its job.
func (k *keeper) keep(ctx context.Context, p *archive.Pending, d Done) {
	kctx := atCapture(onTrail(ctx, ledger.Job{ID: d.Fence.Job, Epoch: d.Fence.Epoch, Watch: d.Watch}), p.ID)
	lctx, release := holdLease(kctx, k.v.ledger, d.Fence, k.v.cfg.Lease, k.v.cfg.Heartbeat, k.v.log)
	defer release()
	// The evidence is stored even when the job has moved on: only the keeper's
	// own end stops that.
	receipt, err := k.tryUntil(kctx, p)
	if errors.Is(err, archive.ErrUnstorable) {
		k.refuse(kctx, p, d, err)
		return
	}
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			k.v.log.ErrorContext(kctx, "a capture that waited for storage is gone from the spool", "error", err)
		}
		return
	}
	err = again(kctx, func() error { return k.finish(context.WithoutCancel(lctx), p, d, receipt) })
	if err != nil {
		k.v.log.InfoContext(kctx, "a stored capture's job is finished by the next start", "error", err)
	}
}

// tryUntil stores with growing pauses until it works or ctx ends.
func (k *keeper) tryUntil(ctx context.Context, p *archive.Pending) (r archive.Receipt, err error) {
	var last error // files that somebody took away do not come back, nor do damaged bytes
	told := false
	err = again(ctx, func() (err error) {
		if r, err = k.tryOnce(ctx, p); errors.Is(err, fs.ErrNotExist) || errors.Is(err, archive.ErrUnstorable) {
			last, err = err, nil
		}
		if err != nil && !told && ctx.Err() == nil {
			told = true
			k.v.log.WarnContext(ctx, "a capture cannot be stored; it waits on disk and its job with it", "error", err)
		}
		return err
	})
	return r, errors.Join(last, err)
}

// tryOnce stores in its turn, so that a storage that is slow is not asked for
// everything at once.
func (k *keeper) tryOnce(ctx context.Context, p *archive.Pending) (archive.Receipt, error) {
	select {
	case k.turns <- struct{}{}:
		defer func() { <-k.turns }()
		return k.v.archive.Store(ctx, p)
	case <-ctx.Done():
		return archive.Receipt{}, ctx.Err()
	}
}

// again calls f with growing pauses until it works or ctx ends, and gives its
// last error.
func again(ctx context.Context, f func() error) error {
	pause := 250 * time.Millisecond
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		pause = min(2*pause, 30*time.Second)
	}
}

// finish locks the evidence of suspicious listings for longer, tells the
// ledger, and lets the spooled copy go.
func (k *keeper) finish(ctx context.Context, p *archive.Pending, d Done, r archive.Receipt) error {
	if d.Result.Suspicious {
		until := r.Entry.Started.Add(cmp.Or(d.Keep, k.v.cfg.FindingKeep))
		if err := k.v.archive.Extend(ctx, p.ID, until, "worker:"+k.v.cfg.Name, "triage found the listing suspicious"); err != nil {
			return err
		}
	}
	d.Result.Manifest = r.Manifest
	err := k.tell(ctx, d)
	if errors.Is(err, ledger.ErrInvalid) {
		// It would say the same again: the job is tried anew, within its budget.
		k.v.log.ErrorContext(ctx, "the ledger does not take what a stored capture says", "error", err)
		_, err = k.v.ledger.Retry(ctx, d.Fence, ledger.Failure{Class: ledger.Internal, Text: err.Error(), Capture: p.ID})
	}
	switch {
	case errors.Is(err, ledger.ErrStale), errors.Is(err, ledger.ErrNotFound):
		k.v.log.InfoContext(ctx, "a capture is kept although its job has moved on")
	case err != nil:
		return err
	}
	k.v.log.DebugContext(ctx, "stored", "outcome", string(d.Result.Outcome), "suspicious", d.Result.Suspicious, "manifest", r.Manifest.String())
	return k.v.archive.Discard(p)
}

// refuse puts a capture aside that can never be stored, and has its job tried
// again within its budget: the page is visited once more, or somebody looks at
// it. The ledger is told first: stopped between the two, it is refused again by
// the next start, and its job has moved on.
func (k *keeper) refuse(ctx context.Context, p *archive.Pending, d Done, why error) {
	k.v.log.ErrorContext(ctx, "a capture can never be stored; it is put aside in the spool, and its job tried again", "error", why)
	err := again(ctx, func() error {
		_, err := k.v.ledger.Retry(context.WithoutCancel(ctx), d.Fence, ledger.Failure{
			Class: ledger.Internal, Outcome: capture.StorageFailed,
			Text: fmt.Sprintf("capture %s was put aside in the spool of %s: %v", p.ID, k.v.cfg.Name, why),
		})
		if errors.Is(err, ledger.ErrStale) || errors.Is(err, ledger.ErrNotFound) {
			err = nil // it has moved on
		}
		return err
	})
	if err == nil {
		err = again(ctx, func() error {
			err := k.v.archive.Refuse(p, why.Error())
			if errors.Is(err, fs.ErrNotExist) {
				return nil // somebody was faster
			}
			return err
		})
	}
	if err != nil {
		k.v.log.WarnContext(ctx, "a capture that can never be stored is put aside by the next start", "error", err)
	}
}

func (k *keeper) tell(ctx context.Context, d Done) error {
	if d.Failure != nil {
		f := *d.Failure
		f.Manifest = d.Result.Manifest
		_, err := k.v.ledger.Retry(ctx, d.Fence, f)
		return err
	}
	_, err := k.v.ledger.Finish(ctx, d.Fence, d.Result)
	return err
}

// Recover takes up what an earlier process of this spool left: each capture is
// stored, and its job finished if it still waits for it. n is how many.
func (v *Visitor) Recover(ctx context.Context) (n int, err error) {
	waiting, err := v.archive.Waiting()
	if err != nil {
		v.log.Error("part of the spool cannot be read", "error", err)
	}
	for _, p := range waiting {
		var d Done
		if err := json.Unmarshal(p.Note, &d); err != nil {
			// Whose job it was is not known any more; that is planned again when
			// its lease ends.
			v.log.Error("a spooled capture has no readable note; it is put aside in the spool", "capture", p.ID.String(), "error", err)
			if err := v.archive.Refuse(p, fmt.Sprintf("it has no readable note: %v", err)); err != nil {
				return 0, fmt.Errorf("the spooled capture %s could not be put aside: %w", p.ID, err)
			}
			continue
		}
		n++
		v.kept.adopt(ctx, p, d, func() {})
	}
	return n, nil
}

// Settle waits until everything that was seen so far is stored and told, or
// ctx ends.
func (v *Visitor) Settle(ctx context.Context) error {
	select {
	case <-v.kept.settled():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Drain ends the background storing: what is not stored when ctx ends stays in
// the spool for the next start.
func (v *Visitor) Drain(ctx context.Context) { v.kept.drain(ctx) }
