package demotsa

import (
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net/http"
	"time"

	"golang.org/x/crypto/ocsp"
)

// Where it tells of its revocation, below its URL.
const (
	listPath   = "/ca.crl"
	answerPath = "/ocsp"
)

const statementLife = 7 * 24 * time.Hour

// revoked is when and why its certificate was revoked.
type revoked struct {
	at     time.Time
	reason int // of CRLReason, RFC 5280 section 5.3.1
}

// Revoke makes it say from now on that its certificate was revoked: to try
// what happens then. It forgets it when it is opened anew.
func (t *TSA) Revoke(at time.Time, reason int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revoked = &revoked{at, reason}
}

// RevocationList is its CRL, DER.
func (t *TSA) RevocationList() ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.caKey == nil {
		return nil, errors.New("its ca.key is not there")
	}
	now := t.now().UTC().Truncate(time.Second)
	list := &x509.RevocationList{Number: big.NewInt(now.Unix()), ThisUpdate: now, NextUpdate: now.Add(statementLife)}
	if r := t.revoked; r != nil {
		list.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: t.leaf.SerialNumber, RevocationTime: r.at, ReasonCode: r.reason}}
	}
	return x509.CreateRevocationList(t.rand, list, t.ca, t.caKey)
}

// answer is an OCSP response to a request, both DER.
func (t *TSA) answer(query []byte) ([]byte, error) {
	q, err := ocsp.ParseRequest(query)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.caKey == nil {
		return nil, errors.New("its ca.key is not there")
	}
	now := t.now().UTC().Truncate(time.Second)
	o := ocsp.Response{Status: ocsp.Unknown, SerialNumber: q.SerialNumber, ThisUpdate: now, NextUpdate: now.Add(statementLife)}
	if q.SerialNumber.Cmp(t.leaf.SerialNumber) == 0 {
		if o.Status = ocsp.Good; t.revoked != nil {
			o.Status, o.RevokedAt, o.RevocationReason = ocsp.Revoked, t.revoked.at, t.revoked.reason
		}
	}
	return ocsp.CreateResponse(t.ca, t.ca, o, t.caKey)
}

func (t *TSA) serveRevocation(w http.ResponseWriter, r *http.Request) {
	kind, make := "application/pkix-crl", t.RevocationList
	if r.URL.Path == answerPath {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuery))
		if err != nil {
			http.Error(w, "the request is too large or was cut", http.StatusBadRequest)
			return
		}
		kind, make = "application/ocsp-response", func() ([]byte, error) { return t.answer(body) }
	}
	b, err := make()
	if err != nil {
		http.Error(w, "nothing can be said of revocation ("+Warning+")", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(b) // the client is gone: nothing to do about it
}
