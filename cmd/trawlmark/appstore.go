package main

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/s3vault"
	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// The database and the storage of an app.

func (a *app) openDB(ctx context.Context) (*sqldb.DB, error) {
	if a.db != nil {
		return a.db, nil
	}
	u := a.cfg.Database.URL.Reveal()
	if u == "" {
		dir, err := a.dir(".")
		if err != nil {
			return nil, err
		}
		u = (&url.URL{Scheme: "sqlite", Path: filepath.Join(dir, "trawlmark.db")}).String()
	}
	db, err := sqldb.Open(ctx, sqldb.Config{URL: u})
	if err != nil {
		return nil, missingPart{fmt.Errorf("the database cannot be used: %w", err)}
	}
	a.db = db
	a.onClose(db.Close)
	return db, nil
}

func (a *app) openLedger(ctx context.Context) (*ledger.Ledger, error) {
	if a.ledger != nil {
		return a.ledger, nil
	}
	db, err := a.openDB(ctx)
	if err != nil {
		return nil, err
	}
	a.ledger, err = ledger.Open(ctx, db, a.ids, a.now, ledger.Config{Budgets: a.budgets})
	return a.ledger, err
}

func (a *app) openCatalog(ctx context.Context) (*catalog.Catalog, error) {
	if a.catalog != nil {
		return a.catalog, nil
	}
	db, err := a.openDB(ctx)
	if err != nil {
		return nil, err
	}
	a.catalog, err = catalog.Open(ctx, db)
	return a.catalog, err
}

// openVault opens the storage and makes the bucket when it is missing.
func (a *app) openVault(ctx context.Context) (vault.Vault, error) {
	if a.vault != nil {
		return a.vault, nil
	}
	cfg, err := a.storage(ctx)
	if err != nil {
		return nil, err
	}
	cfg.Observe = a.meters.vaultCall
	v, err := s3vault.Open(ctx, cfg, a.log)
	if err != nil {
		return nil, err
	}
	if err := v.Ensure(ctx); err != nil {
		return nil, fmt.Errorf("the evidence bucket %s at %s cannot be used: %w", cfg.Bucket, cfg.Endpoint, err)
	}
	a.vault = v
	return v, nil
}

// proveLocks tries whether the storage keeps its locks: roles do it when they
// start, before any evidence goes there.
func (a *app) proveLocks(ctx context.Context) error {
	v, err := a.openVault(ctx)
	if err != nil {
		return err
	}
	if p, ok := v.(interface {
		Probe(context.Context) (s3vault.Report, error)
	}); ok {
		_, err = p.Probe(ctx)
	}
	return err
}

// storage is where evidence goes: the configured server, or the embedded one.
func (a *app) storage(ctx context.Context) (s3vault.Config, error) {
	c := a.cfg.Storage
	cfg := s3vault.Config{
		Endpoint: c.Endpoint, Bucket: c.Bucket, Region: c.Region, TLS: c.TLS, CAFile: c.CAFile, Prefix: c.Prefix, AllowUnlocked: c.AllowUnlocked,
		AccessKey: c.AccessKey.Reveal(), SecretKey: s3vault.Secret(c.SecretKey.Reveal()),
	}
	if c.Endpoint != "" {
		return cfg, nil
	}
	s3, err := a.startS3(ctx)
	if err != nil {
		return cfg, err
	}
	cfg.Endpoint, cfg.TLS, cfg.CAFile, cfg.AccessKey, cfg.SecretKey = s3.Endpoint, false, "", s3.AccessKey, s3vault.Secret(s3.SecretKey)
	return cfg, nil
}
