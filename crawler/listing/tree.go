package listing

import (
	"fmt"
	"strings"
)

// Tree is a JSON value, or what a JavaScript literal stands for, with the keys
// of objects in the order of the page.
type Tree struct {
	kind treeKind
	text string // of strings, numbers ("12.50" as written) and booleans
	keys []string
	kids []*Tree
}

type treeKind byte

const (
	nullTree treeKind = iota
	boolTree
	numberTree
	stringTree
	arrayTree
	objectTree
	codeTree // an expression: seen, never evaluated
)

// Bounds of what is read from embedded data.
const (
	maxTreeDepth = 128
	maxTreeNodes = 1_000_000 // of one page
)

// literal reads JSON and what pages write in its place: comments, trailing
// commas, bare keys, single quotes, control characters in strings, missing
// closing brackets, and JavaScript literals with expressions in them, which
// are skipped and never executed. It is one pass, without backtracking.
//
// Why not a JavaScript parser: half of the broken data seen was cut or had
// stray characters, where an AST is all or nothing; and a literal's cost stays
// linear in its own length, not in that of the program around it.
type literal struct {
	src     string
	pos     int
	nodes   *int     // budget left
	loose   bool     // a quote that ends nothing is part of its string
	asText  bool     // JSON in a text stays a text: it is a piece of something
	inside  int      // how many texts within texts this one is
	repairs []string // what was not JSON
}

func (l *literal) repair(what string) {
	if len(l.repairs) < 8 {
		for _, r := range l.repairs {
			if r == what {
				return
			}
		}
		l.repairs = append(l.repairs, what)
	}
}

// parseJSON reads a whole text as one value. A text that is not JSON is read
// as far as it can be, and repairs says what was wrong with it.
func parseJSON(src string, nodes *int) (t *Tree, repairs []string, err error) {
	return parseData(src, nodes, false)
}

// parseData is parseJSON; asText keeps JSON in texts as texts.
func parseData(src string, nodes *int, asText bool) (t *Tree, repairs []string, err error) {
	l := &literal{src: src, nodes: nodes, asText: asText}
	t, err = l.value(0)
	l.space()
	if err == nil && l.pos < len(l.src) && strings.Trim(l.src[l.pos:], ";, \t\r\n") != "" {
		err = fmt.Errorf("text after the value at byte %d", l.pos)
	}
	if err == nil && len(l.repairs) == 0 {
		return t, nil, nil
	}
	if err == nil && !l.broken() {
		return t, l.repairs, nil
	}
	loose := &literal{src: src, nodes: nodes, loose: true, asText: asText}
	if t2, err2 := loose.value(0); err2 == nil && t2.size() >= t.size() {
		if len(loose.repairs) == 0 {
			loose.repair("text after the value")
		}
		return t2, loose.repairs, nil
	}
	return t, l.repairs, err
}

// broken reports repairs that may have lost data, so that another reading is
// worth trying.
func (l *literal) broken() bool {
	for _, r := range l.repairs {
		if strings.HasPrefix(r, "lost") {
			return true
		}
	}
	return false
}

func (t *Tree) size() int {
	if t == nil {
		return 0
	}
	n := 1
	for _, k := range t.kids {
		n += k.size()
	}
	return n
}

func (l *literal) node(k treeKind) (*Tree, error) {
	if *l.nodes <= 0 {
		return nil, fmt.Errorf("more than %d values: the rest was not read", maxTreeNodes)
	}
	*l.nodes--
	return &Tree{kind: k}, nil
}

// space skips white space and comments.
func (l *literal) space() {
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
			l.pos++
		case c == 0xC2 && strings.HasPrefix(l.src[l.pos:], "\u00a0"):
			l.pos += 2
		case c == 0xEF && strings.HasPrefix(l.src[l.pos:], "\ufeff"):
			l.pos += 3
		case strings.HasPrefix(l.src[l.pos:], "//"):
			l.repair("comments")
			l.skipTo("\n")
		case strings.HasPrefix(l.src[l.pos:], "/*"):
			l.repair("comments")
			l.pos += 2
			l.skipTo("*/")
		case strings.HasPrefix(l.src[l.pos:], "<!--"):
			l.repair("HTML comment marks")
			l.pos += 4
		case strings.HasPrefix(l.src[l.pos:], "-->"):
			l.pos += 3
		case strings.HasPrefix(l.src[l.pos:], "<![CDATA["):
			l.repair("CDATA marks")
			l.pos += 9
		case strings.HasPrefix(l.src[l.pos:], "]]>"):
			l.pos += 3
		default:
			return
		}
	}
}

func (l *literal) skipTo(end string) {
	if i := strings.Index(l.src[l.pos:], end); i >= 0 {
		l.pos += i + len(end)
		return
	}
	l.pos = len(l.src)
}

func (l *literal) value(depth int) (*Tree, error) {
	l.space()
	if l.pos >= len(l.src) {
		return nil, fmt.Errorf("the data ends where a value should stand")
	}
	if depth > maxTreeDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxTreeDepth)
	}
	switch c := l.src[l.pos]; {
	case c == '{':
		return l.object(depth)
	case c == '[':
		return l.array(depth)
	case c == '"' || c == '\'' || c == '`':
		t, err := l.quoted()
		if err != nil {
			return nil, err
		}
		return l.within(t), nil
	case c >= '0' && c <= '9' || c == '-' || c == '.' || c == '+':
		return l.number()
	default:
		return l.word(depth)
	}
}

