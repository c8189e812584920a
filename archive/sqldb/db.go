package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// DB is an open database. Safe for concurrent use. Reads may use the embedded
// *sql.DB; writes of more than one statement go through Tx.
type DB struct {
	*sql.DB
	dialect  Dialect
	name     string        // the URL, redacted
	writer   chan struct{} // SQLite: one writer of this process at a time
	patience time.Duration // SQLite: how long a writer waits for its turn
	anchor   *sql.Conn     // SQLite in memory: lives while one connection does
	wal      *walSync      // SQLite in a file, synchronous=full; else nil
}

// attempts bounds how often one transaction is tried.
const attempts = 10

// Open opens the database and talks to it once, so that a wrong address is
// found here. The file of a SQLite URL is created when missing, its folder is
// not. Errors: ErrUnavailable when it does not answer.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	s, err := parse(cfg.URL)
	if err != nil {
		return nil, err
	}
	db := &DB{dialect: s.dialect, name: Redact(cfg.URL)}
	if s.dialect == SQLite {
		db.writer, db.patience = make(chan struct{}, 1), cfg.BusyTimeout
		db.DB, db.wal, err = openSQLite(cfg, s, fmt.Sprintf("/trawlmark-%p", db))
	} else {
		db.DB, err = openPostgreSQL(cfg)
	}
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(cfg.MaxConns)
	db.SetMaxIdleConns(cfg.MaxConns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	if err := db.firstContact(ctx, s); err != nil {
		db.DB.Close()
		return nil, fmt.Errorf("%s: %w", db.name, Err(err))
	}
	return db, nil
}

// firstContact pings. Two processes that open a new SQLite file at the same
// time collide on switching it to WAL, which busy_timeout does not cover.
func (db *DB) firstContact(ctx context.Context, s source) error {
	err := db.retry(ctx, func() error { return db.PingContext(ctx) })
	if err == nil && s.dialect == SQLite && s.path == "" {
		db.anchor, err = db.Conn(ctx)
	}
	return err
}

// Dialect tells which kind of database it is.
func (db *DB) Dialect() Dialect { return db.dialect }

// String names the database without its password.
func (db *DB) String() string { return db.name }

// Close closes all connections.
func (db *DB) Close() error {
	if db.anchor != nil {
		db.anchor.Close()
	}
	return db.DB.Close()
}

// Now is the database's clock, the one clock that all processes of a fleet
// share: leases compare instants of different machines. SQLite has no clock of
// its own; there it is local's.
func (db *DB) Now(ctx context.Context, local func() time.Time) (time.Time, error) {
	t, ok, err := db.now(ctx)
	if err == nil && !ok {
		t = local()
	}
	return t, err
}

// Tx runs fn in one transaction and commits it when fn returns nil. When the
// database says that it is busy or that the transaction collided, fn runs
// again, up to 10 times with growing pauses, so it must touch nothing outside
// the transaction that it does not set anew. It must not call Tx or ExecContext
// of this DB either: on SQLite that would wait for itself. An error of fn is returned as fn
// gave it, or translated (see Err) when it is the database's.
func (db *DB) Tx(ctx context.Context, fn func(*sql.Tx) error) error {
	if err := db.inTurn(ctx, func() error { return db.once(ctx, nil, fn) }); err != nil {
		return err
	}
	return db.durable()
}

// inTurn runs do, again while the database is busy, as the one writer of this
// process where there may be only one.
func (db *DB) inTurn(ctx context.Context, do func() error) error {
	if err := db.acquire(ctx); err != nil {
		return err
	}
	defer db.release()
	return db.retry(ctx, do)
}

// durable returns when what this process has committed is on the disk. It runs
// outside of the writer's turn, so that others commit meanwhile.
func (db *DB) durable() error {
	if db.wal == nil {
		return nil
	}
	return db.wal.wait()
}

// Read runs fn in one read-only transaction: its queries see one state, and on
// SQLite it waits for no writer.
func (db *DB) Read(ctx context.Context, fn func(*sql.Tx) error) error {
	o := &sql.TxOptions{ReadOnly: true}
	if db.dialect == PostgreSQL {
		o.Isolation = sql.LevelRepeatableRead
	}
	return db.retry(ctx, func() error { return db.once(ctx, o, fn) })
}

// ReadFor is Read for at most limit; fn reads with the context that it is given.
// What lasts longer is ended, in the database too, and gives ErrTooLong:
// PostgreSQL does not notice by itself that nobody waits for its answer any more.
func (db *DB) ReadFor(ctx context.Context, limit time.Duration, fn func(context.Context, *sql.Tx) error) error {
	statements, patience := db.dialect.limitStatements(limit), limit
	if statements != "" {
		patience += 250 * time.Millisecond // the database ends it first, and keeps the connection
	}
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := db.Read(short, func(tx *sql.Tx) error {
		if statements != "" {
			if _, err := tx.ExecContext(short, statements); err != nil {
				return err
			}
		}
		return fn(short, tx)
	})
	if err != nil && ctx.Err() == nil && (short.Err() != nil || ended(err)) {
		return &Error{Kind: ErrTooLong, Cause: err}
	}
	return err
}

// ExecContext runs one statement, in turn with the process's other writers.
func (db *DB) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	var res sql.Result
	err := db.inTurn(ctx, func() (err error) {
		res, err = db.DB.ExecContext(ctx, query, args...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, db.durable()
}

func (db *DB) once(ctx context.Context, o *sql.TxOptions, fn func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no effect after Commit; also on panic
	if err := fn(tx); err != nil {
		return err
	}
	err = tx.Commit()
	if err != nil && db.dialect == PostgreSQL && kind(err) == ErrUnavailable && o == nil {
		return &Error{Kind: ErrUncertain, Cause: err}
	}
	return err
}

func (db *DB) retry(ctx context.Context, do func() error) error {
	for n := 1; ; n++ {
		err := Err(do())
		var e *Error
		if !errors.Is(err, ErrBusy) || !errors.As(err, &e) || e.spent {
			return err
		}
		if n == attempts {
			return &Error{Kind: ErrBusy, Cause: e.Cause, spent: true}
		}
		// 2, 4, ... 256 ms and half as much again at random, so that those who
		// collided do not collide again.
		pause := time.Millisecond << min(n, 8)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause + rand.N(pause/2)):
		}
	}
}

func (db *DB) acquire(ctx context.Context) error {
	if db.writer == nil {
		return nil
	}
	select {
	case db.writer <- struct{}{}:
		return nil
	default:
	}
	late := time.NewTimer(db.patience)
	defer late.Stop()
	select {
	case db.writer <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		return &Error{Kind: ErrBusy, Cause: fmt.Errorf("a transaction of this process has lasted %s", db.patience), spent: true}
	}
}

func (db *DB) release() {
	if db.writer != nil {
		<-db.writer
	}
}
