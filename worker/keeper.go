package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// keeper stores captures and tells the ledger. What the storage does not take
// within a worker's patience it keeps on trying beside the slots, with the
// job's lease held, so that the page is not fetched again.
type keeper struct {
	v *Visitor

	mu sync.Mutex
	wg sync.WaitGroup
	// stopped is set by drain: nothing new is begun then.
	stopped bool
	stop    context.CancelFunc
	ctx     context.Context //nolint:containedctx // the keeper's life, ended by drain
}

func newKeeper(v *Visitor) *keeper {
	k := &keeper{v: v}
	k.ctx, k.stop = context.WithCancel(context.Background())
	return k
}

// store stores within the slot, or hands the capture over to the background.
func (k *keeper) store(ctx context.Context, p *archive.Pending, d Done) error {
	patience, cancel := context.WithTimeout(ctx, k.v.cfg.StoreFor)
	defer cancel()
	receipt, err := k.tryUntil(patience, p)
	if err == nil {
		if err = k.finish(ctx, p, d, receipt); err == nil || lasting(err) {
			return err
		}
	}
	if ctx.Err() != nil {
		// When the worker stops, the next start stores what the spool has. When
		// only the job has moved on, the capture was made all the same.
		if errors.Is(context.Cause(ctx), ErrLeaseLost) {
			k.adopt(p, d)
		}
		return context.Cause(ctx)
	}
	k.v.log.WarnContext(ctx, "a capture cannot be stored and told to the ledger; it waits on disk and its job with it", "error", err)
	k.adopt(p, d)
	return nil
}

// tryUntil stores with growing pauses until it works or ctx ends.
func (k *keeper) tryUntil(ctx context.Context, p *archive.Pending) (r archive.Receipt, err error) {
	var gone error // files that somebody took away do not come back
	err = again(ctx, func() (err error) {
		r, err = k.v.archive.Store(ctx, p)
		if errors.Is(err, fs.ErrNotExist) {
			gone, err = err, nil
		}
		return err
	})
	return r, errors.Join(gone, err)
}

// adopt goes on storing in the background until drain.
func (k *keeper) adopt(p *archive.Pending, d Done) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return // it is in the spool, and the next start stores it
	}
	k.wg.Go(func() {
		kctx := atCapture(onTrail(k.ctx, ledger.Job{ID: d.Fence.Job, Epoch: d.Fence.Epoch, Watch: d.Watch}), p.ID)
		ctx, release := holdLease(kctx, k.v.ledger, d.Fence, k.v.cfg.Lease, k.v.cfg.Heartbeat, k.v.log)
		defer release()
		// The evidence is stored even when the job has moved on: only the
		// keeper's own end stops that.
		receipt, err := k.tryUntil(kctx, p)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				k.v.log.ErrorContext(kctx, "a capture that waited for storage is gone from the spool", "error", err)
			}
			return
		}
		err = again(kctx, func() error {
			err := k.finish(context.WithoutCancel(ctx), p, d, receipt)
			if lasting(err) {
				k.v.log.ErrorContext(kctx, "a stored capture's job cannot be finished", "error", err)
				return nil // its lease ends, and the job is tried anew
			}
			return err
		})
		if err != nil {
			k.v.log.InfoContext(kctx, "a stored capture's job is finished by the next start", "error", err)
		}
	})
}

// lasting reports whether the ledger refuses what it is told, and will again.
func lasting(err error) bool {
	return errors.Is(err, ledger.ErrInvalid) || errors.Is(err, ledger.ErrNotFound)
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
		until := r.Entry.Started.Add(k.v.cfg.FindingKeep)
		if err := k.v.archive.Extend(ctx, p.ID, until, "worker:"+k.v.cfg.Name, "triage found the listing suspicious"); err != nil {
			return err
		}
	}
	d.Result.Manifest = r.Manifest
	err := k.tell(ctx, d)
	if err != nil && !errors.Is(err, ledger.ErrStale) {
		return err
	}
	if errors.Is(err, ledger.ErrStale) {
		k.v.log.InfoContext(ctx, "a capture is kept although its job has moved on")
	}
	k.v.log.DebugContext(ctx, "stored", "outcome", string(d.Result.Outcome), "suspicious", d.Result.Suspicious, "manifest", r.Manifest.String())
	return k.v.archive.Discard(p)
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
// stored, and its job finished if it still waits for it.
func (v *Visitor) Recover(ctx context.Context) (int, error) {
	waiting, err := v.archive.Waiting()
	if err != nil {
		v.log.Error("part of the spool cannot be read", "error", err)
	}
	for _, p := range waiting {
		var d Done
		if err := json.Unmarshal(p.Note, &d); err != nil {
			return 0, fmt.Errorf("the spooled capture %s has no readable note: %w", p.ID, err)
		}
		v.kept.adopt(p, d)
	}
	return len(waiting), nil
}

// Drain ends the background storing: what is not stored by then stays in the
// spool for the next start.
func (v *Visitor) Drain(ctx context.Context) {
	k := v.kept
	k.mu.Lock()
	k.stopped = true
	k.mu.Unlock()
	done := make(chan struct{})
	go func() { k.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	k.stop()
	<-done
}
