package triage

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/trawlmark/trawlmark/crawler/listing"
)

// pricing is what was found out about the price.
type pricing struct {
	model      *model           // nil when only the kind of goods is known
	of         string           // what the reference is the price of
	reference  *decimal.Decimal // in currency
	currency   string
	amount     decimal.Decimal // of the listing, in currency
	ratio      *decimal.Decimal
	stale      bool    // the rate is older than a week
	points     float64 // of all price signals so far
	conversion string  // words about the conversion
}

var twoHundred = decimal.NewFromInt(200)

// steps of price_ratio for new goods.
var ratioSteps = []struct {
	below  decimal.Decimal
	points float64
}{
	{decimal.RequireFromString("0.10"), 35},
	{decimal.RequireFromString("0.20"), 30},
	{decimal.RequireFromString("0.35"), 18},
	{decimal.RequireFromString("0.50"), 8},
}

var (
	eightTenths = decimal.RequireFromString("0.8")
	oneTenth    = decimal.RequireFromString("0.1")
	half        = decimal.RequireFromString("0.5")
	// staleMargin is how much a price may be worth more than an old rate says.
	staleMargin = decimal.RequireFromString("1.25")
)

func (r *reading) addPrice(s Signal) {
	s.Family = Price
	r.price.points += s.Points
	r.add(s)
}

func (r *reading) prices() {
	if c := r.l.Fields[listing.Price]; c.Conflict != "" {
		r.addPrice(Signal{
			Name: "price_conflict", Value: c.Value, Field: listing.Price, Span: [2]int{0, len(c.Value)},
			Sentence: fmt.Sprintf("The page gives more than one price: %s.", strings.TrimSuffix(c.Conflict, ".")),
		})
	}
	if !r.negated && !r.gate.photoOnly() {
		r.findReference()
	}
	r.ratio()
	r.belowPeers()
	r.fakeDiscount()
	r.priceDrop()
}

// ratio compares the price with the reference.
func (r *reading) ratio() {
	const name = "price_ratio"
	if r.negated {
		r.unknown(name, "the listing is for the brand's goods: their price says nothing about its own")
		return
	}
	if r.gate.photoOnly() {
		r.unknown(name, "only a photo ties the listing to the brand: which model it would be is not known")
		return
	}
	if why := r.incomparable(); why != "" {
		r.unknown(name, "%s", why)
		return
	}
	p := &r.price
	if p.reference == nil {
		r.unknown(name, "no model of the profile with a price fits the title, the codes or the category")
		return
	}
	r.a.Reference = fmt.Sprintf("%s %s (%s)", p.reference.StringFixed(2), p.currency, p.of)
	amount, currency, _ := r.l.Money()
	if !r.convert(amount, currency) {
		return
	}
	ratio := p.amount.Div(*p.reference)
	p.ratio = &ratio
	r.a.Converted = fmt.Sprintf("%s %s%s", p.amount.StringFixed(2), p.currency, p.conversion)
	r.a.Ratio = ratioText(ratio)
	r.judgeRatio(ratio, amount, currency)
}

func (r *reading) judgeRatio(ratio, amount decimal.Decimal, currency string) {
	p := &r.price
	points, judged := 0.0, ratio
	if p.stale {
		judged = ratio.Mul(staleMargin)
	}
	switch {
	case r.used && judged.LessThan(oneTenth):
		points = 10
	case r.used:
	case ratio.GreaterThan(eightTenths) && p.model != nil:
		points = -5
	default:
		for _, s := range ratioSteps {
			if judged.LessThan(s.below) {
				points = s.points
				break
			}
		}
	}
	c := r.l.Fields[listing.Price]
	shown := amount.String() + " " + currency
	if currency != p.currency {
		shown += fmt.Sprintf(" (%s %s%s)", p.amount.StringFixed(2), p.currency, p.conversion)
	}
	sentence := fmt.Sprintf("The price %s is %s of the reference price %s %s of the %s.", shown, percent(ratio), p.reference.StringFixed(2), p.currency, p.of)
	if c.High != nil {
		sentence += fmt.Sprintf(" The page gives a range up to %s; its low end was taken.", c.High)
	}
	if r.used {
		sentence += " The goods are used."
	}
	if p.stale {
		sentence += " The rate is old, so the price was taken as a quarter higher."
	}
	r.addPrice(Signal{Name: "price_ratio", Points: points, Value: r.a.Ratio, Field: listing.Price, Span: [2]int{0, len(c.Value)}, Sentence: sentence})
}

