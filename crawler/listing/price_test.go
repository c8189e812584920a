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
	if share < 0.97 {
		t.Errorf("%.1f %% of the price strings are right, want 97 %%", 100*share)
	}
}
