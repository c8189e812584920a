package archive

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// Config says how long evidence is locked and where captures wait for storage.
type Config struct {
	// SpoolDir is a folder of this process alone. Required.
	SpoolDir string
	// Untriaged is how long a fresh capture is locked. Default 30 days.
	Untriaged time.Duration
	// Mode of the lock. Default GOVERNANCE.
	Mode vault.Mode
	// Unlocked says that the storage keeps no locks, which is then no
	// difference that a check reports.
	Unlocked bool
	// SpoolLimit is how many bytes may wait for storage; more and Prepare
	// gives ErrSpoolFull. Default 2 GiB.
	SpoolLimit int64
	// SpoolReserve is how many bytes must be free on the disk of the spool
	// before a visit begins; less and Room gives ErrDiskFull. Default 64 MiB.
	SpoolReserve int64
	// Whole stores every capture with all of its bytes: no payload is left to
	// an earlier capture, no artifact is shared, and the WARC has the artifacts
	// too. It costs several times the storage.
	Whole bool
	// ReferFor is how old a capture may be that a new one refers to. It bounds
	// how much longer than its own retention a capture stays for others.
	// Default 30 days.
	ReferFor time.Duration
	// Info stands in every WARC.
	Info warc.Info
	// Actor is who custody events of this process are by: "worker:<name>".
	Actor string
}

func (c Config) withDefaults() Config {
	if c.Untriaged == 0 {
		c.Untriaged = 30 * 24 * time.Hour
	}
	if c.Mode == "" {
		c.Mode = vault.Governance
	}
	if c.SpoolLimit == 0 {
		c.SpoolLimit = 2 << 30
	}
	if c.SpoolReserve == 0 {
		c.SpoolReserve = 64 << 20
	}
	if c.ReferFor == 0 {
		c.ReferFor = 30 * 24 * time.Hour
	}
	if c.Actor == "" {
		c.Actor = "worker:unnamed"
	}
	return c
}

// ErrSpoolFull: too many captures wait for storage. Visits must pause.
var ErrSpoolFull = errors.New("the spool is full of captures that wait for storage; visits pause until the storage takes them")

// ErrDiskFull: the disk of the spool has no room. Visits must pause; what waits
// in the spool is stored and makes room.
var ErrDiskFull = errors.New("the disk of the spool is full; visits pause until there is room")

// Log is the part of the custody log that is needed here.
type Log interface {
	// Append records an event durably. Appending the same event again is
	// harmless.
	Append(ctx context.Context, e custody.Event, keep custody.Keep) (custody.Receipt, error)
}

// Deps is what an archive stands on.
type Deps struct {
	Vault   vault.Vault
	Catalog *catalog.Catalog
	Custody Log
	IDs     *capture.IDSource
	Now     func() time.Time
	// Rand is what samples are drawn by; nil is crypto/rand.
	Rand io.Reader
	Log  *slog.Logger
}

// Archive is one archive. Safe for concurrent use.
type Archive struct {
	cfg Config
	Deps
	spool *spool
}

// New opens the archive and its spool; captures left there by an earlier
// process are found by Waiting.
func New(cfg Config, deps Deps) (*Archive, error) {
	cfg = cfg.withDefaults()
	if cfg.SpoolDir == "" {
		return nil, errors.New("archive: SpoolDir must name a folder")
	}
	if err := os.MkdirAll(cfg.SpoolDir, 0o700); err != nil {
		return nil, fmt.Errorf("the spool cannot be made: %w", err)
	}
	abs, err := filepath.Abs(cfg.SpoolDir)
	if err != nil {
		return nil, err
	}
	if deps.Rand == nil {
		deps.Rand = rand.Reader
	}
	s := &spool{dir: abs, limit: cfg.SpoolLimit, reserve: cfg.SpoolReserve}
	if err := s.sweep(); err != nil {
		return nil, fmt.Errorf("the spool %s cannot be used: %w", abs, err)
	}
	return &Archive{cfg: cfg, Deps: deps, spool: s}, nil
}

// Receipt says where a capture is kept.
type Receipt struct {
	ID       capture.ID         `json:"capture"`
	Manifest capture.Digest     `json:"manifest_sha256"`
	Entry    catalog.Entry      `json:"entry"`
	Objects  []catalog.Artifact `json:"objects"`
}

// Ingest stores a capture: Prepare, Store and Discard in one.
func (a *Archive) Ingest(ctx context.Context, c *capture.Capture, d Description) (Receipt, error) {
	p, err := a.Prepare(ctx, c, d, nil)
	if err != nil {
		return Receipt{}, err
	}
	r, err := a.Store(ctx, p)
	if err != nil {
		return Receipt{}, err
	}
	return r, a.Discard(p)
}

// Description is what was read from the page, for finding the capture again,
// and how long it is kept.
type Description struct {
	Title, Price, Currency, Seller string
	// Keep is how long the capture is locked from its start; 0 is
	// Config.Untriaged.
	Keep time.Duration
}
