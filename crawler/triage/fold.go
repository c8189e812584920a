package triage

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// How much of a text is read. The rest is said to be unread.
const (
	maxTitle       = 2 << 10
	maxDescription = 24 << 10
)

// folded is a text made comparable, and where each of its bytes stood.
type folded struct {
	text string
	// from and to give, for each byte of text, the bytes of the original that
	// it was made of; nil when nothing moved.
	from, to []int32
}

// span gives where text[a:b] stood in the original.
func (f folded) span(a, b int) [2]int {
	if a >= b {
		return [2]int{}
	}
	if f.from == nil {
		return [2]int{a, b}
	}
	return [2]int{int(f.from[a]), int(f.to[b-1])}
}

// folder builds a folded text.
type folder struct {
	b        []byte
	from, to []int32
}

func (f *folder) add(r rune, from, to int) {
	n := len(f.b)
	f.b = utf8.AppendRune(f.b, r)
	for range len(f.b) - n {
		f.from, f.to = append(f.from, int32(from)), append(f.to, int32(to))
	}
}

func (f *folder) done() folded { return folded{string(f.b), f.from, f.to} }

// plain folds for word lists: lower case, compatibility forms unified (NFKC),
// invisible characters dropped, white space as single blanks. Marks stay:
// Thai and Vietnamese mean something by them.
func plain(s string) folded {
	if simpleASCII(s) {
		return folded{text: strings.ToLower(s)}
	}
	f := folder{b: make([]byte, 0, len(s)), from: make([]int32, 0, len(s)), to: make([]int32, 0, len(s))}
	blank := false
	segments(norm.NFKC, s, func(r rune, from, to int) {
		switch {
		case invisible(r):
		case unicode.IsSpace(r):
			if !blank {
				f.add(' ', from, to)
			}
			blank = true
		default:
			f.add(lower(r), from, to)
			blank = false
		}
	})
	return f.done()
}

// bare folds for names: as plain, and marks on letters of alphabets are
// dropped; everything that is no letter or digit is one blank.
func bare(s string) folded {
	f := folder{b: make([]byte, 0, len(s)), from: make([]int32, 0, len(s)), to: make([]int32, 0, len(s))}
	blank, alphabet := true, false
	segments(norm.NFKD, s, func(r rune, from, to int) {
		switch {
		case invisible(r):
		case unicode.In(r, unicode.Mn, unicode.Me):
			if n := len(f.b); r == '\u0303' && n > 0 && f.b[n-1] == 'n' {
				// ñ is a letter of its own: a cañón is no Canon.
				f.b, f.from, f.to = f.b[:n-1], f.from[:n-1], f.to[:n-1]
				f.add('ñ', from, to)
				return
			}
			if alphabet {
				// A mark belongs to its letter: the span grows over it.
				if n := len(f.to); n > 0 && !blank {
					f.to[n-1] = int32(to)
				}
				return
			}
			f.add(r, from, to)
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mc, r):
			f.add(lower(r), from, to)
			blank, alphabet = false, unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Arabic, unicode.Hebrew)
		default:
			if !blank {
				f.add(' ', from, to)
			}
			blank, alphabet = true, true
		}
	})
	return f.done()
}

// segments gives the runes of a normalisation form of s with the bytes of s
// each was made of.
func segments(form norm.Form, s string, each func(r rune, from, to int)) {
	for i := 0; i < len(s); {
		// Runs of ASCII are their own normal form, but for a mark behind them.
		if s[i] < utf8.RuneSelf && (i+1 == len(s) || s[i+1] < utf8.RuneSelf) {
			each(rune(s[i]), i, i+1)
			i++
			continue
		}
		n := form.NextBoundaryInString(s[i:], true)
		if n <= 0 {
			n = 1
		}
		part := s[i : i+n]
		switch part {
		case "™", "℠", "®", "©", "№": // no letters of the word before them
			part = " "
		}
		for _, r := range form.String(part) {
			each(r, i, i+n)
		}
		i += n
	}
}

func simpleASCII(s string) bool {
	blank := false
	for i := range len(s) {
		c := s[i]
		space := c == ' '
		if c >= utf8.RuneSelf || c < ' ' || space && blank {
			return false
		}
		blank = space
	}
	return true
}

func lower(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}
	if r == 'ς' {
		return 'σ'
	}
	return unicode.ToLower(r)
}

// invisible reports what takes no room on the screen and has no business in a
// name (Unicode: Default_Ignorable_Code_Point, and tags).
func invisible(r rune) bool {
	switch {
	case r < 0xAD:
		return false
	case r == 0xAD, r == 0x34F, r == 0x61C, r == 0x115F, r == 0x1160, r == 0x17B4, r == 0x17B5, r == 0x3164, r == 0xFEFF, r == 0xFFA0:
		return true
	case r >= 0x180B && r <= 0x180F, r >= 0x200B && r <= 0x200F, r >= 0x202A && r <= 0x202E, r >= 0x2060 && r <= 0x206F:
		return true
	case r >= 0xFE00 && r <= 0xFE0F, r >= 0xFFF0 && r <= 0xFFF8, r >= 0x1BCA0 && r <= 0x1BCA3, r >= 0x1D173 && r <= 0x1D17A, r >= 0xE0000 && r <= 0xE0FFF:
		return true
	}
	return false
}

// spaced reports letters and digits of scripts that put blanks between words.
func spaced(r rune) bool {
	if r < utf8.RuneSelf {
		return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
		return false
	}
	return !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Hangul)
}

// wholeAt reports whether s[a:b] is not a piece of a longer word.
func wholeAt(s string, a, b int) bool {
	first, _ := utf8.DecodeRuneInString(s[a:b])
	if before, n := utf8.DecodeLastRuneInString(s[:a]); n > 0 && spaced(first) && spaced(before) {
		return false
	}
	last, _ := utf8.DecodeLastRuneInString(s[a:b])
	after, n := utf8.DecodeRuneInString(s[b:])
	return n == 0 || !spaced(last) || !spaced(after)
}

// findWhole finds whole occurrences of a phrase, up to 64 of them.
func findWhole(s, phrase string) [][2]int {
	var out [][2]int
	if phrase == "" {
		return nil
	}
	for at := 0; len(out) < 64; {
		i := strings.Index(s[at:], phrase)
		if i < 0 {
			break
		}
		a, b := at+i, at+i+len(phrase)
		if wholeAt(s, a, b) {
			out = append(out, [2]int{a, b})
		}
		at = b
	}
	return out
}

// clip cuts a text to at most n bytes, between characters.
func clip(s string, n int) (string, bool) {
	if len(s) <= n {
		return s, false
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n], true
}

func letters(s string) int {
	n := 0
	for _, r := range s {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			n++
		}
	}
	return n
}
