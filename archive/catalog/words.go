package catalog

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// maxWords bounds what one capture adds to the word index. A title stuffed
// with thousands of words is still found by its first ones, its URL and ids.
const maxWords = 200

// maxWordBytes bounds one word; longer ones are indexed by their beginning.
const maxWordBytes = 64

// words splits texts into what they can be found by: runs of letters and
// digits, case and accents folded; Chinese, Japanese and Thai, which write no
// spaces, as single characters and pairs.
func words(texts ...string) []string {
	seen := map[string]bool{}
	var out []string
	add := func(w string) {
		for len(w) > maxWordBytes {
			w = trimRune(w[:maxWordBytes])
		}
		if w == "" || seen[w] || len(out) >= maxWords {
			return
		}
		seen[w] = true
		out = append(out, w)
	}
	for _, t := range texts {
		var run []rune
		var prev rune
		flush := func() {
			add(string(run))
			run, prev = run[:0], 0
		}
		for _, r := range fold(t) {
			switch {
			case unspaced(r):
				if len(run) > 0 {
					add(string(run))
					run = run[:0]
				}
				add(string(r))
				if prev != 0 {
					add(string([]rune{prev, r}))
				}
				prev = r
			case unicode.IsLetter(r) || unicode.IsDigit(r):
				prev = 0
				run = append(run, r)
			default:
				flush()
			}
		}
		flush()
	}
	return out
}

// queryWords is words for a search: of unspaced scripts only the pairs count,
// so that each query word narrows the result.
func queryWords(text string) []string {
	all := words(text)
	out := all[:0:0]
	for _, w := range all {
		r := []rune(w)
		if len(r) == 1 && unspaced(r[0]) && len(all) > 1 {
			continue
		}
		out = append(out, w)
	}
	if len(out) == 0 {
		return all
	}
	return out
}

// fold makes "Étoile" and "etoile" the same. Kana keep their marks: dropping
// them would make other words of them.
func fold(s string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(s) {
		if unicode.Is(unicode.Mn, r) && r < 0x3000 && !unicode.Is(unicode.Thai, r) {
			continue
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return norm.NFC.String(b.String())
}

func unspaced(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// trimRune drops a rune that a byte cut left incomplete.
func trimRune(s string) string { return strings.ToValidUTF8(s, "") }
