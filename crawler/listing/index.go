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
