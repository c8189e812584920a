package listing

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
)

// sharedFile finds ../shared beside the repository, or skips.
func sharedFile(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			p := filepath.Join(dir, "..", "shared", name)
			if _, err := os.Stat(p); err != nil {
				t.Skipf("the shared material is not here (%s): nothing to measure against", name)
			}
			return p
		}
	}
	t.Skip("no go.mod above the test")
	return ""
}

func TestPriceStrings(t *testing.T) {
	f, err := os.Open(sharedFile(t, "data/price_strings.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	right, total := 0, 0
	for _, row := range rows[1:] {
		for len(row) < 7 {
			row = append(row, "")
		}
		hint := Hint{Context: row[1]}
		if strings.Contains(row[6], "decimal_separator': '.'") {
			hint.Decimal = '.'
		}
		total++
		m, err := ParsePrice(row[2], hint)
		got, sym := "", m.Symbol
		if err == nil {
			got = m.Amount.String()
		}
		want := row[5]
		if want != "" {
			want = decimal.RequireFromString(want).String()
		}
		trim := func(s string) string { return strings.ToLower(strings.Trim(s, " .")) }
		okCur := trim(sym) == trim(row[3]) || CurrencyCode(sym) != "" && CurrencyCode(sym) == CurrencyCode(row[3]) || want == "" && got == ""
		if got == want && okCur {
			right++
			continue
		}
		t.Logf("%s | %q + %q: got %s %q, want %s %q", row[0], row[1], row[2], got, sym, want, row[3])
	}
	share := float64(right) / float64(total)
	t.Logf("price strings: %d of %d right (%.1f %%)", right, total, 100*share)
	// The rest are two currencies that are none, and texts without a number for
	// which the list wants 1.
	if share < 0.985 {
		t.Errorf("%.1f %% of the price strings are right, want 98.5 %%", 100*share)
	}
}

// TestPriceTexts reads ways of writing prices that shops were seen to use.
func TestPriceTexts(t *testing.T) {
	for _, tc := range []struct{ text, hint, want string }{
		{"579,000 DT", "", "579 TND"},
		{"3 419,000 DT", "", "3419 TND"},
		{"5 199,000 TND", "TND", "5199 TND"},
		{"1.198,- Kr", "DKK", "1198 DKK"},
		{"1.250 € VB", "", "1250 EUR"},
		{"R$ 4.425,44", "", "4425.44 BRL"},
		{"₹49,990.00", "", "49990 INR"},
		{"₹ 1,41,999", "", "141999 INR"},
		{"PKR 36,296.46", "", "36296.46 PKR"},
		{"$173.000", "COP", "173000 COP"},
		{"From $18.98 AUD", "", "18.98 AUD"},
		{"£5.99 to £14.99", "", "5.99 GBP"},
		{"1 046 kr", "SEK", "1046 SEK"},
		{"S/ 1,299.00", "", "1299 PEN"},
		{"US$2.99", "", "2.99 USD"},
		{"63,42 €", "", "63.42 EUR"},
		{"2.345 грн", "UAH", "2345 UAH"},
		{"1 445 400 сум", "", "1445400 UZS"},
		{"Free Shipping on Orders $49+.", "USD", ""},
		{"free shipping on orders over $35", "USD", ""},
		{"Versandkostenfrei für Bestellungen ab 29 €", "", ""},
		{"Цена: уточняйте (мин. заказ: 1 )", "", ""},
		{"25-09", "", ""},
		{"45-09", "EUR", ""},
		{"€ 25-30", "", "25 EUR"},
		{"-34%", "", ""},
	} {
		got := ""
		if m, err := ParsePrice(tc.text, Hint{Currencies: []string{tc.hint}}); err == nil {
			got = strings.TrimSpace(m.Amount.String() + " " + m.Currency)
		}
		if got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.text, got, tc.want)
		}
	}
}
