package listing

import (
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// priceSpot is an element that shows a price.
type priceSpot struct {
	node   *html.Node
	money  Money
	text   string
	path   string
	score  float64
	strike bool
}

const (
	maxSpots  = 200
	maxLooked = 5000 // elements named after prices
)

// addDOM reads what a person would: the heading, and the price beside it. It
// is the last resort and has the least confidence.
func (e *extraction) addDOM() {
	d := e.doc
	e.addTitles()
	spots := e.priceSpots()
	e.doubtLists(spots)
	for _, s := range spots {
		f := Price
		if s.strike {
			f = StrikePrice
		}
		amount := s.money.Amount
		e.add(Candidate{Field: f, Raw: s.text, Value: amount.String(), Amount: &amount, High: s.money.High, Currency: s.money.Currency, Source: "dom", Path: s.path, Confidence: s.score})
	}
	e.addLabelled()
	e.addContacts()
	_ = d
}

// priceSpots finds elements named after prices whose whole text is one.
func (e *extraction) priceSpots() []priceSpot {
	d := e.doc
	order, heading, looked := 0, -1, 0
	headings := map[*html.Node]bool{}
	for _, h := range d.headings {
		if !d.inDecoy(h) {
			headings[h] = true
		}
	}
	var spots []priceSpot
	for _, n := range d.all.list {
		order++
		if headings[n] && heading < 0 {
			heading = order
		}
		if len(spots) >= maxSpots || looked >= maxLooked || unseen(n.DataAtom) {
			continue
		}
		name := classes(n)
		if !d.flags(name).price && n.DataAtom != atom.Del && n.DataAtom != atom.S && n.DataAtom != atom.Ins && !d.valueOfPrice(n) {
			continue
		}
		looked++
		if s, ok := e.priceSpot(n, name); ok {
			s.score = spotScore(s, order, heading)
			spots = append(spots, s)
		} else if e.drawn == "" && drawsPrice(n, name) && !d.inDecoy(n) {
			e.drawn = cssPath(n)
		}
	}
	return spots
}

// priceSymbol are the names of small pictures about prices that are none.
var priceSymbol = regexp.MustCompile(`(?i)icon|alert|alarm|histor|chart|graph|drop|tag|badge|match|info|tooltip|guarantee|button|btn|filter`)

// drawsPrice reports an element that is named after a price and shows it as a
// picture: no digit in it is a text.
func drawsPrice(n *html.Node, name string) bool {
	if n.FirstChild == nil || TextLen(n, 12) > 10 || strings.ContainsAny(Text(n), "0123456789") {
		return false
	}
	pictures := 0
	for c := range n.Descendants() {
		switch c.DataAtom {
		case atom.Svg, atom.Canvas:
			pictures++
		case atom.Img:
			if attr(c, "alt") == "" && attr(c, "src") != "" {
				pictures++
			}
		}
	}
	return pictures > 0 && pictures < 20 && !priceSymbol.MatchString(name)
}

// doubtLists takes back prices that stand in the same kind of box again and
// again, each with another amount: those are the cards of a list, and on a page
// that does not say that it has a product none of them is its price.
func (e *extraction) doubtLists(spots []priceSpot) {
	for _, c := range e.cands {
		if c.Field == Price && c.Source != "adapter" || c.Field == Title && (c.Source == "jsonld" || c.Source == "microdata" || c.Source == "adapter") {
			return
		}
	}
	amounts := map[string]map[string]bool{}
	for _, s := range spots {
		if amounts[s.path] == nil {
			amounts[s.path] = map[string]bool{}
		}
		amounts[s.path][s.money.Amount.String()] = true
	}
	for i := range spots {
		if len(amounts[spots[i].path]) >= 3 && (i > 0 || inCard(spots[i].node)) {
			spots[i].score -= .3
		}
	}
}

// valueOfPrice reports an element that gives its number in an attribute for
// programs, inside of one that is named after prices.
func (d *Document) valueOfPrice(n *html.Node) bool {
	if v, ok := lookup(n, "content"); !ok || v == "" || !isDigit(v[0]) || n.DataAtom == atom.Meta {
		return false
	}
	for p, i := n.Parent, 0; p != nil && i < 4; p, i = p.Parent, i+1 {
		if d.flags(classes(p)).price {
			return true
		}
	}
	return false
}

// inCard reports that the small box around an element leads to another page.
func inCard(n *html.Node) bool {
	for p, i := n, 0; p != nil && i < 7; p, i = p.Parent, i+1 {
		if TextLen(p, 700) > 600 {
			return false
		}
		for a := range p.Descendants() {
			if href := attr(a, "href"); a.DataAtom == atom.A && href != "" && href[0] != '#' && !strings.HasPrefix(href, "javascript:") {
				return true
			}
		}
		if href := attr(p, "href"); p.DataAtom == atom.A && href != "" && href[0] != '#' {
			return true
		}
	}
	return false
}

func spotScore(s priceSpot, order, heading int) float64 {
	score := .4
	if heading >= 0 && order > heading {
		score += .1
		if order-heading < 400 {
			score += .05
		}
	}
	if s.money.Symbol != "" {
		score += .03
	} else {
		score -= .3 // a bare number: shown as seen, never taken for the price
	}
	// Of equals the one nearest after the heading wins: later ones lose a hair.
	return score - float64(min(order, 50000))*1e-6
}

// priceSpot reads an element as a price: short, one number, and a currency or
// the name of a price.
func (e *extraction) priceSpot(n *html.Node, name string) (priceSpot, bool) {
	if TextLen(n, 70) > 60 {
		return priceSpot{}, false
	}
	if !hasDigit(n) {
		return priceSpot{}, false
	}
	text := e.askedText(n)
	if text == "" || len(text) > 60 || e.doc.inDecoy(n) || strings.Contains(text, "%") || Instalment(contextOf(n)) {
		return priceSpot{}, false
	}
	m, err := ParsePrice(text, Hint{Currencies: e.hints("")})
	if err == nil && m.Symbol == "" { // a bare number must be all there is
		m, err = ParsePrice(text, Hint{Currencies: e.hints(""), Alone: true})
	}
	if err != nil || m.Amount.IsZero() {
		return priceSpot{}, false
	}
	if nums := scanNumbers(plainDigits(text)); len(nums) > 1 && m.High == nil && !sameNumbers(nums) {
		return priceSpot{}, false
	}
	if hidden(n) {
		return priceSpot{}, false
	}
	strike := n.DataAtom == atom.Del || n.DataAtom == atom.S
	for p, i := n, 0; p != nil && i < 4; p, i = p.Parent, i+1 {
		c := e.doc.priceFlags(classes(p))
		if p.DataAtom == atom.Del || p.DataAtom == atom.S || c.strike {
			strike = true
		} else if i == 0 && c.notPrice || i == 1 && c.notPrice && !saleBox.MatchString(attr(p, "class")) {
			return priceSpot{}, false
		}
	}
	if m.Symbol == "" && !containsAny(strings.ToLower(attr(n, "class")+attr(n, "id")), priceWords) {
		return priceSpot{}, false
	}
	return priceSpot{node: n, money: m, text: text, path: cssPath(n), strike: strike}, true
}

// hasDigit reports a digit of any script in an element's text.
func hasDigit(n *html.Node) bool {
	if n.Type == html.TextNode {
		for _, r := range n.Data {
			if r >= '0' && r <= '9' || r >= 0x80 && unicode.Is(unicode.Nd, r) {
				return true
			}
		}
		return false
	}
	if n.Type == html.ElementNode && unseen(n.DataAtom) {
		return false
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if hasDigit(c) {
			return true
		}
	}
	return false
}

// askedText is the text of a price element without the earlier price that is
// in an element of its own before it: "<s>₹ 399</s> ₹ 249" asks for 249. Where
// the digits of two elements touch ("<span>119</span>99 ₽") a style sheet
// parts or raises them: the second is believed where the page says it elsewhere.
func (e *extraction) askedText(n *html.Node) string {
	n = innermost(n)
	first := n.FirstChild
	for first != nil && first.Type == html.TextNode && strings.TrimSpace(first.Data) == "" {
		first = first.NextSibling
	}
	if first != nil && first.Type == html.ElementNode && first.NextSibling != nil && first.NextSibling.Type == html.TextNode && strings.TrimSpace(first.NextSibling.Data) != "" {
		before, after := Text(first), Clean(first.NextSibling.Data)
		if before != "" && (first.DataAtom == atom.Del || first.DataAtom == atom.S || e.doc.priceFlags(classes(first)).strike) {
			return Clean(strings.TrimPrefix(Text(n), before))
		}
		if touching(n) && first.NextSibling.NextSibling == nil && e.saysElsewhere(before, after) {
			return after
		}
	}
	if touching(n) {
		return ""
	}
	return Text(n)
}

// saysElsewhere reports that of two touching prices the second is lower, and
// is all the text of another element.
func (e *extraction) saysElsewhere(before, after string) bool {
	old, err := ParsePrice(before, Hint{Currencies: e.hints(""), Alone: true})
	if err != nil {
		return false
	}
	now, err := ParsePrice(after, Hint{Currencies: e.hints("")})
	if err != nil || now.Symbol == "" || !now.Amount.LessThan(old.Amount) {
		return false
	}
	if e.alone == nil {
		e.alone = map[string]bool{}
		for _, n := range e.doc.all.list {
			if c := n.FirstChild; c != nil && c.NextSibling == nil && c.Type == html.TextNode && len(c.Data) < 40 {
				e.alone[Clean(c.Data)] = true
			}
		}
	}
	return e.alone[after]
}

// innermost goes down while one element holds all the text, some levels only:
// hostile pages nest without end.
func innermost(n *html.Node) *html.Node {
	for range 8 {
		var only *html.Node
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			switch {
			case c.Type != html.TextNode && c.Type != html.ElementNode || TextLen(c, 0) == 0:
			case c.Type == html.TextNode || only != nil:
				return n
			default:
				only = c
			}
		}
		if only == nil {
			return n
		}
		n = only
	}
	return n
}

