package seal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
	"github.com/trawlmark/trawlmark/archive/vault"
)

const renewalPrefix = "renewal-"

// extList names, one a line, the .tsr files whose bytes a renewal is over, in
// order; the checkpoint's bytes follow them.
const extList = "list"

// ErrTooLate: the certificates of the newest stamps have ended already.
var ErrTooLate = errors.New("it is too late to renew: the newest chain ended")

// Renewal is a stamp over (older stamps || checkpoint): while its chain holds,
// the older ones are known to be from before their chains ended.
type Renewal struct {
	Stored
	Over []string // the .tsr files it is over, in order
}

// Renew stamps a checkpoint's first stamps and its renewals so far once more,
// by each of Want authorities. It must be done before the newest chain ends:
// ErrTooLate otherwise. ErrTooFew as Seal.
func (s *Sealer) Renew(ctx context.Context, size int64) ([]Renewal, error) {
	c, err := s.checkpoint(ctx, size)
	if err != nil {
		return nil, err
	}
	over, until, err := s.holding(ctx, c)
	if err != nil {
		return nil, err
	}
	if s.cfg.Now().After(until) {
		return nil, fmt.Errorf("size %d: %w on %s", size, ErrTooLate, until.Format(time.DateOnly))
	}
	message, err := s.message(ctx, c, over)
	if err != nil {
		return nil, err
	}
	want := s.cfg.Client.want()
	stamps, failed := s.cfg.Client.stamp(ctx, message, s.cfg.Client.TSAs, want)
	var kept []Renewal
	for _, st := range stamps {
		r := Renewal{Stored{Stamp: st, Size: size, Name: renewalPrefix + stampName(st.TSA, st.Time.At, st.Response)}, over}
		err := s.put(ctx, r.Key(extList), "text/plain; charset=utf-8", []byte(strings.Join(over, "\n")+"\n"))
		if err == nil {
			err = s.storeFiles(ctx, r.Stored)
		}
		if err != nil {
			return kept, fmt.Errorf("a renewal by %s over size %d could not be kept: %w", st.TSA, size, err)
		}
		kept = append(kept, r)
	}
	if len(kept) < want {
		return kept, tooFew(len(kept), want, failed)
	}
	return kept, nil
}

// Until tells how long the stamps of a checkpoint, renewals included, can be
// believed by their certificates: renew before.
func (s *Sealer) Until(ctx context.Context, size int64) (time.Time, error) {
	c, err := s.checkpoint(ctx, size)
	if err != nil {
		return time.Time{}, err
	}
	_, until, err := s.holding(ctx, c)
	return until, err
}

// Renewals gives the renewals of a checkpoint that hold, oldest first by key.
func (s *Sealer) Renewals(ctx context.Context, size int64) ([]Renewal, error) {
	c, err := s.checkpoint(ctx, size)
	if err != nil {
		return nil, err
	}
	return s.renewals(ctx, c)
}

func (s *Sealer) renewals(ctx context.Context, c custody.Checkpoint) ([]Renewal, error) {
	var all []Renewal
	for info, err := range s.cfg.Vault.List(ctx, vault.StampsOf(c.Size)+renewalPrefix, "") {
		if err != nil {
			return nil, err
		}
		_, name, ok := parseStampKey(info.Key)
		if !ok {
			continue
		}
		r, err := s.loadRenewal(ctx, c, name)
		if err == nil {
			all = append(all, r)
			continue
		}
		if errors.Is(err, vault.ErrUnavailable) || ctx.Err() != nil {
			return nil, err
		}
		s.cfg.Log.Error("a stored renewal does not hold", "size", c.Size, "stamp", name, "err", err)
	}
	return all, nil
}

// holding gives the .tsr files a renewal is to be over, in order, and the end
// of the longest chain among them.
func (s *Sealer) holding(ctx context.Context, c custody.Checkpoint) (over []string, until time.Time, err error) {
	good, err := s.stampsOf(ctx, c, first)
	if err != nil {
		return nil, until, err
	}
	if len(good) == 0 {
		return nil, until, fmt.Errorf("size %d: %w", c.Size, ErrNone)
	}
	renewals, err := s.renewals(ctx, c)
	if err != nil {
		return nil, until, err
	}
	for _, r := range renewals {
		good = append(good, r.Stored)
	}
	for _, st := range good {
		over = append(over, st.Name+"."+extReply)
		if st.Time.NotAfter.After(until) {
			until = st.Time.NotAfter
		}
	}
	return over, until, nil
}

// message is what a renewal is over: files in order, then the checkpoint.
func (s *Sealer) message(ctx context.Context, c custody.Checkpoint, over []string) ([]byte, error) {
	var message []byte
	for _, file := range over {
		stem, ok := strings.CutSuffix(file, "."+extReply)
		if !ok || strings.Contains(file, "/") {
			return nil, fmt.Errorf("a renewal cannot be over %.60q", file)
		}
		tsr, err := s.get(ctx, vault.StampKey(c.Size, stem, extReply), stamp.MaxResponse)
		if err != nil {
			return nil, err
		}
		message = append(message, tsr...)
	}
	return append(message, c.Signed...), nil
}

func (s *Sealer) loadRenewal(ctx context.Context, c custody.Checkpoint, name string) (Renewal, error) {
	list, err := s.get(ctx, vault.StampKey(c.Size, name, extList), 64<<10)
	if err != nil {
		return Renewal{}, err
	}
	text, ok := strings.CutSuffix(string(list), "\n")
	if !ok {
		return Renewal{}, fmt.Errorf("the list of %s is cut", name)
	}
	over := strings.Split(text, "\n")
	message, err := s.message(ctx, c, over)
	if err != nil {
		return Renewal{}, err
	}
	st, err := s.loadOver(ctx, c, name, strings.TrimPrefix(name, renewalPrefix), message)
	return Renewal{st, over}, err
}
