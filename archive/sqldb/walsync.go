package sqldb

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
)

// walSync makes committed transactions of a SQLite file durable, many with one
// sync of the disk.
//
// With synchronous=FULL SQLite syncs its write-ahead log inside every commit,
// and the commits of a process queue for it: the disk's sync time bounds how
// many there are. Here SQLite runs with synchronous=NORMAL, in which a commit
// writes the log, and checkpoints and new logs are synced as ever
// (https://www.sqlite.org/pragma.html#pragma_synchronous); DB.Tx syncs the log
// after the commit and returns only then. One sync covers every transaction
// that was committed before it began, so writers that wait at the same time
// share it. The log is written in order: whatever survives a power failure is
// a state that was.
type walSync struct {
	path string
	sync func(path string) error // syncFile; tests count and break it

	mu   sync.Mutex
	next *syncRound // the one that has not begun: still taken part in
	turn sync.Mutex // one sync at a time
	// broken is the first sync that failed. What a failed sync left out is
	// never known, and a later one that works does not prove it: nothing more
	// is called durable until the program is started again and SQLite has read
	// the file anew.
	broken error
}

type syncRound struct {
	done chan struct{}
	err  error
}

func newWALSync(database string) *walSync {
	return &walSync{path: database + "-wal", sync: syncFile}
}

// wait returns when what was committed before the call is on the disk.
func (s *walSync) wait() error {
	s.mu.Lock()
	if r := s.next; r != nil {
		s.mu.Unlock()
		<-r.done
		return r.err
	}
	r := &syncRound{done: make(chan struct{})}
	s.next = r
	s.mu.Unlock()

	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	s.next = nil // who comes now may have committed too late for this sync
	s.mu.Unlock()
	if s.broken == nil {
		if err := s.sync(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.broken = fmt.Errorf("sync %s: %w", s.path, err)
		}
		// Without a log the last connection has closed it: that checkpoint is synced.
	}
	if s.broken != nil {
		r.err = &Error{Kind: ErrUncertain, Cause: s.broken}
	}
	close(r.done)
	return r.err
}
