package triage

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	yamltoken "github.com/goccy/go-yaml/token"
)

// BrandError is a mistake in a brand profile: where it is, and what to write.
type BrandError struct {
	File string // the name given to ParseBrand
	Line int    // 0 when unknown
	Key  string // "models[3].price"
	Text string
}

func (e *BrandError) Error() string {
	s := e.File
	if e.Line > 0 {
		s = fmt.Sprintf("%s:%d", s, e.Line)
	}
	if e.Key != "" {
		s += ": " + e.Key
	}
	return s + ": " + e.Text
}

// Bounds of a profile. They are far above what a brand needs.
const (
	maxProfile  = 16 << 20 // bytes
	maxNesting  = 300      // brackets in quotes count too, so this is generous
	maxDashes   = 20
	maxNames    = 500
	maxModels   = 20_000
	maxOfficial = 5_000
	maxText     = 300 // bytes of a name, phrase or code
)

// ParseBrand reads a brand profile, YAML or JSON (docs/brands.md). name is
// what errors call it. Unknown keys are errors. The error is a *BrandError.
func ParseBrand(name string, yamlOrJSON []byte) (*Brand, error) {
	p := &profile{name: name, text: yamlOrJSON}
	if err := p.guard(); err != nil {
		return nil, err
	}
	b := new(Brand)
	if err := p.decode(b); err != nil {
		return nil, err
	}
	if err := p.check(b); err != nil {
		return nil, err
	}
	b.c = compile(b)
	return b, nil
}

// profile is a profile while it is read.
type profile struct {
	name string
	text []byte
}

// guard refuses what a YAML parser could be hurt with: depth and aliases.
func (p *profile) guard() error {
	switch {
	case len(p.text) > maxProfile:
		return &BrandError{File: p.name, Text: fmt.Sprintf("the profile has %d bytes; at most %d are read", len(p.text), maxProfile)}
	case !utf8.Valid(p.text):
		return &BrandError{File: p.name, Text: "the profile is not UTF-8 text"}
	case len(strings.TrimSpace(string(p.text))) == 0:
		return &BrandError{File: p.name, Line: 1, Key: "name", Text: "the profile is empty; it needs at least a name"}
	}
	line, depth, dashes, lead := 1, 0, 0, true
	for _, c := range p.text {
		switch c {
		case '\n':
			line, dashes, lead = line+1, 0, true
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(0, depth-1)
		case '-', '?':
			if lead {
				dashes++
			}
		}
		lead = lead && (c == ' ' || c == '-' || c == '?' || c == '\t')
		if depth > maxNesting || dashes > maxDashes && (!lead || dashes > 2000) {
			return &BrandError{File: p.name, Line: line, Text: "is nested deeper than a profile can be"}
		}
	}
	return nil
}

func (p *profile) decode(b *Brand) error {
	// Decoding a damaged text must not end the program: the parser is not ours.
	f, err := p.parse()
	if err != nil {
		return err
	}
	if len(f.Docs) > 1 {
		return &BrandError{File: p.name, Text: "holds several documents; a profile is one"}
	}
	if line := aliasIn(f); line > 0 {
		return &BrandError{File: p.name, Line: line, Text: "uses an anchor or alias; write the value out"}
	}
	for _, d := range f.Docs {
		literal(d.Body, false)
	}
	err = p.recovered(func() error { return yaml.NodeToValue(f.Docs[0].Body, b, yaml.Strict()) })
	if err != nil {
		return p.fromYAML(f, err)
	}
	return nil
}

func (p *profile) parse() (f *ast.File, err error) {
	err = p.recovered(func() (err error) {
		f, err = parser.ParseBytes(p.text, 0)
		return err
	})
	if err != nil {
		return nil, p.fromYAML(nil, err)
	}
	if len(f.Docs) == 0 || f.Docs[0].Body == nil {
		return nil, &BrandError{File: p.name, Line: 1, Key: "name", Text: "the profile is empty; it needs at least a name"}
	}
	return f, nil
}

func (p *profile) recovered(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be read as YAML: %v", r)
		}
	}()
	return do()
}

