package stamp

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

const listURL = "http://crl.example/mid.crl"

// revoker is a chain whose issuers can publish lists and answer questions.
type revoker struct {
	*tsa
	rootKey crypto.Signer
	time    Time // of a stamp
}

func newRevoker(t testing.TB) *revoker {
	a := &tsa{t: t, midKey: newKey(t, "ecdsa"), key: newKey(t, "ecdsa")}
	r := &revoker{tsa: a, rootKey: newKey(t, "ecdsa")}
	authority := func(n int64, name string) *x509.Certificate {
		c := ca(n, name)
		c.KeyUsage |= x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
		return c
	}
	a.root = issue(t, authority(1, "test root"), authority(1, "test root"), r.rootKey.Public(), r.rootKey)
	a.mid = issue(t, authority(2, "test intermediate"), a.root, a.midKey.Public(), r.rootKey)
	leaf := leafTemplate()
	leaf.CRLDistributionPoints = []string{listURL}
	a.leaf = a.signer(leaf)
	q := request(t)
	var err error
	if r.time, err = q.Verify(der(t, a.build(q)), a.trust()); err != nil {
		t.Fatal(err)
	}
	return r
}

// entry is a revoked certificate; reason < 0: none is given.
func entry(serial int64, at time.Time, reason int) pkix.RevokedCertificate {
	e := pkix.RevokedCertificate{SerialNumber: big.NewInt(serial), RevocationTime: at}
	if reason >= 0 {
		v, _ := asn1.Marshal(asn1.Enumerated(reason))
		e.Extensions = []pkix.Extension{{Id: oidReason, Value: v}}
	}
	return e
}

func (r *revoker) list(by *x509.Certificate, key crypto.Signer, from time.Time, entries []pkix.RevokedCertificate, more ...pkix.Extension) *x509.RevocationList {
	r.t.Helper()
	// Not RevokedCertificateEntries: that cannot say "unspecified".
	raw, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: from, NextUpdate: from.AddDate(0, 0, 7), RevokedCertificates: entries, ExtraExtensions: more,
	}, by, key)
	if err != nil {
		r.t.Fatal(err)
	}
	c, err := x509.ParseRevocationList(raw)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *revoker) leafList(from time.Time, entries ...pkix.RevokedCertificate) *x509.RevocationList {
	return r.list(r.mid, r.midKey, from, entries)
}

func (r *revoker) midList(from time.Time, entries ...pkix.RevokedCertificate) *x509.RevocationList {
	return r.list(r.root, r.rootKey, from, entries)
}

func (r *revoker) answer(status int, from, revoked time.Time, reason int, by *x509.Certificate, key crypto.Signer) []byte {
	r.t.Helper()
	o := ocsp.Response{
		Status: status, SerialNumber: r.leaf.SerialNumber, ThisUpdate: from, NextUpdate: from.AddDate(0, 0, 1), RevokedAt: revoked, RevocationReason: reason,
	}
	if by != r.mid {
		o.Certificate = by
	}
	raw, err := ocsp.CreateResponse(r.mid, by, o, key)
	if err != nil {
		r.t.Fatal(err)
	}
	return raw
}

func idp(fields ...asn1.RawValue) pkix.Extension {
	v, _ := asn1.Marshal(fields)
	return pkix.Extension{Id: oidIDP, Critical: true, Value: v}
}

func flag(tag int) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte{0xff}}
}

func point(url string) asn1.RawValue {
	name, _ := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(url)})
	full, _ := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: name})
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: full}
}

