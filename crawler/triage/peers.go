package triage

import (
	"net/url"
	"strings"
	"unicode"
)

// NamesModel gives the model of the brand that a title is nearest to by its
// words, "" when it names none.
func (b *Brand) NamesModel(title string) string {
	title, _ = clip(title, maxTitle)
	r := &reading{b: b, c: b.c}
	if m := r.bestModel(bare(title).text); m != nil {
		return m.Name
	}
	return ""
}

// sameGoods is how much of two titles' words must be the same where neither
// names a model.
const sameGoods = .5

// SameGoods reports whether two titles offer the same thing, as far as titles
// tell: both name the brand, and the same model or, where the profile knows
// none of either, mostly the same words. Prices of other goods say nothing.
func (b *Brand) SameGoods(one, other string) bool {
	one, _ = clip(one, maxTitle)
	other, _ = clip(other, maxTitle)
	x, y := bare(one), bare(other)
	for _, t := range []text{{value: one, bare: x}, {value: other, bare: y}} {
		if ms, _ := b.c.mentions(t); len(ms) == 0 {
			return false
		}
	}
	a, c := b.NamesModel(one), b.NamesModel(other)
	if a != "" || c != "" {
		return a == c
	}
	words, more := wordSet(x.text), wordSet(y.text)
	return len(words) > 0 && len(more) > 0 && overlap(words, more) >= sameGoods
}

// photoMarks are the parts of a picture's address that name the picture: sites
// change the host, the size and the signature of an address from look to look.
func photoMarks(address string) []string {
	u, err := url.Parse(address)
	if err != nil {
		return []string{address}
	}
	var out []string
	for part := range strings.SplitSeq(u.Path, "/") {
		part, _, _ = strings.Cut(part, ".") // of "71abc._AC_SL1500_.jpg" the first
		if len(part) >= 8 && strings.ContainsFunc(part, unicode.IsDigit) && strings.Trim(part, "0123456789xwh_-") != "" {
			out = append(out, part)
		}
	}
	if len(out) == 0 {
		return []string{u.Host + u.Path}
	}
	return out
}
