package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb"
)

const watchColumns = `id, name, brand, sites, terms, seeds, cron, time_zone, missed, max_pages, max_listings, depth,
	priority, created_by, created_at, updated_at, paused, removed, next_fire, last_fire, rules, keep_untriaged, keep_finding,
	jitter, next_scheduled`

func scanWatch(s scanner) (Watch, error) {
	var w Watch
	var id, brand, sites, terms, seeds, rules string
	var created, updated, next, last, scheduled int64
	err := s.Scan(&id, &w.Name, &brand, &sites, &terms, &seeds, &w.Schedule.Cron, &w.Schedule.Zone, &w.Missed, &w.MaxPages,
		&w.MaxListings, &w.Depth, &w.Priority, &w.CreatedBy, &created, &updated, &w.Paused, &w.Removed, &next, &last, &rules,
		&w.Retention.Untriaged, &w.Retention.Finding, &w.Jitter, &scheduled)
	if err != nil {
		return w, err
	}
	w.Brand = raw(brand)
	w.Created, w.Updated = sqldb.Instant(created), sqldb.Instant(updated)
	w.NextFire, w.LastFire = sqldb.Instant(next), sqldb.Instant(last)
	w.NextScheduled = sqldb.Instant(scheduled)
	return w, errors.Join(unpack(id, &w.ID), json.Unmarshal([]byte(sites), &w.Sites),
		json.Unmarshal([]byte(terms), &w.Terms), json.Unmarshal([]byte(seeds), &w.Seeds),
		json.Unmarshal([]byte(rules), &w.Rules))
}

// AddWatch adds a watch and gives it back as it was stored, with its id, the
// defaults and the first fire. ErrExists: the name is taken.
func (l *Ledger) AddWatch(ctx context.Context, w Watch) (Watch, error) {
	w.defaults()
	if err := w.Validate(); err != nil {
		return Watch{}, err
	}
	if w.ID.IsZero() {
		w.ID = l.ids.New()
	}
	now := l.Now()
	scheduled, next, err := w.first(now)
	if err != nil {
		return Watch{}, err
	}
	_, err = l.db.ExecContext(ctx, `INSERT INTO watches (`+watchColumns+`) VALUES (`+placeholders(1, 25)+`)`,
		idText(w.ID), sqldb.Text(w.Name), rawText(w.Brand), list(w.Sites), list(w.Terms), list(w.Seeds), w.Schedule.Cron,
		w.Schedule.Zone, string(w.Missed), w.MaxPages, w.MaxListings, w.Depth, w.Priority, sqldb.Text(w.CreatedBy),
		sqldb.Micros(now), sqldb.Micros(now), w.Paused, false, sqldb.Micros(next), 0, rulesText(w.Rules), w.Retention.Untriaged, w.Retention.Finding,
		string(w.Jitter), sqldb.Micros(scheduled))
	if errors.Is(err, sqldb.ErrConflict) {
		return Watch{}, fmt.Errorf("%q: %w", w.Name, ErrExists)
	}
	if err != nil {
		return Watch{}, err
	}
	return l.Watch(ctx, w.ID)
}

// ChangeWatch replaces what a person may say of a watch: all fields up to
// CreatedBy. A new schedule or jitter holds from now on; with the old ones the
// next fire stays, whose scheduled time may have passed already. ErrChanged:
// somebody changed it since w was read, which w.Updated says, and nothing was
// written; a zero w.Updated replaces whatever is there.
func (l *Ledger) ChangeWatch(ctx context.Context, w Watch) (Watch, error) {
	w.defaults()
	if err := w.Validate(); err != nil {
		return Watch{}, err
	}
	now := l.Now()
	scheduled, next, err := w.first(now)
	if err != nil {
		return Watch{}, err
	}
	err = l.changeWatch(ctx, w.ID, w.Updated, `name = $2, brand = $3, sites = $4, terms = $5, seeds = $6, cron = $7, time_zone = $8,
		missed = $9, max_pages = $10, max_listings = $11, depth = $12, priority = $13, rules = $16,
		updated_at = CASE WHEN updated_at < $14 THEN $14 ELSE updated_at + 1 END,
		keep_untriaged = $17, keep_finding = $18, jitter = $19,
		next_fire = CASE WHEN cron = $7 AND time_zone = $8 AND jitter = $19 AND next_fire > $14 THEN next_fire ELSE $15 END,
		next_scheduled = CASE WHEN cron = $7 AND time_zone = $8 AND jitter = $19 AND next_fire > $14 THEN next_scheduled ELSE $20 END`,
		sqldb.Text(w.Name), rawText(w.Brand), list(w.Sites), list(w.Terms), list(w.Seeds), w.Schedule.Cron, w.Schedule.Zone,
		string(w.Missed), w.MaxPages, w.MaxListings, w.Depth, w.Priority, sqldb.Micros(now), sqldb.Micros(next), rulesText(w.Rules),
		w.Retention.Untriaged, w.Retention.Finding, string(w.Jitter), sqldb.Micros(scheduled))
	if errors.Is(err, sqldb.ErrConflict) {
		return Watch{}, fmt.Errorf("%q: %w", w.Name, ErrExists)
	}
	if err != nil {
		return Watch{}, err
	}
	return l.Watch(ctx, w.ID)
}

