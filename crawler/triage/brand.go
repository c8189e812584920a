package triage

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/shopspring/decimal"
)

// Brand is a brand profile: what a brand's owner knows, docs/brands.md. It is
// made by ParseBrand, and json.Marshal writes what ParseBrand reads.
//
// A Brand may be used from several goroutines as long as AddOfficial is not
// among what they call.
type Brand struct {
	// Name is the brand as people say it.
	Name string `json:"name"`
	// Names are all spellings that are the brand, other scripts too; Name is
	// one of them always.
	Names []string `json:"names,omitempty"`
	// Homonyms are phrases that hold a name and are not the brand.
	Homonyms []string `json:"homonyms,omitempty"`
	// Currency is ISO 4217, of prices without their own and of rates.
	Currency   string       `json:"currency,omitempty"`
	Models     []Model      `json:"models,omitempty"`
	Authorised []Authorised `json:"authorised,omitempty"`
	Rates      []Rate       `json:"rates,omitempty"`
	// HighRisk are countries, ISO 3166, default CN, HK and TR.
	HighRisk []string `json:"high_risk,omitempty"`
	// Protected are countries where the brand has rights; empty means
	// everywhere but HighRisk.
	Protected []string `json:"protected,omitempty"`
	// OtherBrands are other houses: a name close to the brand's that is one of
	// these is no misspelling.
	OtherBrands []string `json:"other_brands,omitempty"`
	// GTINPrefixes are the GS1 company prefixes of the brand's goods.
	GTINPrefixes []string   `json:"gtin_prefixes,omitempty"`
	Thresholds   Thresholds `json:"thresholds"`
	Official     []Official `json:"official,omitempty"`

	c *compiled
}

// Model is one model of the brand.
type Model struct {
	Name     string   `json:"name"`
	Code     string   `json:"code,omitempty"`
	Codes    []string `json:"codes,omitempty"`
	Category string   `json:"category,omitempty"`
	// Price in the brand's own shops; nil when there is none to compare with.
	Price    *Decimal `json:"price,omitempty"`
	Currency string   `json:"currency,omitempty"` // default Brand.Currency
	// Limited says that nobody has hundreds of it.
	Limited bool `json:"limited,omitempty"`
}

// Authorised is a seller that may sell the brand's goods. An empty field fits
// any; ID or Name must be there.
type Authorised struct {
	Site string `json:"site,omitempty"`
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// Rate is what one unit of Currency was worth on Date, in Brand.Currency.
type Rate struct {
	Currency string  `json:"currency"`
	Rate     Decimal `json:"rate"`
	Date     string  `json:"date"` // 2006-01-02
}

// Thresholds are the points from which a listing is suspicious, or to be
// reviewed. 0 is the default: 60 and 35.
type Thresholds struct {
	Suspicious float64 `json:"suspicious,omitempty"`
	Review     float64 `json:"review,omitempty"`
}

// Official is one of the brand's own photos.
type Official struct {
	URL      string    `json:"url"`
	Variants []Variant `json:"variants,omitempty"`
}

// Variant is what an official photo looks like after something was done to it.
type Variant struct {
	As    string `json:"as"` // "as it is", "mirrored", "cropped by 10 %"
	DHash Hash   `json:"dhash"`
	PHash Hash   `json:"phash"`
}

// Decimal is a plain decimal number, text in JSON.
type Decimal struct{ decimal.Decimal }

// MarshalText implements encoding.TextMarshaler.
func (d Decimal) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// MarshalJSON writes a decimal as text: floats lose digits.
func (d Decimal) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalText reads a plain decimal of at most 30 characters.
func (d *Decimal) UnmarshalText(b []byte) error {
	s := string(b)
	if s == "" {
		return errors.New("is not a plain decimal like 1450.00")
	}
	if len(s) > 30 {
		return fmt.Errorf("%.20q... is too long for an amount", s)
	}
	for _, r := range s {
		if r != '.' && (r < '0' || r > '9') {
			return fmt.Errorf("%q is not a plain decimal like 1450.00", s)
		}
	}
	v, err := decimal.NewFromString(s)
	if err != nil {
		return fmt.Errorf("%q is not a plain decimal like 1450.00", s)
	}
	d.Decimal = v
	return nil
}

// UnmarshalYAML reads the digits as they stand: by way of a float they change.
func (d *Decimal) UnmarshalYAML(n ast.Node) error { return d.UnmarshalText(scalar(n)) }

// UnmarshalYAML reads a hash that may stand there without quotes.
func (h *Hash) UnmarshalYAML(n ast.Node) error { return h.UnmarshalText(scalar(n)) }

// scalar is the text of a value; nothing for a list or a mapping, which is
// then refused.
func scalar(n ast.Node) []byte {
	if _, ok := n.(ast.ScalarNode); !ok || n.GetToken() == nil {
		return nil
	}
	return []byte(n.GetToken().Value)
}

// Hash is a perceptual hash of 64 bits, written as 16 hexadecimal digits.
type Hash uint64

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(h)), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(b []byte) error {
	v, err := strconv.ParseUint(string(b), 16, 64)
	if err != nil || len(b) != 16 {
		return fmt.Errorf("%.40q is not a hash of 16 hexadecimal digits (in quotes)", b)
	}
	*h = Hash(v)
	return nil
}

// UnmarshalJSON reads what ParseBrand reads.
func (b *Brand) UnmarshalJSON(text []byte) error {
	p, err := ParseBrand("brand", text)
	if err != nil {
		return err
	}
	*b = *p
	return nil
}

// thresholds with their defaults.
func (t Thresholds) withDefaults() Thresholds {
	if t.Suspicious == 0 {
		t.Suspicious = 60
	}
	if t.Review == 0 {
		t.Review = 35
	}
	return t
}

var defaultHighRisk = []string{"CN", "HK", "TR"}
