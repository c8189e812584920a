package listing

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/shopspring/decimal"
)

// Money is an amount as a page wrote it.
type Money struct {
	Amount decimal.Decimal
	High   *decimal.Decimal // the upper end of a range; nil when there is none
	// Currency is the ISO code; "" when none was written.
	Currency string
	// Sure is false when the symbol stands for several currencies ("$") and no
	// hint decided between them.
	Sure bool
	// Symbol and Text are the currency and the number as written.
	Symbol string
	Text   string
}

// Hint is what is known of a price beside its text.
type Hint struct {
	// Currencies are the ones expected here, the likeliest first: they decide
	// what "$" or "kr" stands for, and nothing else.
	Currencies []string
	// Context is text beside the price ("Price in EUR:"); a currency is taken
	// from it when the price has none.
	Context string
	// Decimal is '.' or ',' when the site's decimal separator is known.
	Decimal rune
	// Machine says that the text was written for programs: "1234.5".
	Machine bool
	// Alone says that the text must be nothing but one price: words beside it
	// mean that it is something else.
	Alone bool
}

// ErrNoPrice says that a text holds no price.
var ErrNoPrice = errors.New("no price in the text")

// maxPriceText bounds what is looked at: no price is longer.
const maxPriceText = 400

// ParsePrice reads the first price of a text, in any script's digits, with
// any separators. It never takes a percentage, a date or a plain word for one;
// "free" is no price either, because shipping is what is usually free.
func ParsePrice(text string, hint Hint) (Money, error) {
	text = apart.ReplaceAllString(clipRunes(plainDigits(text), maxPriceText), "$1$2$3$4")
	context := clipRunes(plainDigits(hint.Context), maxPriceText)
	nums := scanNumbers(text)
	var marks []mark
	for _, m := range scanCurrencies(text) {
		if !m.weak || nearNumber(m, nums) {
			marks = append(marks, m)
		}
	}
	if len(nums) == 0 {
		return Money{}, fmt.Errorf("%w: %q has no number", ErrNoPrice, clipRunes(text, 60))
	}
	i, sym := chooseNumber(text, nums, marks)
	if i < 0 {
		return Money{}, fmt.Errorf("%w: %q has a number, but not an amount", ErrNoPrice, clipRunes(text, 60))
	}
	if hint.Alone && !alone(text, marks) {
		return Money{}, fmt.Errorf("%w: %q is more than a price", ErrNoPrice, clipRunes(text, 60))
	}
	m := Money{Text: nums[i].text}
	var codes string
	if sym >= 0 {
		m.Symbol, codes = marks[sym].text, marks[sym].codes
	}
	m.Symbol, codes = refine(m.Symbol, codes, marks, context, nums)
	m.Currency, m.Sure = pick(codes, hint.Currencies)
	amount, err := parseNumber(nums[i].text, hint, m.Currency)
	if err != nil {
		return Money{}, fmt.Errorf("%w: %v", ErrNoPrice, err)
	}
	m.Amount = applyMultiplier(text, nums[i], amount)
	m.High = rangeEnd(text, nums, i, marks, hint, m)
	return m, nil
}

// apart is an amount whose parts stood on lines of their own: "14 . 99".
var apart = regexp.MustCompile(`(\d) ([.,]) (\d\d)(\D|$)`)

// refine gives the currency another look: "$1,190.00 AUD" is AUD, and a price
// without a currency takes the one of its context.
func refine(symbol, codes string, marks []mark, context string, nums []number) (string, string) {
	better := func(m mark) bool {
		return codes == "" || len(m.codes) == 3 && len(codes) > 3 && strings.Contains(codes, m.codes)
	}
	if len(nums) == 1 { // with several numbers a second currency is another price's
		for _, m := range marks {
			if better(m) {
				symbol, codes = m.text, m.codes
			}
		}
	}
	var around []mark
	for _, m := range scanCurrencies(context) {
		if !m.weak || strings.TrimSpace(context) == m.text || nearNumber(m, scanNumbers(context)) {
			around = append(around, m)
		}
	}
	for _, m := range around {
		if better(m) {
			return m.text, m.codes
		}
	}
	return symbol, codes
}

// alone reports whether a text has no letters but its currency's and those
// that make a range.
func alone(text string, marks []mark) bool {
	for i := len(marks) - 1; i >= 0; i-- {
		text = text[:marks[i].start] + " " + text[marks[i].end:]
	}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) }) {
		if !isRangeWord(word) && word != "from" && word != "ab" && word != "от" {
			return false
		}
	}
	return true
}

// mark is a currency in a text.
type mark struct {
	start, end  int
	text, codes string
	weak        bool
}

func scanCurrencies(text string) []mark {
	var out []mark
	for i := 0; i < len(text); {
		as, codes, weak := currencyAt(text, i)
		if as != "" {
			out = append(out, mark{i, i + len(as), as, codes, weak})
			i += len(as)
			continue
		}
		_, n := utf8.DecodeRuneInString(text[i:])
		i += n
	}
	return out
}

