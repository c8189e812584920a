package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/custody/custodysql"
	"github.com/trawlmark/trawlmark/archive/seal"
	"github.com/trawlmark/trawlmark/archive/seal/demotsa"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
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
	keys, err := a.logKeys()
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
	client, err := a.sealClient()
	if err != nil {
		return nil, err
	}
	sealer, err := seal.New(seal.Config{Client: client, Vault: v, Verifiers: verifiers, Mode: mode, Now: a.now, Log: a.quiet()})
	if err != nil {
		return nil, err
	}
	a.sealer, a.notary = sealer, archive.NewNotary(a.custody, sealer, a.log)
	return a.notary, nil
}

// logKeys reads the log's signing key, or makes one on the first start.
func (a *app) logKeys() (custody.Keys, error) {
	dir, err := a.dir("keys")
	if err != nil {
		return custody.Keys{}, err
	}
	path := filepath.Join(dir, "custody.key")
	keys, err := custody.LoadKeys(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	origin := a.cfg.Custody.Origin
	if origin == "" {
		var b [6]byte
		if _, err := rand.Read(b[:]); err != nil {
			return custody.Keys{}, err
		}
		origin = "trawlmark.local/" + hex.EncodeToString(b[:])
	}
	keys, err = custody.NewKeys(origin, rand.Reader)
	if err != nil {
		return custody.Keys{}, err
	}
	if err := keys.Create(path); err != nil {
		if errors.Is(err, fs.ErrExist) { // another process was first
			return custody.LoadKeys(path)
		}
		return custody.Keys{}, err
	}
	return keys, nil
}

// sealClient asks the configured authorities, or two of our own that prove
// nothing.
func (a *app) sealClient() (*seal.Client, error) {
	c := &seal.Client{Now: a.now, Rand: rand.Reader, Timeout: a.cfg.Seal.Timeout.D(), MaxSkew: a.cfg.Seal.MaxSkew.D()}
	if len(a.cfg.Seal.TSAs) == 0 {
		demo := demoTSAs{}
		for _, name := range []string{"demo-a", "demo-b"} {
			dir, err := a.dir("tsa/" + name)
			if err != nil {
				return nil, err
			}
			t, err := demotsa.Open(dir, a.now, rand.Reader, a.quiet())
			if err != nil {
				return nil, err
			}
			host := name + ".invalid"
			demo[host] = t
			c.TSAs = append(c.TSAs, seal.TSA{Name: name, URL: "http://" + host + "/", Roots: t.Roots()})
		}
		c.HTTP = demo
		return c, nil
	}
	c.HTTP, c.Want = &http.Client{Timeout: a.cfg.Seal.Timeout.D()}, min(2, len(a.cfg.Seal.TSAs))
	for _, t := range a.cfg.Seal.TSAs {
		roots, err := pemFile(t.Roots)
		if err != nil {
			return nil, fmt.Errorf("seal.tsas: %s: %w", t.Name, err)
		}
		var between []*x509.Certificate
		if t.Chain != "" {
			if between, err = pemFile(t.Chain); err != nil {
				return nil, fmt.Errorf("seal.tsas: %s: %w", t.Name, err)
			}
		}
		c.TSAs = append(c.TSAs, seal.TSA{
			Name: t.Name, URL: t.URL, Roots: roots, Untrusted: between, User: t.Username, Password: seal.Secret(t.Password.Reveal()),
		})
	}
	return c, nil
}

// demoTSAs answers for the demonstration authorities without a network.
type demoTSAs map[string]http.Handler

func (d demoTSAs) Do(r *http.Request) (*http.Response, error) {
	h, ok := d[r.URL.Host]
	if !ok {
		return nil, fmt.Errorf("there is no demonstration authority %s", r.URL.Host)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

func pemFile(path string) ([]*x509.Certificate, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return stamp.ParsePEM(b)
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
