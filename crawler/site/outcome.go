package site

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/listing"
)

// page is what a reading works on.
type page struct {
	Page
	set   *Set
	asked *Match
	match *Match
	doc   *listing.Document
	item  *listing.Listing // candidate reading of the page as a listing
	links []Link
	boxes []*html.Node // see shelf; nil not looked for yet
	// around is what boxPrice found of elements.
	around map[*html.Node]box
	shown  int // one more than the bytes of visible text; 0 not counted yet
	r      *Reading
}

// marks looks for evidence of an outcome: the site's own markers, then the
// generic ones. It gives the sentence that names what was found.
func (p *page) marks(own, generic []Marker, what string) (string, bool) {
	for _, list := range [][]Marker{own, generic} {
		for i := range list {
			if s, ok := p.holds(&list[i]); ok {
				return what + ": " + s, true
			}
		}
		if len(own) > 0 && len(generic) > 0 && &own[0] == &generic[0] {
			break // the generic site's own markers are the generic ones
		}
	}
	return "", false
}

// holds checks one marker.
func (p *page) holds(m *Marker) (string, bool) {
	if m.Short && p.visible() > 1500 || m.Max > 0 && p.visible() > m.Max {
		return "", false
	}
	var parts []string
	if m.title != nil {
		if !m.title.MatchString(plainQuotes(p.doc.Title())) {
			return "", false
		}
		if m.Title == challengeTitle && p.article() {
			return "", false // a page about challenges, not one
		}
		parts = append(parts, fmt.Sprintf("the title is %q", clip(p.doc.Title(), 100)))
	}
	if m.url != nil {
		if !m.url.MatchString(p.FinalURL) {
			return "", false
		}
		parts = append(parts, "the final address is "+clip(p.FinalURL, 200))
	}
	if m.form != nil {
		action, ok := p.form(m.form)
		if !ok {
			return "", false
		}
		parts = append(parts, fmt.Sprintf("a form goes to %q", clip(action, 100)))
	}
	if m.script != nil {
		s, ok := p.script(m)
		if !ok {
			return "", false
		}
		parts = append(parts, s)
	}
	if m.CSS != "" || m.text != nil {
		s, ok := p.element(m)
		if !ok {
			return "", false
		}
		parts = append(parts, s)
	}
	if m.Body != "" {
		if !strings.Contains(string(p.Body), m.Body) {
			return "", false
		}
		parts = append(parts, fmt.Sprintf("the source has %q", clip(m.Body, 80)))
	}
	return strings.Join(parts, " and "), true
}

// article reports a page with a heading and paragraphs of prose: a challenge
// has a sentence or two.
func (p *page) article() bool {
	paragraphs, prose := 0, 0
	for _, n := range p.doc.Find("h1 ~ p, h1 ~ div p", articleText) {
		if size := len(listing.Text(n)); size >= 100 {
			paragraphs, prose = paragraphs+1, prose+size
		}
	}
	return paragraphs >= 3 && prose >= 500
}

var articleText = cascadia.MustCompile("h1 ~ p, h1 ~ div p")

func (p *page) form(re *regexp.Regexp) (string, bool) {
	for _, f := range p.doc.Forms() {
		if action := listing.Attr(f, "action"); action != "" && re.MatchString(action) {
			return action, true
		}
	}
	return "", false
}

// script looks into the scripts of a page that shows next to nothing: there a
// script is all that the page is.
func (p *page) script(m *Marker) (string, bool) {
	if p.visible() > 600 {
		return "", false
	}
	found := p.doc.MatchScript(m.script)
	return fmt.Sprintf("the page shows nothing, and its script has %q", clip(found, 80)), found != ""
}

