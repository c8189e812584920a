package stamp

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/seal/internal/cms"
)

// MaxResponse bounds a response, in bytes. Real ones are 1 to 8 KiB.
const MaxResponse = 64 << 10

// maxCerts bounds the certificates a token brings along.
const maxCerts = 16

// The rules, each as the error that says it was broken.
var (
	ErrForm      = errors.New("the answer is no time stamp response")
	ErrStatus    = errors.New("the time stamp authority refused")
	ErrImprint   = errors.New("the time stamp is of other bytes")
	ErrNonce     = errors.New("the time stamp answers another request")
	ErrSigner    = errors.New("the time stamp does not name its signer")
	ErrUsage     = errors.New("the signer's certificate is not for time stamps alone")
	ErrSignature = errors.New("the signature of the time stamp is wrong")
	ErrChain     = errors.New("the signer's certificate does not lead to a trusted root at the stamped time")
	ErrClock     = errors.New("the stamped time cannot be")
)

// Trust is what a stamp is checked against.
type Trust struct {
	// Roots are the pinned roots: certificates somebody decided to trust.
	Roots []*x509.Certificate
	// Untrusted may help to build the chain where the token does not bring it.
	Untrusted []*x509.Certificate
}

// Time is what a stamp proves: its message existed at At, give or take
// Accuracy.
type Time struct {
	At       time.Time
	Accuracy time.Duration // 0 when not said
	Serial   *big.Int
	Policy   string
	TSA      string // subject of the signer
	Nonce    *big.Int
	// Signed is the algorithm of the stamp's own signature.
	Signed x509.SignatureAlgorithm
	// Chain of the signer at At, signer first, pinned root last.
	Chain []*x509.Certificate
	// NotAfter is when the first certificate of the chain ends: before that
	// the stamp is to be renewed.
	NotAfter time.Time
}

// Expired reports whether the chain has ended at that time: the stamp still
// proves what it proved, as long as it is known to be older than that.
func (t Time) Expired(at time.Time) bool { return at.After(t.NotAfter) }

// Earliest and Latest bound the stamped instant.
func (t Time) Earliest() time.Time { return t.At.Add(-t.Accuracy) }

// Latest is the end of the stamped instant.
func (t Time) Latest() time.Time { return t.At.Add(t.Accuracy) }

// Request is a time stamp request: DER is what is posted, and kept as .tsq.
type Request struct {
	DER     []byte
	Imprint [sha256.Size]byte
	Nonce   *big.Int
}

// NewRequest asks for a stamp of a message: SHA-256, a 128-bit nonce, the
// signer's certificate wanted (RFC 3161 section 2.4.1).
func NewRequest(message []byte, rand io.Reader) (Request, error) {
	raw := make([]byte, 16)
	if _, err := io.ReadFull(rand, raw); err != nil {
		return Request{}, fmt.Errorf("no random bytes for a nonce: %w", err)
	}
	raw[0] = raw[0]&0x7f | 0x40 // positive, and always as long
	r := Request{Imprint: sha256.Sum256(message), Nonce: new(big.Int).SetBytes(raw)}
	der, err := asn1.Marshal(cms.Request{
		Version: 1,
		Imprint: cms.Imprint{Algorithm: pkix.AlgorithmIdentifier{Algorithm: cms.OIDSHA256, Parameters: asn1.NullRawValue}, Hash: r.Imprint[:]},
		Nonce:   r.Nonce, CertReq: true,
	})
	r.DER = der
	return r, err
}

// ParseRequest reads what NewRequest made.
func ParseRequest(der []byte) (Request, error) {
	var q cms.Request
	if err := cms.Unmarshal(der, &q); err != nil {
		return Request{}, fmt.Errorf("not a time stamp request: %w", err)
	}
	r := Request{DER: der, Nonce: q.Nonce}
	if q.Version != 1 || !q.Imprint.Algorithm.Algorithm.Equal(cms.OIDSHA256) || len(q.Imprint.Hash) != len(r.Imprint) || q.Nonce == nil || !q.CertReq {
		return Request{}, errors.New("not a time stamp request of ours: want version 1, SHA-256, a nonce and the certificate")
	}
	copy(r.Imprint[:], q.Imprint.Hash)
	return r, nil
}

// Verify checks a full response (.tsr) to this request.
func (r Request) Verify(tsr []byte, trust Trust) (Time, error) {
	t, imprint, err := verify(tsr, trust)
	if err != nil {
		return Time{}, err
	}
	if imprint != r.Imprint {
		return Time{}, ErrImprint
	}
	if r.Nonce == nil || t.Nonce == nil || r.Nonce.Cmp(t.Nonce) != 0 {
		return Time{}, ErrNonce
	}
	return t, nil
}

