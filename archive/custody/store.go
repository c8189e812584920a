package custody

import (
	"context"
	"errors"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// The errors of a Store.
var (
	// ErrMoved: the head is not the version it was; somebody else moved it.
	ErrMoved = errors.New("the head of the log has moved")
	// ErrBusy: another sequencer is at work. Nothing is wrong: it does the job.
	ErrBusy = errors.New("another sequencer is at work")
	// ErrUnknown: no event of this id was appended.
	ErrUnknown = errors.New("the custody log knows no such event")
)

// Pending is the index of an event that is not in the log yet.
const Pending = -1

// Row is what the store knows of an event: enough to log it and to find it.
// All of it can be made again from the vault (Log.Sweep, Log.Restore).
type Row struct {
	ID      capture.ID
	Index   int64 // in the log, from 0; Pending until it is there
	Entry   Entry
	Subject Subject
	At      time.Time
}

// Store is the little that must be mutable: the head, the queue of events that
// wait for the next checkpoint, and who may sequence. It is not evidence: the
// vault is, and the store can be made anew from it. Implementations:
// custodysql (SQLite, PostgreSQL) and Mem. All methods are safe for concurrent
// use, and what returned nil survives a crash.
type Store interface {
	// Load gives the head, a signed checkpoint, and its version; nil and 0
	// before the first.
	Load(ctx context.Context) (head []byte, version int64, err error)
	// Swap moves the head and gives these rows their index, both or neither.
	// ErrMoved when the head's version is another, or when one of the rows has
	// an index already. Rows that were not there are added.
	Swap(ctx context.Context, version int64, head []byte, rows []Row) error
	// Add queues a row. A row whose id is there already changes nothing.
	Add(ctx context.Context, row Row) error
	// Pending gives up to limit rows without an index, those first that were
	// added first.
	Pending(ctx context.Context, limit int) ([]Row, error)
	// Find gives one row, or ErrUnknown.
	Find(ctx context.Context, id capture.ID) (Row, error)
	// About gives all rows that name the capture, or the case, or the log, of
	// this subject (of one field; the first that is set), by time.
	About(ctx context.Context, s Subject) ([]Row, error)
	// Lock makes the caller the only sequencer until unlock, or until it is
	// taken for dead. ErrBusy when there is one. It saves work; that the log
	// never forks rests on Swap alone.
	Lock(ctx context.Context) (unlock func(), err error)
}
