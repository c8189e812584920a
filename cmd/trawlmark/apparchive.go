package main

import (
	"context"
	"crypto/rand"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/custody/custodysql"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// The custody log, its authorities, and the archive of an app.

// openNotary opens the custody log and the time-stamping authorities.
func (a *app) openNotary(ctx context.Context) (*archive.Notary, error) {
	if a.notary != nil {
		return a.notary, nil
	}
	v, err := a.openVault(ctx)
	if err != nil {
		return nil, err
	}
	db, err := a.openDB(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := a.logKeysOf(ctx, v)
	if err != nil {
		return nil, err
	}
	signer, co, err := keys.Signer()
	if err != nil {
		return nil, err
	}
	public, err := a.verifierKeys(keys)
	if err != nil {
		return nil, err
	}
	verifiers, err := custody.VerifierList(public...)
	if err != nil {
		return nil, err
	}
	store, err := custodysql.Open(ctx, db, a.now, rand.Reader)
	if err != nil {
		return nil, err
	}
	mode := vault.Mode(a.cfg.Retention.Mode)
	a.custody, err = custody.Open(ctx, custody.Config{
		Origin: keys.Origin(), Signer: signer, CoSigners: co, Verifiers: verifiers, Vault: v, Store: store, Mode: mode,
		Now: a.now, Rand: rand.Reader, Log: a.log,
	})
	if err != nil {
		return nil, err
	}
	sealer, err := a.newSealer(v, verifiers)
	if err != nil {
		return nil, err
	}
	a.sealer, a.notary = sealer, archive.NewNotary(a.custody, sealer, a.log)
	if a.cfg.Storage.Endpoint != "" { // the embedded one is on this very clock
		a.notary.Look = a.storageClock
	}
	return a.notary, nil
}

// openArchive opens the archive and all below it. space names the spool: each
// process has its own.
func (a *app) openArchive(ctx context.Context, space workspace) (*archive.Archive, error) {
	if a.archive != nil {
		return a.archive, nil
	}
	if _, err := a.openNotary(ctx); err != nil {
		return nil, err
	}
	cat, err := a.openCatalog(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.claim(space); err != nil {
		return nil, err
	}
	a.archive, err = archive.New(archive.Config{
		SpoolDir: a.spool, Untriaged: a.cfg.Retention.Untriaged.D(), Mode: vault.Mode(a.cfg.Retention.Mode),
		SpoolLimit: int64(a.cfg.Worker.SpoolLimit), Actor: "worker:" + a.workerName(), Unlocked: a.cfg.Storage.AllowUnlocked,
		Info: warc.Info{Software: software(), Hostname: hostname(), Operator: a.cfg.Operator},
	}, archive.Deps{Vault: a.vault, Catalog: cat, Custody: a.custody, IDs: a.ids, Now: a.now, Log: a.log})
	return a.archive, err
}
