package archive

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// KeeperConfig says how the archive looks after itself.
type KeeperConfig struct {
	// Sample is how many captures are read again each time. Default 50.
	Sample int
	// Expire also deletes what has expired. Default: only told.
	Expire bool
}

// Keeper looks after an archive, time and again: it reads a sample of what is
// stored, and lets go what has expired.
type Keeper struct {
	a   *Archive
	cfg KeeperConfig
	log *slog.Logger

	last atomic.Pointer[Round]
}

// Round is what a Keeper did in one turn.
type Round struct {
	Sample  Sampled   `json:"sample"`
	Expired Expiry    `json:"expired"`
	Ended   time.Time `json:"ended"`
	// Error is why it could not look, "" when it could.
	Error string `json:"error,omitempty"`
}

// NewKeeper makes a keeper of an archive.
func NewKeeper(a *Archive, cfg KeeperConfig, log *slog.Logger) *Keeper {
	if cfg.Sample == 0 {
		cfg.Sample = 50
	}
	return &Keeper{a: a, cfg: cfg, log: log}
}

// Last gives what the newest turn found; nil before the first ended.
func (k *Keeper) Last() *Round { return k.last.Load() }

// Turn does it once. Differences are logged as errors, one line each, and no
// error of Turn: that is only what kept it from looking.
func (k *Keeper) Turn(ctx context.Context) (Round, error) {
	var r Round
	var err error
	if r.Sample, err = k.a.Rehash(ctx, k.cfg.Sample); err == nil {
		r.Expired, err = k.a.Expire(ctx, !k.cfg.Expire)
	}
	for _, d := range r.Sample.Found {
		k.log.Error("stored evidence is not as it should be", "what", d.What, "capture", d.Capture.String(), "key", d.Key, "text", d.Text)
	}
	r.Ended, r.Error = k.a.Now().UTC(), errorText(err)
	k.last.Store(&r)
	return r, err
}

// Run takes a turn after every such time (a day) and at once when none is
// known to have been taken, until ctx ends.
func (k *Keeper) Run(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		r, err := k.Turn(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			k.log.Warn("the archive could not be looked after; it is tried again", "error", err, "in", every.String())
		default:
			k.log.Info("a sample of the archive was read again", "captures", r.Sample.Captures, "objects", r.Sample.Objects,
				"bytes", r.Sample.Bytes, "differences", len(r.Sample.Found), "not_read", r.Sample.Failed, "expired", r.Expired.Done)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
