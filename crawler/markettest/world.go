package markettest

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// world is the marketplace on one day. It does not change.
type world struct {
	day      int
	listings []Listing // in the order of the catalogue; later ones after
	byID     map[string]int
	byKey    map[string]int
	shops    map[string]Shop
	pictures map[string]Picture // by file name, those of earlier days too
	changes  []Change
	changed  map[string]int // by key: the day of the last change
	removed  map[string]int // by key: the day of the removal
}

// build makes the world of a day from the seed alone.
func build(seed int64, day int) *world {
	w := &world{byID: map[string]int{}, byKey: map[string]int{}, shops: map[string]Shop{}, pictures: map[string]Picture{}, changed: map[string]int{}, removed: map[string]int{}}
	for _, s := range shops() {
		w.shops[s.ID] = s
	}
	for _, g := range catalogue() {
		w.add(newListing(seed, g, w.shops[g.shop]))
	}
	for d := 1; d <= day; d++ {
		w.live(seed, d)
	}
	for id, s := range w.shops {
		s.AgeDays += day
		w.shops[id] = s
	}
	for i := range w.listings {
		w.listings[i].Shop = w.shops[w.listings[i].Shop.ID]
	}
	w.day = day
	return w
}

func (w *world) add(l Listing) {
	w.byID[l.ID], w.byKey[l.Key] = len(w.listings), len(w.listings)
	w.listings = append(w.listings, l)
	w.keepPictures(l)
}

func (w *world) keepPictures(l Listing) {
	for i, p := range l.Pictures {
		w.pictures[pictureName(l.Key, i, p)] = p
	}
}

// pictureName is as meaningless as on real marketplaces: two listings with the
// same photo have two names for it.
func pictureName(key string, i int, p Picture) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%d/%s", key, i, p.spec())
	return fmt.Sprintf("%016x", h.Sum64())
}

// source is the randomness of one thing: it does not depend on what else is
// in the catalogue.
func source(seed int64, what string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(what))
	return rand.New(rand.NewPCG(uint64(seed), h.Sum64()))
}

func newID(seed int64, key string) string {
	return fmt.Sprintf("%012d", 200_000_000_000+source(seed, "id "+key).Int64N(700_000_000_000))
}

func newListing(seed int64, g good, shop Shop) Listing {
	l := Listing{
		Key: g.key, ID: newID(seed, g.key), Shop: shop, Page: cmp.Or(g.page, JSONLD), Fault: g.fault,
		Lang: cmp.Or(g.lang, "en"), Charset: cmp.Or(g.charset, "utf-8"),
		Title: g.title, Text: g.text, Price: g.price, Strike: g.strike, Currency: g.cur,
		Condition: "new", BrandAttr: g.brand, Category: g.cat,
		Stock: max(g.stock, 1), Sold: g.sold, ShipsFrom: shop.Country, MinimumOrder: g.moq,
		Pictures: g.pics, Cookies: g.cookies, Lazy: g.lazy,
	}
	if g.used {
		l.Condition = "used"
	}
	l.Keywords = g.words
	if g.model != "" {
		md := modelByCode(g.model)
		l.Category = md.Category
		l.Keywords = strings.Join([]string{g.words, "maison aurelle 欧瑞尔 オーレル", md.Name, md.Code, md.Category}, " ")
		if g.label == Authorised || strings.Contains(g.title, md.Code) {
			l.Model = md.Code
		}
		if len(l.Pictures) == 0 {
			l.Pictures = []Picture{md.officialPhoto(), {shape: md.shape, colour: md.colour, view: angled}}
		}
	}
	l.Pictures = takenBy(shop, l.Pictures)
	l.Path = "/item/" + l.ID + "/" + slug(l.Title)
	l.Expect = expect(l, g)
	return l
}

// network are shops behind which the same people stand: they share photos.
var network = map[string]string{luxDeals: mirrorHouse, freshShop: mirrorHouse, gulfLuxury: mirrorHouse}

// takenBy makes photos those of a seller. Studio photos are the brand's.
func takenBy(shop Shop, ps []Picture) []Picture {
	h := fnv.New32a()
	h.Write([]byte(cmp.Or(network[shop.ID], shop.ID)))
	out := slices.Clone(ps)
	for i := range out {
		if out[i].view != studio {
			out[i].take = int(h.Sum32() % 9973)
		}
	}
	return out
}

// isOfficial reports whether a picture is one of the brand's, whatever was
// done to it.
func isOfficial(p Picture) bool {
	p = p.with(Untouched, "")
	return slices.ContainsFunc(models(), func(m Model) bool { return m.officialPhoto() == p })
}

// expect is the truth about a listing. The page must say it, see the tests.
func expect(l Listing, g good) Expect {
	e := Expect{
		Outcome: string(capture.Captured), Title: l.Title, Price: l.Price, Currency: l.Currency, Seller: l.Shop.Name,
		ItemID: l.ID, Availability: "in_stock", Label: g.label, Suspicious: g.label == Counterfeit,
		Signals: strings.Fields(g.sig), NeedsBrowser: l.Page == Script,
	}
	if e.Suspicious && !slices.Contains(e.Signals, SigImage) && slices.ContainsFunc(l.Pictures, isOfficial) {
		e.Signals = append(e.Signals, SigImage)
	}
	if l.Page == Script {
		e.Plain = string(capture.Shell)
	}
	if l.Fault == "" {
		return e
	}
	f := faults()[l.Fault]
	e.Outcome, e.Plain = string(f.outcome), string(f.plain)
	if l.Fault == FaultSoldOut {
		e.Availability = "sold"
	}
	if !f.shows {
		// What cannot be seen cannot be judged.
		e.Title, e.Price, e.Currency, e.Seller, e.Availability, e.Suspicious = "", "", "", "", "", false
	}
	return e
}

func (l Listing) lab() bool { return faults()[l.Fault].lab }

// slug is for people; the id decides.
func slug(title string) string {
	s := strings.Map(func(r rune) rune {
		switch {
		case r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			return unicode.ToLower(r)
		case unicode.Is(unicode.Mn, r) || r == '\u200b':
			return -1
		}
		return ' '
	}, norm.NFD.String(title))
	words := strings.Fields(s)
	return cmp.Or(strings.Join(words[:min(len(words), 8)], "-"), "item")
}

// fold makes text comparable for the search: lower case, no accents.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) || r == '\u200b' {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFD.String(s))
}

// search gives the listings for a query, best first: those that match more of
// its words come first, and among them an order that depends on the seed.
// Listings that are gone for good stay in the index for the day of their
// removal, as on real marketplaces.
func (w *world) search(seed int64, q string) []Listing {
	type hit struct {
		l Listing
		n int
		r uint64
	}
	var hits []hit
	for _, l := range w.listings {
		text := fold(l.Title + " " + l.Keywords + " " + l.Category)
		if l.lab() {
			text = "faultlab"
		}
		n := 0
		for tok := range strings.FieldsSeq(fold(q)) {
			if strings.Contains(text, tok) {
				n++
			}
		}
		if n > 0 && !w.unlisted(l) {
			hits = append(hits, hit{l, n, source(seed, "rank "+l.Key).Uint64()})
		}
	}
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.r, b.r))
	})
	out := make([]Listing, len(hits))
	for i, h := range hits {
		out[i] = h.l
	}
	return out
}
