package egress

import (
	"crypto/tls"
	"net/http"
	"time"
)

// Transport is a new http.Transport whose connections leave through the
// session. Bodies come as on the wire (no transparent decompression); HTTP/2 is
// spoken where the server does. Its connections end with the session.
func (s *Session) Transport() *http.Transport {
	t := &http.Transport{
		DialContext:            s.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: s.guard.roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    s.guard.cfg.DialTimeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 1 << 20,
		MaxIdleConns:           16,
		IdleConnTimeout:        s.guard.cfg.IdleTimeout,
		ExpectContinueTimeout:  time.Second,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second},
	}
	// Late is harmless: a closed session gives the transport no connection.
	_ = s.track(&idleCloser{t})
	return t
}

type idleCloser struct{ t *http.Transport }

func (c *idleCloser) Close() error { c.t.CloseIdleConnections(); return nil }
