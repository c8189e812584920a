package listing

import (
	"regexp"
	"strings"

	"github.com/shopspring/decimal"
	"golang.org/x/net/html"
)

var fifty = decimal.NewFromInt(50)

// weighTitles prefers the heading to data that has its beginning only: what is
// shown is the name with the variant, data often has the name alone.
func (e *extraction) weighTitles() {
	var heading *Candidate
	best := Candidate{}
	for i := range e.cands {
		c := &e.cands[i]
		switch {
		case c.Field != Title:
		case c.Path == "h1" && c.Source == "dom":
			if heading == nil {
				heading = c
			}
		case (c.Source == "jsonld" || c.Source == "microdata" || c.Source == "state") && c.Confidence > best.Confidence:
			best = *c
		}
	}
	if heading == nil || best.Value == "" || heading.Confidence < .55 || heading.Confidence >= best.Confidence {
		return
	}
	name, shown := sameText(best.Value), sameText(heading.Value)
	more, ok := strings.CutPrefix(shown, name)
	if !ok || more == "" || len(name) < 12 || len(more) > 60 || !e.endsHeading(heading.Value, more) {
		return
	}
	if _, err := ParsePrice(more, Hint{}); err == nil && len(scanCurrencies(more)) > 0 {
		return
	}
	heading.Confidence = best.Confidence + .01
}

// weighSellers doubts data that names the brand as the seller where the page
// names another: shops fill the field with what they have.
func (e *extraction) weighSellers() {
	brands := map[string]bool{}
	labelled := map[string]bool{}
	for _, c := range e.cands {
		switch {
		case c.Field == Brand:
			brands[sameText(c.Value)] = true
		case c.Field == SellerName && c.Source == "dom":
			labelled[sameText(c.Value)] = true
		}
	}
	for i := range e.cands {
		c := &e.cands[i]
		if v := sameText(c.Value); c.Field == SellerName && c.Source == "jsonld" && len(labelled) == 1 && brands[v] && !labelled[v] {
			c.Confidence -= .4
		}
	}
}

// endsHeading reports that what a heading has more is part of its last text:
// in an element of its own it may be a badge, a rating or a button.
func (e *extraction) endsHeading(text, more string) bool {
	for _, h := range e.doc.headings[:min(len(e.doc.headings), 5)] {
		if headingText(h) != text {
			continue
		}
		last := ""
		for n := range h.Descendants() {
			if n.Type == html.TextNode && strings.TrimSpace(n.Data) != "" {
				last = sameText(n.Data)
			}
		}
		return len(last) > len(strings.TrimSpace(more)) && strings.HasSuffix(last, strings.TrimSpace(more))
	}
	return false
}

// weighPrices compares every structured price with what the page shows. A
// price that no reader can see is often in another currency, the list price,
// or of another variant: it loses to one that is seen.
func (e *extraction) weighPrices() {
	for i := range e.cands {
		c := &e.cands[i]
		if c.Field != Price || c.Amount == nil {
			continue
		}
		switch c.Source {
		case "jsonld", "microdata", "rdfa", "state", "opengraph":
			e.regroup(c)
			switch {
			case c.Amount.IsZero() && c.High == nil && !e.shown(*c):
				c.Confidence -= .5 // what has no price at the moment has 0 in its data
			case e.crossedOut(*c) || e.beforeSale(*c) || e.beforeStateSale(*c):
				c.Confidence -= .3
			case e.shown(*c):
				c.Confidence += .08
			case len(e.shownAmounts()) > 0:
				c.Confidence -= .2
			}
		}
	}
}

var threeAfterPoint = regexp.MustCompile(`^\s*\d{1,3}\.\d{3}\s*$`)

// regroup reads "1.299" as 1299 when that is what the page shows: shops of
// half the world write the point between thousands into data, too.
func (e *extraction) regroup(c *Candidate) {
	if !threeAfterPoint.MatchString(c.Raw) || c.High != nil || e.shown(*c) {
		return
	}
	amount := c.Amount.Shift(3)
	if !amount.IsInteger() {
		return
	}
	other := *c
	other.Amount, other.Value = &amount, amount.String()
	if e.shown(other) {
		*c = other
	}
}

