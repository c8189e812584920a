package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb"
)

func scanJob(s scanner) (Job, error) {
	var j Job
	var id, watch, parent, listing, subject, spec, dedupe, attempts, cap, manifest string
	var fireAt, ready, dispatched, started, lease, created, updated, finished int64
	err := s.Scan(&id, &j.Kind, &watch, &fireAt, &parent, &j.AskedBy, &j.Site, &j.URL, &j.Canonical, &j.PageKind, &j.ItemID,
		&j.Depth, &listing, &subject, &spec, &dedupe, &j.Pool, &j.Lane, &j.Priority, &j.State, &j.Epoch, &ready, &dispatched,
		&started, &lease, &j.Worker, &attempts, &j.Outcome, &cap, &manifest, &j.Error, &created, &updated, &finished)
	if err != nil {
		return j, err
	}
	j.Spec = raw(spec)
	j.FireAt, j.ReadyAt, j.Dispatched = sqldb.Instant(fireAt), sqldb.Instant(ready), sqldb.Instant(dispatched)
	j.Started, j.LeaseUntil = sqldb.Instant(started), sqldb.Instant(lease)
	j.Created, j.Updated, j.Finished = sqldb.Instant(created), sqldb.Instant(updated), sqldb.Instant(finished)
	if attempts != "" {
		if err := json.Unmarshal([]byte(attempts), &j.Attempts); err != nil {
			return j, fmt.Errorf("the ledger is damaged: job %s: attempts: %w", id, err)
		}
	}
	return j, unpack(id, &j.ID, watch, &j.Watch, parent, &j.Parent, listing, &j.Listing, subject, &j.Subject,
		cap, &j.Capture, manifest, &j.Manifest)
}

// ReadyLanes lists the lanes that have a job to dispatch at the instant now,
// in order of name. The lane "" is that of work that visits nobody.
func (l *Ledger) ReadyLanes(ctx context.Context, now time.Time) ([]string, error) {
	// One step of the index per lane, however many jobs each has.
	return all(ctx, l.db, func(s scanner) (lane string, err error) { return lane, s.Scan(&lane) }, `
		WITH RECURSIVE each (lane) AS (
			SELECT MIN(lane) FROM jobs WHERE state = 'planned'
			UNION ALL
			SELECT (SELECT MIN(j.lane) FROM jobs j WHERE j.state = 'planned' AND j.lane > each.lane) FROM each
			WHERE each.lane IS NOT NULL
		)
		SELECT lane FROM each WHERE lane IS NOT NULL AND `+laneReady+` ORDER BY lane`, sqldb.Micros(now))
}

// laneReady asks whether the lane of "each" has a job that is ready at $1. The
// order makes it the index's business: as a plain EXISTS, PostgreSQL reads the
// table from its beginning, where the jobs of years are that are done.
const laneReady = `COALESCE((SELECT 1 FROM jobs j WHERE j.state = 'planned' AND j.lane = each.lane AND j.ready_at <= $1
	ORDER BY j.priority DESC, j.ready_at, j.id LIMIT 1), 0) = 1`

// ReadyLanesFrom lists the lanes that have a job for one of some pools to
// dispatch, in order of name, from one lane on and before another ("": up to the
// last). At most limit lanes are looked at: what it costs does not grow with how
// many there are. next is the first that was not looked at, "" at the end.
func (l *Ledger) ReadyLanesFrom(ctx context.Context, now time.Time, pools []string, from, before string, limit int) (lanes []string, next string, err error) {
	if len(pools) == 0 {
		return nil, "", nil
	}
	args := []any{sqldb.Micros(now), sqldb.Text(from), limit}
	arg := func(v any) string { args = append(args, v); return fmt.Sprintf("$%d", len(args)) }
	end := ""
	if before != "" {
		end = ` AND j.lane < ` + arg(sqldb.Text(before))
	}
	var first, following, ready []string // one step of the index each
	for _, p := range pools {
		of := `FROM jobs j WHERE j.state = 'planned' AND j.pool = ` + arg(p)
		first = append(first, leastLane(of+` AND j.lane >= $2`+end))
		following = append(following, leastLane(of+` AND j.lane > each.lane`+end))
		ready = append(ready, `COALESCE((SELECT 1 `+of+` AND j.lane = each.lane AND j.ready_at <= $1 ORDER BY j.ready_at LIMIT 1), 0)`)
	}
	least := func(of []string) string {
		return `(SELECT MIN(least) FROM (` + strings.Join(of, " UNION ALL ") + `) found)`
	}
	type row struct {
		lane        string
		past, ready bool
	}
	rows, err := all(ctx, l.db, func(s scanner) (r row, err error) { return r, s.Scan(&r.lane, &r.past, &r.ready) }, `
		WITH RECURSIVE each (lane, n) AS (
			SELECT `+least(first)+`, 1
			UNION ALL
			SELECT `+least(following)+`, n + 1 FROM each WHERE each.lane IS NOT NULL AND n <= $3
		)
		SELECT lane, n > $3, n <= $3 AND `+strings.Join(ready, " + ")+` > 0 FROM each WHERE lane IS NOT NULL ORDER BY n`, args...)
	for _, r := range rows {
		switch {
		case r.past:
			next = r.lane
		case r.ready:
			lanes = append(lanes, r.lane)
		}
	}
	return lanes, next, err
}