// element checks the css and text of a marker.
func (p *page) element(m *Marker) (string, bool) {
	if m.sel == nil {
		text := plainQuotes(clip(listing.Clean(p.doc.Visible()), 20000))
		if found := m.text.FindString(text); found != "" {
			return fmt.Sprintf("the page says %q", clip(found, 120)), true
		}
		return "", false
	}
	for _, n := range p.doc.Find(m.CSS, m.sel) {
		if p.doc.InDecoy(n) {
			continue
		}
		if m.text == nil {
			return "the page has the element " + clip(m.CSS, 80), true
		}
		if m.Text == shortPage {
			return fmt.Sprintf("the page has %s and only %d characters of text", clip(m.CSS, 80), p.visible()), p.visible() <= 600
		}
		if listing.TextLen(n, 400) > 300 {
			continue
		}
		if text := plainQuotes(listing.Text(n)); m.text.MatchString(text) && (m.not == nil || !m.not.MatchString(text)) {
			return fmt.Sprintf("the page says %q", clip(text, 120)), true
		}
	}
	return "", false
}

// visible is the number of bytes of text that the page shows.
func (p *page) visible() int {
	if p.shown == 0 {
		p.shown = 1 + len(listing.Clean(p.doc.Visible()))
	}
	return p.shown - 1
}

// plainQuotes writes apostrophes as the expressions do.
func plainQuotes(s string) string { return quoteMarks.Replace(s) }

var quoteMarks = strings.NewReplacer("\u2019", "'", "\u2018", "'", "\u02bc", "'", "\u00b4", "'")

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}

// hasProduct reports whether a product is on the page: what forbids calling it
// blocked.
func (p *page) hasProduct() bool {
	if len(p.listingLinks()) >= 3 {
		return true
	}
	solid := func(f listing.FieldName) bool {
		c, ok := p.item.Fields[f]
		return ok && c.Source != "opengraph" && c.Source != "dom" && c.Source != "url" && c.Source != "site"
	}
	return solid(listing.Title) && (solid(listing.Price) || solid(listing.Availability) || solid(listing.Description) || solid(listing.SellerName))
}

func (p *page) listingLinks() []Link {
	var out []Link
	for _, l := range p.links {
		if l.Kind == KindListing {
			out = append(out, l)
		}
	}
	return out
}

func (p *page) is(o capture.Outcome, why string) {
	p.r.Outcome = o
	p.r.Evidence = append(p.r.Evidence, why)
}

// classify sets the outcome. The order matters: a page that refuses us says
// nothing of the listing, so refusals come first, and they need a page without
// a product.
func (p *page) classify() {
	status := p.Status
	if status == 0 {
		status = statusOK
	}
	switch {
	case status == statusNotModified:
		p.is(capture.NotModified, "the server answered 304")
	case len(strings.TrimSpace(string(p.Body[:min(len(p.Body), 4096)]))) == 0:
		p.classifyEmpty(status)
	case p.doc.Binary():
		p.is(capture.NotHTML, "the body is not text in any encoding known here")
	case p.refused(status):
	case status < 500 && p.failed():
	case status == statusNotFound || status == statusGone:
		p.classifyGone(status)
	case status >= 400:
		p.is(capture.HTTPError, fmt.Sprintf("the server answered %d", status))
	default:
		p.classifySeen()
	}
}

func (p *page) classifyEmpty(status int) {
	switch {
	case status == statusTooManyRequests:
		p.is(capture.Throttled, "the server answered 429 without a body")
	case status == statusNotFound || status == statusGone:
		p.is(capture.Removed, fmt.Sprintf("the server answered %d without a body", status))
	case status >= 400:
		p.is(capture.HTTPError, fmt.Sprintf("the server answered %d without a body", status))
	default:
		p.is(capture.Empty, "the body is empty")
	}
}

