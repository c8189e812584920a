package markettest

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

func parsePages() *template.Template {
	return template.Must(template.ParseFS(templateFiles, "templates/*.html"))
}

// site is what every page has around it.
type site struct {
	Lang, Charset, HeadTitle, Canonical, Q, CDN, BodyClass string
	T                                                      words
	Cats                                                   []string
	HeadExtra, FootExtra, Body                             template.HTML
	LD                                                     template.JS
	OG, RDFa, Cookies                                      bool
	Also                                                   []card
}

// card is a listing in a grid.
type card struct {
	ID, Href, Img, Title, Price, Strike, Shop, Country, Sold, Ad string
}

func (m *Market) site(r *http.Request, lang string) site {
	return site{
		Lang: lang, Charset: "utf-8", HeadTitle: "Pellamart", T: language(lang), CDN: m.cdn(r),
		Cats: []string{"Bags", "Watches", "Shoes", "Belts", "Fragrance", "Eyewear", "Books", "Wine", "Kitchen"},
	}
}

// base is scheme and host as the client named them.
func base(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// cdn is the host of pictures and scripts: its own one when the client came by
// name, the same one when it came by address.
func (m *Market) cdn(r *http.Request) string { return m.sibling(r, "cdn", "") }

func (m *Market) sibling(r *http.Request, name, otherwise string) string {
	host := hostOnly(r.Host)
	if !strings.HasSuffix(host, "."+m.cfg.Domain) {
		return otherwise
	}
	return strings.Replace(base(r), host, name+"."+m.cfg.Domain, 1)
}

func (m *Market) card(r *http.Request, l Listing, from string) card {
	c := card{
		ID: l.ID, Href: l.Path + from, Img: m.cdn(r) + l.PicturePath(0), Title: l.Title,
		Price: show(l.Price, l.Currency, l.Lang), Strike: strike(l), Shop: l.Shop.Name, Country: l.Shop.Country,
	}
	if l.Sold > 0 {
		c.Sold = fmt.Sprintf("%d sold", l.Sold)
	}
	return c
}

// alsoBought are cards of things nobody asked for: prices and links that are
// not those of the page.
func (m *Market) alsoBought(r *http.Request, w *world, seedKey string) []card {
	var pool []Listing
	for _, l := range w.listings {
		if l.Expect.Label == Unrelated && l.Fault == "" {
			pool = append(pool, l)
		}
	}
	src := source(m.cfg.Seed, "also "+seedKey)
	src.Shuffle(len(pool), func(i, j int) { pool[i], pool[j] = pool[j], pool[i] })
	var out []card
	for _, l := range pool[:min(5, len(pool))] {
		out = append(out, m.card(r, l, "?ref=also"))
	}
	return out
}

// itemPage is everything a listing's page shows.
type itemPage struct {
	site
	L                                                        Listing
	PageKind                                                 string
	Empty, SoldOut                                           bool
	State                                                    template.JS
	Images, Lazy, Below                                      []string
	MainImage, OGImage, OGPrice                              string
	Price, Strike, Approx, Instalment, ShipCost              string
	Condition, Stock, Sold, Initial, Positive, Feedback, Age string
	Hidden                                                   template.HTML
	Reviews                                                  []review
}

type review struct{ By, Stars, Text string }

// A gives the attributes of an element: its class, and what the page's way of
// marking things up adds.
func (p itemPage) A(what string) template.HTMLAttr {
	class := map[string]string{"title": "lst-title", "price": "lst-price", "seller": "lst-seller", "description": "lst-text"}[what]
	out := ""
	if p.L.Page == OpenGraph {
		class = map[string]string{"title": "x1qa", "price": "x7bd", "seller": "x3fe", "description": "x9kk"}[what]
	}
	if class != "" {
		out = `class="` + class + `"`
	}
	price := template.HTMLEscapeString(p.L.Price)
	switch p.L.Page {
	case Microdata:
		out += map[string]string{
			"root": ` itemscope itemtype="https://schema.org/Product"`, "title": ` itemprop="name"`, "image": ` itemprop="image"`,
			"description": ` itemprop="description"`, "brand": ` itemprop="brand"`,
			"offer": ` itemprop="offers" itemscope itemtype="https://schema.org/Offer"`, "price": ` itemprop="price" content="` + price + `"`,
		}[what]
	case RDFa:
		out += map[string]string{
			"root": ` vocab="https://schema.org/" typeof="Product"`, "title": ` property="name"`, "image": ` property="image"`,
			"description": ` property="description"`, "brand": ` property="brand"`,
			"offer": ` property="offers" typeof="Offer"`, "price": ` property="price" content="` + price + `"`,
		}[what]
	}
	return template.HTMLAttr(strings.TrimSpace(out))
}

func (m *Market) itemPage(r *http.Request, w *world, l Listing) itemPage {
	p := itemPage{site: m.site(r, l.Lang), L: l, PageKind: string(l.Page), SoldOut: l.Fault == FaultSoldOut}
	p.Charset, p.Canonical, p.HeadTitle = l.Charset, base(r)+l.Path, l.Title+" | Pellamart"
	p.BodyClass = "kind-item"
	t := p.T
	p.Images = nil
	for i := range l.Pictures {
		p.Images = append(p.Images, p.CDN+l.PicturePath(i))
	}
	p.MainImage = p.Images[0]
	if l.Lazy {
		p.Lazy, p.Images = p.Images, p.Images[:1]
	}
	p.Price, p.Strike = show(l.Price, l.Currency, l.Lang), strike(l)
	p.Instalment, p.ShipCost = show(part(l.Price, 4), l.Currency, l.Lang), show(shipping(l.Currency), l.Currency, l.Lang)
	p.Condition = map[string]string{"new": t.New, "used": t.Used}[l.Condition]
	p.Stock, p.Sold = fmt.Sprintf(t.Available, l.Stock), fmt.Sprintf(t.Sold, l.Sold)
	p.Initial = initial(l.Shop.Name)
	p.Positive, p.Feedback, p.Age = percent(l.Shop.Positive), fmt.Sprintf(t.Feedback, l.Shop.Feedback), fmt.Sprintf(t.DaysHere, l.Shop.AgeDays)
	p.Also, p.Reviews = m.alsoBought(r, w, l.Key), m.reviews(l)
	p.LD = structured(l, base(r), absolute(base(r), p.Images))
	c, err := r.Cookie("consent")
	p.Cookies = l.Cookies && (err != nil || c.Value != "1")
	m.mark(&p, r)
	return p
}

// mark adds what the kind of page asks for.
func (m *Market) mark(p *itemPage, r *http.Request) {
	switch p.L.Page {
	case Script:
		p.Empty, p.HeadTitle, p.Canonical, p.Also = true, "Pellamart", "", nil
	case State:
		p.Empty = true
		p.State = jsonText(node{"app": node{"version": "4.2.1"}, "item": itemData(p.L, p.CDN, p.T)})
	case Converted:
		p.Approx = show(toUSD(p.L.Price, p.L.Currency), "USD", p.L.Lang)
	case Microdata:
		p.Hidden = template.HTML(`<meta itemprop="priceCurrency" content="` + p.L.Currency + `"><link itemprop="availability" href="` + availability(p.L) + `">`)
	case RDFa:
		p.RDFa = true
		p.Hidden = template.HTML(`<meta property="priceCurrency" content="` + p.L.Currency + `"><link property="availability" href="` + availability(p.L) + `">`)
	case OpenGraph:
		p.OG, p.OGImage, p.OGPrice = true, absolute(base(r), p.Images)[0], p.L.Price
		if p.L.Lang == "fr" || p.L.Lang == "pt" {
			p.OGPrice = strings.ReplaceAll(p.L.Price, ".", ",") // as shops there write it
		}
	}
}

// reviews are what buyers say: less of goods that few bought, worse of shops
// with worse feedback, and prices in it that are not the price.
func (m *Market) reviews(l Listing) []review {
	good := []string{"Arrived quickly, well packed. Thank you!", "Exactly as described.", "Third time I buy here, always good.", "Nice, and cheaper than the $20 I paid elsewhere.", "Lovely colour, better than in the pictures."}
	bad := []string{"The stitching came loose after a week.", "Took five weeks to arrive.", "Smells of glue, sent it back.", "Not what I expected for the money."}
	names := []string{"m***a", "jo.k", "Lena S.", "t_88", "Pascal", "yuki*", "Ana R.", "o***n"}
	src := source(m.cfg.Seed, "reviews "+l.Key)
	var out []review
	for range min(3, l.Sold/5) {
		rv := review{By: names[src.IntN(len(names))], Stars: "★★★★★", Text: good[src.IntN(len(good))]}
		if src.Float64()*12 < 100-l.Shop.Positive {
			rv.Stars, rv.Text = "★★☆☆☆", bad[src.IntN(len(bad))]
		}
		out = append(out, rv)
	}
	return out
}

func availability(l Listing) string {
	if l.Fault == FaultSoldOut {
		return "https://schema.org/SoldOut"
	}
	return "https://schema.org/InStock"
}

func absolute(base string, paths []string) []string {
	out := make([]string, len(paths))
	for i, p := range paths {
		if out[i] = p; strings.HasPrefix(p, "/") {
			out[i] = base + p
		}
	}
	return out
}

func shipping(currency string) string {
	return cmp.Or(map[string]string{"JPY": "880", "VND": "32000", "THB": "45.00", "CNY": "12.00", "BRL": "24.90", "AED": "20.00"}[currency], "5.95")
}

func initial(name string) string {
	for _, r := range name {
		return strings.ToUpper(string(r))
	}
	return "?"
}

func percent(p float64) string {
	if p == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f%%", p)
}

// bytesOf renders a page to UTF-8.
func (m *Market) bytesOf(name string, data any) []byte {
	var b bytes.Buffer
	if err := m.pages.ExecuteTemplate(&b, name, data); err != nil {
		panic("markettest: page " + name + ": " + err.Error()) // the templates are ours; tests render all
	}
	return b.Bytes()
}

// encode turns UTF-8 into the charset of a page; what it does not have becomes
// a character reference.
func encode(b []byte, charset string) []byte {
	var enc encoding.Encoding
	switch charset {
	case "gb18030":
		enc = simplifiedchinese.GB18030
	case "euc-jp":
		enc = japanese.EUCJP
	default:
		return b
	}
	out, err := encoding.HTMLEscapeUnsupported(enc.NewEncoder()).Bytes(b)
	if err != nil {
		panic("markettest: encoding a page: " + err.Error())
	}
	return out
}

// searchPage is one page of results.
type searchPage struct {
	site
	Total            int
	Ads, Cards       []card
	Pages            []pageLink
	PrevURL, NextURL string
}

type pageLink struct {
	N    int
	URL  string
	Here bool
}

// PerPage is how many results a page of the search has.
const PerPage = 20

func (m *Market) searchPage(r *http.Request, w *world, q string, n int) searchPage {
	lang := "en"
	if strings.ContainsFunc(q, func(r rune) bool { return r >= 0x4e00 && r < 0xa000 }) {
		lang = "zh"
	}
	p := searchPage{site: m.site(r, lang)}
	p.Q, p.HeadTitle = q, q+" | Pellamart"
	hits := w.search(m.cfg.Seed, q)
	p.Total = len(hits)
	from := min((n-1)*PerPage, len(hits))
	for i, l := range hits[from:min(from+PerPage, len(hits))] {
		p.Cards = append(p.Cards, m.card(r, l, fmt.Sprintf("?ref=search&pos=%d&q=%s", from+i+1, url.QueryEscape(q))))
	}
	p.Also = m.alsoBought(r, w, "search "+q)
	link := func(n int) string { return SearchPath(q, n) }
	last := (len(hits) + PerPage - 1) / PerPage
	for i := 1; i <= last; i++ {
		p.Pages = append(p.Pages, pageLink{i, link(i), i == n})
	}
	if n > 1 && n <= last {
		p.PrevURL = link(n - 1)
	}
	if n < last {
		p.NextURL = link(n + 1)
	}
	if len(p.Cards) > 0 {
		p.Ads = m.ads(r, w, q, n)
	}
	return p
}

// ads are the decoys above the results: a card that is no listing at all, and
// a sponsored one that the query did not find.
func (m *Market) ads(r *http.Request, w *world, q string, n int) []card {
	l := w.listings[w.byKey["plain-tote"]]
	ad := m.card(r, l, "")
	ad.ID, ad.Href, ad.Ad = "", fmt.Sprintf("/sponsored/%s?q=%s", l.ID, url.QueryEscape(q)), "Sponsored"
	shop := card{Href: "/deals", Img: m.cdn(r) + w.listings[w.byKey["plain-mug"]].PicturePath(0), Title: "Shop on Pellamart", Price: "US $20.00", Ad: "Sponsored"}
	if n == 1 {
		return []card{shop, ad}
	}
	return []card{ad}
}
