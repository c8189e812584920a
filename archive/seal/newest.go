package seal

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// sighting is the newest stamp seen so far.
type sighting struct {
	anchor capture.Anchor
	found  bool
	looked time.Time // when the vault was last asked
}

// see takes note of a stamp.
func (s *Sealer) see(c custody.Checkpoint, st Stored) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := anchor(c, st)
	n := &s.newest
	if !n.found || a.Size > n.anchor.Size || a.Size == n.anchor.Size && a.StampedAt.After(n.anchor.StampedAt) {
		n.anchor, n.found = a, true
	}
}

// Newest gives the newest stamped checkpoint: what a visit that begins now can
// say it happened after. ErrNone before the first stamp.
func (s *Sealer) Newest(ctx context.Context) (capture.Anchor, error) {
	s.mu.Lock()
	n := s.newest
	s.mu.Unlock()
	if !n.looked.IsZero() && s.cfg.Now().Sub(n.looked) < s.cfg.Recall {
		return n.result()
	}
	from := int64(-1)
	if n.found {
		from = n.anchor.Size - 1
	}
	if err := s.look(ctx, from); err != nil {
		return capture.Anchor{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest.looked = s.cfg.Now()
	return s.newest.result()
}

func (n sighting) result() (capture.Anchor, error) {
	if !n.found {
		return capture.Anchor{}, fmt.Errorf("the newest checkpoint: %w", ErrNone)
	}
	return n.anchor, nil
}

// look finds the largest size beyond from that has a stamp that holds, and
// sees its stamps. Sizes whose stamps do not hold are passed over, downwards.
func (s *Sealer) look(ctx context.Context, from int64) error {
	for below := int64(math.MaxInt64); ; {
		size, ok, err := s.largest(ctx, from, below)
		if err != nil || !ok {
			return err
		}
		c, err := s.checkpoint(ctx, size)
		if err != nil {
			return err
		}
		good, err := s.stampsOf(ctx, c, last)
		if err != nil {
			return err
		}
		for _, st := range good {
			s.see(c, st)
		}
		if len(good) > 0 {
			return nil
		}
		below = size
	}
}

// largest gives the largest stamped size in (from, below). A listing only goes
// up and there may be a stamp for every minute of years, so it is found by
// steps that double and then halve: some dozens of looks, of one key each; two
// where from is just below it.
func (s *Sealer) largest(ctx context.Context, from, below int64) (int64, bool, error) {
	size, found, err := s.next(ctx, from)
	if err != nil || !found || size >= below {
		return 0, false, err
	}
	for step := int64(1); step < below-size; step *= 2 {
		n, found, err := s.next(ctx, size+step-1)
		if err != nil {
			return 0, false, err
		}
		if !found || n >= below {
			below = size + step
			break
		}
		size = n
	}
	for size < below-1 {
		mid := size + (below-1-size)/2
		n, found, err := s.next(ctx, mid)
		if err != nil {
			return 0, false, err
		}
		if found && n < below {
			size = n
		} else {
			below = mid + 1
		}
	}
	return size, true, nil
}

// next gives the first size after one that has a .tsr.
func (s *Sealer) next(ctx context.Context, size int64) (int64, bool, error) {
	after := ""
	if size >= 0 {
		after = afterSize(size)
	}
	for info, err := range s.cfg.Vault.List(ctx, vault.StampsPrefix, after) {
		if err != nil {
			return 0, false, err
		}
		if n, _, ok := parseStampKey(info.Key); ok {
			return n, true, nil
		}
	}
	return 0, false, nil
}
