package main

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// faultProxy stands in front of a server and does harm to its connections.
type faultProxy struct {
	Addr string

	dial   func() (net.Conn, error)
	ln     net.Listener
	mu     sync.Mutex
	conns  map[net.Conn]bool
	down   bool          // connections are cut and refused
	delay  time.Duration // before each piece that a client sends
	poison []byte        // a piece that holds this cuts its connection instead
	hits   int           // how often it did
}

// newFaultProxy listens on a free port for a server at network and addr.
func newFaultProxy(t testing.TB, network, addr string) *faultProxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &faultProxy{
		Addr: ln.Addr().String(), ln: ln, conns: map[net.Conn]bool{},
		dial: func() (net.Conn, error) { return net.DialTimeout(network, addr, 5*time.Second) },
	}
	go p.serve()
	t.Cleanup(func() { ln.Close(); p.set(func() { p.down = true }); p.cut() })
	return p
}

func (p *faultProxy) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// stop cuts every connection and refuses new ones until start.
func (p *faultProxy) stop()  { p.set(func() { p.down = true }); p.cut() }
func (p *faultProxy) start() { p.set(func() { p.down = false }) }

// slow delays everything that clients send; 0 ends it.
func (p *faultProxy) slow(d time.Duration) { p.set(func() { p.delay = d }) }

// poisoned cuts the connection on which a client sends bytes with this in
// them, before the server gets them; nil ends it. It gives how often the
// earlier poison worked.
func (p *faultProxy) poisoned(b []byte) (hits int) {
	p.set(func() { hits, p.hits, p.poison = p.hits, 0, b })
	return hits
}

// cut ends the connections there are.
func (p *faultProxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *faultProxy) serve() {
	for {
		c, err := p.ln.Accept()
		if err != nil {
			return
		}
		go p.carry(c)
	}
}

func (p *faultProxy) carry(client net.Conn) {
	defer client.Close()
	if !p.keep(client) {
		return
	}
	defer p.forget(client)
	server, err := p.dial()
	if err != nil || !p.keep(server) {
		return
	}
	defer p.forget(server)
	defer server.Close()
	go func() {
		io.Copy(client, server)
		client.Close()
		server.Close()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if n > 0 {
			if !p.admit(buf[:n]) {
				return
			}
			if _, err := server.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// keep registers a connection; false when none is to be.
func (p *faultProxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *faultProxy) forget(c net.Conn) { p.set(func() { delete(p.conns, c) }) }

// admit waits what a piece is to be delayed; false cuts the connection.
func (p *faultProxy) admit(b []byte) bool {
	p.mu.Lock()
	delay, bad := p.delay, p.poison != nil && bytes.Contains(b, p.poison)
	if bad {
		p.hits++
	}
	p.mu.Unlock()
	if delay > 0 {
		time.Sleep(delay)
	}
	return !bad
}

// through is a database's URL with the server replaced by a proxy, which is
// made in front of the server that the URL names.
func through(t testing.TB, rawURL string) (*faultProxy, string) {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	network, addr := "tcp", u.Host
	if dir := q.Get("host"); dir != "" {
		network, addr = "unix", dir+"/.s.PGSQL.5432"
	}
	p := newFaultProxy(t, network, addr)
	q.Del("host")
	q.Set("sslmode", "disable")
	u.Host, u.RawQuery = p.Addr, q.Encode()
	return p, u.String()
}
