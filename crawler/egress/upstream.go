package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/proxy"
)

// Upstream is a proxy that a session leaves through. It prints without its
// credentials in every form.
//
// Names are resolved and checked here and the proxy is told the address, so
// that what was checked is what is connected to. A scheme with the suffix "h"
// (socks5h, httph, httpsh) tells it the name instead, for providers that want
// names: the check then covers our answer, not the proxy's.
type Upstream struct {
	scheme   string // http, https, socks5
	host     string // host:port of the proxy
	user     *url.Userinfo
	resolves bool // the proxy resolves names
}

// ParseUpstream reads "scheme://[user:password@]host:port".
func ParseUpstream(raw string) (*Upstream, error) {
	// The URL may hold a password: no error below may quote it.
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("the upstream proxy is not a URL: write http://host:port or socks5://host:port")
	}
	up := &Upstream{scheme: strings.TrimSuffix(u.Scheme, "h"), host: u.Host, user: u.User}
	up.resolves = up.scheme != u.Scheme
	switch up.scheme {
	case "http", "https", "socks5":
	default:
		return nil, fmt.Errorf("an upstream proxy of scheme %q is not supported: use http, https or socks5", u.Scheme)
	}
	if _, port, err := net.SplitHostPort(u.Host); err != nil || port == "" || u.Hostname() == "" {
		return nil, errors.New("the upstream proxy needs a host and a port: write http://host:port or socks5://host:port")
	}
	if (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the upstream proxy is only scheme, host and port: remove what follows")
	}
	return up, nil
}

// String names the proxy without its credentials; "" for nil.
func (u *Upstream) String() string {
	if u == nil {
		return ""
	}
	scheme := u.scheme
	if u.resolves {
		scheme += "h"
	}
	if u.user != nil {
		return scheme + "://<secret>@" + u.host
	}
	return scheme + "://" + u.host
}

// Format keeps every verb of fmt from printing the fields.
func (u *Upstream) Format(f fmt.State, _ rune) { io.WriteString(f, u.String()) }

// LogValue is what slog prints.
func (u *Upstream) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText is what JSON prints.
func (u *Upstream) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// reach connects to a target whose addresses were checked.
func (u *Upstream) reach(ctx context.Context, t target, addrs []netip.Addr) (net.Conn, netip.AddrPort, error) {
	if u.resolves && !t.addr.IsValid() {
		c, err := u.connect(ctx, t.String())
		return c, netip.AddrPort{}, err
	}
	to := netip.AddrPortFrom(addrs[0], t.port)
	c, err := u.connect(ctx, to.String())
	return c, to, err
}

func (u *Upstream) connect(ctx context.Context, to string) (net.Conn, error) {
	if u.scheme == "socks5" {
		return u.socks(ctx, to)
	}
	c, err := u.dialProxy(ctx)
	if err != nil {
		return nil, err
	}
	// The greeting has no context of its own: closing the socket ends it.
	stop := context.AfterFunc(ctx, func() { c.Close() })
	err = u.greet(c, to)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		c.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	return c, nil
}

func (u *Upstream) dialProxy(ctx context.Context) (net.Conn, error) {
	// The proxy's address comes from configuration, so the ranges do not apply.
	c, err := new(net.Dialer).DialContext(ctx, "tcp", u.host)
	if err != nil {
		return nil, fmt.Errorf("the upstream proxy %s is not to be reached: %w", u, plain(err))
	}
	if u.scheme != "https" {
		return c, nil
	}
	name, _, _ := net.SplitHostPort(u.host)
	tc := tls.Client(c, &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12})
	if err := tc.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("the upstream proxy %s: %w", u, err)
	}
	return tc, nil
}

// plain turns a failed lookup of the proxy's own name into an ordinary error:
// it says nothing about the site's name.
func plain(err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return errors.New("its name cannot be resolved")
	}
	return err
}

// greet asks an HTTP proxy for a tunnel (RFC 9110 section 9.3.6).
func (u *Upstream) greet(c net.Conn, to string) error {
	ask := "CONNECT " + to + " HTTP/1.1\r\nHost: " + to + "\r\n"
	if u.user != nil {
		pass, _ := u.user.Password()
		ask += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(u.user.Username()+":"+pass)) + "\r\n"
	}
	if _, err := io.WriteString(c, ask+"\r\n"); err != nil {
		return fmt.Errorf("the upstream proxy %s: %w", u, err)
	}
	// One byte at a time: what follows the answer belongs to the tunnel.
	h, err := readHead(bufio.NewReaderSize(oneByte{c}, 16), 16<<10)
	if err != nil {
		return fmt.Errorf("the upstream proxy %s: %w", u, err)
	}
	status, err := h.status()
	if err != nil {
		return fmt.Errorf("the upstream proxy %s does not speak HTTP", u)
	}
	if status/100 != 2 {
		return fmt.Errorf("the upstream proxy %s refused the connection with status %s", u, strconv.Itoa(status))
	}
	return nil
}

type oneByte struct{ io.Reader }

func (r oneByte) Read(b []byte) (int, error) { return r.Reader.Read(b[:min(len(b), 1)]) }

func (u *Upstream) socks(ctx context.Context, to string) (net.Conn, error) {
	var auth *proxy.Auth
	if u.user != nil {
		pass, _ := u.user.Password()
		auth = &proxy.Auth{User: u.user.Username(), Password: pass}
	}
	d, err := proxy.SOCKS5("tcp", u.host, auth, new(net.Dialer))
	if err != nil {
		return nil, fmt.Errorf("the upstream proxy %s cannot be used", u)
	}
	c, err := d.(proxy.ContextDialer).DialContext(ctx, "tcp", to)
	if err != nil {
		return nil, fmt.Errorf("the upstream proxy %s: %w", u, plain(err))
	}
	return c, nil
}
