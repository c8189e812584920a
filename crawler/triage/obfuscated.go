package triage

import (
	"strings"
	"unicode"
	"unicode/utf8"

	edlib "github.com/hbollon/go-edlib"
	"go.mau.fi/util/confusable"
	"golang.org/x/text/unicode/norm"
)

// What an obfuscated name adds (DOMAIN: obfuscated brand).
const (
	pointsDisguised  = 30 // other scripts, invisible characters, strange letters, spaced letters
	pointsMisspelled = 20 // digits for letters, one letter off, unusual accents
)

// spelled says what was done to a name whose folded letters are the brand's.
func spelled(original string, n name) (how string, points float64) {
	for _, r := range original {
		if invisible(r) {
			return "invisible characters in it", pointsDisguised
		}
	}
	p := plain(original).text
	if p == plain(n.shown).text || p == n.bare || !n.latin {
		return "", 0
	}
	strange := false
	for _, r := range norm.NFKD.String(original) {
		if unicode.Is(unicode.Me, r) {
			return "enclosed letters in it", pointsDisguised
		}
		// Grave, acute, circumflex, tilde, diaeresis, cedilla: a keyboard's.
		strange = strange || unicode.Is(unicode.Mn, r) && !strings.ContainsRune("\u0300\u0301\u0302\u0303\u0308\u0327", r)
	}
	switch {
	case strange:
		return "marks on its letters", pointsDisguised
	case norm.NFD.String(p) != norm.NFD.String(stripMarks(p)):
		return "accents that the brand does not have", pointsMisspelled
	}
	return "", 0
}

func stripMarks(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(s))
}

// token is a run of characters between blanks, or between signs too.
type token struct {
	text string
	at   [2]int // in the original
}

// maxTokens bounds how many words of a text are looked at letter by letter.
const maxTokens = 600

// tokens cuts a text at blanks (and signs that no letter is written with).
func tokens(s string) []token {
	var out []token
	start := -1
	for i, r := range s {
		if len(out) >= maxTokens {
			return out
		}
		cut := unicode.IsSpace(r) || strings.ContainsRune(`,;:()[]{}<>"“”„«»【】（）「」『』、。，/\!?？！+=#%^`, r)
		switch {
		case cut && start >= 0:
			out = append(out, token{s[start:i], [2]int{start, i}})
			start = -1
		case !cut && start < 0:
			start = i
		}
	}
	if start >= 0 {
		out = append(out, token{s[start:], [2]int{start, len(s)}})
	}
	return out
}

// obfuscated looks for a disguised name in a text that has no plain one.
func (c *compiled) obfuscated(t text) *mention {
	toks := tokens(t.value)
	ctx := scripts(t.value)
	for _, n := range c.names {
		if !n.latin || len(n.compact) < 4 {
			continue
		}
		if m := c.spacedOut(t, n); m != nil {
			return m
		}
		for i := range toks {
			// A name of several words is compared with as many tokens.
			for _, k := range []int{1, n.words} {
				if i+k > len(toks) || k > 1 && n.words == 1 {
					continue
				}
				span := [2]int{toks[i].at[0], toks[i+k-1].at[1]}
				if span[1]-span[0] > 8*len(n.compact)+16 {
					continue
				}
				if how, points := c.disguise(t.value[span[0]:span[1]], n, ctx); points > 0 {
					return &mention{field: t.field, span: span, name: n.shown, how: how, points: points}
				}
			}
		}
	}
	return nil
}

// disguise compares one word with a name in every way, the surest first.
func (c *compiled) disguise(word string, n name, ctx scriptSet) (string, float64) {
	word = strings.Trim(word, " .-_*|'’`~·•\"™®©")
	if word == "" || len(word) > 8*len(n.compact)+16 {
		return "", 0
	}
	f := refold(word)
	if f.runes > 2*len(n.compact)+8 || f.runes < len(n.compact)-1 {
		return "", 0
	}
	if f.strange && f.text == n.compact {
		return "letters that only look like the brand's", pointsDisguised
	}
	// Letters of another script, or an I for an l: UTS #39.
	own := scripts(word)
	if mixed := own.mixed(); mixed || f.invisible || own.foreign() && !ctx.without(own) {
		for _, s := range []string{word, strings.ToLower(word), f.supplemented} {
			if n.hasSkeleton(s) {
				return "letters of another script", pointsDisguised
			}
		}
		if f.text == n.compact || n.hasSkeleton(f.text) {
			return "letters of another script", pointsDisguised
		}
	}
	if own.latinOnly() && f.ascii && n.hasSkeleton(word) && compact(word) != n.compact {
		return "letters that look like others", pointsDisguised
	}
	if f.separated && strings.Count(f.text, "") > 4 && f.text == n.compact {
		return "signs between its letters", pointsDisguised
	}
	if leet(f.text, n.compact) {
		return "digits or signs for letters", pointsMisspelled
	}
	if c.nearly(f.text, n) && !f.separated {
		return "one letter off", pointsMisspelled
	}
	return "", 0
}

