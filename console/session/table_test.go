package session_test

import (
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
	"github.com/trawlmark/trawlmark/console/session"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestSessionsOfManyConsoles(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func() *sqldb.DB) {
		ctx := t.Context()
		one, two := must(session.Open(ctx, open()))(t), must(session.Open(ctx, open()))(t)
		old := noon.Add(-time.Hour)
		add := func(token, person string, at time.Time) session.Key {
			t.Helper()
			k := session.KeyOf(token)
			if err := one.Add(ctx, k, session.Session{Person: person, Role: "legal", Account: "a", Began: at, Used: at}, old, old); err != nil {
				t.Fatal(err)
			}
			return k
		}
		there := func(k session.Key) bool {
			t.Helper()
			_, ok, err := two.Get(ctx, k)
			if err != nil {
				t.Fatal(err)
			}
			return ok
		}
		a, b, c := add("ann 1", "ann", noon), add("ann 2", "ann", noon), add("bob", "bob", noon)
		got, ok, err := two.Get(ctx, a)
		if want := (session.Session{Person: "ann", Role: "legal", Account: "a", Began: noon, Used: noon}); err != nil || !ok || got != want {
			t.Errorf("the other console has %+v, %v, %v", got, ok, err)
		}
		for _, at := range []time.Time{noon.Add(time.Minute), noon} { // the second console's clock is behind
			if err := two.Use(ctx, a, at); err != nil {
				t.Fatal(err)
			}
		}
		if got, _, _ := one.Get(ctx, a); !got.Used.Equal(noon.Add(time.Minute)) {
			t.Errorf("it was used at %s", got.Used)
		}
		if err := one.End(ctx, b); err != nil || there(b) || !there(a) {
			t.Errorf("one session of two ended: %v, %v, %v", err, there(b), there(a))
		}
		add("ann 3", "ann", noon)
		if n, err := two.EndAll(ctx, "ann"); err != nil || n != 2 || there(a) || !there(c) {
			t.Errorf("%d sessions of ann ended, %v", n, err)
		}
	})
}

func TestTheTableStaysSmallAndHasNoToken(t *testing.T) {
	db := sqldbtest.SQLite(t)()
	ctx := t.Context()
	s := must(session.Open(ctx, db))(t)
	count := func() (n int) {
		t.Helper()
		if err := db.QueryRowContext(ctx, `SELECT count(*) FROM console_sessions`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	add := func(token string, began, used time.Time) session.Key {
		t.Helper()
		k := session.KeyOf(token)
		if err := s.Add(ctx, k, session.Session{Person: "ann", Began: began, Used: used}, used.Add(-time.Hour), used.Add(-12*time.Hour)); err != nil {
			t.Fatal(err)
		}
		return k
	}
	first := add("first", noon, noon)
	for i := range session.PerPerson {
		add(strings.Repeat("x", i+1), noon.Add(time.Duration(i+1)*time.Second), noon.Add(time.Duration(i+1)*time.Second))
	}
	if _, ok, _ := s.Get(ctx, first); ok || count() != session.PerPerson {
		t.Errorf("%d sessions are kept, the oldest among them: %v", count(), ok)
	}
	last := add("last", noon.Add(3*time.Hour), noon.Add(3*time.Hour))
	if count() != 1 {
		t.Errorf("%d sessions are left, though only one has not ended", count())
	}
	var key string
	if err := db.QueryRowContext(ctx, `SELECT token_sha256 FROM console_sessions`).Scan(&key); err != nil || key != string(last) || strings.Contains(key, "last") {
		t.Errorf("the table has %q, %v", key, err)
	}
}
