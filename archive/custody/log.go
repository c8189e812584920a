package custody

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// The errors of a Log, beside those of its Store and vault.
var (
	// ErrBehind: the vault has checkpoints that the store does not know. The
	// store was lost or set back; Log.Restore makes it anew. Going on would
	// give one size two roots.
	ErrBehind = errors.New("the store is behind the vault: restore the custody store from the vault before going on")
	// ErrConflict: an object that is written once has other bytes.
	ErrConflict = errors.New("the vault has other bytes under this key already")
	// ErrPending: the event is kept, but no published checkpoint covers it yet.
	ErrPending = errors.New("the event waits for the next checkpoint")
)

// Config is what a Log stands on.
type Config struct {
	// Origin names the log in every checkpoint, and its key: a URL without
	// scheme, "log.example.org/trawlmark". It never changes.
	Origin string
	// Signer signs checkpoints; its name is the origin. CoSigners sign beside
	// it: the old key for a while after a rotation.
	Signer    note.Signer
	CoSigners []note.Signer
	// Verifiers know every key that may have signed the head, Signer's too.
	Verifiers note.Verifiers
	Vault     vault.Vault
	Store     Store
	// Retention is how long the log's own objects and events without a lock of
	// their own stay locked. Default 10 years.
	Retention time.Duration
	// Mode of those locks. Default GOVERNANCE.
	Mode vault.Mode
	// MaxBatch bounds the entries of one checkpoint. Default 5,000.
	MaxBatch int
	Now      func() time.Time
	Rand     io.Reader // of salts and ids; crypto/rand.Reader in production
	Log      *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Retention = cmp.Or(c.Retention, 10*365*24*time.Hour)
	c.Mode = cmp.Or(c.Mode, vault.Governance)
	c.MaxBatch = cmp.Or(c.MaxBatch, 5000)
	return c
}

// Validate names the first setting that cannot be.
func (c Config) Validate() error {
	switch {
	case !validOrigin(c.Origin):
		return fmt.Errorf("origin: %q cannot name a log: want a URL without scheme, without spaces and plus signs", c.Origin)
	case c.Signer == nil || c.Signer.Name() != c.Origin:
		return fmt.Errorf("signer: the log %q needs a key of that name", c.Origin)
	case c.Verifiers == nil:
		return errors.New("verifiers: the log must know its own public keys")
	case c.Vault == nil || c.Store == nil || c.Now == nil || c.Rand == nil || c.Log == nil:
		return errors.New("vault, store, now, rand and log must be given")
	case c.Retention < 0:
		return fmt.Errorf("retention: %s is in the past", c.Retention)
	case c.MaxBatch < 0 || c.MaxBatch > MaxBatch:
		return fmt.Errorf("max_batch: %d is not between 1 and %d", c.MaxBatch, MaxBatch)
	}
	return nil
}

// Log is the custody log. Any number of processes may have it open; all of its
// methods are safe for concurrent use.
type Log struct {
	cfg       Config
	ids       *capture.IDSource
	published atomic.Int64 // newest size known to be published; -1 for none
}

// Open checks the configuration, the signature of the head, and that the store
// is not behind the vault (ErrBehind: only Restore is of use then; the Log is
// returned for it).
func Open(ctx context.Context, cfg Config) (*Log, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	l := &Log{cfg: cfg, ids: capture.NewIDSource(cfg.Now, cfg.Rand)}
	l.published.Store(-1)
	if _, _, err := l.head(ctx); err != nil {
		return nil, err
	}
	return l, l.notBehind(ctx)
}

// Origin names the log.
func (l *Log) Origin() string { return l.cfg.Origin }

// Keep is the lock an event document gets. Zero: the log's own.
type Keep struct {
	Until time.Time
	Mode  vault.Mode
}

// Receipt says that an event is kept.
type Receipt struct {
	Event  Event          // as stored, with id, time and salt
	Digest capture.Digest // SHA-256 of the event document
	Key    string         // of the document in the vault
	Entry  Entry
}

// Append keeps an event: durable when it returns, in the log after the next
// Sequence. A zero ID, At and Salt are filled in. Appending the same event
// (same ID) again is harmless and gives the first receipt, so a caller who saw
// an error tries again with the same ID; the same ID with other content is
// ErrConflict.
func (l *Log) Append(ctx context.Context, e Event, keep Keep) (Receipt, error) {
	asked := e
	e, err := l.fill(e)
	if err != nil {
		return Receipt{}, err
	}
	doc, err := e.Marshal()
	if err != nil {
		return Receipt{}, err
	}
	key := vault.CustodyEventKey(e.ID)
	_, err = l.cfg.Vault.Put(ctx, l.newPut(key, "application/json", doc, keep))
	if errors.Is(err, vault.ErrExists) {
		e, doc, err = l.same(ctx, key, asked)
	}
	if err != nil {
		return Receipt{}, fmt.Errorf("the custody event %s could not be kept: %w", e.Type, err)
	}
	entry := Entry{e.Type, Commit(e.Salt, capture.Sum(doc))}
	row := Row{ID: e.ID, Index: Pending, Entry: entry, Subject: e.Subject, At: e.At}
	if err := l.cfg.Store.Add(ctx, row); err != nil {
		return Receipt{}, fmt.Errorf("the custody event %s is in the vault but could not be queued for the log: %w", e.Type, err)
	}
	return Receipt{Event: e, Digest: capture.Sum(doc), Key: key, Entry: entry}, nil
}

