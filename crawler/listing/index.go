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
	tags map[string]*[]int32
	// Pages repeat few class attributes many times: elements are kept by the
	// whole attribute, and the attributes by the classes in them.
	groups  map[string]int32
	members [][]int32
	class   map[string][]int32  // groups
	lower   []string            // groups -> their attribute in lower case, filled when first asked
	ends    []int32             // where the elements below each one end, filled when first asked
	attrs   map[string]*[]int32 // by the attribute's name, filled when first asked
}

func newElements() elements {
	return elements{ids: map[string][]int32{}, tags: map[string]*[]int32{}, groups: map[string]int32{}, class: map[string][]int32{}}
}

func (x *elements) add(n *html.Node) {
	at := int32(len(x.list))
	x.list = append(x.list, n)
	put(x.tags, n.Data, at)
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
		x.attrs = map[string]*[]int32{}
		for i, n := range x.list {
			for _, a := range n.Attr {
				put(x.attrs, a.Key, int32(i))
			}
		}
	}
	return get(x.attrs, name)
}

// idLike is classLike for ids.
func (x *elements) idLike(part string) []int32 {
	var out []int32
	for id, at := range x.ids {
		if strings.Contains(strings.ToLower(id), part) {
			out = append(out, at...)
		}
	}
	return out
}

func put(m map[string]*[]int32, key string, at int32) {
	list := m[key]
	if list == nil {
		list = new([]int32)
		m[key] = list
	}
	*list = append(*list, at)
}

func get(m map[string]*[]int32, key string) []int32 {
	if list := m[key]; list != nil {
		return *list
	}
	return nil
}

// classLike gives the elements whose class attribute has a text in it, in
// whatever case.
func (x *elements) classLike(part string) []int32 {
	if x.lower == nil {
		x.lower = make([]string, len(x.members))
		for name, g := range x.groups {
			x.lower[g] = strings.ToLower(name)
		}
	}
	var out []int32
	for g, name := range x.lower {
		if strings.Contains(name, part) {
			out = append(out, x.members[g]...)
		}
	}
	return out
}

// candidates gives, in document order, the elements that a selector can match;
// ok is false when its text does not say.
func (x *elements) candidates(css string) (at []int32, ok bool) {
	keys, ok := selectorKeys(css)
	if !ok {
		return nil, false
	}
	above := aboveKeys(css, len(keys))
	for i, k := range keys {
		var roots []int32
		if above[i].kind != 0 {
			if roots = x.having(above[i]); len(roots) == 0 {
				continue // what it would stand in is not on the page
			}
		}
		found := x.having(k)
		if roots != nil && len(found) > 8 {
			found = x.inside(roots, found)
		}
		at = append(at, found...)
	}
	slices.Sort(at)
	return slices.Compact(at), true
}

// having gives the elements that have a key, in no order.
func (x *elements) having(k selectorKey) []int32 {
	switch k.kind {
	case '#':
		return x.ids[k.name]
	case '.':
		return x.ofClass(k.name)
	case '[':
		return x.withAttr(k.name)
	case '~':
		return x.classLike(k.name)
	case '^':
		return x.idLike(k.name)
	}
	return get(x.tags, k.name)
}

// inside gives those of some elements that stand in one of the roots.
func (x *elements) inside(roots, found []int32) []int32 {
	if x.ends == nil {
		x.measure()
	}
	if !slices.IsSorted(found) {
		found = slices.Sorted(slices.Values(found))
	}
	var out []int32
	for _, r := range roots {
		from, _ := slices.BinarySearch(found, r+1)
		to, _ := slices.BinarySearch(found, x.ends[r])
		out = append(out, found[from:to]...)
	}
	return out
}

// measure finds out where the elements below each one end.
func (x *elements) measure() {
	x.ends = make([]int32, len(x.list))
	var open []int32
	for i, n := range x.list {
		for len(open) > 0 && x.list[open[len(open)-1]] != n.Parent {
			x.ends[open[len(open)-1]] = int32(i)
			open = open[:len(open)-1]
		}
		open = append(open, int32(i))
	}
	for _, o := range open {
		x.ends[o] = int32(len(x.list))
	}
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
