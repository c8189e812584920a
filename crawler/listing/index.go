package listing

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// elements are the elements of a page in document order, and where those of a
// class, an id, a name or an attribute stand. A site's rules ask a page some
// hundred selectors: walking the whole tree for each cost more than parsing.
type elements struct {
	list []*html.Node
	ids  map[string][]int32
	tags map[string][]int32
	// Pages repeat few class attributes many times: elements are kept by the
	// whole attribute, and the attributes by the classes in them.
	groups  map[string]int32
	members [][]int32
	class   map[string][]int32 // groups
	attrs   map[string][]int32 // by the attribute's name, filled when first asked
}

func newElements() elements {
	return elements{ids: map[string][]int32{}, tags: map[string][]int32{}, groups: map[string]int32{}, class: map[string][]int32{}}
}

func (x *elements) add(n *html.Node) {
	at := int32(len(x.list))
	x.list = append(x.list, n)
	x.tags[n.Data] = append(x.tags[n.Data], at)
	for _, a := range n.Attr {
		switch a.Key {
		case "id":
			x.ids[a.Val] = append(x.ids[a.Val], at)
		case "class":
			g, ok := x.groups[a.Val]
			if !ok {
				g = int32(len(x.members))
				x.groups[a.Val] = g
				x.members = append(x.members, nil)
				for name := range strings.FieldsSeq(a.Val) {
					x.class[name] = append(x.class[name], g)
				}
			}
			x.members[g] = append(x.members[g], at)
		}
	}
}

func (x *elements) ofClass(name string) []int32 {
	var out []int32
	for _, g := range x.class[name] {
		out = append(out, x.members[g]...)
	}
	return out
}

func (x *elements) withAttr(name string) []int32 {
	if x.attrs == nil {
		x.attrs = map[string][]int32{}
		for i, n := range x.list {
			for _, a := range n.Attr {
				x.attrs[a.Key] = append(x.attrs[a.Key], int32(i))
			}
		}
	}
	return x.attrs[name]
}

// candidates gives, in document order, the elements that a selector can match;
// ok is false when its text does not say.
func (x *elements) candidates(css string) (at []int32, ok bool) {
	keys, ok := selectorKeys(css)
	if !ok {
		return nil, false
	}
	for _, k := range keys {
		switch k.kind {
		case '#':
			at = append(at, x.ids[k.name]...)
		case '.':
			at = append(at, x.ofClass(k.name)...)
		case '[':
			at = append(at, x.withAttr(k.name)...)
		default:
			at = append(at, x.tags[k.name]...)
		}
	}
	slices.Sort(at)
	return slices.Compact(at), true
}

// selectorKey is something that every element has that a selector matches.
type selectorKey struct {
	kind byte // '#', '.', '[' or 't'
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
			if best.kind != '#' && (c == '#' || best.kind != '.') {
				best = selectorKey{c, rest[1:n]}
			}
		case c == '[':
			n = skipSelector(rest, 0)
			if name := rest[1 : 1+identEnd(rest[1:])]; (best.kind == 0 || best.kind == 't') && name != "class" && name != "" {
				best = selectorKey{'[', strings.ToLower(name)}
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
