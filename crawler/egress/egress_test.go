package egress_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/egress"
)

// The network of these tests is the loopback one: 127.0.0.1 is allowed by
// configuration and plays the internet, 127.0.0.2 is not and plays the inside.
var outside = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

// inside listens on a forbidden address and counts who comes.
type inside struct {
	addr  netip.AddrPort
	count atomic.Int64
}

func listenInside(t *testing.T) *inside {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatalf("the tests need 127.0.0.2: %v", err)
	}
	in := &inside{addr: l.Addr().(*net.TCPAddr).AddrPort()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			in.count.Add(1)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return in
}

func (in *inside) mustBeUntouched(t *testing.T) {
	t.Helper()
	if n := in.count.Load(); n != 0 {
		t.Errorf("%d connections reached the forbidden address", n)
	}
}

// names is a resolver that answers from a table; a name with several rows
// answers with the next row each time.
type names struct {
	mu    sync.Mutex
	rows  map[string][][]string
	asked int
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	rows, ok := n.rows[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if len(rows) > 1 {
		n.rows[host] = rows[1:]
	}
	var out []netip.Addr
	for _, a := range rows[0] {
		out = append(out, netip.MustParseAddr(a))
	}
	return out, nil
}

func table(pairs ...string) *names {
	n := &names{rows: map[string][][]string{}}
	for i := 0; i < len(pairs); i += 2 {
		n.rows[pairs[i]] = append(n.rows[pairs[i]], strings.Fields(pairs[i+1]))
	}
	return n
}

func newSession(t *testing.T, cfg egress.Config) *egress.Session {
	t.Helper()
	if cfg.Resolver == nil {
		cfg.Resolver = table("shop.example", "127.0.0.1")
	}
	g, err := egress.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := g.Session()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the session: %v", err)
		}
	})
	return s
}

func TestDialRefusesEverySpellingOfTheInside(t *testing.T) {
	in := listenInside(t)
	port := in.addr.Port()
	for _, host := range []string{
		"127.0.0.2", "127.0.0.2.", "2130706434", "0x7f000002", "0x7f.0.0.2", "0177.0.0.2", "127.2", "127.0.2", "017700000002",
		"[::ffff:127.0.0.2]", "[::ffff:7f00:2]", "[::127.0.0.2]", "[64:ff9b::127.0.0.2]", "[2002:7f00:2::]",
		"[fe80::1%25lo]", "[::ffff:127.0.0.2%lo]", "１２７.０.０.２", "127。0。0。2", "①②⑦.0.0.2",
		"user@127.0.0.2", "shop.example@127.0.0.2", "127.0.0.2#shop.example", "127.0.0.2%00.shop.example", "127.0.0.2\x00",
		"0.0.0.0", "[::]", "[::1]", "localhost", "localhost.", "a.localhost", "LOCALHOST", "169.254.169.254", "[fd00:ec2::254]",
		"inside.example", "INSIDE.example.", "mixed.example", "mapped.example", "shop.example.", "..", "", "*",
	} {
		s := newSession(t, egress.Config{
			Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")},
			Resolver: table("inside.example", "127.0.0.2", "mixed.example", "93.184.216.34 127.0.0.2",
				"mapped.example", "::ffff:127.0.0.2", "shop.example", "10.0.0.1"),
		})
		c, err := s.DialContext(t.Context(), "tcp", fmt.Sprintf("%s:%d", host, port))
		if err == nil {
			c.Close()
			t.Errorf("%q was connected to", host)
			continue
		}
		var r *egress.Refused
		if !errors.As(err, &r) || !errors.Is(err, egress.ErrRefused) || r.Reason == "" {
			t.Errorf("%q: %v, want a refusal", host, err)
		}
		if o, _ := egress.Classify(err); o != capture.BlockedAddr {
			t.Errorf("%q is classified as %q", host, o)
		}
		if n := len(s.Refusals()); n != 1 {
			t.Errorf("%q: %d refusals recorded, want 1", host, n)
		}
	}
	in.mustBeUntouched(t)
}

