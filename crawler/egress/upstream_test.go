package egress_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/egress"
)

// httpProxy is an upstream proxy that asks for a password and tunnels to one
// place whatever it is asked for.
func httpProxy(t *testing.T, to string) (addr string, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Method+" "+r.RequestURI)
		mu.Unlock()
		if r.Header.Get("Proxy-Authorization") != "Basic dXNlcjpodW50ZXIy" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		site, err := net.Dial("tcp", to)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		c, rw, _ := http.NewResponseController(w).Hijack()
		go func() { io.Copy(site, rw); site.Close() }()
		io.Copy(c, site)
		c.Close()
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), seen...)
	}
}

// socksProxy speaks as much of RFC 1928 and RFC 1929 as a client needs.
func socksProxy(t *testing.T, to string) (addr string, asked func() []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var seen []string
	var wg sync.WaitGroup
	serve := func(c net.Conn) {
		defer c.Close()
		r := bufio.NewReader(c)
		take := func(n int) []byte { b := make([]byte, n); io.ReadFull(r, b); return b }
		take(int(take(2)[1]))
		c.Write([]byte{5, 2})
		user := string(take(int(take(2)[1])))
		pass := string(take(int(take(1)[0])))
		if user != "user" || pass != "hunter2" {
			c.Write([]byte{1, 1})
			return
		}
		c.Write([]byte{1, 0})
		var host string
		switch take(4)[3] {
		case 1:
			host = net.IP(take(4)).String()
		case 3:
			host = string(take(int(take(1)[0])))
		}
		port := take(2)
		mu.Lock()
		seen = append(seen, fmt.Sprintf("%s:%d", host, int(port[0])<<8|int(port[1])))
		mu.Unlock()
		site, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer site.Close()
		c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		go func() { io.Copy(site, r); site.Close() }()
		io.Copy(c, site)
	}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), seen...)
	}
}

func TestUpstream(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "by "+r.Host) }))
	defer srv.Close()
	to := srv.Listener.Addr().String()
	for _, c := range []struct{ scheme, asked, remote string }{
		{"http", "CONNECT 93.184.216.34:80", "93.184.216.34:80"},
		{"httph", "CONNECT shop.example:80", "invalid AddrPort"},
		{"socks5", "93.184.216.34:80", "93.184.216.34:80"},
		{"socks5h", "shop.example:80", "invalid AddrPort"},
	} {
		t.Run(c.scheme, func(t *testing.T) {
			start := httpProxy
			if strings.HasPrefix(c.scheme, "socks") {
				start = socksProxy
			}
			addr, asked := start(t, to)
			up, err := egress.ParseUpstream(c.scheme + "://user:hunter2@" + addr)
			if err != nil {
				t.Fatal(err)
			}
			s := newSession(t, egress.Config{
				Upstream: up,
				Resolver: table("shop.example", "93.184.216.34", "inside.example", "10.0.0.1"),
			})
			client := &http.Client{Transport: s.Transport()}
			resp, err := client.Get("http://shop.example/")
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if string(b) != "by shop.example" {
				t.Errorf("got %q", b)
			}
			if got := asked(); len(got) != 1 || got[0] != c.asked {
				t.Errorf("the upstream was asked for %q, want %q", got, c.asked)
			}
			conns := s.Connections()
			if len(conns) != 1 || conns[0].Remote.String() != c.remote || conns[0].Via != c.scheme+"://<secret>@"+addr {
				t.Errorf("connections: %+v", conns)
			}
			// What is forbidden is not even asked of the upstream.
			for _, u := range []string{"http://inside.example/", "http://127.0.0.1/", "http://10.1.1.1/"} {
				if _, err := client.Get(u); !errors.Is(err, egress.ErrRefused) {
					t.Errorf("%s: %v", u, err)
				}
			}
			if len(asked()) != 1 {
				t.Errorf("the upstream was asked for %q", asked())
			}
		})
	}
}

func TestUpstreamCredentialsNeverPrint(t *testing.T) {
	addr, _ := httpProxy(t, "127.0.0.1:1")
	wrong, err := egress.ParseUpstream("http://user:s3cr3t@" + addr)
	if err != nil {
		t.Fatal(err)
	}
	refusing, _ := httpProxy(t, "127.0.0.1:1")
	gone, _ := egress.ParseUpstream("socks5://user:s3cr3t@127.0.0.1:1")
	tlsless, _ := egress.ParseUpstream("https://user:s3cr3t@" + refusing)
	var out bytes.Buffer
	for _, up := range []*egress.Upstream{wrong, gone, tlsless} {
		fmt.Fprintf(&out, "%v %+v %#v %s %q %d\n", up, up, up, up, up, up)
		fmt.Fprintf(&out, "%v %+v %#v\n", egress.Config{Upstream: up}, egress.Config{Upstream: up}, &egress.Config{Upstream: up})
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "up", up)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "up", up)
		json.NewEncoder(&out).Encode(up)
		s := newSession(t, egress.Config{Upstream: up, Resolver: table("shop.example", "93.184.216.34")})
		_, err := s.DialContext(t.Context(), "tcp", "shop.example:80")
		if err == nil {
			t.Errorf("%v: no error", up)
		}
		o, text := egress.Classify(err)
		if o != capture.ConnectFailed && o != capture.TLSFailed {
			t.Errorf("%v: %v is classified as %q", up, err, o)
		}
		fmt.Fprintln(&out, err, text, s.Connections(), s.Upstream())
	}
	for _, bad := range []string{
		"http://user:s3cr3t@host", "ftp://user:s3cr3t@host:1", "http://user:s3cr3t@host:1/path", "http://user:s3cr3t@ho st:1",
		"http://user:s3cr3t@[::1:1", "user:s3cr3t@host:1", "http://:s3cr3t@:80", "http://u:s3cr3t@host:1?x",
	} {
		if _, err := egress.ParseUpstream(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		} else {
			fmt.Fprintln(&out, err)
		}
	}
	if strings.Contains(out.String(), "s3cr3t") || strings.Contains(out.String(), "c3IzdA") {
		t.Errorf("a password was printed:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "<secret>@") {
		t.Error("nothing was printed at all")
	}
}
