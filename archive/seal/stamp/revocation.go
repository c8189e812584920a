package stamp

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/trawlmark/trawlmark/archive/seal/internal/cms"
)

// ErrRevoked: a certificate of the chain was revoked, and the stamp falls with
// it.
var ErrRevoked = errors.New("a certificate behind the time stamp was revoked")

// MaxRevocation bounds a .rev file, in bytes.
const MaxRevocation = 8 << 20

// maxStatements bounds the statements of one .rev file.
const maxStatements = 32

// The PEM blocks of a .rev file. openssl reads the first (-CRLfile) and passes
// over the second, for which there is no usual name.
const (
	pemCRL  = "X509 CRL"
	pemOCSP = "OCSP RESPONSE"
)

// Statements are what authorities said about revoked certificates: CRLs
// (RFC 5280 section 5) and OCSP responses (RFC 6960). They are signed by who
// makes them, so it does not matter where they come from.
type Statements struct {
	CRLs []*x509.RevocationList
	OCSP [][]byte // DER, whole
}

// Empty reports whether nothing is said.
func (s Statements) Empty() bool { return len(s.CRLs)+len(s.OCSP) == 0 }

// PEM writes a .rev file: CRLs first, then OCSP responses.
func (s Statements) PEM() []byte {
	var b []byte
	for _, c := range s.CRLs {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: pemCRL, Bytes: c.Raw})...)
	}
	for _, o := range s.OCSP {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: pemOCSP, Bytes: o})...)
	}
	return b
}

// ParseRevocation reads a .rev file; anything else in it is an error. That the
// statements can be believed is for Time.Revocation to say.
func ParseRevocation(b []byte) (Statements, error) {
	var s Statements
	if len(b) > MaxRevocation {
		return s, fmt.Errorf("the revocation data has %d bytes, the limit is %d", len(b), MaxRevocation)
	}
	in := b
	for len(in) > 0 {
		block, rest := pem.Decode(in)
		if block == nil || len(s.CRLs)+len(s.OCSP) == maxStatements {
			return Statements{}, errors.New("the revocation data is broken or too much")
		}
		switch in = rest; block.Type {
		case pemCRL:
			c, err := x509.ParseRevocationList(block.Bytes)
			if err != nil {
				return Statements{}, fmt.Errorf("a CRL cannot be read: %w", err)
			}
			s.CRLs = append(s.CRLs, c)
		case pemOCSP:
			s.OCSP = append(s.OCSP, block.Bytes)
		default:
			return Statements{}, fmt.Errorf("there is a %.40q in the revocation data", block.Type)
		}
	}
	if s.Empty() || string(s.PEM()) != string(b) {
		return Statements{}, errors.New("the revocation data is empty or not in the form we write")
	}
	return s, nil
}

// Standing is what is known about the certificates behind a stamp.
type Standing int

// The standings.
const (
	Unchecked Standing = iota // nobody knows: NOT-CHECKED, not a failure
	Unrevoked                 // each certificate was good at the stamped time, by who issued it
	Revoked                   // the stamp is not to be believed
)

// String gives "not checked", "good" or "revoked".
func (s Standing) String() string {
	return map[Standing]string{Unrevoked: "good", Revoked: "revoked"}[min(s, Revoked)] + map[Standing]string{Unchecked: "not checked"}[s]
}

// Revocation is what Statements say about a stamp.
type Revocation struct {
	Standing Standing
	// What is a sentence for people.
	What string
	// AsOf, when good, is the date of the statement that knew least: up to
	// then no revocation of the chain was known. RevokedAt, when revoked, is
	// the date of revocation.
	AsOf, RevokedAt time.Time
}

// Err is ErrRevoked with the sentence when the standing is Revoked, else nil.
func (r Revocation) Err() error {
	if r.Standing != Revoked {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrRevoked, r.What)
}

