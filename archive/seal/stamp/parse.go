package stamp

import (
	"bytes"
	"crypto"
	"crypto/sha1" //nolint:gosec // ESSCertID of RFC 2634 is defined over SHA-1; see namesSigner
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/seal/internal/cms"
)

// parsed is a response taken apart. Nothing in it is believed yet.
type parsed struct {
	info    cms.Info
	at      time.Time
	content []byte // the TSTInfo as it was signed
	certs   []*x509.Certificate
	by      cms.SignerInfo
	attrs   []cms.Attribute
	signed  []byte // the attributes as they were signed
}

func formError(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrForm, what, err)
	}
	return fmt.Errorf("%w: %s", ErrForm, what)
}

// parse takes a TimeStampResp apart and checks its form and its status.
func parse(tsr []byte) (*parsed, error) {
	if len(tsr) > MaxResponse {
		return nil, formError(fmt.Sprintf("it has %d bytes, the limit is %d", len(tsr), MaxResponse), nil)
	}
	var resp cms.Response
	if err := cms.Unmarshal(tsr, &resp); err != nil {
		return nil, formError("response", err)
	}
	if s := resp.Status; s.Status != 0 && s.Status != 1 {
		return nil, fmt.Errorf("%w: %s", ErrStatus, statusText(s))
	}
	var outer cms.ContentInfo
	if err := cms.Unmarshal(resp.Token.FullBytes, &outer); err != nil {
		return nil, formError("token", err)
	}
	if !outer.Type.Equal(cms.OIDSignedData) {
		return nil, formError("the token is not signed data", nil)
	}
	var data cms.SignedData
	if err := cms.Unmarshal(outer.Content.Bytes, &data); err != nil {
		return nil, formError("signed data", err)
	}
	if len(data.SignerInfos) != 1 {
		return nil, formError(fmt.Sprintf("it has %d signers, want one", len(data.SignerInfos)), nil)
	}
	p := &parsed{content: data.Encap.Content, by: data.SignerInfos[0]}
	if !data.Encap.Type.Equal(cms.OIDTSTInfo) {
		return nil, formError("what is signed is no time stamp", nil)
	}
	if err := p.parseInfo(); err != nil {
		return nil, err
	}
	var err error
	if p.attrs, p.signed, err = p.by.Attributes(); err != nil {
		return nil, formError("signer", err)
	}
	return p, p.parseCerts(data.Certificates.Bytes)
}

func (p *parsed) parseInfo() error {
	if err := cms.Unmarshal(p.content, &p.info); err != nil {
		return formError("time stamp", err)
	}
	var err error
	if p.at, err = p.info.At(); err != nil {
		return formError("stamped time", err)
	}
	switch i := p.info; {
	case i.Version != 1:
		return formError(fmt.Sprintf("it is of version %d, want 1", i.Version), nil)
	case p.at.Year() < 2000:
		return fmt.Errorf("%w: %s", ErrClock, p.at.Format(time.RFC3339))
	case i.Accuracy.Seconds < 0 || i.Accuracy.Seconds > 3600 || i.Accuracy.Millis < 0 || i.Accuracy.Millis > 999 || i.Accuracy.Micros < 0 || i.Accuracy.Micros > 999:
		return fmt.Errorf("%w: its accuracy is of no use", ErrClock)
	}
	for _, e := range p.info.Extensions {
		if e.Critical {
			return formError("it has a critical extension that we do not know: "+e.Id.String(), nil)
		}
	}
	return nil
}

func (p *parsed) parseCerts(der []byte) error {
	for len(der) > 0 {
		var raw asn1.RawValue
		rest, err := asn1.Unmarshal(der, &raw)
		if err != nil {
			return formError("certificates", err)
		}
		if len(p.certs) == maxCerts {
			return formError(fmt.Sprintf("it brings more than %d certificates", maxCerts), nil)
		}
		c, err := x509.ParseCertificate(raw.FullBytes)
		if err != nil {
			return formError("certificate", err)
		}
		p.certs, der = append(p.certs, c), rest
	}
	return nil
}

// value gives the one value of a signed attribute; false when it is not there
// exactly once with exactly one value.
func (p *parsed) value(oid asn1.ObjectIdentifier) (asn1.RawValue, bool) {
	var found asn1.RawValue
	n := 0
	for _, a := range p.attrs {
		if a.Type.Equal(oid) {
			n += len(a.Values)
			if len(a.Values) == 0 {
				n += 2
			} else {
				found = a.Values[0]
			}
		}
	}
	return found, n == 1
}