func TestRevocation(t *testing.T) {
	r := newRevoker(t)
	const day = 24 * time.Hour
	later, earlier := genTime.Add(day), genTime.Add(-day)
	mid := r.midList(later)
	crls := func(c ...*x509.RevocationList) Statements { return Statements{CRLs: append(c, mid)} }
	said := func(raw []byte) Statements { return Statements{CRLs: []*x509.RevocationList{mid}, OCSP: [][]byte{raw}} }
	stranger := newRevoker(t)

	responder := leafTemplate()
	responder.SerialNumber, responder.ExtraExtensions = big.NewInt(78), nil
	responder.NotAfter = begin.AddDate(200, 0, 0) // the library dates answers by the real clock
	responder.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
	responderKey := newKey(t, "ecdsa")
	appointed := issue(t, responder, r.mid, responderKey.Public(), r.midKey)
	responder.NotAfter = earlier
	ended := issue(t, responder, r.mid, responderKey.Public(), r.midKey)
	var foreign []byte
	{ // another issuer's certificate of the same number, by a responder of ours
		raw, err := ocsp.CreateResponse(r.root, appointed, ocsp.Response{Status: ocsp.Good, SerialNumber: r.leaf.SerialNumber, ThisUpdate: later, Certificate: appointed}, responderKey)
		if err != nil {
			t.Fatal(err)
		}
		foreign = raw
	}
	unknown := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}
	delta := pkix.Extension{Id: oidDelta, Critical: true, Value: []byte{2, 1, 1}}
	withCritical := entry(77, earlier, 1)
	withCritical.Extensions = append(withCritical.Extensions, unknown)

	for name, c := range map[string]struct {
		said Statements
		want Standing
		text string
	}{
		"nothing kept":               {Statements{}, Unchecked, "no revocation data kept"},
		"clean lists":                {crls(r.leafList(later)), Unrevoked, "not revoked as of " + later.UTC().Format(time.RFC3339)},
		"a list in force":            {crls(r.leafList(earlier)), Unrevoked, ""},
		"a list that ran out before": {crls(r.leafList(genTime.AddDate(0, 0, -8))), Unchecked, "test signer"},
		"a list after its end":       {crls(r.leafList(end.Add(day))), Unchecked, ""},
		"the signer's list alone":    {Statements{CRLs: []*x509.RevocationList{r.leafList(later)}}, Unchecked, "test intermediate"},
		"revoked before":             {crls(r.leafList(later, entry(77, earlier, 0))), Revoked, "unspecified"},
		"key stolen, found later":    {crls(r.leafList(later.Add(day), entry(77, later, 1))), Revoked, "key compromise"},
		"revoked later, no reason":   {crls(r.leafList(later.Add(day), entry(77, later, -1))), Revoked, "no reason given"},
		"given up later":             {crls(r.leafList(later.Add(day), entry(77, later, 5))), Unrevoked, ""},
		"superseded later":           {crls(r.leafList(later.Add(day), entry(77, later, 4))), Unrevoked, ""},
		"removed from the list":      {crls(r.leafList(later, entry(77, earlier, 8))), Unrevoked, ""},
		"another is revoked":         {crls(r.leafList(later, entry(76, earlier, 1))), Unrevoked, ""},
		"the intermediate fell":      {Statements{CRLs: []*x509.RevocationList{r.leafList(later), r.midList(later, entry(2, earlier, 2))}}, Revoked, "CA compromise"},
		"a good and a bad list":      {crls(r.leafList(earlier), r.leafList(later, entry(77, earlier, 1))), Revoked, ""},
		"signed by a stranger":       {crls(r.list(stranger.mid, stranger.midKey, later, []pkix.RevokedCertificate{entry(77, earlier, 1)})), Unchecked, ""},
		"another critical extension": {crls(r.list(r.mid, r.midKey, later, nil, unknown)), Unchecked, ""},
		"... and it is in it":        {crls(r.list(r.mid, r.midKey, later, []pkix.RevokedCertificate{entry(77, earlier, 1)}, unknown)), Revoked, ""},
		"an entry of another kind":   {crls(r.list(r.mid, r.midKey, later, []pkix.RevokedCertificate{withCritical})), Unchecked, ""},
		"a delta list":               {crls(r.list(r.mid, r.midKey, later, nil, delta)), Unchecked, ""},
		"its own part of the list":   {crls(r.list(r.mid, r.midKey, later, nil, idp(point(listURL)))), Unrevoked, ""},
		"another part of the list":   {crls(r.list(r.mid, r.midKey, later, nil, idp(point("http://crl.example/other.crl")))), Unchecked, ""},
		"a list of users":            {crls(r.list(r.mid, r.midKey, later, nil, idp(flag(1)))), Unrevoked, ""},
		"a list of authorities":      {crls(r.list(r.mid, r.midKey, later, nil, idp(flag(2)))), Unchecked, ""},
		"a list of some reasons":     {crls(r.list(r.mid, r.midKey, later, nil, idp(flag(3)))), Unchecked, ""},
		"an indirect list":           {crls(r.list(r.mid, r.midKey, later, nil, idp(flag(4)))), Unchecked, ""},
		"answer: good":               {said(r.answer(ocsp.Good, later, time.Time{}, 0, r.mid, r.midKey)), Unrevoked, ""},
		"answer: revoked":            {said(r.answer(ocsp.Revoked, later, earlier, ocsp.KeyCompromise, r.mid, r.midKey)), Revoked, "key compromise"},
		"answer: given up later":     {said(r.answer(ocsp.Revoked, later.Add(day), later, ocsp.Superseded, r.mid, r.midKey)), Unrevoked, ""},
		"answer: unknown":            {said(r.answer(ocsp.Unknown, later, time.Time{}, 0, r.mid, r.midKey)), Unchecked, ""},
		"answer: by an appointed":    {said(r.answer(ocsp.Good, later, time.Time{}, 0, appointed, responderKey)), Unrevoked, ""},
		"answer: by one that ended":  {said(r.answer(ocsp.Good, later, time.Time{}, 0, ended, responderKey)), Unchecked, ""},
		"answer: by the signer":      {said(r.answer(ocsp.Good, later, time.Time{}, 0, r.leaf, r.key)), Unchecked, ""},
		"answer: by a stranger":      {said(r.answer(ocsp.Good, later, time.Time{}, 0, stranger.mid, stranger.midKey)), Unchecked, ""},
		"answer: of another issuer":  {said(foreign), Unchecked, ""},
		"answer: garbage":            {said([]byte("garbage")), Unchecked, ""},
		"answer: too early":          {said(r.answer(ocsp.Good, genTime.AddDate(0, 0, -3), time.Time{}, 0, r.mid, r.midKey)), Unchecked, ""},
	} {
		got := r.time.Revocation(c.said)
		if got.Standing != c.want || !strings.Contains(got.What, c.text) || errors.Is(got.Err(), ErrRevoked) != (c.want == Revoked) {
			t.Errorf("%s: %s (%s), want %s", name, got.Standing, got.What, c.want)
		}
		if c.said.Empty() || name == "answer: garbage" {
			continue
		}
		back, err := ParseRevocation(c.said.PEM())
		if err != nil || r.time.Revocation(back) != got {
			t.Errorf("%s: read again it says %+v, %v", name, r.time.Revocation(back), err)
		}
	}
}

