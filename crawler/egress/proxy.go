package egress

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Limits of the proxy that need no setting.
const (
	maxHead    = 256 << 10 // bytes of one request or response head
	maxClients = 512       // connections from the browser
)

// Proxy starts this session's proxy on a free loopback port, once, and gives
// its "host:port": for Chrome's --proxy-server or a BrowserContext's
// proxyServer. It serves CONNECT (https, wss, ws) and absolute-URI requests
// (http, and ws by Upgrade). It ends with the session.
func (s *Session) Proxy(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", ErrClosed
	}
	if s.proxy != "" {
		return s.proxy, nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s.open[l] = struct{}{}
	s.proxy = l.Addr().String()
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	s.guard.setProxy(port, true)
	s.wg.Go(func() {
		defer s.guard.setProxy(port, false)
		s.accept(l)
	})
	return s.proxy, nil
}

func (s *Session) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			if s.isClosed() || errors.Is(err, net.ErrClosed) {
				return
			}
			s.cut("connection", s.proxy, "the proxy could not take a connection: "+err.Error())
			select { // out of file descriptors, perhaps: not a busy loop
			case <-s.done:
				return
			case <-time.After(50 * time.Millisecond):
			}
			continue
		}
		s.serve(c)
	}
}

// serve starts the goroutine of one connection from the browser.
func (s *Session) serve(c net.Conn) {
	p := &client{s: s, c: c, r: bufio.NewReaderSize(c, 8<<10)}
	s.mu.Lock()
	full := s.clients >= maxClients
	if !full {
		s.clients++
	}
	s.mu.Unlock()
	if full {
		s.cut("connection", s.proxy, "the browser opened more connections than the proxy takes")
		c.Close()
		return
	}
	if err := s.track(p); err != nil {
		c.Close()
		return
	}
	err := s.spawn(func() {
		defer func() {
			p.Close()
			s.mu.Lock()
			s.clients--
			s.mu.Unlock()
		}()
		p.run()
	})
	if err != nil {
		p.Close()
	}
}

// client is one connection from the browser to the proxy.
type client struct {
	s    *Session
	c    net.Conn
	r    *bufio.Reader
	site *site // of plain HTTP, kept between requests
	once sync.Once
}

func (p *client) Close() error {
	p.once.Do(func() {
		p.s.untrack(p)
		p.c.Close()
	})
	return nil
}

func (p *client) run() {
	defer func() {
		if p.site != nil {
			p.site.close()
		}
	}()
	for {
		p.c.SetDeadline(time.Now().Add(p.s.guard.cfg.IdleTimeout))
		h, err := readHead(p.r, maxHead)
		if err != nil {
			if errors.Is(err, errHead) || errors.Is(err, errHeadBig) {
				p.answer("400 Bad Request")
			}
			return
		}
		method, target, minor, err := h.request()
		if err != nil {
			p.answer("400 Bad Request")
			return
		}
		if method == "CONNECT" {
			p.connect(target)
			return
		}
		if !p.forward(h, method, target, minor) {
			return
		}
	}
}

// answer speaks to the browser as a proxy, never as a site: it is used where
// the browser cannot take it for a page.
func (p *client) answer(status string) {
	io.WriteString(p.c, "HTTP/1.1 "+status+"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

// connect serves CONNECT: a tunnel to the target, or a refusal.
func (p *client) connect(hostport string) {
	if p.site != nil {
		p.site.close() // or this client would hold two slots
		p.site = nil
	}
	c, release, err := p.s.proxied(hostport)
	if err != nil {
		switch {
		case errors.Is(err, ErrRefused):
			p.answer("403 Forbidden")
		case isTimeout(err):
			p.answer("504 Gateway Timeout")
		default:
			p.answer("502 Bad Gateway")
		}
		return
	}
	defer release()
	if _, err := io.WriteString(p.c, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	p.s.tunnel(p.c, p.r, c, c)
}

// proxied dials for the browser, within the limit of open connections.
func (s *Session) proxied(hostport string) (*conn, func(), error) {
	ctx, cancel := s.bind(context.Background(), s.guard.cfg.DialTimeout)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		if !s.isClosed() {
			s.cut("connection", hostport, "too many connections were open at a time")
		}
		return nil, nil, ctx.Err()
	}
	c, err := s.dial(ctx, "tcp", hostport)
	if err != nil {
		<-s.slots
		return nil, nil, err
	}
	var once sync.Once
	return c, func() { once.Do(func() { c.Close(); <-s.slots }) }, nil
}

// tunnel passes bytes both ways until both ends are done, one fails, or nothing
// moves for the idle time.
func (s *Session) tunnel(browser net.Conn, fromBrowser io.Reader, site *conn, fromSite io.Reader) {
	k := newKeeper(s.guard.cfg.IdleTimeout, browser, site)
	var up sync.WaitGroup
	up.Go(func() {
		if !k.copy(site, fromBrowser) {
			browser.Close()
			site.Close()
			return
		}
		if site.CloseWrite() != nil {
			site.Close()
		}
	})
	if k.copy(browser, fromSite) {
		if h, ok := browser.(interface{ CloseWrite() error }); ok {
			h.CloseWrite()
		}
	} else {
		browser.Close()
		site.Close()
	}
	up.Wait()
}

// keeper moves the deadlines of a pair of connections forward while anything
// moves on either.
type keeper struct {
	idle time.Duration
	a, b net.Conn
	mu   sync.Mutex
	last time.Time
}

func newKeeper(idle time.Duration, a, b net.Conn) *keeper {
	k := &keeper{idle: idle, a: a, b: b}
	k.touch()
	return k
}

func (k *keeper) touch() {
	k.mu.Lock()
	defer k.mu.Unlock()
	// Setting a deadline costs more than reading a clock: not at every read.
	if now := time.Now(); now.Sub(k.last) > k.idle/32 {
		k.last = now
		k.a.SetDeadline(now.Add(k.idle))
		k.b.SetDeadline(now.Add(k.idle))
	}
}

// copy reports whether the source came to its end.
func (k *keeper) copy(w io.Writer, r io.Reader) bool {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			k.touch()
			if _, err := w.Write(buf[:n]); err != nil {
				return false
			}
		}
		if err != nil {
			return err == io.EOF
		}
	}
}

// splitAbsolute takes "http://authority/path" apart; ok is false for anything
// else.
func splitAbsolute(uri string) (authority, path string, ok bool) {
	const scheme = "http://"
	if len(uri) < len(scheme) || !strings.EqualFold(uri[:len(scheme)], scheme) {
		return "", "", false
	}
	rest := uri[len(scheme):]
	i := strings.IndexAny(rest, "/?#")
	if i < 0 {
		return rest, "/", rest != ""
	}
	authority, path = rest[:i], rest[i:]
	path, _, _ = strings.Cut(path, "#")
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return authority, path, authority != ""
}
