package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/trawlmark/trawlmark/archive/bundle"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/seal"
	"github.com/trawlmark/trawlmark/configs"
)

// trust is what this installation's evidence is checked against.
func (a *app) trust(ctx context.Context) (bundle.Trust, error) {
	keys, err := a.logHistory(ctx)
	if err != nil {
		return bundle.Trust{}, err
	}
	roots, err := a.pinnedRoots()
	return bundle.Trust{Keys: keys, Roots: roots}, err
}

func trustCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "trust", Short: "Print the trust file: the log's keys and the authorities' roots", Args: cobra.NoArgs,
		Long: `Trust prints what packages of this installation are verified against. Publish it,
or give it to the receiver, by another way than the package: whoever could forge
one could forge the other. It is text that openssl takes as -CAfile, too.`,
		Example: "  trawlmark evidence trust > trust.txt\n  trawlmark-verify --trust trust.txt case-2026-017.zip",
		RunE: func(c *cobra.Command, _ []string) error {
			return g.with(func(a *app) error {
				t, err := a.trust(c.Context())
				if err != nil {
					return err
				}
				if !g.json {
					_, err = g.s.out.Write(t.Marshal())
					return err
				}
				roots := []string{}
				for _, r := range t.Roots {
					roots = append(roots, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Raw})))
				}
				return printJSON(g.s.out, map[string]any{"log_keys": t.Keys, "tsa_roots": roots})
			})
		},
	}
}

// maskedConfig is the configuration as text; secrets print as <secret>.
func maskedConfig(cfg *configs.Config) (string, error) {
	b, err := yaml.Marshal(cfg)
	return "# The configuration in force when this package was made; secrets are hidden.\n" + string(b), err
}

// openStamps gives what finds stamps, and who makes them.
func (a *app) openStamps(ctx context.Context) (*seal.Sealer, []string, error) {
	client, err := a.sealClient()
	if err != nil {
		return nil, nil, err
	}
	keys, err := a.logHistory(ctx)
	if err != nil {
		return nil, nil, err
	}
	verifiers, err := custody.VerifierList(keys...)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, t := range client.TSAs {
		var roots []string
		for _, r := range t.Roots {
			roots = append(roots, r.Subject.String())
		}
		names = append(names, t.Name+": "+strings.Join(roots, "; "))
	}
	s, err := a.newSealer(a.vault, verifiers)
	return s, names, err
}

// logHistory gives all verifier keys of the log, newest first: those of the
// key file, and those that its own history names.
func (a *app) logHistory(ctx context.Context) ([]string, error) {
	if _, err := a.openNotary(ctx); err != nil {
		return nil, err
	}
	k, err := a.logKeys()
	if err != nil {
		return nil, err
	}
	keys, err := k.Public()
	if err != nil {
		return nil, err
	}
	rows, err := a.custody.About(ctx, custody.Subject{Log: k.Origin()})
	if err != nil {
		return nil, err
	}
	slices.Reverse(rows)
	for _, r := range rows {
		e, _, err := a.custody.Event(ctx, r.ID)
		if err != nil {
			return nil, fmt.Errorf("the history of the log's keys: %w", err)
		}
		for _, name := range []string{custody.DetailNewKey, custody.DetailOldKey} {
			if v := e.Details[name]; v != "" && !slices.Contains(keys, v) {
				keys = append(keys, v)
			}
		}
	}
	return keys, nil
}

// waczKey is the key of the anonymous WACZ signatures, made on first use. It
// proves nothing; it is kept so that the same capture gives the same bytes.
func (a *app) waczKey() (*ecdsa.PrivateKey, error) {
	dir, err := a.dir("keys")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "wacz.key")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if b, err = newWACZKey(path); errors.Is(err, fs.ErrExist) { // another process was first
			b, err = os.ReadFile(path)
		}
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM key; remove it, and a new one is made", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	k, ok := key.(*ecdsa.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s is no P-384 key; remove it, and a new one is made", path)
	}
	return k, nil
}

func newWACZKey(path string) ([]byte, error) {
	k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, err
	}
	b := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	tmp, err := os.CreateTemp(filepath.Dir(path), ".wacz-*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return nil, err
	}
	return b, os.Link(tmp.Name(), path)
}
