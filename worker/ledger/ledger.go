package ledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"sync/atomic"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config is what an operator may set.
type Config struct {
	// DispatchLease is how long a ticket may wait in the queue before its job
	// is planned again. Default 20 s.
	DispatchLease time.Duration
	// FireGrace is how late a fire may be before its watch's missed policy
	// applies. Default 5 min.
	FireGrace time.Duration
	// MaxAge is how long a job may be released and retried before it has
	// failed for good. Default 7 days.
	MaxAge time.Duration
	// Budgets per failure class; a class not named keeps its default
	// (DefaultBudgets).
	Budgets map[Class]Budget
	// LocalClock trusts this machine's clock for leases rather than the
	// database's. For tests with a clock of their own.
	LocalClock bool
}

func (c Config) withDefaults() Config {
	if c.DispatchLease == 0 {
		c.DispatchLease = 20 * time.Second
	}
	if c.FireGrace == 0 {
		c.FireGrace = 5 * time.Minute
	}
	if c.MaxAge == 0 {
		c.MaxAge = 7 * 24 * time.Hour
	}
	budgets := DefaultBudgets()
	maps.Copy(budgets, c.Budgets)
	c.Budgets = budgets
	return c
}

// Validate reports the first setting that cannot be used, by its key.
func (c Config) Validate() error {
	if c.DispatchLease < 0 || c.FireGrace < 0 || c.MaxAge < 0 {
		return errors.New("dispatch_lease, fire_grace and max_age must not be negative")
	}
	known := DefaultBudgets()
	for class, b := range c.Budgets {
		if _, ok := known[class]; !ok {
			return fmt.Errorf("budgets.%s: there is no such failure class", class)
		}
		if b.Attempts < 1 || b.Backoff < 0 || b.Then != Failed && b.Then != Quarantined {
			return fmt.Errorf("budgets.%s: want at least 1 attempt, no negative backoff, and then failed or quarantined", class)
		}
	}
	return nil
}

// Ledger is the ledger in one database. Safe for concurrent use, and any
// number of processes may have the same one open.
type Ledger struct {
	db    *sqldb.DB
	ids   *capture.IDSource
	local func() time.Time
	cfg   Config
	ahead atomic.Int64 // how far the database's clock is ahead of local, ns
	asked atomic.Int64 // when it was compared, by local, unix ns
}

// clockKept is how long a comparison of clocks is good for.
const clockKept = 5 * time.Minute

// Open brings the schema up to date and gives the ledger in db. now is this
// machine's clock; ids makes the rows' ids.
func Open(ctx context.Context, db *sqldb.DB, ids *capture.IDSource, now func() time.Time, cfg Config) (*Ledger, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, dir, "ledger_version"); err != nil {
		return nil, fmt.Errorf("the ledger's tables could not be brought up to date: %w", err)
	}
	l := &Ledger{db: db, ids: ids, local: now, cfg: cfg.withDefaults()}
	return l, l.SetClock(ctx)
}

// SetClock compares this machine's clock with the database's, which is the one
// that leases are kept by. Open, Reconcile and, every few minutes, Claim do it.
func (l *Ledger) SetClock(ctx context.Context) error {
	if l.cfg.LocalClock {
		return nil
	}
	before := l.local()
	t, err := l.db.Now(ctx, l.local)
	if err != nil {
		return err
	}
	// The answer was true somewhere between asking and getting it.
	l.ahead.Store(int64(t.Sub(before.Add(l.local().Sub(before) / 2))))
	l.asked.Store(before.UnixNano())
	return nil
}

// keepClock does SetClock when the last time is long ago. What hinders it
// hinders the caller's own query too, and is told by that.
func (l *Ledger) keepClock(ctx context.Context) {
	if age := l.local().Sub(time.Unix(0, l.asked.Load())); age < 0 || age > clockKept {
		_ = l.SetClock(ctx)
	}
}

// Now is the time that the ledger's leases and fires are kept by.
func (l *Ledger) Now() time.Time { return l.local().Add(time.Duration(l.ahead.Load())).UTC() }

// tx is one transaction with the counts it changes.
type tx struct {
	*sql.Tx
	l     *Ledger
	now   time.Time
	tally map[tallyKey]int64
}

func (l *Ledger) tx(ctx context.Context, fn func(*tx) error) error {
	return l.db.Tx(ctx, func(s *sql.Tx) error {
		t := &tx{Tx: s, l: l, now: l.Now(), tally: map[tallyKey]int64{}}
		if err := fn(t); err != nil {
			return err
		}
		return t.flush(ctx)
	})
}

// exec runs a statement and gives how many rows it touched.
func (t *tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := t.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// queryer is the part of *sql.DB and *sql.Tx that reading needs.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

type scanner interface{ Scan(...any) error }

// one reads a single row; no row is ErrNotFound.
func one[T any](scan func(scanner) (T, error), row *sql.Row) (T, error) {
	v, err := scan(row)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return v, sqldb.Err(err)
}

// all reads every row.
func all[T any](ctx context.Context, q queryer, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, sqldb.Err(err)
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, sqldb.Err(err)
		}
		list = append(list, v)
	}
	return list, sqldb.Err(rows.Err())
}
