package egress

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
)

// Just enough of HTTP/1.1 framing (RFC 9112) to pass messages on byte for byte
// and know where each ends. net/http's own server would rewrite them: reorder
// fields, change their case, add Date.

var (
	errHead    = errors.New("not an HTTP message")
	errHeadBig = errors.New("an HTTP head larger than the limit")
	errFraming = errors.New("an HTTP message whose end cannot be told")
)

// head is the start line and the field lines of a message, without line ends.
type head struct {
	start string
	lines []string
	raw   []byte // as read, with the empty line
}

// readHead reads up to and with the empty line. Leading empty lines are skipped
// (RFC 9112 section 2.2). io.EOF means that nothing came at all.
func readHead(r *bufio.Reader, limit int) (*head, error) {
	h := &head{}
	for {
		line, err := readLine(r, limit-len(h.raw))
		h.raw = append(h.raw, line...)
		if err != nil {
			if err == io.EOF && len(h.raw) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		text := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
		switch {
		case text == "" && h.start == "":
			if len(h.raw) > 8 {
				return nil, errHead
			}
		case text == "":
			return h, nil
		case h.start == "":
			h.start = text
		default:
			h.lines = append(h.lines, text)
		}
	}
}

// readLine reads one line with its end, however small the reader's buffer.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > limit {
			return nil, errHeadBig
		}
		line = append(line, part...)
		if err != bufio.ErrBufferFull {
			return line, err
		}
	}
}

// values gives the values of a field, in order.
func (h *head) values(name string) (out []string) {
	for _, l := range h.lines {
		if n, v, ok := strings.Cut(l, ":"); ok && strings.EqualFold(n, name) {
			out = append(out, strings.Trim(v, " \t"))
		}
	}
	return out
}

// has reports whether a comma-separated field contains a token.
func (h *head) has(name, token string) bool {
	for _, v := range h.values(name) {
		for part := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.Trim(part, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// drop removes the fields that are between the client and its proxy.
func (h *head) drop(names ...string) {
	kept := h.lines[:0]
next:
	for _, l := range h.lines {
		n, _, _ := strings.Cut(l, ":")
		for _, name := range names {
			if strings.EqualFold(n, name) {
				continue next
			}
		}
		kept = append(kept, l)
	}
	h.lines = kept
}

// bytes writes a head that was changed.
func (h *head) bytes() []byte {
	var b bytes.Buffer
	b.WriteString(h.start + "\r\n")
	for _, l := range h.lines {
		b.WriteString(l + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// request splits "METHOD target HTTP/1.x".
func (h *head) request() (method, target string, minor int, err error) {
	parts := strings.Split(h.start, " ")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" {
		return "", "", 0, errHead
	}
	switch parts[2] {
	case "HTTP/1.1":
		minor = 1
	case "HTTP/1.0":
	default:
		return "", "", 0, errHead
	}
	return parts[0], parts[1], minor, nil
}

// status reads "HTTP/1.x NNN reason".
func (h *head) status() (int, error) {
	proto, rest, _ := strings.Cut(h.start, " ")
	code, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(code)
	if !strings.HasPrefix(proto, "HTTP/1.") || err != nil || len(code) != 3 || n < 100 {
		return 0, errHead
	}
	return n, nil
}

// framing is how the end of a body is told (RFC 9112 section 6.3).
type framing struct {
	chunked  bool
	toEnd    bool // until the connection closes
	length   int64
	trailing int // bytes allowed in the trailer section
}

// messageFraming reads Transfer-Encoding and Content-Length; ok is false when
// they contradict each other or cannot be understood.
func (h *head) messageFraming() (f framing, present, ok bool) {
	te, cl := h.values("Transfer-Encoding"), h.values("Content-Length")
	switch {
	case len(te) == 1 && len(cl) == 0 && strings.EqualFold(te[0], "chunked"):
		return framing{chunked: true, trailing: 64 << 10}, true, true
	case len(te) > 0:
		return framing{}, true, false
	case len(cl) == 0:
		return framing{}, false, true
	}
	for _, v := range cl[1:] {
		if v != cl[0] {
			return framing{}, true, false
		}
	}
	n, err := strconv.ParseUint(cl[0], 10, 62)
	return framing{length: int64(n)}, true, err == nil
}

// requestFraming: a request that cannot be understood is not sent.
func (h *head) requestFraming() (framing, error) {
	f, _, ok := h.messageFraming()
	if !ok {
		return f, errFraming
	}
	return f, nil
}

// responseFraming: what cannot be understood is passed on until the connection
// closes, and the client judges.
func (h *head) responseFraming(method string, status int) framing {
	if method == "HEAD" || status/100 == 1 || status == 204 || status == 304 {
		return framing{}
	}
	f, present, ok := h.messageFraming()
	if !present || !ok {
		return framing{toEnd: true}
	}
	return f
}

// pass copies a body from r to w as it is, framing included.
func (f framing) pass(w io.Writer, r *bufio.Reader) error {
	switch {
	case f.toEnd:
		_, err := io.Copy(w, r)
		return err
	case f.chunked:
		return f.passChunks(w, r)
	}
	return passN(w, r, f.length)
}

func (f framing) passChunks(w io.Writer, r *bufio.Reader) error {
	for {
		line, err := readLine(r, 16<<10)
		if err != nil {
			return unexpected(err)
		}
		size, _, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), ";")
		n, err := strconv.ParseUint(strings.Trim(size, " \t"), 16, 62)
		if err != nil {
			return errFraming
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
		if n == 0 {
			return f.passTrailer(w, r)
		}
		if err := passN(w, r, int64(n)+2); err != nil {
			return err
		}
	}
}

func (f framing) passTrailer(w io.Writer, r *bufio.Reader) error {
	for left := f.trailing; ; {
		line, err := readLine(r, left)
		if err != nil {
			return unexpected(err)
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
		if left -= len(line); len(bytes.TrimRight(line, "\r\n")) == 0 {
			return nil
		}
	}
}

func passN(w io.Writer, r *bufio.Reader, n int64) error {
	_, err := io.CopyN(w, r, n)
	return unexpected(err)
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
