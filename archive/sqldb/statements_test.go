package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func openKeeping(t *testing.T) *DB {
	t.Helper()
	db, err := Open(t.Context(), Config{URL: "sqlite://" + filepath.Join(t.TempDir(), "kept.db"), MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for _, s := range []string{`CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL)`, `INSERT INTO t (id, name) VALUES (1, 'a'), (2, 'b'), (3, 'c')`} {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// kept looks at what the only connection keeps.
func kept(t *testing.T, db *DB) *keepingConn {
	t.Helper()
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var k *keepingConn
	if err := c.Raw(func(raw any) error { k = raw.(*keepingConn); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(k.kept) != k.order.Len() {
		t.Errorf("%d statements by text, %d in order", len(k.kept), k.order.Len())
	}
	return k
}

func TestAStatementIsReadOnce(t *testing.T) {
	db := openKeeping(t)
	const q = `SELECT name FROM t WHERE id = $1`
	for id, want := range map[int]string{1: "a", 2: "b", 3: "c"} {
		var got string
		if err := db.QueryRowContext(t.Context(), q, id).Scan(&got); err != nil || got != want {
			t.Errorf("id %d: %q, %v", id, got, err)
		}
	}
	first := kept(t, db).kept[q]
	if first == nil {
		t.Fatal("the statement was not kept")
	}
	was := first.Value
	if err := db.QueryRowContext(t.Context(), q, 9).Scan(new(string)); err != sql.ErrNoRows {
		t.Error(err)
	}
	if now := kept(t, db).kept[q]; now == nil || now.Value != was {
		t.Error("another statement was made of the same text")
	}
}

func TestOneTextTwiceAtATime(t *testing.T) {
	db := openKeeping(t)
	const q = `SELECT id, name FROM t WHERE id >= $1 ORDER BY id`
	err := db.Tx(t.Context(), func(tx *sql.Tx) error {
		outer, err := tx.QueryContext(t.Context(), q, 1)
		if err != nil {
			return err
		}
		defer outer.Close()
		var all []string
		for outer.Next() {
			var id int
			var name, last string
			if err := outer.Scan(&id, &name); err != nil {
				return err
			}
			inner, err := tx.QueryContext(t.Context(), q, id)
			if err != nil {
				return err
			}
			for inner.Next() {
				if err := inner.Scan(new(int), &last); err != nil {
					return err
				}
				all = append(all, name+last)
			}
			if err := inner.Close(); err != nil {
				return err
			}
		}
		if got := strings.Join(all, " "); got != "aa ab ac bb bc cc" {
			t.Errorf("the two of them read %s", got)
		}
		return outer.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAKeptStatementSeesANewTable(t *testing.T) {
	db := openKeeping(t)
	const all, add = `SELECT * FROM t WHERE id = 1`, `INSERT INTO t (id, name) VALUES ($1, $2)`
	columns := func() string {
		t.Helper()
		rows, err := db.QueryContext(t.Context(), all)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		names, _ := rows.Columns()
		return strings.Join(names, " ")
	}
	before := columns()
	if _, err := db.ExecContext(t.Context(), add, 4, "d"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `ALTER TABLE t ADD COLUMN more TEXT NOT NULL DEFAULT ''`); err != nil {
		t.Fatal(err)
	}
	if after := columns(); before != "id name" || after != "id name more" {
		t.Errorf("columns %q, then %q", before, after)
	}
	if _, err := db.ExecContext(t.Context(), add, 5, "e"); err != nil {
		t.Error(err)
	}
}

func TestAFailedStatementIsNotKept(t *testing.T) {
	db := openKeeping(t)
	const add = `INSERT INTO t (id, name) VALUES ($1, $2)`
	if _, err := db.ExecContext(t.Context(), add, 1, "again"); err == nil {
		t.Fatal("the same key twice")
	}
	if kept(t, db).kept[add] != nil {
		t.Error("it was kept")
	}
	if _, err := db.ExecContext(t.Context(), add, 4, "d"); err != nil {
		t.Errorf("after a failure: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	rows, err := db.QueryContext(ctx, `SELECT id FROM t`)
	if err != nil || !rows.Next() {
		t.Fatal(err)
	}
	cancel()
	for rows.Next() {
	}
	rows.Close()
	var n int
	if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM t`).Scan(&n); err != nil || n != 4 {
		t.Errorf("after a query that was given up: %d rows, %v", n, err)
	}
}

func TestKeptStatementsAreBounded(t *testing.T) {
	db := openKeeping(t)
	for i := range keptStatements + 50 {
		if err := db.QueryRowContext(t.Context(), fmt.Sprintf(`SELECT %d`, i)).Scan(new(int)); err != nil {
			t.Fatal(err)
		}
	}
	long := `SELECT '` + strings.Repeat("x", maxKeptText) + `'`
	if err := db.QueryRowContext(t.Context(), long).Scan(new(string)); err != nil {
		t.Fatal(err)
	}
	k := kept(t, db)
	if n := k.order.Len(); n != keptStatements || k.kept[long] != nil || k.kept[`SELECT 0`] != nil || k.kept[fmt.Sprintf(`SELECT %d`, keptStatements+49)] == nil {
		t.Errorf("%d statements are kept, or the wrong ones", n)
	}
}

// However a transaction ends, and whenever its context does, the connection has
// none afterwards, and what was told as committed is there.
func TestTransactionsEnd(t *testing.T) {
	db := openKeeping(t)
	const add = `INSERT INTO t (id, name) VALUES ($1, 'x')`
	count := func() (n int) {
		t.Helper()
		if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM t`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	want := count()
	for i := range 60 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { // somewhere in the middle, or after it
			for range i * 20 {
				runtime.Gosched()
			}
			cancel()
		}()
		err := db.Tx(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, add, 100+i); err != nil {
				return err
			}
			if i%3 == 0 {
				return context.DeadlineExceeded // of the caller's own
			}
			return nil
		})
		if err == nil {
			want++
		}
		cancel()
		if got := count(); got != want {
			t.Fatalf("%d: %d rows, want %d, after %v", i, got, want, err)
		}
		if err := db.Read(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), `SELECT 1`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}
