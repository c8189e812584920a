package archive

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mark stands where text was withheld: it tells nothing, not even a length.
const mark = "[withheld]"

// needles are the texts that must not be in a redaction, in the folded form.
type needles struct {
	list  []string
	count []int64 // how often each was found
	raw   []string
}

// add takes a text to hide, and gives its number; -1 for one without content.
func (n *needles) add(text string) int {
	f := strings.TrimSpace(fold(text).text)
	if f == "" {
		return -1
	}
	if i := slices.Index(n.list, f); i >= 0 {
		return i
	}
	n.list, n.count, n.raw = append(n.list, f), append(n.count, 0), append(n.raw, text)
	return len(n.list) - 1
}

// folded is text as it is searched: escapes undone, lower case, every run of
// white space one space. at[i] is where byte i of it begins in the source, and
// at[len] is the source's end.
type folded struct {
	text string
	at   []int
}

// foldRounds bounds how many layers of escapes are undone: JSON in an HTML
// attribute in JSON is three.
const foldRounds = 4

// fold undoes what the same text may be written by: HTML character references,
// JSON and JavaScript escapes, percent encoding, case, white space.
func fold(s string) folded {
	f := folded{s, make([]int, len(s)+1)}
	for i := range f.at {
		f.at[i] = i
	}
	for range foldRounds {
		g := unescape(f)
		if g.text == f.text {
			break
		}
		f = g
	}
	return smooth(f)
}

// unescape undoes one layer of escapes.
func unescape(f folded) folded {
	if !strings.ContainsAny(f.text, `\&%`) {
		return f
	}
	var b strings.Builder
	var at []int
	s := f.text
	for i := 0; i < len(s); {
		out, n := "", 0
		switch s[i] {
		case '\\':
			out, n = backslash(s[i:])
		case '&':
			out, n = charRef(s[i:])
		case '%':
			out, n = percents(s[i:])
		}
		if n == 0 {
			out, n = s[i:i+1], 1
		}
		b.WriteString(out)
		for range len(out) {
			at = append(at, f.at[i])
		}
		i += n
	}
	return folded{b.String(), append(at, f.at[len(s)])}
}

// backslash reads \uXXXX (with its other half), \xNN, \/ and the short ones.
func backslash(s string) (string, int) {
	if len(s) < 2 {
		return "", 0
	}
	switch s[1] {
	case 'u':
		r, n := hexRune(s, 2, 4)
		if n == 0 {
			return "", 0
		}
		if r >= 0xd800 && r < 0xdc00 && len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
			if low, m := hexRune(s, 8, 4); m > 0 && low >= 0xdc00 && low < 0xe000 {
				return string(0x10000 + (r-0xd800)<<10 + low - 0xdc00), 12
			}
		}
		return string(r), n
	case 'x':
		if r, n := hexRune(s, 2, 2); n > 0 {
			return string(r), n
		}
	case '/', '"', '\'', '\\':
		return s[1:2], 2
	case 'n', 't', 'r':
		return " ", 2
	}
	return "", 0
}

func hexRune(s string, from, n int) (rune, int) {
	if len(s) < from+n {
		return 0, 0
	}
	v, err := strconv.ParseUint(s[from:from+n], 16, 32)
	if err != nil {
		return 0, 0
	}
	return rune(v), from + n
}

var named = map[string]string{"amp": "&", "lt": "<", "gt": ">", "quot": `"`, "apos": "'", "nbsp": " "}

// charRef reads an HTML character reference.
func charRef(s string) (string, int) {
	end := strings.IndexByte(s[:min(len(s), 12)], ';')
	if end < 2 {
		return "", 0
	}
	body := s[1:end]
	if v, ok := named[body]; ok {
		return v, end + 1
	}
	if body[0] != '#' || len(body) < 2 {
		return "", 0
	}
	digits, base := body[1:], 10
	if digits[0] == 'x' || digits[0] == 'X' {
		digits, base = digits[1:], 16
	}
	v, err := strconv.ParseUint(digits, base, 32)
	if err != nil || v == 0 || v > unicode.MaxRune {
		return "", 0
	}
	return string(rune(v)), end + 1
}

