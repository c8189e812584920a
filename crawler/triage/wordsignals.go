package triage

import (
	"fmt"
	"math"
	"strings"
	"unicode"

	"github.com/trawlmark/trawlmark/crawler/listing"
)

// descriptionShare is what a word in the description weighs of one in the
// title.
const descriptionShare = .7

// wordClasses are the classes that are signals of the Words family, and what a
// sentence says of them.
var wordClasses = []struct{ class, name, says string }{
	{"explicit", "explicit_words", "says that this is a copy"},
	{"grade", "grade_words", "grades a copy"},
	{"community", "community_words", "speaks as buyers of copies do"},
	{"hedge", "hedge_words", "keeps its distance from the brand"},
	{"attr", "no_brand_words", "says that the goods have no brand"},
	{"packaging", "packaging_words", "says that packaging is missing"},
}

// found is a hit with where it stands.
type found struct {
	hit
	text   text
	points float64
}

func (r *reading) words() {
	title := r.find(r.title, 1)
	desc := r.find(r.desc, descriptionShare)
	best := map[string]found{}
	for _, h := range append(title, desc...) {
		class := words().entries[h.entry].class
		if b, ok := best[class]; !ok || h.points > b.points {
			best[class] = h
		}
	}
	any := false
	for _, k := range wordClasses {
		if h, ok := best[k.class]; ok {
			r.addWords(k.name, Words, h, k.says)
			any = true
		}
	}
	if h, ok := best["trade"]; ok {
		r.addWords("trade_words", Logistics, h, "offers goods by the lot")
	}
	if h, ok := best["authclaim"]; ok && (any || r.price.points > 0) {
		r.addWords("authenticity_claim", Words, h, "claims to be genuine beside what says otherwise")
	}
}

func (r *reading) addWords(name string, family Family, h found, says string) {
	span := h.text.plain.span(h.at[0], h.at[1])
	v := r.part(h.text.field, span)
	r.add(Signal{
		Name: name, Family: family, Points: h.points, Value: v, Field: h.text.field, Span: span,
		Sentence: fmt.Sprintf("The %s %s: %q.", h.text.field, says, visible(v)),
	})
}

func (r *reading) find(t text, share float64) []found {
	hits, ok := r.hits[t.field]
	if !ok {
		var places [][2]int
		for _, m := range r.gate.in(t.field) {
			places = append(places, t.plainAt(m.span))
		}
		if o := r.gate.obfuscated; o != nil && o.field == t.field {
			places = append(places, t.plainAt(o.span))
		}
		hits = words().hits(t.plain.text, r.langs, places)
		if r.hits == nil {
			r.hits = map[listing.FieldName][]hit{}
		}
		r.hits[t.field] = hits
	}
	var out []found
	for _, h := range hits {
		out = append(out, found{h, t, round1(words().entries[h.entry].points * share)})
	}
	return out
}

// plainAt gives where a span of the value stands in the plain text.
func (t text) plainAt(span [2]int) [2]int {
	if t.plain.from == nil {
		return span
	}
	a, b := len(t.plain.text), len(t.plain.text)
	for i := range t.plain.from {
		if a == len(t.plain.text) && int(t.plain.to[i]) > span[0] {
			a = i
		}
		if int(t.plain.from[i]) >= span[1] {
			b = i
			break
		}
	}
	return [2]int{a, b}
}

func round1(f float64) float64 { return math.Round(f*10) / 10 }

// languages are those whose words count: of the page, of the site's country,
// of the scripts, and English, in which all the world sells.
func languages(l *listing.Listing, s string) map[string]bool {
	out := map[string]bool{"en": true}
	if base, _, _ := strings.Cut(strings.ToLower(l.Language), "-"); base != "" {
		out[base] = true
	}
	for _, c := range countryLanguages[strings.ToUpper(l.Country)] {
		out[c] = true
	}
	latin, vietnamese := 0, 0
	for _, c := range s {
		if c < 0x80 {
			latin++
			continue
		}
		switch {
		case unicode.Is(unicode.Han, c):
			out["zh"] = true
		case unicode.In(c, unicode.Hiragana, unicode.Katakana):
			out["ja"] = true
		case unicode.Is(unicode.Hangul, c):
			out["ko"] = true
		case unicode.Is(unicode.Thai, c):
			out["th"] = true
		case unicode.Is(unicode.Cyrillic, c):
			out["ru"] = true
		case unicode.Is(unicode.Arabic, c):
			out["ar"] = true
		case unicode.Is(unicode.Greek, c):
			out["el"] = true
		case unicode.Is(unicode.Devanagari, c):
			out["hi"] = true
		case c >= 0x1EA0 && c <= 0x1EF9 || c == 'ơ' || c == 'ư' || c == 'đ':
			vietnamese++
		case c == 'ş' || c == 'ğ' || c == 'ı' || c == 'İ':
			out["tr"] = true
		case c == 'ñ' || c == '¿' || c == '¡':
			out["es"] = true
		case c == 'ã' || c == 'õ':
			out["pt"] = true
		case c == 'ß':
			out["de"] = true
		case c == 'ł' || c == 'ż' || c == 'ę':
			out["pl"] = true
		}
	}
	if vietnamese >= 2 {
		out["vi"] = true
	}
	return out
}

// countryLanguages are the languages sellers write in on a country's sites.
var countryLanguages = map[string][]string{
	"ES": {"es"}, "MX": {"es"}, "CO": {"es"}, "CL": {"es"}, "AR": {"es"}, "PE": {"es"}, "UY": {"es"}, "EC": {"es"},
	"BR": {"pt"}, "PT": {"pt"}, "FR": {"fr"}, "BE": {"fr", "nl"}, "CH": {"de", "fr", "it"}, "LU": {"fr", "de"}, "CA": {"fr"},
	"IT": {"it"}, "DE": {"de"}, "AT": {"de"}, "NL": {"nl"}, "PL": {"pl"}, "RU": {"ru"}, "BY": {"ru"}, "KZ": {"ru"}, "UA": {"uk", "ru"},
	"VN": {"vi"}, "TH": {"th"}, "ID": {"id"}, "MY": {"ms", "id", "zh"}, "SG": {"zh"}, "TW": {"zh"}, "HK": {"zh"}, "CN": {"zh"},
	"JP": {"ja"}, "KR": {"ko"}, "TR": {"tr"}, "GR": {"el"}, "CY": {"el"}, "IN": {"hi"},
	"AE": {"ar"}, "SA": {"ar"}, "EG": {"ar"}, "QA": {"ar"}, "KW": {"ar"}, "MA": {"ar", "fr"}, "JO": {"ar"},
}
