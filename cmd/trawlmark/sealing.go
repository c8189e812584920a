package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/seal"
	"github.com/trawlmark/trawlmark/archive/seal/demotsa"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/crawler/egress"
)

// The log's key, and who stamps its checkpoints.

// keyFile is where the log's signing key lies.
func (a *app) keyFile() string {
	if p := a.cfg.Custody.Key; p != "" {
		return p
	}
	return filepath.Join(a.cfg.DataDir, "keys", "custody.key")
}

// logKeys reads the log's signing key. Without one the log is to be opened
// first: that makes it, where no log is yet.
func (a *app) logKeys() (custody.Keys, error) {
	keys, err := custody.LoadKeys(a.keyFile())
	if errors.Is(err, fs.ErrNotExist) {
		return keys, missingPart{fmt.Errorf("the custody log's key is not at %s: %w", a.keyFile(), err)}
	}
	return keys, err
}

// logKeysOf reads the key of the log in a vault, or makes one for a log that
// is yet to begin. A vault that has a log already needs the key of that one: a
// fresh key would sign a second history beside it.
func (a *app) logKeysOf(ctx context.Context, v vault.Vault) (custody.Keys, error) {
	keys, err := a.logKeys()
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	for _, prefix := range []string{vault.CheckpointsPrefix, custody.BatchesPrefix} {
		for _, err := range v.List(ctx, prefix, "") {
			if err != nil {
				return keys, err
			}
			return keys, missingPart{fmt.Errorf("the storage has a custody log already, and its key is not at %s: put the key of that log there "+
				"(copy it from the machine that began the log, or from its backup), or name its place in custody.key; no new key is made, for it would fork the log", a.keyFile())}
		}
	}
	return a.makeLogKeys()
}

func (a *app) makeLogKeys() (custody.Keys, error) {
	origin := a.cfg.Custody.Origin
	if origin == "" {
		var b [6]byte
		if _, err := rand.Read(b[:]); err != nil {
			return custody.Keys{}, err
		}
		origin = "trawlmark.local/" + hex.EncodeToString(b[:])
	}
	keys, err := custody.NewKeys(origin, rand.Reader)
	if err != nil {
		return custody.Keys{}, err
	}
	path := a.keyFile()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return custody.Keys{}, fmt.Errorf("the folder of the custody log's key cannot be made: %w; choose another place with custody.key", err)
	}
	if err := keys.Create(path); err != nil {
		if errors.Is(err, fs.ErrExist) { // another process was first
			return custody.LoadKeys(path)
		}
		return custody.Keys{}, err
	}
	a.log.Info("a new custody log begins: back up its key offline", "origin", origin, "key", path)
	return keys, nil
}

// newSealer makes what has checkpoints stamped and finds stamps, of the
// authorities of now and of former ones.
func (a *app) newSealer(v vault.Vault, verifiers note.Verifiers) (*seal.Sealer, error) {
	client, err := a.sealClient()
	if err != nil {
		return nil, err
	}
	former, err := a.formerTSAs()
	if err != nil {
		return nil, err
	}
	web, err := a.statementsWeb(client)
	if err != nil {
		return nil, err
	}
	return seal.New(seal.Config{
		Client: client, Former: former, Vault: v, Verifiers: verifiers, Mode: vault.Mode(a.cfg.Retention.Mode),
		Web: web, RenewBefore: a.cfg.Seal.RenewBefore.D(), Weak: a.cfg.Seal.Weak, Host: hostname(), Now: a.now, Log: a.quiet(),
	})
}

// pinnedRoots are the roots of all authorities whose stamps count, each once:
// those of now, and former ones.
func (a *app) pinnedRoots() ([]*x509.Certificate, error) {
	client, err := a.sealClient()
	if err != nil {
		return nil, err
	}
	former, err := a.formerTSAs()
	if err != nil {
		return nil, err
	}
	return seal.Roots(append(client.TSAs, former...)), nil
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
			host := name + ".invalid"
			t, err := demotsa.OpenAt(dir, "http://"+host, a.now, rand.Reader, a.quiet())
			if err != nil {
				return nil, err
			}
			demo[host] = t
			c.TSAs = append(c.TSAs, seal.TSA{Name: name, URL: "http://" + host + "/", Roots: t.Roots()})
		}
		c.HTTP = demo
		return c, nil
	}
	c.HTTP, c.Want = &http.Client{Timeout: a.cfg.Seal.Timeout.D()}, min(2, len(a.cfg.Seal.TSAs))
	for _, t := range a.cfg.Seal.TSAs {
		tsa, err := readTSA("seal.tsas", t)
		if err != nil {
			return nil, err
		}
		c.TSAs = append(c.TSAs, tsa)
	}
	return c, nil
}

// formerTSAs are authorities that are not asked any more, but whose stamps
// count. Whoever had none but the demonstration ones keeps these readable.
func (a *app) formerTSAs() ([]seal.TSA, error) {
	var all []seal.TSA
	for _, t := range a.cfg.Seal.Former {
		tsa, err := readTSA("seal.former", configs.TSA{Name: t.Name, Roots: t.Roots, Chain: t.Chain})
		if err != nil {
			return nil, err
		}
		all = append(all, tsa)
	}
	return all, nil
}

func readTSA(key string, t configs.TSA) (seal.TSA, error) {
	tsa := seal.TSA{Name: t.Name, URL: t.URL, User: t.Username, Password: seal.Secret(t.Password.Reveal())}
	var err error
	if tsa.Roots, err = pemFile(t.Roots); err == nil && t.Chain != "" {
		tsa.Untrusted, err = pemFile(t.Chain)
	}
	if err != nil {
		return tsa, fmt.Errorf("%s: %s: %w", key, t.Name, err)
	}
	return tsa, nil
}

// statementsWeb asks about revoked certificates: at addresses that stand in
// the authorities' certificates, and so by the egress guard, which reaches no
// private one. nil when the configuration says not to.
func (a *app) statementsWeb(client *seal.Client) (seal.Doer, error) {
	if !a.cfg.Seal.Revocation {
		return nil, nil
	}
	if demo, ok := client.HTTP.(demoTSAs); ok {
		return demo, nil
	}
	guard, err := a.openGuard()
	if err != nil {
		return nil, err
	}
	return guarded{guard}, nil
}

// guarded is an HTTP client whose every connection the egress guard judges.
type guarded struct{ guard *egress.Guard }

func (g guarded) Do(r *http.Request) (*http.Response, error) {
	session := g.guard.Session()
	c := http.Client{
		Transport: &http.Transport{DialContext: session.DialContext, DisableKeepAlives: true, ResponseHeaderTimeout: 10 * time.Second},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) >= 3 {
				return errors.New("it leads from address to address")
			}
			return nil
		},
	}
	resp, err := c.Do(r)
	if err != nil {
		session.Close()
		return nil, err
	}
	resp.Body = endsWith{resp.Body, session}
	return resp, nil
}

// endsWith is a body with whose end something else ends.
type endsWith struct {
	io.ReadCloser
	also io.Closer
}

func (e endsWith) Close() error { return errors.Join(e.ReadCloser.Close(), e.also.Close()) }

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