// number is a run of digits and separators.
type number struct {
	start, end int
	text       string
}

func nearNumber(m mark, nums []number) bool {
	for _, n := range nums {
		if gap := m.start - n.end; gap >= 0 && gap <= 2 {
			return true
		}
		if gap := n.start - m.end; gap >= 0 && gap <= 2 {
			return true
		}
	}
	return false
}

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
		case r == '，', r == '、':
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

// chooseNumber gives the number that is the price and its currency: the first
// number beside a currency, else the first plausible one.
func chooseNumber(text string, nums []number, marks []mark) (num, cur int) {
	first := -1
	for i, n := range nums {
		if implausible(text, n) {
			continue
		}
		if first < 0 {
			first = i
		}
		if j := beside(text, n, marks); j >= 0 {
			return i, j
		}
		// "From 26 to 50 €": the lower end shares the upper end's currency.
		if i+1 < len(nums) && isRangeWord(text[n.end:nums[i+1].start]) {
			if j := beside(text, nums[i+1], marks); j >= 0 {
				return i, j
			}
		}
	}
	if first < 0 {
		return -1, -1
	}
	if len(nums) == 1 {
		for j, m := range marks {
			if !m.weak {
				return first, j
			}
		}
	}
	return first, -1
}

// beside finds the currency that belongs to a number: touching or a space or
// two away, or with a colon or hyphen between; before the number wins.
func beside(text string, n number, marks []mark) int {
	best, gapBest := -1, 4
	for j, m := range marks {
		if m.weak && best >= 0 && !marks[best].weak {
			continue
		}
		var between string
		switch {
		case m.end <= n.start:
			between = text[m.end:n.start]
		case m.start >= n.end:
			between = text[n.end:m.start]
		default:
			continue
		}
		if len(between) > 3 || strings.Trim(between, " :-.*,–=+") != "" {
			continue
		}
		if len(between) < gapBest || best >= 0 && marks[best].weak && !m.weak {
			best, gapBest = j, len(between)
		}
	}
	return best
}

var months = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}

// implausible reports numbers that are no amount: percentages, dates, counts
// with a unit.
func implausible(text string, n number) bool {
	rest := strings.TrimLeft(text[n.end:], " ")
	if strings.HasPrefix(rest, "%") || strings.HasPrefix(rest, "％") || strings.HasPrefix(rest, "٪") {
		return true
	}
	if strings.HasSuffix(strings.TrimRight(text[:n.start], " "), "%") && rest == "" {
		return true // "%20"
	}
	if isDate(n.text) {
		return true
	}
	before := strings.ToLower(strings.TrimRight(text[:n.start], " ,."))
	for _, m := range months {
		if i := strings.LastIndex(before, m); i >= 0 && len(before)-i <= 9 && !strings.ContainsAny(before[i:], " 0123456789$€£¥") && wordBoundary(before, i) {
			return true
		}
	}
	return false
}

// isDate recognises 15.08.2017 and the like.
func isDate(s string) bool {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '.' })
	return len(parts) == 3 && len(parts[0]) <= 2 && len(parts[1]) == 2 && len(parts[2]) == 4 && parts[1] <= "12"
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
		if s[:before] == "0" || s[:before] == "" || before > 3 || threeDecimals[currency] && last == '.' {
			return lastAt
		}
		return -1
	case after == 3 && other:
		return -1
	}
	return lastAt
}

// applyMultiplier reads 万, 億 and 千 after the number: "1.5万円" is 15000.
func applyMultiplier(text string, n number, amount decimal.Decimal) decimal.Decimal {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(text[n.end:], " "))
	switch r {
	case '万', '萬':
		return amount.Shift(4)
	case '億', '亿':
		return amount.Shift(8)
	case '만':
		return amount.Shift(4)
	}
	return amount
}

// rangeWords join the ends of a price range.
var rangeWords = []string{"-", "–", "—", "~", "～", "〜", "―", "−", "to", "bis", "à", "a", "do", "до", "至", "到", "から", "až", "ถึง", "đến", "hingga", "até", "hasta"}

// rangeEnd reads the upper end of "10 - 20 €"; nil when there is no range.
func rangeEnd(text string, nums []number, i int, marks []mark, hint Hint, low Money) *decimal.Decimal {
	if i+1 >= len(nums) {
		return nil
	}
	next := nums[i+1]
	between := text[nums[i].end:next.start]
	for _, m := range marks {
		if m.start >= nums[i].end && m.end <= next.start {
			between = strings.Replace(between, m.text, " ", 1)
		}
	}
	if !isRangeWord(between) || implausible(text, next) {
		return nil
	}
	high, err := parseNumber(next.text, hint, low.Currency)
	if err != nil {
		return nil
	}
	high = applyMultiplier(text, next, high)
	if high.GreaterThan(low.Amount) {
		return &high
	}
	return nil
}

func isRangeWord(between string) bool {
	between = strings.ToLower(strings.TrimSpace(between))
	for _, w := range rangeWords {
		if between == w {
			return true
		}
	}
	return false
}

func clipRunes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