// changeWatch changes a watch that is not removed; with a time, only if it was
// changed last then.
func (l *Ledger) changeWatch(ctx context.Context, id capture.ID, seen time.Time, set string, args ...any) error {
	return l.tx(ctx, func(t *tx) error {
		args := append([]any{idText(id)}, args...)
		where := ` WHERE id = $1 AND NOT removed`
		if !seen.IsZero() {
			args = append(args, sqldb.Micros(seen))
			where += fmt.Sprintf(` AND updated_at = $%d`, len(args))
		}
		n, err := t.exec(ctx, `UPDATE watches SET `+set+where, args...)
		if err != nil || n > 0 {
			return err
		}
		var there bool
		if err := t.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM watches WHERE id = $1 AND NOT removed)`, idText(id)).Scan(&there); err != nil {
			return err
		}
		if there {
			return fmt.Errorf("watch %s: %w", id, ErrChanged)
		}
		return fmt.Errorf("watch %s: %w", id, ErrNotFound)
	})
}

// Watch gives one watch, a removed one too.
func (l *Ledger) Watch(ctx context.Context, id capture.ID) (Watch, error) {
	w, err := one(scanWatch, l.db.QueryRowContext(ctx, `SELECT `+watchColumns+` FROM watches WHERE id = $1`, idText(id)))
	if err != nil {
		return Watch{}, fmt.Errorf("watch %s: %w", id, err)
	}
	return w, nil
}

// WatchNamed gives the watch of that name that is not removed.
func (l *Ledger) WatchNamed(ctx context.Context, name string) (Watch, error) {
	w, err := one(scanWatch, l.db.QueryRowContext(ctx, `SELECT `+watchColumns+` FROM watches WHERE name = $1 AND NOT removed`,
		sqldb.Text(name)))
	if err != nil {
		return Watch{}, fmt.Errorf("watch %q: %w", name, err)
	}
	return w, nil
}

// Watches lists the watches that are not removed, by name.
func (l *Ledger) Watches(ctx context.Context) ([]Watch, error) {
	return all(ctx, l.db, scanWatch, `SELECT `+watchColumns+` FROM watches WHERE NOT removed ORDER BY name, id`)
}

// PauseWatch keeps a watch from firing. Jobs that are planned go on.
func (l *Ledger) PauseWatch(ctx context.Context, id capture.ID) error {
	return l.changeWatch(ctx, id, time.Time{}, `paused = TRUE, updated_at = $2`, sqldb.Micros(l.Now()))
}

// ResumeWatch lets it fire again, from its schedule's next time: fires that
// came while it was paused were not missed, they were not wanted.
func (l *Ledger) ResumeWatch(ctx context.Context, id capture.ID) error {
	w, err := l.Watch(ctx, id)
	if err != nil {
		return err
	}
	now := l.Now()
	scheduled, next := w.NextScheduled, w.NextFire
	if !next.After(now) {
		if scheduled, next, err = w.first(now); err != nil {
			return err
		}
	}
	return l.changeWatch(ctx, id, time.Time{}, `paused = FALSE, updated_at = $2, next_fire = $3, next_scheduled = $4`, sqldb.Micros(now),
		sqldb.Micros(next), sqldb.Micros(scheduled))
}

// RemoveWatch ends a watch and cancels its open jobs. What it found stays, and
// so does its row.
func (l *Ledger) RemoveWatch(ctx context.Context, id capture.ID) (cancelled int, err error) {
	err = l.changeWatch(ctx, id, time.Time{}, `removed = TRUE, next_fire = 0, updated_at = $2`, sqldb.Micros(l.Now()))
	if err != nil {
		return 0, err
	}
	return l.CancelWatch(ctx, id)
}

// DueWatches lists the watches whose time has come, the longest overdue first.
func (l *Ledger) DueWatches(ctx context.Context, now time.Time, limit int) ([]Due, error) {
	ws, err := all(ctx, l.db, scanWatch, `SELECT `+watchColumns+` FROM watches
		WHERE next_fire > 0 AND next_fire <= $1 AND NOT paused AND NOT removed ORDER BY next_fire, id LIMIT $2`,
		sqldb.Micros(now), limit)
	due := make([]Due, len(ws))
	for i, w := range ws {
		late := now.Sub(w.NextFire) > l.cfg.FireGrace
		due[i] = Due{Watch: w, FireAt: w.NextFire, Skip: late && w.Missed == Skip}
	}
	return due, err
}

// Fire plans a fire: it notes that the watch fired at the instant and plans
// its jobs, in one transaction. The watch's next fire is the first of its
// schedule that is still to come, so many missed fires become one. It is
// also how a watch is fired on demand, with fireAt now. planned is how many
// jobs were new and within the watch's limits. ErrFired: somebody was faster.
func (l *Ledger) Fire(ctx context.Context, watch capture.ID, fireAt time.Time, jobs []Work) (planned int, err error) {
	for _, w := range jobs {
		if err := w.Validate(); err != nil {
			return 0, err
		}
	}
	err = l.tx(ctx, func(t *tx) error {
		planned = 0
		w, err := t.startFire(ctx, watch, fireAt, false)
		if err != nil {
			return err
		}
		f := &fire{watch: watch, at: sqldb.Micros(fireAt), maxPages: w.MaxPages, maxListings: w.MaxListings, depth: w.Depth}
		p, err := t.plan(ctx, f, Job{Watch: watch, FireAt: fireAt}, jobs)
		if err != nil {
			return err
		}
		planned = len(p.jobs)
		return t.saveFire(ctx, f)
	})
	return planned, err
}

// SkipFire notes that a fire was missed and is not caught up with.
func (l *Ledger) SkipFire(ctx context.Context, watch capture.ID, fireAt time.Time) error {
	return l.tx(ctx, func(t *tx) error {
		_, err := t.startFire(ctx, watch, fireAt, true)
		return err
	})
}

func (t *tx) startFire(ctx context.Context, id capture.ID, fireAt time.Time, skipped bool) (Watch, error) {
	// A write first: it locks the watch's row on PostgreSQL too.
	w, err := one(scanWatch, t.QueryRowContext(ctx, `UPDATE watches SET updated_at = updated_at
		WHERE id = $1 AND NOT removed RETURNING `+watchColumns, idText(id)))
	if err != nil {
		return w, fmt.Errorf("watch %s: %w", id, err)
	}
	if w.Paused {
		return w, fmt.Errorf("watch %q: %w", w.Name, ErrPaused)
	}
	var scheduled time.Time // on demand there is none
	if fireAt.Equal(w.NextFire) {
		scheduled = w.scheduled()
	}
	n, err := t.exec(ctx, `INSERT INTO fires (watch_id, fire_at, planned_at, finished_at, skipped, max_pages, max_listings,
		depth, jobs, open, pages, listings, dropped, scheduled_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, 0, 0, $9)
		ON CONFLICT (watch_id, fire_at) DO NOTHING`, idText(id), sqldb.Micros(fireAt), sqldb.Micros(t.now),
		sqldb.Micros(t.now), skipped, w.MaxPages, w.MaxListings, w.Depth, sqldb.Micros(scheduled))
	if err != nil {
		return w, err
	}
	if n == 0 {
		return w, fmt.Errorf("watch %q at %s: %w", w.Name, fireAt.UTC().Format(time.RFC3339), ErrFired)
	}
	next, following := w.NextFire, w.NextScheduled
	if !next.IsZero() && !next.After(fireAt) {
		from := fireAt
		if t.now.After(from) {
			from = t.now
		}
		if following, next, err = w.after(w.scheduled(), from); err != nil {
			return w, err
		}
	}
	_, err = t.ExecContext(ctx, `UPDATE watches SET next_fire = $2, last_fire = $3, next_scheduled = $4 WHERE id = $1`,
		idText(id), sqldb.Micros(next), sqldb.Micros(fireAt), sqldb.Micros(following))
	return w, err
}

// Fires lists the newest fires of a watch.
func (l *Ledger) Fires(ctx context.Context, watch capture.ID, limit int) ([]Fired, error) {
	return all(ctx, l.db, scanFired, `SELECT watch_id, fire_at, planned_at, finished_at, skipped, jobs, open, pages, listings,
		dropped, refused, scheduled_at FROM fires WHERE watch_id = $1 ORDER BY fire_at DESC LIMIT $2`, idText(watch), limit)
}

func scanFired(s scanner) (Fired, error) {
	var f Fired
	var id, refused string
	var at, planned, finished, scheduled int64
	err := s.Scan(&id, &at, &planned, &finished, &f.Skipped, &f.Jobs, &f.Open, &f.Pages, &f.Listings, &f.Dropped, &refused,
		&scheduled)
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal([]byte(refused), &f.Refused); err != nil {
		return f, fmt.Errorf("the ledger is damaged: what a fire did not follow cannot be read: %w", err)
	}
	f.At, f.Planned, f.Finished = sqldb.Instant(at), sqldb.Instant(planned), sqldb.Instant(finished)
	f.Scheduled = sqldb.Instant(scheduled)
	return f, unpack(id, &f.Watch)
}

// fire is the row of a fire that a transaction holds, with what it adds.
type fire struct {
	watch                        capture.ID
	at                           int64
	maxPages, maxListings, depth int
	pages, listings              int     // as stored, then with what is added
	jobs, open                   int     // what this transaction adds
	refused                      Refused // as this transaction adds to it
}

// holdFire locks the fire a job belongs to; nil when it belongs to none.
func (t *tx) holdFire(ctx context.Context, j Job) (*fire, error) {
	if j.Watch.IsZero() {
		return nil, nil
	}
	f := &fire{watch: j.Watch, at: sqldb.Micros(j.FireAt)}
	err := t.QueryRowContext(ctx, `UPDATE fires SET jobs = jobs WHERE watch_id = $1 AND fire_at = $2
		RETURNING max_pages, max_listings, depth, pages, listings`, idText(f.watch), f.at).
		Scan(&f.maxPages, &f.maxListings, &f.depth, &f.pages, &f.listings)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("the ledger is damaged: job %s belongs to a fire that is not there", j.ID)
	}
	return f, err
}

func (t *tx) saveFire(ctx context.Context, f *fire) error {
	if f == nil {
		return nil
	}
	_, err := t.ExecContext(ctx, `UPDATE fires SET jobs = jobs + $3, open = open + $4, pages = $5, listings = $6,
		dropped = dropped + $7, finished_at = CASE WHEN open + $4 = 0 THEN CAST($8 AS BIGINT) ELSE 0 END WHERE watch_id = $1 AND fire_at = $2`,
		idText(f.watch), f.at, f.jobs, f.open, f.pages, f.listings, f.refused.Total(), sqldb.Micros(t.now))
	if err != nil || len(f.refused) == 0 {
		return err
	}
	return t.saveRefused(ctx, f)
}

// saveRefused adds to what the fire did not follow. Its row is held, so nobody
// else adds meanwhile.
func (t *tx) saveRefused(ctx context.Context, f *fire) error {
	var text string
	err := t.QueryRowContext(ctx, `SELECT refused FROM fires WHERE watch_id = $1 AND fire_at = $2`, idText(f.watch), f.at).Scan(&text)
	if err != nil {
		return err
	}
	var all Refused
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return fmt.Errorf("the ledger is damaged: what a fire did not follow cannot be read: %w", err)
	}
	all.merge(f.refused)
	_, err = t.ExecContext(ctx, `UPDATE fires SET refused = $3 WHERE watch_id = $1 AND fire_at = $2`, idText(f.watch), f.at, refusedText(all))
	return err
}
