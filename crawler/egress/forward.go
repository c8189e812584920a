package egress

import (
	"bufio"
	"io"
	"strings"
	"time"
)

// site is the connection behind a browser's plain HTTP connection.
type site struct {
	hostport string
	c        *conn
	r        *bufio.Reader
	release  func()
}

func (t *site) close() { t.release() }

// forward passes one plain HTTP request on and its answer back. It reports
// whether the browser's connection can serve another request. When it cannot
// be served the connection is closed without a word: an answer made up here
// would be taken for the site's page.
func (p *client) forward(h *head, method, uri string, minor int) bool {
	authority, path, ok := splitAbsolute(uri)
	if !ok {
		p.s.Refuse(uri, "not a request that the proxy serves")
		p.answer("400 Bad Request")
		return false
	}
	hostport := withPort(authority)
	if !p.hostAgrees(h, authority, hostport) {
		p.s.Refuse(uri, "the Host field names another host than the URL")
		return false
	}
	body, err := h.requestFraming()
	if err != nil {
		p.s.Refuse(uri, err.Error())
		return false
	}
	if !p.reach(hostport) {
		return false
	}
	last := minor == 0 || h.has("Connection", "close")
	h.drop("Proxy-Connection", "Proxy-Authorization", "Proxy-Authenticate")
	h.start = method + " " + path + " HTTP/1." + string(rune('0'+minor))
	return p.exchange(h, method, body) && !last
}

// hostAgrees holds RFC 9112 section 3.2.2: the URL decides, and a Host field that
// differs is a trick.
func (p *client) hostAgrees(h *head, authority, hostport string) bool {
	hosts := h.values("Host")
	return len(hosts) == 0 || len(hosts) == 1 &&
		(strings.EqualFold(hosts[0], authority) || strings.EqualFold(withPort(hosts[0]), hostport))
}

// withPort adds HTTP's port to an authority that has none.
func withPort(authority string) string {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.HasSuffix(authority, "]") {
		return authority + ":80"
	}
	if i == len(authority)-1 {
		return authority + "80"
	}
	return authority
}

// reach keeps or makes the connection to a site.
func (p *client) reach(hostport string) bool {
	if p.site != nil {
		if p.site.hostport == hostport {
			return true
		}
		p.site.close()
		p.site = nil
	}
	c, release, err := p.s.proxied(hostport)
	if err != nil {
		return false // recorded where it failed
	}
	p.site = &site{hostport, c, bufio.NewReaderSize(c, 16<<10), release}
	return true
}

// exchange sends a request and passes the answer back as it is. It reports
// whether both connections can be used again.
func (p *client) exchange(h *head, method string, body framing) bool {
	t := p.site
	k := newKeeper(p.s.guard.cfg.IdleTimeout, p.c, t.c)
	if _, err := t.c.Write(h.bytes()); err != nil {
		return false
	}
	sent := make(chan error, 1)
	if body.chunked || body.length > 0 {
		// Beside the answer, not before it: the site may want to say "100
		// Continue" first, or refuse a large body early.
		go func() { sent <- body.pass(&moving{w: t.c, k: k}, p.r) }()
	} else {
		sent <- nil
	}
	again, upgraded := p.relay(method, &moving{w: p.c, k: k})
	if again || upgraded {
		// An answer before the end of the request: the rest is not wanted.
		timer := time.NewTimer(sendGrace)
		defer timer.Stop()
		select {
		case err := <-sent:
			if err == nil && upgraded {
				p.s.tunnel(p.c, p.r, t.c, t.r)
			}
			return err == nil && again
		case <-timer.C:
		}
	}
	p.c.SetReadDeadline(time.Now()) // ends the sending
	t.c.Close()
	<-sent
	return false
}

// sendGrace is how long the rest of a request may take once its answer is
// complete.
const sendGrace = 250 * time.Millisecond

// relay passes the answer, interim ones included, back to the browser.
func (p *client) relay(method string, w *moving) (again, upgraded bool) {
	for {
		h, err := readHead(p.site.r, maxHead)
		var status int
		if err == nil {
			status, err = h.status()
		}
		if err != nil {
			p.site.c.failed(err)
			return false, false
		}
		if _, err := w.Write(h.raw); err != nil {
			return false, false
		}
		if status == 101 {
			return false, true
		}
		if status/100 == 1 {
			continue
		}
		f := h.responseFraming(method, status)
		if err := f.pass(w, p.site.r); err != nil {
			if w.err == nil {
				p.site.c.failed(err)
			}
			return false, false
		}
		reusable := !f.toEnd && !h.has("Connection", "close") && strings.HasPrefix(h.start, "HTTP/1.1")
		return reusable, false
	}
}

// moving is a writer that keeps an idle clock from running out.
type moving struct {
	w   io.Writer
	k   *keeper
	err error // of the last write: the reader's end is to blame otherwise
}

func (m *moving) Write(b []byte) (int, error) {
	m.k.touch()
	n, err := m.w.Write(b)
	m.err = err
	return n, err
}
