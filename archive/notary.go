package archive

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/seal"
)

// Notary makes checkpoints of the custody log and has them stamped: the clock
// by which every capture is sealed. Any number may run; the log has one
// sequencer at a time.
type Notary struct {
	custody *custody.Log
	sealer  *seal.Sealer
	log     *slog.Logger
}

// NewNotary makes a notary of a log.
func NewNotary(l *custody.Log, s *seal.Sealer, log *slog.Logger) *Notary {
	return &Notary{custody: l, sealer: s, log: log}
}

// Seal turns what waits into leaves of a new signed checkpoint and has it
// stamped. A sequencer or an authority that is busy or away is no error of the
// captures: they are sealed by the next call.
func (n *Notary) Seal(ctx context.Context) (custody.Checkpoint, error) {
	c, err := n.custody.Sequence(ctx)
	if errors.Is(err, custody.ErrBusy) {
		return n.custody.Newest(ctx)
	}
	if err != nil {
		return c, err
	}
	_, err = n.sealer.Seal(ctx, c)
	return c, err
}

// Run seals at once and then every so often, until ctx ends.
func (n *Notary) Run(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	trouble := ""
	for {
		_, err := n.Seal(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if now := errorText(err); now != trouble {
			if now != "" {
				n.log.Warn("captures are not sealed for now; they are kept and will be", "error", now)
			} else {
				n.log.Info("captures are sealed again")
			}
			trouble = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Anchor gives the newest stamped checkpoint, nil when none is known: a visit
// that begins now happens after it.
func (n *Notary) Anchor(ctx context.Context) *capture.Anchor {
	a, err := n.sealer.Newest(ctx)
	if err != nil {
		if !errors.Is(err, seal.ErrNone) && ctx.Err() == nil {
			n.log.Warn("the newest stamped checkpoint could not be read; the capture will have no lower bound in time", "error", err)
		}
		return nil
	}
	return &a
}

// Sealed is how a capture lies in time.
type Sealed struct {
	// After is the stamped checkpoint the visit named as known: not before.
	After *capture.Anchor `json:"after,omitempty"`
	// Index is the capture's leaf; -1 while it waits for the next checkpoint.
	Index int64 `json:"index"`
	// Before is the earliest stamped time over the capture's leaf, its accuracy
	// added; zero while none is.
	Before time.Time `json:"before,omitzero"`
	// Size of the checkpoint that was stamped, and by whom.
	Size int64    `json:"size,omitempty"`
	By   []string `json:"by,omitempty"`
}

// Sealed tells between which two stamped times a capture was made.
func (n *Notary) Sealed(ctx context.Context, id capture.ID, after *capture.Anchor) (Sealed, error) {
	s := Sealed{After: after, Index: custody.Pending}
	row, err := n.custody.Find(ctx, id)
	if err != nil {
		return s, err
	}
	s.Index = row.Index
	if row.Index == custody.Pending {
		return s, nil
	}
	got, err := n.sealer.Covering(ctx, row.Index)
	if errors.Is(err, seal.ErrNone) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s.Size, s.Before = got.Checkpoint.Size, got.NotAfter
	for _, st := range got.Stamps {
		s.By = append(s.By, st.TSA)
	}
	return s, nil
}
