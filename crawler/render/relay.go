package render

import (
	"io"
	"net"
	"sync"
)

// relay is the proxy of a browser context that was opened before it was known
// for which capture, and so through which proxy: it passes bytes on to one that
// is named later. Until then, and after close, nothing passes.
type relay struct {
	l net.Listener

	mu     sync.Mutex
	to     string
	conns  map[net.Conn]bool
	closed bool
}

func newRelay() (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{l: l, conns: map[net.Conn]bool{}}
	go r.serve()
	return r, nil
}

func (r *relay) addr() string { return r.l.Addr().String() }

func (r *relay) port() uint16 { return r.l.Addr().(*net.TCPAddr).AddrPort().Port() }

// bind names the proxy, once.
func (r *relay) bind(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = to
}

func (r *relay) serve() {
	for {
		c, err := r.l.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		to := r.to
		r.mu.Unlock()
		if to == "" || !r.hold(c) {
			c.Close()
			continue
		}
		go r.pass(c, to)
	}
}

// hold keeps a connection for close; false when it is too late.
func (r *relay) hold(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.conns[c] = true
	return true
}

func (r *relay) drop(c net.Conn) {
	r.mu.Lock()
	delete(r.conns, c)
	r.mu.Unlock()
	c.Close()
}

func (r *relay) pass(c net.Conn, to string) {
	defer r.drop(c)
	up, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	if !r.hold(up) {
		up.Close()
		return
	}
	defer r.drop(up)
	go func() {
		_, _ = io.Copy(up, c) // how it ended is seen by the proxy
		_ = up.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, up)
}

func (r *relay) close() {
	r.mu.Lock()
	r.closed = true
	conns := r.conns
	r.conns = map[net.Conn]bool{}
	r.mu.Unlock()
	r.l.Close()
	for c := range conns {
		c.Close()
	}
}
