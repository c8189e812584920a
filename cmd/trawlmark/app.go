package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/seal"
	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/egress"
	"github.com/trawlmark/trawlmark/crawler/render"
	"github.com/trawlmark/trawlmark/crawler/site"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// app is the parts of trawlmark that a command needs, opened when first asked
// for and closed in the opposite order. It is used by one goroutine.
type app struct {
	cfg *configs.Config
	s   streams
	log *slog.Logger
	now func() time.Time // this machine's clock
	ids *capture.IDSource

	parts   *parts // embedded children, when the configuration leaves them to us
	db      *sqldb.DB
	catalog *catalog.Catalog
	ledger  *ledger.Ledger
	vault   vault.Vault
	custody *custody.Log
	notary  *archive.Notary
	sealer  *seal.Sealer
	archive *archive.Archive
	keeper  *archive.Keeper // of a dispatcher
	sites   *site.Set
	guard   *egress.Guard
	render  *render.Renderer
	chrome  string // the browser's version and path
	crawler *crawler.Crawler
	meters  *meters // what this process did, for /metrics

	spool, tmp string // this process's own folders, see claim

	// override and allow are what a command adds to the egress rules (the demo
	// marketplace).
	override map[string]string
	extraCAs []*x509.Certificate
	budgets  map[ledger.Class]ledger.Budget

	closers []func() error
}

// newApp makes an app with nothing opened yet.
func newApp(cfg *configs.Config, s streams) *app {
	now := s.now
	if now == nil {
		now = time.Now
	}
	a := &app{cfg: cfg, s: s, now: now, ids: capture.NewIDSource(now, rand.Reader), meters: newMeters()}
	level := slog.LevelInfo
	_ = level.UnmarshalText([]byte(cfg.Log.Level)) // validated on loading
	a.log = a.logger(level)
	return a
}

func (a *app) logger(level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(a.s.err, o)
	if a.cfg.Log.Format == "json" {
		h = slog.NewJSONHandler(a.s.err, o)
	}
	return slog.New(worker.LogHandler(h))
}

// quiet is a log for parts whose every success is not worth a line.
func (a *app) quiet() *slog.Logger { return a.logger(slog.LevelWarn) }

func (a *app) onClose(f func() error) { a.closers = append(a.closers, f) }

// close ends everything that was opened, newest first.
func (a *app) close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(errs...)
}

// dir gives a folder below the data folder, made when missing.
func (a *app) dir(name string) (string, error) {
	d, err := filepath.Abs(filepath.Join(a.cfg.DataDir, name))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(d, 0o700); err != nil {
		return "", fmt.Errorf("the data folder %s cannot be used: %w; choose another with --data or data_dir", a.cfg.DataDir, err)
	}
	return d, nil
}

func (a *app) userAgent() string {
	return strings.ReplaceAll(a.cfg.Crawler.UserAgent, "{version}", version)
}

// workerName is this worker's in the ledger and in every capture.
func (a *app) workerName() string {
	if a.cfg.Worker.Name != "" {
		return a.cfg.Worker.Name
	}
	return hostname()
}

func hostname() string {
	h, err := os.Hostname()
	if err != nil || h == "" {
		return "unnamed"
	}
	return h
}

// software names this build as captures record it.
func software() string {
	rev := "unknown commit"
	if bi, ok := debug.ReadBuildInfo(); ok {
		for _, s := range bi.Settings {
			if s.Key == "vcs.revision" {
				rev = s.Value
			}
		}
	}
	return "trawlmark " + version + " (" + rev + ")"
}

// timeout is a context for work that no caller's context bounds.
func timeout(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}
