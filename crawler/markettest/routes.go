package markettest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"hash/fnv"
	"html/template"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

func (m *Market) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /{$}":               m.serveHome,
		"GET /search":            m.serveSearch,
		"GET /shops":             m.serveShops,
		"GET /shop/{id}":         m.serveShop,
		"GET /item/{id}":         m.serveItem,
		"GET /item/{id}/{slug}":  m.serveItem,
		"GET /item/{id}/sw.js":   m.serveWorker,
		"GET /api/item/{file}":   m.serveAPI,
		"GET /api/watchers/{id}": m.serveWatchers,
		"GET /img/{file}":        m.serveImage,
		"GET /official/{file}":   m.serveOfficial,
		"GET /static/{file}":     m.serveStatic,
		"GET /sponsored/{id}":    m.serveSponsored,
		"GET /faults":            m.serveFaults,
		"GET /login":             m.serveLogin,
		"GET /consent":           m.serveConsent,
		"GET /intl/{country}":    m.serveGeo,
		"GET /deals":             m.serveDeals,
		"GET /cart":              m.serveDeals,
		"GET /loop/{n}":          m.serveLoop,
		"GET /hop/{id}/{n}":      m.serveHop,
		"GET /frame/{id}":        m.serveFrame,
		"GET /ws/{id}":           m.serveWebSocket,
		"GET /download/{id}":     m.serveDownload,
		"GET /robots.txt":        m.serveRobots,
		"GET /sitemap.xml":       m.serveSitemap,
		"GET /favicon.ico":       m.serveFavicon,
		"/":                      m.serveNothing,
	} {
		mux.HandleFunc(pattern, h)
	}
	return mux
}

// Handler serves the marketplace on every host name; cdn. and frame. have only
// what belongs there, evil. is a phishing page.
func (m *Market) Handler() http.Handler {
	return m.logged(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _ := strings.CutSuffix(hostOnly(r.Host), "."+m.cfg.Domain)
		top := "/" + strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 2)[0]
		switch {
		case name == "cdn" && top != "/img" && top != "/static" && top != "/official" && top != "/robots.txt":
			m.serveNothing(w, r)
		case name == "evil":
			m.serveEvil(w, r)
		case m.tooFast(r):
			m.throttle(w, r)
		default:
			m.mux.ServeHTTP(w, r)
		}
	}))
}

