package listing

import (
	"fmt"
	"sort"
	"strings"
)

// several are the fields of which every value is kept.
var several = map[FieldName]bool{Image: true, Contact: true, Variant: true}

// reconcile chooses one candidate per field and says why.
func (e *extraction) reconcile() *Listing {
	l := &Listing{Site: e.ctx.Site, URL: e.doc.URL.String(), Canonical: e.ctx.Canonical, ItemID: e.ctx.ItemID, Language: e.doc.Language(), Country: e.ctx.Country, Fields: map[FieldName]Choice{}}
	e.weighPrices()
	e.weighTitles()
	e.weighSellers()
	byField := map[FieldName][]Candidate{}
	for _, c := range e.cands {
		byField[c.Field] = append(byField[c.Field], c)
	}
	for f, list := range byField {
		sort.SliceStable(list, func(i, j int) bool { return list[i].Confidence > list[j].Confidence })
		if several[f] {
			e.keepSeveral(l, f, list)
			continue
		}
		if choice, ok := e.choose(f, list); ok {
			l.Fields[f] = choice
		}
	}
	e.settleCurrency(l, byField[Currency])
	e.settleStrike(l)
	if l.ItemID == "" {
		l.ItemID = l.Text(ItemID)
	}
	if e.drawn != "" && !l.Has(Price) {
		e.doc.problem("the price is not readable: %s shows it as a picture", e.drawn)
	}
	l.Candidates = e.sorted()
	l.Problems = append(l.Problems, e.doc.Problems...)
	return l
}

// distrusted reports whether the site's rules say that a source is wrong here.
func (e *extraction) distrusted(c Candidate) bool {
	if e.rules == nil {
		return false
	}
	for _, s := range e.rules.Distrust[c.Field] {
		if s == c.Source {
			return true
		}
	}
	return false
}

// leastConfidence is what a candidate needs to be chosen: below it a value is
// shown as seen, and never as read.
const leastConfidence = .3

func (e *extraction) choose(f FieldName, list []Candidate) (Choice, bool) {
	var trusted []Candidate
	for _, c := range list {
		if c.Confidence >= leastConfidence && !e.distrusted(c) {
			trusted = append(trusted, c)
		}
	}
	if len(trusted) == 0 {
		return Choice{}, false
	}
	best := trusted[0]
	ch := Choice{Candidate: best, Why: fmt.Sprintf("%s (%s) is the most trusted of %s", sourceWords[best.Source], best.Path, counted(len(list), "candidate"))}
	if len(list) == 1 {
		ch.Why = fmt.Sprintf("%s (%s) is the only source", sourceWords[best.Source], best.Path)
	}
	if f == Price {
		if Instalment(best.Raw) {
			ch.Why += "; it is one of several payments"
		}
		if e.shown(best) {
			ch.Why += "; the page's text shows the same amount"
		}
	}
	ch.Conflict = conflict(f, best, list)
	return ch, true
}

var sourceWords = map[string]string{"adapter": "the site's rule", "jsonld": "JSON-LD", "microdata": "microdata", "rdfa": "RDFa", "opengraph": "OpenGraph", "state": "embedded state", "dom": "the visible page", "url": "the address", "site": "the site file"}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// conflict says which other candidate of some weight disagrees.
func conflict(f FieldName, best Candidate, list []Candidate) string {
	switch f {
	case Description, Category, ItemID, Model, SellerURL, Rating, ReviewCount:
		return ""
	}
	seen := map[string]bool{best.Source: true}
	for _, c := range list {
		// Only the best of each other source speaks; what merely looks like a
		// price somewhere on the page contradicts no rule.
		if c.Confidence < .3 || seen[c.Source] || f == Price && c.Source == "dom" && (best.Source == "adapter" || c.Confidence < .55) {
			continue
		}
		seen[c.Source] = true
		if agree(f, best, c) {
			continue
		}
		other := c.Raw
		if c.Currency != "" && c.Amount != nil {
			other = c.Amount.String() + " " + c.Currency
		}
		return fmt.Sprintf("%s (%s) says %s", sourceWords[c.Source], c.Path, clipRunes(other, 120))
	}
	return ""
}

