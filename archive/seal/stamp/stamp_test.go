package stamp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/digitorus/timestamp"

	"github.com/trawlmark/trawlmark/archive/seal/internal/cms"
)

var (
	begin   = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	genTime = time.Date(2022, 6, 1, 12, 0, 0, 250e6, time.UTC)
	end     = time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
	message = []byte("log.example.org/trawlmark\n42\n...\n")
	policy  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 1}
)

// tsa is a root, an intermediate and a signer, of one kind of key.
type tsa struct {
	t               testing.TB
	root, mid, leaf *x509.Certificate
	midKey, key     crypto.Signer
}

func newKey(t testing.TB, kind string) crypto.Signer {
	var k crypto.Signer
	var err error
	switch kind {
	case "rsa":
		k, err = rsa.GenerateKey(rand.Reader, 2048)
	case "fixed": // the same in every process: fuzzing wants that
		return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32))
	case "ed25519":
		_, k, err = ed25519.GenerateKey(rand.Reader)
	default:
		k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func issue(t testing.TB, c, parent *x509.Certificate, pub crypto.PublicKey, by crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, parent, pub, by)
	if err != nil {
		t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func usage(critical bool, oids ...asn1.ObjectIdentifier) []pkix.Extension {
	v, _ := asn1.Marshal(oids)
	return []pkix.Extension{{Id: cms.OIDExtKeyUsage, Critical: critical, Value: v}}
}

func ca(n int64, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: name}, NotBefore: begin, NotAfter: end.AddDate(20, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

func leafTemplate() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: "test signer"}, NotBefore: begin, NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtraExtensions: usage(true, cms.OIDTimeStamping),
		SubjectKeyId: []byte{1, 2, 3, 4},
	}
}

func newTSA(t testing.TB, kind string) *tsa {
	caKind := "ecdsa"
	if kind == "fixed" {
		caKind = kind
	}
	a := &tsa{t: t, midKey: newKey(t, caKind), key: newKey(t, kind)}
	rootKey := newKey(t, caKind)
	a.root = issue(t, ca(1, "test root"), ca(1, "test root"), rootKey.Public(), rootKey)
	a.mid = issue(t, ca(2, "test intermediate"), a.root, a.midKey.Public(), rootKey)
	a.leaf = a.signer(leafTemplate())
	return a
}

func (a *tsa) signer(c *x509.Certificate) *x509.Certificate {
	return issue(a.t, c, a.mid, a.key.Public(), a.midKey)
}

func (a *tsa) trust() Trust { return Trust{Roots: []*x509.Certificate{a.root}} }

// build is a correct answer to a request, to be spoilt.
func (a *tsa) build(q Request) *cms.Build {
	return &cms.Build{
		Info: cms.Info{
			Version: 1, Policy: policy, Serial: big.NewInt(4711), Time: cms.Time(genTime), Accuracy: cms.Accuracy{Millis: 500}, Nonce: q.Nonce,
			Imprint: cms.Imprint{Algorithm: pkix.AlgorithmIdentifier{Algorithm: cms.OIDSHA256, Parameters: asn1.NullRawValue}, Hash: q.Imprint[:]},
		},
		Cert: a.leaf, Key: a.key, Chain: []*x509.Certificate{a.mid}, Rand: rand.Reader,
	}
}

