package listing

import (
	"strconv"
	"strings"
)

// enqueue is how Remix and React Router hand over what a page's loaders gave:
// pieces of a stream, each a text (turbo-stream 2).
const enqueue = "streamController.enqueue("

// addEnqueued collects the pieces of a stream from a script.
func (d *Document) addEnqueued(text string) {
	for rest := text; len(d.stream) < maxBody; {
		_, after, ok := strings.Cut(rest, enqueue)
		if !ok {
			return
		}
		rest = strings.TrimLeft(after, " \n\t")
		if rest == "" || rest[0] != '"' && rest[0] != '\'' {
			continue
		}
		l := &literal{src: rest, nodes: &d.nodes, asText: true}
		t, err := l.quoted()
		if err != nil {
			return
		}
		d.stream = append(d.stream, t.text...)
		rest = rest[l.pos:]
	}
}

// streamState reads a collected stream: a first line with a flat list whose
// entries name each other by index, and a line for each promise that was kept
// later, whose entries go on counting.
func (d *Document) streamState() {
	if len(d.stream) == 0 || len(d.states) >= maxStates {
		return
	}
	s := turbo{nodes: &d.nodes, kept: map[string]int{}}
	for line := range strings.SplitSeq(string(d.stream), "\n") {
		id, list, later := strings.Cut(line, ":")
		if !later || len(id) > 12 || !strings.HasPrefix(id, "P") {
			id, list = "", line
		}
		if !strings.HasPrefix(list, "[") {
			continue
		}
		t, _, _ := parseData(list, &d.nodes, true)
		if t == nil || t.kind != arrayTree {
			continue
		}
		if id != "" {
			s.kept[id[1:]] = len(s.values)
		}
		s.values = append(s.values, t.kids...)
	}
	if t := s.build(0, 0); t.kind == objectTree || t.kind == arrayTree {
		d.states = append(d.states, state{"__remixContext", t})
	}
	d.stream = nil
}

// turbo is a stream's flat list.
type turbo struct {
	values []*Tree
	kept   map[string]int // promises -> where what they gave begins
	nodes  *int
}

// build makes the value at an index; what stands for nothing is a null.
func (s *turbo) build(i, depth int) *Tree {
	if i < 0 || i >= len(s.values) || *s.nodes <= 0 || depth > 40 {
		return &Tree{}
	}
	*s.nodes--
	v := s.values[i]
	switch v.kind {
	case objectTree:
		out := &Tree{kind: objectTree}
		for j, k := range v.keys {
			at, err := strconv.Atoi(strings.TrimPrefix(k, "_"))
			if err != nil || at < 0 || at >= len(s.values) || s.values[at].kind != stringTree {
				continue
			}
			out.keys = append(out.keys, s.values[at].text)
			out.kids = append(out.kids, s.ref(v.kids[j], depth))
		}
		return out
	case arrayTree:
		if len(v.kids) > 0 && v.kids[0].kind == stringTree {
			return s.tagged(v, depth)
		}
		out := &Tree{kind: arrayTree}
		for _, k := range v.kids {
			out.kids = append(out.kids, s.ref(k, depth))
		}
		return out
	}
	return v
}

// tagged reads a promise, a date and the like: ["P", 12].
func (s *turbo) tagged(v *Tree, depth int) *Tree {
	if len(v.kids) != 2 {
		return &Tree{}
	}
	switch v.kids[0].text {
	case "P":
		if at, ok := s.kept[v.kids[1].text]; ok {
			return s.build(at, depth+1)
		}
	case "D", "U", "B":
		return &Tree{kind: stringTree, text: v.kids[1].text}
	}
	return &Tree{}
}

func (s *turbo) ref(k *Tree, depth int) *Tree {
	i, err := strconv.Atoi(k.text)
	if err != nil || k.kind != numberTree {
		return &Tree{}
	}
	return s.build(i, depth+1)
}
