package listing

import (
	"github.com/shopspring/decimal"
)

// FieldName names one thing that is read from a listing page.
type FieldName string

// The fields of a listing. Values are text as shown (NFC) unless said.
const (
	Title        FieldName = "title"
	Description  FieldName = "description"
	Price        FieldName = "price"        // Candidate.Amount is set
	StrikePrice  FieldName = "strike_price" // the crossed-out price
	Currency     FieldName = "currency"     // ISO 4217
	Availability FieldName = "availability" // in_stock, out_of_stock, sold, preorder, limited
	Stock        FieldName = "stock"        // a count
	SoldCount    FieldName = "sold_count"   // a count
	Condition    FieldName = "condition"    // new, used, refurbished
	Brand        FieldName = "brand"        // the brand attribute, not the title's
	Model        FieldName = "model"
	GTIN         FieldName = "gtin"
	ItemID       FieldName = "item_id"
	Image        FieldName = "image" // absolute URL; several candidates may be chosen
	SellerName   FieldName = "seller_name"
	SellerID     FieldName = "seller_id"
	SellerURL    FieldName = "seller_url"
	SellerAge    FieldName = "seller_age"      // as shown
	SellerScore  FieldName = "seller_feedback" // as shown, "98.4%"
	SellerCount  FieldName = "seller_feedback_count"
	ShipsFrom    FieldName = "ships_from"
	Location     FieldName = "location"
	Category     FieldName = "category"
	Rating       FieldName = "rating"
	ReviewCount  FieldName = "review_count"
	Contact      FieldName = "contact" // phone, mail, messenger handle; several
	MinimumOrder FieldName = "minimum_order"
	Variant      FieldName = "variant" // several
)

// Candidate is one value that was found for a field, with where it stood.
// Candidates are kept even when another one was chosen.
type Candidate struct {
	Field FieldName `json:"field"`
	// Raw is the text as it stood in the page.
	Raw string `json:"raw"`
	// Value is Raw made comparable (trimmed, NFC, entities decoded, absolute
	// URL, ISO code). For prices it is the plain decimal.
	Value string `json:"value"`
	// Amount is set for prices; High when the page gives a range.
	Amount *decimal.Decimal `json:"amount,omitempty"`
	High   *decimal.Decimal `json:"high,omitempty"`
	// Currency is what stood with a price; "" when nothing did.
	Currency string `json:"currency,omitempty"`
	// Source is adapter, jsonld, microdata, rdfa, opengraph, state, dom, url.
	Source string `json:"source"`
	// Path says where in the source: a CSS selector, a JSON path.
	Path string `json:"path"`
	// Confidence 0-1, by source and by how it was found.
	Confidence float64 `json:"confidence"`
}

// Choice is what was taken for a field, and why.
type Choice struct {
	Candidate
	Why string `json:"why"`
	// Conflict says in words which other candidate disagrees; "" when none.
	Conflict string `json:"conflict,omitempty"`
}

// Listing is one item at one site as one capture showed it. A field that was
// not seen is not in Fields: no value is ever invented.
type Listing struct {
	Site       string               `json:"site"`
	URL        string               `json:"url"`
	Canonical  string               `json:"canonical"`
	ItemID     string               `json:"item_id"`
	Language   string               `json:"language,omitempty"` // of the page, BCP 47, as declared or detected
	Country    string               `json:"country,omitempty"`  // of the site, ISO 3166
	Fields     map[FieldName]Choice `json:"fields"`
	Images     []Choice             `json:"images,omitempty"`
	Contacts   []Choice             `json:"contacts,omitempty"`
	Variants   []Choice             `json:"variants,omitempty"`
	Candidates []Candidate          `json:"candidates,omitempty"`
	Problems   []string             `json:"problems,omitempty"` // broken JSON and the like, reported not hidden
}

// Text gives the chosen value of a field, "" when it was not seen.
func (l *Listing) Text(f FieldName) string { return l.Fields[f].Value }

// Has reports whether a field was seen.
func (l *Listing) Has(f FieldName) bool { _, ok := l.Fields[f]; return ok }

// Money gives the chosen price with its currency; ok is false when no price
// was seen. The currency is "" when none was seen.
func (l *Listing) Money() (amount decimal.Decimal, currency string, ok bool) {
	c, ok := l.Fields[Price]
	if !ok || c.Amount == nil {
		return decimal.Decimal{}, "", false
	}
	return *c.Amount, l.Text(Currency), true
}
