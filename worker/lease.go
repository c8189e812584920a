package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/trawlmark/trawlmark/worker/ledger"
)

// ErrLeaseLost: the ledger has given the job to somebody else, or it ended.
var ErrLeaseLost = errors.New("the job's lease was lost; its work is dropped")

// Heartbeats is the part of the ledger that keeps leases.
type Heartbeats interface {
	// Heartbeat extends the lease; ErrStale when the job has moved on.
	Heartbeat(ctx context.Context, f ledger.Fence, lease time.Duration) error
}

// holdLease keeps a job's lease alive until stop is called. The context it
// gives ends with ErrLeaseLost when the job has moved on, or when the ledger
// has not answered for a whole lease: then others may be at work on it.
func holdLease(ctx context.Context, h Heartbeats, f ledger.Fence, lease, every time.Duration, log *slog.Logger) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		last := time.Now() // monotonic: how long ago, whatever the wall clock says
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			err := h.Heartbeat(ctx, f, lease)
			switch {
			case err == nil:
				last = time.Now()
			case ctx.Err() != nil:
				return
			case errors.Is(err, ledger.ErrStale):
				cancel(ErrLeaseLost)
				return
			case time.Since(last) > lease:
				log.WarnContext(ctx, "the ledger has not answered for a whole lease", "job", f.Job.String(), "error", err)
				cancel(ErrLeaseLost)
				return
			}
		}
	}()
	return ctx, func() { cancel(context.Canceled); <-done }
}

// noTime releases a job for at once.
var noTime time.Time
