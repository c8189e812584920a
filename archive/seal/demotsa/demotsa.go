// Package demotsa is a time stamp authority for demonstrations and tests: an
// http.Handler with a certificate authority of its own. Its certificates say
// "DEMONSTRATION ONLY - PROVES NOTHING", and so do its stamps to whoever reads
// them: a time by one's own clock, under one's own key, convinces nobody.
package demotsa

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/trawlmark/trawlmark/archive/seal/internal/cms"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
)

// Warning is in the subject of every certificate.
const Warning = "DEMONSTRATION ONLY - PROVES NOTHING"

// policy is our own: under the arc for documentation examples (RFC 5612 has
// the same idea for enterprise numbers).
var policy = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 1}

const (
	caLife   = 20 * 365 * 24 * time.Hour
	leafLife = 10 * 365 * 24 * time.Hour
	maxQuery = 4 << 10
)

// TSA answers RFC 3161 requests by HTTP (section 3.4).
type TSA struct {
	now  func() time.Time
	rand io.Reader
	log  *slog.Logger
	ca   *x509.Certificate
	leaf *x509.Certificate
	key  crypto.Signer
	at   string     // where it is reached, for the addresses in its certificate
	mu   sync.Mutex // serialises rand

	caKey   crypto.Signer // nil where ca.key is gone: it says nothing of revocation then
	revoked *revoked
}

// Open loads the authority of a folder, or makes a new one there: ca.pem,
// ca.key, tsa.pem, tsa.key; keys have mode 0600.
func Open(dir string, now func() time.Time, rand io.Reader, log *slog.Logger) (*TSA, error) {
	return OpenAt(dir, "", now, rand, log)
}

// OpenAt is Open for an authority that is reached at a URL, given without a
// final slash: a certificate made then says that it tells of its revocation
// below it. "" is Open.
func OpenAt(dir, url string, now func() time.Time, rand io.Reader, log *slog.Logger) (*TSA, error) {
	t := &TSA{now: now, rand: rand, log: log, at: url}
	err := t.load(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err = t.create(dir); err == nil {
			err = t.load(dir)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("demonstration time stamp authority in %s: %w", dir, err)
	}
	return t, nil
}

// Roots is what has to be trusted to believe its stamps: nobody should.
func (t *TSA) Roots() []*x509.Certificate { return []*x509.Certificate{t.ca} }

// ServeHTTP implements http.Handler.
func (t *TSA) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if t.at != "" && (r.URL.Path == listPath || r.URL.Path == answerPath) {
		t.serveRevocation(w, r)
		return
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/timestamp-query" {
		http.Error(w, "POST an application/timestamp-query ("+Warning+")", http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuery))
	if err != nil {
		http.Error(w, "the request is too large or was cut", http.StatusBadRequest)
		return
	}
	der, err := t.Respond(body)
	if err != nil {
		t.log.Error("demonstration time stamp", "err", err)
		http.Error(w, "no time stamp could be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/timestamp-reply")
	_, _ = w.Write(der) // the client is gone: nothing to do about it
}

// Respond answers one request, DER to DER. A request it does not understand
// gets a rejection, not an error.
func (t *TSA) Respond(query []byte) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var q cms.Request
	if err := cms.Unmarshal(query, &q); err != nil || q.Version != 1 {
		return Reject(5, "the request cannot be read")
	}
	if !q.Imprint.Algorithm.Algorithm.Equal(cms.OIDSHA256) || len(q.Imprint.Hash) != 32 {
		return Reject(0, "only SHA-256 is offered")
	}
	if len(q.Extensions) > 0 {
		return Reject(16, "no extensions are offered")
	}
	if q.Policy != nil && !q.Policy.Equal(policy) {
		return Reject(15, "only "+policy.String()+" is offered")
	}
	serial := make([]byte, 16)
	if _, err := io.ReadFull(t.rand, serial); err != nil {
		return nil, err
	}
	return cms.Build{
		Info: cms.Info{
			Version: 1, Policy: policy, Imprint: q.Imprint, Serial: new(big.Int).SetBytes(serial),
			Time: cms.Time(t.now().Truncate(time.Millisecond)), Accuracy: cms.Accuracy{Seconds: 1}, Nonce: q.Nonce,
		},
		Cert: t.leaf, Key: t.key, NoCert: !q.CertReq, Rand: t.rand,
	}.DER()
}

