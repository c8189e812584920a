package listing

import (
	"html"
	"net/url"
	"regexp"
	"strings"

	"github.com/shopspring/decimal"
	xhtml "golang.org/x/net/html"
)

// Context is what is known of a page before it is read.
type Context struct {
	Site      string
	Country   string // of the host
	Currency  string // the host sells in; "" several or unknown
	Language  string // of the host
	Canonical string
	ItemID    string // from the address, sure
	// Slug is what the address calls the item where the site is not known: a
	// number or a name, not sure.
	Slug string
	// Shop says that the site is one shop, whose name is the seller's when
	// nothing else is.
	Shop  bool
	Rules *Rules // of the site, compiled; nil for none
}

// extraction is one run of Extract.
type extraction struct {
	alone map[string]bool // short texts that are all an element has; nil not looked for
	drawn string          // the first element that shows a price as a picture
	doc   *Document
	ctx   Context
	rules *Rules
	cands []Candidate
	seen  map[string]bool
}

// maxCandidates bounds what one page may give.
const maxCandidates = 2000

// Extract reads the listing of a page. It always gives a Listing; one without
// fields says that nothing was found.
func (d *Document) Extract(ctx Context) *Listing {
	e := &extraction{doc: d, ctx: ctx, rules: ctx.Rules, seen: map[string]bool{}}
	d.markDecoys(ctx.Rules)
	if ctx.ItemID != "" {
		e.add(Candidate{Field: ItemID, Raw: ctx.ItemID, Source: "url", Path: "address", Confidence: .97})
	}
	if ctx.Slug != "" {
		conf := .42
		if slugIsID(ctx.Slug) {
			conf = .6
		}
		e.add(Candidate{Field: ItemID, Raw: ctx.Slug, Source: "url", Path: "address", Confidence: conf})
	}
	e.addRules()
	e.addLD()
	e.addItems()
	e.addMeta()
	e.addState()
	e.addDOM()
	if name := d.Meta("og:site_name"); ctx.Shop && name != "" {
		e.add(Candidate{Field: SellerName, Raw: name, Source: "opengraph", Path: "og:site_name (the shop itself)", Confidence: .32})
	}
	return e.reconcile()
}

// slugIsID reports whether a part of an address looks like a number of the
// shop's, not like a title.
func slugIsID(s string) bool {
	return strings.ContainsAny(s, "0123456789") && strings.Count(s, "-") < 2 || len(s) <= 8 && !strings.Contains(s, "-")
}

func (d *Document) markDecoys(r *Rules) {
	d.decoySet, d.decoyIn = map[*xhtml.Node]bool{}, map[*xhtml.Node]bool{}
	if r != nil && r.compiled != nil {
		for _, s := range r.compiled.decoys {
			for _, n := range d.Find(s.text, s.sel) {
				d.decoySet[n] = true
			}
		}
	}
	d.markCommonDecoys()
}

// addText adds a scalar of embedded data.
func (e *extraction) addText(f FieldName, t *Tree, source, path string, conf float64) {
	if s := t.scalar(); s != "" {
		e.add(Candidate{Field: f, Raw: s, Source: source, Path: path, Confidence: conf})
	}
}

// add keeps a candidate when its raw text gives a value for its field.
func (e *extraction) add(c Candidate) {
	if c.Value == "" {
		c.Value = e.normalise(c.Field, c.Raw)
	}
	if c.Value == "" || len(e.cands) >= maxCandidates {
		return
	}
	if len(c.Raw) > maxRaw {
		c.Raw = clipRunes(c.Raw, maxRaw)
	}
	key := string(c.Field) + "\x00" + c.Source + "\x00" + c.Path + "\x00" + c.Value + "\x00" + c.Currency
	if e.seen[key] {
		return
	}
	e.seen[key] = true
	e.cands = append(e.cands, c)
}

// maxRaw bounds a candidate's text; descriptions reach it, nothing else does.
const maxRaw = 64 << 10

// noValue are texts that programs write for "nothing".
var noValue = map[string]bool{"": true, "null": true, "undefined": true, "none": true, "nan": true, "n/a": true, "-": true, "[object object]": true, "false": true}

// normalise makes a raw text comparable; "" when it is no value of the field.
func (e *extraction) normalise(f FieldName, raw string) string {
	v := raw
	if strings.Contains(v, "&") {
		v = html.UnescapeString(v)
		if strings.Contains(v, "&amp;") || strings.Contains(v, "&#") {
			v = html.UnescapeString(v)
		}
	}
	if strings.Contains(v, "<") && f != Image && f != SellerURL {
		v = stripTags(v)
	}
	if strings.Contains(v, "%E") { // sellers' names in scripts of Alibaba's sites
		if u, err := url.QueryUnescape(v); err == nil {
			v = u
		}
	}
	v = Clean(v)
	if noValue[strings.ToLower(v)] {
		return ""
	}
	switch f {
	case Image:
		if strings.HasPrefix(v, "data:") {
			return ""
		}
		return e.doc.Absolute(v)
	case SellerURL:
		if strings.HasPrefix(v, "#") || strings.HasPrefix(strings.ToLower(v), "javascript:") {
			return ""
		}
		return e.doc.Absolute(v)
	case Currency:
		return CurrencyCode(v, e.hints("")...)
	case Availability:
		return availability(v)
	case Condition:
		return condition(v)
	case Stock, SoldCount, SellerCount, ReviewCount:
		return count(v)
	case GTIN:
		return gtin(v)
	case Rating:
		return rating(v)
	case Description:
		return clipRunes(v, maxRaw)
	}
	return clipRunes(v, 2000)
}

