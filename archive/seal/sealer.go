package seal

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// ErrNone: nothing is stamped (yet).
var ErrNone = errors.New("no stamped checkpoint covers it yet")

// ErrStranger: a stamp of an authority without pinned roots cannot be checked.
var ErrStranger = errors.New("an authority that is configured, now (seal.tsas) or formerly (seal.former)")

// Config is what a Sealer stands on.
type Config struct {
	Client *Client
	// Former are authorities that are not asked any more, but whose stamps
	// count: their names and roots. One that is taken out of Client.TSAs
	// belongs here, or what it stamped can no longer be shown to hold.
	Former []TSA
	Vault  vault.Vault
	// Verifiers know the log's keys: a checkpoint is believed only when signed.
	Verifiers note.Verifiers
	// Fresh is how old the newest stamp of an authority may get while the log
	// does not grow: then the same checkpoint is stamped once more, so that
	// the next visit has a recent "not before". Default 1 minute.
	Fresh time.Duration
	// Retention is how long stamps stay locked. Default 10 years.
	Retention time.Duration
	Mode      vault.Mode // default GOVERNANCE
	// Recall is how long Newest and Covering may rely on what they last saw in
	// the vault. Default 10 s.
	Recall time.Duration
	// Web asks the addresses of revocation lists and OCSP responders that
	// stand in the authorities' certificates: a way out that reaches no private
	// address. nil: nobody is asked, and what is kept stays as it is.
	Web Doer
	// RevocationEvery is how often. Default 24 hours.
	RevocationEvery time.Duration
	// RenewBefore is how long before its chain ends a stamp is renewed.
	// Default 90 days.
	RenewBefore time.Duration
	// Weak are signature algorithms that are not to be relied on much longer,
	// as x509.SignatureAlgorithm names them ("SHA256-RSA"): stamps that rest on
	// them are renewed now.
	Weak []string
	// Host names this machine in what is recorded of its clock.
	Host string
	Now  func() time.Time
	Log  *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Fresh = cmp.Or(c.Fresh, time.Minute)
	c.Retention = cmp.Or(c.Retention, 10*365*24*time.Hour)
	c.Mode = cmp.Or(c.Mode, vault.Governance)
	c.Recall = cmp.Or(c.Recall, 10*time.Second)
	c.RevocationEvery = cmp.Or(c.RevocationEvery, 24*time.Hour)
	c.RenewBefore = cmp.Or(c.RenewBefore, 90*24*time.Hour)
	return c
}

// Validate names the first setting that cannot be.
func (c Config) Validate() error {
	switch {
	case c.Client == nil || c.Vault == nil || c.Verifiers == nil || c.Now == nil || c.Log == nil:
		return errors.New("client, vault, verifiers, now and log must be given")
	case c.Fresh < 0 || c.Retention < 0 || c.Recall < 0 || c.RevocationEvery < 0 || c.RenewBefore < 0:
		return errors.New("fresh, retention, recall, revocation_every and renew_before must not be negative")
	}
	if err := c.Client.Validate(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, t := range c.Client.TSAs {
		seen[t.Name] = true
	}
	for i, t := range c.Former {
		if !validSlug(t.Name) || len(t.Roots) == 0 || seen[t.Name] {
			return fmt.Errorf("former[%d]: want a name of its own and pinned roots", i)
		}
		seen[t.Name] = true
	}
	return nil
}

// Status is how one authority does.
type Status struct {
	TSA  string
	Last time.Time // newest stamp of this run; zero for none
	Size int64     // of the checkpoint it is of
	End  time.Time // when the chain of that stamp ends
	// Since is when it began to fail; zero when it does not. Owed is the size
	// of the first checkpoint it did not stamp: the next one it stamps covers
	// that too, but the gap stays visible.
	Since time.Time
	Owed  int64
	Err   error
	Count int // failures in a row
}

// Sealer has checkpoints stamped and finds the stamps of captures. Safe for
// concurrent use; of several processes one should Seal.
type Sealer struct {
	cfg Config

	sealing  sync.Mutex // one Seal at a time
	renewing sync.Mutex // one Renew at a time
	walk     walk       // of Renew
	stuck    stuck      // of Renew
	chains   string     // that the last Renew saw
	perList  int        // checkpoints on one list; fewer in tests

	mu         sync.Mutex
	status     map[string]*Status
	renewal    RenewStatus
	newest     sighting
	covered    []covered
	registered map[string]bool // chains known to be kept, by key
	news       bool            // there are some since NewChains
	listed     map[string]listing
	parsed     map[string]stamp.Statements
	asked      map[string]time.Time // when a chain was last asked about, by key
	clock      []Reading
}

// New makes a Sealer. It talks to nobody yet.
func New(cfg Config) (*Sealer, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Sealer{
		cfg: cfg, status: map[string]*Status{}, registered: map[string]bool{}, listed: map[string]listing{},
		parsed: map[string]stamp.Statements{}, asked: map[string]time.Time{}, perList: stamp.MaxRenewed,
	}
	for _, t := range cfg.Client.TSAs {
		s.status[t.Name] = &Status{TSA: t.Name}
	}
	return s, nil
}

// Seal has a published checkpoint stamped and keeps the stamps. Call it with
// the newest checkpoint after every Sequence, and every minute: it asks only
// the authorities that owe a stamp of it. The stamps given are the new ones.
//
// ErrTooFew: fewer than wanted; what came is kept, the rest is owed and asked
// for at the next call. Nothing stops for it: it is an alarm.
func (s *Sealer) Seal(ctx context.Context, c custody.Checkpoint) ([]Stored, error) {
	s.sealing.Lock()
	defer s.sealing.Unlock()
	due, fresh := s.due(c.Size)
	want := s.cfg.Client.want() - fresh
	if want <= 0 {
		return nil, nil
	}
	stamps, failed := s.cfg.Client.stamp(ctx, c.Signed, due, want, s.accept)
	s.failed(c.Size, failed)
	var stored []Stored
	for _, st := range stamps {
		kept, err := s.store(ctx, c, st)
		if err != nil {
			return stored, fmt.Errorf("a time stamp of %s over size %d could not be kept: %w", st.TSA, c.Size, err)
		}
		s.stamped(c.Size, st)
		stored = append(stored, kept)
	}
	if len(stamps) < want {
		return stored, tooFew(fresh+len(stamps), s.cfg.Client.want(), failed)
	}
	return stored, nil
}

// due gives the authorities that have no fresh stamp of this size, and how
// many have one.
func (s *Sealer) due(size int64) (due []TSA, fresh int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	for _, t := range s.cfg.Client.TSAs {
		st := s.status[t.Name]
		if !st.Last.IsZero() && st.Size == size && now.Sub(st.Last) < s.cfg.Fresh {
			fresh++
		} else {
			due = append(due, t)
		}
	}
	return due, fresh
}

// stamped keeps the books of who stamped: only what is kept counts.
func (s *Sealer) stamped(size int64, st Stamp) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, now := s.status[st.TSA], s.cfg.Now()
	s.cfg.Log.Info("checkpoint stamped", "size", size, "tsa", st.TSA, "time", st.Time.At)
	if !b.Since.IsZero() {
		s.cfg.Log.Warn("time stamp authority is back", "tsa", st.TSA, "down", now.Sub(b.Since), "owed_since_size", b.Owed)
	}
	*b = Status{TSA: st.TSA, Last: now, Size: size, End: st.Time.NotAfter}
	s.clock = keepReading(s.clock, st.reading())
}

