package seal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// coveredKept is how many seals are remembered.
const coveredKept = 64

// Sealed is what a capture's seal rests on: the first stamped checkpoint that
// covers it, with the first stamp of each authority.
type Sealed struct {
	Checkpoint custody.Checkpoint
	Stamps     []Stored // at least one
	// NotAfter: the entry was in the log at this instant at the latest (the
	// earliest stamped time, its accuracy added).
	NotAfter time.Time
}

// covered remembers that no stamped checkpoint lies between an entry and the
// one that seals it, so that it seals all entries between as well.
type covered struct {
	from   int64 // the first entry that is known to be covered
	sealed Sealed
	at     time.Time // when it was read and checked
}

// Covering gives the first stamped checkpoint that covers the entry at an
// index; ErrNone while there is none. Neighbours share a checkpoint: for
// Config.Recall it counts as read and checked.
func (s *Sealer) Covering(ctx context.Context, index int64) (Sealed, error) {
	if got, ok := s.recall(index); ok {
		return got, nil
	}
	at := s.cfg.Now()
	got, err := s.cover(ctx, index)
	// One that another authority has yet to stamp will be more than it is now.
	if err == nil && len(got.Stamps) >= s.cfg.Client.want() {
		s.remember(covered{index, got, at})
	}
	return got, err
}

func (s *Sealer) recall(index int64) (Sealed, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.covered {
		if c.from <= index && index < c.sealed.Checkpoint.Size && s.cfg.Now().Sub(c.at) < s.cfg.Recall {
			got := c.sealed
			got.Stamps = slices.Clone(got.Stamps)
			return got, true
		}
	}
	return Sealed{}, false
}

func (s *Sealer) remember(c covered) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.covered = slices.DeleteFunc(s.covered, func(o covered) bool { return o.sealed.Checkpoint.Size == c.sealed.Checkpoint.Size })
	if len(s.covered) >= coveredKept {
		s.covered = slices.Delete(s.covered, 0, 1)
	}
	s.covered = append(s.covered, c)
}

// cover is Covering, from the vault.
func (s *Sealer) cover(ctx context.Context, index int64) (Sealed, error) {
	tried := int64(-1)
	refused := 0
	for info, err := range s.cfg.Vault.List(ctx, vault.StampsPrefix, afterSize(index)) {
		if err != nil {
			return Sealed{}, err
		}
		size, _, ok := parseStampKey(info.Key)
		if !ok || size <= index || size == tried {
			continue
		}
		tried = size
		c, err := s.checkpoint(ctx, size)
		if err != nil {
			return Sealed{}, err
		}
		good, err := s.stampsOf(ctx, c, first)
		if err != nil {
			return Sealed{}, err
		}
		if len(good) == 0 {
			refused++
			continue
		}
		sealed := Sealed{Checkpoint: c, Stamps: good, NotAfter: good[0].Time.Latest()}
		for _, st := range good {
			if st.Time.Latest().Before(sealed.NotAfter) {
				sealed.NotAfter = st.Time.Latest()
			}
		}
		return sealed, nil
	}
	if refused > 0 {
		return Sealed{}, fmt.Errorf("entry %d: %w: the stamps of %d checkpoints over it are not of %w, or do not hold; the log says why", index, ErrNone, refused, ErrStranger)
	}
	return Sealed{}, fmt.Errorf("entry %d: %w", index, ErrNone)
}

// afterSize is the last possible key of a size: "0" sorts right behind "/".
func afterSize(size int64) string {
	return strings.TrimSuffix(vault.StampsOf(size), "/") + "0"
}