func request(t testing.TB) Request {
	q, err := NewRequest(message, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func der(t testing.TB, b *cms.Build) []byte {
	t.Helper()
	out, err := b.DER()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestAccepts: what is right passes, whatever the key and the dress.
func TestAccepts(t *testing.T) {
	for _, kind := range []string{"ecdsa", "rsa", "ed25519"} {
		a := newTSA(t, kind)
		for name, change := range map[string]func(b *cms.Build, trust *Trust){
			"plain":                  func(*cms.Build, *Trust) {},
			"granted with mods":      func(b *cms.Build, _ *Trust) { b.Status = 1 },
			"with a signing time":    func(b *cms.Build, _ *Trust) { b.Signed = genTime },
			"chain from elsewhere":   func(b *cms.Build, tr *Trust) { b.Chain, tr.Untrusted = nil, []*x509.Certificate{a.mid} },
			"no certificates at all": func(b *cms.Build, tr *Trust) { b.NoCert, tr.Untrusted = true, []*x509.Certificate{a.mid, a.leaf} },
			"root sent along":        func(b *cms.Build, _ *Trust) { b.Chain = append(b.Chain, a.root) },
			"intermediate pinned":    func(_ *cms.Build, tr *Trust) { tr.Roots = []*x509.Certificate{a.mid} },
			"no accuracy":            func(b *cms.Build, _ *Trust) { b.Info.Accuracy = cms.Accuracy{} },
			"old ESSCertID too":      func(b *cms.Build, _ *Trust) { b.Attributes = add(essV1(a.leaf.Raw)) },
			"old ESSCertID only":     func(b *cms.Build, _ *Trust) { b.Attributes = replace(cms.OIDSigningCertV2, essV1(a.leaf.Raw)) },
			"ESSCertIDv2 by SHA-512": func(b *cms.Build, _ *Trust) {
				b.Attributes = replace(cms.OIDSigningCertV2, attribute(cms.OIDSigningCertV2, cms.SigningCertV2{Certs: []cms.CertIDV2{{
					Algorithm: pkix.AlgorithmIdentifier{Algorithm: cms.OIDSHA512}, Hash: sum(crypto.SHA512, a.leaf.Raw), IssuerSerial: issuerSerial(a.leaf.RawIssuer, 77),
				}}}))
			},
			"signer by key id": func(b *cms.Build, _ *Trust) {
				b.Data = func(d *cms.SignedData) {
					d.SignerInfos[0].SID = asn1.RawValue{Class: 2, Tag: 0, Bytes: []byte{1, 2, 3, 4}}
				}
			},
		} {
			q := request(t)
			b, trust := a.build(q), a.trust()
			change(b, &trust)
			tsr := der(t, b)
			got, err := q.Verify(tsr, trust)
			if err != nil {
				t.Errorf("%s, %s: %v", kind, name, err)
				continue
			}
			if !got.At.Equal(genTime) || got.TSA != "CN=test signer" || !got.NotAfter.Equal(end) || got.Serial.Int64() != 4711 {
				t.Errorf("%s, %s: %+v", kind, name, got)
			}
			if _, err := Verify(tsr, message, trust, genTime.AddDate(10, 0, 0)); err != nil {
				t.Errorf("%s, %s: ten years later: %v", kind, name, err)
			}
			if !got.Expired(end.Add(time.Second)) || got.Expired(end) {
				t.Errorf("%s, %s: expiry", kind, name)
			}
		}
	}
}

func attribute(oid asn1.ObjectIdentifier, v any) cms.Attribute {
	a, err := cms.NewAttribute(oid, v)
	if err != nil {
		panic(err)
	}
	return a
}

func essV1(cert []byte) cms.Attribute {
	h := sha1.Sum(cert)
	return attribute(cms.OIDSigningCert, cms.SigningCert{Certs: []cms.CertID{{Hash: h[:]}}})
}

func issuerSerial(issuer []byte, n int64) cms.IssuerSerial {
	return cms.IssuerSerial{Issuer: []asn1.RawValue{{Class: 2, Tag: 4, IsCompound: true, Bytes: issuer}}, Serial: big.NewInt(n)}
}

func add(extra cms.Attribute) func([]cms.Attribute) []cms.Attribute {
	return func(as []cms.Attribute) []cms.Attribute { return append(as, extra) }
}

func without(oid asn1.ObjectIdentifier) func([]cms.Attribute) []cms.Attribute {
	return func(as []cms.Attribute) (out []cms.Attribute) {
		for _, a := range as {
			if !a.Type.Equal(oid) {
				out = append(out, a)
			}
		}
		return out
	}
}

func replace(oid asn1.ObjectIdentifier, by cms.Attribute) func([]cms.Attribute) []cms.Attribute {
	return func(as []cms.Attribute) []cms.Attribute { return append(without(oid)(as), by) }
}

// TestRefuses breaks one rule at a time; each is refused, for that reason.
func TestRefuses(t *testing.T) {
	a := newTSA(t, "ecdsa")
	stranger := newTSA(t, "ecdsa")
	q := request(t)
	cert := func(change func(*x509.Certificate)) func(*cms.Build, *Trust) {
		return func(b *cms.Build, _ *Trust) {
			c := leafTemplate()
			change(c)
			b.Cert = a.signer(c)
		}
	}
	attrs := func(f func([]cms.Attribute) []cms.Attribute) func(*cms.Build, *Trust) {
		return func(b *cms.Build, _ *Trust) { b.Attributes = f }
	}
	data := func(f func(*cms.SignedData)) func(*cms.Build, *Trust) {
		return func(b *cms.Build, _ *Trust) { b.Data = f }
	}
	info := func(f func(*cms.Info)) func(*cms.Build, *Trust) {
		return func(b *cms.Build, _ *Trust) { f(&b.Info) }
	}
	emailUsage := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 4}
	sha1OID := asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	cases := []struct {
		name   string
		want   error
		change func(*cms.Build, *Trust)
	}{
		// status
		{"rejected", ErrStatus, func(b *cms.Build, _ *Trust) { b.Status = 2 }},
		{"waiting", ErrStatus, func(b *cms.Build, _ *Trust) { b.Status = 3 }},
		{"revocation warning", ErrStatus, func(b *cms.Build, _ *Trust) { b.Status = 4 }},
		{"negative status", ErrStatus, func(b *cms.Build, _ *Trust) { b.Status = -1 }},
		// imprint, algorithm, nonce
		{"other imprint", ErrImprint, info(func(i *cms.Info) { i.Imprint.Hash = make([]byte, 32) })},
		{"short imprint", ErrImprint, info(func(i *cms.Info) { i.Imprint.Hash = i.Imprint.Hash[:20] })},
		{"other algorithm", ErrImprint, info(func(i *cms.Info) { i.Imprint.Algorithm.Algorithm = cms.OIDSHA384 })},
		{"other nonce", ErrNonce, info(func(i *cms.Info) { i.Nonce = new(big.Int).Add(i.Nonce, big.NewInt(1)) })},
		{"no nonce", ErrNonce, info(func(i *cms.Info) { i.Nonce = nil })},
		// form
		{"version", ErrForm, info(func(i *cms.Info) { i.Version = 2 })},
		{"time in another zone", ErrForm, info(func(i *cms.Info) { i.Time.Bytes = []byte("20220601120000+0100") })},
		{"time with a trailing zero", ErrForm, info(func(i *cms.Info) { i.Time.Bytes = []byte("20220601120000.250Z") })},
		{"time without seconds", ErrForm, info(func(i *cms.Info) { i.Time.Bytes = []byte("202206011200Z") })},
		{"time of the other kind", ErrForm, info(func(i *cms.Info) { i.Time.Tag, i.Time.Bytes = asn1.TagUTCTime, []byte("220601120000Z") })},
		{"critical extension", ErrForm, info(func(i *cms.Info) {
			i.Extensions = []pkix.Extension{{Id: policy, Critical: true, Value: []byte{5, 0}}}
		})},
		{"no signer", ErrForm, data(func(d *cms.SignedData) { d.SignerInfos = nil })},
		{"two signers", ErrForm, data(func(d *cms.SignedData) { d.SignerInfos = append(d.SignerInfos, d.SignerInfos[0]) })},
		{"not a time stamp", ErrForm, data(func(d *cms.SignedData) { d.Encap.Type = cms.OIDSignedData })},
		{"nothing signed", ErrForm, data(func(d *cms.SignedData) { d.Encap.Content = nil })},
		{"too many certificates", ErrForm, func(b *cms.Build, _ *Trust) {
			for range maxCerts {
				b.Chain = append(b.Chain, a.mid)
			}
		}},
		{"no signed attributes", ErrForm, attrs(func([]cms.Attribute) []cms.Attribute { return nil })},
		// time
		{"before 2000", ErrClock, info(func(i *cms.Info) { i.Time = cms.Time(time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)) })},
		{"useless accuracy", ErrClock, info(func(i *cms.Info) { i.Accuracy.Seconds = 86400 })},
		{"negative accuracy", ErrClock, info(func(i *cms.Info) { i.Accuracy.Seconds = -1 })},
		// ESSCertID
		{"no ESSCertID", ErrSigner, attrs(without(cms.OIDSigningCertV2))},
		{"another's ESSCertIDv2", ErrSigner, attrs(replace(cms.OIDSigningCertV2, attribute(cms.OIDSigningCertV2, cms.SigningCertV2{Certs: []cms.CertIDV2{{Hash: sum(crypto.SHA256, a.mid.Raw)}}})))},
		{"another's serial in ESSCertIDv2", ErrSigner, attrs(replace(cms.OIDSigningCertV2, attribute(cms.OIDSigningCertV2, cms.SigningCertV2{Certs: []cms.CertIDV2{{Hash: sum(crypto.SHA256, a.leaf.Raw), IssuerSerial: issuerSerial(a.leaf.RawIssuer, 78)}}})))},
		{"another's issuer in ESSCertIDv2", ErrSigner, attrs(replace(cms.OIDSigningCertV2, attribute(cms.OIDSigningCertV2, cms.SigningCertV2{Certs: []cms.CertIDV2{{Hash: sum(crypto.SHA256, a.leaf.Raw), IssuerSerial: issuerSerial(a.root.RawSubject, 77)}}})))},
		{"ESSCertIDv2 by SHA-1", ErrSigner, attrs(replace(cms.OIDSigningCertV2, attribute(cms.OIDSigningCertV2, cms.SigningCertV2{Certs: []cms.CertIDV2{{Algorithm: pkix.AlgorithmIdentifier{Algorithm: sha1OID}, Hash: make([]byte, 20)}}})))},
		{"empty ESSCertIDv2", ErrSigner, attrs(replace(cms.OIDSigningCertV2, attribute(cms.OIDSigningCertV2, cms.SigningCertV2{})))},
		{"two ESSCertIDv2", ErrSigner, attrs(add(attribute(cms.OIDSigningCertV2, cms.SigningCertV2{Certs: []cms.CertIDV2{{Hash: sum(crypto.SHA256, a.leaf.Raw)}}})))},
		{"right v2, wrong v1", ErrSigner, attrs(add(essV1(a.mid.Raw)))},
		{"wrong v1 only", ErrSigner, attrs(replace(cms.OIDSigningCertV2, essV1(a.mid.Raw)))},
		{"signer's certificate missing", ErrSigner, func(b *cms.Build, _ *Trust) { b.NoCert = true }},
		{"signer named by nobody's serial", ErrSigner, data(func(d *cms.SignedData) {
			sid, _ := asn1.Marshal(cms.IssuerAndSerial{Issuer: asn1.RawValue{FullBytes: a.leaf.RawIssuer}, Serial: big.NewInt(1234)})
			d.SignerInfos[0].SID = asn1.RawValue{FullBytes: sid}
		})},
		// usage
		{"usage not critical", ErrUsage, cert(func(c *x509.Certificate) { c.ExtraExtensions = usage(false, cms.OIDTimeStamping) })},
		{"usage not alone", ErrUsage, cert(func(c *x509.Certificate) { c.ExtraExtensions = usage(true, cms.OIDTimeStamping, emailUsage) })},
		{"another usage", ErrUsage, cert(func(c *x509.Certificate) { c.ExtraExtensions = usage(true, emailUsage) })},
		{"no usage", ErrUsage, cert(func(c *x509.Certificate) { c.ExtraExtensions = nil })},
		{"key not for signing", ErrUsage, cert(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment })},
		// chain
		{"unknown root", ErrChain, func(_ *cms.Build, tr *Trust) { *tr = stranger.trust() }},
		{"no root", ErrChain, func(_ *cms.Build, tr *Trust) { tr.Roots = nil }},
		{"root only untrusted", ErrChain, func(_ *cms.Build, tr *Trust) {
			*tr = Trust{Roots: stranger.trust().Roots, Untrusted: []*x509.Certificate{a.root}}
		}},
		{"chain missing", ErrChain, func(b *cms.Build, _ *Trust) { b.Chain = nil }},
		{"expired at the stamped time", ErrChain, cert(func(c *x509.Certificate) { c.NotAfter = genTime.Add(-time.Hour) })},
		{"not yet valid at the stamped time", ErrChain, cert(func(c *x509.Certificate) { c.NotBefore = genTime.Add(time.Hour) })},
		{"self-signed", ErrChain, func(b *cms.Build, _ *Trust) { b.Cert = issue(t, leafTemplate(), leafTemplate(), a.key.Public(), a.key) }},
		// signature
		{"another key", ErrSignature, func(b *cms.Build, _ *Trust) { b.Key = stranger.key }},
		{"signature cut", ErrSignature, data(func(d *cms.SignedData) { s := &d.SignerInfos[0].Signature; *s = (*s)[:len(*s)-1] })},
		{"content changed", ErrSignature, data(func(d *cms.SignedData) {
			i := a.build(q).Info
			i.Time = cms.Time(genTime.Add(-time.Hour))
			d.Encap.Content, _ = asn1.Marshal(i)
		})},
		{"no content type", ErrSignature, attrs(without(cms.OIDContentType))},
		{"other content type", ErrSignature, attrs(replace(cms.OIDContentType, attribute(cms.OIDContentType, cms.OIDSignedData)))},
		{"no digest", ErrSignature, attrs(without(cms.OIDMessageDigest))},
		{"two digests", ErrSignature, attrs(add(attribute(cms.OIDMessageDigest, make([]byte, 32))))},
		{"SHA-1 digest", ErrSignature, data(func(d *cms.SignedData) { d.SignerInfos[0].DigestAlgorithm.Algorithm = sha1OID })},
		{"unknown signature algorithm", ErrSignature, data(func(d *cms.SignedData) { d.SignerInfos[0].SignatureAlgorithm.Algorithm = policy })},
		{"algorithm of another key", ErrSignature, data(func(d *cms.SignedData) { d.SignerInfos[0].SignatureAlgorithm.Algorithm = cms.OIDRSASHA256 })},
		{"attribute changed after signing", ErrSignature, data(func(d *cms.SignedData) {
			at := &d.SignerInfos[0].SignedAttributes
			extra, _ := asn1.Marshal(attribute(cms.OIDSigningTime, genTime))
			at.Bytes = append(append([]byte(nil), at.Bytes...), extra...)
		})},
	}
	for _, c := range cases {
		b, trust := a.build(q), a.trust()
		c.change(b, &trust)
		if _, err := q.Verify(der(t, b), trust); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	// What cannot be built, only cut from bytes.
	good := der(t, a.build(q))
	reject, _ := asn1.Marshal(struct{ Status cms.Status }{cms.Status{Status: 2, Text: cms.Text("no"), FailInfo: asn1.BitString{Bytes: []byte{0x80}, BitLength: 1}}})
	granted, _ := asn1.Marshal(struct{ Status cms.Status }{})
	var resp cms.Response
	if err := cms.Unmarshal(good, &resp); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]struct {
		b    []byte
		want error
	}{
		"empty": {nil, ErrForm}, "garbage": {[]byte("<html>502 Bad Gateway</html>"), ErrForm}, "cut": {good[:len(good)-1], ErrForm}, "longer": {append(bytes.Clone(good), 0), ErrForm},
		"huge": {append(bytes.Clone(good), make([]byte, MaxResponse)...), ErrForm}, "rejection": {reject, ErrStatus}, "granted without a token": {granted, ErrForm}, "bare token": {resp.Token.FullBytes, ErrForm},
	} {
		if _, err := q.Verify(raw.b, a.trust()); !errors.Is(err, raw.want) {
			t.Errorf("%s: got %v, want %v", name, err, raw.want)
		}
	}
	if _, err := Verify(good, []byte("other"), a.trust(), genTime); !errors.Is(err, ErrImprint) {
		t.Errorf("other message: %v", err)
	}
	if _, err := Verify(good, message, a.trust(), genTime.Add(-time.Second)); !errors.Is(err, ErrClock) {
		t.Errorf("a stamp from the future: %v", err)
	}
	if _, err := Verify(good, message, a.trust(), genTime.Add(-400*time.Millisecond)); err != nil {
		t.Errorf("within its accuracy: %v", err)
	}
}

