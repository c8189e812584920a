package custody

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"

	"github.com/trawlmark/trawlmark/archive/vault"
)

// Sequence puts everything that was appended before the call into the log and
// gives the newest checkpoint. Nothing new: it gives the checkpoint there is,
// for an empty log the one of size 0. Call it every minute, or on demand; one
// runs at a time (ErrBusy for the others). After an error, or death at any
// point, the next call finishes the work.
//
// The order is stage -> compare-and-swap -> apply -> publish:
//  1. stage: the batch goes to the vault, under a name that includes the new root;
//  2. the head moves to the new signed checkpoint, together with the pending rows;
//  3. apply: entry bundles and tiles go to the vault;
//  4. publish: the checkpoint goes to the vault.
func (l *Log) Sequence(ctx context.Context) (Checkpoint, error) {
	unlock, err := l.cfg.Store.Lock(ctx)
	if err != nil {
		return Checkpoint{}, err
	}
	defer unlock()
	if err := l.notBehind(ctx); err != nil {
		return Checkpoint{}, err
	}
	for {
		c, more, err := l.step(ctx)
		if err != nil || !more {
			return c, err
		}
	}
}

// step finishes what the head says, then adds one batch.
func (l *Log) step(ctx context.Context) (c Checkpoint, more bool, err error) {
	head, version, err := l.head(ctx)
	if err != nil {
		return Checkpoint{}, false, err
	}
	if version > 0 {
		if err := l.finish(ctx, head); err != nil {
			return Checkpoint{}, false, err
		}
	}
	rows, err := l.cfg.Store.Pending(ctx, l.cfg.MaxBatch)
	if err != nil {
		return Checkpoint{}, false, err
	}
	if len(rows) == 0 && version > 0 {
		return head, false, nil
	}
	p, err := l.plan(ctx, head.Tree(), rows)
	if err != nil {
		return Checkpoint{}, false, err
	}
	next, err := Checkpoint{Origin: l.cfg.Origin, Size: p.to.N, Root: p.to.Hash}.sign(l.signers()...)
	if err != nil {
		return Checkpoint{}, false, err
	}
	if err := l.put(ctx, object{batchKey(p.to), "text/plain; charset=utf-8", p.marshal()}); err != nil {
		return Checkpoint{}, false, fmt.Errorf("stage %d new log entries: %w", len(rows), err)
	}
	for i := range rows {
		rows[i].Index = head.Size + int64(i)
	}
	if err := l.cfg.Store.Swap(ctx, version, next.Signed, rows); err != nil {
		return Checkpoint{}, false, fmt.Errorf("move the head of the log to size %d: %w", next.Size, err)
	}
	if err := l.publish(ctx, p, next); err != nil {
		return Checkpoint{}, false, err
	}
	l.cfg.Log.Info("custody log sequenced", "origin", next.Origin, "size", next.Size, "added", len(rows))
	return next, len(rows) == l.cfg.MaxBatch, nil
}

func (l *Log) signers() []note.Signer {
	return append([]note.Signer{l.cfg.Signer}, l.cfg.CoSigners...)
}

// plan is one batch and all objects that show the tree it leads to.
type plan struct {
	batch
	objects []object
}

func (l *Log) plan(ctx context.Context, from tlog.Tree, rows []Row) (plan, error) {
	p := plan{batch: batch{origin: l.cfg.Origin, from: from}}
	for _, r := range rows {
		p.ids, p.entries = append(p.ids, r.ID), append(p.entries, r.Entry)
	}
	return p, l.extend(ctx, &p)
}

// extend fills in the new tree and the objects.
func (l *Log) extend(ctx context.Context, p *plan) error {
	e, err := l.loadEdge(ctx, p.from)
	if err != nil {
		return err
	}
	p.to, p.objects, err = e.extend(p.entries)
	return err
}

