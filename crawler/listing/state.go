package listing

import (
	"regexp"
	"strconv"
	"strings"
)

// state is data that a page carries for its own scripts.
type state struct {
	name string
	tree *Tree
}

const maxStates = 400

// assignment finds "name = {" and "name({" in scripts. What stands before the
// value is the state's name, without "window." and the like.
var assignment = regexp.MustCompile(`([A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*)(?:\[["']([\w$.:-]+)["']\])?\s*(=|\(\s*(?:["'][\w$.:/ -]*["']\s*,\s*)?)\s*(?:(JSON\.parse\(\s*["'` + "`" + `])|([\[{]))`)

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
	return d.states
}

func (d *Document) addState(name, text string) {
	if text == "" || len(d.states) >= maxStates {
		return
	}
	t, _, err := parseJSON(text, &d.nodes)
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
	for at := 0; at < len(text) && len(d.states) < maxStates; {
		m := assignment.FindStringSubmatchIndex(text[at:])
		if m == nil {
			return
		}
		name := text[at+m[2] : at+m[3]]
		call := text[at+m[6]] == '('
		if m[4] >= 0 {
			name += "." + text[at+m[4]:at+m[5]]
		}
		start := at + m[1] - 1
		if m[8] >= 0 {
			start = at + m[8]
		}
		if call && !strings.Contains(name, ".") || strings.HasSuffix(name, ".forEach") {
			at = start
			if m[8] >= 0 {
				at = at + len("JSON.parse(")
			}
			continue
		}
		l := &literal{src: text, pos: start, nodes: &d.nodes}
		t, err := l.value(0)
		at = max(l.pos, start+1)
		if t == nil || err != nil && len(t.kids) == 0 || !t.worthKeeping() {
			continue
		}
		for _, p := range []string{"window.", "self.", "globalThis.", "top."} {
			name = strings.TrimPrefix(name, p)
		}
		d.states = append(d.states, state{name, t})
	}
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
