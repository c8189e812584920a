package triage

import (
	"slices"
	"strings"

	"github.com/trawlmark/trawlmark/crawler/listing"
)

// findReference looks for a price to compare with: that of the model named by
// its code, of the model named in words, or of the cheapest of the kind of
// goods, which is in the seller's favour.
func (r *reading) findReference() {
	m := r.modelByCode()
	if m == nil {
		m = r.modelByName()
	}
	if m != nil && m.Price != nil {
		r.price.model = m
		r.setReference(m, m.Name)
		return
	}
	if k, kind := r.cheapestOfKind(); k != nil {
		r.setReference(k, k.Name+", the cheapest "+kind)
	}
}

func (r *reading) setReference(m *model, of string) {
	d := m.Price.Decimal
	r.price.reference, r.price.of, r.price.currency = &d, of, m.Currency
	if m.Currency == "" {
		r.price.currency = r.b.Currency
	}
}

func (r *reading) modelByCode() *model {
	if r.gate.code == nil {
		return nil
	}
	code := strings.Trim(r.part(r.gate.code.field, r.gate.code.span), ".-_*|'")
	if i, ok := r.c.codes[normalCode(code)]; ok {
		return &r.c.models[i]
	}
	return nil
}

// modelByName finds the model most of whose own words are in the title. A
// word that few models have says more; the kind of goods decides between
// equals, and then the lower price.
func (r *reading) modelByName() *model {
	s := r.title.bare.text
	m := r.bestModel(s)
	if m == nil && (r.gate.hidden || len(r.gate.title) == 0) {
		m = r.bestModel(r.desc.bare.text)
	}
	return m
}

func (r *reading) bestModel(s string) *model {
	list := strings.Fields(s)
	list = list[:min(len(list), maxTokens)]
	have := map[string]bool{}
	for _, w := range list {
		have[w] = true
	}
	kinds := kindsIn(s)
	var best *model
	var most float64
	for i := range r.c.models {
		m := &r.c.models[i]
		score := 0.0
		for _, w := range m.words {
			if have[w] || len(w) >= 4 && slices.ContainsFunc(list, func(k string) bool { return leet(k, w) }) {
				score += 1 / float64(r.c.rarity[w])
			} else {
				score -= .1
			}
		}
		if score <= 0 {
			continue
		}
		if slices.ContainsFunc(m.kinds, func(k string) bool { return kinds[k] }) {
			score += .05
		}
		if best == nil || score > most || score == most && cheaper(m, best) {
			best, most = m, score
		}
	}
	return best
}

func cheaper(a, b *model) bool {
	return a.Price != nil && (b.Price == nil || a.Currency == b.Currency && a.Price.LessThan(b.Price.Decimal))
}

// kindsIn gives the kinds of goods that a text has words for.
func kindsIn(s string) map[string]bool {
	out := map[string]bool{}
	s, _ = clip(s, maxTitle)
	for w, kind := range words().nouns {
		if !out[kind] && strings.Contains(s, w) && len(findWhole(s, w)) > 0 {
			out[kind] = true
		}
	}
	return out
}

// cheapestOfKind compares with the kind of goods only when it is the one kind
// that the title, or else the category, speaks of.
func (r *reading) cheapestOfKind() (*model, string) {
	kinds := kindsIn(r.title.bare.text)
	if len(kinds) == 0 {
		kinds = kindsIn(bare(r.short(listing.Category)).text)
	}
	if len(kinds) != 1 {
		return nil, ""
	}
	var best *model
	kind := ""
	for i := range r.c.models {
		m := &r.c.models[i]
		for _, k := range m.kinds {
			if kinds[k] && m.Price != nil && (best == nil || cheaper(m, best)) {
				best, kind = m, k
			}
		}
	}
	return best, kind
}