// refused recognises pages that do not let us see what was asked for.
func (p *page) refused(status int) bool {
	own, gen := &p.match.Site.Markers, &p.set.generic.Markers
	retryAfter := ""
	if p.Header != nil {
		retryAfter = p.Header("Retry-After")
	}
	if !p.hasProduct() {
		if why, ok := p.marks(own.Challenge, gen.Challenge, "challenge"); ok {
			p.is(capture.Challenge, why)
			return true
		}
		if why, ok := p.marks(own.Login, gen.Login, "login"); ok {
			p.is(capture.LoginWall, why)
			return true
		}
		if why, ok := p.marks(own.Consent, gen.Consent, "consent"); ok {
			p.is(capture.ConsentWall, why)
			return true
		}
		if why, ok := p.passwordPage(); ok {
			p.is(capture.LoginWall, why)
			return true
		}
		if why, ok := p.marks(own.Geo, gen.Geo, "other country"); ok {
			p.is(capture.GeoVariant, why)
			return true
		}
	}
	switch {
	case status == statusTooManyRequests:
		p.is(capture.Throttled, "the server answered 429")
	case throttledTitle.MatchString(p.doc.Title()) && !p.hasProduct():
		p.is(capture.Throttled, fmt.Sprintf("the title is %q", clip(p.doc.Title(), 100)))
	case p.busy() != "" && !p.hasProduct():
		p.is(capture.Throttled, fmt.Sprintf("the page says %q", clip(p.busy(), 120)))
	case status == statusServiceUnavailable && retryAfter != "":
		p.is(capture.Throttled, "the server answered 503 with Retry-After "+clip(retryAfter, 60))
	case status == statusUnauthorized:
		p.is(capture.LoginWall, "the server answered 401")
	case status == statusUnavailableForLegalReasons:
		p.is(capture.GeoVariant, "the server answered 451: not available here for legal reasons")
	default:
		return false
	}
	return true
}

// failed recognises the site's own error page, which many sites send with the
// status of success: it says nothing of the listing.
func (p *page) failed() bool {
	if p.hasProduct() {
		return false
	}
	why, ok := p.marks(p.match.Site.Markers.Failed, p.set.generic.Markers.Failed, "the site failed")
	if ok {
		p.is(capture.HTTPError, why)
	}
	return ok
}

// passwordPage recognises a page that is little else than a form that asks for
// a password, in any language.
func (p *page) passwordPage() (string, bool) {
	if p.visible() > 1500 || len(p.doc.Anchors()) > 25 {
		return "", false
	}
	for _, f := range p.doc.Forms() {
		if n := listing.TextLen(f, 1500); n*3 < p.visible() || !asksPassword(f) || unopened(f) {
			continue
		}
		return "login: the page is little else than a form that asks for a password", true
	}
	return "", false
}

func asksPassword(form *html.Node) bool {
	for n := range form.Descendants() {
		if n.Type == html.ElementNode && n.Data == "input" && strings.EqualFold(listing.Attr(n, "type"), "password") {
			return true
		}
	}
	return false
}

// unopened reports a form in a dialog that the page opens on demand.
func unopened(form *html.Node) bool {
	for n := form; n != nil; n = n.Parent {
		if n.Type != html.ElementNode {
			continue
		}
		for _, a := range n.Attr {
			v := strings.ToLower(a.Val)
			if a.Key == "hidden" || a.Key == "style" && strings.Contains(strings.ReplaceAll(v, " ", ""), "display:none") ||
				a.Key == "class" && (strings.Contains(v, "modal") || strings.Contains(v, "dialog") || strings.Contains(v, "popup") || strings.Contains(v, "drawer")) {
				return true
			}
		}
	}
	return false
}

var throttledTitle = regexp.MustCompile(`(?i)^\W*(?:429\b|too many requests|rate limit exceeded|slow down)`)

// busyText are the sentences of pages that ask to wait while many come.
var busyText = regexp.MustCompile(`(?i)\blot of rush\b[^.!]{0,60}|\btoo many requests\b|\b(?:unusually |very |extremely )?high (?:traffic|demand|volume)\b[^.]{0,80}(?:try again|wait|queue)[^.]{0,40}|\byou are (?:now )?in (?:the |a |our )?(?:virtual )?(?:queue|waiting room)\b`)

// busy gives the sentence of a page that says little more than to wait.
func (p *page) busy() string {
	if p.visible() > 600 {
		return ""
	}
	return busyText.FindString(plainQuotes(listing.Clean(p.doc.Visible())))
}

func (p *page) classifyGone(status int) {
	if p.asked.Kind == KindSearch {
		if why, ok := p.marks(p.match.Site.Markers.Empty, p.set.generic.Markers.Empty, "no results"); ok {
			p.is(capture.SearchEmpty, why)
			return
		}
	}
	p.is(capture.Removed, fmt.Sprintf("the server answered %d, and the page is no challenge", status))
}