// Reject is a response that refuses: failure is a bit of PKIFailureInfo.
func Reject(failure int, text string) ([]byte, error) {
	bits := asn1.BitString{Bytes: make([]byte, failure/8+1), BitLength: failure + 1}
	bits.Bytes[failure/8] = 0x80 >> (failure % 8)
	return asn1.Marshal(struct{ Status cms.Status }{cms.Status{Status: 2, Text: cms.Text(text), FailInfo: bits}})
}

func (t *TSA) create(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), t.rand)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), t.rand)
	if err != nil {
		return err
	}
	start := t.now().Add(-time.Hour).UTC().Truncate(time.Second)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: subject("CA"), NotBefore: start, NotAfter: start.Add(caLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	caDER, err := x509.CreateCertificate(t.rand, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	if ca, err = x509.ParseCertificate(caDER); err != nil {
		return err
	}
	usage, err := asn1.Marshal([]asn1.ObjectIdentifier{cms.OIDTimeStamping})
	if err != nil {
		return err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: subject("TSA"), NotBefore: start, NotAfter: start.Add(leafLife),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		// Not ExtKeyUsage: that is written as not critical, and RFC 3161
		// section 2.3 wants it critical.
		ExtraExtensions: []pkix.Extension{{Id: cms.OIDExtKeyUsage, Critical: true, Value: usage}},
	}
	if t.at != "" {
		leaf.CRLDistributionPoints, leaf.OCSPServer = []string{t.at + listPath}, []string{t.at + answerPath}
	}
	leafDER, err := x509.CreateCertificate(t.rand, leaf, ca, key.Public(), caKey)
	if err != nil {
		return err
	}
	// tsa.pem last: load looks at it first, so a folder that was cut short is
	// made again from the start.
	return errors.Join(
		writeKey(filepath.Join(dir, "ca.key"), caKey), writePEM(filepath.Join(dir, "ca.pem"), "CERTIFICATE", caDER, 0o644),
		writeKey(filepath.Join(dir, "tsa.key"), key), writePEM(filepath.Join(dir, "tsa.pem"), "CERTIFICATE", leafDER, 0o644),
	)
}

func subject(cn string) pkix.Name {
	return pkix.Name{Organization: []string{Warning}, CommonName: "Trawlmark demonstration " + cn + " - " + Warning}
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "PRIVATE KEY", der, 0o600)
}

func writePEM(path, kind string, der []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	return errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
}

func (t *TSA) load(dir string) error {
	leafPEM, err := os.ReadFile(filepath.Join(dir, "tsa.pem"))
	if err != nil {
		return err
	}
	caPEM, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return err
	}
	keyPEM, err := os.ReadFile(filepath.Join(dir, "tsa.key"))
	if err != nil {
		return err
	}
	leaf, err1 := stamp.ParsePEM(leafPEM)
	ca, err2 := stamp.ParsePEM(caPEM)
	block, _ := pem.Decode(keyPEM)
	if err := errors.Join(err1, err2); err != nil || block == nil {
		return fmt.Errorf("its files are damaged; remove the folder to make a new one: %w", err)
	}
	signer, err := parseKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("tsa.key is damaged; remove the folder to make a new one: %w", err)
	}
	if !leaf[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(signer.Public()) {
		return errors.New("tsa.key is not the key of tsa.pem; remove the folder to make a new one")
	}
	t.leaf, t.ca, t.key = leaf[0], ca[0], signer
	if b, err := os.ReadFile(filepath.Join(dir, "ca.key")); err == nil {
		if block, _ := pem.Decode(b); block != nil {
			t.caKey, _ = parseKey(block.Bytes) // without it there is no word on revocation
		}
	}
	return nil
}

func parseKey(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("it is no key to sign with")
	}
	return signer, nil
}
