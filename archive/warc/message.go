package warc

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Message is the HTTP message in the block of a response, request or revisit.
type Message struct {
	Protocol string // HTTP/1.1, as written
	Status   int    // responses and revisits
	Reason   string
	Method   string // requests
	Target   string // of the request line
	Header   capture.Header
	// Body is the payload as it is kept: Content-Encoding is not undone. At
	// its end it gives io.EOF only if block and payload digest are right, and
	// a *DigestError if not. A revisit has no body.
	Body io.Reader

	rec *Record
	in  *bufio.Reader
	err error
}

// HTTP reads the head of the HTTP message in the block. It must be called
// before anything of the block is read; read the rest from Message.Body.
// A *FormatError given here does not end the Reader.
func (r *Record) HTTP() (*Message, error) {
	bad := func(format string, a ...any) (*Message, error) {
		return nil, &FormatError{r.Offset, fmt.Sprintf(format, a...), nil}
	}
	switch {
	case r.msgErr != nil:
		return nil, r.msgErr
	case r.msg != nil:
		return r.msg, nil
	case r.left != r.Blocks || r.done:
		return bad("a part of its block was read already")
	case !strings.HasPrefix(strings.ToLower(r.Get("Content-Type")), "application/http"):
		return bad("its block is %.60q, not an HTTP message", r.Get("Content-Type"))
	case r.Type == TypeRevisit && r.Blocks == 0:
		return bad("the revisit has no head")
	}
	m := &Message{rec: r}
	r.msg = m
	m.in = bufio.NewReaderSize(blockOf{r}, 16<<10)
	l := &lines{r: m.in, left: maxHead}
	line, wrong := l.next()
	if wrong == "" {
		// The conversion of a request is one too.
		request := r.Type == TypeRequest || r.Type == TypeConversion && strings.Contains(r.Get("Content-Type"), "msgtype=request")
		wrong = m.startLine(line, request)
	}
	if wrong == "" {
		m.Header, wrong = l.fields()
	}
	if wrong != "" && r.err != nil {
		r.told, r.msgErr = true, r.err
		return nil, r.msgErr
	}
	if wrong != "" {
		// What is left is not a body: nothing is compared with the payload digest.
		r.payload = nil
		_, r.msgErr = bad("the HTTP message in it is malformed: %s", wrong)
		return nil, r.msgErr
	}
	if r.Type == TypeRevisit {
		r.payload = nil
	}
	m.Body = bodyOf{m}
	return m, nil
}

func (m *Message) startLine(line string, request bool) string {
	part := strings.SplitN(line, " ", 3)
	wrong := fmt.Sprintf("it begins with %.60q", line)
	if len(part) < 2 {
		return wrong
	}
	if request {
		if len(part) != 3 || !isToken(part[0]) || part[1] == "" || !protocol(part[2]) {
			return wrong
		}
		m.Method, m.Target, m.Protocol = part[0], part[1], part[2]
		return ""
	}
	status, err := strconv.Atoi(part[1])
	if !protocol(part[0]) || err != nil || len(part[1]) != 3 || status < 0 || part[1][0] == '+' {
		return wrong
	}
	m.Protocol, m.Status = part[0], status
	if len(part) == 3 {
		m.Reason = part[2]
	}
	return ""
}

// protocol reports whether s is an HTTP-version (RFC 9112 section 2.3).
func protocol(s string) bool {
	return len(s) == 8 && strings.HasPrefix(s, "HTTP/") && s[6] == '.' &&
		s[5] >= '0' && s[5] <= '9' && s[7] >= '0' && s[7] <= '9'
}

// read reads the body and checks the digests at its end.
func (m *Message) read(p []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	n, err := m.in.Read(p)
	m.rec.payload.write(p[:n])
	if err == io.EOF {
		if wrong := m.rec.payload.verify(m.rec); wrong != nil {
			err = wrong
		}
	}
	m.err = err
	return n, err
}

// bodyOf is what the caller reads: what it is told, Next does not say again.
type bodyOf struct{ m *Message }

func (b bodyOf) Read(p []byte) (int, error) {
	n, err := b.m.read(p)
	if err != nil && err != io.EOF {
		b.m.rec.told = true
	}
	return n, err
}

// blockOf reads a block without telling the caller.
type blockOf struct{ r *Record }

func (b blockOf) Read(p []byte) (int, error) { return b.r.read(p) }