// incomparable says why the price shown is not the price of the goods.
func (r *reading) incomparable() string {
	c, ok := r.l.Fields[listing.Price]
	switch {
	case !ok || c.Amount == nil:
		return "the page shows no price"
	case !c.Amount.IsPositive():
		return fmt.Sprintf("the price is %s", c.Amount)
	case r.l.Text(listing.Currency) == "":
		return "the price has no currency"
	case listing.Instalment(c.Raw):
		return fmt.Sprintf("%q is one of several payments", c.Raw)
	}
	raw := " " + bare(c.Raw).text + " "
	for _, w := range []string{" from ", " starting ", " deposit ", " bid ", " anzahlung ", " ab ", " desde ", " à partir ", " a partir "} {
		if strings.Contains(raw, bare(w).text) {
			return fmt.Sprintf("%q is not the price of the whole", c.Raw)
		}
	}
	return ""
}

// convert gives the price in the reference's currency; false when it cannot.
func (r *reading) convert(amount decimal.Decimal, from string) bool {
	p := &r.price
	amountIn, conversion, stale, why := r.b.exchange(amount, from, p.currency, r.at())
	if why != "" {
		r.unknown("price_ratio", "%s", why)
		return false
	}
	p.amount, p.conversion, p.stale = amountIn, conversion, stale
	if stale {
		r.unknown("rate_age", "the rate is more than a week from the look%s; a rate of the day would be surer", conversion)
	}
	return true
}

// maxRateAge is how far a rate may be from the look before the price cannot be
// converted; beyond freshRate it is taken with a margin.
const (
	freshRate  = 7 * 24 * time.Hour
	maxRateAge = 2 * 366 * 24 * time.Hour
)

// exchange converts by way of the brand's currency.
func (b *Brand) exchange(amount decimal.Decimal, from, to string, at time.Time) (out decimal.Decimal, words string, stale bool, why string) {
	if from == to {
		return amount, "", false, ""
	}
	one := decimal.NewFromInt(1)
	factor, dates := one, []string{}
	for _, step := range []struct {
		currency string
		divide   bool
	}{{from, false}, {to, true}} {
		if step.currency == b.Currency {
			continue
		}
		rate, age, ok := b.rate(step.currency, at)
		if !ok {
			return out, "", false, fmt.Sprintf("the brand profile has no rate for %s", step.currency)
		}
		if age > maxRateAge {
			return out, "", false, fmt.Sprintf("the rate of %s for %s is more than two years from the look", rate.Date, step.currency)
		}
		stale = stale || age > freshRate
		dates = append(dates, rate.Date)
		if step.divide {
			factor = factor.DivRound(rate.Rate.Decimal, 16)
		} else {
			factor = factor.Mul(rate.Rate.Decimal)
		}
	}
	return amount.Mul(factor), fmt.Sprintf(" (rate of %s)", strings.Join(slices.Compact(dates), " and ")), stale, ""
}

// rate finds the rate of a currency whose day is nearest to the look; without
// a time of the look the newest.
func (b *Brand) rate(currency string, at time.Time) (best Rate, age time.Duration, ok bool) {
	for _, r := range b.Rates {
		if r.Currency != currency {
			continue
		}
		day, err := time.Parse(time.DateOnly, r.Date)
		if err != nil {
			continue // ParseBrand refuses these
		}
		d := time.Duration(0)
		if !at.IsZero() {
			// A rate is of a whole day.
			d = max(at.Sub(day.Add(24*time.Hour)), day.Sub(at), 0)
		}
		if !ok || d < age || d == age && r.Date > best.Date {
			best, age, ok = r, d, true
		}
	}
	return best, age, ok
}

