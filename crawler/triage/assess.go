package triage

import (
	"fmt"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/crawler/listing"
)

// RulesVersion names the rules of this package; Assessment.Version holds it
// with the vocabulary's version and the thresholds.
const RulesVersion = "triage/1"

// reading is one assessment while it is made.
type reading struct {
	b *Brand
	c *compiled
	s Subject
	l *listing.Listing
	a *Assessment

	title, desc text
	langs       map[string]bool
	gate        gate
	photos      []match
	used        bool
	// negated: the listing is for the brand's goods, not of them.
	negated bool
	price   pricing
	hits    map[listing.FieldName][]hit // of the vocabulary, once per text
}

// Assess computes every signal of a listing for the brand. It is pure, and
// never fails: what cannot be computed is in Unknown.
func (b *Brand) Assess(s Subject) Assessment {
	c := b.c
	if c == nil { // made without ParseBrand
		c = compile(b)
	}
	t := b.Thresholds.withDefaults()
	a := Assessment{
		Brand: b.Name, Level: Clear, Signals: []Signal{},
		Version: fmt.Sprintf("%s words/%s thresholds %g/%g", RulesVersion, words().version, t.Suspicious, t.Review),
	}
	if s.Listing == nil {
		a.Unknown = append(a.Unknown, Unknown{"listing", "no listing was read"})
		return a
	}
	r := &reading{b: b, c: c, s: s, l: s.Listing, a: &a}
	r.read()
	if r.authorised() || !r.pass() {
		return a
	}
	r.compatible()
	r.prices()
	r.words()
	r.images()
	r.attributes()
	r.seller()
	r.logistics()
	r.history()
	r.combine(t)
	return a
}

func (r *reading) add(s Signal) { r.a.Signals = append(r.a.Signals, s) }

func (r *reading) unknown(name, format string, args ...any) {
	r.a.Unknown = append(r.a.Unknown, Unknown{name, fmt.Sprintf(format, args...)})
}

// read folds the texts and settles what every rule needs.
func (r *reading) read() {
	r.title = newText(r.l, listing.Title, maxTitle)
	r.desc = newText(r.l, listing.Description, maxDescription)
	for _, t := range []text{r.title, r.desc} {
		if t.cut {
			r.unknown(string(t.field), "only the first %d of %d bytes were read", len(t.value), len(r.l.Text(t.field)))
		}
	}
	r.langs = languages(r.l, r.title.value+"\n"+r.desc.value)
	switch r.l.Text(listing.Condition) {
	case "used", "refurbished":
		r.used = true
	}
	r.photos = r.b.matches(r.s)
}

// authorised is rule 0: it ends the assessment.
func (r *reading) authorised() bool {
	name := strings.TrimSpace(bare(r.short(listing.SellerName)).text)
	id := r.short(listing.SellerID)
	for i, a := range r.c.authorised {
		if a.Site != "" && !strings.EqualFold(a.Site, r.l.Site) {
			continue
		}
		byID := a.ID != "" && id != "" && a.ID == id
		byName := a.Name != "" && a.Name == name
		// A name can be taken by anyone: where the profile has the id and the
		// page shows one, the id decides.
		if byID || byName && (a.ID == "" || id == "") {
			r.a.Level = Legitimate
			f := listing.SellerName
			if byID {
				f = listing.SellerID
			}
			v := r.l.Text(f)
			r.add(Signal{
				Name: "authorised_seller", Family: Seller, Value: v, Field: f, Span: [2]int{0, len(v)},
				Sentence: fmt.Sprintf("The seller %q is on the brand's list of authorised sellers (entry %d).", r.short(listing.SellerName), i+1),
			})
			return true
		}
	}
	return false
}

// short is a field that is a name or a number, never a long text.
func (r *reading) short(f listing.FieldName) string {
	v, _ := clip(r.l.Text(f), 300)
	return v
}

// pass is the brand gate: without it nothing counts.
func (r *reading) pass() bool {
	g := &r.gate
	g.title, g.homonym = r.c.mentions(r.title)
	attr := newText(r.l, listing.Brand, 300)
	g.attribute, _ = r.c.mentions(attr)
	var hidden string
	g.description, hidden = r.c.mentions(r.desc)
	if g.homonym == "" {
		g.homonym = hidden
	}
	for _, t := range []text{r.title, attr, r.desc} {
		if g.obfuscated == nil && len(g.in(t.field)) == 0 && !(t.field == listing.Description && len(g.title)+len(g.attribute) > 0) {
			g.obfuscated = r.c.obfuscated(t)
		}
	}
	g.code = r.modelCode()
	for i := range r.photos {
		if m := &r.photos[i]; m.same() && (g.photo == nil || m.p < g.photo.p) {
			g.photo = m
		}
	}
	for _, k := range r.s.History {
		title, _ := clip(k.Title, maxTitle)
		if ms, _ := r.c.mentions(text{field: listing.Title, value: title, bare: bare(title)}); len(ms) > 0 {
			g.before = true
		}
	}
	g.hidden = len(g.description) > 0 && r.hiddenLink() != nil
	if !g.open() {
		return false
	}
	r.sayGate()
	return true
}

func (g gate) in(f listing.FieldName) []mention {
	switch f {
	case listing.Title:
		return g.title
	case listing.Brand:
		return g.attribute
	}
	return g.description
}

