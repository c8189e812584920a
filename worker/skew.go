package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/trawlmark/trawlmark/worker/ledger"
)

// mine reports whether a claimed job is of the kind that its handler does. One
// of another kind was planned by a newer program: during an upgrade old and new
// workers take tickets of the same pools. It has not failed, so it is put back,
// untouched, for a worker that knows it: later each time it comes back.
func mine(ctx context.Context, l *ledger.Ledger, log *slog.Logger, job ledger.Job, kind ledger.Kind) (bool, error) {
	if job.Kind == kind {
		return true, nil
	}
	log.WarnContext(ctx, "a job of a kind that this version does not know is put back; upgrade this worker", "kind", string(job.Kind))
	after := min(time.Duration(job.Epoch)*5*time.Second, 5*time.Minute)
	err := l.Release(context.WithoutCancel(ctx), job.Fence(), l.Now().Add(after),
		"a worker of an older version does not know jobs of the kind "+string(job.Kind))
	if errors.Is(err, ledger.ErrStale) {
		err = nil
	}
	return false, err
}
