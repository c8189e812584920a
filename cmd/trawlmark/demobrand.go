package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/crawler/triage"
)

// demoBrand is the brand profile of the fictitious house, as a user would
// write it (docs/brands.md).
func demoBrand(m markettest.Brand, today time.Time) (json.RawMessage, error) {
	var b strings.Builder
	q := func(s string) string { t, _ := json.Marshal(s); return string(t) }
	fmt.Fprintf(&b, "name: %s\ncurrency: EUR\nnames:\n", q(m.Name))
	for _, n := range m.Names {
		fmt.Fprintf(&b, "  - %s\n", q(n))
	}
	b.WriteString("homonyms:\n")
	for _, h := range m.Homonyms {
		fmt.Fprintf(&b, "  - %s\n", q(h))
	}
	b.WriteString("models:\n")
	for _, x := range m.Models {
		fmt.Fprintf(&b, "  - {name: %s, code: %s, category: %s, price: %s, currency: %s}\n", q(x.Name), q(x.Code), q(x.Category), q(x.Reference), q(x.Currency))
	}
	b.WriteString("authorised:\n")
	for _, s := range m.Authorised {
		fmt.Fprintf(&b, "  - {name: %s}\n", q(s))
	}
	b.WriteString("rates: # EUR for one unit; a watch in earnest takes the day's\n")
	for _, r := range demoRates {
		fmt.Fprintf(&b, "  - {currency: %s, rate: %s, date: %s}\n", r.currency, q(r.rate), today.Format(time.DateOnly))
	}
	brand, err := triage.ParseBrand("demo brand", []byte(b.String()))
	if err != nil {
		return nil, err
	}
	for _, o := range m.Official {
		if err := brand.AddOfficial(o.Path, o.Bytes); err != nil {
			return nil, err
		}
	}
	return json.Marshal(brand)
}

// demoRates are EUR for one unit, rounded: the marketplace is invented, and so
// is its money.
var demoRates = []struct{ currency, rate string }{
	{"USD", "0.92"},
	{"GBP", "1.17"},
	{"CNY", "0.127"},
	{"JPY", "0.0061"},
	{"THB", "0.026"},
	{"BRL", "0.16"},
	{"CHF", "1.05"},
	{"AED", "0.25"},
	{"VND", "0.000036"},
	{"MXN", "0.047"},
	{"HKD", "0.118"},
	{"KRW", "0.00067"},
	{"SGD", "0.69"},
	{"AUD", "0.60"},
	{"CAD", "0.67"},
	{"TRY", "0.022"},
	{"INR", "0.0107"},
	{"PLN", "0.23"},
	{"SAR", "0.245"},
	{"EGP", "0.019"},
	{"QAR", "0.253"},
}
