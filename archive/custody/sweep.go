package custody

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// Sweep queues events that are in the vault and neither in the log nor in the
// queue: a process died between the two writes of Append, or the queue was
// lost. It looks at events of since's day (by their id, UTC) and later; zero
// means all. It gives how many it queued. A document it cannot read is part of
// the error and does not stop it.
func (l *Log) Sweep(ctx context.Context, since time.Time) (queued int, err error) {
	var errs []error
	err = l.unlogged(ctx, since, func(id capture.ID, key string) error {
		e, doc, err := l.Event(ctx, id)
		if err != nil {
			if errors.Is(err, ErrEvent) || errors.Is(err, ErrCorrupt) || errors.Is(err, vault.ErrNotFound) {
				errs = append(errs, fmt.Errorf("%s: %w", key, err))
				return nil
			}
			return err
		}
		entry := Entry{e.Type, Commit(e.Salt, capture.Sum(doc))}
		if err := l.cfg.Store.Add(ctx, Row{ID: id, Index: Pending, Entry: entry, Subject: e.Subject, At: e.At}); err != nil {
			return err
		}
		queued++
		return nil
	})
	if queued > 0 {
		l.cfg.Log.Warn("custody events were in the vault but not in the queue", "queued", queued)
	}
	return queued, errors.Join(append(errs, err)...)
}

// unlogged calls f for every event in the vault that the store does not know.
func (l *Log) unlogged(ctx context.Context, since time.Time, f func(id capture.ID, key string) error) error {
	after := ""
	if !since.IsZero() {
		after = vault.CustodyEventsPrefix + since.UTC().Format("2006/01/02/")
	}
	for info, err := range l.cfg.Vault.List(ctx, vault.CustodyEventsPrefix, after) {
		if err != nil {
			return err
		}
		id, ok := eventID(info.Key)
		if !ok {
			continue // Monitor reports strange keys
		}
		_, err := l.cfg.Store.Find(ctx, id)
		if errors.Is(err, ErrUnknown) {
			err = f(id, info.Key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eventID takes the key of an event document apart.
func eventID(key string) (capture.ID, bool) {
	name, ok := strings.CutSuffix(key[strings.LastIndexByte(key, '/')+1:], ".json")
	id, err := capture.ParseID(name)
	return id, ok && err == nil && vault.CustodyEventKey(id) == key
}

// Restore makes the store anew from the vault, after it was lost or set back
// (ErrBehind): head, index and queue. It ends with a Sweep of all events. It
// changes nothing that the store and the vault agree on.
func (l *Log) Restore(ctx context.Context) (Checkpoint, error) {
	unlock, err := l.cfg.Store.Lock(ctx)
	if err != nil {
		return Checkpoint{}, err
	}
	defer unlock()
	head, version, err := l.head(ctx)
	if err != nil {
		return Checkpoint{}, err
	}
	after := ""
	if version > 0 {
		after = vault.CheckpointKey(head.Size)
	}
	for info, err := range l.cfg.Vault.List(ctx, vault.CheckpointsPrefix, after) {
		if err != nil {
			return head, err
		}
		size, ok := checkpointSize(info.Key)
		if !ok {
			return head, fmt.Errorf("%w: %s is no key of a checkpoint", ErrCorrupt, info.Key)
		}
		next, err := l.At(ctx, size)
		if err != nil {
			return head, err
		}
		rows, err := l.restoreRows(ctx, head, next)
		if err != nil {
			return head, err
		}
		if err := l.cfg.Store.Swap(ctx, version, next.Signed, rows); err != nil {
			return head, fmt.Errorf("restore the head of size %d: %w", size, err)
		}
		head, version = next, version+1
	}
	_, err = l.Sweep(ctx, time.Time{})
	return head, err
}

// restoreRows makes the rows between two checkpoints from the staged batch and
// the event documents. An erased document leaves a row without a subject.
func (l *Log) restoreRows(ctx context.Context, from, to Checkpoint) ([]Row, error) {
	b, err := l.staged(ctx, to.Tree())
	if err != nil {
		return nil, fmt.Errorf("restore size %d: %w", to.Size, err)
	}
	if b.from != from.Tree() {
		return nil, fmt.Errorf("%w: the checkpoint of size %d was made from size %d, the one before it has size %d", ErrCorrupt, to.Size, b.from.N, from.Size)
	}
	rows := make([]Row, len(b.ids))
	for i, id := range b.ids {
		rows[i] = Row{ID: id, Index: from.Size + int64(i), Entry: b.entries[i]}
		e, _, err := l.Event(ctx, id)
		switch {
		case err == nil:
			rows[i].Subject, rows[i].At = e.Subject, e.At
		case errors.Is(err, vault.ErrNotFound), errors.Is(err, ErrEvent), errors.Is(err, ErrCorrupt):
			l.cfg.Log.Warn("a logged event has no readable document", "event", id, "err", err)
		default:
			return nil, err
		}
	}
	return rows, nil
}

// checkpointSize takes the key of a checkpoint apart.
func checkpointSize(key string) (int64, bool) {
	var size int64
	for _, c := range []byte(strings.TrimPrefix(key, vault.CheckpointsPrefix)) {
		if c < '0' || c > '9' || size > 1<<58 {
			return 0, false
		}
		size = size*10 + int64(c-'0')
	}
	return size, vault.CheckpointKey(size) == key
}
