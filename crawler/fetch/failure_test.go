package fetch_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/egress"
	"github.com/trawlmark/trawlmark/crawler/fetch"
)

func TestStatusOutcomes(t *testing.T) {
	soon := time.Now().Add(90 * time.Second).UTC()
	for _, c := range []struct {
		status int
		header http.Header
		body   string
		want   capture.Outcome
		wait   time.Duration
	}{
		{200, nil, "x", "", 0},
		{200, nil, "", capture.Empty, 0},
		{204, nil, "", capture.Empty, 0},
		{404, nil, "gone", capture.Removed, 0},
		{410, nil, "gone", capture.Removed, 0},
		{403, nil, "who are you", capture.HTTPError, 0},
		{429, nil, "slow", capture.Throttled, 0},
		{429, http.Header{"Retry-After": {"120"}}, "slow", capture.Throttled, 2 * time.Minute},
		{503, http.Header{"Retry-After": {"99999999999999"}}, "slow", capture.Throttled, 30 * 24 * time.Hour},
		{503, http.Header{"Retry-After": {soon.Format(http.TimeFormat)}, "Date": {soon.Add(-time.Minute).Format(http.TimeFormat)}}, "slow", capture.Throttled, time.Minute},
		{503, http.Header{"Retry-After": {"Fri, 31 Dec 1999 23:59:59 GMT"}}, "slow", capture.Throttled, 0},
		{503, http.Header{"Retry-After": {"-5"}}, "slow", capture.Throttled, 0},
		{503, nil, "broken", capture.HTTPError, 0},
		{500, nil, "", capture.HTTPError, 0},
		{304, nil, "", capture.HTTPError, 0}, // nobody asked
	} {
		srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range c.header {
				w.Header()[k] = v
			}
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		res, _ := get(t, fetch.Config{}, egress.Config{}, srv.URL, nil)
		if res.Outcome != c.want || res.Status != c.status || res.RetryAfter != c.wait || string(res.Body) != c.body {
			t.Errorf("%d %v: %q, wait %v, body %q; want %q, %v", c.status, c.header, res.Outcome, res.RetryAfter, res.Body, c.want, c.wait)
		}
	}
}

func TestConditional(t *testing.T) {
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") == `W/"7"` && r.Header.Get("If-Modified-Since") == "Mon, 02 Jan 2006 15:04:05 GMT" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(w, "new")
	})
	res, _ := get(t, fetch.Config{}, egress.Config{}, srv.URL, func(r *fetch.Request) {
		r.Conditional = fetch.Conditional{ETag: `W/"7"`, LastModified: "Mon, 02 Jan 2006 15:04:05 GMT"}
	})
	if res.Outcome != capture.NotModified || res.Exchanges[0].Body != nil {
		t.Errorf("%+v", res)
	}
}

func TestSlowServers(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	cfg := fetch.Config{Deadline: 150 * time.Millisecond}
	for name, url := range map[string]string{
		"no answer": raw(t, "", hold), "half a head": raw(t, "HTTP/1.1 200 OK\r\nContent-", hold),
		"no handshake": strings.Replace(raw(t, "", hold), "http:", "https:", 1),
	} {
		began := time.Now()
		res, _ := get(t, cfg, egress.Config{}, url, nil)
		if res.Outcome != capture.Timeout || res.Status != 0 || len(res.Exchanges) != 1 {
			t.Errorf("%s: %q %q", name, res.Outcome, res.Evidence)
		}
		if d := time.Since(began); d > time.Minute {
			t.Errorf("%s: took %v", name, d)
		}
	}
	// A body that drips for ever ends at the deadline with what came.
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			io.WriteString(w, "drip ")
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	})
	cfg.Deadline = 3 * time.Second // time for two drips, were the machine busy
	res, _ := get(t, cfg, egress.Config{}, srv.URL, nil)
	if res.Outcome != capture.Timeout || res.Exchanges[0].Truncated != capture.ByTime || !strings.HasPrefix(string(res.Body), "drip drip ") {
		t.Errorf("drip: %q, %d bytes, %q", res.Outcome, len(res.Body), res.Exchanges[0].Truncated)
	}
	// A cancelled visit ends at once.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g, _ := egress.New(egress.Config{Allow: outside})
	s := g.Session()
	defer s.Close()
	res = fetch.New(fetch.Config{}).Fetch(ctx, fetch.Request{URL: srv.URL, Session: s, NewID: func() capture.ID { return capture.ID{1} }})
	if res.Outcome != capture.Timeout {
		t.Errorf("cancelled: %q %q", res.Outcome, res.Evidence)
	}
}

