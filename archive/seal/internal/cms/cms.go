// Package cms has the ASN.1 of RFC 3161 time stamps and of the part of CMS
// (RFC 5652) they are wrapped in: read by seal/stamp, written by seal/demotsa.
//
// It checks nothing but form: DER as encoding/asn1 reads it, no bytes left
// over. What makes a stamp acceptable is in seal/stamp.
package cms

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"
)

// The object identifiers, with where they are defined.
var (
	OIDSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}         // RFC 5652 5.1
	OIDTSTInfo       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}  // RFC 3161 2.4.2
	OIDContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}         // RFC 5652 11.1
	OIDMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}         // RFC 5652 11.2
	OIDSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}         // RFC 5652 11.3
	OIDSigningCert   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12} // RFC 2634 5.4
	OIDSigningCertV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47} // RFC 5035 3

	OIDSHA256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	OIDSHA384 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	OIDSHA512 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}

	OIDRSA         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	OIDRSASHA256   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	OIDRSASHA384   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}
	OIDRSASHA512   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}
	OIDECDSASHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	OIDECDSASHA384 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}
	OIDECDSASHA512 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}
	OIDEd25519     = asn1.ObjectIdentifier{1, 3, 101, 112}

	OIDExtKeyUsage  = asn1.ObjectIdentifier{2, 5, 29, 37}
	OIDTimeStamping = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
)

// Imprint is the hash of what is stamped.
type Imprint struct {
	Algorithm pkix.AlgorithmIdentifier
	Hash      []byte
}

// Request is TimeStampReq, RFC 3161 section 2.4.1.
type Request struct {
	Version    int
	Imprint    Imprint
	Policy     asn1.ObjectIdentifier `asn1:"optional"`
	Nonce      *big.Int              `asn1:"optional"`
	CertReq    bool                  `asn1:"optional"`
	Extensions []pkix.Extension      `asn1:"tag:0,optional"`
}

// Response is TimeStampResp, RFC 3161 section 2.4.2.
type Response struct {
	Status Status
	Token  asn1.RawValue `asn1:"optional"` // ContentInfo
}

// Status is PKIStatusInfo.
type Status struct {
	Status   int
	Text     []asn1.RawValue `asn1:"optional"` // UTF8Strings
	FailInfo asn1.BitString  `asn1:"optional"`
}

// Text is one of a Status' texts.
func Text(s string) []asn1.RawValue {
	return []asn1.RawValue{{Tag: asn1.TagUTF8String, Bytes: []byte(s)}}
}

// ContentInfo is the outermost wrapping of CMS.
type ContentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"explicit,tag:0"`
}

// SignedData is RFC 5652 section 5.1.
type SignedData struct {
	Version          int
	DigestAlgorithms []pkix.AlgorithmIdentifier `asn1:"set"`
	Encap            Encap
	Certificates     asn1.RawValue `asn1:"tag:0,optional"`
	CRLs             asn1.RawValue `asn1:"tag:1,optional"`
	SignerInfos      []SignerInfo  `asn1:"set"`
}

// Encap is EncapsulatedContentInfo.
type Encap struct {
	Type    asn1.ObjectIdentifier
	Content []byte `asn1:"explicit,optional,tag:0"`
}

// SignerInfo is RFC 5652 section 5.3.
type SignerInfo struct {
	Version            int
	SID                asn1.RawValue // IssuerAndSerial, or [0] SubjectKeyIdentifier
	DigestAlgorithm    pkix.AlgorithmIdentifier
	SignedAttributes   asn1.RawValue `asn1:"tag:0,optional"`
	SignatureAlgorithm pkix.AlgorithmIdentifier
	Signature          []byte
	Unsigned           asn1.RawValue `asn1:"tag:1,optional"`
}

// IssuerAndSerial names a certificate.
type IssuerAndSerial struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

// Attribute is RFC 5652 section 5.3.
type Attribute struct {
	Type   asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

// Info is TSTInfo, RFC 3161 section 2.4.2.
type Info struct {
	Version    int
	Policy     asn1.ObjectIdentifier
	Imprint    Imprint
	Serial     *big.Int
	Time       asn1.RawValue    // GeneralizedTime, see Time and At
	Accuracy   Accuracy         `asn1:"optional"`
	Ordering   bool             `asn1:"optional"`
	Nonce      *big.Int         `asn1:"optional"`
	TSA        asn1.RawValue    `asn1:"explicit,tag:0,optional"`
	Extensions []pkix.Extension `asn1:"tag:1,optional"`
}

// timeForm is what RFC 3161 section 2.4.2 wants: UTC, "Z", a fraction without
// trailing zeros. encoding/asn1 reads fractions but writes none, and takes
// other zones.
const timeForm = "20060102150405.999999999Z"

// Time writes an instant as a GeneralizedTime.
func Time(t time.Time) asn1.RawValue {
	return asn1.RawValue{Tag: asn1.TagGeneralizedTime, Bytes: []byte(t.UTC().Format(timeForm))}
}

// At reads the stamped instant.
func (i Info) At() (time.Time, error) {
	s := string(i.Time.Bytes)
	t, err := time.Parse(timeForm, s)
	if err == nil && (i.Time.Class != asn1.ClassUniversal || i.Time.Tag != asn1.TagGeneralizedTime || t.Format(timeForm) != s) {
		err = fmt.Errorf("%q is no GeneralizedTime as RFC 3161 wants it", s)
	}
	return t, err
}

// Accuracy of a time.
type Accuracy struct {
	Seconds int64 `asn1:"optional"`
	Millis  int64 `asn1:"tag:0,optional"`
	Micros  int64 `asn1:"tag:1,optional"`
}

// SigningCertV2 is RFC 5035 section 3. The policies are not used.
type SigningCertV2 struct {
	Certs    []CertIDV2
	Policies asn1.RawValue `asn1:"optional"`
}

// CertIDV2 is ESSCertIDv2; no algorithm means SHA-256.
type CertIDV2 struct {
	Algorithm    pkix.AlgorithmIdentifier `asn1:"optional"`
	Hash         []byte
	IssuerSerial IssuerSerial `asn1:"optional"`
}

// SigningCert is RFC 2634 section 5.4, its hashes are SHA-1.
type SigningCert struct {
	Certs    []CertID
	Policies asn1.RawValue `asn1:"optional"`
}

// CertID is ESSCertID.
type CertID struct {
	Hash         []byte
	IssuerSerial IssuerSerial `asn1:"optional"`
}

// IssuerSerial names a certificate within an ESSCertID.
type IssuerSerial struct {
	Issuer []asn1.RawValue // GeneralNames
	Serial *big.Int
}

// Unmarshal is asn1.Unmarshal that leaves nothing over.
func Unmarshal(der []byte, into any) error {
	rest, err := asn1.Unmarshal(der, into)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("asn1: %d bytes are left over behind %T", len(rest), into)
	}
	return nil
}

// Attributes takes a SignedAttributes field apart, and gives the bytes that
// its signature is over: the same with the tag of a SET (RFC 5652 5.4).
func (s SignerInfo) Attributes() (attrs []Attribute, signed []byte, err error) {
	if len(s.SignedAttributes.FullBytes) == 0 {
		return nil, nil, fmt.Errorf("there are no signed attributes")
	}
	signed = append([]byte(nil), s.SignedAttributes.FullBytes...)
	signed[0] = 0x31
	rest, err := asn1.UnmarshalWithParams(signed, &attrs, "set")
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("bytes are left over behind the signed attributes")
	}
	return attrs, signed, err
}
