package listing

import (
	"regexp"
	"strings"

	"github.com/shopspring/decimal"
)

// availability reads schema.org's names, and the words of pages.
func availability(v string) string {
	s := strings.ToLower(localName(strings.TrimSpace(v)))
	s = strings.NewReplacer("_", "", " ", "", "-", "").Replace(s)
	switch s {
	case "instock", "in_stock", "instoreonly", "onlineonly", "available", "availablefororder", "inventory", "true", "yes":
		return "in_stock"
	case "outofstock", "oos", "unavailable", "discontinued", "notavailable", "backorder", "currentlyunavailable":
		return "out_of_stock"
	case "soldout", "sold":
		return "sold"
	case "preorder", "presale":
		return "preorder"
	case "limitedavailability", "limited", "lowstock":
		return "limited"
	}
	low := strings.ToLower(v)
	for _, w := range []struct{ word, is string }{
		{"out of stock", "out_of_stock"},
		{"currently unavailable", "out_of_stock"},
		{"nicht verfügbar", "out_of_stock"},
		{"no disponible", "out_of_stock"},
		{"indisponible", "out_of_stock"},
		{"non disponibile", "out_of_stock"},
		{"esgotado", "out_of_stock"},
		{"agotado", "out_of_stock"},
		{"在庫切れ", "out_of_stock"},
		{"缺货", "out_of_stock"},
		{"sold out", "sold"},
		{"売り切れ", "sold"},
		{"vendu", "sold"},
		{"verkauft", "sold"},
		{"in stock", "in_stock"},
		{"auf lager", "in_stock"},
		{"en stock", "in_stock"},
		{"in magazzino", "in_stock"},
		{"disponibilità immediata", "in_stock"},
		{"disponibile", "in_stock"},
		{"在庫あり", "in_stock"},
		{"有货", "in_stock"},
		{"em estoque", "in_stock"},
		{"stock disponible", "in_stock"},
		{"left in stock", "limited"},
		{"pre-order", "preorder"},
		{"preorder", "preorder"},
		{"予約", "preorder"},
	} {
		if strings.Contains(low, w.word) {
			return w.is
		}
	}
	return ""
}

// condition reads schema.org's names and the words of pages, whole texts only:
// "new" inside a sentence says nothing of the item.
func condition(v string) string {
	s := strings.ToLower(localName(strings.TrimSpace(v)))
	s = strings.TrimSpace(strings.SplitN(strings.SplitN(s, "(", 2)[0], ":", 2)[0])
	s = strings.NewReplacer("condition", "", "_", " ").Replace(s)
	s = strings.Trim(s, " .!-–—")
	if c, ok := conditions[s]; ok {
		return c
	}
	for prefix, c := range conditionPrefixes {
		if strings.HasPrefix(s, prefix) {
			return c
		}
	}
	return ""
}

// conditionPrefixes are beginnings of conditions; none begins another of a
// different meaning.
var conditionPrefixes = map[string]string{"new with": "new", "brand new": "new", "new other": "new", "new without": "new", "neuf sans": "new", "neu ohne": "new", "nuevo sin": "new", "nuovo senza": "new", "nuovo con": "new", "nuevo con": "new", "novo com": "new", "novo sem": "new", "nieuw met": "new", "nieuw zonder": "new", "nowy z": "new", "nowy bez": "new", "bon état": "used", "satisfaisant": "used", "gut": "used", "zufriedenstellend": "used", "muy bueno": "used", "bueno": "used", "ottime": "used", "buone": "used", "used": "used", "pre-owned": "used", "preowned": "used", "refurbished": "refurbished", "certified": "refurbished", "seller refurbished": "refurbished", "gebraucht": "used", "neu mit": "new", "neuf avec": "new", "like new": "used", "lightly used": "used", "well used": "used", "heavily used": "used", "très bon": "used", "sehr gut": "used", "目立った傷": "used", "未使用に近い": "used", "やや傷": "used", "nuevo": "new", "usado": "used", "refurb": "refurbished"}

