package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/crawler/site"
)

// savedPage is one real page that was saved, with what it is.
type savedPage struct {
	file, market, kind, url string
	body                    []byte
}

// status is what the site answers such a page with.
func (p savedPage) status() int {
	switch p.kind {
	case "blocked", "challenge":
		return http.StatusForbidden
	}
	return http.StatusOK
}

// savedPages reads ../shared/pages, or skips the test and says so.
func savedPages(t *testing.T, sites *site.Set) []savedPage {
	t.Helper()
	dir, err := filepath.Abs("../../../shared/pages")
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(dir, "INDEX.tsv"))
	if err != nil {
		t.Skipf("no saved real pages beside the repository (%s): nothing to replay", "shared/pages")
	}
	seen := map[string]bool{}
	var all []savedPage
	for i, line := range strings.Split(strings.TrimSpace(string(index)), "\n") {
		col := strings.Split(line, "\t")
		if i == 0 || len(col) < 3 {
			continue
		}
		p := savedPage{file: col[0], market: col[1], kind: col[2]}
		if p.body, err = os.ReadFile(filepath.Join(dir, filepath.FromSlash(p.file))); err != nil {
			t.Errorf("%s is listed and cannot be read: %v", p.file, err)
			continue
		}
		p.url = sites.Guess(p.body, "")
		if !strings.HasPrefix(p.url, "http") || seen[p.url] {
			// Hosts of their own: unknown shops are asked politely, one lane each.
			p.url = fmt.Sprintf("https://%s%d.test/%s", strings.NewReplacer("_", "x", ".", "-").Replace(p.market), i, strings.ReplaceAll(p.file, "/", "-"))
		}
		p.url = "https://" + strings.SplitN(p.url, "://", 2)[1]
		seen[p.url] = true
		all = append(all, p)
	}
	if len(all) < 50 {
		t.Fatalf("only %d saved pages were found", len(all))
	}
	return all
}

// replayServer serves saved pages under their own host names, over TLS with an
// authority of its own. Whatever else is asked for is not there.
type replayServer struct {
	addr string
	ca   *x509.Certificate
}

func serveReplay(t *testing.T, pages []savedPage) *replayServer {
	t.Helper()
	byURL := map[string]savedPage{}
	for _, p := range pages {
		byURL[p.url] = p
	}
	mint, ca := authority(t)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := byURL["https://"+r.Host+r.URL.RequestURI()]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(p.status())
		w.Write(p.body)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.TLS = &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return mint(h.ServerName) }}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return &replayServer{srv.Listener.Addr().String(), ca}
}

// authority makes certificates for any host.
func authority(t *testing.T) (func(host string) (*tls.Certificate, error), *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Replay for tests"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	serial := int64(1)
	return func(host string) (*tls.Certificate, error) {
		serial++
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(serial + time.Now().UnixNano()), Subject: pkix.Name{CommonName: host}, NotBefore: root.NotBefore, NotAfter: root.NotAfter,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		if ip := net.ParseIP(host); ip != nil {
			leaf.IPAddresses = []net.IP{ip}
		} else {
			leaf.DNSNames = []string{host}
		}
		der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, key)
		if err != nil {
			return nil, err
		}
		return &tls.Certificate{Certificate: [][]byte{der, ca.Raw}, PrivateKey: key}, nil
	}, ca
}
