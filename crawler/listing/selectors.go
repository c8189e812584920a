package listing

import "strings"

// selectorKey is something that every element has that a selector matches.
type selectorKey struct {
	kind byte // '#', '.', '[', '~' and '^' (a part of the class or id attribute) or 't'
	name string
}

// selectorKeys reads the last compound of each selector of a group: what the
// matched element itself must have. ok is false when one of them says nothing,
// or is written in a way that is not read here: comments, what elements without
// an attribute match too, and the selectors whose values are expressions, in
// which quotes and commas are not CSS's.
func selectorKeys(css string) (keys []selectorKey, ok bool) {
	if strings.Contains(css, "/*") || strings.Contains(css, "!=") || strings.Contains(css, "#=") || strings.Contains(strings.ToLower(css), ":matches") {
		return nil, false
	}
	for start, i := 0, 0; i <= len(css); {
		if i < len(css) && css[i] != ',' {
			i = skipSelector(css, i)
			continue
		}
		k, ok := lastCompoundKey(strings.TrimSpace(css[start:min(i, len(css))]))
		if !ok {
			return nil, false
		}
		keys = append(keys, k)
		i++
		start = i
	}
	return keys, true
}

// skipSelector gives where the next part of a selector begins: brackets,
// parentheses and quotes are passed as one.
func skipSelector(css string, i int) int {
	depth := 0
	for ; i < len(css); i++ {
		switch c := css[i]; c {
		case '\\':
			i++
		case '"', '\'':
			for i++; i < len(css) && css[i] != c; i++ {
			}
		case '[', '(':
			depth++
		case ']', ')':
			depth--
		}
		if depth <= 0 {
			return i + 1
		}
	}
	return len(css)
}

func lastCompoundKey(sel string) (selectorKey, bool) {
	if sel == "" || strings.Contains(sel, `\`) {
		return selectorKey{}, false
	}
	begin := 0
	for i := 0; i < len(sel); i = skipSelector(sel, i) {
		if strings.IndexByte(" >+~\t\n", sel[i]) >= 0 {
			begin = i + 1
		}
	}
	best := selectorKey{}
	for rest := sel[begin:]; rest != ""; {
		n := 1
		switch c := rest[0]; {
		case c == '#' || c == '.':
			n += identEnd(rest[1:])
			if best.kind != '#' && (c == '#' || best.kind != '.') { // a class before a part of one
				best = selectorKey{c, rest[1:n]}
			}
		case c == '[':
			n = skipSelector(rest, 0)
			name := strings.ToLower(rest[1 : 1+identEnd(rest[1:])])
			if kind, part := attrPart(rest[:n]); part != "" && (best.kind == 0 || best.kind == 't' || best.kind == '[') {
				best = selectorKey{kind, part}
			} else if (best.kind == 0 || best.kind == 't') && name != "class" && name != "" {
				best = selectorKey{'[', name}
			}
		case c == ':':
			for n < len(rest) && rest[n] == ':' {
				n++
			}
			n += identEnd(rest[n:])
			if n < len(rest) && rest[n] == '(' {
				n = skipSelector(rest, n)
			}
		case c == '*':
		default:
			if n = identEnd(rest); n == 0 {
				return selectorKey{}, false
			}
			best = selectorKey{'t', strings.ToLower(rest[:n])}
		}
		rest = rest[n:]
	}
	return best, best.kind != 0 && best.name != ""
}

// attrPart gives the name of the attribute, class or id, and the text in lower
// case that it has in it in every element that [class*="x"] and its like match;
// "" when the selector is another.
func attrPart(sel string) (kind byte, part string) {
	inner := strings.TrimSuffix(strings.TrimPrefix(sel, "["), "]")
	key, value, ok := strings.Cut(inner, "=")
	if !ok || value == "" {
		return 0, ""
	}
	switch strings.ToLower(strings.TrimRight(key, "*^$~|")) {
	case "class":
		kind = '~'
	case "id":
		kind = '^'
	default:
		return 0, ""
	}
	if value[0] == '"' || value[0] == '\'' {
		text, _, closed := strings.Cut(value[1:], value[:1])
		if !closed {
			return 0, ""
		}
		value = text
	} else {
		value = value[:identEnd(value)]
	}
	for i := 0; i < len(value); i++ { // others' lower case may be longer, or another's
		if value[i] >= 0x80 || value[i] < ' ' {
			return 0, ""
		}
	}
	return kind, strings.ToLower(value)
}

// identEnd gives where an identifier ends. Those beyond ASCII are not read:
// their case and white space follow other rules.
func identEnd(s string) int {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return i
		}
	}
	return len(s)
}

// aboveKeys gives for each selector of a group what an element must have that
// the matched one stands in; a key without a kind where the text does not say.
func aboveKeys(css string, count int) []selectorKey {
	out := make([]selectorKey, count)
	for start, i, n := 0, 0, 0; i <= len(css) && n < count; {
		if i < len(css) && css[i] != ',' {
			i = skipSelector(css, i)
			continue
		}
		out[n] = aboveKey(strings.TrimSpace(css[start:min(i, len(css))]))
		n++
		i++
		start = i
	}
	return out
}

func aboveKey(sel string) selectorKey {
	var best selectorKey
	begin, end := 0, -1 // of the compound before the current combinator
	for i := 0; i < len(sel); i = skipSelector(sel, i) {
		switch sel[i] {
		case '+', '~':
			best, end = selectorKey{}, -1
			begin = i + 1
		case ' ', '>', '\t', '\n':
			if end = i; begin < end {
				if k, ok := lastCompoundKey(strings.TrimSpace(sel[begin:end])); ok && (k.kind == '#' || k.kind == '.') {
					best = k
				}
			}
			begin = i + 1
		}
	}
	return best
}
