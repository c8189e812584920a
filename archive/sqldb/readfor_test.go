package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
)

// A read that would never end is ended, and the database does not go on with it
// by itself.
func TestReadForEnds(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func() *sqldb.DB) {
		db := open()
		var n int
		count := func(q string) func(context.Context, *sql.Tx) error {
			return func(ctx context.Context, tx *sql.Tx) error { return tx.QueryRowContext(ctx, q).Scan(&n) }
		}
		endless := count(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT (i + 1) % 1000 FROM n) SELECT count(*) FROM n`)
		if err := db.ReadFor(ctx, 200*time.Millisecond, endless); !errors.Is(err, sqldb.ErrTooLong) {
			t.Fatalf("an endless read gives %v", err)
		}
		if err := db.ReadFor(ctx, time.Minute, count(`SELECT 7`)); err != nil || n != 7 {
			t.Errorf("a short read after it: %d, %v", n, err)
		}
		if db.Dialect() == sqldb.PostgreSQL {
			if err := db.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity
				WHERE state = 'active' AND query LIKE '%RECURSIVE n (i)%' AND pid <> pg_backend_pid()`).Scan(&n); err != nil || n != 0 {
				t.Errorf("%d such reads go on in the database, %v", n, err)
			}
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if err := db.ReadFor(gone, time.Minute, count(`SELECT 7`)); !errors.Is(err, context.Canceled) {
			t.Errorf("whoever asked has gone: %v", err)
		}
	})
}
