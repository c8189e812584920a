package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/trawlmark/trawlmark/archive/sqldb"
)

const laneColumns = `name, closed_until, reason, paused, paused_by, updated_at`

func scanLane(s scanner) (Lane, error) {
	var l Lane
	var until, updated int64
	err := s.Scan(&l.Name, &until, &l.Reason, &l.Paused, &l.PausedBy, &updated)
	l.ClosedUntil, l.Updated = sqldb.Instant(until), sqldb.Instant(updated)
	return l, err
}

func (l *Ledger) setLane(ctx context.Context, name string, until int64, reason string, paused bool, by, set string) error {
	if name == "" || len(name) > 300 {
		return fmt.Errorf("%w: a lane's name must have 1 to 300 bytes", ErrInvalid)
	}
	_, err := l.db.ExecContext(ctx, `INSERT INTO lanes (`+laneColumns+`) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (name) DO UPDATE SET updated_at = excluded.updated_at, `+set,
		sqldb.Text(name), until, shown(reason), paused, sqldb.Text(by), sqldb.Micros(l.Now()))
	return err
}

// CloseLane keeps a lane closed until an instant. A penalty is never shortened
// by another one: see OpenLane.
func (l *Ledger) CloseLane(ctx context.Context, lane string, until time.Time, reason string) error {
	return l.setLane(ctx, lane, sqldb.Micros(until), reason, false, "", `
		reason = CASE WHEN excluded.closed_until > lanes.closed_until THEN excluded.reason ELSE lanes.reason END,
		closed_until = CASE WHEN excluded.closed_until > lanes.closed_until THEN excluded.closed_until ELSE lanes.closed_until END`)
}

// OpenLane lifts a lane's penalty: an operator knows better.
func (l *Ledger) OpenLane(ctx context.Context, lane, by string) error {
	return l.setLane(ctx, lane, 0, openedBy+by, false, "", `closed_until = 0, reason = excluded.reason`)
}

// PauseLane stops a lane until ResumeLane.
func (l *Ledger) PauseLane(ctx context.Context, lane, by string) error {
	return l.setLane(ctx, lane, 0, "", true, by, `paused = excluded.paused, paused_by = excluded.paused_by`)
}

// ResumeLane ends a pause.
func (l *Ledger) ResumeLane(ctx context.Context, lane, by string) error {
	return l.setLane(ctx, lane, 0, "", false, by, `paused = excluded.paused, paused_by = excluded.paused_by`)
}

// Lane gives what is known of a lane; one that nobody ever closed or paused is
// open.
func (l *Ledger) Lane(ctx context.Context, lane string) (Lane, error) {
	found, err := all(ctx, l.db, scanLane, `SELECT `+laneColumns+` FROM lanes WHERE name = $1`, sqldb.Text(lane))
	if err != nil || len(found) == 0 {
		return Lane{Name: lane}, err
	}
	return found[0], nil
}

// Lanes lists the lanes that were ever closed or paused, by name.
func (l *Ledger) Lanes(ctx context.Context) ([]Lane, error) {
	return all(ctx, l.db, scanLane, `SELECT `+laneColumns+` FROM lanes ORDER BY name`)
}