// accept refuses a stamp whose certificate is known to be revoked: another
// authority is asked instead.
func (s *Sealer) accept(ctx context.Context, st Stamp) error {
	kept, err := s.Revocation(ctx, st)
	if err != nil {
		s.cfg.Log.Warn("what is kept of revoked certificates could not be read; the stamp is taken", "tsa", st.TSA, "err", err)
		return nil
	}
	return kept.Err()
}

func (s *Sealer) until() time.Time {
	return s.cfg.Now().Add(s.cfg.Retention).UTC().Truncate(time.Second)
}

// failed keeps the books of who owes.
func (s *Sealer) failed(size int64, failed []*FailedError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range failed {
		b := s.status[f.TSA]
		if b.Since.IsZero() {
			b.Since, b.Owed = s.cfg.Now(), size
		}
		b.Err = f.Err
		b.Count++
		s.cfg.Log.Error("time stamp authority failed", "tsa", f.TSA, "since", b.Since, "owed_since_size", b.Owed, "err", f.Err)
	}
}

// Status tells how every authority does, in order of configuration: for
// metrics and alarms.
func (s *Sealer) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Status
	for _, t := range s.cfg.Client.TSAs {
		all = append(all, *s.status[t.Name])
	}
	return all
}

// put stores an object that is written once; the same bytes are there already
// is success.
func (s *Sealer) put(ctx context.Context, key, mediaType string, b []byte) error {
	p := vault.NewPut(key, mediaType, b)
	p.Mode, p.RetainUntil = s.cfg.Mode, s.until()
	_, err := s.cfg.Vault.Put(ctx, p)
	if errors.Is(err, vault.ErrExists) {
		var there []byte
		if there, err = s.get(ctx, key, int64(len(b))); err == nil && !bytes.Equal(there, b) {
			err = fmt.Errorf("%s: %w", key, custody.ErrConflict)
		}
	}
	return err
}

func (s *Sealer) get(ctx context.Context, key string, limit int64) ([]byte, error) {
	r, _, err := s.cfg.Vault.Get(ctx, key, "")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", key, limit)
	}
	return b, err
}

// checkpoint reads a published checkpoint and checks its signature.
func (s *Sealer) checkpoint(ctx context.Context, size int64) (custody.Checkpoint, error) {
	b, err := s.get(ctx, vault.CheckpointKey(size), custody.MaxCheckpoint)
	if err != nil {
		return custody.Checkpoint{}, err
	}
	c, err := custody.ParseCheckpoint(b, s.cfg.Verifiers)
	if err == nil && c.Size != size {
		err = fmt.Errorf("the checkpoint under size %d is of size %d", size, c.Size)
	}
	return c, err
}

// anchor is what a capture says it happened after.
func anchor(c custody.Checkpoint, st Stored) capture.Anchor {
	return capture.Anchor{
		Origin: c.Origin, Size: c.Size, Root: c.Root.String(), Stamp: st.Digest(),
		StampedAt: st.Time.At, Checkpoint: capture.Sum(c.Signed),
	}
}
