package custodysql

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/custody/storetest"
	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/sqldb/sqldbtest"
	"github.com/trawlmark/trawlmark/archive/vault"
)

func open(t testing.TB, db *sqldb.DB, now func() time.Time) *Store {
	t.Helper()
	s, err := Open(context.Background(), db, now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	for name, database := range map[string]func(testing.TB) func() *sqldb.DB{"sqlite": sqldbtest.SQLite, "postgres": sqldbtest.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) func() custody.Store {
				db := database(t)
				return func() custody.Store { return open(t, db(), time.Now) }
			})
		})
	}
}

// TestLeaseEnds: a sequencer that died is replaced, and one that comes back
// late does not take the lock of its successor away.
func TestLeaseEnds(t *testing.T) {
	ctx := context.Background()
	db := sqldbtest.SQLite(t)
	now := time.Date(2026, 3, 14, 15, 0, 0, 0, time.UTC)
	s := open(t, db(), func() time.Time { return now })
	unlock, err := s.Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(Lease)
	if _, err := s.Lock(ctx); !errors.Is(err, custody.ErrBusy) {
		t.Fatalf("before its end: %v", err)
	}
	now = now.Add(time.Second)
	next, err := s.Lock(ctx)
	if err != nil {
		t.Fatalf("after its end: %v", err)
	}
	unlock() // the dead one wakes up
	if _, err := s.Lock(ctx); !errors.Is(err, custody.ErrBusy) {
		t.Fatalf("the successor lost its lock: %v", err)
	}
	next()
}

// TestLog runs a real log on each database: restarts, and a lost database.
func TestLog(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db func() *sqldb.DB) {
		ctx := context.Background()
		cfg := storetest.Config(t, "log.example.org/x", vault.NewMem(time.Now), time.Now)
		cfg.MaxBatch = 100
		for round := range 3 {
			cfg.Store = open(t, db(), time.Now)
			l, err := custody.Open(ctx, cfg)
			if err != nil {
				t.Fatal(err)
			}
			for range 130 {
				e := custody.Event{Type: custody.Viewed, Actor: "person:ann", Subject: custody.Subject{Case: "c-1"}}
				if _, err := l.Append(ctx, e, custody.Keep{}); err != nil {
					t.Fatal(err)
				}
			}
			if c, err := l.Sequence(ctx); err != nil || c.Size != 130*int64(round+1) {
				t.Fatalf("%d, %v", c.Size, err)
			}
			if r, err := l.Monitor(ctx); err != nil || r.Count != 0 {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		if _, err := db().ExecContext(ctx, `DELETE FROM custody_head`); err != nil {
			t.Fatal(err)
		}
		if _, err := db().ExecContext(ctx, `DELETE FROM custody_event`); err != nil {
			t.Fatal(err)
		}
		l, err := custody.Open(ctx, cfg)
		if !errors.Is(err, custody.ErrBehind) {
			t.Fatal(err)
		}
		if c, err := l.Restore(ctx); err != nil || c.Size != 390 {
			t.Fatalf("%d, %v", c.Size, err)
		}
		if r, err := l.Monitor(ctx); err != nil || r.Count != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
	})
}

// TestEightSequencers lets eight processes append and sequence as they please,
// on one database and one storage: every event is in the log once, and the log
// is one line.
func TestEightSequencers(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db func() *sqldb.DB) {
		ctx := context.Background()
		cfg := storetest.Config(t, "log.example.org/x", vault.NewMem(time.Now), time.Now)
		cfg.MaxBatch = 7
		const processes, each = 8, 12
		var logs []*custody.Log
		for range processes {
			cfg.Store = open(t, db(), time.Now)
			l, err := custody.Open(ctx, cfg)
			if err != nil {
				t.Fatal(err)
			}
			logs = append(logs, l)
		}
		var wg sync.WaitGroup
		for _, l := range logs {
			wg.Go(func() {
				for range each {
					e := custody.Event{Type: custody.Viewed, Actor: "person:ann", Subject: custody.Subject{Case: "c-1"}}
					if _, err := l.Append(ctx, e, custody.Keep{}); err != nil {
						t.Error(err)
					}
					if _, err := l.Sequence(ctx); err != nil && !errors.Is(err, custody.ErrBusy) {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if c, err := logs[0].Sequence(ctx); err != nil || c.Size != processes*each {
			t.Fatalf("%d, %v", c.Size, err)
		}
		if r, err := logs[1].Monitor(ctx); err != nil || r.Count != 0 || r.Events != processes*each {
			t.Fatalf("%+v, %v", r, err)
		}
	})
}
