package triage

import (
	"fmt"
	"strings"

	"github.com/trawlmark/trawlmark/crawler/listing"
)

// attributes compares what the listing's fields say with its title.
func (r *reading) attributes() {
	r.brandField()
	r.categoryField()
	r.gtinField()
	r.unlistedCode()
}

// brandField is the brand attribute against the title.
func (r *reading) brandField() {
	const name = "attribute_mismatch"
	if r.negated || len(r.gate.attribute) > 0 || len(r.gate.title) == 0 && r.gate.obfuscated == nil && r.gate.code == nil {
		return
	}
	if at, v, ok := r.statedBrand(); ok && r.attributeSays() == "" {
		r.add(Signal{
			Name: name, Family: Identity, Points: 30, Value: v, Field: listing.Description, Span: at,
			Sentence: fmt.Sprintf("The listing is sold as %s, and its description gives %q as the brand.", r.b.Name, v),
		})
		return
	}
	c, seen := r.l.Fields[listing.Brand]
	if !seen {
		r.unknown(name, "the page shows no brand field")
		return
	}
	v := r.short(listing.Brand)
	says := strings.TrimSpace(bare(v).text)
	said, nobody := words().noBrand[says]
	s := Signal{
		Name: name, Family: Identity, Points: 10, Value: v, Field: listing.Brand, Span: [2]int{0, len(c.Value)},
		Sentence: fmt.Sprintf("The listing is sold as %s, and its brand field says %q.", r.b.Name, v),
	}
	switch {
	case said:
		s.Points = 30
	case nobody:
		s.Points = 20
	case says == "":
		s.Sentence = fmt.Sprintf("The listing is sold as %s, and its brand field is empty.", r.b.Name)
	}
	r.add(s)
}

// statedBrand finds "Marca: OEM" in the description: a brand field that the
// seller wrote by hand, and that names goods without a brand.
func (r *reading) statedBrand() (at [2]int, value string, ok bool) {
	s := r.desc.plain.text
	for _, label := range words().labels {
		for _, m := range findWhole(s, label) {
			rest, cut := strings.CutPrefix(strings.TrimLeft(strings.Replace(s[m[1]:min(len(s), m[1]+60)], "：", ":", 1), " "), ":")
			if !cut {
				continue
			}
			words := strings.Fields(bare(rest).text)
			for n := min(2, len(words)); n > 0; n-- {
				v := strings.Join(words[:n], " ")
				if noBrandSaid(v) {
					end := min(len(s), m[1]+strings.Index(s[m[1]:], words[n-1])+len(words[n-1]))
					if end <= m[0] {
						continue
					}
					span := r.desc.plain.span(m[0], end)
					return span, v, true
				}
			}
		}
	}
	return at, "", false
}

func noBrandSaid(v string) bool { return words().noBrand[v] }

// categoryField is a category in which the brand has nothing.
func (r *reading) categoryField() {
	v := r.short(listing.Category)
	f := bare(v)
	for _, w := range words().odd {
		at := findWhole(f.text, w)
		if len(at) == 0 || r.c.categories[singular(w)] {
			continue
		}
		r.add(Signal{
			Name: "category_mismatch", Family: Identity, Points: 8, Value: v, Field: listing.Category, Span: f.span(at[0][0], at[0][1]),
			Sentence: fmt.Sprintf("The category is %q, in which %s has nothing.", v, r.b.Name),
		})
		return
	}
}

// gtinField checks the article number (GS1 General Specifications, 7.9).
func (r *reading) gtinField() {
	v := r.short(listing.GTIN)
	if v == "" {
		return
	}
	why := ""
	switch {
	case !gtinValid(v):
		why = "its check digit is wrong"
	case len(r.b.GTINPrefixes) > 0 && len(v) >= 12 && !r.ownGTIN(v):
		why = "its prefix is not one of the brand's"
	default:
		return
	}
	r.add(Signal{
		Name: "gtin_mismatch", Family: Identity, Points: 10, Value: v, Field: listing.GTIN, Span: [2]int{0, len(v)},
		Sentence: fmt.Sprintf("The article number %s is not one of %s: %s.", v, r.b.Name, why),
	})
}

func (r *reading) ownGTIN(v string) bool {
	padded := strings.Repeat("0", max(0, 14-len(v))) + v
	for _, p := range r.b.GTINPrefixes {
		// The first of 14 digits is the packaging; 13 digits begin with the
		// prefix.
		if strings.HasPrefix(padded[1:], p) {
			return true
		}
	}
	return false
}

// gtinValid checks the check digit of 8, 12, 13 or 14 digits. Anything else
// is not an article number, and nothing is said of it.
func gtinValid(s string) bool {
	switch len(s) {
	case 8, 12, 13, 14:
	default:
		return true
	}
	sum := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return true
		}
		d := int(s[i] - '0')
		if (len(s)-1-i)%2 == 1 {
			d *= 3
		}
		sum += d
	}
	return sum%10 == 0
}

// unlistedCode is a code of the form of the brand's, which no model has.
func (r *reading) unlistedCode() {
	if len(r.c.shapes) == 0 || r.negated {
		return
	}
	for _, f := range []listing.FieldName{listing.Model, listing.Title} {
		v := r.title.value
		if f == listing.Model {
			v = r.short(listing.Model)
		}
		for _, t := range tokens(v) {
			k := strings.Trim(t.text, ".-_*|'")
			if !r.c.shapes[codeShape(k)] || !r.c.hasLetters(k) {
				continue
			}
			if _, ok := r.c.codes[normalCode(k)]; ok {
				continue
			}
			r.add(Signal{
				Name: "unlisted_code", Family: Identity, Points: 8, Value: k, Field: f, Span: t.at,
				Sentence: fmt.Sprintf("%q has the form of %s's model codes, and no model has it.", k, r.b.Name),
			})
			return
		}
	}
}
