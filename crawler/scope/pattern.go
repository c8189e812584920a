package scope

import "strings"

// pattern is a path pattern as robots.txt has it (RFC 9309 section 2.2.3): it
// matches from the start, "*" is any run of characters, a "$" at the end means
// the end. Matching takes time linear in the path.
type pattern struct {
	text     string   // as written
	parts    []string // literals between the stars, in even spelling
	anchored bool     // ends in $
	octets   int      // what "longest match" counts
}

func compilePattern(text string) pattern {
	p := pattern{text: text}
	body, anchored := strings.CutSuffix(text, "$")
	p.anchored = anchored
	even := evenPath(body, false)
	p.octets = len(even)
	if anchored {
		p.octets++
	}
	p.parts = strings.Split(even, "*")
	return p
}

// match expects a path that went through evenPath.
func (p pattern) match(path string) bool {
	rest, ok := strings.CutPrefix(path, p.parts[0])
	if !ok {
		return false
	}
	last := len(p.parts) - 1
	for i, part := range p.parts[1:] {
		if i+1 == last && p.anchored {
			return strings.HasSuffix(rest, part)
		}
		// The leftmost place is always good enough: it leaves most for the rest.
		at := strings.Index(rest, part)
		if at < 0 {
			return false
		}
		rest = rest[at+len(part):]
	}
	return !p.anchored || rest == ""
}

// evenPath gives a path the spelling that patterns are compared in: what is not
// ASCII is escaped, unreserved characters are plain (RFC 9309 section 2.2.2). A
// dollar sign that is left here is an ordinary one, and so is a star in a path:
// both are escaped, so that a pattern can name them as %24 and %2A.
func evenPath(s string, isPath bool) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if d, ok := escaped(s, i); ok {
			if i += 2; unreserved(d) {
				b.WriteByte(d)
			} else {
				writeEscape(&b, d)
			}
			continue
		}
		if c <= ' ' || c >= 0x7f || c == '$' || isPath && c == '*' {
			writeEscape(&b, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
