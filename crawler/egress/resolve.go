package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// pin is the one lookup of a name in a session. Later connections use the same
// checked answer, so a name cannot change its mind within a visit.
type pin struct {
	done  chan struct{}
	addrs []netip.Addr
	err   error
}

// resolve gives the checked addresses of a name.
func (s *Session) resolve(ctx context.Context, t target) ([]netip.Addr, error) {
	s.mu.Lock()
	p := s.pins[t.host]
	if p == nil {
		p = &pin{done: make(chan struct{})}
		if s.closed {
			s.mu.Unlock()
			return nil, ErrClosed
		}
		if len(s.pins) >= maxNames {
			s.mu.Unlock()
			return nil, &Refused{t.String(), fmt.Sprintf("the visit already asked for %d names", maxNames)}
		}
		s.pins[t.host] = p
		// The lookup belongs to the session, not to the caller: one that gives
		// up must not fail the others that wait for the same name.
		s.wg.Go(func() { s.lookup(context.WithoutCancel(ctx), t, p) })
	}
	s.mu.Unlock()
	select {
	case <-p.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if p.err != nil {
		return nil, p.err
	}
	for _, a := range p.addrs {
		if r := s.guard.forbidden(a); r != "" {
			return nil, &Refused{t.String(), "the name " + t.host + " points to " + a.String() + ", " + r}
		}
	}
	return p.addrs, nil
}

func (s *Session) lookup(ctx context.Context, t target, p *pin) {
	defer close(p.done)
	ctx, cancel := s.bind(ctx, s.guard.cfg.DNSTimeout)
	defer cancel()
	at := s.guard.cfg.Now()
	addrs, err := s.ask(ctx, t.host)
	if err == nil && len(addrs) == 0 {
		err = &net.DNSError{Err: "no address", Name: t.host, IsNotFound: true}
	}
	if err != nil {
		// Failures are not kept: the next connection asks again.
		s.mu.Lock()
		delete(s.pins, t.host)
		s.mu.Unlock()
		p.err = asDNSError(err, t.host)
		return
	}
	p.addrs = make([]netip.Addr, len(addrs))
	for i, a := range addrs {
		p.addrs[i] = a.Unmap()
	}
	s.answer(capture.DNSAnswer{Host: t.host, Addresses: slices.Clone(p.addrs), At: at})
}

// maxAnswers bounds what one name may answer.
const maxAnswers = 64

func (s *Session) ask(ctx context.Context, host string) ([]netip.Addr, error) {
	// RFC 6761 section 6.3: these names never go to the DNS.
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}, nil
	}
	addrs, err := s.guard.cfg.Resolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(addrs) > maxAnswers {
		return nil, &net.DNSError{Err: "too many addresses", Name: host}
	}
	return addrs, err
}

// asDNSError makes sure that a failed lookup is known for one whatever the
// resolver returned.
func asDNSError(err error, host string) error {
	if e, ok := err.(*net.DNSError); ok {
		e2 := *e
		e2.Name = host // without the dot that was added to ask
		return &e2
	}
	return &net.DNSError{Err: err.Error(), Name: host, IsTimeout: isTimeout(err)}
}