// TestOthersAgree: openssl and another Go library read what we write, and
// openssl refuses a leaf that we refuse.
func TestOthersAgree(t *testing.T) {
	path, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed: cannot ask a program that is not ours")
	}
	for _, kind := range []string{"ecdsa", "rsa"} {
		a, q := newTSA(t, kind), request(t)
		good := der(t, a.build(q))
		ts, err := timestamp.ParseResponse(good)
		if err != nil || !ts.Time.Equal(genTime) || !bytes.Equal(ts.HashedMessage, q.Imprint[:]) {
			t.Errorf("%s: digitorus/timestamp: %v", kind, err)
		}
		if req, err := timestamp.ParseRequest(q.DER); err != nil || req.Nonce.Cmp(q.Nonce) != 0 || !req.Certificates {
			t.Errorf("%s: digitorus/timestamp: request: %v", kind, err)
		}
		loose := a.build(q)
		c := leafTemplate()
		c.ExtraExtensions = usage(false, cms.OIDTimeStamping)
		loose.Cert = a.signer(c)
		dir := t.TempDir()
		write := func(name string, b []byte) string {
			p := filepath.Join(dir, name)
			if err := os.WriteFile(p, b, 0o600); err != nil {
				t.Fatal(err)
			}
			return p
		}
		for name, tsr := range map[string][]byte{"good": good, "usage not critical": der(t, loose)} {
			out, err := exec.Command(path, "ts", "-verify", "-in", write("x.tsr", tsr), "-queryfile", write("x.tsq", q.DER),
				"-CAfile", write("root.pem", PEM([]*x509.Certificate{a.root})), "-untrusted", write("mid.pem", PEM([]*x509.Certificate{a.mid})),
				"-attime", strconv.FormatInt(genTime.Unix(), 10)).CombinedOutput()
			if (err == nil) != (name == "good") {
				t.Errorf("%s, %s: openssl says %s", kind, name, out)
			}
		}
	}
}