// send answers with a body that is whole: with an ETag, and as gzip for who
// takes it.
func (m *Market) send(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Vary", "Accept-Encoding, Cookie")
	if status == http.StatusOK {
		tag := h.Get("ETag")
		if tag == "" {
			tag = weakTag(string(body))
			h.Set("ETag", tag)
		}
		h.Set("Cache-Control", "private, no-cache")
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && len(body) > 1000 {
		body = m.zip(body)
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that left is its own affair
	}
}

func weakTag(of string) string {
	f := fnv.New64a()
	io.WriteString(f, of)
	return fmt.Sprintf(`W/"%016x"`, f.Sum64())
}

func (m *Market) zip(b []byte) []byte {
	var out bytes.Buffer
	z, ok := m.zippers.Get().(*gzip.Writer)
	if !ok {
		z, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is a valid one
	}
	defer m.zippers.Put(z)
	z.Reset(&out)
	_, _ = z.Write(b) // a buffer does not fail
	_ = z.Close()
	return out.Bytes()
}

func (m *Market) html(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	m.send(w, r, status, "text/html; charset=utf-8", m.bytesOf(name, data))
}

func (m *Market) serveHome(w http.ResponseWriter, r *http.Request) {
	wd := m.world.Load()
	type home struct {
		searchPage
		Shops     []Shop
		HeroImage string
	}
	p := home{searchPage: searchPage{site: m.site(r, "en")}, Shops: m.Shops(), HeroImage: m.cdn(r) + modelByCode("AU-1101").officialPath()}
	p.HeadTitle, p.Total = "Pellamart: find it, love it", len(wd.listings)
	src := source(m.cfg.Seed, fmt.Sprint("home ", wd.day))
	for _, i := range src.Perm(len(wd.listings)) {
		if l := wd.listings[i]; l.Fault == "" && len(p.Cards) < 15 {
			p.Cards = append(p.Cards, m.card(r, l, "?ref=home"))
		}
	}
	m.html(w, r, http.StatusOK, "home", p)
}

func (m *Market) serveSearch(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil || n < 1 || n > 1000 {
		n = 1
	}
	m.html(w, r, http.StatusOK, "search", m.searchPage(r, m.world.Load(), strings.TrimSpace(r.URL.Query().Get("q")), n))
}

type shopPage struct {
	site
	Shop              Shop
	Shops             []Shop
	Initial, Positive string
	Cards             []card
}

func (m *Market) serveShops(w http.ResponseWriter, r *http.Request) {
	p := shopPage{site: m.site(r, "en"), Shops: m.Shops()}
	p.HeadTitle = "Shops | Pellamart"
	m.html(w, r, http.StatusOK, "shops", p)
}

func (m *Market) serveShop(w http.ResponseWriter, r *http.Request) {
	wd := m.world.Load()
	s, ok := wd.shops[r.PathValue("id")]
	if !ok {
		m.serveNothing(w, r)
		return
	}
	p := shopPage{site: m.site(r, "en"), Shop: s, Initial: initial(s.Name), Positive: percent(s.Positive)}
	p.HeadTitle = s.Name + " | Pellamart"
	for _, l := range wd.listings {
		if l.Shop.ID == s.ID && !l.lab() && !wd.unlisted(l) {
			p.Cards = append(p.Cards, m.card(r, l, "?ref=shop"))
		}
	}
	m.html(w, r, http.StatusOK, "shop", p)
}

func (m *Market) serveItem(w http.ResponseWriter, r *http.Request) {
	wd := m.world.Load()
	i, ok := wd.byID[r.PathValue("id")]
	if !ok {
		m.serveNothing(w, r)
		return
	}
	l := wd.listings[i]
	if r.PathValue("slug") == "" {
		http.Redirect(w, r, l.Path, http.StatusMovedPermanently)
		return
	}
	if l.Fault != "" && l.Fault != FaultSoldOut {
		m.serveFault(w, r, wd, l)
		return
	}
	m.serveListing(w, r, wd, l)
}

// serveListing answers with a listing's page as it should be. Its tag is a weak
// one (RFC 9110 section 8.8.1): the page is the same page when only the shop
// grew a day older or other goods are recommended. Not so of Script: as with
// many real shops its tag is the empty frame's, which never changes.
func (m *Market) serveListing(w http.ResponseWriter, r *http.Request, wd *world, l Listing) {
	if l.Page != Script {
		same := l
		same.Shop.AgeDays = 0
		_, err := r.Cookie("consent")
		w.Header().Set("ETag", weakTag(fmt.Sprintf("%s %v %+v", base(r), err == nil, same)))
	}
	m.send(w, r, http.StatusOK, "text/html; charset="+l.Charset, m.listingBytes(m.itemPage(r, wd, l)))
}

func (m *Market) listingBytes(p itemPage) []byte {
	return encode(m.bytesOf("item", p), p.L.Charset)
}

func (m *Market) serveAPI(w http.ResponseWriter, r *http.Request) {
	l, ok := m.Listing(strings.TrimSuffix(r.PathValue("file"), ".json"))
	if !ok || l.Fault == FaultRemoved {
		m.send(w, r, http.StatusNotFound, "application/json", []byte(`{"error":"no such item"}`))
		return
	}
	if l.Fault == FaultAPIBroken {
		m.send(w, r, http.StatusInternalServerError, "application/json", []byte(`{"error":"upstream"}`))
		return
	}
	if !m.pause(r, m.cfg.APIDelay) {
		return
	}
	m.send(w, r, http.StatusOK, "application/json; charset=utf-8", []byte(jsonText(itemData(l, m.cdn(r), language(l.Lang)))))
}

func (m *Market) serveWatchers(w http.ResponseWriter, r *http.Request) {
	n := source(m.cfg.Seed, "watchers "+r.PathValue("id")).IntN(40) + 2
	m.send(w, r, http.StatusOK, "application/json", fmt.Appendf(nil, `{"watchers":%d}`, n))
}

func (m *Market) serveImage(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	p, ok := m.world.Load().pictures[strings.TrimSuffix(name, path.Ext(name))]
	if !ok || path.Ext(name) != p.ext() {
		http.NotFound(w, r)
		return
	}
	m.picture(w, r, p)
}

func (m *Market) picture(w http.ResponseWriter, r *http.Request, p Picture) {
	b := m.gallery.bytes(p)
	w.Header().Set("Content-Type", map[bool]string{true: "image/png", false: "image/jpeg"}[p.png])
	w.Header().Set("Cache-Control", "public, max-age=86400")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b)
}

