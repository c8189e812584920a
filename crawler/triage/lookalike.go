package triage

import (
	"unicode"
	"unicode/utf8"
)

// styled reports letters of a font that Unicode has as characters (𝐆, Ⓖ); full
// width is ordinary in East Asia and is none.
func styled(word string) bool {
	for _, r := range word {
		switch {
		case r < 0x2100:
		case r >= 0x1D400 && r <= 0x1D7FF, r >= 0x249C && r <= 0x24E9, r == 0x212A, r == 0x2126:
			return true
		case r >= 0x210A && r <= 0x2115, r >= 0x2119 && r <= 0x211D, r >= 0x2128 && r <= 0x2139, r >= 0x213C && r <= 0x2149:
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

func (k scriptSet) foreign() bool { return !k.latin && (k.greek || k.cyrillic || k.other) }