// TestMutations flips every byte of a response: it is refused, or says exactly
// what it said (the byte is in what nobody signed).
func TestMutations(t *testing.T) {
	a, q := newTSA(t, "ecdsa"), request(t)
	good := der(t, a.build(q))
	want, err := q.Verify(good, a.trust())
	if err != nil {
		t.Fatal(err)
	}
	passed := 0
	for i := range good {
		for _, x := range []byte{0x01, 0x80, 0xff} {
			bad := bytes.Clone(good)
			bad[i] ^= x
			got, err := q.Verify(bad, a.trust())
			if err != nil {
				continue
			}
			passed++
			if !got.At.Equal(want.At) || got.Accuracy != want.Accuracy || !got.Chain[0].Equal(want.Chain[0]) || got.Nonce.Cmp(want.Nonce) != 0 {
				t.Errorf("byte %d ^ %#x: %+v", i, x, got)
			}
		}
	}
	t.Logf("%d of %d mutations are in what nobody signed", passed, 3*len(good))
	if passed > 40 {
		t.Errorf("%d mutations pass", passed)
	}
}

func TestRequest(t *testing.T) {
	q := request(t)
	back, err := ParseRequest(q.DER)
	if err != nil || back.Nonce.Cmp(q.Nonce) != 0 || back.Imprint != sha256.Sum256(message) || q.Nonce.BitLen() != 127 {
		t.Fatalf("%+v, %v", back, err)
	}
	if other := request(t); other.Nonce.Cmp(q.Nonce) == 0 {
		t.Error("two requests have one nonce")
	}
	if _, err := ParseRequest(q.DER[1:]); err == nil {
		t.Error("a cut request")
	}
	if _, err := NewRequest(message, bytes.NewReader(nil)); err == nil {
		t.Error("a nonce without randomness")
	}
}

func TestPEM(t *testing.T) {
	a := newTSA(t, "ecdsa")
	both := PEM([]*x509.Certificate{a.mid, a.root})
	got, err := ParsePEM(both)
	if err != nil || len(got) != 2 || !got[1].Equal(a.root) {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"empty": nil, "text": []byte("hello"), "cut": both[:len(both)-40], "key": []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")} {
		if _, err := ParsePEM(b); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func FuzzVerify(f *testing.F) {
	a := newTSA(f, "fixed")
	q, err := NewRequest(message, bytes.NewReader(make([]byte, 16)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der(f, a.build(q)))
	full := a.build(q)
	full.Signed, full.Info.Accuracy = genTime, cms.Accuracy{Seconds: 1, Millis: 2, Micros: 3}
	f.Add(der(f, full))
	f.Add(q.DER)
	f.Fuzz(func(t *testing.T, b []byte) {
		// The wrapper must not panic; what it accepts was signed by the key.
		if got, err := q.Verify(b, a.trust()); err == nil && !got.At.Equal(genTime) {
			t.Errorf("a time nobody signed: %s", got.At)
		}
		_, _ = ParseRequest(b)
	})
}
