package console

import (
	"fmt"
	"strings"
	"unicode"
)

// visible makes characters seen that reorder, hide or control text: what a
// hostile title does to a page or to the eye of an analyst. "U+202E" stands in
// brackets where the character was. Line feeds and tabs stay, and so do the
// joiners that Persian, Hindi and emoji are written with. At most eight marks
// stay on one letter; further ones are counted.
func visible(s string) string {
	if !hasHidden(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 64)
	marks := 0
	flush := func() {
		if marks > maxMarks {
			fmt.Fprintf(&b, "[+%d marks]", marks-maxMarks)
		}
		marks = 0
	}
	for _, r := range s {
		if unicode.Is(unicode.Mn, r) {
			if marks++; marks <= maxMarks {
				b.WriteRune(r)
			}
			continue
		}
		flush()
		if hidden(r) {
			fmt.Fprintf(&b, "[U+%04X]", r)
			continue
		}
		b.WriteRune(r)
	}
	flush()
	return b.String()
}

const maxMarks = 8

func hasHidden(s string) bool {
	for _, r := range s {
		if hidden(r) || unicode.Is(unicode.Mn, r) {
			return true
		}
	}
	return false
}

func hidden(r rune) bool {
	switch r {
	case '\n', '\t', '\u200c', '\u200d':
		return false
	case '\u2028', '\u2029', '\u115f', '\u1160', '\u3164', '\uffa0':
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}
