package triage

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	edlib "github.com/hbollon/go-edlib"
	"go.mau.fi/util/confusable"
	"golang.org/x/text/unicode/norm"

	"github.com/trawlmark/trawlmark/crawler/listing"
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
	if styled(original) {
		return "letters that only look like the brand's", pointsDisguised
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
		cut := unicode.IsSpace(r) || strings.ContainsRune(`,;:()[]{}<>"“”„«»【】（）「」『』、。，/\?？！+=#%^`, r)
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
	ws := disguisable(t.value, t.field == listing.Description)
	foreign := 0
	for _, w := range ws {
		if w.scripts.foreign() {
			foreign++
		}
	}
	for _, n := range c.names {
		if !n.latin || len(n.compact) < 4 {
			continue
		}
		if m := c.spacedOut(t, n); m != nil {
			return m
		}
		for i := range ws {
			if how, points := c.disguise(&ws[i], n, foreign > n.words); points > 0 {
				return &mention{field: t.field, span: ws[i].at, name: n.shown, how: how, points: points}
			}
			// A name of several words is compared with as many.
			if n.words == 1 || i+n.words > len(ws) {
				continue
			}
			span := [2]int{ws[i].at[0], ws[i+n.words-1].at[1]}
			if span[1]-span[0] > 8*len(n.compact)+16 {
				continue
			}
			w := newWord(t.value[span[0]:span[1]], span)
			if how, points := c.disguise(&w, n, foreign > n.words); points > 0 {
				return &mention{field: t.field, span: span, name: n.shown, how: how, points: points}
			}
		}
	}
	return nil
}

// disguisable gives the words of a text in which a name can be hidden. In a
// description only those with something strange in them: what is one letter
// from a name there is another word.
func disguisable(s string, onlyStrange bool) []word {
	var out []word
	for _, t := range tokens(s) {
		if len(t.text) > 400 {
			continue
		}
		w := newWord(t.text, t.at)
		w.onlyStrange = onlyStrange
		if onlyStrange && w.simple && !w.digits {
			continue
		}
		out = append(out, w)
	}
	return out
}

// word is a word with everything undone that only changes how it looks.
type word struct {
	as           string // as it stands, outer signs off
	at           [2]int
	text         string // lower case, supplement applied, no marks, no signs
	supplemented string // supplement applied only, case kept
	strange      bool   // letters came from the supplement or from styled forms
	invisible    bool
	separated    bool // signs stood between letters
	ascii        bool // its letters are
	simple       bool // ASCII letters and digits only
	digits       bool
	onlyStrange  bool
	scripts      scriptSet
	skeletons    []string // UTS #39, made when first needed
}

const outerSigns = " .-_*|'’`~·•\"™®©"

func newWord(s string, at [2]int) word {
	w := word{as: strings.Trim(s, outerSigns), at: at, simple: true}
	for i := range len(w.as) {
		c := w.as[i]
		w.digits = w.digits || '0' <= c && c <= '9' || c == '!' || c == '|' || c == '@' || c == '$'
		w.simple = w.simple && ('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z')
	}
	if w.simple {
		w.ascii, w.text, w.supplemented = true, strings.ToLower(w.as), w.as
		w.scripts.latin = true
		return w
	}
	w.refold()
	w.scripts = scripts(w.as)
	return w
}

func (w *word) refold() {
	w.ascii = true
	var low, sup strings.Builder
	for _, c := range norm.NFKD.String(w.as) {
		if invisible(c) {
			w.invisible = true
			continue
		}
		if unicode.In(c, unicode.Mn, unicode.Me) {
			continue
		}
		if s, ok := supplement(c); ok {
			w.strange, w.ascii = true, false
			sup.WriteRune(s)
			low.WriteRune(lower(s))
			continue
		}
		switch {
		case c == ' ': // between the words of a name
		case strings.ContainsRune(separators, c):
			w.separated = true
		default:
			w.ascii = w.ascii && c < utf8.RuneSelf
			sup.WriteRune(c)
			low.WriteRune(lower(c))
		}
	}
	w.text, w.supplemented = low.String(), sup.String()
	w.strange = w.strange || styled(w.as)
}

// separators are what stands between the letters of "G.u.c.c.i"; | and ! are
// letters there.
const separators = " .-_*/·•'’`~"

// confusableWith compares the skeletons of a word with those of a name.
func (w *word) confusableWith(n name) bool {
	if w.skeletons == nil {
		for _, s := range []string{w.as, strings.ToLower(w.as), w.supplemented, w.text} {
			w.skeletons = append(w.skeletons, confusable.Skeleton(s))
		}
	}
	for _, k := range w.skeletons {
		if slices.Contains(n.skel, k) {
			return true
		}
	}
	return false
}

// disguise compares one word with a name in every way, the surest first.
// ordinary: the text is written in other scripts anyway.
func (c *compiled) disguise(w *word, n name, ordinary bool) (string, float64) {
	// m is rn, w is vv: a skeleton is not much longer than what it stands for.
	if d := len(w.text) - len(n.compact); w.text == "" || w.text == n.compact && w.simple || w.ascii && (d < -1 || d > 4) {
		return "", 0
	}
	if w.strange && w.text == n.compact {
		return "letters that only look like the brand's", pointsDisguised
	}
	// Letters of another script: in a text of that script they are ordinary,
	// unless they are mixed into one word.
	if (w.scripts.mixed() || w.invisible || w.scripts.foreign() && !ordinary) && (w.text == n.compact || w.confusableWith(n)) {
		return "letters of another script", pointsDisguised
	}
	if w.separated && len(w.text) >= 4 && w.text == n.compact {
		return "signs between its letters", pointsDisguised
	}
	if w.ascii && !w.separated && w.text != n.compact && leet(w.text, n.compact) {
		return "digits or signs for letters", pointsMisspelled
	}
	if w.onlyStrange {
		return "", 0
	}
	if w.simple && w.text != n.compact && w.shapes(n) && w.confusableWith(n) {
		return "letters that look like others", pointsDisguised
	}
	if (w.strange || !w.ascii) && leet(w.text, n.compact) {
		return "digits or signs for letters", pointsMisspelled
	}
	if !w.separated && c.nearly(w.text, n) {
		return "one letter off", pointsMisspelled
	}
	return "", 0
}

// shapes reports letters that are drawn alike within ASCII: I and l, rn and m.
func (w *word) shapes(n name) bool {
	return w.as[0]|0x20 == n.compact[0] && (strings.ContainsAny(w.as, "Il10O|") || strings.Contains(w.as, "rn") || strings.Contains(w.as, "vv"))
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

// wordy reports what can be a letter of a name.
func wordy(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r >= 0x1F130 && r <= 0x1F1FF
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
		if !wordy(r) {
			if !unicode.IsSpace(r) && !strings.ContainsRune(separators+"|", r) && !invisible(r) {
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