// ReadyAmong gives those of some lanes that have a job for one of some pools to
// dispatch, in the order in which they were given.
func (l *Ledger) ReadyAmong(ctx context.Context, now time.Time, pools, lanes []string) ([]string, error) {
	if len(pools) == 0 || len(lanes) == 0 {
		return nil, nil
	}
	args := []any{sqldb.Micros(now)}
	arg := func(v any) string { args = append(args, v); return fmt.Sprintf("$%d", len(args)) }
	var ready, rows []string
	for _, p := range pools {
		ready = append(ready, `COALESCE((SELECT 1 FROM jobs j WHERE j.state = 'planned' AND j.pool = `+arg(p)+
			` AND j.lane = among.column1 AND j.ready_at <= $1 ORDER BY j.ready_at LIMIT 1), 0)`)
	}
	for _, name := range lanes {
		rows = append(rows, "(CAST("+arg(sqldb.Text(name))+" AS TEXT))")
	}
	has, err := all(ctx, l.db, func(s scanner) (lane string, err error) { return lane, s.Scan(&lane) },
		`SELECT column1 FROM (VALUES `+strings.Join(rows, ", ")+`) AS among WHERE `+strings.Join(ready, " + ")+` > 0`, args...)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range lanes {
		if slices.Contains(has, name) {
			out = append(out, name)
		}
	}
	return out, nil
}

// leastLane is the first lane of some jobs of one pool, by the index of pools: as
// MIN(lane), PostgreSQL may look for it among the jobs of all pools.
func leastLane(of string) string {
	return `SELECT (SELECT j.lane ` + of + ` ORDER BY j.lane, j.ready_at LIMIT 1) AS least`
}

// LongestReady gives since when the job of a pool has been ready that waits the
// longest to be dispatched; zero when none is.
func (l *Ledger) LongestReady(ctx context.Context, now time.Time, pool string) (time.Time, error) {
	of := `FROM jobs j WHERE j.state = 'planned' AND j.pool = $1`
	var at int64
	err := l.db.QueryRowContext(ctx, `
		WITH RECURSIVE each (lane) AS (
			`+leastLane(of)+`
			UNION ALL
			SELECT (SELECT j.lane `+of+` AND j.lane > each.lane ORDER BY j.lane, j.ready_at LIMIT 1) FROM each
			WHERE each.lane IS NOT NULL
		)
		SELECT COALESCE(MIN((SELECT j.ready_at `+of+` AND j.lane = each.lane ORDER BY j.lane, j.ready_at LIMIT 1)), 0) FROM each
		WHERE each.lane IS NOT NULL`, pool).Scan(&at)
	if err != nil || at > sqldb.Micros(now) {
		return time.Time{}, sqldb.Err(err)
	}
	return sqldb.Instant(at), nil
}

// Ready lists the jobs of a lane to dispatch next: highest priority first,
// then the longest ready.
func (l *Ledger) Ready(ctx context.Context, now time.Time, lane string, limit int) ([]Job, error) {
	return all(ctx, l.db, scanJob, `SELECT `+jobColumns+` FROM jobs WHERE state = 'planned' AND lane = $1 AND ready_at <= $2
		ORDER BY priority DESC, ready_at, id LIMIT $3`, sqldb.Text(lane), sqldb.Micros(now), limit)
}