// refolded is a word with everything undone that only changes how it looks.
type refolded struct {
	text         string // lower case, supplement applied, no marks, no signs
	supplemented string // supplement applied only, case kept
	runes        int
	strange      bool // letters came from the supplement or from styled forms
	invisible    bool
	separated    bool // signs stood between letters
	ascii        bool
}

func refold(word string) refolded {
	r := refolded{ascii: true}
	var low, sup strings.Builder
	for _, c := range norm.NFKD.String(word) {
		if invisible(c) {
			r.invisible = true
			continue
		}
		if unicode.In(c, unicode.Mn, unicode.Me) {
			continue
		}
		if s, ok := supplement(c); ok {
			// Signs and stroke letters are strange; so are styled ones.
			r.strange, r.ascii = true, false
			sup.WriteRune(s)
			low.WriteRune(lower(s))
			r.runes++
			continue
		}
		switch {
		case unicode.IsLetter(c) || unicode.IsDigit(c) || c == '!' || c == '|':
			r.ascii = r.ascii && c < utf8.RuneSelf
			sup.WriteRune(c)
			low.WriteRune(lower(c))
			r.runes++
		case strings.ContainsRune(".-_*|/·•'’`~", c):
			r.separated = true
		default:
			sup.WriteRune(c)
			low.WriteRune(c)
			r.runes++
		}
	}
	r.text, r.supplemented = low.String(), sup.String()
	r.strange = r.strange || styled(word)
	return r
}

// styled reports letters of a font that Unicode has as characters (𝐆, Ⓖ); full
// width is ordinary in East Asia and is none.
func styled(word string) bool {
	for _, r := range word {
		if r >= 0x1D400 && r <= 0x1D7FF || r >= 0x24B6 && r <= 0x24E9 || r >= 0x249C && r <= 0x24B5 || r >= 0x2100 && r <= 0x214F {
			return true
		}
	}
	return false
}

// supplement maps what the Unicode data does not unify with a Latin letter.
func supplement(r rune) (rune, bool) {
	switch {
	case r >= 0x1F130 && r <= 0x1F149: // squared
		return 'A' + r - 0x1F130, true
	case r >= 0x1F150 && r <= 0x1F169: // negative circled
		return 'A' + r - 0x1F150, true
	case r >= 0x1F170 && r <= 0x1F189: // negative squared
		return 'A' + r - 0x1F170, true
	case r >= 0x1F1E6 && r <= 0x1F1FF: // regional indicators
		return 'A' + r - 0x1F1E6, true
	case r < 0x80:
		if r == '@' {
			return 'a', true
		}
		if r == '$' {
			return 's', true
		}
		return 0, false
	}
	s, ok := lookalikes[r]
	return s, ok
}

