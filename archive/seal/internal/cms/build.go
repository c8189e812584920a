package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"slices"
	"time"
)

// Build makes a response. The zero values of its knobs give a correct one;
// tests turn them to make what must be refused.
type Build struct {
	Info   Info
	Cert   *x509.Certificate
	Key    crypto.Signer
	Chain  []*x509.Certificate // sent beside Cert; nil when the request wants none
	NoCert bool
	Rand   io.Reader
	Signed time.Time // signingTime attribute; none when zero

	Status     int
	Attributes func([]Attribute) []Attribute // before signing
	Data       func(*SignedData)             // after signing
}

// DER gives the response.
func (b Build) DER() ([]byte, error) {
	content, err := asn1.Marshal(b.Info)
	if err != nil {
		return nil, err
	}
	attrs, err := b.attributes(content)
	if err != nil {
		return nil, err
	}
	if b.Attributes != nil {
		attrs = b.Attributes(attrs)
	}
	signer, err := b.sign(attrs)
	if err != nil {
		return nil, err
	}
	sha256 := pkix.AlgorithmIdentifier{Algorithm: OIDSHA256}
	data := SignedData{
		Version: 3, DigestAlgorithms: []pkix.AlgorithmIdentifier{sha256},
		Encap:       Encap{OIDTSTInfo, content},
		SignerInfos: []SignerInfo{signer},
	}
	if !b.NoCert {
		data.Certificates = Certificates(append([]*x509.Certificate{b.Cert}, b.Chain...)...)
	}
	if b.Data != nil {
		b.Data(&data)
	}
	inner, err := asn1.Marshal(data)
	if err != nil {
		return nil, err
	}
	token, err := asn1.Marshal(ContentInfo{OIDSignedData, asn1.RawValue{FullBytes: explicit(inner)}})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(Response{Status: Status{Status: b.Status}, Token: asn1.RawValue{FullBytes: token}})
}

// Certificates is the certificates field of a SignedData.
func Certificates(certs ...*x509.Certificate) asn1.RawValue {
	var all []byte
	for _, c := range certs {
		all = append(all, c.Raw...)
	}
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: all}
}

func explicit(der []byte) []byte {
	out, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: der})
	if err != nil {
		panic(err) // raw values always marshal
	}
	return out
}

func (b Build) attributes(content []byte) ([]Attribute, error) {
	digest := hash(crypto.SHA256, content)
	ess := SigningCertV2{Certs: []CertIDV2{{Hash: hash(crypto.SHA256, b.Cert.Raw)}}}
	attrs := []Attribute{}
	var err error
	add := func(oid asn1.ObjectIdentifier, v any) {
		a, e := NewAttribute(oid, v)
		if e != nil {
			err = e
		}
		attrs = append(attrs, a)
	}
	add(OIDContentType, OIDTSTInfo)
	add(OIDMessageDigest, digest)
	if !b.Signed.IsZero() {
		add(OIDSigningTime, b.Signed.UTC())
	}
	add(OIDSigningCertV2, ess)
	return attrs, err
}

// NewAttribute is an attribute of one value.
func NewAttribute(oid asn1.ObjectIdentifier, v any) (Attribute, error) {
	raw, err := asn1.Marshal(v)
	if err != nil {
		return Attribute{}, fmt.Errorf("attribute %v: %w", oid, err)
	}
	return Attribute{oid, []asn1.RawValue{{FullBytes: raw}}}, nil
}

func (b Build) sign(attrs []Attribute) (SignerInfo, error) {
	sid, err := asn1.Marshal(IssuerAndSerial{asn1.RawValue{FullBytes: b.Cert.RawIssuer}, b.Cert.SerialNumber})
	if err != nil {
		return SignerInfo{}, err
	}
	s := SignerInfo{Version: 1, SID: asn1.RawValue{FullBytes: sid}, DigestAlgorithm: pkix.AlgorithmIdentifier{Algorithm: OIDSHA256}}
	body, err := setOf(attrs)
	if err != nil {
		return SignerInfo{}, err
	}
	signed, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSet, IsCompound: true, Bytes: body})
	if err != nil {
		return SignerInfo{}, err
	}
	if len(attrs) > 0 {
		s.SignedAttributes = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: body}
	}
	var opts crypto.SignerOpts = crypto.SHA256
	switch b.Key.Public().(type) {
	case *ecdsa.PublicKey:
		s.SignatureAlgorithm.Algorithm = OIDECDSASHA256
	case *rsa.PublicKey:
		s.SignatureAlgorithm = pkix.AlgorithmIdentifier{Algorithm: OIDRSA, Parameters: asn1.NullRawValue}
	case ed25519.PublicKey:
		s.SignatureAlgorithm.Algorithm = OIDEd25519
		opts = crypto.Hash(0)
	default:
		return SignerInfo{}, fmt.Errorf("no signature algorithm for a %T", b.Key.Public())
	}
	input := signed
	if opts.HashFunc() != 0 {
		input = hash(crypto.SHA256, signed)
	}
	s.Signature, err = b.Key.Sign(b.Rand, input, opts)
	return s, err
}

// setOf is the content of a SET OF in DER: its members in byte order.
func setOf(attrs []Attribute) ([]byte, error) {
	var members [][]byte
	for _, a := range attrs {
		der, err := asn1.Marshal(a)
		if err != nil {
			return nil, err
		}
		members = append(members, der)
	}
	slices.SortFunc(members, slices.Compare)
	return slices.Concat(members...), nil
}

func hash(h crypto.Hash, b []byte) []byte {
	w := h.New()
	w.Write(b)
	return w.Sum(nil)
}
