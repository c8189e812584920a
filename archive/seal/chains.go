package seal

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/seal/stamp"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// Chain is a certificate chain that kept stamps rest on. There are a few of
// them for years of stamps, so they say cheaply when anything is to be renewed
// and whose revocation is to be asked for.
type Chain struct {
	TSA    string
	Signer string // SignerID of the first certificate
	Certs  []*x509.Certificate
	End    time.Time // of the certificate that ends first
	Key    string    // in the vault
}

// SignerID names a signing certificate in keys: the first 8 bytes of its
// SHA-256, in hex.
func SignerID(c *x509.Certificate) string {
	d := sha256.Sum256(c.Raw)
	return hex.EncodeToString(d[:8])
}

// register keeps a stamp's chain under its own key, before the stamp: a stamp
// that is there has its chain there.
func (s *Sealer) register(ctx context.Context, st Stamp) error {
	key := vault.ChainKey(st.TSA, st.Time.NotAfter, SignerID(st.Time.Chain[0]))
	s.mu.Lock()
	known := s.registered[key]
	s.mu.Unlock()
	if known {
		return nil
	}
	p := vault.NewPut(key, "application/x-pem-file", stamp.PEM(st.Time.Chain))
	p.Mode, p.RetainUntil = s.cfg.Mode, s.until()
	// Another chain of the same signer and end is there: one is enough.
	if _, err := s.cfg.Vault.Put(ctx, p); err != nil && !errors.Is(err, vault.ErrExists) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.registered[key], s.news = true, true
	return nil
}

// NewChains reports whether stamps were kept, since it was asked last, of
// chains that this process had not seen before: their revocation is to be
// asked about.
func (s *Sealer) NewChains() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	news := s.news
	s.news = false
	return news
}

// Chains lists the chains of all stamps that were ever kept, of each authority
// those that end first. A damaged one is told to the log and left out.
func (s *Sealer) Chains(ctx context.Context) ([]Chain, error) {
	var all []Chain
	for info, err := range s.cfg.Vault.List(ctx, vault.ChainsPrefix, "") {
		if err != nil {
			return nil, err
		}
		c, err := s.chain(ctx, info.Key)
		if errors.Is(err, vault.ErrUnavailable) || ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			s.cfg.Log.Error("a kept certificate chain cannot be read", "key", info.Key, "err", err)
			continue
		}
		all = append(all, c)
	}
	return all, nil
}

func (s *Sealer) chain(ctx context.Context, key string) (Chain, error) {
	b, err := s.get(ctx, key, maxChain)
	if err != nil {
		return Chain{}, err
	}
	c := Chain{Key: key}
	if c.Certs, err = stamp.ParsePEM(b); err != nil {
		return c, err
	}
	c.TSA, _, _ = strings.Cut(strings.TrimPrefix(key, vault.ChainsPrefix), "/")
	c.Signer = SignerID(c.Certs[0])
	c.End = slices.MinFunc(c.Certs, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter
	if vault.ChainKey(c.TSA, c.End, c.Signer) != key {
		return c, fmt.Errorf("it is not the chain its name says")
	}
	return c, nil
}