// lookalikes are small capitals, stroke letters and others that look like
// Latin letters and are not in the confusables data as such.
var lookalikes = map[rune]rune{
	'ᴀ': 'a', 'ʙ': 'b', 'ᴄ': 'c', 'ᴅ': 'd', 'ᴇ': 'e', 'ꜰ': 'f', 'ɢ': 'g', 'ʜ': 'h', 'ɪ': 'i', 'ᴊ': 'j', 'ᴋ': 'k', 'ʟ': 'l', 'ᴍ': 'm', 'ɴ': 'n',
	'ᴏ': 'o', 'ᴘ': 'p', 'ꞯ': 'q', 'ʀ': 'r', 'ꜱ': 's', 'ᴛ': 't', 'ᴜ': 'u', 'ᴠ': 'v', 'ᴡ': 'w', 'ʏ': 'y', 'ᴢ': 'z',
	'Ǥ': 'G', 'ǥ': 'g', 'Đ': 'D', 'đ': 'd', 'Ł': 'L', 'ł': 'l', 'Ħ': 'H', 'ħ': 'h', 'Ŧ': 'T', 'ŧ': 't', 'Ø': 'O', 'ø': 'o', 'Ƀ': 'B', 'ƀ': 'b',
	'Ȼ': 'C', 'ȼ': 'c', 'Ɇ': 'E', 'ɇ': 'e', 'Ɨ': 'I', 'ɨ': 'i', 'Ʉ': 'U', 'ʉ': 'u', 'Ɍ': 'R', 'ɍ': 'r', 'Ⱥ': 'A', 'ⱥ': 'a', 'ı': 'i', 'Ɠ': 'G', 'ɠ': 'g',
	'¢': 'c', '€': 'e', '£': 'l', '₵': 'c', '₲': 'g', '₴': 's', '₳': 'a', '฿': 'b', '¥': 'y', '₤': 'l', '₦': 'n', 'ß': 'b', '§': 's',
	'Ꮆ': 'G', 'Ꮐ': 'G', 'Ꭺ': 'A', 'Ꮯ': 'C', 'Ꭰ': 'D', 'Ꭼ': 'E', 'Ꮋ': 'H', 'Ꮖ': 'I', 'Ꭻ': 'J', 'Ꮶ': 'K', 'Ꮮ': 'L', 'Ꮇ': 'M', 'Ꮲ': 'P', 'Ꮢ': 'R', 'Ꮪ': 'S', 'Ꭲ': 'T', 'Ꮩ': 'V', 'Ꮤ': 'W', 'Ꮓ': 'Z',
	'ɡ': 'g', 'ɩ': 'i', 'ո': 'n', 'ս': 'u', 'օ': 'o', 'ց': 'g', 'ɑ': 'a', 'ʋ': 'u', 'ᴦ': 'r', 'ꓖ': 'G', 'ꓴ': 'U', 'ꓚ': 'C', 'ꓲ': 'I',
	'Ԍ': 'G', 'ԍ': 'g', 'с': 'c', 'у': 'y', 'і': 'i', 'а': 'a', 'е': 'e', 'о': 'o', 'р': 'p', 'х': 'x', 'ѕ': 's', 'ј': 'j', 'һ': 'h', 'ԁ': 'd', 'ԛ': 'q', 'ԝ': 'w',
	'А': 'A', 'В': 'B', 'Е': 'E', 'К': 'K', 'М': 'M', 'Н': 'H', 'О': 'O', 'Р': 'P', 'С': 'C', 'Т': 'T', 'Х': 'X', 'І': 'I', 'Ѕ': 'S', 'Ј': 'J', 'г': 'r', 'п': 'n', 'ц': 'u', 'и': 'u',
	'Α': 'A', 'Β': 'B', 'Ε': 'E', 'Ζ': 'Z', 'Η': 'H', 'Ι': 'I', 'Κ': 'K', 'Μ': 'M', 'Ν': 'N', 'Ο': 'O', 'Ρ': 'P', 'Τ': 'T', 'Υ': 'Y', 'Χ': 'X', 'α': 'a', 'ι': 'i', 'ο': 'o', 'υ': 'u', 'ν': 'v', 'ρ': 'p',
}

func (n name) hasSkeleton(s string) bool {
	k := confusable.Skeleton(s)
	for _, w := range n.skel {
		if k == w {
			return true
		}
	}
	return false
}

// leetOf says which letters a digit or sign stands for.
var leetOf = map[byte]string{'0': "o", '1': "li", '3': "e", '4': "a", '5': "s", '6': "g", '7': "t", '8': "b", '9': "g", '!': "il", '|': "li"}

// leet reports whether a word is the name with digits for letters.
func leet(word, name string) bool {
	if len(word) != len(name) || len(word) < 4 || word == name {
		return false
	}
	swapped := 0
	for i := range len(word) {
		if word[i] == name[i] {
			continue
		}
		if !strings.Contains(leetOf[word[i]], name[i:i+1]) {
			return false
		}
		swapped++
	}
	// Half of it must still be letters: 6060 is no brand.
	return swapped > 0 && swapped*2 <= len(word)
}

