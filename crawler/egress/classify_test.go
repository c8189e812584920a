package egress_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/egress"
)

// Errors as the network really makes them, not as we would write them.
func TestClassify(t *testing.T) {
	quiet := log.New(io.Discard, "", 0)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = quiet
	secure.StartTLS()
	defer secure.Close()
	picky := httptest.NewUnstartedServer(http.NotFoundHandler())
	picky.Config.ErrorLog = quiet
	picky.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}
	picky.StartTLS()
	defer picky.Close()
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.Config.ErrorLog = quiet
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.StartTLS()
	defer old.Close()
	stop := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	defer slow.Close()
	defer close(stop)
	plain, _ := rawServer(t, "")
	half, _ := rawServer(t, "HTTP/1.1 200 OK\r\nContent-Le")
	closed := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}()
	g, err := egress.New(egress.Config{
		Allow: outside, Resolver: table("shop.example", "127.0.0.1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	trusting, err := egress.New(egress.Config{
		Allow: outside, Resolver: table("wrong.name", "127.0.0.1"),
		ExtraCAs: []*x509.Certificate{secure.Certificate(), picky.Certificate(), old.Certificate()},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(secure.Listener.Addr().String())
	for _, c := range []struct {
		guard *egress.Guard
		url   string
		want  capture.Outcome
		text  string
	}{
		{g, "http://nowhere.example/", capture.DNSFailed, "nowhere.example does not exist"},
		{g, "http://" + closed, capture.ConnectFailed, "refused the connection"},
		{g, "http://10.0.0.1/", capture.BlockedAddr, "a private address"},
		{g, secure.URL, capture.TLSFailed, "not trusted"},
		{trusting, "https://wrong.name:" + port, capture.TLSFailed, "another name"},
		{trusting, picky.URL, capture.TLSFailed, "secure connection"},
		{trusting, old.URL, capture.TLSFailed, "secure connection"},
		{g, "https://" + slow.Listener.Addr().String(), capture.TLSFailed, "does not speak TLS"},
		{g, slow.URL, capture.Timeout, "no answer in time"},
		{g, "http://" + plain, capture.ConnectFailed, "closed the connection"},
		{g, "http://" + half, capture.ConnectFailed, "the connection failed"},
	} {
		limit := 2 * time.Minute // a busy machine must not turn every kind into this one
		if c.want == capture.Timeout {
			limit = 300 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		s := c.guard.Session()
		req, err := http.NewRequestWithContext(ctx, "GET", c.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = (&http.Client{Transport: s.Transport()}).Do(req)
		got, text := egress.Classify(err)
		if got != c.want || !strings.Contains(text, c.text) {
			t.Errorf("%s: %q, %q (from %v), want %q, %q", c.url, got, text, err, c.want, c.text)
		}
		cancel()
		s.Close()
	}
	if o, text := egress.Classify(nil); o != "" || text != "" {
		t.Errorf("nil gives %q, %q", o, text)
	}
	if o, _ := egress.Classify(context.Canceled); o != capture.Timeout {
		t.Errorf("a cancelled visit gives %q", o)
	}
	_, text := egress.Classify(fmt.Errorf("odd\n\x1b[31m http://u:pw@host/ %s", strings.Repeat("x", 1000)))
	if strings.ContainsAny(text, "\n\x1b") || strings.Contains(text, "pw@") || len(text) > 400 {
		t.Errorf("not fit for a record: %q", text)
	}
}