func TestFailures(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	gone := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return "http://" + l.Addr().String()
	}()
	for url, want := range map[string]capture.Outcome{
		"http://does-not-exist.invalid/":   capture.DNSFailed,
		gone:                               capture.ConnectFailed,
		secure.URL:                         capture.TLSFailed,
		raw(t, "", nil):                    capture.ConnectFailed,
		raw(t, "SSH-2.0-OpenSSH\r\n", nil): capture.ConnectFailed,
		strings.Replace(raw(t, "", nil), "http:", "https:", 1): capture.TLSFailed,
	} {
		res, _ := get(t, fetch.Config{}, egress.Config{Resolver: noNames{}}, url, nil)
		if res.Outcome != want || len(res.Exchanges) != 1 || res.Exchanges[0].Failure.Outcome != want || res.Body != nil {
			t.Errorf("%s: %q %q, want %q", url, res.Outcome, res.Evidence, want)
		}
		if url == secure.URL {
			// What could not be trusted is evidence all the same.
			e := res.Exchanges[0]
			if e.TLS == nil || len(e.TLS.Chain) != 1 || !bytes.Equal(e.TLS.Chain[0], secure.Certificate().Raw) || !e.Remote.IsValid() {
				t.Errorf("the untrusted chain was not kept: %+v", e)
			}
		}
	}
}

type noNames struct{}

func (noNames) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func TestTLSAndHTTP2(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-B", "1")
			w.Header().Set("X-A", "2")
			if r.URL.Path == "/" {
				http.Redirect(w, r, "/page", http.StatusSeeOther)
				return
			}
			w.Header().Set("Content-Encoding", "br")
			w.Write(compressed(t, "br", r.Proto+" "+r.Host))
		}))
		srv.EnableHTTP2 = h2
		srv.StartTLS()
		proto, alpn, body := "http/1.1", "http/1.1", "HTTP/1.1 "
		if h2 {
			proto, alpn, body = "h2", "h2", "HTTP/2.0 "
		}
		res, s := get(t, fetch.Config{}, egress.Config{ExtraCAs: []*x509.Certificate{srv.Certificate()}}, srv.URL, nil)
		host := strings.TrimPrefix(srv.URL, "https://")
		if string(res.Body) != body+host || res.Outcome != "" || len(res.Exchanges) != 2 {
			t.Fatalf("h2=%v: %q %q %q", h2, res.Body, res.Outcome, res.Evidence)
		}
		for _, e := range res.Exchanges {
			if e.Protocol != proto || e.TLS == nil || e.TLS.ALPN != alpn || e.TLS.Version != "TLS 1.3" || e.TLS.Cipher == "" ||
				len(e.TLS.Chain) != 1 || !bytes.Equal(e.TLS.Chain[0], srv.Certificate().Raw) || e.Remote.String() != host {
				t.Errorf("h2=%v: %+v, TLS %+v", h2, e, e.TLS)
			}
			if got := e.RequestHeader.Get("Host"); got != host {
				t.Errorf("h2=%v: host %q in %+v", h2, got, e.RequestHeader)
			}
			for _, f := range e.RequestHeader {
				if strings.HasPrefix(f.Name, ":") {
					t.Errorf("h2=%v: pseudo field %+v", h2, f)
				}
			}
		}
		if n := len(s.Connections()); n != 1 {
			t.Errorf("h2=%v: %d connections for one host", h2, n)
		}
		srv.Close()
	}
}