// touching reports that the digits of one element end where another's begin.
// Cents that are marked as such have their mark, and digits one by one are an
// animation of a number.
func touching(n *html.Node) bool {
	var before *html.Node
	found := false
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		switch {
		case found || n.Type == html.ElementNode && unseen(n.DataAtom):
			return
		case n.Type == html.TextNode && n.Data != "":
			if before != nil && before.Parent != n.Parent && isDigit(n.Data[0]) && isDigit(before.Data[len(before.Data)-1]) && len(strings.TrimSpace(before.Data)) > 1 {
				found = true
			}
			before = n
			return
		}
		apart := n.Type == html.ElementNode && (blocks(n.DataAtom) || isCents(n))
		if apart {
			before = nil
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
		if apart {
			before = nil
		}
	}
	walk(n)
	return found
}

// saleBox is a box around a price on sale: "discount-container" holds the price
// that is asked, not the discount.
var saleBox = regexp.MustCompile(`(?i)discount[-_]?(?:container|box|wrap\w*|block|group|info)|has[-_]discount`)

var hiddenClass = regexp.MustCompile(`(?i)(?:^|\s)(?:hide|hidden|d-none|is-hidden|u-hidden|display-none)(?:$|\s)`)

func namesHidden(class string) bool {
	return class != "" && containsAny(strings.ToLower(class), hiddenWords) && hiddenClass.MatchString(class)
}

