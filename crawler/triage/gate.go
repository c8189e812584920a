package triage

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/trawlmark/trawlmark/crawler/listing"
)

// mention is one place where the brand is named.
type mention struct {
	field listing.FieldName
	span  [2]int // in the field's value
	// at is where it stands in the bare text of the field.
	at   [2]int
	name string
	// how it was written: "" for exactly, else what was done to it.
	how    string
	points float64
}

// text is one field of the listing, clipped and folded in both ways.
type text struct {
	field listing.FieldName
	value string
	plain folded
	bare  folded
	cut   bool
}

func newText(l *listing.Listing, f listing.FieldName, limit int) text {
	t := text{field: f}
	t.value, t.cut = clip(l.Text(f), limit)
	t.plain, t.bare = plain(t.value), bare(t.value)
	// One character can fold to eighteen: what grows like that is read less of.
	if most := max(len(t.plain.text), len(t.bare.text)); most > 4*limit {
		t.value, _ = clip(t.value, limit/16)
		t.cut, t.plain, t.bare = true, plain(t.value), bare(t.value)
	}
	return t
}

// mentions finds the brand in a text, what is part of a homonym excepted. It
// also says which homonym hid one.
func (c *compiled) mentions(t text) (found []mention, hidden string) {
	var masked [][2]int
	for _, h := range c.homonyms {
		masked = append(masked, findWhole(t.bare.text, h)...)
	}
	covered := func(a [2]int, by [][2]int) bool {
		for _, m := range by {
			if a[0] >= m[0] && a[1] <= m[1] {
				return true
			}
		}
		return false
	}
	var taken [][2]int
	for _, n := range c.names {
		forms := []string{n.bare}
		if n.words > 1 && len(n.compact) >= 5 {
			forms = append(forms, n.compact)
		}
		if strings.Contains(n.bare, "ñ") {
			forms = append(forms, strings.ReplaceAll(n.bare, "ñ", "n"))
		}
		for _, form := range forms {
			for _, at := range findWhole(t.bare.text, form) {
				if covered(at, taken) {
					continue
				}
				if covered(at, masked) {
					hidden = strings.TrimSpace(t.bare.text[at[0]:at[1]])
					continue
				}
				taken = append(taken, at)
				m := mention{field: t.field, span: t.bare.span(at[0], at[1]), at: at, name: n.shown}
				m.how, m.points = spelled(t.value[m.span[0]:m.span[1]], n)
				found = append(found, m)
			}
		}
	}
	slices.SortFunc(found, func(a, b mention) int { return a.at[0] - b.at[0] })
	return found, hidden
}

// gate is whether the listing is about the brand at all, and why.
type gate struct {
	title, attribute, description []mention
	obfuscated                    *mention
	code                          *mention // a model code of the brand
	photo                         *match   // an official photo
	before                        bool     // an earlier title named the brand
	hidden                        bool     // a hidden link whose description names the brand
	homonym                       string
}

func (g gate) open() bool {
	return len(g.title)+len(g.attribute)+len(g.description) > 0 || g.obfuscated != nil || g.code != nil || g.photo != nil || g.before
}

// weak reports that only the description names the brand.
func (g gate) weak() bool {
	return len(g.title)+len(g.attribute) == 0 && g.obfuscated == nil && g.code == nil && g.photo == nil && !g.before && !g.hidden
}

// photoOnly reports that nothing but a photo ties the listing to the brand.
// Photos of like goods on white are alike: that is worth a look, no more.
func (g gate) photoOnly() bool {
	return g.photo != nil && len(g.title)+len(g.attribute)+len(g.description) == 0 && g.obfuscated == nil && g.code == nil && !g.before
}

// compat looks for "for", "compatible with" and their like before every
// mention of the brand in the title. It gives the bytes of the first.
func (r *reading) compat() (at [2]int, word string, ok bool) {
	ms := r.gate.title
	if len(ms) == 0 {
		return at, "", false
	}
	negatedTo := -1
	for i, m := range ms {
		w, a, found := compatBefore(r.title.bare.text, m.at[0], negatedTo)
		if !found {
			return at, "", false
		}
		if i == 0 {
			at, word = r.title.bare.span(a, m.at[1]), w
		}
		negatedTo = m.at[1]
	}
	return at, word, true
}

// compatReach is how far before the brand such a word may stand, in runes.
const compatReach = 40

func compatBefore(s string, brand, negatedTo int) (string, int, bool) {
	from := brand
	for n := 0; n < compatReach+20 && from > 0; n++ {
		_, size := utf8.DecodeLastRuneInString(s[:from])
		from -= size
	}
	window := s[from:brand]
	best, word := -1, ""
	for _, w := range words().compat {
		for _, at := range findWhole(window, w.text) {
			if utf8.RuneCountInString(window[at[1]:]) > compatReach || w.weak && audience(window[at[1]:]+s[brand:]) {
				continue
			}
			if at[0] > best {
				best, word = at[0], strings.TrimSpace(window[at[0]:at[1]])
			}
		}
	}
	if best >= 0 {
		return word, from + best, true
	}
	// A list goes on: "for Samsung Galaxy and Samsung Tab".
	if negatedTo >= 0 && utf8.RuneCountInString(s[negatedTo:brand]) <= compatReach {
		return "for", negatedTo, true
	}
	return "", 0, false
}

// audience reports whether what follows "for" is who it is for, or when.
func audience(after string) bool {
	after = strings.TrimLeft(after, " ")
	for i := 0; i < 2; i++ {
		w, rest, _ := strings.Cut(after, " ")
		if words().audience[w] {
			return true
		}
		if !words().articles[w] {
			return false
		}
		after = rest
	}
	return false
}