func (l *Log) fill(e Event) (Event, error) {
	if e.ID.IsZero() {
		e.ID = l.ids.New()
		if e.Type == Captured {
			e.ID = e.Subject.Capture
		}
	}
	if e.At.IsZero() {
		e.At = l.cfg.Now()
	}
	e.At = e.At.UTC().Truncate(time.Microsecond)
	if e.Salt.IsZero() {
		if _, err := io.ReadFull(l.cfg.Rand, e.Salt[:]); err != nil {
			return Event{}, fmt.Errorf("no random bytes for a salt: %w", err)
		}
	}
	return e, nil
}

// same reads the event that is stored under a key and accepts it as the one
// asked for if nothing that the caller gave differs.
func (l *Log) same(ctx context.Context, key string, asked Event) (Event, []byte, error) {
	doc, err := l.get(ctx, key, MaxEvent)
	if err != nil {
		return asked, nil, err
	}
	e, err := ParseEvent(doc)
	if err != nil {
		return asked, nil, err
	}
	if !asked.At.IsZero() && !asked.At.UTC().Truncate(time.Microsecond).Equal(e.At) ||
		!asked.Salt.IsZero() && asked.Salt != e.Salt ||
		asked.Type != e.Type || asked.Actor != e.Actor || asked.Subject != e.Subject ||
		asked.Manifest != e.Manifest || !maps.Equal(asked.Details, e.Details) {
		return asked, nil, fmt.Errorf("%w: an event of the id %s says something else", ErrConflict, e.ID)
	}
	return e, doc, nil
}

// Event reads the private document of an event from the vault.
func (l *Log) Event(ctx context.Context, id capture.ID) (Event, []byte, error) {
	doc, err := l.get(ctx, vault.CustodyEventKey(id), MaxEvent)
	if err != nil {
		return Event{}, nil, err
	}
	e, err := ParseEvent(doc)
	if err == nil && e.ID != id {
		err = fmt.Errorf("%w: the event under the id %s calls itself %s", ErrCorrupt, id, e.ID)
	}
	return e, doc, err
}

// About lists what was done to a capture or a case, in order of time.
func (l *Log) About(ctx context.Context, s Subject) ([]Row, error) { return l.cfg.Store.About(ctx, s) }

// Find gives what the store knows of an event.
func (l *Log) Find(ctx context.Context, id capture.ID) (Row, error) {
	return l.cfg.Store.Find(ctx, id)
}

// newPut is a Put under a lock.
func (l *Log) newPut(key, mediaType string, b []byte, keep Keep) vault.Put {
	p := vault.NewPut(key, mediaType, b)
	p.RetainUntil, p.Mode = keep.Until, cmp.Or(keep.Mode, l.cfg.Mode)
	if p.RetainUntil.IsZero() {
		p.RetainUntil = l.cfg.Now().Add(l.cfg.Retention).UTC().Truncate(time.Second)
	}
	return p
}

// put stores an object that is written once. That it is there already with
// the same bytes is success: this is how an interrupted run is finished.
func (l *Log) put(ctx context.Context, o object) error {
	_, err := l.cfg.Vault.Put(ctx, l.newPut(o.key, o.mediaType, o.bytes, Keep{}))
	if errors.Is(err, vault.ErrExists) {
		var there []byte
		if there, err = l.get(ctx, o.key, int64(len(o.bytes))); err == nil && !bytes.Equal(there, o.bytes) {
			err = fmt.Errorf("%s: %w", o.key, ErrConflict)
		}
	}
	return err
}

// get reads a small object; more than limit bytes is an error.
func (l *Log) get(ctx context.Context, key string, limit int64) ([]byte, error) {
	r, _, err := l.cfg.Vault.Get(ctx, key, "")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", ErrCorrupt, key, limit)
	}
	return b, nil
}

// Alone runs f as the only one of all processes of this log that sequences or
// runs f; ErrBusy when another one does. f should take seconds: nothing is
// sealed meanwhile.
func (l *Log) Alone(ctx context.Context, f func(context.Context) error) error {
	unlock, err := l.cfg.Store.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return f(ctx)
}
