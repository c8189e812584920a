package seal

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// The bounds of asking about revocation: all of it is done beside the sealing
// and may fail without harm.
const (
	maxCRL         = 4 << 20          // bytes of one list
	maxURLs        = 2                // addresses tried of one certificate, of each kind
	fetchTime      = 10 * time.Second // for one address
	fetchAllTime   = 2 * time.Minute  // for one chain
	listedFor      = 10 * time.Minute // a listing of what is kept may be this old
	maxChain       = 1 << 20
	statementsKept = 8 // parsed files in memory
)

// Kept is what is kept about the revocation of a stamp's certificates.
type Kept struct {
	stamp.Revocation
	// Key and File are the .rev file that says it: what goes beside the stamp
	// in a package. Empty when nothing is kept.
	Key  string
	File []byte
}

// Revocation tells what the vault knows about the revocation of the
// certificates behind a stamp. Nothing kept is no error: the standing is
// stamp.Unchecked then. A .rev file that cannot be read counts as none.
func (s *Sealer) Revocation(ctx context.Context, st Stamp) (Kept, error) {
	none := Kept{Revocation: st.Time.Revocation(stamp.Statements{})}
	if len(st.Time.Chain) == 0 {
		return none, nil
	}
	keys, err := s.statementKeys(ctx, st.TSA, SignerID(st.Time.Chain[0]))
	if err != nil {
		return none, err
	}
	best := none
	for _, key := range telling(keys, st.Time) {
		said, err := s.statements(ctx, key)
		if errors.Is(err, vault.ErrUnavailable) || ctx.Err() != nil {
			return none, err
		}
		if err != nil {
			s.cfg.Log.Error("kept revocation data cannot be read", "key", key, "err", err)
			continue
		}
		got := Kept{st.Time.Revocation(said), key, said.PEM()}
		if best.Key == "" || got.Standing > best.Standing || got.Standing == best.Standing && got.AsOf.After(best.AsOf) {
			best = got
		}
	}
	return best, nil
}

// telling picks the files that say most about a stamp: the first from after
// it, the last from before its chain ended (a list forgets what ended), and
// the one before it, which may have been in force.
func telling(keys []string, t stamp.Time) []string {
	file := func(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }
	form := func(at time.Time) string { return at.UTC().Format("20060102t150405z") }
	after, _ := slices.BinarySearchFunc(keys, form(t.At), func(k, at string) int { return strings.Compare(file(k), at) })
	ended, _ := slices.BinarySearchFunc(keys, form(t.NotAfter), func(k, at string) int { return strings.Compare(file(k), at) })
	var picked []string
	for _, i := range []int{after, ended - 1, after - 1} {
		if i >= 0 && i < len(keys) && !slices.Contains(picked, keys[i]) {
			picked = append(picked, keys[i])
		}
	}
	return picked
}

// statementKeys lists what is kept about one signer, by time.
func (s *Sealer) statementKeys(ctx context.Context, tsa, signer string) ([]string, error) {
	prefix := vault.RevocationOf(tsa, signer)
	s.mu.Lock()
	l, ok := s.listed[prefix]
	s.mu.Unlock()
	if ok && s.cfg.Now().Sub(l.at) < listedFor {
		return l.keys, nil
	}
	l = listing{at: s.cfg.Now()}
	for info, err := range s.cfg.Vault.List(ctx, prefix, "") {
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(info.Key, ".rev") {
			l.keys = append(l.keys, info.Key)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed[prefix] = l
	return l.keys, nil
}

// listing is what was under a prefix at one time.
type listing struct {
	keys []string
	at   time.Time
}

func (s *Sealer) statements(ctx context.Context, key string) (stamp.Statements, error) {
	s.mu.Lock()
	said, ok := s.parsed[key]
	s.mu.Unlock()
	if ok {
		return said, nil
	}
	b, err := s.get(ctx, key, stamp.MaxRevocation)
	if err != nil {
		return said, err
	}
	if said, err = stamp.ParseRevocation(b); err != nil {
		return said, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.parsed) >= statementsKept {
		clear(s.parsed)
	}
	s.parsed[key] = said
	return said, nil
}

// FetchRevocation asks, for every chain that has not ended and was not asked
// about for Config.RevocationEvery, the addresses in its certificates, and
// keeps what can be believed. It gives how many .rev files are new. An address
// that does not answer, or not with a statement of the issuer, is part of the
// error and of no consequence: it is asked again by the next call.
func (s *Sealer) FetchRevocation(ctx context.Context) (kept int, err error) {
	if s.cfg.Web == nil {
		return 0, nil
	}
	chains, err := s.Chains(ctx)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, c := range chains {
		now := s.cfg.Now()
		if now.After(c.End) {
			continue
		}
		keys, err := s.statementKeys(ctx, c.TSA, c.Signer)
		if err != nil {
			return kept, err
		}
		due := vault.RevocationKey(c.TSA, c.Signer, now.Add(-s.cfg.RevocationEvery), "z") // behind all of its second
		s.mu.Lock()
		asked := s.asked[c.Key]
		s.mu.Unlock()
		if len(keys) > 0 && keys[len(keys)-1] > due || !asked.IsZero() && now.Sub(asked) < s.cfg.RevocationEvery {
			continue
		}
		stored, err := s.fetchChain(ctx, c, keys)
		if ctx.Err() != nil || errors.Is(err, vault.ErrUnavailable) {
			return kept, err
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.TSA, err))
			continue
		}
		if stored {
			kept++
		}
		s.mu.Lock()
		s.asked[c.Key] = now
		s.mu.Unlock()
	}
	return kept, errors.Join(errs...)
}

