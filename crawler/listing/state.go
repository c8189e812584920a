package listing

import (
	"strconv"
	"strings"
)

// state is data that a page carries for its own scripts.
type state struct {
	name string
	tree *Tree
}

const maxStates = 400

// allStates reads the embedded data of the page, once.
func (d *Document) allStates() []state {
	if d.stated {
		return d.states
	}
	d.stated = true
	for _, s := range d.scripts {
		if strings.Contains(s.kind, "ld+json") {
			continue
		}
		text := strings.TrimSpace(s.text)
		switch {
		case strings.Contains(s.kind, "json") || s.kind == "text/x-magento-init" || s.kind != "" && !strings.Contains(s.kind, "script") && s.kind != "module" && strings.HasPrefix(text, "{"):
			d.addState(s.id, text)
		case s.kind == "" || strings.Contains(s.kind, "javascript") || strings.Contains(s.kind, "ecmascript") || s.kind == "module":
			d.scriptStates(text)
		}
	}
	for _, s := range d.dataJSON {
		d.addState(s.id, s.text)
	}
	d.flightState()
	d.streamState()
	return d.states
}

func (d *Document) addState(name, text string) {
	if text == "" || len(d.states) >= maxStates {
		return
	}
	t, _, err := parseData(text, &d.nodes, name == "__NUXT_DATA__")
	if t == nil || len(t.kids) == 0 {
		if err != nil && len(text) > 100 && strings.HasPrefix(text, "{") {
			d.problem("embedded data %q could not be read: %v", name, err)
		}
		return
	}
	if name == "__NUXT_DATA__" {
		t = unflatten(t, &d.nodes)
	}
	d.states = append(d.states, state{name, t})
}

// scriptStates reads the literals that a script assigns or passes on.
func (d *Document) scriptStates(text string) {
	if len(text) < 20 {
		return
	}
	if strings.Contains(text, enqueue) {
		d.addEnqueued(text)
	}
	for at := 0; at < len(text) && len(d.states) < maxStates && d.nodes > 0; {
		a, ok := nextAssignment(text, at)
		if !ok {
			return
		}
		if a.name == "" || a.call && !strings.Contains(a.name, ".") || strings.HasSuffix(a.name, ".forEach") {
			at = a.value + 1
			continue
		}
		l := &literal{src: text, pos: a.value, nodes: &d.nodes, asText: strings.HasSuffix(a.name, "__next_f.push")}
		t, err := l.value(0)
		at = max(l.pos, a.value+1)
		if t == nil || err != nil && len(t.kids) == 0 || !t.worthKeeping() {
			continue
		}
		for _, p := range []string{"window.", "self.", "globalThis.", "top."} {
			a.name = strings.TrimPrefix(a.name, p)
		}
		d.states = append(d.states, state{a.name, t})
	}
}

// assignment is a literal in a script: name = {, name["x"] = {, name({,
// name("x", { and name = JSON.parse(".
type assignment struct {
	name  string
	value int // where the literal begins
	call  bool
}

const jsonParse = "JSON.parse("

// nextAssignment finds the next literal at or after a position, by what stands
// before its bracket. A regular expression for this cost half of a page's
// reading.
func nextAssignment(text string, at int) (assignment, bool) {
	for i := at; i < len(text); {
		j := strings.IndexAny(text[i:], "{[")
		parse := strings.Index(text[i:min(len(text), i+max(j, 0)+1)], jsonParse)
		if j < 0 {
			parse = strings.Index(text[i:], jsonParse)
		}
		switch {
		case parse >= 0:
			j = i + parse
		case j >= 0:
			j += i
		default:
			return assignment{}, false
		}
		if a, ok := assignmentAt(text, j); ok {
			return a, true
		}
		i = j + 1
	}
	return assignment{}, false
}

func assignmentAt(text string, value int) (assignment, bool) {
	a := assignment{value: value}
	i := backSpace(text, value)
	switch {
	case i > 0 && text[i-1] == '=':
		i = backSpace(text, i-1)
		if i > 0 && strings.IndexByte("=!<>+-*/|&", text[i-1]) >= 0 {
			return a, false
		}
		if i > 1 && text[i-1] == ']' { // name["x"]
			key, start := backQuoted(text, i-1)
			if start == 0 || text[start-1] != '[' {
				return a, false
			}
			a.name = "." + key
			i = start - 1
		}
	case i > 0 && text[i-1] == '(':
		a.call = true
		i--
	case i > 0 && text[i-1] == ',':
		_, start := backQuoted(text, backSpace(text, i-1))
		start = backSpace(text, start)
		if start == 0 || text[start-1] != '(' {
			return a, false
		}
		a.call = true
		i = start - 1
	default:
		return a, false
	}
	i = backSpace(text, i)
	end := i
	for i > 0 && end-i < 100 && (isIdent(text[i-1]) && text[i-1] != '-' && text[i-1] != '@' || text[i-1] == '.') {
		i--
	}
	a.name = strings.Trim(text[i:end], ".") + a.name
	return a, a.name != ""
}

