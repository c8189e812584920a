package archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
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
	tending atomic.Bool

	// Look compares the machine's clock with one more than the authorities':
	// the storage's. Tend calls it; nil: there is none. Set it before Run.
	Look func(context.Context) (seal.Reading, error)
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

// tendEvery is how often the seals are tended, and at once when stamps rest on
// certificates that were not seen before.
const tendEvery = time.Hour

// Run seals at once and then every so often, until ctx ends. Beside that it
// tends the seals (Tend), which may take long or fail without delaying any.
func (n *Notary) Run(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var beside sync.WaitGroup
	defer beside.Wait()
	trouble := ""
	var tended time.Time // monotonic: how long ago, whatever the wall clock says
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
		if n.sealer.NewChains() || tended.IsZero() || time.Since(tended) >= tendEvery {
			if n.tending.CompareAndSwap(false, true) {
				tended = time.Now()
				beside.Go(func() {
					defer n.tending.Store(false)
					n.tend(ctx)
				})
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (n *Notary) tend(ctx context.Context) {
	if _, err := n.Tend(ctx); err != nil && ctx.Err() == nil {
		n.log.Warn("the seals could not be tended in full; it is tried again within the hour", "error", err)
	}
}

// Tended is what Tend did.
type Tended struct {
	Renewed    int       // checkpoints whose stamps were renewed
	Late       int       // checkpoints whose stamps had ended unrenewed
	Ends       time.Time // of the first chain that was to be renewed; zero when none was
	Revocation int       // new files of revocation data
}

// Tend does for the seals what need not be done every minute: renews stamps
// before their certificates end, fetches what is said of revoked certificates,
// and records how far the clocks are apart. What fails is in the error, and
// keeps nothing else from being done. Only renewing needs the sequencer's
// lock, for one list at a time; custody.ErrBusy when another process has it.
func (n *Notary) Tend(ctx context.Context) (Tended, error) {
	var t Tended
	var errs []error
	for more := true; more; {
		more = false // unless something was done
		err := n.custody.Alone(ctx, func(ctx context.Context) error {
			r, err := n.sealer.Renew(ctx)
			t.Renewed, t.Late, more = t.Renewed+r.Stamped, t.Late+r.Late, r.More
			if t.Ends.IsZero() {
				t.Ends = r.Until
			}
			return err
		})
		if err != nil && len(errs) < 10 {
			errs = append(errs, err)
		}
	}
	var err error
	if t.Revocation, err = n.sealer.FetchRevocation(ctx); err != nil {
		errs = append(errs, fmt.Errorf("revocation of the authorities' certificates: %w", err))
	}
	if n.Look != nil {
		r, err := n.Look(ctx)
		if err == nil {
			n.sealer.Observe(r)
		} else {
			errs = append(errs, fmt.Errorf("the storage's clock: %w", err))
		}
	}
	return t, errors.Join(append(errs, n.sealer.RecordClock(ctx))...)
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