var tags = regexp.MustCompile(`<(?:/?[a-zA-Z][^<>]{0,500}|!--[^<>]{0,500}--)>`)

func stripTags(s string) string {
	if !tags.MatchString(s) {
		return s
	}
	return html.UnescapeString(tags.ReplaceAllString(s, " "))
}

// hints are the currencies expected on this page, the likeliest first.
func (e *extraction) hints(near string) []string {
	var out []string
	if near != "" {
		out = append(out, near)
	}
	if e.ctx.Currency != "" {
		out = append(out, e.ctx.Currency)
	}
	if c := countryCurrency[e.ctx.Country]; c != "" {
		out = append(out, c)
	}
	for _, c := range e.cands {
		if c.Field == Currency && len(out) < 12 {
			out = append(out, c.Value)
		}
	}
	if c := e.tongueCurrency(); c != "" {
		out = append(out, c)
	}
	return out
}

// tongueCurrency gives the currency of the page's language, where one country
// speaks it: it only decides what "¥" or "kr" stands for.
func (e *extraction) tongueCurrency() string {
	lang := strings.ToLower(e.doc.Language())
	if _, region, ok := strings.Cut(lang, "-"); ok && len(region) == 2 {
		if c := countryCurrency[strings.ToUpper(region)]; c != "" {
			return c
		}
	}
	if i := strings.LastIndex(e.doc.URL.Hostname(), "."); i >= 0 {
		if c := countryCurrency[strings.ToUpper(e.doc.URL.Hostname()[i+1:])]; c != "" {
			return c
		}
	}
	base, _, _ := strings.Cut(lang, "-")
	return map[string]string{"ja": "JPY", "zh": "CNY", "sv": "SEK", "nb": "NOK", "no": "NOK", "da": "DKK", "is": "ISK", "ko": "KRW"}[base]
}

var countryCurrency = map[string]string{"US": "USD", "GB": "GBP", "UK": "GBP", "CA": "CAD", "AU": "AUD", "NZ": "NZD", "SG": "SGD", "HK": "HKD", "TW": "TWD", "MX": "MXN", "AR": "ARS", "CL": "CLP", "CO": "COP", "UY": "UYU", "PE": "PEN", "BR": "BRL", "JP": "JPY", "CN": "CNY", "KR": "KRW", "IN": "INR", "PK": "PKR", "LK": "LKR", "NP": "NPR", "SE": "SEK", "NO": "NOK", "DK": "DKK", "IS": "ISK", "RU": "RUB", "BY": "BYN", "UA": "UAH", "PL": "PLN", "CZ": "CZK", "HU": "HUF", "RO": "RON", "BG": "BGN", "TR": "TRY", "IL": "ILS", "AE": "AED", "SA": "SAR", "QA": "QAR", "KW": "KWD", "EG": "EGP", "MA": "MAD", "ZA": "ZAR", "NG": "NGN", "KE": "KES", "TH": "THB", "VN": "VND", "PH": "PHP", "ID": "IDR", "MY": "MYR", "CH": "CHF", "DE": "EUR", "FR": "EUR", "ES": "EUR", "IT": "EUR", "NL": "EUR", "BE": "EUR", "AT": "EUR", "IE": "EUR", "PT": "EUR", "FI": "EUR", "GR": "EUR", "LU": "EUR", "SK": "EUR", "SI": "EUR", "EE": "EUR", "LV": "EUR", "LT": "EUR", "HR": "EUR", "DO": "DOP", "JM": "JMD", "BO": "BOB", "VE": "VES"}

// addPrice adds a price that structured data gave; high is the upper end of a
// range or "".
func (e *extraction) addPrice(f FieldName, raw, high, currency, source, path string, conf float64) {
	if strings.TrimSpace(raw) == "" {
		return
	}
	code := CurrencyCode(currency, e.hints("")...)
	m, err := ParsePrice(raw, Hint{Machine: source != "opengraph", Currencies: e.hints(code), Alone: true})
	if err != nil {
		return
	}
	if code == "" {
		code = m.Currency
	}
	c := Candidate{Field: f, Raw: raw, Value: m.Amount.String(), Amount: &m.Amount, High: m.High, Currency: code, Source: source, Path: path, Confidence: conf}
	if high != "" {
		if h, err := ParsePrice(high, Hint{Machine: true}); err == nil && h.Amount.GreaterThan(m.Amount) {
			c.High = &h.Amount
			c.Raw = raw + " - " + high
		}
	}
	if f == Price && m.Amount.IsZero() {
		c.Confidence -= .2 // nothing is sold for nothing: usually "no price"
	}
	e.add(c)
}

// addRulePrice reads a price where a site's rule found it.
func (e *extraction) addRulePrice(c Candidate, s compiledSource) {
	m, err := ParsePrice(c.Raw, Hint{Machine: s.Machine || s.State != "" || s.JSONLD != "", Currencies: e.hints("")})
	if err != nil {
		return
	}
	if s.Minor != 0 {
		m.Amount = m.Amount.Shift(-int32(s.Minor))
		m.High = shift(m.High, s.Minor)
	}
	c.Value, c.Amount, c.High, c.Currency = m.Amount.String(), &m.Amount, m.High, m.Currency
	e.add(c)
}

func shift(d *decimal.Decimal, n int) *decimal.Decimal {
	if d == nil {
		return nil
	}
	v := d.Shift(-int32(n))
	return &v
}

// hostOf is the host of an address without "www.".
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(strings.ToLower(u.Hostname()), "www.")
}