// Verify checks a full response (.tsr) over a message. at is when this is
// asked: a stamp from the future is refused; zero when nobody knows. A chain
// that expired before at is no error: see Time.Expired.
func Verify(tsr, message []byte, trust Trust, at time.Time) (Time, error) {
	t, imprint, err := verify(tsr, trust)
	if err != nil {
		return Time{}, err
	}
	if imprint != sha256.Sum256(message) {
		return Time{}, ErrImprint
	}
	if !at.IsZero() && t.Earliest().After(at) {
		return Time{}, fmt.Errorf("%w: it is %s, after now", ErrClock, t.At.Format(time.RFC3339))
	}
	return t, nil
}

// verify checks all that does not depend on what was asked.
func verify(tsr []byte, trust Trust) (Time, [sha256.Size]byte, error) {
	var imprint [sha256.Size]byte
	p, err := parse(tsr)
	if err != nil {
		return Time{}, imprint, err
	}
	alg := p.info.Imprint.Algorithm
	if !alg.Algorithm.Equal(cms.OIDSHA256) || len(p.info.Imprint.Hash) != len(imprint) {
		return Time{}, imprint, fmt.Errorf("%w: its imprint is not SHA-256", ErrImprint)
	}
	copy(imprint[:], p.info.Imprint.Hash)
	signer, err := p.signer(trust)
	if err != nil {
		return Time{}, imprint, err
	}
	if err := checkUsage(signer); err != nil {
		return Time{}, imprint, err
	}
	if err := p.checkSignature(signer); err != nil {
		return Time{}, imprint, err
	}
	t := p.time(signer)
	if t.Chain, err = chain(signer, append(p.certs, trust.Untrusted...), trust.Roots, t.At); err != nil {
		return Time{}, imprint, err
	}
	t.NotAfter = t.Chain[0].NotAfter
	for _, c := range t.Chain {
		if c.NotAfter.Before(t.NotAfter) {
			t.NotAfter = c.NotAfter
		}
	}
	return t, imprint, nil
}

func (p *parsed) time(signer *x509.Certificate) Time {
	a := p.info.Accuracy
	return Time{
		At:       p.at,
		Accuracy: time.Duration(a.Seconds)*time.Second + time.Duration(a.Millis)*time.Millisecond + time.Duration(a.Micros)*time.Microsecond,
		Serial:   p.info.Serial, Policy: p.info.Policy.String(), TSA: signer.Subject.String(), Nonce: p.info.Nonce,
		Signed: p.algorithm(),
	}
}

// chain leads from the signer to a pinned root as things were at genTime.
func chain(signer *x509.Certificate, between, roots []*x509.Certificate, genTime time.Time) ([]*x509.Certificate, error) {
	if len(roots) == 0 {
		return nil, fmt.Errorf("%w: no root is pinned for it", ErrChain)
	}
	chains, err := signer.Verify(x509.VerifyOptions{
		Roots: pool(roots), Intermediates: pool(between), CurrentTime: genTime,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrChain, err)
	}
	return chains[0], nil
}

func pool(certs []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}

// checkUsage: RFC 3161 section 2.3 wants the extended key usage timeStamping,
// alone and critical.
func checkUsage(c *x509.Certificate) error {
	for _, e := range c.Extensions {
		if !e.Id.Equal(cms.OIDExtKeyUsage) {
			continue
		}
		if !e.Critical {
			return fmt.Errorf("%w: its extended key usage is not critical", ErrUsage)
		}
		var usages []asn1.ObjectIdentifier
		if err := cms.Unmarshal(e.Value, &usages); err != nil || len(usages) != 1 || !usages[0].Equal(cms.OIDTimeStamping) {
			return ErrUsage
		}
		if c.KeyUsage != 0 && c.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
			return fmt.Errorf("%w: its key is not for signatures", ErrUsage)
		}
		return nil
	}
	return fmt.Errorf("%w: it has no extended key usage", ErrUsage)
}

// ParsePEM reads certificates from PEM; anything else in the file is an error.
func ParsePEM(b []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		block, rest := pem.Decode(b)
		if block == nil {
			if len(certs) == 0 || strings.Contains(string(rest), "-----BEGIN") {
				return nil, errors.New("no PEM certificates, or broken ones")
			}
			return certs, nil
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("there is a %q among the certificates", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs, b = append(certs, c), rest
	}
}

// PEM writes certificates as openssl reads them.
func PEM(certs []*x509.Certificate) []byte {
	var b []byte
	for _, c := range certs {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return b
}