// crossedOut reports whether a structured price is the one that the page
// crosses out beside a lower one.
func (e *extraction) crossedOut(c Candidate) bool {
	struck := false
	for _, s := range e.cands {
		struck = struck || s.Field == StrikePrice && s.Amount != nil && s.Amount.Equal(*c.Amount) && s.Source == "dom"
	}
	if !struck {
		return false
	}
	for _, p := range e.cands {
		if p.Field == Price && p.Source == "dom" && p.Confidence >= .55 && p.Amount.LessThan(*c.Amount) && (p.Currency == "" || c.Currency == "" || p.Currency == c.Currency) {
			return true
		}
	}
	return false
}

// beforeSale reports whether the page's own meta data call a structured price
// the usual one and give a lower one for now.
func (e *extraction) beforeSale(c Candidate) bool {
	usual, sale := false, false
	for _, o := range e.cands {
		if o.Source != "opengraph" || o.Amount == nil || o.Currency != "" && c.Currency != "" && o.Currency != c.Currency {
			continue
		}
		usual = usual || o.Field == StrikePrice && o.Amount.Equal(*c.Amount)
		sale = sale || o.Field == Price && o.Amount.IsPositive() && o.Amount.LessThan(*c.Amount)
	}
	return usual && sale && c.Source != "opengraph"
}

// beforeStateSale reports whether the page's program has a lower price for now
// beside a structured one, and the page shows it: a shop that forgets its data
// for search engines when a sale begins.
func (e *extraction) beforeStateSale(c Candidate) bool {
	usual, sale := false, false
	for _, o := range e.cands {
		if o.Source != "state" || o.Field != Price || o.Amount == nil || o.Currency != "" && c.Currency != "" && o.Currency != c.Currency {
			continue
		}
		key := o.Path[strings.LastIndex(o.Path, ".")+1:]
		usual = usual || key == "price" && o.Amount.Equal(*c.Amount)
		sale = sale || salePriceKeys[key] && o.Amount.IsPositive() && o.Amount.LessThan(*c.Amount) && e.shown(o)
	}
	return usual && sale
}

// salePriceKeys are the names of what is asked now beside a plain "price".
var salePriceKeys = map[string]bool{"salePrice": true, "sale_price": true, "currentPrice": true, "current_price": true, "finalPrice": true, "final_price": true, "sellingPrice": true}

// shown reports whether the page's text has the candidate's amount, in its
// currency when both say one.
func (e *extraction) shown(c Candidate) bool {
	currencies, ok := e.shownAmounts()[c.Amount.String()]
	if !ok {
		return false
	}
	return c.Currency == "" || currencies[""] || currencies[c.Currency]
}

// shownAmounts are the prices in the visible text, amount -> currencies.
func (e *extraction) shownAmounts() map[string]map[string]bool {
	if e.doc.amounts != nil {
		return e.doc.amounts
	}
	out := map[string]map[string]bool{}
	e.doc.amounts = out
	text := plainDigits(clipRunes(e.doc.Visible(), 2<<20))
	hints := e.hints("")
	for _, line := range strings.Split(text, "\n") {
		if len(out) > 3000 {
			break
		}
		if !strings.ContainsAny(line, "0123456789") || len(line) > 2000 {
			continue
		}
		addShown(out, strings.TrimSpace(line), hints)
	}
	return out
}

// addShown reads every price of a line: the numbers that have a currency
// beside them, and a line that is nothing but a number.
func addShown(out map[string]map[string]bool, line string, hints []string) {
	nums := scanNumbers(line)
	if len(nums) > 60 {
		return
	}
	marks := scanCurrencies(line)
	for _, n := range nums {
		j := beside(line, n, marks)
		code := ""
		if j >= 0 {
			code, _ = pick(marks[j].codes, hints)
		} else if len(n.text) < len(line) {
			continue
		}
		amount, err := parseNumber(n.text, Hint{}, code)
		if err != nil {
			continue
		}
		key := amount.String()
		if out[key] == nil {
			out[key] = map[string]bool{}
		}
		out[key][code] = true
	}
}