var conditions = map[string]string{
	"new": "new", "nuevo": "new", "nueva": "new", "neu": "new", "neuf": "new", "novo": "new", "nuovo": "new", "新品": "new", "全新": "new", "nowy": "new", "новый": "new", "нoвое": "new", "mới": "new", "baru": "new", "ของใหม่": "new", "新品、未使用": "new", "新品未使用": "new", "nieuw": "new", "new item": "new",
	"used": "used", "usado": "used", "usada": "used", "gebraucht": "used", "occasion": "used", "d'occasion": "used", "usato": "used", "中古": "used", "二手": "used", "damaged": "used", "good": "used", "very good": "used", "acceptable": "used", "excellent": "used", "satisfactory": "used", "bon état": "used", "tweedehands": "used", "używany": "used", "bekas": "used", "мб/у": "used", "б/у": "used", "傷や汚れあり": "used", "fair": "used",
	"refurbished": "refurbished", "reacondicionado": "refurbished", "reconditionné": "refurbished", "generalüberholt": "refurbished", "recondicionado": "refurbished", "ricondizionato": "refurbished", "renewed": "refurbished",
}

var countNumber = regexp.MustCompile(`(\d[\d.,\s'’]*)\s*([kKmM](?:\b|\+)|[万萬千억만]|mil\b|tys\b|tsd\b|тыс|rb\b|พัน|ngh?ìn)?`)

// count reads a whole number as pages write it: "1,234 sold", "3.2k", "1.5万+".
// The value keeps what is sure: "10k+" is 10000.
func count(v string) string {
	v = plainDigits(v)
	m := countNumber.FindStringSubmatch(v)
	if m == nil {
		return ""
	}
	shift := int32(0)
	switch strings.ToLower(strings.TrimSuffix(m[2], "+")) {
	case "k", "mil", "tys", "tsd", "тыс", "rb", "พัน", "千", "nghìn", "ngìn":
		shift = 3
	case "万", "萬", "만":
		shift = 4
	case "m":
		shift = 6
	case "억":
		shift = 8
	}
	text := strings.TrimRight(strings.TrimSpace(m[1]), ".,")
	if shift == 0 && !wholeCount.MatchString(text) {
		return ""
	}
	n, err := parseNumber(strings.TrimSpace(text), Hint{}, "JPY")
	if err != nil {
		return ""
	}
	return n.Shift(shift).Truncate(0).String()
}

var wholeCount = regexp.MustCompile(`^\d+$|^\d{1,3}(?:[.,\s'’]\d{2,3})+$|^\d+\.0+$`)

var ratingNumber = regexp.MustCompile(`\d+(?:[.,]\d+)?`)

// rating reads the first number of a text, with at most two decimals.
func rating(v string) string {
	m := ratingNumber.FindString(plainDigits(v))
	d, err := decimal.NewFromString(strings.Replace(m, ",", ".", 1))
	if err != nil || len(m) > 80 || d.GreaterThan(decimal.NewFromInt(1000)) {
		return ""
	}
	return d.Round(2).String()
}

// gtin accepts 8, 12, 13 or 14 digits (GS1 General Specifications 7.9) and
// ISBN-10. The check digit is not required: a wrong one is itself a signal.
func gtin(v string) string {
	s := strings.NewReplacer(" ", "", "-", "").Replace(strings.TrimPrefix(strings.ToLower(v), "isbn"))
	s = strings.ToUpper(strings.TrimPrefix(s, ":"))
	switch len(s) {
	case 10:
		if isbn10(s) {
			return s
		}
		return ""
	case 8, 12, 13, 14:
	default:
		return ""
	}
	for i := range len(s) {
		if !isDigit(s[i]) {
			return ""
		}
	}
	if strings.Trim(s, "0") == "" {
		return ""
	}
	return s
}

func isbn10(s string) bool {
	sum := 0
	for i := range 10 {
		d := int(s[i] - '0')
		if s[i] == 'X' && i == 9 {
			d = 10
		} else if !isDigit(s[i]) {
			return false
		}
		sum += d * (10 - i)
	}
	return sum%11 == 0
}

// instalment are the words beside a price that is one of several payments.
var instalment = regexp.MustCompile(`(?i)(?:/|per|a|\bpro|al|par|por|por)\s?(?:mo|month|mth|monat|mese|mois|mes|m[eê]s)\b|monthly|/\s?(?:lun[aă]|мес|mies|ay(?:$|\s)|tháng)|rat[aăe] lunar|rat[ay]? miesięczn|в месяц|ежемесячн|aylık|mỗi tháng|ต่อเดือน|할부|\bx\s*\d{1,2}\s*(?:months|meses|mois|mesi)|\d{1,2}\s*x\s*(?:de\s*)?(?:r\$|\$|€)|installment|instalment|cuotas|parcelas|mensualit|rate\s+von|分期|月々`)

// Instalment reports whether a text beside a price says that it is one of
// several payments.
func Instalment(text string) bool { return instalment.MatchString(text) }