// signer finds the certificate that the SignerInfo names, among those that
// came and those that are known, and makes sure that the signed attributes
// name the same one (ESSCertID, ESSCertIDv2).
func (p *parsed) signer(trust Trust) (*x509.Certificate, error) {
	for _, c := range append(append([]*x509.Certificate(nil), p.certs...), trust.Untrusted...) {
		if p.sidNames(c) {
			return c, p.namesSigner(c)
		}
	}
	return nil, fmt.Errorf("%w: its certificate is not there", ErrSigner)
}

func (p *parsed) sidNames(c *x509.Certificate) bool {
	sid := p.by.SID
	if sid.Class == asn1.ClassContextSpecific && sid.Tag == 0 {
		return len(c.SubjectKeyId) > 0 && bytes.Equal(sid.Bytes, c.SubjectKeyId)
	}
	var is cms.IssuerAndSerial
	if err := cms.Unmarshal(sid.FullBytes, &is); err != nil || is.Serial == nil {
		return false
	}
	return bytes.Equal(is.Issuer.FullBytes, c.RawIssuer) && is.Serial.Cmp(c.SerialNumber) == 0
}

// namesSigner checks the signing certificate attributes: at least one must be
// there, and each that is must name the signer first (RFC 5816). The SHA-1 of
// the old form is no weakness here: it only points, the chain is what trusts.
func (p *parsed) namesSigner(c *x509.Certificate) error {
	seen := false
	if raw, ok := p.value(cms.OIDSigningCertV2); ok {
		var v cms.SigningCertV2
		if err := cms.Unmarshal(raw.FullBytes, &v); err != nil || len(v.Certs) == 0 {
			return fmt.Errorf("%w: its ESSCertIDv2 is broken", ErrSigner)
		}
		h, ok := hashOf(v.Certs[0].Algorithm.Algorithm)
		if len(v.Certs[0].Algorithm.Algorithm) == 0 {
			h, ok = crypto.SHA256, true
		}
		if !ok || !bytes.Equal(sum(h, c.Raw), v.Certs[0].Hash) || !namesIssuer(v.Certs[0].IssuerSerial, c) {
			return fmt.Errorf("%w: its ESSCertIDv2 is of another certificate", ErrSigner)
		}
		seen = true
	} else if p.has(cms.OIDSigningCertV2) {
		return fmt.Errorf("%w: it has several ESSCertIDv2 attributes", ErrSigner)
	}
	if raw, ok := p.value(cms.OIDSigningCert); ok {
		var v cms.SigningCert
		if err := cms.Unmarshal(raw.FullBytes, &v); err != nil || len(v.Certs) == 0 {
			return fmt.Errorf("%w: its ESSCertID is broken", ErrSigner)
		}
		if h := sha1.Sum(c.Raw); !bytes.Equal(h[:], v.Certs[0].Hash) || !namesIssuer(v.Certs[0].IssuerSerial, c) {
			return fmt.Errorf("%w: its ESSCertID is of another certificate", ErrSigner)
		}
		seen = true
	} else if p.has(cms.OIDSigningCert) {
		return fmt.Errorf("%w: it has several ESSCertID attributes", ErrSigner)
	}
	if !seen {
		return fmt.Errorf("%w: it has neither ESSCertID nor ESSCertIDv2", ErrSigner)
	}
	return nil
}

func (p *parsed) has(oid asn1.ObjectIdentifier) bool {
	for _, a := range p.attrs {
		if a.Type.Equal(oid) {
			return true
		}
	}
	return false
}

// namesIssuer: an absent IssuerSerial is fine, a wrong one is not.
func namesIssuer(is cms.IssuerSerial, c *x509.Certificate) bool {
	if is.Serial == nil {
		return true
	}
	if len(is.Issuer) != 1 || is.Serial.Cmp(c.SerialNumber) != 0 {
		return false
	}
	g := is.Issuer[0] // GeneralName, [4] directoryName
	return g.Class == asn1.ClassContextSpecific && g.Tag == 4 && bytes.Equal(g.Bytes, c.RawIssuer)
}