func (p *page) classifySeen() {
	own, gen := &p.match.Site.Markers, &p.set.generic.Markers
	if ct := strings.ToLower(p.ContentType); ct != "" && !strings.Contains(ct, "html") && !strings.Contains(ct, "xml") && !strings.Contains(ct, "text/plain") {
		p.is(capture.NotHTML, "the content type is "+clip(ct, 80))
		return
	}
	if why, ok := p.titleGone(); ok {
		p.is(capture.RemovedSoft, why)
		return
	}
	switch p.match.Kind {
	case KindListing:
		p.classifyListing(own, gen)
	case KindSearch:
		if p.asked.Kind == KindListing && p.asked.Canonical != p.set.For(p.FinalURL).Canonical {
			p.is(capture.RemovedSoft, "the listing's address leads to "+clip(p.FinalURL, 200)+", which is a list of others")
			return
		}
		p.classifySearch(own, gen)
	default:
		p.classifyOther(own, gen)
	}
}

// titleGone reads the title of a page that recommends other things where there
// is nothing at the address.
func (p *page) titleGone() (string, bool) {
	if p.asked.Kind == KindSearch || p.match.Kind == KindListing && len(p.missing()) == 0 {
		return "", false
	}
	if title := plainQuotes(p.doc.Title()); gonePage.MatchString(title) {
		return fmt.Sprintf("removed: the title is %q", clip(title, 100)), true
	}
	return "", false
}

var gonePage = regexp.MustCompile("(?i)" + removedTitle)

func (p *page) classifyOther(own, gen *Markers) {
	if p.asked.Kind == KindListing {
		if why, ok := p.marks(own.Removed, gen.Removed, "removed"); ok {
			p.is(capture.RemovedSoft, why)
			return
		}
		p.is(capture.RemovedSoft, "the listing's address leads to "+clip(p.FinalURL, 200)+", which is no listing")
		return
	}
	if !p.hasProduct() {
		if why, ok := p.marks(own.Removed, gen.Removed, "removed"); ok {
			p.is(capture.RemovedSoft, why)
			return
		}
	}
	if why, ok := p.marks(own.Shell, nil, "shell"); ok && !p.Rendered && p.looksEmpty() {
		p.is(capture.Shell, why)
		return
	}
	if p.looksEmpty() && !p.Rendered {
		p.is(capture.Shell, fmt.Sprintf("the page has %d elements and hardly any text", p.doc.Elements()))
		return
	}
	p.is(capture.Captured, "the page was read")
}

func (p *page) classifySearch(own, gen *Markers) {
	n := len(p.listingLinks())
	if why, ok := p.nothingFound(); ok {
		p.is(capture.SearchEmpty, why)
		return
	}
	if n > 0 {
		p.is(capture.Captured, fmt.Sprintf("the page has %d listings", n))
		return
	}
	if why, ok := p.marks(own.Empty, gen.Empty, "no results"); ok {
		p.is(capture.SearchEmpty, why)
		return
	}
	if why, ok := p.marks(own.Removed, nil, "removed"); ok {
		p.is(capture.RemovedSoft, why)
		return
	}
	if p.Rendered {
		p.is(capture.Partial, "the page has no listings, and does not say that there are none")
		return
	}
	if why, ok := p.marks(own.Shell, gen.Shell, "shell"); ok {
		p.is(capture.Shell, why)
		return
	}
	p.is(capture.Shell, "the page has no listings without a browser, and does not say that there are none")
}

// nothingFound reads the title and the headings of a search, which name the
// number of results where recommendations are shown in their place.
func (p *page) nothingFound() (string, bool) {
	if text := plainQuotes(p.doc.Title()); zeroResults.MatchString(text) {
		return fmt.Sprintf("no results: the title is %q", clip(text, 100)), true
	}
	return "", false
}

var zeroResults = regexp.MustCompile(`(?i)(?:^|[^\d.,])0 (?:results?|items?|products?|listings?|matches|ergebnisse|treffer|artikel|produkte|résultats?|produits?|resultados|productos|produtos|risultati|prodotti|resultaten|producten|träffar|produkter|wyników|件|个结果|個結果)(?:$|[^\p{L}])|(?:^|\W)no (?:search )?results (?:found|for)(?:$|\W)|nenhum resultado|keine (?:ergebnisse|treffer)|aucun résultat|sin resultados|nessun risultato`)