// ReadyByWatch gives the job to dispatch next of every watch that has one on a
// lane, the highest priority first: who dispatches lets the watches of one
// priority take turns. Work of no watch counts as one watch's. Jobs of the full
// pools are passed over, which costs a step for each.
func (l *Ledger) ReadyByWatch(ctx context.Context, now time.Time, lane string, full ...string) ([]Job, error) {
	args, passed := []any{sqldb.Text(lane), sqldb.Micros(now)}, ""
	if len(full) > 0 {
		passed = ` AND j.pool NOT IN (` + placeholders(3, len(full)) + `)`
		for _, p := range full {
			args = append(args, p)
		}
	}
	// In two steps: in one, PostgreSQL reads all of a table that it thinks small.
	// The first watch in the order of the index, not the least of its name: that
	// one PostgreSQL looks for among all jobs that a watch ever had.
	ids, err := all(ctx, l.db, func(s scanner) (id any, err error) { var v string; err = s.Scan(&v); return v, err }, `
		WITH RECURSIVE each (watch) AS (
			SELECT (SELECT j.watch_id FROM jobs j WHERE j.state = 'planned' AND j.lane = $1
				ORDER BY j.watch_id, j.priority DESC, j.ready_at, j.id LIMIT 1)
			UNION ALL
			SELECT (SELECT j.watch_id FROM jobs j WHERE j.state = 'planned' AND j.lane = $1 AND j.watch_id > each.watch
				ORDER BY j.watch_id, j.priority DESC, j.ready_at, j.id LIMIT 1)
			FROM each WHERE each.watch IS NOT NULL
		)
		SELECT COALESCE((SELECT j.id FROM jobs j WHERE j.state = 'planned' AND j.lane = $1 AND j.watch_id = each.watch
			AND j.ready_at <= $2`+passed+` ORDER BY j.priority DESC, j.ready_at, j.id LIMIT 1), '') FROM each
		WHERE each.watch IS NOT NULL LIMIT 1000`, args...)
	ids = slices.DeleteFunc(ids, func(id any) bool { return id == "" })
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return all(ctx, l.db, scanJob, `SELECT `+jobColumns+` FROM jobs WHERE state = 'planned' AND id IN (`+placeholders(1, len(ids))+`)
		ORDER BY priority DESC, ready_at, id`, ids...)
}

// Waiting counts the jobs of each pool that are dispatched and that no worker
// has taken yet.
func (l *Ledger) Waiting(ctx context.Context) (map[string]int, error) {
	return l.leased(ctx, `SELECT pool, COUNT(*) FROM jobs WHERE lease_until > 0 AND state = 'dispatched' GROUP BY pool`)
}

// InFlight counts the jobs of each lane that are dispatched or running.
func (l *Ledger) InFlight(ctx context.Context) (map[string]int, error) {
	return l.leased(ctx, `SELECT lane, COUNT(*) FROM jobs WHERE lease_until > 0 GROUP BY lane`)
}

// leased runs a query that counts jobs with a lease by a name.
func (l *Ledger) leased(ctx context.Context, query string) (map[string]int, error) {
	type row struct {
		name string
		n    int
	}
	rows, err := all(ctx, l.db, func(s scanner) (r row, err error) { return r, s.Scan(&r.name, &r.n) }, query)
	m := make(map[string]int, len(rows))
	for _, r := range rows {
		m[r.name] = r.n
	}
	return m, err
}

// Dispatch marks a planned job as having a ticket in the queue, which is sent
// with the fence it gives. Of any number of dispatchers one succeeds; the
// others get ErrStale.
func (l *Ledger) Dispatch(ctx context.Context, job capture.ID, now time.Time) (Fence, error) {
	var j Job
	err := l.tx(ctx, func(t *tx) (err error) {
		j, err = one(scanJob, t.QueryRowContext(ctx, `UPDATE jobs SET state = 'dispatched', epoch = epoch + 1,
			dispatched_at = $2, started_at = 0, lease_until = $3, worker = '', updated_at = $2
			WHERE id = $1 AND state = 'planned' AND ready_at <= $2 RETURNING `+jobColumns,
			idText(job), sqldb.Micros(now), sqldb.Micros(now.Add(l.cfg.DispatchLease))))
		if err != nil {
			return stale(err)
		}
		t.moveJob(j, Planned, Dispatched)
		return nil
	})
	return j.Fence(), err
}

