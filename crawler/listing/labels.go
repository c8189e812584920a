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
	"sold by": SellerName, "seller": SellerName, "verkauf durch": SellerName, "verkäufer": SellerName, "vendido por": SellerName, "vendu par": SellerName, "venduto da": SellerName, "vendedor": SellerName, "卖家": SellerName, "出品者": SellerName, "販売元": SellerName, "vendor": SellerName, "satıcı": SellerName, "продавец": SellerName, "sprzedawca": SellerName, "verkoper": SellerName, "penjual": SellerName, "người bán": SellerName, "판매자": SellerName, "prodejce": SellerName,
	"ships from": ShipsFrom, "shipping from": ShipsFrom, "dispatched from": ShipsFrom, "versand aus": ShipsFrom, "versandort": ShipsFrom, "enviado desde": ShipsFrom, "発送元の地域": ShipsFrom, "发货地": ShipsFrom, "ship from": ShipsFrom, "отправка из": ShipsFrom,
	"item location": Location, "location": Location, "artikelstandort": Location, "standort": Location, "lieu où se trouve": Location, "ubicación": Location, "located in": Location,
	"sku": ItemID, "item #": ItemID, "item no": ItemID, "item number": ItemID, "artikelnummer": ItemID, "art.-nr": ItemID, "商品番号": ItemID, "product code": ItemID, "référence": ItemID, "referencia": ItemID, "商品id": ItemID,
	"min. order": MinimumOrder, "minimum order": MinimumOrder, "moq": MinimumOrder, "起批量": MinimumOrder,
}

// priceLabels are the words before a price in a table of an item's properties,
// as classified advertisements print it. Whole labels only.
var priceLabels = map[string]bool{"price": true, "asking price": true, "preis": true, "verkaufspreis": true, "prix": true, "precio": true, "prezzo": true, "preço": true, "preco": true, "prijs": true, "vraagprijs": true, "cena": true, "cijena": true, "цена": true, "ціна": true, "fiyat": true, "fiyatı": true, "قیمت": true, "قیمت پایه": true, "السعر": true, "מחיר": true, "价格": true, "價格": true, "価格": true, "가격": true, "harga": true, "giá": true, "giá bán": true, "ราคา": true, "pris": true, "hinta": true, "ár": true, "preț": true, "pret": true, "τιμή": true, "kaina": true}

// nextLabel finds where the next "Label: value" begins in a run of them.
var nextLabel = regexp.MustCompile(`\s\p{L}[\p{L} #.]{1,20}:\s`)

// addLabelled reads definition lists, two-cell table rows and "label: value"
// pairs.
func (e *extraction) addLabelled() {
	count := 0
	var prices []labelledPrice
	defer func() { e.addLabelledPrice(prices) }()
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
			if priceLabels[label] && !e.doc.inDecoy(n) {
				prices = append(prices, labelledPrice{n, label, labelledValue(onlyChild(n), text)})
			}
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

// onlyChild goes up from an element that is all its parent has: a label in a
// box of its own has its value in the next box.
func onlyChild(n *html.Node) *html.Node {
	for range 3 {
		p := n.Parent
		if p == nil || p.Type != html.ElementNode || nextShown(n.NextSibling) != nil || p.FirstChild != n && nextShown(p.FirstChild) != n {
			break
		}
		n = p
	}
	return n
}

// nextShown gives the first of some siblings that is an element or a text.
func nextShown(n *html.Node) *html.Node {
	for ; n != nil; n = n.NextSibling {
		if n.Type == html.ElementNode || n.Type == html.TextNode && strings.TrimSpace(n.Data) != "" {
			return n
		}
	}
	return nil
}

// labelledPrice is a label for a price and what stands after it.
type labelledPrice struct {
	node         *html.Node
	label, value string
}

// addLabelledPrice takes the price that a table of properties prints, where it
// is one: several amounts are those of a list.
func (e *extraction) addLabelledPrice(found []labelledPrice) {
	var one *Money
	var at labelledPrice
	for _, p := range found {
		m, err := ParsePrice(p.value, Hint{Currencies: e.hints(""), Alone: true})
		if err != nil || m.Symbol == "" || m.Amount.IsZero() || m.High != nil || hidden(p.node) || inFilter(p.node) {
			continue
		}
		if one != nil && !one.Amount.Equal(m.Amount) {
			return
		}
		if one == nil {
			one, at = &m, p
		}
	}
	if one != nil {
		e.add(Candidate{Field: Price, Raw: at.value, Value: one.Amount.String(), Amount: &one.Amount, High: one.High, Currency: one.Currency, Source: "dom", Path: "label " + at.label, Confidence: .5})
	}
}

// inFilter reports an element of the part of a list that narrows it: its price
// is the least or the most that one asks for.
func inFilter(n *html.Node) bool {
	for p, i := n, 0; p != nil && i < 10; p, i = p.Parent, i+1 {
		if p.DataAtom == atom.Form || p.DataAtom == atom.Aside || containsAny(strings.ToLower(classes(p)), filterWords) {
			return true
		}
	}
	return false
}

var filterWords = []string{"filter", "facet", "refine", "range", "slider", "sidebar"}

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
	id, class := attr(n, "id"), attr(n, "class")
	if !containsAny(id, itemWords) && !containsAny(class, itemWords) {
		return
	}
	name := id + " " + class
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
