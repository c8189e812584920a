package listing

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// compiledRules are Rules with their expressions built.
type compiledRules struct {
	fields map[FieldName][]compiledSource
	decoys []compiledSelector
}

type compiledSelector struct {
	text string
	sel  cascadia.Selector
}

type compiledSource struct {
	Source
	sel               cascadia.Selector
	match, script, at *regexp.Regexp
}

// Problem is something wrong with a rule; Key is where, below "listing".
type Problem struct{ Key, Message string }

// fieldNames are the names that rules may use.
var fieldNames = func() map[FieldName]bool {
	m := map[FieldName]bool{}
	for _, f := range []FieldName{Title, Description, Price, StrikePrice, Currency, Availability, Stock, SoldCount, Condition, Brand, Model, GTIN, ItemID, Image, SellerName, SellerID, SellerURL, SellerAge, SellerScore, SellerCount, ShipsFrom, Location, Category, Rating, ReviewCount, Contact, MinimumOrder, Variant} {
		m[f] = true
	}
	return m
}()

var sourceNames = map[string]bool{"jsonld": true, "microdata": true, "rdfa": true, "opengraph": true, "state": true, "dom": true}

// Compile checks the rules and builds their expressions. It must be called
// once before the rules are used.
func (r *Rules) Compile() []Problem {
	c := &compiledRules{fields: map[FieldName][]compiledSource{}}
	var bad []Problem
	for f, list := range r.Fields {
		if !fieldNames[f] {
			bad = append(bad, Problem{"fields." + string(f), "is not a field of a listing"})
		}
		for i, s := range list {
			cs, errs := s.compile()
			for _, e := range errs {
				bad = append(bad, Problem{fmt.Sprintf("fields.%s[%d]", f, i), e})
			}
			c.fields[f] = append(c.fields[f], cs)
		}
	}
	for i, css := range r.Decoys {
		sel, err := cascadia.Compile(css)
		if err != nil {
			bad = append(bad, Problem{fmt.Sprintf("decoys[%d]", i), fmt.Sprintf("%q is not a CSS selector: %v", css, err)})
			continue
		}
		c.decoys = append(c.decoys, compiledSelector{css, sel})
	}
	for f, names := range r.Distrust {
		if !fieldNames[f] {
			bad = append(bad, Problem{"distrust." + string(f), "is not a field of a listing"})
		}
		for i, n := range names {
			if !sourceNames[n] {
				bad = append(bad, Problem{fmt.Sprintf("distrust.%s[%d]", f, i), fmt.Sprintf("%q is not a source", n)})
			}
		}
	}
	for i, f := range r.Required {
		if !fieldNames[f] {
			bad = append(bad, Problem{fmt.Sprintf("required[%d]", i), fmt.Sprintf("%q is not a field of a listing", f)})
		}
	}
	if len(r.Required) == 0 {
		r.Required = []FieldName{Title, Price}
	}
	r.compiled = c
	return bad
}

func (s Source) compile() (compiledSource, []string) {
	c := compiledSource{Source: s}
	var bad []string
	set := 0
	for _, v := range []string{s.CSS, s.State, s.JSONLD, s.Meta, s.Script, s.URL} {
		if v != "" {
			set++
		}
	}
	if set != 1 {
		bad = append(bad, "needs exactly one of css, state, jsonld, meta, script and url")
	}
	re := func(name, expr string) *regexp.Regexp {
		if expr == "" {
			return nil
		}
		out, err := regexp.Compile(expr)
		if err != nil {
			bad = append(bad, fmt.Sprintf("%s: %v", name, err))
		}
		return out
	}
	if s.CSS != "" {
		sel, err := cascadia.Compile(s.CSS)
		if err != nil {
			bad = append(bad, fmt.Sprintf("%q is not a CSS selector: %v", s.CSS, err))
		}
		c.sel = sel
	}
	if s.State != "" {
		if err := CheckStatePath(s.State); err != nil {
			bad = append(bad, err.Error())
		}
	}
	c.match, c.script, c.at = re("match", s.Match), re("script", s.Script), re("url", s.URL)
	return c, bad
}