// checkSignature: the attributes name type and digest of the content, and the
// signature over the attributes is the signer's (RFC 5652 sections 5.4, 5.6).
func (p *parsed) checkSignature(c *x509.Certificate) error {
	digestAlg, ok := hashOf(p.by.DigestAlgorithm.Algorithm)
	if !ok {
		return fmt.Errorf("%w: its digest algorithm %v is none of SHA-256, SHA-384, SHA-512", ErrSignature, p.by.DigestAlgorithm.Algorithm)
	}
	var kind asn1.ObjectIdentifier
	raw, ok := p.value(cms.OIDContentType)
	if !ok || cms.Unmarshal(raw.FullBytes, &kind) != nil || !kind.Equal(cms.OIDTSTInfo) {
		return fmt.Errorf("%w: the signed content type is not that of a time stamp", ErrSignature)
	}
	var digest []byte
	raw, ok = p.value(cms.OIDMessageDigest)
	if !ok || cms.Unmarshal(raw.FullBytes, &digest) != nil || !bytes.Equal(digest, sum(digestAlg, p.content)) {
		return fmt.Errorf("%w: the signed digest is not that of the content", ErrSignature)
	}
	alg := p.algorithm()
	if alg == x509.UnknownSignatureAlgorithm {
		return fmt.Errorf("%w: its algorithm %v is none we accept", ErrSignature, p.by.SignatureAlgorithm.Algorithm)
	}
	if err := c.CheckSignature(alg, p.signed, p.by.Signature); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return nil
}

// algorithm of the signature; the digest algorithm has been checked.
func (p *parsed) algorithm() x509.SignatureAlgorithm {
	h, _ := hashOf(p.by.DigestAlgorithm.Algorithm)
	return signatureAlgorithm(p.by.SignatureAlgorithm.Algorithm, h)
}

func hashOf(oid asn1.ObjectIdentifier) (crypto.Hash, bool) {
	switch {
	case oid.Equal(cms.OIDSHA256):
		return crypto.SHA256, true
	case oid.Equal(cms.OIDSHA384):
		return crypto.SHA384, true
	case oid.Equal(cms.OIDSHA512):
		return crypto.SHA512, true
	}
	return 0, false
}

func sum(h crypto.Hash, b []byte) []byte {
	w := h.New()
	w.Write(b)
	return w.Sum(nil)
}

func signatureAlgorithm(oid asn1.ObjectIdentifier, digest crypto.Hash) x509.SignatureAlgorithm {
	switch {
	case oid.Equal(cms.OIDRSA):
		return map[crypto.Hash]x509.SignatureAlgorithm{
			crypto.SHA256: x509.SHA256WithRSA, crypto.SHA384: x509.SHA384WithRSA, crypto.SHA512: x509.SHA512WithRSA,
		}[digest]
	case oid.Equal(cms.OIDRSASHA256):
		return x509.SHA256WithRSA
	case oid.Equal(cms.OIDRSASHA384):
		return x509.SHA384WithRSA
	case oid.Equal(cms.OIDRSASHA512):
		return x509.SHA512WithRSA
	case oid.Equal(cms.OIDECDSASHA256):
		return x509.ECDSAWithSHA256
	case oid.Equal(cms.OIDECDSASHA384):
		return x509.ECDSAWithSHA384
	case oid.Equal(cms.OIDECDSASHA512):
		return x509.ECDSAWithSHA512
	case oid.Equal(cms.OIDEd25519):
		return x509.PureEd25519
	}
	return x509.UnknownSignatureAlgorithm
}

// failures names the bits of PKIFailureInfo (RFC 3161 section 2.4.2).
var failures = map[int]string{
	0: "it does not know the algorithm", 2: "it does not permit the request", 5: "the request had the wrong format",
	14: "its clock is not available", 15: "it does not offer the policy", 16: "it does not support the extension",
	17: "it does not have the information that was asked for", 25: "it has a failure of its own",
}

func statusText(s cms.Status) string {
	parts := []string{fmt.Sprintf("status %d", s.Status)}
	for bit, text := range failures {
		if s.FailInfo.At(bit) != 0 {
			parts = append(parts, text)
		}
	}
	for _, t := range s.Text[:min(len(s.Text), 4)] {
		parts = append(parts, fmt.Sprintf("%.120q", t.Bytes))
	}
	return strings.Join(parts, ", ")
}
