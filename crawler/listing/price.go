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
		if !m.weak || nearNumber(m, nums) || afterDash(text, m, nums) {
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

// afterDash is "1.198,- kr": the dash stands for the cents.
func afterDash(text string, m mark, nums []number) bool {
	for _, n := range nums {
		if m.start >= n.end && m.start-n.end <= 4 {
			if between := strings.TrimSpace(text[n.end:m.start]); between == ",-" || between == ".-" || between == ",–" {
				return true
			}
		}
	}
	return false
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
	if isDate(n.text) || dayMonth.MatchString(text) || isThreshold(text[:n.start]) {
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

// dayMonth is a text that is nothing but a day and a month. Without a currency
// beside it, it might be cents behind a dash as well: no amount is certain, and
// 25 would be wrong for either.
var dayMonth = regexp.MustCompile(`^\s*\d{1,2}-0\d\s*$`)

// threshold ends a text that is followed by what one must order, not pay:
// "Free shipping on orders over $49", "min. order: 1".
var threshold = regexp.MustCompile(`(?i)(?:orders?|purchases?|bestellungen|bestellwert|commandes?|pedidos?|compras?|ordini|acquisti|zamówień|заказ\p{L}*)(?:\s+(?:of|over|above|from|ab|über|dès|de plus de|supérieures? à|superiores? a|a partir de|acima de|da|oltre|od|powyżej|от))?\s*:?\s*$`)

func isThreshold(before string) bool {
	if len(before) < 5 {
		return false
	}
	before = strings.TrimRight(before[max(0, len(before)-80):], " $€£¥₹R")
	return threshold.MatchString(before)
}

// isDate recognises 15.08.2017 and the like.
func isDate(s string) bool {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '.' })
	return len(parts) == 3 && len(parts[0]) <= 2 && len(parts[1]) == 2 && len(parts[2]) == 4 && parts[1] <= "12"
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
