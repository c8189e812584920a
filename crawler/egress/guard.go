package egress

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Guard holds the rules of the way out. It is safe for concurrent use and has
// no goroutine or connection of its own; its sessions do.
type Guard struct {
	cfg       Config
	overrides map[string]override
	own       map[netip.Addr]bool
	roots     *x509.CertPool // nil: the system's

	mu      sync.Mutex
	proxies map[uint16]bool // ports of the sessions' proxies
}

// New makes a Guard, or says which setting is wrong.
func New(cfg Config) (*Guard, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	g := &Guard{cfg: cfg.withDefaults(), overrides: map[string]override{}, own: map[netip.Addr]bool{}, proxies: map[uint16]bool{}}
	for key, value := range cfg.Override {
		o, err := parseOverride(key, value)
		if err != nil {
			return nil, err
		}
		g.overrides[strings.ToLower(key)] = o
	}
	for _, a := range g.cfg.OwnAddresses {
		g.own[a.Unmap()] = true
	}
	if len(cfg.ExtraCAs) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("the system's trusted certificates cannot be read, so none can be added: %w", err)
		}
		for _, c := range cfg.ExtraCAs {
			pool.AddCert(c)
		}
		g.roots = pool
	}
	return g, nil
}

// Session is one visit's way out, through the configured upstream if any.
func (g *Guard) Session() *Session { return g.SessionVia(g.cfg.Upstream) }

// SessionVia is a session through another upstream proxy than the configured
// one; nil means a direct way out.
func (g *Guard) SessionVia(up *Upstream) *Session {
	return &Session{
		guard: g, upstream: up,
		done:  make(chan struct{}),
		slots: make(chan struct{}, g.cfg.MaxTunnels),
		open:  map[closer]struct{}{},
		pins:  map[string]*pin{},
	}
}

// Roots are the certificates trusted for TLS; nil means the system's.
func (g *Guard) Roots() *x509.CertPool { return g.roots }

// ExtraCADigests are the SHA-256 digests of the certificates trusted besides
// the system's, for the environment record of every capture.
func (g *Guard) ExtraCADigests() []capture.Digest {
	var out []capture.Digest
	for _, c := range g.cfg.ExtraCAs {
		out = append(out, capture.Sum(c.Raw))
	}
	return out
}

// ExtraCAKeys are the base64 SHA-256 hashes of the same certificates' public
// keys, the form that Chrome's --ignore-certificate-errors-spki-list takes.
func (g *Guard) ExtraCAKeys() []string {
	var out []string
	for _, c := range g.cfg.ExtraCAs {
		sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
		out = append(out, base64.StdEncoding.EncodeToString(sum[:]))
	}
	return out
}

// Upstream names the configured upstream proxy without its credentials, "" when
// there is none.
func (g *Guard) Upstream() string { return g.cfg.Upstream.String() }

// Check parses "host:port" and applies every rule that needs no DNS. The error
// is a *Refused.
func (g *Guard) Check(hostport string) error {
	t, err := parseTarget(hostport)
	if err != nil {
		return err
	}
	return g.checkTarget(t)
}

func (g *Guard) checkTarget(t target) error {
	if badPorts[t.port] && !slices.Contains(g.cfg.AllowPorts, t.port) {
		return &Refused{t.String(), fmt.Sprintf("port %d is not a web port", t.port)}
	}
	if _, ok := g.findOverride(t); ok || !t.addr.IsValid() {
		return nil
	}
	if r := g.forbidden(t.addr); r != "" {
		return &Refused{t.String(), r}
	}
	return nil
}

// forbidden is Forbidden with this Guard's exceptions and own addresses.
func (g *Guard) forbidden(a netip.Addr) string {
	if a.Zone() == "" {
		plain := a.Unmap()
		for _, p := range g.cfg.Allow {
			if p.Contains(plain) {
				return ""
			}
		}
		if g.own[plain] && Forbidden(plain) == "" {
			return "an address of this machine"
		}
	}
	return Forbidden(a)
}

// forbiddenAt also keeps pages away from the proxies themselves, where the
// loopback addresses are allowed by configuration.
func (g *Guard) forbiddenAt(to netip.AddrPort) string {
	if r := g.forbidden(to.Addr()); r != "" {
		return r
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.proxies[to.Port()] && to.Addr().Unmap().IsLoopback() {
		return "the crawler's own proxy"
	}
	return ""
}

// OwnPort says that something of the crawler's own listens on a port of the
// loopback address, or no longer does: no page is connected to it, even where
// the loopback addresses are allowed.
func (g *Guard) OwnPort(port uint16, open bool) { g.setProxy(port, open) }

func (g *Guard) setProxy(port uint16, running bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if running {
		g.proxies[port] = true
	} else {
		delete(g.proxies, port)
	}
}

// ErrRefused is what every *Refused wraps.
var ErrRefused = errors.New("refused by the egress guard")

// Refused says that a connection was not made, and why. No packet was sent.
type Refused struct {
	Target string // host:port or URL as asked, printable, without credentials
	Reason string // such as "a loopback address"
}

func (r *Refused) Error() string {
	return fmt.Sprintf("no connection was made to %s: %s", r.Target, r.Reason)
}

// Unwrap gives ErrRefused.
func (r *Refused) Unwrap() error { return ErrRefused }
