package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb"
)

// How claims end other than by Finish.

// hold locks the job of a fence that is dispatched or running and gives it.
func (t *tx) hold(ctx context.Context, f Fence) (Job, error) {
	j, err := one(scanJob, t.QueryRowContext(ctx, `UPDATE jobs SET updated_at = $3 WHERE id = $1 AND epoch = $2
		AND state IN ('dispatched', 'running') RETURNING `+jobColumns, idText(f.Job), f.Epoch, sqldb.Micros(t.now)))
	return j, stale(err)
}

// holdAny locks a job in whatever state.
func (t *tx) holdAny(ctx context.Context, id capture.ID) (Job, error) {
	j, err := one(scanJob, t.QueryRowContext(ctx, `UPDATE jobs SET updated_at = $2 WHERE id = $1 RETURNING `+jobColumns,
		idText(id), sqldb.Micros(t.now)))
	if err != nil {
		err = fmt.Errorf("job %s: %w", id, err)
	}
	return j, err
}

// save writes what of a held job may change, counts it from its old state, and
// closes it in its fire when it ended.
func (t *tx) save(ctx context.Context, j Job, from State) error {
	attempts := ""
	if len(j.Attempts) > 0 {
		b, err := json.Marshal(j.Attempts)
		if err != nil {
			return err
		}
		attempts = string(b)
	}
	_, err := t.ExecContext(ctx, `UPDATE jobs SET state = $2, ready_at = $3, lease_until = $4, attempts = $5, outcome = $6,
		capture_id = $7, manifest = $8, error = $9, finished_at = $10, updated_at = $11 WHERE id = $1`,
		idText(j.ID), string(j.State), sqldb.Micros(j.ReadyAt), sqldb.Micros(j.LeaseUntil), attempts, string(j.Outcome),
		idText(j.Capture), digestText(j.Manifest), sqldb.Text(j.Error), sqldb.Micros(j.Finished), sqldb.Micros(t.now))
	if err != nil {
		return err
	}
	t.moveJob(j, from, j.State)
	return nil
}

// leave puts a held job into its next state and writes how the attempt ended.
func (t *tx) leave(ctx context.Context, j Job, to State, how string) error {
	from := j.State
	j.State, j.LeaseUntil = to, time.Time{}
	if to.Final() {
		j.Finished = t.now
		if j.Kind == Visit && to != Cancelled {
			t.countOutcome(j)
		}
	}
	if err := t.save(ctx, j, from); err != nil {
		return err
	}
	if !j.Started.IsZero() && from == Running {
		if err := t.noteAttempt(ctx, j, how); err != nil {
			return err
		}
	}
	if !to.Final() {
		return nil
	}
	f, err := t.holdFire(ctx, j)
	if err != nil || f == nil {
		return err
	}
	f.open--
	return t.saveFire(ctx, f)
}