func backSpace(text string, i int) int {
	for i > 0 && (text[i-1] == ' ' || text[i-1] == '\n' || text[i-1] == '\t' || text[i-1] == '\r') {
		i--
	}
	return i
}

// backQuoted reads a short quoted text that ends before i; start is 0 when
// there is none.
func backQuoted(text string, i int) (s string, start int) {
	if i < 2 || text[i-1] != '"' && text[i-1] != '\'' {
		return "", 0
	}
	quote := text[i-1]
	for j := i - 2; j >= 0 && i-j < 80; j-- {
		if text[j] == quote {
			return text[j+1 : i-1], j
		}
	}
	return "", 0
}

// worthKeeping drops the small options objects of programs.
func (t *Tree) worthKeeping() bool {
	data := 0
	for _, k := range t.kids {
		if k.kind != codeTree {
			data++
		}
	}
	return data > 0 && (data*2 >= len(t.kids) || t.size() > 20)
}

// flightState joins the pieces that Next.js streams (self.__next_f.push) and
// reads the rows of it that are JSON.
func (d *Document) flightState() {
	var b strings.Builder
	for _, s := range d.states {
		if s.name != "__next_f.push" || len(s.tree.kids) < 2 {
			continue
		}
		if part := s.tree.kids[1]; part.kind == stringTree && b.Len() < maxBody {
			b.WriteString(part.text)
		}
	}
	if b.Len() == 0 {
		return
	}
	rows := &Tree{kind: arrayTree}
	for _, line := range strings.Split(b.String(), "\n") {
		id, row, ok := strings.Cut(line, ":")
		if !ok || len(id) > 8 || row == "" {
			continue
		}
		row = strings.TrimLeft(row, "IHLTED")
		if row == "" || row[0] != '[' && row[0] != '{' {
			continue
		}
		if t, _, _ := parseJSON(row, &d.nodes); t != nil && len(t.kids) > 0 {
			rows.kids = append(rows.kids, t)
		}
	}
	if len(rows.kids) > 0 && len(d.states) < maxStates {
		d.states = append(d.states, state{"__next_f", rows})
	}
}

// unflatten undoes Nuxt's devalue form: a flat list whose entries name each
// other by index.
func unflatten(t *Tree, nodes *int) *Tree {
	if t.kind != arrayTree || len(t.kids) == 0 {
		return t
	}
	var build func(i, depth int) *Tree
	ref := func(k *Tree, depth int) *Tree {
		if i, err := strconv.Atoi(k.text); err == nil && k.kind == numberTree && i >= 0 && i < len(t.kids) {
			return build(i, depth+1)
		}
		return &Tree{}
	}
	build = func(i, depth int) *Tree {
		if *nodes <= 0 || depth > 40 {
			return &Tree{}
		}
		*nodes--
		v := t.kids[i]
		if v.kind != objectTree && v.kind != arrayTree {
			return v
		}
		kids := v.kids
		if v.kind == arrayTree && len(kids) == 2 && kids[0].kind == stringTree {
			return ref(kids[1], depth) // ["Reactive", 3]
		}
		out := &Tree{kind: v.kind, keys: v.keys}
		for _, k := range kids {
			out.kids = append(out.kids, ref(k, depth))
		}
		return out
	}
	return build(0, 0)
}

// State follows a path into the embedded state: the first step is the name of
// the state, and when that is empty ("..key") all states are searched.
func (d *Document) State(path string) []*Tree {
	var out []*Tree
	for _, s := range d.allStates() {
		rest, ok := path, strings.HasPrefix(path, "..")
		if !ok {
			rest, ok = strings.CutPrefix(path, s.name)
			if !ok || s.name == "" || rest != "" && rest[0] != '.' {
				continue
			}
			if rest == "" {
				out = append(out, s.tree)
				continue
			}
			if !strings.HasPrefix(rest, "..") {
				rest = rest[1:]
			}
		}
		out = append(out, s.tree.find(rest)...)
		if len(out) >= maxFound {
			break
		}
	}
	return out
}

// StateTexts gives the scalar values at a path.
func (d *Document) StateTexts(path string) []string {
	var out []string
	for _, t := range d.State(path) {
		for _, one := range t.items() {
			if s := one.scalar(); s != "" {
				out = append(out, s)
			}
		}
	}
	return out
}
