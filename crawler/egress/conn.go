package egress

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// conn is a connection of a session: counted, bounded, and closed with it.
type conn struct {
	net.Conn
	session *Session
	entry   *Connection
	remote  net.Addr
	once    sync.Once
}

// adopt takes a fresh connection into the session.
func (s *Session) adopt(c net.Conn, t target, remote netip.AddrPort, opened time.Time) (*conn, error) {
	out := &conn{Conn: c, session: s, remote: c.RemoteAddr()}
	if s.upstream != nil {
		// The peer of the socket is the proxy; what is meant is the site.
		out.remote = named(t.String())
		if remote.IsValid() {
			out.remote = net.TCPAddrFromAddrPort(remote)
		}
	}
	out.entry = s.record(Connection{Target: t.String(), Remote: remote, Via: s.upstream.String(), Opened: opened})
	if err := s.track(out); err != nil {
		out.Close()
		return nil, err
	}
	return out, nil
}

// named is the address of a peer that an upstream proxy resolved.
type named string

func (named) Network() string  { return "tcp" }
func (n named) String() string { return string(n) }

func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.account(0, n) {
		return n, ErrCut
	}
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if !c.account(n, 0) {
		return n, ErrCut
	}
	return n, err
}

// account adds to the counters; false when the session's budget is used up,
// which ends the connection.
func (c *conn) account(sent, received int) bool {
	s := c.session
	total := s.moved.Add(int64(sent + received))
	s.mu.Lock()
	c.entry.Sent += int64(sent)
	c.entry.Received += int64(received)
	s.mu.Unlock()
	if total <= s.guard.cfg.MaxBytes {
		return true
	}
	c.once.Do(func() {
		s.cut("bytes", c.entry.Target, ErrCut.Error())
		c.end()
	})
	return false
}

// failed notes on the record why a connection that was made gave no whole answer.
func (c *conn) failed(err error) {
	outcome, text := Classify(err)
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	if c.entry.Failure == nil {
		c.entry.Failure = &capture.Failure{Outcome: outcome, Text: text}
	}
}

// CloseWrite tells the peer that nothing more will come.
func (c *conn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (c *conn) Close() error {
	var err error
	c.once.Do(func() { err = c.end() })
	return err
}

func (c *conn) end() error {
	s := c.session
	s.mu.Lock()
	c.entry.Closed = s.guard.cfg.Now()
	delete(s.open, c)
	s.mu.Unlock()
	return c.Conn.Close()
}
