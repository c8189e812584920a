// Package sqldb opens the SQL database that the archive's catalogue and the
// work ledger live in: SQLite on one machine, PostgreSQL in a fleet.
//
// It is a leaf: it knows no table but goose's version tables, and every owner
// of tables brings its own migrations (DB.Migrate).
//
// Invariants:
//   - One set of queries runs on both: `$1` placeholders, named columns,
//     ON CONFLICT ... RETURNING, row values. What differs is in dialect.go and
//     nowhere else.
//   - An instant is stored as BIGINT unix microseconds, UTC, 0 for none
//     (Micros, Instant). Text that came from a page goes through Text first:
//     PostgreSQL refuses NUL and broken UTF-8, SQLite does not.
//   - DB.Tx repeats its function when the database asks for it (busy,
//     serialization, deadlock), a bounded number of times: the function must
//     have no effect outside its transaction.
//   - Errors are translated at the edge (ErrUnavailable, ErrBusy, ErrConflict,
//     ErrUncertain). A password in a URL is in no error, log line or String.
//   - SQLite has one writer at a time: writers of one process queue in DB.Tx
//     and do not spin; writers of several processes wait by busy_timeout.
//   - What DB.Tx and DB.ExecContext have returned survives a power failure
//     (unless synchronous=normal was asked for). On SQLite the sync is after
//     the commit and shared by all that wait for one: walSync.
package sqldb