// minPeers is how many other prices make a median worth having.
const minPeers = 8

// belowPeers compares with what others ask for at the same time and place.
func (r *reading) belowPeers() {
	amount, currency, ok := r.l.Money()
	if !ok || r.negated || r.used || r.incomparable() != "" {
		return // price_ratio has said why
	}
	if len(r.s.Peers) < minPeers {
		r.unknown("below_peers", "%d prices of other listings are known, %d are needed", len(r.s.Peers), minPeers)
		return
	}
	peers := slices.SortedFunc(slices.Values(r.s.Peers[:min(len(r.s.Peers), 10_000)]), decimal.Decimal.Cmp)
	median := peers[len(peers)/2]
	var away []decimal.Decimal
	for _, p := range peers {
		away = append(away, p.Sub(median).Abs())
	}
	slices.SortFunc(away, decimal.Decimal.Cmp)
	// 1.4826 MAD is a standard deviation of what is normal among them.
	spread := away[len(away)/2].Mul(decimal.RequireFromString("1.4826"))
	if amount.LessThan(median.Mul(half)) && amount.LessThan(median.Sub(spread)) {
		r.addPrice(Signal{
			Name: "below_peers", Points: 12, Value: amount.String(), Field: listing.Price,
			Sentence: fmt.Sprintf("The price %s %s is less than half of the median %s %s of %d other listings here.", amount, currency, median, currency, len(peers)),
		})
	}
}

// fakeDiscount is a crossed-out price near the reference over a small one.
func (r *reading) fakeDiscount() {
	strike, ok := r.l.Fields[listing.StrikePrice]
	amount, currency, has := r.l.Money()
	if !ok || strike.Amount == nil || !has || !amount.IsPositive() || r.price.reference == nil {
		return
	}
	if strike.Amount.LessThanOrEqual(amount.Mul(decimal.NewFromInt(3))) {
		return
	}
	in, _, _, why := r.b.exchange(*strike.Amount, currency, r.price.currency, r.at())
	if why != "" || in.LessThan(r.price.reference.Mul(decimal.RequireFromString("0.7"))) {
		return
	}
	r.addPrice(Signal{
		Name: "fake_discount", Points: 5, Value: strike.Value, Field: listing.StrikePrice, Span: [2]int{0, len(strike.Value)},
		Sentence: fmt.Sprintf("A price of %s %s is crossed out, %s times the price asked for.", strike.Amount, currency, strike.Amount.Div(amount).Round(1)),
	})
}

// priceDrop is a fall by 40 % within a week.
func (r *reading) priceDrop() {
	amount, currency, ok := r.l.Money()
	if !ok || r.at().IsZero() {
		return
	}
	for _, k := range r.s.History {
		if !k.Amount.Valid || k.Currency != currency || !k.Amount.Decimal.IsPositive() || r.at().Sub(k.At) > freshRate || k.At.After(r.at()) {
			continue
		}
		fall := decimal.NewFromInt(1).Sub(amount.Div(k.Amount.Decimal))
		if fall.GreaterThanOrEqual(decimal.RequireFromString("0.4")) {
			r.addPrice(Signal{
				Name: "price_drop", Points: 5, Value: percent(fall), Field: listing.Price,
				Sentence: fmt.Sprintf("The price fell by %s within a week: from %s %s on %s to %s.", percent(fall), k.Amount.Decimal, currency, k.At.UTC().Format(time.DateOnly), amount),
			})
			return
		}
	}
}

func ratioText(d decimal.Decimal) string {
	if d.LessThan(oneTenth) {
		return d.Round(3).String()
	}
	return d.StringFixed(2)
}

func percent(d decimal.Decimal) string {
	p := d.Mul(decimal.NewFromInt(100))
	if p.LessThan(decimal.NewFromInt(10)) {
		return p.Round(1).String() + " %"
	}
	return p.Round(0).String() + " %"
}
