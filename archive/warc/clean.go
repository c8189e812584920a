package warc

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Pages are hostile: a URL or a header value may hold the bytes that end a
// line, and a line that a page ends is a field, a head or a record that the
// page forges. These are the only functions by which foreign text enters a
// header section, and each change is kept as a Note (SPEC.md, "Hostile bytes").

// maxTarget is the longest URL that is written as a WARC-Target-URI. Longer
// ones (data: URLs) are named by their digest.
const maxTarget = 64 << 10

// Note says what was changed in a record, and what stood there.
type Note struct {
	Record capture.ID `json:"record"`
	Where  string     `json:"where"` // target, start-line, header-name, header-value, field
	Name   string     `json:"name,omitempty"`
	// Original is the text as it was, quoted as Go quotes a string in ASCII.
	Original string `json:"original"`
}

// notes collects the changes of one record.
type notes struct {
	record capture.ID
	list   []Note
}

func (n *notes) add(where, name, original string) {
	n.list = append(n.list, Note{n.record, where, name, strconv.QuoteToASCII(original)})
}

// target gives a URL that can stand in a header field and a request line:
// ASCII, no white space, no control characters, nothing that WARC 1.0 readers
// take for brackets. The bytes in question are percent-encoded.
func (n *notes) target(u string) string {
	out := percent(u)
	if len(out) > maxTarget {
		out = "urn:x-evidence:long:" + capture.Sum([]byte(u)).String()
	}
	if out != u {
		n.add("target", "", u)
	}
	return out
}

func percent(u string) string {
	bad := func(c byte) bool { return c <= ' ' || c >= 0x7f || c == '<' || c == '>' || c == '"' }
	i := 0
	for i < len(u) && !bad(u[i]) {
		i++
	}
	if i == len(u) {
		return u
	}
	var b strings.Builder
	for i := range len(u) {
		if bad(u[i]) {
			fmt.Fprintf(&b, "%%%02X", u[i])
		} else {
			b.WriteByte(u[i])
		}
	}
	return b.String()
}

// value gives a field value without CR, LF and NUL: each becomes a space, as
// RFC 9110 section 5.5 tells a recipient to do.
func (n *notes) value(where, name, v string) string {
	if !strings.ContainsAny(v, "\r\n\x00") {
		return v
	}
	n.add(where, name, v)
	return lineless(v)
}

func lineless(v string) string {
	b := []byte(v)
	for i, c := range b {
		if c == '\r' || c == '\n' || c == 0 {
			b[i] = ' '
		}
	}
	return string(b)
}

// name gives a token (RFC 9110 section 5.6.2); other bytes become "_".
func (n *notes) name(s string) string {
	if isToken(s) {
		return s
	}
	n.add("header-name", "", s)
	return tokenOf(s)
}

func tokenOf(s string) string {
	b := []byte(s)
	for i, c := range b {
		if !tokenByte(c) {
			b[i] = '_'
		}
	}
	if len(b) == 0 {
		return "_"
	}
	return string(b)
}

func isToken(s string) bool {
	for i := range len(s) {
		if !tokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func tokenByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
