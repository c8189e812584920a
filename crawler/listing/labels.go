package listing

import (
	"regexp"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// labels are the words before a value, for fields that shops print with a
// label. Whole labels only.
var labels = map[string]FieldName{
	"brand": Brand, "marke": Brand, "marque": Brand, "marca": Brand, "品牌": Brand, "ブランド": Brand, "бренд": Brand, "thương hiệu": Brand, "merk": Brand, "แบรนด์": Brand, "브랜드": Brand, "marka": Brand, "brand name": Brand,
	"condition": Condition, "zustand": Condition, "état": Condition, "estado": Condition, "condición": Condition, "condizione": Condition, "condizioni": Condition, "商品の状態": Condition, "状態": Condition, "成色": Condition, "item condition": Condition, "состояние": Condition, "stan": Condition, "kondisi": Condition,
	"model": Model, "modell": Model, "modelo": Model, "modèle": Model, "型号": Model, "型番": Model, "item model number": Model, "model number": Model, "style code": Model,
	"ean": GTIN, "gtin": GTIN, "upc": GTIN, "isbn": GTIN, "isbn-13": GTIN, "janコード": GTIN, "ean/upc": GTIN,
	"sold by": SellerName, "seller": SellerName, "verkauf durch": SellerName, "verkäufer": SellerName, "vendido por": SellerName, "vendu par": SellerName, "venduto da": SellerName, "vendedor": SellerName, "卖家": SellerName, "出品者": SellerName, "販売元": SellerName, "vendor": SellerName,
	"ships from": ShipsFrom, "shipping from": ShipsFrom, "dispatched from": ShipsFrom, "versand aus": ShipsFrom, "versandort": ShipsFrom, "enviado desde": ShipsFrom, "発送元の地域": ShipsFrom, "发货地": ShipsFrom, "ship from": ShipsFrom, "отправка из": ShipsFrom,
	"item location": Location, "location": Location, "artikelstandort": Location, "standort": Location, "lieu où se trouve": Location, "ubicación": Location, "located in": Location,
	"sku": ItemID, "item #": ItemID, "item no": ItemID, "item number": ItemID, "artikelnummer": ItemID, "art.-nr": ItemID, "商品番号": ItemID, "product code": ItemID, "référence": ItemID, "referencia": ItemID, "商品id": ItemID,
	"min. order": MinimumOrder, "minimum order": MinimumOrder, "moq": MinimumOrder, "起批量": MinimumOrder,
}

// nextLabel finds where the next "Label: value" begins in a run of them.
var nextLabel = regexp.MustCompile(`\s\p{L}[\p{L} #.]{1,20}:\s`)

// addLabelled reads definition lists, two-cell table rows and "label: value"
// pairs.
func (e *extraction) addLabelled() {
	count := 0
	for _, n := range e.doc.all.list {
		if count > 200 {
			break
		}
		switch n.DataAtom {
		case atom.Dt, atom.Th, atom.Td, atom.Span, atom.Div, atom.Label, atom.Strong, atom.B, atom.P, atom.Li:
		default:
			continue
		}
		if elementChildren(n) > 2 {
			continue
		}
		e.addItemNumber(n)
		if TextLen(n, 80) > 70 {
			continue
		}
		text := shallowText(n)
		if text == "" || len(text) > 60 {
			continue
		}
		label, _, _ := strings.Cut(strings.ToLower(text), ":")
		label = strings.Trim(label, " :：.*\u200e\u200f")
		f, ok := labels[label]
		if !ok {
			continue
		}
		value := beforeLabel(n, labelledValue(n, text))
		if m := nextLabel.FindStringIndex(value); m != nil {
			value = strings.TrimSpace(value[:m[0]])
		}
		if value == "" || len(value) > 120 || strings.ContainsAny(value, "?？") || e.doc.inDecoy(n) {
			continue
		}
		count++
		conf := .45
		if f == SellerName {
			conf = .4
		}
		e.add(Candidate{Field: f, Raw: value, Source: "dom", Path: "label " + label, Confidence: conf})
	}
}

// labelNode is a text that begins with a label of its own.
var labelNode = regexp.MustCompile(`^\p{L}[\p{L} #.]{1,20}:(?:\s|$)`)

// beforeLabel cuts a value where a text of its own begins the next label: an
// icon or a margin parts them for the eye, and no space in the source.
func beforeLabel(n *html.Node, value string) string {
	for c := range n.Descendants() {
		if c.Type != html.TextNode {
			continue
		}
		if t := Clean(c.Data); t != "" && labelNode.MatchString(t) {
			if i := strings.Index(value, t); i > 0 {
				value = strings.TrimSpace(value[:i])
			}
		}
	}
	return value
}

// itemNumberName is an element that the shop calls its item's number.
var itemNumberName = regexp.MustCompile(`(?i)(?:^|[-_\s])(?:item|article|product)[-_]?(?:number|no|num|nr)(?:$|\s)`)

var (
	itemWords   = []string{"tem", "rticle", "roduct"}
	numberWords = []string{"um", "no", "No", "nr", "Nr"}
)

var itemNumber = regexp.MustCompile(`^(?:\p{L}[\p{L}. ]{0,24}[\s#:№.-]{1,3})?(\d{5,14})$`)

// addItemNumber takes the number that an element named after it shows: what
// the shop calls the item is more than what its address looks like.
func (e *extraction) addItemNumber(n *html.Node) {
	name := attr(n, "id") + " " + attr(n, "class")
	if len(name) > 200 || !containsAny(name, itemWords) || !containsAny(name, numberWords) || !itemNumberName.MatchString(name) || TextLen(n, 60) > 50 {
		return
	}
	if m := itemNumber.FindStringSubmatch(shallowText(n)); m != nil && !e.doc.inDecoy(n) {
		e.add(Candidate{Field: ItemID, Raw: m[1], Source: "dom", Path: cssPath(n), Confidence: .62})
	}
}

func elementChildren(n *html.Node) int {
	count := 0
	for c := n.FirstChild; c != nil && count < 4; c = c.NextSibling {
		if c.Type == html.ElementNode {
			count++
		}
	}
	return count
}

// shallowText is the text of an element with few children.
func shallowText(n *html.Node) string {
	var b strings.Builder
	writeText(&b, n, 200)
	if b.Len() > 200 {
		return ""
	}
	return Clean(b.String())
}

// labelledValue gives what stands after a label: the rest of its own text, or
// the next element's.
func labelledValue(n *html.Node, text string) string {
	if i := strings.IndexAny(text, ":"); i >= 0 {
		if v := Clean(text[i+1:]); v != "" {
			return v
		}
	}
	if i := strings.Index(text, "："); i >= 0 {
		if v := Clean(text[i+len("："):]); v != "" {
			return v
		}
	}
	for s := n.NextSibling; s != nil; s = s.NextSibling {
		if s.Type == html.ElementNode {
			return shallowText(s)
		}
		if t := Clean(s.Data); s.Type == html.TextNode && t != "" && t != ":" {
			return t
		}
	}
	return ""
}