func (l *literal) object(depth int) (*Tree, error) {
	t, err := l.node(objectTree)
	if err != nil {
		return nil, err
	}
	l.pos++
	for {
		l.space()
		if l.pos >= len(l.src) {
			l.repair("lost: the object is not closed")
			return t, nil
		}
		switch c := l.src[l.pos]; c {
		case '}':
			l.pos++
			return t, nil
		case ',':
			l.pos++
			continue
		case ']', ')':
			l.repair("lost: a wrong closing bracket")
			return t, nil
		}
		key, ok := l.key()
		if !ok {
			l.repair("lost: an entry without a key")
			l.skipExpression()
			continue
		}
		v, err := l.value(depth + 1)
		if err != nil {
			return t, err
		}
		l.tail(v)
		t.keys = append(t.keys, key)
		t.kids = append(t.kids, v)
	}
}

// key reads "key": with or without quotes.
func (l *literal) key() (string, bool) {
	var key string
	switch c := l.src[l.pos]; {
	case c == '"' || c == '\'' || c == '`':
		t, err := l.quoted()
		if err != nil {
			return "", false
		}
		key = t.text
	default:
		start := l.pos
		for l.pos < len(l.src) && isIdent(l.src[l.pos]) {
			l.pos++
		}
		if key = l.src[start:l.pos]; key == "" {
			return "", false
		}
		l.repair("keys without quotes")
	}
	l.space()
	if l.pos >= len(l.src) || l.src[l.pos] != ':' {
		return "", false
	}
	l.pos++
	return key, true
}

func isIdent(c byte) bool {
	return c == '_' || c == '$' || c == '-' || c == '@' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func (l *literal) array(depth int) (*Tree, error) {
	t, err := l.node(arrayTree)
	if err != nil {
		return nil, err
	}
	l.pos++
	for {
		l.space()
		if l.pos >= len(l.src) {
			l.repair("lost: the list is not closed")
			return t, nil
		}
		switch c := l.src[l.pos]; c {
		case ']':
			l.pos++
			return t, nil
		case ',':
			l.pos++
			continue
		case '}', ')':
			l.repair("lost: a wrong closing bracket")
			return t, nil
		}
		v, err := l.value(depth + 1)
		if err != nil {
			return t, err
		}
		l.tail(v)
		t.kids = append(t.kids, v)
	}
}

// tail looks at what follows a value: anything but a comma or a closing
// bracket makes it part of an expression ("a" + b), which is not evaluated.
func (l *literal) tail(v *Tree) {
	l.space()
	if l.pos >= len(l.src) {
		return
	}
	switch l.src[l.pos] {
	case ',', '}', ']', ')', ';':
		if l.src[l.pos] == ';' {
			l.pos++
		}
		return
	case '"', '\'':
		l.repair("a missing comma")
		return
	}
	if v.kind == codeTree || v.kind != stringTree || !l.loose {
		start := l.pos
		l.skipExpression()
		if strings.TrimSpace(l.src[start:l.pos]) != "" {
			l.repair("lost: an expression")
			*v = Tree{kind: codeTree}
		}
	}
}

// skipExpression goes to the next ',', '}' or ']' of this level.
func (l *literal) skipExpression() {
	depth := 0
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth == 0 {
				return
			}
			depth--
		case ',', ';':
			if depth == 0 {
				if c == ';' {
					l.pos++
				}
				return
			}
		case '"', '\'', '`':
			l.skipString(c)
			continue
		case '/':
			if strings.HasPrefix(l.src[l.pos:], "//") {
				l.skipTo("\n")
				continue
			}
			if strings.HasPrefix(l.src[l.pos:], "/*") {
				l.pos += 2
				l.skipTo("*/")
				continue
			}
		}
		l.pos++
	}
}

func (l *literal) number() (*Tree, error) {
	t, err := l.node(numberTree)
	if err != nil {
		return nil, err
	}
	start := l.pos
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		if !(c >= '0' && c <= '9' || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E' || c == 'x' || c >= 'a' && c <= 'f') {
			break
		}
		l.pos++
	}
	t.text = l.src[start:l.pos]
	return t, nil
}

// word reads true, null, !0, void 0, JSON.parse("...") and skips the rest.
func (l *literal) word(depth int) (*Tree, error) {
	t, err := l.node(codeTree)
	if err != nil {
		return nil, err
	}
	rest := l.src[l.pos:]
	for _, w := range []struct {
		as, text string
		kind     treeKind
	}{
		{"true", "true", boolTree},
		{"false", "false", boolTree},
		{"null", "", nullTree},
		{"!0", "true", boolTree},
		{"!1", "false", boolTree},
		{"undefined", "", nullTree},
		{"NaN", "", nullTree},
		{"void 0", "", nullTree},
		{"True", "true", boolTree},
		{"False", "false", boolTree},
		{"None", "", nullTree},
	} {
		if strings.HasPrefix(rest, w.as) && (len(rest) == len(w.as) || !isIdent(rest[len(w.as)])) {
			l.pos += len(w.as)
			if w.as != "true" && w.as != "false" && w.as != "null" {
				l.repair("JavaScript words")
			}
			t.kind, t.text = w.kind, w.text
			return t, nil
		}
	}
	if strings.HasPrefix(rest, jsonParse) {
		if text, ok := l.parsed(); ok {
			sub := &literal{src: text, nodes: l.nodes}
			if v, err := sub.value(depth + 1); err == nil {
				return v, nil
			}
			return t, nil
		}
	}
	start := l.pos
	l.skipExpression()
	if l.pos == start { // nothing that belongs anywhere: step over it
		l.pos++
	}
	l.repair("lost: an expression")
	return t, nil
}