func TestParseRevocation(t *testing.T) {
	r := newRevoker(t)
	good := Statements{CRLs: []*x509.RevocationList{r.leafList(genTime)}, OCSP: [][]byte{{1, 2}}}.PEM()
	many := bytes.Repeat(Statements{OCSP: [][]byte{{1}}}.PEM(), maxStatements+1)
	for name, b := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "cut": good[:len(good)-20], "text between": append([]byte("hello\n"), good...),
		"certificate": PEM([]*x509.Certificate{r.root}), "broken list": []byte("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"),
		"too many": many, "too large": make([]byte, MaxRevocation+1),
	} {
		if s, err := ParseRevocation(b); err == nil || !s.Empty() {
			t.Errorf("%s is accepted", name)
		}
	}
}

// TestOpenSSLRevocation asks openssl the same questions, of the very file we
// keep: it has to agree where a certificate was revoked before the stamp.
func TestOpenSSLRevocation(t *testing.T) {
	path, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed: cannot ask a program that is not ours")
	}
	r := newRevoker(t)
	from := genTime.Add(-time.Hour)
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	root, mid := write("root.pem", PEM([]*x509.Certificate{r.root})), write("mid.pem", PEM([]*x509.Certificate{r.mid}))
	leaf := write("leaf.pem", PEM([]*x509.Certificate{r.leaf}))
	q := request(t)
	tsr, tsq := write("x.tsr", der(t, r.build(q))), write("x.tsq", q.DER)
	at := strconv.FormatInt(genTime.Unix(), 10)
	answer := r.answer(ocsp.Good, from, time.Time{}, 0, r.mid, r.midKey)
	for name, c := range map[string]struct {
		leaf, mid *x509.RevocationList
		want      Standing
	}{
		"clean":        {r.leafList(from), r.midList(from), Unrevoked},
		"revoked":      {r.leafList(from, entry(77, from.Add(-time.Hour), 1)), r.midList(from), Revoked},
		"authority":    {r.leafList(from), r.midList(from, entry(2, from.Add(-time.Hour), 5)), Revoked},
		"wrong signer": {stranger(t).leafList(from), r.midList(from), Unchecked},
		"ran out":      {r.leafList(from.AddDate(0, 0, -9)), r.midList(from), Unchecked},
	} {
		said := Statements{CRLs: []*x509.RevocationList{c.leaf, c.mid}, OCSP: [][]byte{answer}}
		rev := write("x.rev", said.PEM())
		out, err := exec.Command(path, "verify", "-CAfile", root, "-untrusted", mid, "-purpose", "timestampsign", "-attime", at, "-crl_check_all", "-CRLfile", rev, leaf).CombinedOutput()
		ours := r.time.Revocation(Statements{CRLs: said.CRLs})
		if (err == nil) != (ours.Standing == Unrevoked) || ours.Standing != c.want {
			t.Errorf("%s: openssl verify says %s, we say %s (%s)", name, out, ours.Standing, ours.What)
		}
		// ts -verify takes the lists by the file of roots.
		both := write("both.pem", append(PEM([]*x509.Certificate{r.root}), said.PEM()...))
		out, err = exec.Command(path, "ts", "-verify", "-in", tsr, "-queryfile", tsq, "-CAfile", both, "-untrusted", mid, "-attime", at, "-crl_check_all").CombinedOutput()
		if (err == nil) != (ours.Standing == Unrevoked) {
			t.Errorf("%s: openssl ts says %s, we say %s (%s)", name, out, ours.Standing, ours.What)
		}
	}
}

func stranger(t testing.TB) *revoker { return newRevoker(t) }

func FuzzRevocation(f *testing.F) {
	r := newRevoker(f)
	crl := r.leafList(genTime.Add(time.Hour), entry(77, genTime, 1))
	f.Add(Statements{CRLs: []*x509.RevocationList{crl}}.PEM(), []byte{})
	f.Add([]byte{}, r.answer(ocsp.Good, genTime.Add(time.Hour), time.Time{}, 0, r.mid, r.midKey))
	v, _ := asn1.Marshal([]asn1.RawValue{point(listURL), flag(1)})
	f.Add([]byte{}, v)
	f.Fuzz(func(t *testing.T, file, raw []byte) {
		if s, err := ParseRevocation(file); err == nil {
			if !bytes.Equal(s.PEM(), file) {
				t.Error("it is read and written differently")
			}
			r.time.Revocation(s)
		}
		ocspVerdict(raw, r.leaf, r.mid)
		inScope(raw, r.leaf)
		aboutCert(raw, r.leaf, r.mid)
	})
}
