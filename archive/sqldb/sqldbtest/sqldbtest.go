package sqldbtest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/sqldb"
)

// Each runs f as a subtest on SQLite and on PostgreSQL, each time with a fresh
// and empty database (on PostgreSQL: a schema of its own). Every call of open gives another handle to that same
// database, as another process would have; handles are closed at the end.
func Each(t *testing.T, f func(t *testing.T, open func() *sqldb.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		f(t, SQLite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		f(t, PostgreSQL(t))
	})
}

// SQLite makes an empty database in a file of the test's own.
func SQLite(t testing.TB) (open func() *sqldb.DB) {
	t.Helper()
	// The power does not fail in a test: without fsync it is much faster.
	return opener(t, "sqlite://"+(&url.URL{Path: filepath.Join(t.TempDir(), "test.db")}).EscapedPath()+"?synchronous=normal")
}

// PostgreSQL makes an empty database on the server of the test binary.
func PostgreSQL(t testing.TB) (open func() *sqldb.DB) {
	t.Helper()
	return opener(t, PostgreSQLURL(t))
}

// PostgreSQLURL makes an empty database as PostgreSQL does and gives its URL,
// for processes of their own.
func PostgreSQLURL(t testing.TB) string {
	t.Helper()
	server := os.Getenv("TRAWLMARK_TEST_POSTGRES")
	if server == "" {
		s, err := shared()
		if err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
		server = s.url
	}
	return fresh(t, server)
}

func opener(t testing.TB, rawURL string) func() *sqldb.DB {
	return func() *sqldb.DB {
		t.Helper()
		db, err := sqldb.Open(context.Background(), sqldb.Config{URL: rawURL})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
}

// fresh makes an empty schema, which is all that a connection sees: as good as
// a database of its own, and made much faster.
func fresh(t testing.TB, server string) string {
	t.Helper()
	name := "t_" + strings.ToLower(rand.Text())
	administer(t, server, `CREATE SCHEMA `+name)
	t.Cleanup(func() { administer(t, server, `DROP SCHEMA `+name+` CASCADE`) })
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

func administer(t testing.TB, server, query string) {
	t.Helper()
	db, err := sqldb.Open(context.Background(), sqldb.Config{URL: server, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), query); err != nil {
		t.Fatal(err)
	}
}
