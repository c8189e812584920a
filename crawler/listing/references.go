package listing

import "strings"

// references follows what normalised caches (Apollo, Relay, urql) write in the
// place of an object: {"__ref": "Price:12"} names an entry of the cache.
type references struct {
	doc     *Document
	entries map[string]*Tree // nil not looked for yet
}

// first is Tree.first that also finds a field with arguments, as
// price({"currency":"EUR"}).
func (r *references) first(o *Tree, keys ...string) *Tree {
	if v := o.first(keys...); v != nil {
		return v
	}
	for i, k := range o.keys {
		if name, _, ok := strings.Cut(k, "("); ok && strings.HasSuffix(k, ")") {
			for _, want := range keys {
				if name == want && o.kids[i].kind != nullTree {
					return o.kids[i]
				}
			}
		}
	}
	return nil
}

// resolved gives a copy of an object whose fields are called by their names,
// and are what they refer to. Fields of those fields are followed once more.
func (r *references) resolved(o *Tree) *Tree { return r.resolve(o, 2) }

func (r *references) resolve(o *Tree, levels int) *Tree {
	if levels == 0 || o == nil || o.kind != objectTree {
		return o
	}
	var out *Tree
	for i, k := range o.keys {
		name, _, args := strings.Cut(k, "(")
		if args && (!strings.HasSuffix(k, ")") || name == "" || o.get(name) != nil) {
			name, args = k, false
		}
		v := o.kids[i]
		to := r.entry(v)
		if to == nil {
			to = v
		}
		to = r.resolve(to, levels-1)
		if to == v && !args {
			continue
		}
		if out == nil {
			out = &Tree{kind: objectTree, keys: append([]string(nil), o.keys...), kids: append([]*Tree(nil), o.kids...)}
		}
		out.keys[i], out.kids[i] = strings.Clone(name), to
	}
	if out == nil {
		return o
	}
	return out
}

// entry gives what a reference names; nil for what is none.
func (r *references) entry(v *Tree) *Tree {
	if v == nil || v.kind != objectTree || len(v.keys) == 0 || len(v.keys) > 4 {
		return nil
	}
	name := v.get("__ref").scalar()
	if name == "" && v.get("type").scalar() == "id" { // Apollo 2
		name = v.get("id").scalar()
	}
	if name == "" {
		return nil
	}
	if r.entries == nil {
		r.find()
	}
	return r.entries[name]
}

const maxEntries = 50_000

func (r *references) find() {
	r.entries = map[string]*Tree{}
	for _, s := range r.doc.allStates() {
		s.tree.walk(func(o *Tree, _ int) bool {
			for i, k := range o.keys {
				if kid := o.kids[i]; kid.kind == objectTree && kid.get("__typename") != nil && r.entries[k] == nil {
					r.entries[k] = kid
				}
			}
			return len(r.entries) < maxEntries
		})
	}
}