// finish makes true what the head says: it is a no-op unless the last run
// ended between moving the head and publishing.
func (l *Log) finish(ctx context.Context, head Checkpoint) error {
	if done, err := l.isPublished(ctx, head.Size); err != nil || done {
		return err
	}
	b, err := l.staged(ctx, head.Tree())
	if err != nil {
		return fmt.Errorf("finish the checkpoint of size %d: %w", head.Size, err)
	}
	p := plan{batch: b}
	if err := l.extend(ctx, &p); err != nil {
		return err
	}
	if p.to != head.Tree() {
		return fmt.Errorf("%w: the batch %s does not lead to its root", ErrCorrupt, batchKey(head.Tree()))
	}
	l.cfg.Log.Warn("finishing a checkpoint that an earlier run left unpublished", "origin", head.Origin, "size", head.Size)
	return l.publish(ctx, p, head)
}

// publish writes what shows a tree, the checkpoint last: who sees a
// checkpoint finds everything below it.
func (l *Log) publish(ctx context.Context, p plan, c Checkpoint) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, o := range p.objects {
		g.Go(func() error { return l.put(gctx, o) })
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("publish the tiles of size %d: %w", c.Size, err)
	}
	if err := l.put(ctx, object{vault.CheckpointKey(c.Size), "text/plain; charset=utf-8", c.Signed}); err != nil {
		return fmt.Errorf("publish the checkpoint of size %d: %w", c.Size, err)
	}
	l.published.Store(c.Size)
	return nil
}

// head gives the head of the log, the empty tree before the first checkpoint.
func (l *Log) head(ctx context.Context) (Checkpoint, int64, error) {
	b, version, err := l.cfg.Store.Load(ctx)
	if err != nil {
		return Checkpoint{}, 0, err
	}
	if version == 0 {
		root, err := tlog.TreeHash(0, nil)
		return Checkpoint{Origin: l.cfg.Origin, Root: root}, 0, err
	}
	c, err := ParseCheckpoint(b, l.cfg.Verifiers)
	if err != nil {
		return Checkpoint{}, 0, fmt.Errorf("the stored head of the log: %w", err)
	}
	if c.Origin != l.cfg.Origin {
		return Checkpoint{}, 0, fmt.Errorf("the store holds the log %q, not %q", c.Origin, l.cfg.Origin)
	}
	return c, version, nil
}

// staged reads the batch that leads to a tree.
func (l *Log) staged(ctx context.Context, to tlog.Tree) (batch, error) {
	raw, err := l.get(ctx, batchKey(to), maxBatchBytes)
	if err != nil {
		return batch{}, err
	}
	b, err := parseBatch(raw)
	if err == nil && (b.origin != l.cfg.Origin || b.to != to) {
		err = fmt.Errorf("%w: %s is of another tree", ErrCorrupt, batchKey(to))
	}
	return b, err
}

func (l *Log) isPublished(ctx context.Context, size int64) (bool, error) {
	if l.published.Load() == size {
		return true, nil
	}
	_, err := l.cfg.Vault.Stat(ctx, vault.CheckpointKey(size), "")
	if errors.Is(err, vault.ErrNotFound) {
		return false, nil
	}
	if err == nil {
		l.published.Store(size)
	}
	return err == nil, err
}

// notBehind makes sure that the vault has no checkpoint beyond the head. One
// that another process published meanwhile is none: once it was seen, the head
// is read again, and must have got there.
func (l *Log) notBehind(ctx context.Context) error {
	for seen := int64(-1); ; {
		head, version, err := l.head(ctx)
		if err != nil {
			return err
		}
		if seen > head.Size || seen >= 0 && version == 0 {
			return ErrBehind
		}
		after := ""
		if version > 0 {
			after = vault.CheckpointKey(head.Size)
		}
		newer := ""
		for info, err := range l.cfg.Vault.List(ctx, vault.CheckpointsPrefix, after) {
			if err != nil {
				return err
			}
			newer = info.Key
			break
		}
		if newer == "" {
			return nil
		}
		var ok bool
		if seen, ok = checkpointSize(newer); !ok {
			return fmt.Errorf("%w: %s is no key of a checkpoint", ErrCorrupt, newer)
		}
	}
}
