package triage

import (
	"slices"
	"strings"
	"unicode"

	"go.mau.fi/util/confusable"
)

// compiled is what a profile is turned into once.
type compiled struct {
	names      []name
	homonyms   []string // bare
	others     map[string]bool
	models     []model
	rarity     map[string]int // word of model names -> how many models have it
	shapes     map[string]bool
	prefixes   map[string]bool // leading letters of codes
	codes      map[string]int  // normalised code -> index of model
	authorised []Authorised    // bare names
	categories map[string]bool
}

// name is one spelling of the brand.
type name struct {
	shown   string
	bare    string   // words with single blanks
	compact string   // no blanks
	words   int      // in bare
	skel    []string // UTS #39 skeletons of UPPER, lower and Title
	latin   bool
}

type model struct {
	Model
	words []string // of its name, bare, those for kinds of goods excepted
	kinds []string // of goods, from its name and category
}

func (m Model) codes() []string {
	if m.Code == "" {
		return m.Codes
	}
	return append([]string{m.Code}, m.Codes...)
}

func compile(b *Brand) *compiled {
	c := &compiled{others: map[string]bool{}, rarity: map[string]int{}, shapes: map[string]bool{}, prefixes: map[string]bool{}, codes: map[string]int{}, categories: map[string]bool{}}
	seen := map[string]bool{}
	for _, n := range append([]string{b.Name}, b.Names...) {
		if m := compileName(n); m.bare != "" && !seen[m.bare] {
			seen[m.bare] = true
			c.names = append(c.names, m)
		}
	}
	// The longest first: it says most about where the brand stands.
	slices.SortStableFunc(c.names, func(a, b name) int { return len(b.bare) - len(a.bare) })
	for _, h := range b.Homonyms {
		c.homonyms = append(c.homonyms, strings.TrimSpace(bare(h).text))
	}
	for _, o := range b.OtherBrands {
		c.others[compact(o)] = true
	}
	for _, a := range b.Authorised {
		a.Name = strings.TrimSpace(bare(a.Name).text)
		c.authorised = append(c.authorised, a)
	}
	for i, m := range b.Models {
		c.addModel(i, m)
	}
	return c
}

func compileName(s string) name {
	n := name{shown: s, bare: strings.TrimSpace(bare(s).text)}
	n.compact = strings.ReplaceAll(n.bare, " ", "")
	n.words = strings.Count(n.bare, " ") + 1
	for _, r := range n.compact {
		n.latin = n.latin || unicode.Is(unicode.Latin, r)
	}
	lo := n.compact
	up := strings.ToUpper(lo)
	for _, v := range []string{up, lo, up[:firstLen(up)] + lo[firstLen(lo):]} {
		if k := confusable.Skeleton(v); !slices.Contains(n.skel, k) {
			n.skel = append(n.skel, k)
		}
	}
	return n
}

func firstLen(s string) int {
	for i := range s {
		if i > 0 {
			return i
		}
	}
	return len(s)
}

// compact is a name without case, marks and blanks.
func compact(s string) string { return strings.ReplaceAll(bare(s).text, " ", "") }

func (c *compiled) addModel(i int, m Model) {
	k := model{Model: m}
	seen := map[string]bool{}
	for w := range strings.FieldsSeq(bare(m.Name).text) {
		if seen[w] || len(w) < 2 {
			continue
		}
		seen[w] = true
		c.rarity[w]++
		if words().nouns[w] == "" && len(w) > 2 {
			k.words = append(k.words, w)
		}
	}
	for _, code := range m.codes() {
		n := normalCode(code)
		if _, ok := c.codes[n]; !ok {
			c.codes[n] = i
		}
		if s := codeShape(code); s != "" {
			c.shapes[s] = true
			c.prefixes[leadingLetters(n)] = true
		}
	}
	for kind := range kindsIn(bare(m.Name + " " + m.Category).text) {
		k.kinds = append(k.kinds, kind)
	}
	slices.Sort(k.kinds)
	for w := range strings.FieldsSeq(bare(m.Category).text) {
		c.categories[singular(w)] = true
	}
	c.models = append(c.models, k)
}

// normalCode is a model code without case and separators.
func normalCode(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return lower(r)
		}
		return -1
	}, s)
}

// codeShape is a code with its digits as 9: "au-9999". Codes of digits only or
// of letters only have no shape that would be the brand's own.
func codeShape(s string) string {
	digits, other := 0, 0
	shape := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsDigit(r):
			digits++
			return '9'
		case unicode.IsLetter(r):
			other++
			return lower(r)
		}
		return '-'
	}, s)
	if digits < 3 || other < 2 {
		return ""
	}
	return shape
}

// singular cuts the plural endings of English, French and Spanish: good enough
// to compare two category names, and for nothing else.
func singular(w string) string {
	switch {
	case strings.HasSuffix(w, "ches"), strings.HasSuffix(w, "shes"), strings.HasSuffix(w, "xes"):
		return w[:len(w)-2]
	case len(w) > 3 && strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss"):
		return w[:len(w)-1]
	}
	return w
}

// hasLetters reports whether a code begins with the letters of a code of the
// profile: AU-9999 is the brand's form, XY-9999 is anybody's.
func (c *compiled) hasLetters(code string) bool {
	p := leadingLetters(normalCode(code))
	return p != "" && c.prefixes[p]
}

func leadingLetters(s string) string {
	i := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsLetter(r) })
	if i < 0 {
		return s
	}
	return s[:i]
}