func TestNameThatChangesItsAnswer(t *testing.T) {
	in := listenInside(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "outside") }))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	// 1. harmless, then inside: the second question is never asked.
	dns := table("flip.example", "127.0.0.1", "flip.example", "127.0.0.2")
	g, err := egress.New(egress.Config{Allow: outside, Resolver: dns})
	if err != nil {
		t.Fatal(err)
	}
	s := g.Session()
	for range 3 {
		c, err := s.DialContext(t.Context(), "tcp", "flip.example:"+port)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.RemoteAddr().String(); got != "127.0.0.1:"+port {
			t.Errorf("connected to %s", got)
		}
		c.Close()
	}
	if dns.asked != 1 {
		t.Errorf("the name was asked for %d times in one session", dns.asked)
	}
	if a := s.DNS(); len(a) != 1 || a[0].Host != "flip.example" || a[0].Addresses[0].String() != "127.0.0.1" || a[0].At.IsZero() || a[0].Override {
		t.Errorf("recorded answers: %+v", a)
	}
	s.Close()
	// 2. the next session gets the new answer, and refuses it.
	s = g.Session()
	defer s.Close()
	_, err = s.DialContext(t.Context(), "tcp", net.JoinHostPort("flip.example", fmt.Sprint(in.addr.Port())))
	if !errors.Is(err, egress.ErrRefused) || !strings.Contains(err.Error(), "127.0.0.2") {
		t.Errorf("the changed answer gave %v", err)
	}
	in.mustBeUntouched(t)
}

func TestRedirectToTheInside(t *testing.T) {
	in := listenInside(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+in.addr.String()+"/secret", http.StatusFound)
	}))
	defer srv.Close()
	s := newSession(t, egress.Config{Allow: outside})
	_, err := (&http.Client{Transport: s.Transport()}).Get(srv.URL)
	if !errors.Is(err, egress.ErrRefused) {
		t.Errorf("got %v", err)
	}
	if r := s.Refusals(); len(r) != 1 || r[0].Target != in.addr.String() || r[0].Reason != "a loopback address" {
		t.Errorf("refusals: %+v", r)
	}
	in.mustBeUntouched(t)
}

func TestPortsAndProtocols(t *testing.T) {
	g, err := egress.New(egress.Config{AllowPorts: []uint16{6379}})
	if err != nil {
		t.Fatal(err)
	}
	for target, ok := range map[string]bool{
		"shop.example:80": true, "shop.example:443": true, "shop.example:8080": true, "shop.example:8443": true, "shop.example:3000": true,
		"shop.example:25": false, "shop.example:22": false, "shop.example:5432": false, "shop.example:11211": false, "shop.example:10080": false,
		"shop.example:6379": true, // by configuration
		"shop.example:0":    false, "shop.example:65536": false, "shop.example:http": false, "shop.example:": false,
		"shop.example": false, "shop.example:+80": false, "shop.example:80 ": false, "93.184.216.34:443": true, "10.1.1.1:443": false,
		"xn--mnchen-3ya.example:443": true, "münchen.example:443": true, "a_b.example:443": true, "-a.example:443": true,
		"1.2.3.4.example:443": true, "example.123:443": false, "example.0x1:443": false,
	} {
		err := g.Check(target)
		if (err == nil) != ok {
			t.Errorf("%q: %v, want ok=%v", target, err, ok)
		}
	}
	s := newSession(t, egress.Config{Allow: outside})
	for _, network := range []string{"udp", "unix", "ip", ""} {
		if _, err := s.DialContext(t.Context(), network, "127.0.0.1:9999"); !errors.Is(err, egress.ErrRefused) {
			t.Errorf("network %q gave %v", network, err)
		}
	}
}

