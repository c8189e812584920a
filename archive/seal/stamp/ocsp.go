package stamp

import (
	"bytes"
	"crypto"
	"crypto/sha1" //nolint:gosec // certificate ids of RFC 6960 are SHA-1 by default; see aboutCert
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"

	"golang.org/x/crypto/ocsp"
)

// MaxOCSP bounds one OCSP response, in bytes. Real ones are 0.5 to 4 KiB.
const MaxOCSP = 64 << 10

// OCSPRequest is what is posted to a responder (RFC 6960 section 4.1.1).
func OCSPRequest(cert, issuer *x509.Certificate) ([]byte, error) {
	return ocsp.CreateRequest(cert, issuer, nil)
}

// ocspVerdict is what an OCSP response says about a certificate. The library
// checks the signature and that the issuer signed the responder's certificate;
// that the certificate is one for this, and that the answer is about our
// issuer's certificate and not about one with the same number, it does not.
func ocspVerdict(der []byte, cert, issuer *x509.Certificate) (verdict, bool) {
	if len(der) > MaxOCSP {
		return verdict{}, false
	}
	r, err := ocsp.ParseResponseForCert(der, cert, issuer)
	if err != nil || weak(r.SignatureAlgorithm) || !aboutCert(r.TBSResponseData, cert, issuer) {
		return verdict{}, false
	}
	if c := r.Certificate; c != nil && !c.Equal(issuer) {
		appointed := slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning)
		if !appointed || weak(c.SignatureAlgorithm) || r.ProducedAt.Before(c.NotBefore) || r.ProducedAt.After(c.NotAfter) {
			return verdict{}, false
		}
	}
	v := verdict{from: r.ThisUpdate, until: r.NextUpdate, whole: true, reason: -1}
	switch r.Status {
	case ocsp.Good:
		return v, true
	case ocsp.Revoked:
		v.revoked, v.at = true, r.RevokedAt
		if r.RevocationReason != ocsp.Unspecified { // 0 is also what the library says of none
			v.reason = r.RevocationReason
		}
		return v, true
	}
	return verdict{}, false // unknown to it
}

// certID is CertID of RFC 6960 section 4.1.1.
type certID struct {
	Algorithm         pkix.AlgorithmIdentifier
	NameHash, KeyHash []byte
	Serial            *big.Int
}

// aboutCert reports whether the first answer of this number names our issuer.
func aboutCert(tbs []byte, cert, issuer *x509.Certificate) bool {
	var seq asn1.RawValue
	if _, err := asn1.Unmarshal(tbs, &seq); err != nil {
		return false
	}
	for rest := seq.Bytes; len(rest) > 0; {
		var field asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &field); err != nil {
			return false
		}
		if field.Class != asn1.ClassUniversal || field.Tag != asn1.TagSequence {
			continue // version, responder, time
		}
		for answers := field.Bytes; len(answers) > 0; {
			var answer asn1.RawValue
			if answers, err = asn1.Unmarshal(answers, &answer); err != nil {
				return false
			}
			var id certID
			if _, err := asn1.Unmarshal(answer.Bytes, &id); err != nil || id.Serial == nil {
				return false
			}
			if id.Serial.Cmp(cert.SerialNumber) == 0 {
				return id.names(issuer)
			}
		}
		return false
	}
	return false
}

func (id certID) names(issuer *x509.Certificate) bool {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(issuer.RawSubjectPublicKeyInfo, &info); err != nil {
		return false
	}
	var h crypto.Hash
	if id.Algorithm.Algorithm.Equal(asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}) {
		// SHA-1 only points here: the signature is what is believed.
		n, k := sha1.Sum(issuer.RawSubject), sha1.Sum(info.Key.RightAlign())
		return bytes.Equal(id.NameHash, n[:]) && bytes.Equal(id.KeyHash, k[:])
	}
	h, ok := hashOf(id.Algorithm.Algorithm)
	return ok && bytes.Equal(id.NameHash, sum(h, issuer.RawSubject)) && bytes.Equal(id.KeyHash, sum(h, info.Key.RightAlign()))
}
