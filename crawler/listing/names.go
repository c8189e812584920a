package listing

import (
	"regexp"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// commonDecoy are the names that shops give to parts with other products.
var commonDecoy = regexp.MustCompile(`(?i)(?:^|[-_\s])(?:recommend\w*|related|similar|upsell\w*|cross-?sells?|also-?(?:viewed|bought|like\w*)|you-?may-?(?:also-?)?like|carousel|recently-?viewed|sponsored|frequently|bundles?|mini-?cart|cart-?drawer|more-?from|other-?items|suggest\w*|compar(?:e|ison)|bulk-?\w*|bought-?together)(?:$|[-_\s])|recommendation|relatedProduct|similarItems|alsoBought|recentlyViewed`)

// notPrice are the names of elements that hold a price which is not the one
// asked for now.
var notPrice = regexp.MustCompile(`(?i)strike|old|was\b|was-|regular|original|list-?price|msrp|rrp|compare|before|previous|crossed|shipping|delivery|unit|per-|saving|save|discount(?:[^e]|$)|instal|monthly|finance|coupon|rebate|tax|vat|deposit|threshold|minimum|in-?app|max|filter|range-?slider|total|label|tooltip`)

var strikeName = regexp.MustCompile(`(?i)strike|old-?price|was-?price|price-?was|regular-?price|original-?price|list-?price|msrp|compare|crossed|before`)

// nameFlags are what a text of class names says. A page repeats the same few
// hundred texts a thousand times: they are judged once.
type nameFlags struct{ decoy, price, notPrice, strike bool }

// Words without which the expressions cannot match: looking for them first is
// ten times cheaper.
var (
	decoyWords   = []string{"recommend", "related", "similar", "upsell", "cross", "also", "may", "carousel", "recently", "sponsored", "frequently", "bundle", "cart", "more", "other", "suggest", "compar", "bulk", "together"}
	galleryWords = []string{"image", "photo", "gallery", "picture", "thumb"}
	priceWords   = []string{"price", "preis", "prix", "precio", "prezzo", "preco", "cena", "amount"}
)

// plainName writes class names the way the expressions expect them.
var plainName = strings.NewReplacer("_", "-")

func containsAny(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

func (d *Document) flags(name string) nameFlags {
	if name == "" {
		return nameFlags{}
	}
	f, ok := d.names[name]
	if !ok {
		low := strings.ToLower(name)
		f = nameFlags{decoy: containsAny(low, decoyWords) && commonDecoy.MatchString(name) && !isGallery(low), price: containsAny(low, priceWords)}
		if d.names == nil {
			d.names = map[string]nameFlags{}
		}
		d.names[name] = f
	}
	return f
}

// isGallery reports a carousel of the item's own pictures; low is in lower case.
func isGallery(low string) bool {
	return strings.Contains(low, "carousel") && containsAny(low, galleryWords) && !commonDecoy.MatchString(strings.ReplaceAll(low, "carousel", ""))
}

// priceFlags judges the names around a price.
func (d *Document) priceFlags(name string) nameFlags {
	if name == "" {
		return nameFlags{}
	}
	f, ok := d.around[name]
	if !ok {
		f = nameFlags{notPrice: notPrice.MatchString(plainName.Replace(name)), strike: strikeName.MatchString(plainName.Replace(name))}
		if d.around == nil {
			d.around = map[string]nameFlags{}
		}
		d.around[name] = f
	}
	return f
}

func classes(n *html.Node) string {
	found, only := 0, ""
	for _, a := range n.Attr {
		if isName(a.Key) {
			found, only = found+1, a.Val
		}
	}
	if found == 0 {
		return ""
	}
	if found == 1 {
		return clipRunes(only, 300)
	}
	var b strings.Builder
	for _, a := range n.Attr {
		if isName(a.Key) {
			b.WriteString(clipRunes(a.Val, 300))
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// isName reports the attributes in which shops say what an element is.
func isName(key string) bool {
	switch key {
	case "class", "id", "data-testid", "data-test", "data-qa", "data-automation":
		return true
	}
	return false
}

// markCommonDecoys marks the page's furniture and the parts that are named
// after other products, unless they hold the page's heading.
func (d *Document) markCommonDecoys() {
	holdsTitle := map[*html.Node]bool{}
	for _, h := range d.headings[:min(len(d.headings), 20)] {
		for p := h; p != nil; p = p.Parent {
			holdsTitle[p] = true
		}
	}
	for _, n := range d.all.list {
		if holdsTitle[n] {
			continue
		}
		switch n.DataAtom {
		case atom.Footer, atom.Nav:
			d.decoySet[n] = true
		case atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
			if p := n.Parent; p != nil && headsOthers(n) && !holdsTitle[p] && p.DataAtom != atom.Body {
				d.decoySet[p] = true
			}
		case atom.Div, atom.Section, atom.Ul, atom.Aside, atom.Ol, atom.Article:
			if name := classes(n); d.flags(name).decoy {
				d.decoySet[n] = true
			}
		}
	}
}

// similarHeading is the heading of a part with other items.
var similarHeading = regexp.MustCompile(`(?i)^(?:(?:similar|related|recommended|sponsored) (?:products?|items?|ads?|listings?|articles?)\b|you (?:may|might) also like|customers also|people also|похожие|рекомендуем|с этим товаром|ähnliche|das könnte|ces annonces|annonces similaires|produits similaires|vous aimerez|productos (?:similares|relacionados)|también te|produtos (?:semelhantes|relacionados|similares)|quem viu|prodotti (?:simili|correlati)|potrebbe interessarti|gerelateerde|vergelijkbare|anderen bekeken|podobne|benzer|相关|猜你喜欢|関連|この商品を|비슷한|sản phẩm (?:tương tự|liên quan)|produk (?:serupa|terkait))`)

// headsOthers reports an element that is the heading of other items.
func headsOthers(n *html.Node) bool {
	switch n.DataAtom {
	case atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		return TextLen(n, 80) <= 70 && similarHeading.MatchString(Text(n))
	}
	return false
}
