package fetch

import (
	"bytes"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// maxTapped bounds the bytes kept to read one head from; net/http's own limit
// on a head is lower.
const maxTapped = 2 << 20

// tapConn is an HTTP/1 connection that remembers the bytes of the answer's
// head, because net/http forgets the order and the case of the fields.
type tapConn struct {
	net.Conn
	state *tls.ConnectionState // nil for plain HTTP

	mu   sync.Mutex
	on   bool
	seen []byte
}

// start forgets the previous answer; the next bytes are of the next one.
func (t *tapConn) start() {
	t.mu.Lock()
	t.on, t.seen = true, nil
	t.mu.Unlock()
}

func (t *tapConn) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	if n > 0 {
		t.mu.Lock()
		if t.on && len(t.seen) < maxTapped {
			t.seen = append(t.seen, b[:n]...)
		}
		t.mu.Unlock()
	}
	return n, err
}

// head gives the fields of an answer in wire order, and stops remembering. It
// fails rather than give fields that net/http did not see.
func (t *tapConn) head(resp *http.Response) (capture.Header, bool) {
	t.mu.Lock()
	seen := t.seen
	t.on, t.seen = false, nil
	t.mu.Unlock()
	for {
		status, fields, rest, ok := parseHead(seen)
		if !ok {
			return nil, false
		}
		if status/100 == 1 && status != http.StatusSwitchingProtocols {
			seen = rest
			continue
		}
		return fields, status == resp.StatusCode && agrees(fields, resp.Header)
	}
}

// parseHead reads one HTTP/1 response head (RFC 9112 section 2).
func parseHead(b []byte) (status int, fields capture.Header, rest []byte, ok bool) {
	line, b, ok := cutLine(b)
	if !ok {
		return 0, nil, nil, false
	}
	proto, after, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(strings.TrimLeft(after, " "), " ")
	status, err := strconv.Atoi(code)
	if err != nil || !strings.HasPrefix(proto, "HTTP/1.") {
		return 0, nil, nil, false
	}
	for {
		line, b, ok = cutLine(b)
		switch {
		case !ok:
			return 0, nil, nil, false
		case line == "":
			return status, fields, b, true
		case line[0] == ' ' || line[0] == '\t': // obs-fold
			if len(fields) == 0 {
				return 0, nil, nil, false
			}
			f := &fields[len(fields)-1]
			f.Value = strings.Trim(f.Value+" "+strings.Trim(line, " \t"), " \t")
			continue
		}
		name, value, found := strings.Cut(line, ":")
		if !found {
			return 0, nil, nil, false
		}
		fields = append(fields, capture.Field{Name: name, Value: strings.Trim(value, " \t")})
	}
}

func cutLine(b []byte) (line string, rest []byte, ok bool) {
	l, rest, ok := bytes.Cut(b, []byte("\n"))
	return strings.TrimSuffix(string(l), "\r"), rest, ok
}

// agrees reports whether every field that net/http kept is among those read.
// It takes away the framing fields itself, so more may be here than there.
func agrees(wire capture.Header, kept http.Header) bool {
	n := 0
	for name, values := range kept {
		for _, v := range values {
			if !slices.ContainsFunc(wire, func(f capture.Field) bool {
				return strings.EqualFold(strings.TrimSpace(f.Name), name) && f.Value == v
			}) {
				return false
			}
			n++
		}
	}
	return n <= len(wire)
}

// fields lists a header map; its order was lost, so names are sorted.
func fields(h http.Header) capture.Header {
	var out capture.Header
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range h[name] {
			out = append(out, capture.Field{Name: name, Value: v})
		}
	}
	return out
}
