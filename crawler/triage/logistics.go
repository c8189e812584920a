package triage

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/trawlmark/trawlmark/crawler/listing"
)

// logistics is how the goods are offered and sent.
func (r *reading) logistics() {
	r.shipsFrom()
	r.minimumOrder()
	r.stock()
	if h := r.hiddenLink(); h != nil {
		r.add(*h)
	}
	r.contacts()
}

func (r *reading) addLogistics(s Signal) { s.Family = Logistics; r.add(s) }

// shipsFrom amplifies only, see combine.
func (r *reading) shipsFrom() {
	f := listing.ShipsFrom
	if !r.l.Has(f) {
		f = listing.Location
	}
	v := r.short(f)
	if v == "" {
		r.unknown("ships_from", "the page does not say where it is sent from")
		return
	}
	from := country(v)
	risky := r.b.HighRisk
	if len(risky) == 0 {
		risky = defaultHighRisk
	}
	if from == "" || !slices.Contains(risky, from) {
		return
	}
	here := strings.ToUpper(r.l.Country)
	switch {
	case here == from:
		return
	case len(r.b.Protected) > 0 && here == "":
		r.unknown("ships_from", "the country of the site is not known")
		return
	case len(r.b.Protected) > 0 && !slices.Contains(r.b.Protected, here):
		return
	}
	r.addLogistics(Signal{
		Name: "ships_from", Points: 6, Value: from, Field: f, Span: [2]int{0, len(v)},
		Sentence: fmt.Sprintf("It is sent from %s, which the brand profile counts as high risk.", from),
	})
}

// country reads an ISO code or a name out of a place.
func country(v string) string {
	s := strings.TrimSpace(bare(v).text)
	if code := words().countries[s]; code != "" {
		return code
	}
	if len(s) == 2 {
		return strings.ToUpper(s)
	}
	best, at := "", -1
	for w, code := range words().countries {
		for _, m := range findWhole(s, w) {
			// The last word of an address is the country.
			if len(w) > 2 && m[1] > at {
				best, at = code, m[1]
			}
		}
	}
	return best
}

func (r *reading) count(f listing.FieldName) (int, bool) {
	v := r.short(f)
	n, err := strconv.Atoi(v)
	if err != nil {
		m := number.FindString(v)
		if n, err = strconv.Atoi(m); err != nil {
			return 0, false
		}
	}
	return n, n >= 0
}

func (r *reading) minimumOrder() {
	n, ok := r.count(listing.MinimumOrder)
	if !ok || n < 10 || r.negated {
		return
	}
	v := r.short(listing.MinimumOrder)
	r.addLogistics(Signal{
		Name: "minimum_order", Points: 10, Value: fmt.Sprint(n), Field: listing.MinimumOrder, Span: [2]int{0, len(v)},
		Sentence: fmt.Sprintf("At least %d have to be bought: %s is not sold by the lot.", n, r.b.Name),
	})
}

var (
	dirtCheapRatio = decimal.RequireFromString("0.2")
	cheapRatio     = decimal.RequireFromString("0.35")
)

// stock is more of a thing than there is of it.
func (r *reading) stock() {
	limited := r.price.model != nil && r.price.model.Limited
	cheap := r.price.ratio != nil && r.price.ratio.LessThan(cheapRatio)
	if n, ok := r.count(listing.Stock); ok && n >= 500 && (limited || cheap) && !r.negated {
		v := r.short(listing.Stock)
		r.addLogistics(Signal{
			Name: "large_stock", Points: 10, Value: fmt.Sprint(n), Field: listing.Stock, Span: [2]int{0, len(v)},
			Sentence: fmt.Sprintf("%d are in stock.", n),
		})
	}
	if n, ok := r.count(listing.SoldCount); ok && n >= 100 && r.price.ratio != nil && r.price.ratio.LessThan(dirtCheapRatio) && !r.used {
		v := r.short(listing.SoldCount)
		r.addLogistics(Signal{
			Name: "many_sold", Points: 8, Value: fmt.Sprint(n), Field: listing.SoldCount, Span: [2]int{0, len(v)},
			Sentence: fmt.Sprintf("%d were sold at %s of the reference price.", n, percent(*r.price.ratio)),
		})
	}
}

// hiddenLink is a listing whose picture and title are not what is sold.
func (r *reading) hiddenLink() *Signal {
	generic := r.genericTitle()
	for _, t := range []text{r.desc, r.title} {
		for _, h := range r.find(t, 1) {
			if words().entries[h.entry].class != "hidden" {
				continue
			}
			span := t.plain.span(h.at[0], h.at[1])
			s := &Signal{
				Name: "hidden_link", Family: Logistics, Points: 20, Value: r.part(t.field, span), Field: t.field, Span: span,
				Sentence: fmt.Sprintf("The %s says %q: what is sold may not be what is shown.", t.field, visible(r.part(t.field, span))),
			}
			if generic {
				s.Points = 30
				s.Sentence = fmt.Sprintf("The %s says %q, and the title %q names no goods: what is sold may not be what is shown.", t.field, visible(s.Value), r.short(listing.Title))
			}
			return s
		}
	}
	if generic {
		v := r.short(listing.Title)
		return &Signal{
			Name: "hidden_link", Family: Logistics, Points: 20, Value: v, Field: listing.Title, Span: [2]int{0, len(v)},
			Sentence: fmt.Sprintf("The title %q names no goods: the listing may be there to be paid only.", v),
		}
	}
	return nil
}

// genericTitle is one that names a payment instead of goods.
func (r *reading) genericTitle() bool {
	s := strings.TrimSpace(r.title.bare.text)
	if len(r.gate.title) > 0 || len(strings.Fields(s)) > 6 {
		return false
	}
	for w := range words().generic {
		if len(findWhole(s, w)) > 0 {
			return true
		}
	}
	return false
}

// contactReach is how far behind the name of a messenger its id may stand.
const contactReach = 40

// contacts are ways to reach the seller beside the marketplace.
func (r *reading) contacts() {
	var best *Signal
	for _, t := range []text{r.title, r.desc} {
		s := t.plain.text
		for _, c := range words().channels {
			for _, w := range c.Words {
				for _, at := range findWhole(s, w) {
					end, ok := c.follows(s, at[1])
					if !ok || best != nil && best.Points >= c.Points {
						continue
					}
					span := t.plain.span(at[0], end)
					best = &Signal{
						Name: "off_platform_contact", Points: c.Points, Value: r.part(t.field, span), Field: t.field, Span: span,
						Sentence: fmt.Sprintf("The %s leads away from the marketplace, to %s: %q.", t.field, c.Name, visible(r.part(t.field, span))),
					}
				}
			}
		}
	}
	if best != nil {
		r.addLogistics(*best)
	}
}

// follows finds the id of a messenger behind its name.
func (c channel) follows(s string, from int) (int, bool) {
	if c.id == nil {
		return from, c.Alone
	}
	rest, _ := clip(s[from:], contactReach*2)
	m := c.id.FindStringIndex(rest)
	if m == nil || m[0] > contactReach {
		return 0, false
	}
	return from + m[1], true
}