// agree compares two candidates of a field; prices within 2 % of each other in
// the same currency agree.
func agree(f FieldName, a, b Candidate) bool {
	if a.Amount != nil && b.Amount != nil {
		if a.Currency != "" && b.Currency != "" && a.Currency != b.Currency {
			return false
		}
		diff := a.Amount.Sub(*b.Amount).Abs()
		return diff.Mul(fifty).LessThanOrEqual(*a.Amount) || b.High != nil && a.Amount.Equal(*b.High)
	}
	if f == Title {
		x, y := sameText(a.Value), sameText(b.Value)
		return strings.HasPrefix(x, y) || strings.HasPrefix(y, x) || strings.Contains(y, x)
	}
	return strings.EqualFold(a.Value, b.Value)
}

func (e *extraction) keepSeveral(l *Listing, f FieldName, list []Candidate) {
	seen := map[string]bool{}
	var out []Choice
	for _, c := range list {
		if seen[c.Value] || len(out) >= 60 || e.distrusted(c) {
			continue
		}
		// Images of a weaker source are other sizes of the same: the best
		// source's are the listing's.
		if f == Image && len(out) > 0 && c.Source != out[0].Source {
			continue
		}
		seen[c.Value] = true
		out = append(out, Choice{Candidate: c, Why: fmt.Sprintf("%s (%s)", sourceWords[c.Source], c.Path)})
	}
	if len(out) == 0 {
		return
	}
	switch f {
	case Image:
		l.Images = out
		l.Fields[Image] = out[0]
	case Contact:
		l.Contacts = out
	case Variant:
		l.Variants = out
	}
}

// settleCurrency takes the currency that stood with the chosen price, then the
// structured one, then the host's, when it sells in one only.
func (e *extraction) settleCurrency(l *Listing, list []Candidate) {
	p, ok := l.Fields[Price]
	if !ok {
		return
	}
	if p.Currency != "" {
		l.Fields[Currency] = Choice{Candidate: Candidate{Field: Currency, Raw: p.Raw, Value: p.Currency, Source: p.Source, Path: p.Path, Confidence: p.Confidence}, Why: "it stands with the chosen price", Conflict: l.Fields[Currency].Conflict}
		for _, c := range list {
			if c.Value != p.Currency && c.Confidence >= .5 {
				ch := l.Fields[Currency]
				ch.Conflict = fmt.Sprintf("%s (%s) says %s", sourceWords[c.Source], c.Path, c.Value)
				l.Fields[Currency] = ch
				break
			}
		}
		return
	}
	if l.Has(Currency) {
		return
	}
	if e.ctx.Currency != "" {
		l.Fields[Currency] = Choice{Candidate: Candidate{Field: Currency, Raw: "", Value: e.ctx.Currency, Source: "site", Path: "currency", Confidence: .5}, Why: "the page writes no currency; the site file says that this host sells in " + e.ctx.Currency + " only"}
	}
}

// settleStrike drops a crossed-out price that is not above the price: it is
// the same price again, or another item's.
func (e *extraction) settleStrike(l *Listing) {
	s, ok := l.Fields[StrikePrice]
	if !ok {
		return
	}
	p, ok := l.Fields[Price]
	if !ok || p.Amount == nil || s.Amount == nil || !s.Amount.GreaterThan(*p.Amount) || s.Currency != "" && p.Currency != "" && s.Currency != p.Currency {
		delete(l.Fields, StrikePrice)
	}
}

// sorted gives the candidates by field, best first: a stable order for people
// and for golden files.
func (e *extraction) sorted() []Candidate {
	out := append([]Candidate(nil), e.cands...)
	sort.SliceStable(out, func(i, j int) bool {
		if out[i].Field != out[j].Field {
			return out[i].Field < out[j].Field
		}
		return out[i].Confidence > out[j].Confidence
	})
	return out
}