// DispatchAll is Dispatch for many jobs in one transaction, which costs little
// more than one. It gives the fences of those that it dispatched; the others
// were dispatched by somebody else, or have moved on.
func (l *Ledger) DispatchAll(ctx context.Context, jobs []capture.ID, now time.Time) ([]Fence, error) {
	if len(jobs) == 0 {
		return nil, nil
	}
	args := []any{sqldb.Micros(now), sqldb.Micros(now.Add(l.cfg.DispatchLease))}
	for _, id := range jobs {
		args = append(args, idText(id))
	}
	var fences []Fence
	err := l.tx(ctx, func(t *tx) error {
		got, err := all(ctx, t, scanJob, `UPDATE jobs SET state = 'dispatched', epoch = epoch + 1,
			dispatched_at = $1, started_at = 0, lease_until = $2, worker = '', updated_at = $1
			WHERE id IN (`+placeholders(3, len(jobs))+`) AND state = 'planned' AND ready_at <= $1 RETURNING `+jobColumns, args...)
		if err != nil {
			return err
		}
		fences = make([]Fence, 0, len(got))
		for _, j := range got {
			t.moveJob(j, Planned, Dispatched)
			fences = append(fences, j.Fence())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return fences, nil
}

func stale(err error) error {
	if errors.Is(err, ErrNotFound) {
		return ErrStale
	}
	return err
}

// Claim takes a dispatched job for a worker until lease from now, which
// Heartbeat extends. Of any number of claimants of one ticket one succeeds; the
// others get ErrStale, as does a ticket whose job has moved on.
func (l *Ledger) Claim(ctx context.Context, f Fence, worker string, lease time.Duration) (Job, error) {
	l.keepClock(ctx)
	var j Job
	err := l.tx(ctx, func(t *tx) (err error) {
		j, err = one(scanJob, t.QueryRowContext(ctx, `UPDATE jobs SET state = 'running', worker = $3, started_at = $4,
			lease_until = $5, updated_at = $4 WHERE id = $1 AND epoch = $2 AND state = 'dispatched' RETURNING `+jobColumns,
			idText(f.Job), f.Epoch, sqldb.Text(worker), sqldb.Micros(t.now), sqldb.Micros(t.now.Add(lease))))
		if err != nil {
			return stale(err)
		}
		t.moveJob(j, Dispatched, Running)
		return nil
	})
	return j, err
}

// Heartbeat says that the claimant lives. ErrStale: it was given up or
// cancelled, and must stop.
func (l *Ledger) Heartbeat(ctx context.Context, f Fence, lease time.Duration) error {
	return l.tx(ctx, func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE jobs SET lease_until = $3, updated_at = $4 WHERE id = $1 AND epoch = $2 AND state = 'running'`,
			idText(f.Job), f.Epoch, sqldb.Micros(t.now.Add(lease)), sqldb.Micros(t.now))
		if err == nil && n == 0 {
			err = ErrStale
		}
		return err
	})
}

// Job gives one job.
func (l *Ledger) Job(ctx context.Context, id capture.ID) (Job, error) {
	j, err := one(scanJob, l.db.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM jobs WHERE id = $1`, idText(id)))
	if err != nil {
		return Job{}, fmt.Errorf("job %s: %w", id, err)
	}
	return j, nil
}

// JobFilter selects jobs, the newest first. Zero fields select all.
type JobFilter struct {
	State  State
	Kind   Kind
	Watch  capture.ID
	FireAt time.Time // needs Watch
	Limit  int       // default 50, at most 500
	Before capture.ID
}

// Jobs lists jobs. The id of the last one is Before of the next page.
func (l *Ledger) Jobs(ctx context.Context, f JobFilter) ([]Job, error) {
	var where []string
	var args []any
	and := func(cond string, v any) {
		args = append(args, v)
		where = append(where, fmt.Sprintf(cond, len(args)))
	}
	if f.State != "" {
		and("state = $%d", string(f.State))
	}
	if f.Kind != "" {
		and("kind = $%d", string(f.Kind))
	}
	if !f.Watch.IsZero() {
		and("watch_id = $%d", idText(f.Watch))
	}
	if !f.FireAt.IsZero() {
		and("fire_at = $%d", sqldb.Micros(f.FireAt))
	}
	if !f.Before.IsZero() {
		and("id < $%d", idText(f.Before))
	}
	query := `SELECT ` + jobColumns + ` FROM jobs`
	if len(where) > 0 {
		query += ` WHERE ` + strings.Join(where, " AND ")
	}
	args = append(args, pageSize(f.Limit))
	return all(ctx, l.db, scanJob, query+fmt.Sprintf(` ORDER BY id DESC LIMIT $%d`, len(args)), args...)
}

func pageSize(n int) int {
	if n <= 0 {
		return 50
	}
	return min(n, 500)
}

// Attempts lists how a job's claims ended, the first one first.
func (l *Ledger) Attempts(ctx context.Context, job capture.ID) ([]Attempt, error) {
	return all(ctx, l.db, func(s scanner) (Attempt, error) {
		var a Attempt
		var started, ended int64
		var cap, manifest string
		err := s.Scan(&a.Epoch, &a.Worker, &started, &ended, &a.How, &a.Outcome, &cap, &manifest, &a.Error)
		if err != nil {
			return a, err
		}
		a.Started, a.Ended = sqldb.Instant(started), sqldb.Instant(ended)
		return a, unpack(cap, &a.Capture, manifest, &a.Manifest)
	}, `SELECT epoch, worker, started_at, ended_at, ended, outcome, capture_id, manifest, error FROM attempts
		WHERE job_id = $1 ORDER BY epoch`, idText(job))
}
