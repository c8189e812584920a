package markettest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strings"
	"time"
)

// Server serves a Market on a local port.
type Server struct {
	*Market
	// Addr is host:port, URL the address to open.
	Addr string
	URL  string
	// CA is the PEM of the authority that signed a TLS server's certificate;
	// nil without TLS.
	CA []byte

	srv  *http.Server
	done chan error
}

// Start serves on a free port of 127.0.0.1.
func Start(cfg Config) (*Server, error) { return Listen("127.0.0.1:0", New(cfg)) }

// StartTLS is Start with TLS: a fresh authority signs a certificate for the
// hosts of the market, localhost and 127.0.0.1.
func StartTLS(cfg Config) (*Server, error) { return ListenTLS("127.0.0.1:0", New(cfg)) }

// Listen serves a market on an address.
func Listen(addr string, m *Market) (*Server, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serving the demo market: %w; choose another address", err)
	}
	return serve(ln, m, "http", nil), nil
}

// ListenTLS is Listen with TLS.
func ListenTLS(addr string, m *Market) (*Server, error) {
	ca, cert, err := authority(append(m.Hosts(), "localhost"), m.cfg.Now())
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serving the demo market: %w; choose another address", err)
	}
	// HTTP/1.1 only: the faults that break connections need the connection.
	conf := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	return serve(tls.NewListener(ln, conf), m, "https", ca), nil
}

func serve(ln net.Listener, m *Market, scheme string, ca []byte) *Server {
	s := &Server{Market: m, Addr: ln.Addr().String(), CA: ca, done: make(chan error, 1)}
	s.URL = scheme + "://" + s.Addr
	// Broken connections are what this server is for; they are not news.
	s.srv = &http.Server{Handler: m.Handler(), ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 10 * time.Second}
	go func() { s.done <- s.srv.Serve(ln) }()
	return s
}

// Close stops the server and every answer that is still being given.
func (s *Server) Close() error {
	s.Market.Close()
	err := s.srv.Close()
	if serveErr := <-s.done; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	s.done <- http.ErrServerClosed // a second Close is harmless
	return err
}

// Client gives a client that trusts the server's authority and reaches the
// market's host names on its port. It does not follow redirects.
func (s *Server) Client() *http.Client {
	tr := &http.Transport{DisableCompression: true}
	d := &net.Dialer{}
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if strings.HasSuffix(hostOnly(addr), "."+s.cfg.Domain) {
			addr = s.Addr
		}
		return d.DialContext(ctx, network, addr)
	}
	if s.CA != nil {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(s.CA)
		tr.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// authority makes an authority and a certificate it signed; both live a week.
func authority(names []string, now time.Time) (caPEM []byte, cert tls.Certificate, err error) {
	caKey, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	key, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err := errors.Join(err1, err2); err != nil {
		return nil, cert, fmt.Errorf("making the demo market's keys: %w", err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "Pellamart demo authority, worth nothing"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(7 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano() + 1), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:   ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, cert, fmt.Errorf("signing the demo market's authority: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return nil, cert, fmt.Errorf("signing the demo market's certificate: %w", err)
	}
	cert = tls.Certificate{Certificate: [][]byte{der, caDER}, PrivateKey: key}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}), cert, nil
}