func (t *tx) noteAttempt(ctx context.Context, j Job, how string) error {
	_, err := t.ExecContext(ctx, `INSERT INTO attempts (job_id, epoch, worker, started_at, ended_at, ended, outcome, capture_id,
		manifest, error) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, idText(j.ID), j.Epoch, j.Worker,
		sqldb.Micros(j.Started), sqldb.Micros(t.now), how, string(j.Outcome), idText(j.Capture), digestText(j.Manifest),
		sqldb.Text(j.Error))
	return err
}

func (t *tx) countOutcome(j Job) {
	if j.Outcome == "" {
		return
	}
	t.count(tallyOutcomes, idText(j.Watch), string(j.Outcome), 1)
	t.count(tallySiteOutcomes, j.Site, string(j.Outcome), 1)
}

// Retry ends an attempt that failed. The job is planned again, until its
// class's budget is used up; then it has failed or is quarantined. It gives the
// state the job has now.
func (l *Ledger) Retry(ctx context.Context, f Fence, why Failure) (State, error) {
	if _, ok := l.cfg.Budgets[why.Class]; !ok {
		return "", fmt.Errorf("%w: %q is not a failure class", ErrInvalid, why.Class)
	}
	if why.Outcome != "" && !why.Outcome.Valid() {
		return "", fmt.Errorf("%w: %q is not an outcome", ErrInvalid, why.Outcome)
	}
	var state State
	err := l.tx(ctx, func(t *tx) error {
		j, err := t.hold(ctx, f)
		if err != nil {
			return err
		}
		state, err = t.fail(ctx, j, why)
		return err
	})
	return state, err
}

func (t *tx) fail(ctx context.Context, j Job, why Failure) (State, error) {
	if j.Attempts == nil {
		j.Attempts = map[Class]int{}
	}
	j.Attempts[why.Class]++
	n, budget := j.Attempts[why.Class], t.l.cfg.Budgets[why.Class]
	j.Outcome, j.Capture, j.Manifest, j.Error = why.Outcome, why.Capture, why.Manifest, shown(why.Text)
	switch {
	case n >= budget.Attempts:
		return budget.Then, t.leave(ctx, j, budget.Then, string(why.Class))
	case t.tooOld(j):
		return Failed, t.leave(ctx, j, Failed, string(why.Class))
	}
	if pause := budget.Backoff; !why.At.IsZero() {
		j.ReadyAt = why.At
	} else if pause > 0 { // else it keeps its place among those that wait
		j.ReadyAt = t.now.Add(min(budget.Backoff<<min(n-1, 20), time.Hour))
	}
	return Planned, t.leave(ctx, j, Planned, string(why.Class))
}

// tooOld: a site that closes its lane for ever does not keep a job for ever.
func (t *tx) tooOld(j Job) bool { return t.now.Sub(j.Created) > t.l.cfg.MaxAge }

// Release gives a dispatched or running job back, not before at (zero: at
// once), without counting a failure: the worker drains, the ticket could not be
// sent, or the lane has closed. A job older than Config.MaxAge has failed
// instead.
func (l *Ledger) Release(ctx context.Context, f Fence, at time.Time, why string) error {
	return l.tx(ctx, func(t *tx) error {
		j, err := t.hold(ctx, f)
		if err != nil {
			return err
		}
		j.Error = shown(why)
		if t.tooOld(j) && at.After(t.now) {
			return t.leave(ctx, j, Failed, "released")
		}
		if !at.IsZero() { // else it keeps its place among those that wait
			j.ReadyAt = at
		}
		return t.leave(ctx, j, Planned, "released")
	})
}

// Cancel ends a job that has not ended; whoever runs it finds out at its next
// heartbeat. ErrEnded when it has.
func (l *Ledger) Cancel(ctx context.Context, job capture.ID, why string) error {
	return l.tx(ctx, func(t *tx) error {
		j, err := t.holdAny(ctx, job)
		if err != nil {
			return err
		}
		if j.State.Final() {
			return fmt.Errorf("job %s: %w", job, ErrEnded)
		}
		j.Error = shown(why)
		return t.leave(ctx, j, Cancelled, "cancelled")
	})
}

// CancelWatch cancels all open jobs of a watch and says how many.
func (l *Ledger) CancelWatch(ctx context.Context, watch capture.ID) (int, error) {
	cancelled := 0
	for {
		open, err := all(ctx, l.db, scanJob, `SELECT `+jobColumns+` FROM jobs WHERE watch_id = $1
			AND state IN ('planned', 'dispatched', 'running') ORDER BY id LIMIT 200`, idText(watch))
		if err != nil || len(open) == 0 {
			return cancelled, err
		}
		for _, j := range open {
			switch err := l.Cancel(ctx, j.ID, "the watch was removed or its jobs were cancelled"); {
			case err == nil:
				cancelled++
			case !isEnded(err):
				return cancelled, err
			}
		}
	}
}

// Reopen plans a failed, quarantined or cancelled job again, with fresh
// budgets: an operator has dealt with the cause.
func (l *Ledger) Reopen(ctx context.Context, job capture.ID) error {
	return l.tx(ctx, func(t *tx) error {
		j, err := t.holdAny(ctx, job)
		if err != nil {
			return err
		}
		from := j.State
		if !from.Final() || from == Done {
			return fmt.Errorf("%w: job %s is %s; only failed, quarantined and cancelled jobs are reopened", ErrInvalid, job, from)
		}
		j.State, j.Attempts, j.ReadyAt, j.Finished = Planned, nil, t.now, time.Time{}
		if err := t.save(ctx, j, from); err != nil {
			return err
		}
		// Its age starts anew, or the next Release would end it at once.
		if _, err := t.ExecContext(ctx, `UPDATE jobs SET created_at = $2 WHERE id = $1`, idText(job), sqldb.Micros(t.now)); err != nil {
			return err
		}
		f, err := t.holdFire(ctx, j)
		if err != nil || f == nil {
			return err
		}
		f.open++
		return t.saveFire(ctx, f)
	})
}
