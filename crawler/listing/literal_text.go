package listing

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

func (l *literal) skipString(quote byte) {
	for l.pos++; l.pos < len(l.src); l.pos++ {
		switch c := l.src[l.pos]; {
		case c == '\\':
			l.pos++
		case c == quote:
			l.pos++
			return
		case c == '\n' && quote != '`':
			return // no string goes over a line's end: it was no string
		}
	}
	l.pos = min(l.pos, len(l.src))
}

func (l *literal) quoted() (*Tree, error) {
	t, err := l.node(stringTree)
	if err != nil {
		return nil, err
	}
	quote := l.src[l.pos]
	if quote != '"' {
		l.repair("single quotes")
	}
	start := l.pos + 1
	plain := true
	i := start
	for i < len(l.src) {
		c := l.src[i]
		if c == '\\' {
			plain = false
			i += 2
			continue
		}
		if c == quote && (!l.loose || l.endsString(i+1)) {
			break
		}
		if c == quote {
			l.repair("quotes inside a text")
		} else if c < ' ' {
			l.repair("control characters in a text")
		}
		i++
	}
	if i >= len(l.src) {
		l.repair("lost: a text is not closed")
		i = len(l.src)
	}
	t.text = l.src[start:i]
	if !plain {
		t.text = unescapeJS(t.text)
	}
	l.pos = min(i+1, len(l.src))
	return t, nil
}

// parsed gives the text that JSON.parse is called with, where that is written
// out: as it is, percent-encoded or in base64.
func (l *literal) parsed() (text string, ok bool) {
	rest := l.src[l.pos+len(jsonParse):]
	decode := func(s string) (string, error) { return s, nil }
	switch {
	case strings.HasPrefix(rest, "decodeURIComponent("):
		rest, decode = rest[len("decodeURIComponent("):], url.PathUnescape
	case strings.HasPrefix(rest, "unescape("):
		rest, decode = rest[len("unescape("):], url.PathUnescape
	case strings.HasPrefix(rest, "atob("):
		rest, decode = rest[len("atob("):], func(s string) (string, error) {
			b, err := base64.StdEncoding.DecodeString(s)
			return string(b), err
		}
	}
	if rest == "" || rest[0] != '"' && rest[0] != '\'' && rest[0] != '`' {
		return "", false
	}
	l.pos = len(l.src) - len(rest)
	t, err := l.quoted()
	if err != nil {
		return "", false
	}
	for l.space(); strings.HasPrefix(l.src[l.pos:], ")"); l.space() {
		l.pos++
	}
	text, err = decode(t.text)
	return text, err == nil
}

// within reads a text that is JSON itself: programs put what a server gave them
// into their state as they got it. Anything less than sound JSON stays a text.
func (l *literal) within(t *Tree) *Tree {
	s := t.text
	if l.asText || l.inside >= 3 || len(s) < 40 || s[0] != '{' && s[0] != '[' || s[0] == '{' && s[len(s)-1] != '}' || s[0] == '[' && s[len(s)-1] != ']' || !strings.Contains(s, `":`) {
		return t
	}
	sub := &literal{src: s, nodes: l.nodes, inside: l.inside + 1}
	v, err := sub.value(0)
	if err != nil || len(sub.repairs) > 0 || sub.pos != len(s) || len(v.kids) == 0 {
		return t
	}
	return v
}

// endsString reports whether what follows position i may follow a string.
func (l *literal) endsString(i int) bool {
	for i < len(l.src) {
		switch l.src[i] {
		case ' ', '\t', '\n', '\r':
			i++
		case ',', ':', '}', ']', ';', ')':
			return true
		default:
			return false
		}
	}
	return true
}

// unescapeJS undoes the escapes of JSON and JavaScript strings.
func unescapeJS(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		if s[i] != '\\' || i+1 >= len(s) {
			b.WriteByte(s[i])
			i++
			continue
		}
		c := s[i+1]
		i += 2
		switch c {
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'r', 'b', 'f', 'v', '0', '\n':
			b.WriteByte(' ')
		case 'x':
			if v, err := strconv.ParseUint(clipRunes(s[i:], 2), 16, 8); err == nil && len(s) >= i+2 {
				b.WriteRune(rune(v))
				i += 2
			}
		case 'u':
			r, n := unicodeEscape(s[i:])
			i += n
			if utf16.IsSurrogate(r) && strings.HasPrefix(s[i:], "\\u") {
				r2, n2 := unicodeEscape(s[i+2:])
				if pair := utf16.DecodeRune(r, r2); pair != utf8.RuneError {
					r = pair
					i += 2 + n2
				}
			}
			b.WriteRune(r)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// unicodeEscape reads XXXX or {X...} after \u.
func unicodeEscape(s string) (rune, int) {
	if strings.HasPrefix(s, "{") {
		if end := strings.IndexByte(s[:min(len(s), 8)], '}'); end > 0 {
			if v, err := strconv.ParseUint(s[1:end], 16, 21); err == nil {
				return rune(v), end + 1
			}
		}
		return utf8.RuneError, 0
	}
	if len(s) < 4 {
		return utf8.RuneError, 0
	}
	v, err := strconv.ParseUint(s[:4], 16, 16)
	if err != nil {
		return utf8.RuneError, 0
	}
	return rune(v), 4
}
