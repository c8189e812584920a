package sqldbtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/sqldb"
)

// Each runs f as a subtest on SQLite and on PostgreSQL, each time with a fresh
// and empty database. Every call of open gives another handle to that same
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
	return opener(t, freshDatabase(t, server))
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

func freshDatabase(t testing.TB, server string) string {
	t.Helper()
	ctx := context.Background()
	admin, err := sqldb.Open(ctx, sqldb.Config{URL: server, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	name := "t_" + strings.ToLower(rand.Text())
	if _, err := admin.ExecContext(ctx, fmt.Sprintf(`CREATE DATABASE %s TEMPLATE template0`, name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		admin, err := sqldb.Open(ctx, sqldb.Config{URL: server, MaxConns: 1})
		if err != nil {
			t.Errorf("the test's database %s stays behind: %v", name, err)
			return
		}
		defer admin.Close()
		if _, err := admin.ExecContext(ctx, fmt.Sprintf(`DROP DATABASE %s WITH (FORCE)`, name)); err != nil {
			t.Errorf("the test's database %s stays behind: %v", name, err)
		}
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}
