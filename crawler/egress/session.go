package egress

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Bounds on what one session records: a page that makes a million requests
// must not fill the memory. What is past them is counted, not dropped silently.
const (
	maxRefusals    = 500
	maxConnections = 2000
	maxNames       = 1000
	maxCuts        = 100
)

// closeWait bounds how long Close waits for goroutines to notice.
const closeWait = 5 * time.Second

var (
	// ErrClosed is the error of everything that is asked of a closed session.
	ErrClosed = errors.New("the visit's way out is closed")
	// ErrCut is the error of a connection that was ended by MaxBytes.
	ErrCut = errors.New("the visit moved more bytes than it may")
)

// Connection is one connection that was made or tried.
type Connection struct {
	Target   string         // host:port as asked
	Remote   netip.AddrPort // the address it went to; invalid when none was found
	Via      string         // upstream proxy, without credentials; "" when direct
	Opened   time.Time
	Closed   time.Time // zero while open
	Sent     int64     // bytes
	Received int64     // bytes
	// Failure is why it was not made, or, of plain HTTP through the proxy, why
	// it gave no whole answer.
	Failure *capture.Failure
}

type closer interface{ Close() error }

// Session is one visit's way out. It is safe for concurrent use.
type Session struct {
	guard    *Guard
	upstream *Upstream
	done     chan struct{} // closed by Close
	slots    chan struct{} // one per proxied connection
	wg       sync.WaitGroup
	moved    atomic.Int64 // bytes, both directions

	mu        sync.Mutex
	closed    bool
	proxy     string // address of the proxy, once started
	clients   int    // connections to the proxy
	open      map[closer]struct{}
	pins      map[string]*pin
	dns       []capture.DNSAnswer
	refusals  []capture.Refusal
	cuts      []capture.Missing
	records   []*Connection
	moreNames int // what the bounds above left out
	moreRefs  int
	moreConns int
	moreCuts  int
}

// DNS gives what was resolved, in order of time.
func (s *Session) DNS() []capture.DNSAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Clone(s.dns)
	for i := range out {
		out[i].Addresses = slices.Clone(out[i].Addresses)
	}
	return out
}

// Refusals gives the connections that were not made, in order of time.
func (s *Session) Refusals() []capture.Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Clone(s.refusals)
	if s.moreRefs > 0 {
		out = append(out, capture.Refusal{
			Target: "(others)",
			Reason: fmt.Sprintf("%d more refusals are not listed one by one", s.moreRefs),
			At:     out[len(out)-1].At,
		})
	}
	return out
}

// Cuts gives what a limit of this session cut off.
func (s *Session) Cuts() []capture.Missing {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Clone(s.cuts)
	for what, n := range map[string]int{"cut": s.moreCuts, "connection": s.moreConns, "dns": s.moreNames} {
		if n > 0 {
			out = append(out, capture.Missing{What: what, Reason: fmt.Sprintf("%d more are not listed one by one", n)})
		}
	}
	return out
}

// Connections gives what was connected to, or tried, in order of opening.
func (s *Session) Connections() []Connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Connection, len(s.records))
	for i, r := range s.records {
		out[i] = *r
	}
	return out
}

// Moved is the number of bytes sent and received so far.
func (s *Session) Moved() int64 { return s.moved.Load() }

// Guard gives the rules this session follows.
func (s *Session) Guard() *Guard { return s.guard }

// Upstream names the proxy this session leaves through, without credentials;
// "" when it leaves directly.
func (s *Session) Upstream() string { return s.upstream.String() }

// Refuse records something that the caller did not connect to by its own rule,
// such as a redirect to another scheme, and gives the error to return.
func (s *Session) Refuse(target, reason string) *Refused {
	return s.refused(&Refused{printable(target), reason})
}

func (s *Session) refused(r *Refused) *Refused {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refusals) >= maxRefusals {
		s.moreRefs++
		return r
	}
	s.refusals = append(s.refusals, capture.Refusal{Target: r.Target, Reason: r.Reason, At: s.guard.cfg.Now()})
	return r
}

// refusal records err when it is a *Refused, and gives it back.
func (s *Session) refusal(err error) error {
	var r *Refused
	if errors.As(err, &r) {
		s.refused(r)
	}
	return err
}

func (s *Session) cut(what, target, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.cuts) >= maxCuts {
		s.moreCuts++
		return
	}
	s.cuts = append(s.cuts, capture.Missing{What: what, URL: printable(target), Reason: reason})
}

func (s *Session) answer(a capture.DNSAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, old := range s.dns {
		if old.Override && a.Override && old.Host == a.Host && slices.Equal(old.Addresses, a.Addresses) {
			return
		}
	}
	if len(s.dns) >= maxNames {
		s.moreNames++
		return
	}
	s.dns = append(s.dns, a)
}

func (s *Session) record(c Connection) *Connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.records) >= maxConnections {
		s.moreConns++
		return &c
	}
	s.records = append(s.records, &c)
	return &c
}

// track registers something that Close must close; ErrClosed when it is late.
func (s *Session) track(c closer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.open[c] = struct{}{}
	return nil
}

func (s *Session) untrack(c closer) {
	s.mu.Lock()
	delete(s.open, c)
	s.mu.Unlock()
}

// spawn runs f as a goroutine that Close waits for.
func (s *Session) spawn(f func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.wg.Go(f)
	return nil
}

// bind gives a context that also ends with the session.
func (s *Session) bind(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	stop := cancelCloser{cancel}
	if err := s.track(&stop); err != nil {
		cancel()
	}
	return ctx, func() { s.untrack(&stop); cancel() }
}

type cancelCloser struct{ cancel context.CancelFunc }

func (c *cancelCloser) Close() error { c.cancel(); return nil }

// Close ends every connection, lookup and goroutine of the session. It returns
// within a few seconds, with an error if something would not end.
func (s *Session) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	open := make([]closer, 0, len(s.open))
	for c := range s.open {
		open = append(open, c)
	}
	s.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
	ended := make(chan struct{})
	go func() { s.wg.Wait(); close(ended) }()
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-ended:
		return nil
	case <-timer.C:
		return fmt.Errorf("part of a visit's network work did not end within %v of being told to; is there a resolver that ignores its context?", closeWait)
	}
}
