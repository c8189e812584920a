package custody

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// Newest gives the newest published checkpoint. ErrPending before the first,
// or while the sequencer is just publishing it.
func (l *Log) Newest(ctx context.Context) (Checkpoint, error) {
	head, version, err := l.head(ctx)
	if err != nil {
		return Checkpoint{}, err
	}
	done, err := l.isPublished(ctx, head.Size)
	if err != nil {
		return Checkpoint{}, err
	}
	if version == 0 || !done {
		return Checkpoint{}, fmt.Errorf("the checkpoint of size %d is not published yet: %w", head.Size, ErrPending)
	}
	return head, nil
}

// At gives the published checkpoint of one size. vault.ErrNotFound when none
// was made of that size.
func (l *Log) At(ctx context.Context, size int64) (Checkpoint, error) {
	b, err := l.get(ctx, vault.CheckpointKey(size), MaxCheckpoint)
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := ParseCheckpoint(b, l.cfg.Verifiers)
	if err == nil && (c.Origin != l.cfg.Origin || c.Size != size) {
		err = fmt.Errorf("%w: %s is of %q, size %d", ErrCorrupt, vault.CheckpointKey(size), c.Origin, c.Size)
	}
	return c, err
}

// Proof gives the .tlog-proof of an event against the newest checkpoint.
// ErrPending while none covers it.
func (l *Log) Proof(ctx context.Context, id capture.ID) ([]byte, error) {
	row, err := l.cfg.Store.Find(ctx, id)
	if err != nil {
		return nil, err
	}
	if row.Index == Pending {
		return nil, ErrPending
	}
	c, err := l.Newest(ctx)
	if err != nil {
		return nil, err
	}
	return l.prove(ctx, row.Index, c)
}

// ProofAt gives the .tlog-proof of the entry at an index against the published
// checkpoint of one size: the one that was stamped.
func (l *Log) ProofAt(ctx context.Context, index, size int64) ([]byte, error) {
	c, err := l.At(ctx, size)
	if err != nil {
		return nil, err
	}
	return l.prove(ctx, index, c)
}

func (l *Log) prove(ctx context.Context, index int64, c Checkpoint) ([]byte, error) {
	if index < 0 || index >= c.Size {
		return nil, fmt.Errorf("a log of %d entries has none at index %d: %w", c.Size, index, ErrPending)
	}
	p := Proof{Index: index, Checkpoint: c.Signed}
	err := l.hashes(ctx, c, func(r tlog.HashReader) (err error) {
		p.Hashes, err = tlog.ProveRecord(c.Size, index, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p.Marshal(), nil
}

// Consistency proves that the published checkpoint of size to extends that of
// size from.
func (l *Log) Consistency(ctx context.Context, from, to int64) ([]byte, error) {
	c, err := l.At(ctx, to)
	if err != nil {
		return nil, err
	}
	if from < 0 || from > to {
		return nil, fmt.Errorf("a log does not grow from %d to %d entries", from, to)
	}
	p := Consistency{Old: from, Checkpoint: c.Signed}
	if from > 0 {
		err = l.hashes(ctx, c, func(r tlog.HashReader) (err error) {
			p.Hashes, err = tlog.ProveTree(to, from, r)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	return p.Marshal(), nil
}