func TestOverride(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) }))
	defer srv.Close()
	to := srv.Listener.Addr().String()
	ip, port, _ := net.SplitHostPort(to)
	s := newSession(t, egress.Config{Override: map[string]string{
		"Exact.example:80": to, "any.example": to, "*.wild.example": to, "same.example": ip,
	}})
	client := &http.Client{Transport: s.Transport()}
	for _, u := range []string{
		"http://exact.example/", "http://any.example:8081/", "http://a.b.wild.example/", "http://same.example:" + port + "/",
	} {
		resp, err := client.Get(u)
		if err != nil {
			t.Errorf("%s: %v", u, err)
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !strings.Contains(u, string(body)) {
			t.Errorf("%s: the server saw host %q", u, body)
		}
	}
	for _, a := range s.DNS() {
		if !a.Override || a.Addresses[0].String() != ip {
			t.Errorf("recorded %+v", a)
		}
	}
	if n := len(s.DNS()); n != 4 {
		t.Errorf("%d answers recorded, want 4", n)
	}
	if _, err := client.Get("http://wild.example/"); err == nil {
		t.Error("*.wild.example also matched wild.example")
	}
	// An override does not open a port that is blocked.
	if _, err := s.DialContext(t.Context(), "tcp", "any.example:25"); !errors.Is(err, egress.ErrRefused) {
		t.Errorf("port 25 by override: %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for key, cfg := range map[string]egress.Config{
		"egress.override":     {Override: map[string]string{"a": "b"}},
		"egress.allow":        {Allow: []netip.Prefix{{}}},
		"egress.dial_timeout": {DialTimeout: -1},
		"egress.max_tunnels":  {MaxTunnels: -1},
		"egress.max_bytes":    {MaxBytes: -1},
	} {
		if _, err := egress.New(cfg); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestOwnPublicAddressIsInside(t *testing.T) {
	own := netip.MustParseAddr("93.184.216.34")
	g, err := egress.New(egress.Config{OwnAddresses: []netip.Addr{own}})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Check("93.184.216.34:443"); err == nil || !strings.Contains(err.Error(), "this machine") {
		t.Errorf("got %v", err)
	}
	if err := g.Check("[::ffff:93.184.216.34]:443"); err == nil {
		t.Error("the mapped form was let through")
	}
}

func TestRecordsAreBounded(t *testing.T) {
	s := newSession(t, egress.Config{})
	for i := range 700 {
		s.Refuse(fmt.Sprintf("http://user:pass@10.0.0.1:%d/\x1b[31m", i), "no")
	}
	r := s.Refusals()
	if len(r) != 501 || !strings.Contains(r[500].Reason, "200 more") {
		t.Errorf("%d refusals listed, the last one %+v", len(r), r[len(r)-1])
	}
	if strings.Contains(r[0].Target, "pass") || strings.ContainsRune(r[0].Target, 0x1b) {
		t.Errorf("not fit for a record: %q", r[0].Target)
	}
}

func TestCloseEndsWhatHangs(t *testing.T) {
	hang := make(chan struct{})
	s := newSession(t, egress.Config{Resolver: hanging{hang}, Allow: outside})
	errs := make(chan error, 1)
	go func() {
		_, err := s.DialContext(context.Background(), "tcp", "slow.example:80")
		errs <- err
	}()
	<-hang // the lookup is under way
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	select {
	case err := <-errs:
		if err == nil {
			t.Error("a dial succeeded on a closed session")
		}
	case <-time.After(time.Minute):
		t.Fatal("a dial outlived its session")
	}
	if _, err := s.DialContext(t.Context(), "tcp", "127.0.0.1:80"); !errors.Is(err, egress.ErrClosed) {
		t.Errorf("a dial after Close gave %v", err)
	}
	if _, err := s.Proxy(t.Context()); !errors.Is(err, egress.ErrClosed) {
		t.Errorf("a proxy after Close gave %v", err)
	}
}

// hanging answers when its context ends.
type hanging struct{ started chan struct{} }

func (h hanging) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	close(h.started)
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestByteBudget(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(make([]byte, 1<<20))
	}))
	defer srv.Close()
	s := newSession(t, egress.Config{Allow: outside, MaxBytes: 100 << 10})
	resp, err := (&http.Client{Transport: s.Transport()}).Get(srv.URL)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	if o, text := egress.Classify(err); o != capture.TooLarge {
		t.Errorf("got %v: %s %s", err, o, text)
	}
	if c := s.Cuts(); len(c) != 1 || c[0].What != "bytes" || c[0].Reason == "" {
		t.Errorf("cuts: %+v", c)
	}
	if conns := s.Connections(); len(conns) != 1 || conns[0].Received < 100<<10 || conns[0].Received > 200<<10 || conns[0].Closed.IsZero() {
		t.Errorf("connections: %+v", conns)
	}
}
