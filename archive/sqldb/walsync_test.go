package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// What a sync has brought to the disk has every transaction that returned: the
// database as a power failure would leave it is the copies made by the sync.
func TestCommitsAreOnDiskWhenTheyReturn(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	db, err := Open(t.Context(), Config{URL: "sqlite://" + path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE done (n BIGINT PRIMARY KEY)`); err != nil {
		t.Fatal(err)
	}
	var syncs atomic.Int64
	disk := filepath.Join(dir, "disk.db")
	db.wal.sync = func(wal string) error {
		syncs.Add(1)
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(path + suffix)
			if err == nil {
				err = os.WriteFile(disk+suffix, b, 0o600)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	const writers, each = 8, 6
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				err := db.Tx(context.Background(), func(tx *sql.Tx) error {
					_, err := tx.ExecContext(context.Background(), `INSERT INTO done (n) VALUES ($1)`, w*each+i)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	after, err := Open(t.Context(), Config{URL: "sqlite://" + disk})
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	var n int
	if err := after.QueryRowContext(t.Context(), `SELECT count(*) FROM done`).Scan(&n); err != nil || n != writers*each {
		t.Errorf("%d of %d transactions are on the disk, %v", n, writers*each, err)
	}
	t.Logf("%d transactions, %d syncs", writers*each, syncs.Load())
}

// Who waits while a sync runs takes part in the next one, together with
// everybody else who does.
func TestOneSyncForMany(t *testing.T) {
	var syncs atomic.Int64
	running, goOn := make(chan struct{}), make(chan struct{})
	s := &walSync{path: "wal", sync: func(string) error {
		if syncs.Add(1) == 1 {
			close(running)
			<-goOn
		}
		return nil
	}}
	var wg sync.WaitGroup
	wg.Go(func() { s.wait() })
	<-running
	joined := make(chan struct{}, 10)
	for range 10 {
		wg.Go(func() {
			joined <- struct{}{}
			if err := s.wait(); err != nil {
				t.Error(err)
			}
			if syncs.Load() < 2 {
				t.Error("a commit was called durable by a sync that began before it")
			}
		})
	}
	for range 10 {
		<-joined
	}
	close(goOn)
	wg.Wait()
	if n := syncs.Load(); n < 2 || n > 11 {
		t.Errorf("%d syncs", n)
	}
}

// A sync that failed may have lost pages that no later sync writes, so no
// later one makes up for it.
func TestAFailedSyncIsNotForgotten(t *testing.T) {
	fail := errors.New("the disk is on fire")
	s := &walSync{path: "wal", sync: func(string) error { return fail }}
	for range 2 {
		if err := s.wait(); !errors.Is(err, ErrUncertain) || !errors.Is(err, fail) {
			t.Errorf("got %v", err)
		}
		s.sync = func(string) error { return nil }
	}
	gone := &walSync{path: "wal", sync: func(string) error { return fmt.Errorf("open: %w", fs.ErrNotExist) }}
	if err := gone.wait(); err != nil {
		t.Errorf("a log that was closed for good: %v", err)
	}
}

// synchronous=normal is what was asked for, and memory has no disk.
func TestWhoSyncs(t *testing.T) {
	for url, want := range map[string]bool{
		"sqlite://" + t.TempDir() + "/a.db":                    true,
		"sqlite://" + t.TempDir() + "/b.db?synchronous=full":   true,
		"sqlite://" + t.TempDir() + "/c.db?synchronous=normal": false,
		"sqlite::memory:": false,
	} {
		db, err := Open(t.Context(), Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		if got := db.wal != nil; got != want {
			t.Errorf("%s: syncs %v", url, got)
		}
		db.Close()
	}
}
