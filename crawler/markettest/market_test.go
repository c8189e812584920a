package markettest

import (
	"bytes"
	"image"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSameSeedSameBytes(t *testing.T) {
	a, b, other := New(Config{Seed: 5, Day: 2}), New(Config{Seed: 5}), New(Config{Seed: 6, Day: 2})
	b.Advance()
	b.Advance()
	paths := []string{"/", "/shops", SearchPath("aurelle", 2), "/shop/" + luxDeals, "/robots.txt", "/sitemap.xml"}
	for _, l := range a.Listings() {
		if f := faults()[l.Fault]; l.Fault == "" || f.shows && !f.lab && l.Fault != FaultSlowFirstByte {
			paths = append(paths, l.Path)
		}
	}
	for _, key := range []string{"belvoir-1to1", "mini-leet", "tote-whatsapp", "minuit-cheap", "used-corsaire-de"} {
		l := find(t, a, key)
		paths = append(paths, l.PicturePath(0), l.PicturePath(len(l.Pictures)-1))
	}
	same := 0
	for _, p := range paths {
		ra, ba := get(t, a, p)
		rb, bb := get(t, b, p)
		if !bytes.Equal(ba, bb) || ra.StatusCode != rb.StatusCode {
			t.Errorf("%s differs between two markets of one seed", p)
		}
		if _, bo := get(t, other, p); bytes.Equal(ba, bo) && !strings.HasPrefix(p, "/img/") {
			same++
		}
	}
	if same > 3 {
		t.Errorf("%d of %d pages are the same with another seed", same, len(paths))
	}
}

func TestSearchPages(t *testing.T) {
	m := New(Config{Seed: 5})
	var got []string
	path, pages := SearchPath("aurelle", 1), 0
	for path != "" && pages < 20 {
		res, b := get(t, m, path)
		d := parse(t, res, b)
		pages++
		cards := d.Find(".grid .card:not(.card--ad)")
		if cards.Length() > PerPage || cards.Length() == 0 {
			t.Errorf("page %d has %d cards", pages, cards.Length())
		}
		if d.Find(".grid .card--ad").Length() == 0 || d.Find(".also .card").Length() == 0 {
			t.Errorf("page %d has no decoys", pages)
		}
		for _, c := range cards.EachIter() {
			href := c.Find("a").AttrOr("href", "")
			id := itemOf(href)
			l, ok := m.Listing(id)
			if !ok || c.Find(".card__title").Text() != l.Title || strings.TrimSpace(c.Find(".card__price").Contents().First().Text()) != show(l.Price, l.Currency, l.Lang) {
				t.Errorf("card of %s does not say what the listing is", href)
			}
			got = append(got, id)
		}
		path = d.Find("a[rel=next]").AttrOr("href", "")
	}
	var want []string
	for _, l := range m.Results("aurelle") {
		want = append(want, l.ID)
	}
	if !slices.Equal(got, want) || pages < 4 {
		t.Errorf("%d pages gave %d listings, Results gives %d", pages, len(got), len(want))
	}
	for _, key := range []string{"mini-spaced", "mini-leet", "tote-homoglyph", "tote-zero-width", "hidden-link", "zh-yuandan", "wine"} {
		if l := find(t, m, key); !slices.Contains(got, l.ID) {
			t.Errorf("%s is not found by the brand's name", key)
		}
	}
	res, b := get(t, m, SearchPath("xyzzy", 1))
	if d := parse(t, res, b); d.Find("#no-results").Length() != 1 || d.Find(".grid .card").Length() != 0 {
		t.Error("a search for nothing finds something")
	}
	for _, term := range m.SearchTerms() {
		if len(m.Results(term)) == 0 {
			t.Errorf("%q finds nothing", term)
		}
	}
	for _, l := range m.Results("aurelle") {
		if l.lab() {
			t.Errorf("%s is among the usual results", l.Key)
		}
	}
}

func TestPictures(t *testing.T) {
	m := New(Config{Seed: 5})
	br := m.Brand()
	if len(br.Official) != len(br.Models) || len(br.Models) < 10 {
		t.Fatalf("%d official pictures of %d models", len(br.Official), len(br.Models))
	}
	seen := map[string]string{}
	for _, o := range br.Official {
		if _, b := get(t, m, o.Path); !bytes.Equal(b, o.Bytes) {
			t.Errorf("%s is not the official picture", o.Path)
		}
		if was := seen[string(o.Bytes)]; was != "" {
			t.Errorf("%s and %s have one picture", was, o.Model)
		}
		seen[string(o.Bytes)] = o.Model
	}
	stolen, altered := 0, 0
	for _, l := range m.Listings() {
		for i := range l.Pictures {
			// Drawing is slow under the race detector: the later photos of a
			// seller are made as the first one is.
			if i > 0 && l.Pictures[i].Treatment == Untouched && !isOfficial(l.Pictures[i]) {
				continue
			}
			p := l.PicturePath(i)
			res, b := get(t, m, p)
			cfg, kind, err := image.DecodeConfig(bytes.NewReader(b))
			if err != nil || cfg.Width < 300 || "image/"+kind != res.Header.Get("Content-Type") {
				t.Errorf("%s %s: %v, %d px, %s", l.Key, p, err, cfg.Width, kind)
			}
			official := slices.ContainsFunc(br.Official, func(o OfficialImage) bool { return bytes.Equal(o.Bytes, b) })
			if official && l.Expect.Label == Counterfeit {
				stolen++
			}
			if official && l.Expect.Label != Counterfeit && l.Expect.Label != Authorised {
				t.Errorf("%s (%s) has the brand's own picture", l.Key, l.Expect.Label)
			}
			if l.Pictures[i].Treatment != Untouched {
				altered++
			}
		}
	}
	if stolen < 8 || altered < 6 {
		t.Errorf("%d stolen pictures, %d altered ones", stolen, altered)
	}
	// What a shop shows of one model it does not share with shops it has
	// nothing to do with.
	a := find(t, m, "used-belvoir-gb")
	b := find(t, m, "used-belvoir-de")
	if bytes.Equal(m.PictureBytes(a, 0), m.PictureBytes(b, 0)) {
		t.Error("two honest sellers share a photo")
	}
}

func TestAdvance(t *testing.T) {
	m := New(Config{Seed: 5})
	kinds := map[ChangeKind]int{}
	for day := 1; day <= 9; day++ {
		before := m.world.Load()
		for _, c := range m.Advance() {
			kinds[c.Kind]++
			now, ok := m.Listing(c.Key)
			if !ok || c.Day != day || now.ID != c.ID {
				t.Fatalf("day %d: %+v", day, c)
			}
			if c.Kind == Relisted {
				checkRelist(t, m, now)
				continue
			}
			was := before.listings[before.byKey[c.Key]]
			checkChange(t, m, c, was, now)
		}
	}
	for k, want := range map[ChangeKind]int{PriceChanged: 27, Sanitised: 5, ImageChanged: 9, WasRemoved: 9, Relisted: 8, SoldOut: 2} {
		if kinds[k] < want {
			t.Errorf("%s happened %d times in nine days, want at least %d", k, kinds[k], want)
		}
	}
	if m.Day() != 9 || len(m.Changes()) < 60 {
		t.Errorf("day %d, %d changes", m.Day(), len(m.Changes()))
	}
}

// TestManyDays: the market lives on, and its worlds stay quick to make.
func TestManyDays(t *testing.T) {
	m := New(Config{Seed: 5, Day: 400})
	copies := 0
	for _, l := range m.Listings() {
		if l.Expect.Suspicious {
			copies++
			if l.Price == "0.00" || l.Price == "0" {
				t.Errorf("%s costs nothing", l.Key)
			}
		}
	}
	if copies < 30 {
		t.Errorf("%d copies are left after 400 days", copies)
	}
}

func checkChange(t *testing.T, m *Market, c Change, was, now Listing) {
	t.Helper()
	res, b := get(t, m, now.Path)
	switch c.Kind {
	case PriceChanged:
		if was.Price != c.Before || now.Price != c.After || now.Expect.Price != c.After || c.Before == c.After {
			t.Errorf("%+v: %s -> %s", c, was.Price, now.Price)
		}
	case Sanitised:
		if now.Title != c.After || strings.Contains(now.Title, "Aurelle") || now.ID != was.ID {
			t.Errorf("%+v: %q", c, now.Title)
		}
	case ImageChanged:
		if _, pic := get(t, m, c.After); bytes.Equal(pic, m.PictureBytes(was, 0)) || len(pic) == 0 {
			t.Errorf("%+v: the picture is the same", c)
		}
		if res, _ := get(t, m, c.Before); res.StatusCode != 200 {
			t.Errorf("%+v: the old picture answers %d", c, res.StatusCode)
		}
	case WasRemoved:
		if res.StatusCode != 404 || now.Expect.Outcome != "removed" || was.Expect.Outcome != "captured" {
			t.Errorf("%+v: %d, %+v", c, res.StatusCode, now.Expect)
		}
	case SoldOut:
		if parse(t, res, b).Find("#item-status").Length() == 0 && now.Page != State {
			t.Errorf("%+v: the page does not say sold", c)
		}
	}
}

func checkRelist(t *testing.T, m *Market, now Listing) {
	t.Helper()
	old, ok := m.Listing(now.RelistOf)
	if !ok || old.ID == now.ID || old.Shop.ID == now.Shop.ID || old.Expect.Outcome != "removed" {
		t.Errorf("%s is no relisting of %s", now.Key, now.RelistOf)
	}
	if !bytes.Equal(m.PictureBytes(old, 0), m.PictureBytes(now, 0)) || old.PicturePath(0) == now.PicturePath(0) {
		t.Errorf("%s: the picture is not the same under another name", now.Key)
	}
	if res, _ := get(t, m, now.Path); res.StatusCode != 200 {
		t.Errorf("%s answers %d", now.Key, res.StatusCode)
	}
	if slices.ContainsFunc(m.Results("aurelle"), func(l Listing) bool { return l.ID == old.ID }) {
		t.Errorf("%s is still found a day after its removal", old.Key)
	}
}

func TestRobotsAndSitemap(t *testing.T) {
	m := New(Config{Seed: 5, CrawlDelay: 4 * time.Second})
	_, b := get(t, m, "/robots.txt")
	l := m.WithFault(FaultRobots)[0]
	for _, line := range []string{"User-agent: *", "Crawl-delay: 4", "Disallow: /cart", "Disallow: /item/" + l.ID + "/", "Sitemap: http://127.0.0.1:8095/sitemap.xml"} {
		if !strings.Contains(string(b), line+"\n") {
			t.Errorf("robots.txt lacks %q", line)
		}
	}
	if _, b := get(t, New(Config{CrawlDelay: -1}), "/robots.txt"); bytes.Contains(b, []byte("Crawl-delay")) {
		t.Error("a negative delay is in robots.txt")
	}
	if _, b := get(t, m, "/sitemap.xml"); bytes.Count(b, []byte("<loc>")) < 90 {
		t.Error("the sitemap is short")
	}
}

// TestTogether lets readers and a day pass at once; for -race.
func TestTogether(t *testing.T) {
	m := New(Config{Seed: 5})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, l := range m.Listings()[:20] {
				get(t, m, l.Path)
				get(t, m, l.PicturePath(0))
				m.Log()
			}
		})
	}
	for range 3 {
		m.Advance()
	}
	wg.Wait()
}

func TestMoney(t *testing.T) {
	for _, c := range []struct{ price, cur, lang, want string }{
		{"1450.00", "EUR", "en", "€1,450.00"},
		{"1450.00", "EUR", "de", "1.450,00\u00a0€"},
		{"1450.00", "EUR", "fr", "1\u202f450,00\u00a0€"},
		{"138000", "JPY", "ja", "138,000円"},
		{"32000", "JPY", "en", "¥32,000"},
		{"680.00", "CNY", "zh", "¥680.00"},
		{"2150000", "VND", "vi", "2.150.000\u00a0₫"},
		{"1299.90", "BRL", "pt", "R$\u00a01.299,90"},
		{"399.00", "AED", "ar", "399.00 د.إ"},
		{"5.00", "CHF", "en", "CHF 5.00"},
		{"59.90", "USD", "en", "US $59.90"},
	} {
		if got := show(c.price, c.cur, c.lang); got != c.want {
			t.Errorf("%s %s %s: %q, want %q", c.price, c.cur, c.lang, got, c.want)
		}
	}
}