func (p *page) classifyListing(own, gen *Markers) {
	missing := p.missing()
	if len(missing) > 0 || !p.hasProduct() {
		if why, ok := p.marks(own.Removed, gen.Removed, "removed"); ok {
			p.is(capture.RemovedSoft, why)
			return
		}
	} else if why, ok := p.marks(own.Removed, nil, "removed"); ok {
		p.is(capture.RemovedSoft, why)
		return
	}
	if why, ok := p.wrongItem(); ok {
		p.is(capture.WrongItem, why)
		return
	}
	inStock := p.item.Text(listing.Availability) == "in_stock"
	genSold, genGone := gen.Sold, gen.Unavailable
	if inStock { // what is said of the item in data is stronger than a badge somewhere
		genSold, genGone = nil, nil
	}
	if why, ok := p.marks(own.Sold, genSold, "sold"); ok {
		p.is(capture.Sold, why)
		return
	}
	if a := p.item.Fields[listing.Availability]; a.Value == "sold" {
		p.is(capture.Sold, fmt.Sprintf("%s (%s) says %q", a.Source, a.Path, clip(a.Raw, 80)))
		return
	}
	if why, ok := p.marks(own.Unavailable, genGone, "unavailable"); ok {
		p.is(capture.Unavailable, why)
		return
	}
	if a := p.item.Fields[listing.Availability]; a.Value == "out_of_stock" {
		p.is(capture.Unavailable, fmt.Sprintf("%s (%s) says %q", a.Source, a.Path, clip(a.Raw, 80)))
		return
	}
	if len(missing) == 0 {
		p.is(capture.Captured, "the listing has "+joined(p.match.Site.Listing.Required))
		return
	}
	if !p.Rendered {
		if why, ok := p.marks(own.Shell, gen.Shell, "shell"); ok {
			p.is(capture.Shell, why)
			return
		}
		if p.looksEmpty() {
			p.is(capture.Shell, fmt.Sprintf("the page has %d elements, hardly any text, and no %s", p.doc.Elements(), joined(missing)))
			return
		}
	}
	p.is(capture.Partial, "the page does not show: "+joined(missing))
}

// wrongItem compares the item asked for with the one that is shown. Only the
// address and the site's own rule count: structured data often names the
// parent of a variant.
func (p *page) wrongItem() (string, bool) {
	want := p.asked.ItemID
	if want == "" {
		return "", false
	}
	shown := map[string]bool{}
	if p.match.Site == p.asked.Site && p.match.ItemID != "" && p.FinalURL != p.URL {
		shown[p.match.ItemID] = true
	}
	for _, c := range p.item.Candidates {
		if c.Field == listing.ItemID && c.Source == "adapter" {
			shown[c.Value] = true
		}
	}
	if len(shown) == 0 || shown[want] || p.names(want) {
		return "", false
	}
	for id := range shown {
		if !strings.EqualFold(id, want) {
			return fmt.Sprintf("item %s was asked for, item %s is shown", clip(want, 60), clip(id, 60)), true
		}
	}
	return "", false
}

// names reports whether the page names an item anywhere as its own: a variant
// is shown under its parent's address, and the other way round.
func (p *page) names(id string) bool {
	for _, u := range p.doc.CanonicalLinks() {
		if m := p.set.For(u); m.ItemID == id {
			return true
		}
	}
	for _, c := range p.item.Candidates {
		if c.Field == listing.ItemID && c.Source != "url" && strings.EqualFold(c.Value, id) {
			return true
		}
	}
	return false
}

func (p *page) missing() []listing.FieldName {
	var out []listing.FieldName
	for _, f := range p.match.Site.Listing.Required {
		if !p.item.Has(f) {
			out = append(out, f)
		}
	}
	return out
}

// looksEmpty reports a page that shows next to nothing: an application's frame.
func (p *page) looksEmpty() bool {
	return len(listing.Clean(p.doc.Visible())) < 400
}

func joined(fields []listing.FieldName) string {
	var s []string
	for _, f := range fields {
		s = append(s, strings.ReplaceAll(string(f), "_", " "))
	}
	return strings.Join(s, ", ")
}
