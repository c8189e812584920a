package catalog

import (
	"context"
	"database/sql"
	"testing"

	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
)

func TestInsertRows(t *testing.T) {
	if got := values(2, 3); got != " VALUES ($1,$2,$3), ($4,$5,$6)" {
		t.Error(got)
	}
	sqldbtest.Each(t, func(t *testing.T, open func() *sqldb.DB) {
		db, ctx := open(), context.Background()
		if _, err := db.ExecContext(ctx, `CREATE TABLE pair (a INTEGER NOT NULL, b TEXT NOT NULL)`); err != nil {
			t.Fatal(err)
		}
		for n := range 70 {
			var rows [][]any
			for i := range n {
				rows = append(rows, []any{n*100 + i, "x"})
			}
			err := db.Tx(ctx, func(tx *sql.Tx) error { return insertRows(ctx, tx, `INSERT INTO pair (a, b)`, rows) })
			if err != nil {
				t.Fatal(err)
			}
			var have, least, most int
			if err := db.QueryRowContext(ctx, `SELECT count(*), coalesce(min(a), 0), coalesce(max(a), 0) FROM pair WHERE a / 100 = $1`, n).Scan(&have, &least, &most); err != nil {
				t.Fatal(err)
			}
			if have != n || n > 0 && (least != n*100 || most != n*100+n-1) {
				t.Errorf("of %d rows there are %d, from %d to %d", n, have, least, most)
			}
		}
		err := db.Tx(ctx, func(tx *sql.Tx) error {
			return insertRows(ctx, tx, `INSERT INTO pair (a, b)`, [][]any{{1, "x"}, {2, nil}})
		})
		if err == nil {
			t.Error("a row that is refused was taken")
		}
	})
}