// fetchChain asks about one chain and keeps what is new.
func (s *Sealer) fetchChain(ctx context.Context, c Chain, keys []string) (stored bool, err error) {
	fctx, cancel := context.WithTimeout(ctx, fetchAllTime)
	defer cancel()
	var said stamp.Statements
	var errs []error
	for i := 0; i+1 < len(c.Certs); i++ {
		one, err := s.ask(fctx, c.Certs[i], c.Certs[i+1])
		said.CRLs, said.OCSP = append(said.CRLs, one.CRLs...), append(said.OCSP, one.OCSP...)
		errs = append(errs, err)
	}
	if said.Empty() {
		return false, errors.Join(errs...)
	}
	file := said.PEM()
	if len(file) > stamp.MaxRevocation {
		return false, fmt.Errorf("its lists are too large together: %d bytes", len(file))
	}
	if len(keys) > 0 {
		if old, err := s.statements(ctx, keys[len(keys)-1]); err == nil && bytes.Equal(old.PEM(), file) {
			return false, errors.Join(errs...)
		}
	}
	d := capture.Sum(file)
	key := vault.RevocationKey(c.TSA, c.Signer, s.cfg.Now(), fmt.Sprintf("%x", d[:4]))
	if err := s.put(ctx, key, "application/x-pem-file", file); err != nil {
		return false, err
	}
	s.mu.Lock()
	delete(s.listed, vault.RevocationOf(c.TSA, c.Signer))
	s.mu.Unlock()
	s.standing(c, said)
	return true, errors.Join(errs...)
}

// standing raises the alarm when a chain is revoked for stamps of now.
func (s *Sealer) standing(c Chain, said stamp.Statements) {
	now := stamp.Time{At: s.cfg.Now(), Chain: c.Certs, NotAfter: c.End}
	got := now.Revocation(said)
	if got.Standing == stamp.Revoked {
		s.cfg.Log.Error("a time stamp authority's certificate was revoked: its stamps since then do not count; take it out of seal.tsas",
			"tsa", c.TSA, "what", got.What)
	}
}

// ask gets statements about one certificate. Lists and answers that are of no
// use (of another issuer, badly signed, old, from the future) are errors.
func (s *Sealer) ask(ctx context.Context, cert, issuer *x509.Certificate) (said stamp.Statements, err error) {
	var errs []error
	for _, u := range some(cert.CRLDistributionPoints) {
		list, err := s.fetchList(ctx, u)
		if err == nil {
			one := stamp.Statements{CRLs: []*x509.RevocationList{list}}
			if err = s.current(one, cert, issuer, list.ThisUpdate, list.NextUpdate); err == nil {
				said.CRLs = append(said.CRLs, list)
				break
			}
		}
		errs = append(errs, fmt.Errorf("the revocation list at %s: %w", u, err))
	}
	for _, u := range some(cert.OCSPServer) {
		raw, err := s.fetchAnswer(ctx, u, cert, issuer)
		if err == nil {
			one := stamp.Statements{OCSP: [][]byte{raw}}
			from, until := one.Dates(cert, issuer)
			if err = s.current(one, cert, issuer, from, until); err == nil {
				said.OCSP = append(said.OCSP, raw)
				break
			}
		}
		errs = append(errs, fmt.Errorf("the OCSP responder %s: %w", u, err))
	}
	if !said.Empty() {
		return said, nil
	}
	return said, errors.Join(errs...)
}

// current refuses what cannot be believed, and what is replayed.
func (s *Sealer) current(one stamp.Statements, cert, issuer *x509.Certificate, from, until time.Time) error {
	now := s.cfg.Now()
	switch {
	case !one.Useful(cert, issuer):
		return errors.New("it is not a statement of the issuer about this certificate")
	case from.After(now.Add(s.cfg.Client.maxSkew())):
		return fmt.Errorf("it is from the future (%s)", from.UTC().Format(time.RFC3339))
	case !until.IsZero() && now.After(until.Add(s.cfg.Client.maxSkew())):
		return fmt.Errorf("it ran out on %s", until.UTC().Format(time.RFC3339))
	}
	return nil
}

// some gives the first addresses that can be asked by HTTP.
func some(urls []string) []string {
	var all []string
	for _, s := range urls {
		u, err := url.Parse(s)
		if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && len(all) < maxURLs && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

func (s *Sealer) fetchList(ctx context.Context, u string) (*x509.RevocationList, error) {
	b, err := s.fetch(ctx, http.MethodGet, u, nil, maxCRL)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(b); block != nil && block.Type == "X509 CRL" {
		b = block.Bytes
	}
	return x509.ParseRevocationList(b)
}

func (s *Sealer) fetchAnswer(ctx context.Context, u string, cert, issuer *x509.Certificate) ([]byte, error) {
	q, err := stamp.OCSPRequest(cert, issuer)
	if err != nil {
		return nil, err
	}
	return s.fetch(ctx, http.MethodPost, u, q, stamp.MaxOCSP)
}

func (s *Sealer) fetch(ctx context.Context, method, u string, body []byte, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, u, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/ocsp-request")
	}
	resp, err := s.cfg.Web.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP status %d", resp.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("it has more than %d bytes", limit)
	}
	return b, err
}
