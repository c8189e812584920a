package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
)

var ctx = context.Background()

func migrations(n int) fstest.MapFS {
	all := fstest.MapFS{
		"00001_first.sql": {Data: []byte("-- +goose Up\nCREATE TABLE counter (id TEXT PRIMARY KEY, n BIGINT NOT NULL, ok BOOLEAN NOT NULL DEFAULT FALSE);\n")},
	}
	if n > 1 {
		all["00002_second.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nALTER TABLE counter ADD COLUMN more TEXT NOT NULL DEFAULT '';\n")}
	}
	return all
}

func TestMigrate(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func() *sqldb.DB) {
		// Sixteen processes start at once on an empty database.
		var wg sync.WaitGroup
		for range 16 {
			db := open()
			wg.Go(func() {
				if err := db.Migrate(ctx, migrations(1), "test_version"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		db := open()
		if err := db.Migrate(ctx, migrations(2), "test_version"); err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(ctx, `INSERT INTO counter (id, n, more) VALUES ('a', 1, 'x')`); err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(ctx, migrations(1), "test_version"); !errors.Is(err, sqldb.ErrNewer) {
			t.Errorf("an older program opened a newer database: %v", err)
		}
		// Another owner has its own version table.
		other := fstest.MapFS{"00001_x.sql": {Data: []byte("-- +goose Up\nCREATE TABLE other (id TEXT PRIMARY KEY);\n")}}
		if err := db.Migrate(ctx, other, "other_version"); err != nil {
			t.Error(err)
		}
		broken := fstest.MapFS{"00001_x.sql": {Data: []byte("-- +goose Up\nCREATE TABLE half (id TEXT PRIMARY KEY);\nCREATE GARBAGE;\n")}}
		if err := db.Migrate(ctx, broken, "broken_version"); err == nil {
			t.Error("a broken migration was applied")
		}
		if _, err := db.ExecContext(ctx, `SELECT id FROM half`); err == nil {
			t.Error("half of a broken migration stayed")
		}
	})
}

func TestTxLosesNoUpdate(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func() *sqldb.DB) {
		first := open()
		if err := first.Migrate(ctx, migrations(1), "v"); err != nil {
			t.Fatal(err)
		}
		if _, err := first.ExecContext(ctx, `INSERT INTO counter (id, n) VALUES ('a', 0)`); err != nil {
			t.Fatal(err)
		}
		const writers, each = 6, 20
		var wg sync.WaitGroup
		for range writers {
			db := open()
			wg.Go(func() {
				for range each {
					err := db.Tx(ctx, func(tx *sql.Tx) error {
						var n int
						q := `SELECT n FROM counter WHERE id = 'a'`
						if db.Dialect() == sqldb.PostgreSQL {
							q += ` FOR UPDATE`
						}
						if err := tx.QueryRowContext(ctx, q).Scan(&n); err != nil {
							return err
						}
						_, err := tx.ExecContext(ctx, `UPDATE counter SET n = $1 WHERE id = 'a'`, n+1)
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		var n int
		if err := first.QueryRowContext(ctx, `SELECT n FROM counter WHERE id = 'a'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n != writers*each {
			t.Errorf("%d of %d updates are there", n, writers*each)
		}
	})
}

// Two transactions take the same rows in opposite order, each holding its first
// before it asks for its second. PostgreSQL kills one of them, which runs again.
func TestTxRepeatsAfterDeadlock(t *testing.T) {
	open := sqldbtest.PostgreSQL(t)
	a, b := open(), open()
	if err := a.Migrate(ctx, migrations(1), "v"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.ExecContext(ctx, `INSERT INTO counter (id, n) VALUES ('x', 0), ('y', 0)`); err != nil {
		t.Fatal(err)
	}
	var runs atomic.Int32
	var both, wg sync.WaitGroup
	both.Add(2)
	run := func(db *sqldb.DB, first, second string) {
		met := false
		err := db.Tx(ctx, func(tx *sql.Tx) error {
			runs.Add(1)
			add := func(id string) error {
				_, err := tx.ExecContext(ctx, `UPDATE counter SET n = n + 1 WHERE id = $1`, id)
				return err
			}
			if err := add(first); err != nil {
				return err
			}
			if !met {
				met = true
				both.Done()
				both.Wait()
			}
			return add(second)
		})
		if err != nil {
			t.Error(err)
		}
	}
	wg.Go(func() { run(a, "x", "y") })
	wg.Go(func() { run(b, "y", "x") })
	wg.Wait()
	var sum int
	if err := a.QueryRowContext(ctx, `SELECT sum(n) FROM counter`).Scan(&sum); err != nil || sum != 4 || runs.Load() < 3 {
		t.Errorf("sum %d after %d runs, %v; want 4 after at least 3", sum, runs.Load(), err)
	}
}

// Another process holds SQLite's write lock for longer than busy_timeout.
func TestTxRepeatsWhenBusy(t *testing.T) {
	file := "sqlite://" + filepath.Join(t.TempDir(), "x.db")
	var dbs []*sqldb.DB
	for range 2 {
		db, err := sqldb.Open(ctx, sqldb.Config{URL: file, BusyTimeout: 500 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		dbs = append(dbs, db)
	}
	held, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := dbs[0].Tx(ctx, func(*sql.Tx) error { close(held); <-release; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-held
	time.AfterFunc(700*time.Millisecond, func() { close(release) })
	if err := dbs[1].Tx(ctx, func(*sql.Tx) error { return nil }); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

func TestTxRollsBack(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func() *sqldb.DB) {
		db := open()
		if err := db.Migrate(ctx, migrations(1), "v"); err != nil {
			t.Fatal(err)
		}
		mine := errors.New("mine")
		insert := func(tx *sql.Tx) {
			if _, err := tx.ExecContext(ctx, `INSERT INTO counter (id, n) VALUES ('a', 1)`); err != nil {
				t.Error(err)
			}
		}
		if err := db.Tx(ctx, func(tx *sql.Tx) error { insert(tx); return mine }); err != mine {
			t.Errorf("got %v", err)
		}
		func() {
			defer func() { recover() }()
			db.Tx(ctx, func(tx *sql.Tx) error { insert(tx); panic("x") })
		}()
		stopped, cancel := context.WithCancel(ctx)
		err := db.Tx(stopped, func(tx *sql.Tx) error { insert(tx); cancel(); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		var n int
		if err := db.QueryRowContext(ctx, `SELECT count(*) FROM counter`).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d rows, %v: a transaction that failed left something", n, err)
		}
		// The writer's turn was given back every time.
		if err := db.Tx(ctx, func(tx *sql.Tx) error { insert(tx); return nil }); err != nil {
			t.Error(err)
		}
		err = db.Tx(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO counter (id, n) VALUES ('a', 1)`)
			return err
		})
		if !errors.Is(err, sqldb.ErrConflict) {
			t.Errorf("a duplicate key gave %v", err)
		}
		err = db.Read(ctx, func(tx *sql.Tx) error {
			return tx.QueryRowContext(ctx, `SELECT n FROM counter WHERE id = 'b'`).Scan(&n)
		})
		if !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("no row gave %v", err)
		}
	})
}

func TestReaderDoesNotWaitForWriter(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func() *sqldb.DB) {
		db := open()
		if err := db.Migrate(ctx, migrations(1), "v"); err != nil {
			t.Fatal(err)
		}
		err := db.Tx(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, `INSERT INTO counter (id, n) VALUES ('a', 1)`); err != nil {
				return err
			}
			return db.Read(ctx, func(r *sql.Tx) error {
				var n int
				if err := r.QueryRowContext(ctx, `SELECT count(*) FROM counter`).Scan(&n); err != nil {
					return err
				}
				if n != 0 {
					t.Errorf("a reader saw what was not committed")
				}
				return nil
			})
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestTextAndTime(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func() *sqldb.DB) {
		db := open()
		if err := db.Migrate(ctx, migrations(2), "v"); err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 11, 24, 18, 30, 1, 123456789, time.FixedZone("x", 3600))
		for i, s := range []string{"", "plain", "a\x00b", "\xff\xfe", "中文 🧢", "\uFFFD", `'"; DROP TABLE counter`, "\xed\xa0\x80"} {
			want := sqldb.Text(s)
			if _, err := db.ExecContext(ctx, `INSERT INTO counter (id, n, more, ok) VALUES ($1, $2, $3, $4)`,
				fmt.Sprint(i), sqldb.Micros(at), want, true); err != nil {
				t.Fatalf("%q: %v", s, err)
			}
			var us int64
			var got string
			if err := db.QueryRowContext(ctx, `SELECT n, more FROM counter WHERE ok AND id = $1`, fmt.Sprint(i)).Scan(&us, &got); err != nil {
				t.Fatal(err)
			}
			if got != want || !sqldb.Instant(us).Equal(at.Truncate(time.Microsecond)) {
				t.Errorf("%q came back as %q at %v", want, got, sqldb.Instant(us))
			}
		}
		if !sqldb.Instant(sqldb.Micros(time.Time{})).IsZero() {
			t.Error("the zero time did not survive")
		}
	})
}

func TestClock(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func() *sqldb.DB) {
		db := open()
		fixed := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
		now, err := db.Now(ctx, func() time.Time { return fixed })
		if err != nil {
			t.Fatal(err)
		}
		if own := db.Dialect() == sqldb.PostgreSQL; own == now.Equal(fixed) || own && time.Since(now).Abs() > time.Minute {
			t.Errorf("%s says it is %v", db.Dialect(), now)
		}
	})
}

