package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"sync"
	"time"

	whatwg "github.com/nlnwa/whatwg-url/url"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/egress"
)

// recorder is the RoundTripper below colly: it keeps every exchange before
// anything above can change it.
type recorder struct {
	cfg       Config
	req       Request
	transport *http.Transport
	tls       *tls.Config
	hops      []*hop // colly asks for one after the other
}

// hop is one exchange with what is known of its making.
type hop struct {
	e       *capture.Exchange
	outcome capture.Outcome // of a body that did not come whole
	notes   []string
	decoded *decoder // what colly read
	file    string   // spooled body

	mu    sync.Mutex // the trace's callbacks come from the transport's goroutines
	wrote time.Time
	first time.Time
	sent  capture.Header
	tap   *tapConn
	state *tls.ConnectionState
}

func newRecorder(cfg Config, req Request) *recorder {
	r := &recorder{cfg: cfg, req: req, transport: req.Session.Transport()}
	r.tls = r.transport.TLSClientConfig.Clone()
	r.tls.NextProtos = []string{"h2", "http/1.1"}
	r.transport.DialContext = r.dial
	r.transport.DialTLSContext = r.dialTLS
	return r
}

func (r *recorder) close() { r.transport.CloseIdleConnections() }

func (r *recorder) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := r.req.Session.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &tapConn{Conn: c}, nil
}

// dialTLS does the handshake itself: an HTTP/1 connection is tapped above the
// encryption, where the heads can be read; an HTTP/2 one must stay a *tls.Conn.
func (r *recorder) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := r.req.Session.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	cfg := r.tls.Clone()
	cfg.ServerName, _, _ = net.SplitHostPort(addr)
	tc := tls.Client(c, cfg)
	hctx, cancel := context.WithTimeout(ctx, r.transport.TLSHandshakeTimeout)
	defer cancel()
	if err := tc.HandshakeContext(hctx); err != nil {
		c.Close()
		return nil, &handshakeError{err, c.RemoteAddr()}
	}
	state := tc.ConnectionState()
	if state.NegotiatedProtocol == "h2" {
		return tc, nil
	}
	return &tapConn{Conn: tc, state: &state}, nil
}

// handshakeError marks that the connection was there and TLS was not.
type handshakeError struct {
	err    error
	remote net.Addr
}

func (e *handshakeError) Error() string { return "TLS handshake: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// RoundTrip implements http.RoundTripper.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	h := &hop{e: &capture.Exchange{
		ID: r.req.NewID(), Via: "http", Kind: "document", Main: true,
		Started: r.cfg.Now(), Method: req.Method, URL: withoutFragment(req),
	}}
	r.hops = append(r.hops, h)
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), h.trace(r.cfg.Now)))
	resp, err := r.transport.RoundTrip(req)
	if err != nil {
		h.fail(err, req.Header)
		h.e.Finished = r.cfg.Now()
		return nil, err
	}
	h.answered(resp, req.Header)
	r.keepBody(req.Context(), h, resp)
	h.e.Finished = r.cfg.Now()
	return r.forColly(h, resp), nil
}

func withoutFragment(req *http.Request) string {
	u := *req.URL
	u.Fragment, u.RawFragment, u.User = "", "", nil
	return u.String()
}

// trace notes which connection serves the request and what was sent on it.
func (h *hop) trace(now func() time.Time) *httptrace.ClientTrace {
	locked := func(f func()) {
		h.mu.Lock()
		defer h.mu.Unlock()
		f()
	}
	return &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			locked(func() {
				h.sent = nil // a second attempt on another connection starts afresh
				h.e.Remote = addrPort(info.Conn.RemoteAddr())
				h.tap, _ = info.Conn.(*tapConn)
				if h.tap != nil {
					h.tap.start()
					h.state = h.tap.state
				}
			})
		},
		WroteHeaderField: func(name string, values []string) {
			locked(func() {
				switch {
				case name == ":authority":
					name = "Host"
				case strings.HasPrefix(name, ":"):
					return
				}
				for _, v := range values {
					h.sent = append(h.sent, capture.Field{Name: name, Value: v})
				}
			})
		},
		WroteRequest:         func(httptrace.WroteRequestInfo) { locked(func() { h.wrote = now() }) },
		GotFirstResponseByte: func() { locked(func() { h.first = now() }) },
	}
}

