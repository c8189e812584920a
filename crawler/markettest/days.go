package markettest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// ChangeKind is what happened to a listing from one day to the next.
type ChangeKind string

// The kinds of changes.
const (
	PriceChanged ChangeKind = "price"
	Sanitised    ChangeKind = "sanitised" // the brand left the title
	ImageChanged ChangeKind = "image"
	WasRemoved   ChangeKind = "removed"  // answers 404 from this day on
	Relisted     ChangeKind = "relisted" // the same goods, another shop, a new id
	SoldOut      ChangeKind = "sold"
)

// Change is one thing that happened to one listing.
type Change struct {
	Day    int
	Kind   ChangeKind
	Key    string // of the listing
	ID     string
	Before string // price, title, picture path, or for Relisted the old id
	After  string
}

// live makes a day happen. Each day: three prices, one title, one picture, one
// removal, and what was removed the day before comes back with another shop.
// Every third day a second-hand piece is sold.
func (w *world) live(seed int64, day int) {
	r := source(seed, fmt.Sprint("day ", day))
	pick := func(ok func(Listing) bool) *Listing {
		var from []int
		for i, l := range w.listings {
			if l.Fault == "" && l.Since < day && ok(l) && !w.changedOn(l.Key, day) {
				from = append(from, i)
			}
		}
		if len(from) == 0 {
			return nil
		}
		return &w.listings[from[r.IntN(len(from))]]
	}
	copyOf := func(l Listing) bool { return l.Expect.Label == Counterfeit }

	for _, l := range slices.Clone(w.listings) {
		if w.removed[l.Key] == day-1 && day > 1 {
			w.relist(seed, day, l.Key)
		}
	}
	// A fall by 40 % one day, a rise as large the next: prices do not drift.
	for _, factor := range []string{[]string{"1.66", "0.60"}[day%2], "0.92", "1.09"} {
		if l := pick(func(l Listing) bool { return l.Expect.Label != Authorised }); l != nil {
			before := l.Price
			l.Price = scale(l.Price, factor)
			l.Expect.Price = l.Price
			w.note(Change{day, PriceChanged, l.Key, l.ID, before, l.Price})
		}
	}
	if l := pick(func(l Listing) bool { return copyOf(l) && l.Title != sanitise(l.Title) }); l != nil {
		before := l.Title
		l.Title = sanitise(l.Title)
		l.Expect.Title = l.Title
		w.note(Change{day, Sanitised, l.Key, l.ID, before, l.Title})
	}
	if l := pick(func(l Listing) bool { return copyOf(l) && len(l.Pictures) > 0 }); l != nil {
		before := l.PicturePath(0)
		l.Pictures = slices.Clone(l.Pictures)
		p := l.Pictures[0]
		p.view = map[view]view{studio: market, market: angled, angled: table, table: studio, detail: market}[p.view]
		p.Treatment, p.note, p.plain = Untouched, "", true
		p = takenBy(l.Shop, []Picture{p})[0]
		l.Pictures[0] = p
		w.keepPictures(*l)
		w.note(Change{day, ImageChanged, l.Key, l.ID, before, l.PicturePath(0)})
	}
	if l := pick(copyOf); l != nil {
		l.Fault = FaultRemoved
		w.note(Change{day, WasRemoved, l.Key, l.ID, l.Path, ""})
		l.hide(capture.Removed)
	}
	if day%3 == 0 {
		if l := pick(func(l Listing) bool { return l.Condition == "used" && l.Page != Script }); l != nil {
			l.Fault, l.Expect.Outcome, l.Expect.Availability = FaultSoldOut, string(capture.Sold), "sold"
			w.note(Change{day, SoldOut, l.Key, l.ID, "in_stock", "sold"})
		}
	}
}

// hide makes the truth that of a page that shows nothing.
func (l *Listing) hide(o capture.Outcome) {
	e := &l.Expect
	e.Outcome, e.Plain, e.NeedsBrowser = string(o), "", false
	e.Title, e.Price, e.Currency, e.Seller, e.Availability, e.Suspicious = "", "", "", "", "", false
}

func (w *world) note(c Change) {
	w.changes = append(w.changes, c)
	w.changed[c.Key] = c.Day
	if c.Kind == WasRemoved {
		w.removed[c.Key] = c.Day
	}
}

func (w *world) changedOn(key string, day int) bool { return w.changed[key] == day }

// unlisted says that the search no longer gives a listing: a day after its
// removal.
func (w *world) unlisted(l Listing) bool {
	day, gone := w.removed[l.Key]
	return gone && day < w.day
}

// relist puts removed goods back: another shop that sells copies, a new id,
// the same pictures, a title with a few words moved.
func (w *world) relist(seed int64, day int, key string) {
	old := w.listings[w.byKey[key]]
	sellers := []string{freshShop, luxDeals, outletKing, gulfLuxury}
	r := source(seed, fmt.Sprint("relist ", key, day))
	shop := sellers[r.IntN(len(sellers))]
	for shop == old.Shop.ID {
		shop = sellers[r.IntN(len(sellers))]
	}
	l := old
	l.Key = fmt.Sprintf("%s-again%d", strings.SplitN(key, "-again", 2)[0], day)
	l.ID, l.Shop, l.Since, l.RelistOf, l.Fault = newID(seed, l.Key), w.shops[shop], day, old.Key, ""
	l.ShipsFrom = l.Shop.Country
	l.Title = "HOT " + strings.TrimPrefix(old.Title, "HOT ")
	l.Path = "/item/" + l.ID + "/" + slug(l.Title)
	l.Price = scale(old.Price, "0.95")
	l.Sold = 0
	e := old.Expect
	e.Outcome, e.Plain = string(capture.Captured), ""
	if l.Page == Script {
		e.Plain, e.NeedsBrowser = string(capture.Shell), true
	}
	e.Title, e.Price, e.Currency, e.Seller, e.ItemID = l.Title, l.Price, l.Currency, l.Shop.Name, l.ID
	e.Availability, e.Suspicious = "in_stock", true
	l.Expect = e
	w.add(l)
	w.note(Change{day, Relisted, l.Key, l.ID, old.ID, l.ID})
}

// scale multiplies a price and keeps its number of decimals.
func scale(price, factor string) string {
	p := decimal.RequireFromString(price)
	places := -p.Exponent()
	return p.Mul(decimal.RequireFromString(factor)).Round(places).StringFixed(places)
}

// sanitise takes the brand out of a title, as sellers do after a notice.
func sanitise(title string) string {
	r := strings.NewReplacer("Maison Aurelle ", "Designer ", "Maison Aurelle", "Designer", "Aurelle ", "Luxury ", "Aurelle", "Luxury",
		"欧瑞尔 ", "大牌 ", "奥瑞尔 ", "大牌 ", "オーレル ", "高級 ", "ออเรลล์ ", "แบรนด์ ", "أوريل ", "فاخرة ")
	return r.Replace(title)
}