// Revocation holds statements against the chain of a stamp that was verified,
// the pinned root left out: who trusts a root does so until he unpins it.
//
// A certificate revoked before the stamped time fells the stamp. One revoked
// after it does not if the authority says that the key was only given up
// (unspecified, affiliationChanged, superseded, cessationOfOperation); without
// a reason, or with another one, it does (RFC 3161 section 4). Good needs, for
// each certificate, a statement that was made at the stamped time or later, or
// was in force then. Everything else is "not checked".
func (t Time) Revocation(said Statements) Revocation {
	if said.Empty() {
		return Revocation{What: "no revocation data kept"}
	}
	r := Revocation{Standing: Unrevoked}
	for i := 0; i+1 < len(t.Chain); i++ {
		got := said.about(t.Chain[i], t.Chain[i+1], t.Latest())
		switch {
		case got.Standing == Revoked:
			return got
		case got.Standing == Unchecked:
			r = got
		case r.Standing == Unrevoked && (r.AsOf.IsZero() || got.AsOf.Before(r.AsOf)):
			r.AsOf = got.AsOf
		}
	}
	if r.Standing == Unrevoked {
		r.What = "not revoked as of " + r.AsOf.UTC().Format(time.RFC3339)
		if r.AsOf.IsZero() {
			r.What = "the root itself signed it"
		}
	}
	return r
}

// Useful reports whether a statement says anything about a certificate that
// can be believed: what is worth keeping.
func (s Statements) Useful(cert, issuer *x509.Certificate) bool {
	return len(s.verdicts(cert, issuer)) > 0
}

// Dates gives this and next update of the first statement that can be believed
// about a certificate; zero when there is none.
func (s Statements) Dates(cert, issuer *x509.Certificate) (from, until time.Time) {
	for _, v := range s.verdicts(cert, issuer) {
		return v.from, v.until
	}
	return from, until
}

// verdict is what one statement says about one certificate.
type verdict struct {
	from, until time.Time // this update, next update; until may be zero
	whole       bool      // silence means good
	revoked     bool
	at          time.Time
	reason      int // of CRLReason; -1 when not given
}

// about judges one certificate at one instant.
func (s Statements) about(cert, issuer *x509.Certificate, at time.Time) Revocation {
	name := cert.Subject.String()
	best := Revocation{What: "no statement of its issuer tells about " + name + " at the stamped time"}
	for _, v := range s.verdicts(cert, issuer) {
		if v.revoked && (!v.at.After(at) || !orderly(v.reason)) {
			return Revocation{
				Standing: Revoked, RevokedAt: v.at,
				What: fmt.Sprintf("%s, revoked on %s (%s)", name, v.at.UTC().Format(time.RFC3339), reasonText(v.reason)),
			}
		}
		inForce := !v.from.Before(at) || !v.until.IsZero() && !at.After(v.until)
		// After its end a certificate may have left the list.
		if v.whole && inForce && !v.from.After(cert.NotAfter) && v.from.After(best.AsOf) {
			best = Revocation{Standing: Unrevoked, AsOf: v.from}
		}
	}
	return best
}

// orderly: the reasons for which earlier stamps stand (RFC 3161 section 4).
func orderly(reason int) bool { return slices.Contains([]int{0, 3, 4, 5}, reason) }

func reasonText(reason int) string {
	names := []string{
		"unspecified", "key compromise", "CA compromise", "affiliation changed", "superseded", "cessation of operation",
		"on hold", "", "removed from the list", "privilege withdrawn", "AA compromise",
	}
	if reason < 0 || reason >= len(names) || names[reason] == "" {
		return "no reason given"
	}
	return names[reason]
}

// verdicts are those that are signed by the issuer or whom it appointed, by an
// algorithm that is still worth something, and are about this certificate.
func (s Statements) verdicts(cert, issuer *x509.Certificate) []verdict {
	var all []verdict
	for _, c := range s.CRLs {
		if v, ok := crlVerdict(c, cert, issuer); ok {
			all = append(all, v)
		}
	}
	for _, o := range s.OCSP {
		if v, ok := ocspVerdict(o, cert, issuer); ok {
			all = append(all, v)
		}
	}
	return all
}

