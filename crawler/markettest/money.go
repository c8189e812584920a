package markettest

import (
	"strings"

	"github.com/shopspring/decimal"
)

// show writes a price as a shop of that language and currency does: the
// separators, the place of the sign and the no-break spaces are part of what
// a reader of such pages must cope with.
func show(price, currency, lang string) string {
	p := decimal.RequireFromString(price)
	whole, frac, _ := strings.Cut(price, ".")
	us := group(whole, ",") + dot(".", frac)
	eu := group(whole, ".") + dot(",", frac)
	switch currency {
	case "EUR":
		switch lang {
		case "de", "es":
			return eu + "\u00a0€"
		case "fr":
			return group(whole, "\u202f") + dot(",", frac) + "\u00a0€"
		}
		return "€" + us
	case "USD":
		return "US $" + us
	case "GBP":
		return "£" + us
	case "CNY":
		return "¥" + strings.ReplaceAll(us, ",", "")
	case "JPY":
		if lang == "ja" {
			return group(p.StringFixed(0), ",") + "円"
		}
		return "¥" + group(p.StringFixed(0), ",")
	case "THB":
		return "฿" + us
	case "BRL":
		return "R$\u00a0" + eu
	case "VND":
		return group(p.StringFixed(0), ".") + "\u00a0₫"
	case "AED":
		if lang == "ar" {
			return us + " د.إ"
		}
		return "AED " + us
	}
	return currency + " " + us
}

func dot(sep, frac string) string {
	if frac == "" {
		return ""
	}
	return sep + frac
}

func group(digits, sep string) string {
	var b strings.Builder
	for i, r := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteString(sep)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// toUSD are fixed rates: what the Converted pages put into their JSON-LD.
func toUSD(price, currency string) string {
	rate := map[string]string{"EUR": "1.08", "AED": "0.2723", "GBP": "1.27"}[currency]
	return decimal.RequireFromString(price).Mul(decimal.RequireFromString(rate)).StringFixed(2)
}

// part gives a share of a price, for instalments and the like: prices on the
// page that are not the price.
func part(price string, n int64) string {
	p := decimal.RequireFromString(price)
	return p.Div(decimal.NewFromInt(n)).Round(-p.Exponent()).StringFixed(-p.Exponent())
}
