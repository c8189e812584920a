package listing

import (
	"fmt"
	"strconv"
	"strings"
)

// get gives the value of a key of an object, nil when there is none.
func (t *Tree) get(key string) *Tree {
	if t == nil || t.kind != objectTree {
		return nil
	}
	for i, k := range t.keys {
		if k == key {
			return t.kids[i]
		}
	}
	return nil
}

// first gives the first of several keys that is there.
func (t *Tree) first(keys ...string) *Tree {
	for _, k := range keys {
		if v := t.get(k); v != nil && v.kind != nullTree {
			return v
		}
	}
	return nil
}

// items gives the elements of a list; anything else is a list of itself.
func (t *Tree) items() []*Tree {
	switch {
	case t == nil || t.kind == nullTree:
		return nil
	case t.kind == arrayTree:
		return t.kids
	}
	return []*Tree{t}
}

// scalar gives the text of a string, number or boolean; "" for the rest.
func (t *Tree) scalar() string {
	if t == nil || t.kind == objectTree || t.kind == arrayTree || t.kind == codeTree {
		return ""
	}
	return t.text
}

// CheckStatePath reports what is wrong with a path into embedded state.
func CheckStatePath(path string) error {
	if path == "" || strings.HasSuffix(path, ".") {
		return fmt.Errorf("%q is not a path like name.key.0.key or name..key", path)
	}
	return nil
}

// maxFound bounds how many values one path gives.
const maxFound = 500

// find follows a path: keys and indexes joined by '.', '*' for every element,
// and an empty step ("..") for the keys at any depth.
func (t *Tree) find(path string) []*Tree {
	here := []*Tree{t}
	deep := false
	for _, step := range strings.Split(path, ".") {
		if step == "" {
			deep = true
			continue
		}
		var next []*Tree
		for _, one := range here {
			if deep {
				next = one.deepFind(step, next, 0)
			} else {
				next = one.step(step, next)
			}
			if len(next) >= maxFound {
				break
			}
		}
		here, deep = next, false
		if len(here) == 0 {
			return nil
		}
	}
	return here
}

func (t *Tree) step(step string, out []*Tree) []*Tree {
	if t == nil {
		return out
	}
	switch {
	case step == "*":
		return append(out, t.kids...)
	case t.kind == objectTree:
		if v := t.get(step); v != nil {
			return append(out, v)
		}
	case t.kind == arrayTree:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(t.kids) {
			return append(out, t.kids[i])
		}
	}
	return out
}

func (t *Tree) deepFind(key string, out []*Tree, depth int) []*Tree {
	if t == nil || depth > maxTreeDepth || len(out) >= maxFound {
		return out
	}
	for i, kid := range t.kids {
		if t.kind == objectTree && t.keys[i] == key {
			out = append(out, kid)
			continue
		}
		out = kid.deepFind(key, out, depth+1)
	}
	return out
}

// walk visits every object, outermost first, until f says stop.
func (t *Tree) walk(f func(o *Tree, depth int) bool) bool { return t.walkFrom(f, 0) }

func (t *Tree) walkFrom(f func(*Tree, int) bool, depth int) bool {
	if t == nil || depth > maxTreeDepth {
		return true
	}
	if t.kind == objectTree && !f(t, depth) {
		return false
	}
	for _, kid := range t.kids {
		if !kid.walkFrom(f, depth+1) {
			return false
		}
	}
	return true
}