// percents reads a run of percent-encoded bytes that make one character.
func percents(s string) (string, int) {
	var raw []byte
	for i := 0; i+2 < len(s) && s[i] == '%' && len(raw) < utf8.UTFMax; i += 3 {
		v, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			break
		}
		if raw = append(raw, byte(v)); utf8.FullRune(raw) {
			break
		}
	}
	if len(raw) == 0 || !utf8.Valid(raw) {
		return "", 0
	}
	return string(raw), 3 * len(raw)
}

// smooth lowers case and makes white space, "+" (a space in queries) and marks
// that nobody sees one space.
func smooth(f folded) folded {
	var b strings.Builder
	var at []int
	blank := false
	for i, r := range f.text {
		if r == '\u00ad' || r == '\u200b' || r == '\u200c' || r == '\u200d' || r == '\u2060' || r == '\ufeff' {
			continue
		}
		if unicode.IsSpace(r) || r == '+' {
			if !blank {
				b.WriteByte(' ')
				at = append(at, f.at[i])
			}
			blank = true
			continue
		}
		blank = false
		before := b.Len()
		if r == utf8.RuneError {
			b.WriteByte(f.text[i])
		} else {
			b.WriteRune(unicode.ToLower(r))
		}
		for range b.Len() - before {
			at = append(at, f.at[i])
		}
	}
	return folded{b.String(), append(at, f.at[len(f.text)])}
}

// span is a part of a text, in bytes.
type span struct{ from, to int }

// find gives where needles stand in a text, merged and in order, and counts
// them.
func (n *needles) find(s string) []span {
	if len(n.list) == 0 || s == "" {
		return nil
	}
	f := fold(s)
	var all []span
	for k, needle := range n.list {
		for from := 0; ; {
			i := strings.Index(f.text[from:], needle)
			if i < 0 {
				break
			}
			i += from
			from = i + len(needle)
			all = append(all, span{f.at[i], f.at[from]})
			n.count[k]++
		}
	}
	return merged(all)
}

func merged(all []span) []span {
	slices.SortFunc(all, func(a, b span) int { return a.from - b.from })
	var out []span
	for _, x := range all {
		if k := len(out) - 1; k >= 0 && x.from <= out[k].to {
			out[k].to = max(out[k].to, x.to)
			continue
		}
		out = append(out, x)
	}
	return out
}

// hide replaces every needle in a text; changed is false when there is none.
func (n *needles) hide(s string) (out string, changed bool) {
	spans := n.find(s)
	if len(spans) == 0 {
		return s, false
	}
	var b strings.Builder
	last := 0
	for _, x := range spans {
		b.WriteString(s[last:x.from])
		b.WriteString(mark)
		last = x.to
	}
	b.WriteString(s[last:])
	return b.String(), true
}

// in reports whether a text holds a needle, without counting.
func (n *needles) in(s string) bool {
	if len(n.list) == 0 {
		return false
	}
	f := fold(s)
	return slices.ContainsFunc(n.list, func(x string) bool { return strings.Contains(f.text, x) })
}

// inBytes is in for bytes that are no text, such as images: as they are, and as
// UTF-16, which the metadata of images has.
func (n *needles) inBytes(b []byte) bool {
	s := string(b)
	for _, x := range n.raw {
		if len(x) < 4 {
			continue // by chance these are everywhere
		}
		var le, be strings.Builder
		for _, r := range x {
			le.WriteString(string([]byte{byte(r), byte(r >> 8)}))
			be.WriteString(string([]byte{byte(r >> 8), byte(r)}))
		}
		if strings.Contains(s, x) || strings.Contains(s, le.String()) || strings.Contains(s, be.String()) {
			return true
		}
	}
	return false
}
