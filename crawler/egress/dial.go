package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// DialContext connects to "host:port" if the rules allow it. It has the form
// that http.Transport wants. Errors are *Refused, *net.DNSError, or what the
// network said; Classify sorts them.
func (s *Session) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := s.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (s *Session) dial(ctx context.Context, network, address string) (*conn, error) {
	if !strings.HasPrefix(network, "tcp") {
		return nil, s.Refuse(address, "only TCP leaves here, not "+printable(network))
	}
	t, err := parseTarget(address)
	if err != nil {
		return nil, s.refusal(err)
	}
	if err := s.guard.checkTarget(t); err != nil {
		return nil, s.refusal(err)
	}
	ctx, cancel := s.bind(ctx, s.guard.cfg.DialTimeout)
	defer cancel()
	opened := s.guard.cfg.Now()
	c, remote, err := s.reach(ctx, t)
	if err != nil {
		if s.isClosed() {
			err = ErrClosed
		}
		if errors.Is(err, ErrRefused) {
			return nil, s.refusal(err)
		}
		outcome, text := Classify(err)
		s.record(Connection{
			Target: t.String(), Remote: remote, Via: s.upstream.String(), Opened: opened, Closed: s.guard.cfg.Now(),
			Failure: &capture.Failure{Outcome: outcome, Text: text},
		})
		return nil, err
	}
	return s.adopt(c, t, remote, opened)
}

// reach finds the addresses of a target and connects to one of them.
func (s *Session) reach(ctx context.Context, t target) (net.Conn, netip.AddrPort, error) {
	if o, ok := s.guard.findOverride(t); ok {
		to := netip.AddrPortFrom(o.addr, t.port)
		if o.port != 0 {
			to = netip.AddrPortFrom(o.addr, o.port)
		}
		s.answer(capture.DNSAnswer{Host: t.host, Addresses: []netip.Addr{o.addr}, At: s.guard.cfg.Now(), Override: true})
		c, err := dialTCP(ctx, to, nil)
		return c, to, err
	}
	addrs := []netip.Addr{t.addr}
	if !t.addr.IsValid() {
		var err error
		if addrs, err = s.resolve(ctx, t); err != nil {
			return nil, netip.AddrPort{}, err
		}
	}
	if s.upstream != nil {
		return s.upstream.reach(ctx, t, addrs)
	}
	return s.tryAll(ctx, t, addrs)
}

// maxTries bounds how many addresses of one name are tried.
const maxTries = 4

// tryAll tries checked addresses one after the other.
func (s *Session) tryAll(ctx context.Context, t target, addrs []netip.Addr) (net.Conn, netip.AddrPort, error) {
	addrs = addrs[:min(len(addrs), maxTries)]
	var to netip.AddrPort
	var first error
	for i, a := range addrs {
		to = netip.AddrPortFrom(a, t.port)
		c, err := func() (net.Conn, error) {
			ctx, cancel := share(ctx, len(addrs)-i)
			defer cancel()
			return dialTCP(ctx, to, s.guard.forbiddenAt)
		}()
		if err == nil {
			return c, to, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, to, first
}

// patience is how long an address may hold up the next one: a broken IPv6 must
// not cost a visit its time.
const patience = 3 * time.Second

// share is the time for one of n addresses; the last one has all that is left.
func share(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	if n < 2 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, patience)
}

// dialTCP connects to one address. The socket's own control function checks
// what is really about to be connected to; a nil rule means that the address
// comes from configuration.
func dialTCP(ctx context.Context, to netip.AddrPort, forbidden func(netip.AddrPort) string) (net.Conn, error) {
	d := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		got, err := netip.ParseAddrPort(address)
		if err != nil || netip.AddrPortFrom(got.Addr().Unmap(), got.Port()) != netip.AddrPortFrom(to.Addr().Unmap(), to.Port()) {
			return &Refused{to.String(), fmt.Sprintf("the socket was about to connect to %s instead", printable(address))}
		}
		if forbidden != nil {
			if r := forbidden(got); r != "" {
				return &Refused{to.String(), r}
			}
		}
		return nil
	}}
	return d.DialContext(ctx, "tcp", to.String())
}

func (s *Session) isClosed() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}