// sayGate writes down why the listing is looked at.
func (r *reading) sayGate() {
	g := &r.gate
	say := func(m mention, sentence string) {
		r.add(Signal{Name: "brand_present", Family: Identity, Value: r.part(m.field, m.span), Field: m.field, Span: m.span, Sentence: sentence})
	}
	worst := g.obfuscated
	for _, list := range [][]mention{g.title, g.attribute, g.description} {
		for i := range list {
			if worst == nil && list[i].points > 0 {
				worst = &list[i]
			}
		}
	}
	switch {
	case len(g.title) > 0:
		say(g.title[0], fmt.Sprintf("The title names %s.", g.title[0].name))
	case len(g.attribute) > 0:
		say(g.attribute[0], fmt.Sprintf("The brand field says %s.", r.part(listing.Brand, g.attribute[0].span)))
	case g.code != nil:
		say(*g.code, fmt.Sprintf("The %s holds %q, a model code of %s.", g.code.field, r.part(g.code.field, g.code.span), r.b.Name))
	case len(g.description) > 0:
		say(g.description[0], fmt.Sprintf("Only the description names %s.", g.description[0].name))
	case g.photo != nil:
		r.add(Signal{
			Name: "brand_present", Family: Identity, Value: g.photo.official, Field: listing.Image,
			Sentence: fmt.Sprintf("A photo is the brand's own (%s), and no text names %s.", g.photo.official, r.b.Name),
		})
	case g.before && worst == nil:
		r.add(Signal{Name: "brand_present", Family: Identity, Sentence: fmt.Sprintf("An earlier title of this listing named %s.", r.b.Name)})
	}
	if worst == nil {
		return
	}
	// An exact spelling elsewhere in the same field: nothing is being hidden.
	for _, m := range g.in(worst.field) {
		if m.points == 0 {
			return
		}
	}
	points := worst.points
	if worst.field == listing.Description {
		points = round1(points * descriptionShare)
	}
	r.add(Signal{
		Name: "obfuscated_brand", Family: Identity, Points: points, Value: r.part(worst.field, worst.span), Field: worst.field, Span: worst.span,
		Sentence: fmt.Sprintf("The %s writes %q for %s: %s.", worst.field, visible(r.part(worst.field, worst.span)), worst.name, worst.how),
	})
}

// part is a piece of a field's value as it stands there.
func (r *reading) part(f listing.FieldName, span [2]int) string {
	v := r.l.Text(f)
	if span[0] < 0 || span[1] > len(v) || span[0] >= span[1] {
		return ""
	}
	p, _ := clip(v[span[0]:span[1]], 200)
	return p
}

// visible writes invisible characters as escapes, so that a person sees them.
func visible(s string) string {
	var b strings.Builder
	for _, c := range s {
		if invisible(c) {
			fmt.Fprintf(&b, "<U+%04X>", c)
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// modelCode finds a code of the profile in the title, the model field or the
// description.
func (r *reading) modelCode() *mention {
	if len(r.c.codes) == 0 {
		return nil
	}
	for _, f := range []listing.FieldName{listing.Model, listing.Title, listing.Description} {
		v := r.title.value
		switch f {
		case listing.Model:
			v = r.short(listing.Model)
		case listing.Description:
			v = r.desc.value
		}
		for _, t := range tokens(v) {
			k := strings.Trim(t.text, ".-_*|'")
			// A code must look like one: digits, and not digits alone unless it
			// has eight.
			if i, ok := r.c.codes[normalCode(k)]; ok && codeLike(k) {
				return &mention{field: f, span: t.at, name: r.b.Models[i].Name}
			}
		}
	}
	return nil
}

func codeLike(s string) bool {
	digits := 0
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			digits++
		}
	}
	return digits >= 2 && (digits < letters(s) || digits >= 8)
}

// compatible is the negation of what is made for the brand's goods.
func (r *reading) compatible() {
	if len(r.gate.attribute) > 0 || r.gate.obfuscated != nil && r.gate.obfuscated.field == listing.Title {
		return
	}
	if at, word, ok := r.compat(); ok {
		r.negated = true
		r.add(Signal{
			Name: "compatible_with", Family: Identity, Points: -30, Value: word, Field: listing.Title, Span: at,
			Sentence: fmt.Sprintf("The title says %q before %s, and the brand field does not say %s: this is for the brand's goods, not of them.", word, r.gate.title[0].name, r.b.Name),
		})
		return
	}
	category := bare(r.short(listing.Category)).text
	for _, w := range words().accessory {
		if at := findWhole(category, w); len(at) > 0 && !r.c.categories[singular(w)] && r.attributeSays() != "" {
			span := bare(r.short(listing.Category)).span(at[0][0], at[0][1])
			r.negated = true
			r.add(Signal{
				Name: "compatible_with", Family: Identity, Points: -30, Value: w, Field: listing.Category, Span: span,
				Sentence: fmt.Sprintf("The category is for accessories (%q), and the brand field says %q.", r.short(listing.Category), r.attributeSays()),
			})
			return
		}
	}
}

// attributeSays is the brand field when it says something that is not the
// brand.
func (r *reading) attributeSays() string {
	if len(r.gate.attribute) > 0 {
		return ""
	}
	return r.short(listing.Brand)
}

// at is the time of the look, zero when unknown.
func (r *reading) at() time.Time { return r.s.At }