func addrPort(a net.Addr) netip.AddrPort {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{} // a proxy resolved it, nobody told us
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func (h *hop) firstByte() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wrote.IsZero() || h.first.IsZero() {
		return 0
	}
	return max(h.first.Sub(h.wrote), 0)
}

// fail records a request that got no answer.
func (h *hop) fail(err error, asked http.Header) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.e.RequestHeader = orElse(h.sent, asked)
	outcome, text := egress.Classify(err)
	var hs *handshakeError
	if errors.As(err, &hs) {
		h.e.Remote = addrPort(hs.remote)
		if outcome == capture.ConnectFailed {
			outcome, text = capture.TLSFailed, "during the TLS handshake "+text
		}
		var verify *tls.CertificateVerificationError
		if errors.As(err, &verify) {
			// What was presented is evidence, trusted or not.
			h.e.TLS = &capture.TLS{}
			for _, c := range verify.UnverifiedCertificates {
				h.e.TLS.Chain = append(h.e.TLS.Chain, c.Raw)
			}
		}
	}
	h.e.Failure = &capture.Failure{Outcome: outcome, Text: text}
}

// answered records the head of an answer.
func (h *hop) answered(resp *http.Response, asked http.Header) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.e
	e.RequestHeader = orElse(h.sent, asked)
	e.Status = resp.StatusCode
	_, e.StatusText, _ = strings.Cut(resp.Status, " ")
	e.Protocol = strings.ToLower(resp.Proto)
	if resp.ProtoMajor == 2 {
		e.Protocol = "h2"
	}
	e.ResponseHeader = fields(resp.Header)
	if h.tap != nil {
		if wire, ok := h.tap.head(resp); ok {
			e.ResponseHeader = wire
		}
	}
	state := h.state
	if resp.TLS != nil {
		state = resp.TLS
	}
	if state != nil {
		e.TLS = &capture.TLS{
			Version: tls.VersionName(state.Version),
			Cipher:  tls.CipherSuiteName(state.CipherSuite),
			ALPN:    state.NegotiatedProtocol,
		}
		for _, c := range state.PeerCertificates {
			e.TLS.Chain = append(e.TLS.Chain, c.Raw)
		}
	}
}

func orElse(sent capture.Header, asked http.Header) capture.Header {
	if len(sent) > 0 {
		return sent
	}
	return fields(asked)
}

// forColly is the answer as colly gets it: decompressed by us, within our
// limits, and with a type that keeps it from converting the character set.
func (r *recorder) forColly(h *hop, resp *http.Response) *http.Response {
	out := *resp
	out.Header = resp.Header.Clone()
	h.decoded = newDecoder(h.e, r.cfg)
	out.Body, out.ContentLength, out.Uncompressed = h.decoded, -1, true
	out.Header.Del("Content-Encoding")
	t, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if strings.Contains(strings.ToLower(t), "charset") {
		t = "application/octet-stream"
	}
	out.Header.Set("Content-Type", t)
	if loc := resp.Header.Get("Location"); loc != "" && isRedirect(resp.StatusCode) {
		// net/url fails where browsers do not: a space, a lone percent sign.
		if u, err := whatwg.ParseRef(h.e.URL, loc); err == nil {
			out.Header.Set("Location", u.Href(false))
		}
	}
	return &out
}

func isRedirect(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

func (r *recorder) exchanges() []*capture.Exchange {
	out := make([]*capture.Exchange, len(r.hops))
	for i, h := range r.hops {
		out[i] = h.e
	}
	return out
}

func (r *recorder) spooled() (files []string) {
	for _, h := range r.hops {
		if h.file != "" {
			files = append(files, h.file)
		}
	}
	return files
}