// nearly reports whether a word is the name with one slip in it, and no word
// of its own. Short names have too many neighbours.
func (c *compiled) nearly(word string, n name) bool {
	if n.words > 1 || len(n.compact) < 5 || len(word) < 5 || word == n.compact || word[0] != n.compact[0] || !asciiLetters(word) || !asciiLetters(n.compact) {
		return false
	}
	if d := len(word) - len(n.compact); d < -1 || d > 1 || words().dictionary[word] || c.others[word] {
		return false
	}
	switch strings.TrimPrefix(word, n.compact) {
	case "s", "e", "n", "a", "i", "y": // plurals and cases
		return false
	}
	for _, h := range c.homonyms {
		if strings.Contains(" "+h+" ", " "+word+" ") {
			return false
		}
	}
	if len(n.compact) == 5 && !sameLetters(word, n.compact) {
		return false
	}
	return edlib.OSADamerauLevenshteinDistance(word, n.compact) == 1
}

func asciiLetters(s string) bool {
	for i := range len(s) {
		if s[i] < 'a' || s[i] > 'z' {
			return false
		}
	}
	return true
}

func sameLetters(a, b string) bool {
	for i := range len(a) {
		if strings.IndexByte(b, a[i]) < 0 {
			return false
		}
	}
	for i := range len(b) {
		if strings.IndexByte(a, b[i]) < 0 {
			return false
		}
	}
	return true
}

// spacedOut finds a name written as single letters: "A u r e l l e".
func (c *compiled) spacedOut(t text, n name) *mention {
	type letter struct {
		r    rune
		a, b int
	}
	var run []letter
	test := func() *mention {
		if len(run) < 4 {
			return nil
		}
		var b strings.Builder
		for _, l := range run {
			b.WriteRune(l.r)
		}
		s := b.String()
		if len(s) != len(run) { // not ASCII letters
			return nil
		}
		for i := 0; i+len(n.compact) <= len(s); i++ {
			part := s[i : i+len(n.compact)]
			if part == n.compact || leet(part, n.compact) {
				return &mention{field: t.field, span: [2]int{run[i].a, run[i+len(n.compact)-1].b}, name: n.shown, how: "its letters apart", points: pointsDisguised}
			}
		}
		return nil
	}
	s := t.value
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		j := i + size
		wordy := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
		if !wordy(r) {
			if !unicode.IsSpace(r) && !strings.ContainsRune(".-_*|/·•'’`~", r) && !invisible(r) {
				if m := test(); m != nil {
					return m
				}
				run = nil
			}
			i = j
			continue
		}
		next, _ := utf8.DecodeRuneInString(s[j:])
		if j < len(s) && wordy(next) { // a longer word ends the run
			if m := test(); m != nil {
				return m
			}
			run = nil
			for j < len(s) {
				r, size := utf8.DecodeRuneInString(s[j:])
				if !wordy(r) {
					break
				}
				j += size
			}
			i = j
			continue
		}
		d := r
		for _, k := range norm.NFKD.String(string(r)) {
			d = k
			break
		}
		if l, ok := supplement(d); ok {
			d = l
		}
		run = append(run, letter{lower(d), i, j})
		i = j
	}
	return test()
}

// scriptSet says which alphabets a text has letters of.
type scriptSet struct{ latin, greek, cyrillic, other bool }

func scripts(s string) scriptSet {
	var k scriptSet
	for _, r := range s {
		if r < utf8.RuneSelf {
			k.latin = k.latin || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
			continue
		}
		if !unicode.IsLetter(r) {
			continue
		}
		switch {
		case unicode.Is(unicode.Latin, r):
			k.latin = true
		case unicode.Is(unicode.Greek, r):
			k.greek = true
		case unicode.Is(unicode.Cyrillic, r):
			k.cyrillic = true
		case unicode.In(r, unicode.Cherokee, unicode.Armenian, unicode.Lisu, unicode.Coptic, unicode.Deseret):
			k.other = true
		}
	}
	return k
}

func (k scriptSet) mixed() bool {
	n := 0
	for _, b := range []bool{k.latin, k.greek, k.cyrillic, k.other} {
		if b {
			n++
		}
	}
	return n > 1
}

func (k scriptSet) latinOnly() bool { return k.latin && !k.mixed() }

func (k scriptSet) foreign() bool { return !k.latin && (k.greek || k.cyrillic || k.other) }

// without reports whether the text around a word of these scripts is written
// in them too, so that the word is ordinary there.
func (ctx scriptSet) without(word scriptSet) bool {
	return !ctx.latin || word.cyrillic && ctx.cyrillic && !ctx.latin
}