// The CRL extensions that are understood (RFC 5280 section 5.2).
var (
	oidCRLNumber  = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidDelta      = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidIDP        = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidAuthority  = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidReason     = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidInvalidity = asn1.ObjectIdentifier{2, 5, 29, 24}
)

func crlVerdict(c *x509.RevocationList, cert, issuer *x509.Certificate) (verdict, bool) {
	v := verdict{from: c.ThisUpdate, until: c.NextUpdate, whole: true, reason: -1}
	if string(c.RawIssuer) != string(issuer.RawSubject) || weak(c.SignatureAlgorithm) || c.CheckSignatureFrom(issuer) != nil {
		return v, false
	}
	for _, e := range c.Extensions {
		switch {
		case e.Id.Equal(oidIDP):
			in, whole := inScope(e.Value, cert)
			if !in {
				return v, false
			}
			v.whole = v.whole && whole
		case e.Id.Equal(oidDelta):
			v.whole = false // says only what changed
		case e.Critical && !e.Id.Equal(oidCRLNumber) && !e.Id.Equal(oidAuthority):
			v.whole = false // what it does not list may be listed elsewhere
		}
	}
	for _, entry := range c.RevokedCertificateEntries {
		if entry.SerialNumber.Cmp(cert.SerialNumber) != 0 {
			continue
		}
		reason := -1
		for _, e := range entry.Extensions {
			switch {
			case e.Id.Equal(oidReason):
				reason = entry.ReasonCode
			case e.Critical && !e.Id.Equal(oidInvalidity):
				return v, false // of another issuer, or of a kind we do not know
			}
		}
		if reason == 8 { // removeFromCRL
			continue
		}
		v.revoked, v.at, v.reason = true, entry.RevocationTime, reason
		return v, true
	}
	return v, v.whole
}

// inScope reads an issuingDistributionPoint (RFC 5280 section 5.2.5): in is
// false when the list is not about this certificate, whole when it tells of
// all reasons.
func inScope(der []byte, cert *x509.Certificate) (in, whole bool) {
	var seq asn1.RawValue
	if err := cms.Unmarshal(der, &seq); err != nil || seq.Tag != asn1.TagSequence {
		return false, false
	}
	whole = true
	for rest := seq.Bytes; len(rest) > 0; {
		var field asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &field); err != nil || field.Class != asn1.ClassContextSpecific {
			return false, false
		}
		yes := len(field.Bytes) == 1 && field.Bytes[0] != 0
		switch field.Tag {
		case 0:
			names := uris(field.Bytes)
			if !slices.ContainsFunc(names, func(u string) bool { return slices.Contains(cert.CRLDistributionPoints, u) }) {
				return false, false
			}
		case 1: // user certificates only
			if yes && cert.IsCA {
				return false, false
			}
		case 2: // authorities only
			if yes && !cert.IsCA {
				return false, false
			}
		case 3: // some reasons only
			whole = false
		default: // indirect, or attribute certificates
			if yes || field.Tag > 5 {
				return false, false
			}
		}
	}
	return true, whole
}

// uris gives the URIs of a DistributionPointName, fullName.
func uris(der []byte) []string {
	var full asn1.RawValue
	if err := cms.Unmarshal(der, &full); err != nil || full.Tag != 0 {
		return nil
	}
	var all []string
	for rest := full.Bytes; len(rest) > 0; {
		var name asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &name); err != nil {
			return nil
		}
		if name.Class == asn1.ClassContextSpecific && name.Tag == 6 {
			all = append(all, string(name.Bytes))
		}
	}
	return all
}

// weak: a statement signed so could be anybody's.
func weak(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512, x509.PureEd25519:
		return false
	}
	return true
}