func (p *profile) fromYAML(f *ast.File, err error) error {
	e := &BrandError{File: p.name, Text: err.Error()}
	var ye yaml.Error
	if errors.As(err, &ye) {
		e.Text = ye.GetMessage()
		if tk := ye.GetToken(); tk != nil && tk.Position != nil {
			e.Line = tk.Position.Line
			if f != nil {
				e.Key = keyOn(f, tk.Position)
			}
		}
	}
	if e.Line == 0 && f != nil {
		e.Key, e.Line = misread(f)
	}
	e.Text, _, _ = strings.Cut(strings.TrimSpace(e.Text), "\n")
	return e
}

// fault makes an error for a key; its line is looked up.
func (p *profile) fault(key, format string, args ...any) error {
	e := &BrandError{File: p.name, Key: key, Text: fmt.Sprintf(format, args...)}
	if f, err := p.parse(); err == nil {
		e.Line = lineOf(f, key)
	}
	return e
}

// walkKeys visits every key of a profile with its path: "models[3].price".
func walkKeys(f *ast.File, visit func(path string, key, value ast.Node)) {
	var rec func(path string, n ast.Node)
	rec = func(path string, n ast.Node) {
		switch n := n.(type) {
		case *ast.MappingNode:
			for _, v := range n.Values {
				rec(path, v)
			}
		case *ast.MappingValueNode:
			k := strings.Trim(n.Key.String(), `"'`)
			if path != "" {
				k = path + "." + k
			}
			visit(k, n.Key, n.Value)
			rec(k, n.Value)
		case *ast.SequenceNode:
			for i, v := range n.Values {
				k := fmt.Sprintf("%s[%d]", path, i)
				visit(k, v, nil)
				rec(k, v)
			}
		}
	}
	for _, d := range f.Docs {
		rec("", d.Body)
	}
}

func lineAt(n ast.Node) int {
	if n == nil {
		return 0
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}

// keyOn finds the key whose token an error points at: at its column, or else
// the last one on its line.
func keyOn(f *ast.File, at *yamltoken.Position) string {
	found, exact := "", false
	walkKeys(f, func(path string, key, value ast.Node) {
		t := key.GetToken()
		if t == nil || t.Position == nil || t.Position.Line != at.Line || value == nil || exact {
			return
		}
		found, exact = path, t.Position.Column == at.Column
	})
	return found
}

// literal turns numbers into the text that stands there: amounts keep their
// digits, codes and hashes their zeros. Only thresholds are numbers.
func literal(n ast.Node, number bool) ast.Node {
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			literal(v, number)
		}
	case *ast.MappingValueNode:
		n.Value = literal(n.Value, number || strings.Trim(n.Key.String(), `"'`) == "thresholds")
	case *ast.SequenceNode:
		for i, v := range n.Values {
			n.Values[i] = literal(v, number)
		}
	case *ast.IntegerNode:
		if !number {
			return ast.String(n.Token)
		}
	case *ast.FloatNode:
		if !number {
			return ast.String(n.Token)
		}
	}
	return n
}

// misread finds the scalar that its own type refused: such errors come without
// a place.
func misread(f *ast.File) (key string, line int) {
	walkKeys(f, func(path string, _, value ast.Node) {
		name := path[strings.LastIndexByte(path, '.')+1:]
		if value == nil || key != "" {
			return
		}
		var err error
		switch name {
		case "price", "rate":
			err = new(Decimal).UnmarshalYAML(value)
		case "dhash", "phash":
			err = new(Hash).UnmarshalYAML(value)
		}
		if err != nil {
			key, line = path, lineAt(value)
		}
	})
	return key, line
}

// lineOf finds the line of a key, or of the nearest key that holds it.
func lineOf(f *ast.File, key string) int {
	line, best := 0, -1
	walkKeys(f, func(path string, n, _ ast.Node) {
		holds := path == key || strings.HasPrefix(key, path+".") || strings.HasPrefix(key, path+"[")
		if holds && len(path) > best {
			line, best = lineAt(n), len(path)
		}
	})
	return line
}

func aliasIn(f *ast.File) int {
	v := &aliasFinder{}
	for _, d := range f.Docs {
		ast.Walk(v, d)
	}
	return v.line
}

type aliasFinder struct{ line int }

// Visit implements ast.Visitor.
func (v *aliasFinder) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AliasNode, *ast.AnchorNode, *ast.MergeKeyNode:
		v.line = max(1, lineAt(n))
	}
	return v
}