func TestMemory(t *testing.T) {
	open := func() *sqldb.DB {
		db, err := sqldb.Open(ctx, sqldb.Config{URL: "sqlite::memory:"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	a, b := open(), open()
	for _, db := range []*sqldb.DB{a, b} { // they do not share anything
		if err := db.Migrate(ctx, migrations(1), "v"); err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(ctx, `INSERT INTO counter (id, n) VALUES ('a', 1)`); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for range 16 { // several connections, one database
		wg.Go(func() {
			var n int
			if err := a.QueryRowContext(ctx, `SELECT n FROM counter WHERE id = 'a'`).Scan(&n); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestWriterInsideAWriter(t *testing.T) {
	db, err := sqldb.Open(ctx, sqldb.Config{URL: "sqlite://" + filepath.Join(t.TempDir(), "x.db"), BusyTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Tx(ctx, func(*sql.Tx) error { return db.Tx(ctx, func(*sql.Tx) error { return nil }) })
	if !errors.Is(err, sqldb.ErrBusy) {
		t.Errorf("got %v", err)
	}
	// Another process's writer is waited for and then given up as well.
	other, err := sqldb.Open(ctx, sqldb.Config{URL: db.String(), BusyTimeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	err = db.Tx(ctx, func(*sql.Tx) error { return other.Tx(ctx, func(*sql.Tx) error { return nil }) })
	if !errors.Is(err, sqldb.ErrBusy) {
		t.Errorf("got %v", err)
	}
}

func TestUnavailable(t *testing.T) {
	dir := t.TempDir()
	for _, u := range []string{
		"postgres://someone:hunter2@127.0.0.1:1/x?sslmode=disable",
		"postgres://someone:hunter2@/x?host=" + dir,
		"sqlite://" + filepath.Join(dir, "no such folder", "x.db"),
	} {
		_, err := sqldb.Open(ctx, sqldb.Config{URL: u, ConnectTimeout: 2 * time.Second})
		if !errors.Is(err, sqldb.ErrUnavailable) {
			t.Errorf("%s: %v", u, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is in %v", err)
		}
	}
}

func TestServerGoes(t *testing.T) {
	open := sqldbtest.PostgreSQL(t)
	victim, killer := open(), open()
	err := victim.Tx(ctx, func(tx *sql.Tx) error {
		var pid int
		if err := tx.QueryRowContext(ctx, `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
			return err
		}
		if _, err := killer.ExecContext(ctx, `SELECT pg_terminate_backend($1)`, pid); err != nil {
			return err
		}
		return nil // the commit finds the connection gone
	})
	if !errors.Is(err, sqldb.ErrUnavailable) || !errors.Is(err, sqldb.ErrUncertain) {
		t.Errorf("a connection lost at commit gave %v", err)
	}
	if err := victim.PingContext(ctx); err != nil {
		t.Errorf("the pool did not recover: %v", err)
	}
}