// addRules adds what the site's rules give, in their order.
func (e *extraction) addRules() {
	if e.rules == nil || e.rules.compiled == nil {
		return
	}
	for f, sources := range e.rules.compiled.fields {
		for i, s := range sources {
			conf := max(.9, .99-.01*float64(i))
			for _, text := range e.sourceTexts(s) {
				raw, ok := s.take(text)
				if !ok {
					continue
				}
				c := Candidate{Field: f, Raw: raw, Source: "adapter", Path: s.String(), Confidence: conf}
				if f == Price || f == StrikePrice {
					e.addRulePrice(c, s)
				} else {
					e.add(c)
				}
				if !s.All {
					break
				}
			}
		}
	}
}

// take applies Match and Value.
func (s compiledSource) take(text string) (string, bool) {
	if s.match != nil {
		m := s.match.FindStringSubmatch(text)
		if m == nil {
			return "", false
		}
		if len(m) > 1 {
			text = ""
			for _, g := range m[1:] {
				if g != "" {
					text = g
					break
				}
			}
		}
	}
	if s.Value != "" {
		return s.Value, true
	}
	return text, strings.TrimSpace(text) != ""
}

// String names the source in a candidate's path.
func (s Source) String() string {
	for _, p := range [][2]string{{"css", s.CSS}, {"state", s.State}, {"jsonld", s.JSONLD}, {"meta", s.Meta}, {"script", s.Script}, {"url", s.URL}} {
		if p[1] != "" {
			at := p[0] + " " + p[1]
			if s.Attr != "" {
				at += " @" + s.Attr
			}
			return at
		}
	}
	return ""
}

const maxTexts = 60

// sourceTexts gives the texts that stand at a source.
func (e *extraction) sourceTexts(s compiledSource) []string {
	var out []string
	switch {
	case s.CSS != "":
		for _, n := range e.doc.Find(s.CSS, s.sel) {
			if len(out) >= maxTexts {
				break
			}
			if e.doc.inDecoy(n) {
				continue
			}
			out = append(out, elementText(n, s.Source))
		}
	case s.State != "":
		out = e.doc.StateTexts(s.State)
	case s.JSONLD != "":
		if p := e.doc.ldProduct(e.ctx); p != nil {
			for _, t := range p.find(s.JSONLD) {
				out = append(out, t.scalar())
			}
		}
	case s.Meta != "":
		for _, m := range e.doc.metas {
			if m.key == s.Meta {
				out = append(out, m.content)
			}
		}
	case s.Script != "":
		out = e.scriptTexts(s)
	case s.URL != "":
		if m := s.at.FindStringSubmatch(e.doc.URL.String()); m != nil {
			out = append(out, m[len(m)-1])
		}
	}
	return out
}

func (e *extraction) scriptTexts(s compiledSource) []string {
	var out []string
	for _, sc := range e.doc.scripts {
		for _, m := range s.script.FindAllStringSubmatch(sc.text, maxTexts) {
			out = append(out, unescapeJS(m[len(m)-1]))
		}
		if len(out) > 0 {
			break
		}
	}
	return out
}

func elementText(n *html.Node, s Source) string {
	if s.Attr != "" {
		return attr(n, s.Attr)
	}
	if s.Own {
		var b strings.Builder
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			if c.Type == html.TextNode {
				b.WriteString(c.Data)
			}
		}
		return Clean(b.String())
	}
	return Text(n)
}

// inDecoy reports whether an element stands in a part that the site's rules or
// common sense call something else than the listing.
func (d *Document) inDecoy(n *html.Node) bool {
	if d.decoySet == nil {
		return false
	}
	in, up := false, n
	for ; up != nil; up = up.Parent {
		known, ok := d.decoyIn[up]
		if ok || d.decoySet[up] {
			in = known || d.decoySet[up]
			break
		}
	}
	for p := n; p != up; p = p.Parent {
		d.decoyIn[p] = in
	}
	return in
}
