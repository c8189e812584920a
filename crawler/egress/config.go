package egress

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Resolver turns a name into addresses; *net.Resolver is one. An
// implementation must end when its context does.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config is what a Guard is made of. The zero value is the strict one.
type Config struct {
	// Allow lists exceptions to the forbidden ranges, such as an intranet shop
	// or a test server. Default none.
	Allow []netip.Prefix
	// AllowPorts lists exceptions to the blocked ports. Default none.
	AllowPorts []uint16
	// Override sends a host elsewhere, without asking the DNS and without the
	// address check: for tests, the demonstration and replay. Keys are
	// "host:port", "host", "*.suffix" or "*", tried in this order; values are
	// "ip:port", or "ip" to keep the port. What was overridden is recorded as a
	// DNSAnswer with Override set.
	Override map[string]string
	// Resolver answers for names. Default: Go's own, asking for absolute names
	// only, so that a search domain cannot complete a name.
	Resolver Resolver
	// DNSTimeout bounds one lookup. Default 5 s.
	DNSTimeout time.Duration
	// DialTimeout bounds one dial: lookup, every address tried, and the
	// greeting of an upstream proxy. Default 15 s.
	DialTimeout time.Duration
	// Upstream is the proxy that sessions leave through when they name none.
	// Default nil: a direct way out.
	Upstream *Upstream
	// ExtraCAs are trusted besides the system's roots. Their digests belong in
	// every capture's environment (see Guard.ExtraCADigests). Default none.
	ExtraCAs []*x509.Certificate
	// MaxTunnels is how many connections one session's proxy holds open at a
	// time; more wait for a free one up to DialTimeout. Default 64.
	MaxTunnels int
	// IdleTimeout ends a proxied connection on which nothing moved. Default 60 s.
	IdleTimeout time.Duration
	// MaxBytes is what one session may send and receive together; past it every
	// connection of the session is cut, and the cut recorded. Default 512 MiB.
	MaxBytes int64
	// OwnAddresses are this machine's own, public ones included: a page must
	// not reach the services that listen on them. Default: asked of the system
	// when the Guard is made.
	OwnAddresses []netip.Addr
	// Now is the clock of what is recorded. Default time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Resolver == nil {
		c.Resolver = absolute{&net.Resolver{PreferGo: true}}
	}
	if c.DNSTimeout == 0 {
		c.DNSTimeout = 5 * time.Second
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = 15 * time.Second
	}
	if c.MaxTunnels == 0 {
		c.MaxTunnels = 64
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = time.Minute
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 512 << 20
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.OwnAddresses == nil {
		c.OwnAddresses = ownAddresses()
	}
	return c
}

// Validate reports the first setting that cannot be used.
func (c Config) Validate() error {
	for _, p := range c.Allow {
		if !p.IsValid() {
			return errors.New("egress.allow: an address range is not valid; write it as 10.1.2.0/24 or fd00::/8")
		}
	}
	for key, value := range c.Override {
		if _, err := parseOverride(key, value); err != nil {
			return fmt.Errorf("egress.override: %w", err)
		}
	}
	for name, d := range map[string]time.Duration{
		"dns_timeout": c.DNSTimeout, "dial_timeout": c.DialTimeout, "idle_timeout": c.IdleTimeout,
	} {
		if d < 0 {
			return fmt.Errorf("egress.%s: %v is negative; write a duration such as 10s", name, d)
		}
	}
	if c.MaxTunnels < 0 {
		return fmt.Errorf("egress.max_tunnels: %d is negative", c.MaxTunnels)
	}
	if c.MaxBytes < 0 {
		return fmt.Errorf("egress.max_bytes: %d is negative", c.MaxBytes)
	}
	return nil
}

// override is one parsed entry of Config.Override.
type override struct {
	addr netip.Addr
	port uint16 // 0: as asked
}

func parseOverride(key, value string) (override, error) {
	if key == "" {
		return override{}, errors.New("an empty host")
	}
	if ap, err := netip.ParseAddrPort(value); err == nil && ap.Port() != 0 {
		return override{ap.Addr(), ap.Port()}, nil
	}
	a, err := netip.ParseAddr(value)
	if err != nil {
		return override{}, fmt.Errorf("%q for %q is not an address: write ip:port or ip", value, key)
	}
	return override{addr: a}, nil
}

// findOverride gives the entry for a host in lower case and a port.
func (g *Guard) findOverride(t target) (override, bool) {
	if len(g.overrides) == 0 {
		return override{}, false
	}
	for _, key := range []string{t.String(), t.host} {
		if o, ok := g.overrides[key]; ok {
			return o, true
		}
	}
	for rest := t.host; ; {
		_, after, found := strings.Cut(rest, ".")
		if !found {
			break
		}
		if o, ok := g.overrides["*."+after]; ok {
			return o, true
		}
		rest = after
	}
	o, ok := g.overrides["*"]
	return o, ok
}

// absolute asks for absolute names: a search list must not complete them.
type absolute struct{ *net.Resolver }

func (r absolute) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return r.Resolver.LookupNetIP(ctx, network, host+".")
}

func ownAddresses() []netip.Addr {
	own := []netip.Addr{}
	// Without an answer the ranges are still checked; there is nothing to add.
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, p.Addr().Unmap().WithZone(""))
		}
	}
	return own
}
