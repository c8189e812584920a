package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/trawlmark/trawlmark/archive/sqldb"
)

// Reconcile puts back every dispatched or running job whose lease has ended by
// now: the ticket was lost, or the worker. A lost worker counts against the
// job's budget for that, so what kills its worker every time is quarantined.
// Any number of processes may do it at the same time. requeued counts the jobs
// that were put back or given up.
func (l *Ledger) Reconcile(ctx context.Context, now time.Time) (requeued int, err error) {
	if err := l.SetClock(ctx); err != nil {
		return 0, err
	}
	for {
		late, err := all(ctx, l.db, scanJob, `SELECT `+jobColumns+` FROM jobs WHERE lease_until > 0 AND lease_until <= $1
			ORDER BY lease_until LIMIT 200`, sqldb.Micros(now))
		if err != nil || len(late) == 0 {
			return requeued, err
		}
		progress := false
		for _, j := range late {
			switch err := l.reclaim(ctx, j.Fence(), now); {
			case err == nil:
				requeued++
				progress = true
			case !errors.Is(err, ErrStale):
				return requeued, err
			}
		}
		if !progress {
			return requeued, nil // others are at it
		}
	}
}

func (l *Ledger) reclaim(ctx context.Context, f Fence, now time.Time) error {
	return l.tx(ctx, func(t *tx) error {
		j, err := t.hold(ctx, f)
		if err != nil {
			return err
		}
		if j.LeaseUntil.After(now) {
			return ErrStale // it beat meanwhile
		}
		if j.State == Dispatched {
			j.Error = "no worker took the ticket in time"
			return t.leave(ctx, j, Planned, "released")
		}
		_, err = t.fail(ctx, j, Failure{Class: Lost, Text: "the worker " + j.Worker + " disappeared"})
		return err
	})
}

// Prune deletes jobs that ended before the instant, up to limit of them, and
// says how many. What they found stays. Counts of jobs go down with them.
func (l *Ledger) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	pruned := 0
	err := l.tx(ctx, func(t *tx) error {
		pruned = 0
		old, err := all(ctx, t, scanJob, `DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE finished_at > 0
			AND finished_at < $1 ORDER BY finished_at LIMIT $2) AND finished_at > 0 RETURNING `+jobColumns, sqldb.Micros(before), limit)
		if err != nil {
			return err
		}
		for _, j := range old {
			t.moveJob(j, j.State, "")
		}
		pruned = len(old)
		return nil
	})
	return pruned, err
}

func isEnded(err error) bool { return errors.Is(err, ErrEnded) || errors.Is(err, ErrNotFound) }
