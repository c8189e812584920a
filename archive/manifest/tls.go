package manifest

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// newTLS describes the connection; nil for a plain one.
func newTLS(t *capture.TLS) *TLS {
	if t == nil {
		return nil
	}
	var chain bytes.Buffer
	for _, der := range t.Chain {
		// Encode to a bytes.Buffer fails only on bad headers, and there are none.
		_ = pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	out := &TLS{
		Version: text(t.Version), Cipher: text(t.Cipher), ALPN: text(t.ALPN),
		Chain: capture.Sum(chain.Bytes()), Certificates: int64(len(t.Chain)),
	}
	if len(t.Chain) > 0 {
		out.Leaf = newLeaf(t.Chain[0])
	}
	return out
}

func newLeaf(der []byte) *Leaf {
	leaf := &Leaf{SHA256: capture.Sum(der)}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		leaf.Error = text("the certificate cannot be parsed: " + err.Error())
		return leaf
	}
	leaf.Subject, leaf.Issuer = text(cert.Subject.String()), text(cert.Issuer.String())
	leaf.Serial = fmt.Sprintf("%x", cert.SerialNumber)
	leaf.NotBefore, leaf.NotAfter = optional(cert.NotBefore), optional(cert.NotAfter)
	leaf.Names = texts(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		leaf.Names = append(leaf.Names, ip.String())
	}
	return leaf
}
