package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Dialect is the kind of database. This file holds all that differs.
type Dialect int

// The dialects.
const (
	SQLite Dialect = iota + 1
	PostgreSQL
)

func (d Dialect) String() string {
	switch d {
	case SQLite:
		return "sqlite"
	case PostgreSQL:
		return "postgres"
	}
	return "unknown"
}

func openSQLite(cfg Config, s source, name string) (*sql.DB, *walSync, error) {
	var wal *walSync
	dsn := "file:" + name
	options := url.Values{
		"_busy_timeout": {fmt.Sprint(cfg.BusyTimeout.Milliseconds())},
		"_foreign_keys": {"on"},
		"_synchronous":  {s.synchronous},
		// A transaction that reads first and writes later cannot wait for the
		// write lock: SQLite fails it at once. Writers take the lock up front.
		"_txlock": {"immediate"},
	}
	if s.path != "" {
		abs, err := filepath.Abs(s.path)
		if err != nil {
			return nil, nil, err
		}
		dsn = "file:" + (&url.URL{Path: abs}).EscapedPath()
		options.Set("_journal_mode", "WAL")
		if s.synchronous == "FULL" {
			// As safe, and one sync for many commits: see walSync.
			options.Set("_synchronous", "NORMAL")
			wal = newWALSync(abs)
		}
	} else {
		options.Set("vfs", "memdb")
	}
	connector, err := sqlite.NewConnector(dsn + "?" + options.Encode())
	if err != nil {
		return nil, nil, err
	}
	return sql.OpenDB(keepingStatements{connector}), wal, nil
}

func openPostgreSQL(cfg Config) (*sql.DB, error) {
	pc, err := pgx.ParseConfig(cfg.URL)
	if err != nil {
		// Not wrapped: the cause may repeat parts of the URL.
		return nil, fmt.Errorf("url %s cannot be used by PostgreSQL: check host, user, password, name and options", Redact(cfg.URL))
	}
	if pc.ConnectTimeout == 0 {
		pc.ConnectTimeout = cfg.ConnectTimeout
	}
	if pc.RuntimeParams["application_name"] == "" {
		pc.RuntimeParams["application_name"] = "trawlmark"
	}
	return stdlib.OpenDB(*pc), nil
}

// migrationOptions: PostgreSQL guards migrations with an advisory lock, SQLite
// by trying again (see DB.Migrate).
func (d Dialect) migrationOptions() (goose.Dialect, []goose.ProviderOption, error) {
	if d == SQLite {
		return goose.DialectSQLite3, nil, nil
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return "", nil, err
	}
	return goose.DialectPostgres, []goose.ProviderOption{goose.WithSessionLocker(locker)}, nil
}

// clock is a query for the database's own time in unix microseconds; "" when
// the database has no other clock than this machine's.
func (d Dialect) clock() string {
	if d == PostgreSQL {
		return `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)`
	}
	return ""
}

// limitStatements is a statement that bounds each following one of its
// transaction; "" where a context's end stops the database by itself.
func (d Dialect) limitStatements(limit time.Duration) string {
	if d == PostgreSQL {
		return fmt.Sprintf(`SET LOCAL statement_timeout = %d`, max(1, limit.Milliseconds()))
	}
	return ""
}

// ended reports whether the database stopped a statement because it was told to.
func ended(err error) bool {
	var pe *pgconn.PgError
	return errors.As(err, &pe) && pe.Code == "57014"
}

// kind says which of the package's errors err is; nil when none.
func kind(err error) error {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return postgresKind(pe.Code)
	}
	var se *sqlite.Error
	if errors.As(err, &se) {
		return sqliteKind(se.Code())
	}
	var ce *pgconn.ConnectError
	var ne net.Error
	switch {
	case errors.As(err, &ce), errors.As(err, &ne), errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return ErrUnavailable
	}
	return nil
}

func sqliteKind(code int) error {
	switch code & 0xff { // the rest is the extended code
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return ErrBusy
	case sqlite3.SQLITE_CONSTRAINT:
		if code == sqlite3.SQLITE_CONSTRAINT_UNIQUE || code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY {
			return ErrConflict
		}
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM:
		return ErrUnavailable
	}
	return nil
}

// postgresKind reads SQLSTATE (PostgreSQL manual, appendix A).
func postgresKind(code string) error {
	switch code {
	case "40001", "40P01", "55P03": // serialization, deadlock, lock not available
		return ErrBusy
	case "23505":
		return ErrConflict
	case "57P01", "57P02", "57P03", "25006": // shutting down, crashed, starting up, read-only standby
		return ErrUnavailable
	}
	if len(code) == 5 && (code[:2] == "08" || code[:2] == "53" || code[:2] == "58") { // connection, resources, system
		return ErrUnavailable
	}
	return nil
}

// now asks the database for the time; ok is false when it has no own clock.
func (db *DB) now(ctx context.Context) (t time.Time, ok bool, err error) {
	q := db.dialect.clock()
	if q == "" {
		return time.Time{}, false, nil
	}
	var us int64
	if err := db.DB.QueryRowContext(ctx, q).Scan(&us); err != nil {
		return time.Time{}, false, Err(err)
	}
	return Instant(us), true, nil
}