var hiddenWords = []string{"hid", "none"}

// hidden reports an element that the page's own marks hide, as far as that is
// seen without its style sheets.
func hidden(n *html.Node) bool {
	for p, i := n, 0; p != nil && i < 5; p, i = p.Parent, i+1 {
		if _, ok := lookup(p, "hidden"); ok || namesHidden(attr(p, "class")) {
			return true
		}
		if style := strings.ReplaceAll(attr(p, "style"), " ", ""); strings.Contains(style, "display:none") {
			return true
		}
	}
	return false
}

// sameNumbers reports whether a text repeats one number: once for the eye and
// once for the screen reader.
func sameNumbers(nums []number) bool {
	for _, n := range nums[1:] {
		if n.text != nums[0].text {
			return false
		}
	}
	return len(nums) <= 3
}

// contextOf gives the text of the small box around an element.
func contextOf(n *html.Node) string {
	own := shallowText(n)
	for p := n.Parent; p != nil; p = p.Parent {
		if TextLen(p, 170) > 160 {
			return clipRunes(own, 160)
		}
		if t := shallowText(p); len(t) > len(own)+4 {
			return t
		}
	}
	return ""
}

// cssPath names an element for people: its own id or classes and its parent's.
func cssPath(n *html.Node) string {
	one := func(n *html.Node) string {
		if n == nil || n.Type != html.ElementNode {
			return ""
		}
		if id := attr(n, "id"); id != "" {
			return n.Data + "#" + id
		}
		if c := strings.Fields(attr(n, "class")); len(c) > 0 {
			return n.Data + "." + strings.Join(c[:min(2, len(c))], ".")
		}
		return n.Data
	}
	return clipRunes(strings.TrimSpace(one(n.Parent)+" > "+one(n)), 200)
}

