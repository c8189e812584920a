package listing

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/shopspring/decimal"
)

// plainDigits writes all scripts' decimal digits as 0-9 and all kinds of
// spaces as ' ', and drops invisible characters.
func plainDigits(s string) string {
	ascii := true
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf || s[i] < ' ' {
			ascii = false
			break
		}
	}
	if ascii {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf && r >= ' ':
			b.WriteRune(r)
		case unicode.Is(unicode.Nd, r):
			b.WriteByte('0' + digitValue(r))
		case unicode.IsSpace(r) || unicode.Is(unicode.Zs, r):
			b.WriteByte(' ')
		case unicode.Is(unicode.Cf, r) || r == utf8.RuneError || r < ' ':
		case r == '．':
			b.WriteByte('.')
		case r == '，', r == '、', r == '،':
			b.WriteByte(',')
		case r == '⁄':
			b.WriteByte('/')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// digitValue relies on Unicode's promise that Nd digits come in runs of ten
// from zero to nine (stability policy, "Numeric_Type=Decimal").
func digitValue(r rune) byte {
	zero := r
	for zero > 0 && r-zero < 9 && unicode.Is(unicode.Nd, zero-1) {
		zero--
	}
	if r >= 0x1D7CE && r <= 0x1D7FF { // mathematical digits: five runs that touch
		return byte((r - 0x1D7CE) % 10)
	}
	return byte(r-zero) % 10
}

// scanNumbers finds the runs of digits with their separators.
func scanNumbers(text string) []number {
	var out []number
	for i := 0; i < len(text); {
		if !isDigit(text[i]) {
			i++
			continue
		}
		end := numberEnd(text, i)
		start := i
		// ".99": a leading point belongs to the number when nothing but space
		// or a currency stands before it.
		if i > 0 && (text[i-1] == '.' || text[i-1] == ',') && (i == 1 || text[i-2] == ' ' || text[i-2] == '$') && end-i <= 2 {
			start = i - 1
		}
		out = append(out, number{start, end, text[start:end]})
		i = end
	}
	return out
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// numberEnd gives the end of the number that begins at i: digits, and
// separators that are followed by digits; a space only before exactly three
// digits, or after a decimal separator ("119. 95").
func numberEnd(text string, i int) int {
	end := i
	groups := 0
	for end < len(text) {
		c := text[end]
		if isDigit(c) {
			end++
			continue
		}
		sep, n := separatorAt(text, end)
		if sep == 0 {
			break
		}
		next := end + n
		digits := 0
		for next+digits < len(text) && isDigit(text[next+digits]) {
			digits++
		}
		ok := digits > 0
		switch sep {
		case ' ':
			run := leadDigits(text[i:end])
			ok = digits == 3 && (groups > 0 || run <= 3)
		case '\'':
			ok = digits >= 2
		case '.', ',':
			if digits == 0 && groups <= 1 && loneCents(text, next) {
				next++ // "119. 95"
				ok = true
			}
		case '€':
			if digits == 0 && groups == 0 && loneCents(text, next) {
				next++ // "1250€ 60"
				digits = 2
			}
			ok = digits == 2 && !strings.Contains(text[i:end], ",")
		}
		if !ok {
			break
		}
		groups++
		end = next
	}
	return end
}

// loneCents reports whether a space and exactly two digits stand at i, and the
// text ends there or goes on with a currency.
func loneCents(text string, i int) bool {
	if i+3 > len(text) || text[i] != ' ' || !isDigit(text[i+1]) || !isDigit(text[i+2]) {
		return false
	}
	rest := strings.TrimLeft(text[i+3:], " ")
	if rest == "" {
		return true
	}
	as, _, _ := currencyAt(rest, 0)
	return as != "" && rest != text[i+3:] || strings.HasPrefix(rest, "€") && rest == text[i+3:]
}

func leadDigits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

// separatorAt reads a separator inside a number: 0 when there is none.
func separatorAt(text string, i int) (rune, int) {
	r, n := utf8.DecodeRuneInString(text[i:])
	switch r {
	case '.', ',', ' ', '€':
		return r, n
	case '٫':
		return '٫', n
	case '٬':
		return '٬', n
	case '\'', '’', '‘', 'ʼ', '´', '`', '˙':
		return '\'', n
	case '·':
		return '.', n
	}
	return 0, 0
}

// zeroDecimals are currencies whose amounts have no decimals in practice, so
// that a single separator groups thousands.
var zeroDecimals = map[string]bool{"JPY": true, "KRW": true, "VND": true, "IDR": true, "CLP": true, "COP": true, "PYG": true, "ISK": true, "HUF": true, "XOF": true, "XAF": true, "UGX": true, "RWF": true, "LAK": true, "MMK": true, "IRR": true, "ARS": true, "CRC": true, "UZS": true, "TWD": true}

// threeDecimals are those with a thousandth as the minor unit.
var threeDecimals = map[string]bool{"KWD": true, "BHD": true, "OMR": true, "JOD": true, "TND": true, "IQD": true, "LYD": true}

// parseNumber reads digits with separators.
func parseNumber(s string, hint Hint, currency string) (decimal.Decimal, error) {
	point := decimalPoint(s, hint, currency)
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case i == point:
			if b.Len() == 0 {
				b.WriteByte('0')
			}
			b.WriteByte('.')
		}
		i += n
	}
	digits := strings.TrimSuffix(b.String(), ".")
	if len(digits) == 0 || len(digits) > 24 {
		return decimal.Decimal{}, fmt.Errorf("%q is not an amount", clipRunes(s, 40))
	}
	return decimal.NewFromString(digits)
}

// decimalPoint gives the index of the decimal separator in s, -1 when none.
func decimalPoint(s string, hint Hint, currency string) int {
	lastAt, count := -1, map[rune]int{}
	var last rune
	for i := 0; i < len(s); {
		if isDigit(s[i]) {
			i++
			continue
		}
		r, n := separatorAt(s, i)
		if r == '٫' {
			return i
		}
		if r == '.' || r == ',' || r == '€' {
			lastAt, last = i, r
		}
		count[r]++
		i += max(n, 1)
	}
	if lastAt < 0 || count[last] > 1 || last == '€' {
		if last == '€' && count[last] == 1 {
			return lastAt
		}
		return -1
	}
	after := len(strings.ReplaceAll(s[lastAt+1:], " ", ""))
	before := lastAt
	other := count['.']+count[',']-count[last] > 0
	switch {
	case hint.Decimal != 0 && (last == '.' || last == ','):
		if last == hint.Decimal {
			return lastAt
		}
		if after == 3 || other {
			return -1
		}
		return lastAt
	case after == 3 && hint.Machine && last == '.' && !zeroDecimals[currency]:
		return lastAt
	case after == 3 && !other && count[' '] == 0 && count['\''] == 0:
		if s[:before] == "0" || s[:before] == "" || before > 3 || threeDecimals[currency] && (last == '.' || currency == "TND") { // Tunis writes 579,000 DT
			return lastAt
		}
		return -1
	case after == 3 && other:
		return -1
	}
	return lastAt
}