func (m *Market) serveOfficial(w http.ResponseWriter, r *http.Request) {
	for _, md := range models() {
		if md.officialPath() == r.URL.Path {
			m.picture(w, r, md.officialPhoto())
			return
		}
	}
	http.NotFound(w, r)
}

func (m *Market) serveStatic(w http.ResponseWriter, r *http.Request) {
	b, err := staticFiles.ReadFile("static/" + r.PathValue("file"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	kind := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}[path.Ext(r.URL.Path)]
	w.Header().Set("Access-Control-Allow-Origin", "*")
	m.send(w, r, http.StatusOK, kind, b)
}

func (m *Market) serveSponsored(w http.ResponseWriter, r *http.Request) {
	if l, ok := m.Listing(r.PathValue("id")); ok {
		http.Redirect(w, r, l.Path+"?ad=1", http.StatusFound)
		return
	}
	m.serveNothing(w, r)
}

func (m *Market) serveRobots(w http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	b.WriteString("# Pellamart\nUser-agent: *\n")
	if m.cfg.CrawlDelay > 0 {
		fmt.Fprintf(&b, "Crawl-delay: %d\n", int(m.cfg.CrawlDelay.Round(time.Second).Seconds()))
	}
	b.WriteString("Disallow: /cart\nDisallow: /login\nDisallow: /sponsored/\n")
	for _, l := range m.WithFault(FaultRobots) {
		fmt.Fprintf(&b, "Disallow: /item/%s/\n", l.ID)
	}
	fmt.Fprintf(&b, "\nSitemap: %s/sitemap.xml\n", base(r))
	m.send(w, r, http.StatusOK, "text/plain; charset=utf-8", []byte(b.String()))
}

func (m *Market) serveSitemap(w http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">` + "\n")
	wd := m.world.Load()
	for _, l := range wd.listings {
		if !l.lab() && !wd.unlisted(l) {
			fmt.Fprintf(&b, "<url><loc>%s%s</loc></url>\n", base(r), l.Path)
		}
	}
	b.WriteString("</urlset>\n")
	m.send(w, r, http.StatusOK, "application/xml; charset=utf-8", []byte(b.String()))
}

// serveFavicon sends a picture of one pixel in the market's colour.
func (m *Market) serveFavicon(w http.ResponseWriter, r *http.Request) {
	c := newCanvas(32)
	c.fill(ellipse(50, 50, 46, 46), flat(colours["sapin"]))
	var b bytes.Buffer
	_ = pngEncode(&b, c.img)
	m.send(w, r, http.StatusOK, "image/png", b.Bytes())
}

type messagePage struct {
	site
	Head, Say string
}

func (m *Market) message(w http.ResponseWriter, r *http.Request, status int, title, head, say string, body template.HTML) {
	p := messagePage{site: m.site(r, "en"), Head: head, Say: say}
	p.HeadTitle, p.Body = title, body
	m.html(w, r, status, "message", p)
}

func (m *Market) serveNothing(w http.ResponseWriter, r *http.Request) {
	m.message(w, r, http.StatusNotFound, "Page not found | Pellamart", "We cannot find this page", "The page does not exist, or no longer does.", "")
}

func (m *Market) serveDeals(w http.ResponseWriter, r *http.Request) {
	m.message(w, r, http.StatusOK, "Pellamart", "Nothing here yet", "Come back tomorrow.", "")
}

func (m *Market) serveFaults(w http.ResponseWriter, r *http.Request) {
	type row struct{ Name, Href, What, Outcome string }
	type page struct {
		site
		Faults []row
	}
	p := page{site: m.site(r, "en")}
	p.HeadTitle = "Fault lab | Pellamart"
	for _, l := range m.world.Load().listings {
		if f, ok := faults()[l.Fault]; ok {
			p.Faults = append(p.Faults, row{string(l.Fault), l.Path, f.what, string(f.outcome)})
		}
	}
	m.html(w, r, http.StatusOK, "faults", p)
}

func (m *Market) serveEvil(w http.ResponseWriter, r *http.Request) {
	p := m.site(r, "en")
	p.CDN, p.HeadTitle = "", "Sign in to continue"
	p.Body = `<section class="message"><h1>Your parcel is waiting</h1><p>Enter your card number.</p></section>`
	m.html(w, r, http.StatusOK, "bare", p)
}