// PriceIn gives the text of the first price with a currency inside an element
// of little text; "" when there is none.
func PriceIn(n *html.Node) string {
	for m := range n.Descendants() {
		if m.Type != html.TextNode || len(m.Data) > 80 || !strings.ContainsAny(m.Data, "0123456789") {
			continue
		}
		if money, err := ParsePrice(m.Data, Hint{}); err == nil && money.Symbol != "" && !weakSymbols[strings.ToLower(money.Symbol)] {
			return Clean(m.Data)
		}
	}
	if TextLen(n, 120) > 100 { // $ and 12.99 in elements of their own
		return namedPrice(n)
	}
	if money, err := ParsePrice(Text(n), Hint{Alone: true}); err == nil && money.Symbol != "" {
		return Text(n)
	}
	return ""
}

// inPieces reports an element whose parts are a number and something short: an
// amount and its currency, each in an element of its own.
func inPieces(n *html.Node) bool {
	parts, number := 0, false
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type != html.TextNode && c.Type != html.ElementNode || TextLen(c, 0) == 0 {
			continue
		}
		leaf := c
		for leaf.Type == html.ElementNode && leaf.FirstChild != nil && leaf.FirstChild.NextSibling == nil {
			leaf = leaf.FirstChild
		}
		if leaf.Type != html.TextNode || len(leaf.Data) > 24 {
			return false
		}
		parts++
		number = number || strings.ContainsAny(leaf.Data, "0123456789")
	}
	return number && parts == 2
}

// namedPrice looks for the element that is named after the price, where amount
// and currency stand in elements of their own inside a larger box.
func namedPrice(n *html.Node) string {
	looked := 0
	for m := range n.Descendants() {
		if m.Type != html.ElementNode || looked > 400 {
			continue
		}
		looked++
		if name := strings.ToLower(classes(m)); !containsAny(name, priceWords) && !inPieces(m) || TextLen(m, 60) > 40 {
			continue
		}
		text := Text(m)
		perMonth, _, _ := strings.Cut(text, "/") // 1.200 €/month, but S/ 599
		for _, t := range []string{text, perMonth} {
			if money, err := ParsePrice(t, Hint{Alone: true}); err == nil && money.Symbol != "" {
				return text
			}
		}
	}
	return ""
}
