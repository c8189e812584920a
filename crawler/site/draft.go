package site

import (
	"bytes"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"golang.org/x/net/publicsuffix"

	"github.com/trawlmark/trawlmark/crawler/listing"
)

// Draft starts a site file from one listing page: what was found becomes
// rules, what was not becomes a line to fill in. search is the template of
// searches (see SearchTemplate), "" when it is not known. The result loads.
func (s *Set) Draft(p Page, search string) ([]byte, error) {
	if p.FinalURL == "" {
		p.FinalURL = p.URL
	}
	u, err := url.Parse(p.FinalURL)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("%q is no web address: the draft needs one, to know the host", clip(p.FinalURL, 100))
	}
	p.listed = true // whoever drafts says so
	r := s.Read(p)
	if r.Listing == nil {
		return nil, fmt.Errorf("the page says nothing of a listing, because %s (%s): give a listing's page", r.Outcome.Sentence(), strings.Join(r.Evidence, "; "))
	}
	host := strings.ToLower(u.Hostname())
	domain := strings.TrimPrefix(host, "www.")
	if d, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		domain = d
	}
	var b bytes.Buffer
	d := drafter{&b}
	name, _, _ := strings.Cut(domain, ".")
	if !siteName.MatchString(name) {
		name = "new-site"
	}
	d.line("# Drafted from %s", p.FinalURL)
	d.line("# Try it, on this page and on a search: trawlmark site test PAGE --site THIS-FILE")
	d.line("name: %s", quote(name))
	d.line("title: %s", quote(name))
	if c := r.Listing.Text(listing.Currency); c != "" {
		d.line("currency: %s # if the site sells in one only", c)
	}
	if r.Language != "" {
		d.line("language: %s", r.Language)
	}
	d.line("lane: %s", quote(name))
	d.line("hosts:")
	d.line("  - {name: %s}", domain)
	d.line("politeness: {min_delay: 2s, max_delay: 60s, factor: 5}")
	d.line("search:")
	searchPath := "^/search"
	if search == "" {
		d.line("  url: \"https://{host}/search?q={term}&page={page}\" # fill in: search once by hand, and copy the address")
	} else {
		d.line("  url: %s # check", quote(search))
		searchPath = searchRule(search)
	}
	d.line("pages:")
	known := r.Listing.ItemID
	if !strings.ContainsAny(known, "0123456789") { // a title, not an id
		known = ""
	}
	canonical := ""
	if c := canonicalOf(u, known); c != "" {
		canonical = ", canonical: " + quote(c)
	}
	d.line("  - {kind: listing, %s%s} # check: what of the address is the item's id?", listingRule(u, known), canonical)
	d.line("  - {kind: search, path: %s} # check", quote(searchPath))
	d.line("links:")
	d.line("  decoys: [] # fill in: CSS of advertisements and recommendations on search pages")
	d.line("markers:")
	d.line("  removed: [] # fill in: - {css: h1, text: 'no longer available'}")
	d.fields(r)
	if _, err := Parse("draft", b.Bytes()); err != nil {
		return nil, fmt.Errorf("the draft does not load, which is our fault: %w", err)
	}
	return b.Bytes(), nil
}

type drafter struct{ b *bytes.Buffer }

func (d drafter) line(format string, args ...any) { fmt.Fprintf(d.b, format+"\n", args...) }

// fields writes what stands in the visible page as CSS rules, and names the
// sources of the rest in comments: structured data needs no rule.
func (d drafter) fields(r *Reading) {
	d.line("listing:")
	d.line("  # Fields that JSON-LD, microdata or OpenGraph give need no rule.")
	d.line("  fields:")
	wrote := false
	for _, f := range []listing.FieldName{listing.Title, listing.Price, listing.SellerName, listing.SellerID, listing.ItemID, listing.Condition, listing.Availability, listing.Brand, listing.ShipsFrom} {
		c, ok := r.Listing.Fields[f]
		switch {
		case !ok:
			d.line("    # %s: not seen", f)
		case c.Source == "dom" && cssRule(c.Path) != "":
			d.line("    %s: [{css: %s}] # read %s", f, quote(cssRule(c.Path)), comment(c.Raw))
			wrote = true
		default:
			d.line("    # %s: %s from %s (%s)", f, comment(c.Raw), c.Source, comment(c.Path))
		}
	}
	if !wrote {
		d.line("    {}")
	}
}

// cssRule makes a rule of a candidate's path, when that is a selector.
func cssRule(path string) string {
	if path == "title" || strings.HasPrefix(path, "label ") {
		return ""
	}
	c := &checker{file: "draft"}
	if c.selector("$", path) == nil {
		return ""
	}
	return path
}

var (
	number  = regexp.MustCompile(`\d{4,}`)
	whole   = regexp.MustCompile(`^\d{4,}$`)
	outer   = regexp.MustCompile(`^\d{5,}(?:\D|$)|(?:^|\D)\d{5,}(?:\.\w{2,5})?$`)
	section = regexp.MustCompile(`(?i)^(?:products?|produkte?|productos?|produits?|prodott[oi]|produtos?|items?|itm|listings?|goods|dp|p|pd|ip|artikel|artigo|articles?|ads?|d|buy|inmueble|sale|offers?|detail|shop|store|catalog|gp|[a-z]{2}(?:[-_][a-z]{2})?)$`)
)

// pathRule turns an address into a first expression: the part that is or holds
// the item's id, if it is known or looks like one, else the last. Parts that
// are likely a category or a title become anything.
func pathRule(path, known string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	at := idPart(parts, known)
	rule := "^"
	for i, part := range parts[:at+1] {
		switch {
		case i == at:
			rule += "/" + idRule(part, known)
		case section.MatchString(part):
			rule += "/" + regexp.QuoteMeta(part)
		default:
			rule += "/[^/]+"
		}
	}
	return rule
}

// idPart says which part of a path has the id.
func idPart(parts []string, known string) int {
	if len(known) >= 3 {
		for i, p := range parts {
			if strings.Contains(p, known) {
				return i
			}
		}
	}
	for _, re := range []*regexp.Regexp{whole, outer} {
		for i := len(parts) - 1; i >= 0; i-- {
			if re.MatchString(parts[i]) {
				return i
			}
		}
	}
	return len(parts) - 1
}

// idRule is the expression for that part.
func idRule(part, known string) string {
	id, class := known, `[\w-]+`
	if len(known) < 3 || !strings.Contains(part, known) {
		id = ""
		if outer.MatchString(part) || whole.MatchString(part) {
			all := number.FindAllString(part, -1)
			id = all[len(all)-1]
			if strings.HasPrefix(part, all[0]) {
				id = all[0]
			}
		}
	}
	if id == "" {
		return "(?P<id>[^/]+)"
	}
	if strings.Trim(id, "0123456789") == "" {
		class = `\d+`
	}
	before, after, _ := strings.Cut(part, id)
	rule := "(?P<id>" + class + ")"
	if before != "" {
		rule = "(?:[^/]*[^/0-9])?" + rule
	}
	if ext := strings.LastIndex(after, "."); ext >= 0 {
		if ext > 0 {
			rule += "[^/]*"
		}
		rule += regexp.QuoteMeta(after[ext:])
	}
	return rule
}

// idParam are parameters that name an item.
var idParam = regexp.MustCompile(`(?i)^(?:id|item|itemid|item_id|pid|product|productid|product_id|goods_id|goodsid|sku|skuid|code|no|num)$`)

// idQuery finds the parameter that names the item, where the path has no number.
func idQuery(u *url.URL) (name, class string) {
	if parts := strings.Split(strings.Trim(u.Path, "/"), "/"); whole.MatchString(parts[len(parts)-1]) || outer.MatchString(parts[len(parts)-1]) {
		return "", ""
	}
	for name, v := range u.Query() {
		if idParam.MatchString(name) && len(v) > 0 && v[0] != "" {
			if class = `[\w-]+`; strings.Trim(v[0], "0123456789") == "" {
				class = `\d+`
			}
			return name, class
		}
	}
	return "", ""
}

// listingRule is the rule for a listing's address, as it stands in a file.
func listingRule(u *url.URL, known string) string {
	if name, class := idQuery(u); name != "" {
		return fmt.Sprintf("path: %s, query: {%s: %s}", quote("^"+regexp.QuoteMeta(u.EscapedPath())+"$"), quote(name), quote("^(?P<id>"+class+")$"))
	}
	return "path: " + quote(pathRule(u.EscapedPath(), known))
}

// canonicalOf is the address that all spellings of an item's share: up to its
// id, if the path is nothing but that.
func canonicalOf(u *url.URL, known string) string {
	host := "https://" + strings.ToLower(u.Host)
	if name, _ := idQuery(u); name != "" {
		return host + u.EscapedPath() + "?" + name + "={id}"
	}
	rule := strings.TrimPrefix(pathRule(u.EscapedPath(), known), "^")
	at := strings.Index(rule, "(?P<id>")
	literal := rule[:max(at, 0)]
	if at < 0 || strings.ContainsAny(strings.ReplaceAll(literal, `\`, ""), "[](){}*+?") {
		return "" // a title stands before the id: the address is kept as it is
	}
	rest := rule[at:]
	rest = rest[strings.Index(rest, ")")+1:]
	if i := strings.LastIndex(rest, `\.`); i >= 0 {
		rest = rest[i:]
	}
	if strings.ContainsAny(strings.ReplaceAll(rest, `\`, ""), "[](){}*+?") {
		rest = ""
	}
	return host + strings.ReplaceAll(literal+"{id}"+rest, `\`, "")
}

// SearchTemplate makes a search template of the address of a search and the
// term that it was for. The second page's address also shows how pages count.
func SearchTemplate(address, term string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("%q is no address of a search", clip(address, 100))
	}
	words := strings.Fields(term)
	spelled := []struct{ form, text string }{
		{"{term}", url.QueryEscape(term)},
		{"{term:path}", url.PathEscape(term)},
		{"{term:dash}", url.PathEscape(strings.Join(words, "-"))},
		{"{term:plus}", url.QueryEscape(strings.Join(words, " "))},
	}
	rest := strings.TrimPrefix(u.EscapedPath(), "/")
	if u.RawQuery != "" {
		rest += "?" + u.RawQuery
	}
	template := ""
	for _, s := range spelled {
		// In a path "+" is a plus; in a query both forms are a space.
		for _, text := range []string{s.text, strings.ToLower(s.text)} {
			if text != "" && strings.Contains(strings.ToLower(rest), strings.ToLower(text)) {
				at := strings.Index(strings.ToLower(rest), strings.ToLower(text))
				template = rest[:at] + s.form + rest[at+len(text):]
				break
			}
		}
		if template != "" {
			break
		}
	}
	if template == "" {
		return "", fmt.Errorf("the address does not have the term %q in it: search again, and copy the address of the results", clip(term, 60))
	}
	template = pageIn.ReplaceAllString(template, "${1}{page}")
	return "https://" + u.Host + "/" + template, nil
}

// pageIn is a parameter that counts pages.
var pageIn = regexp.MustCompile(`(?i)([?&](?:page|p|pg|pn|_pgn|pagina|pageno|pagenum|page_no|curpage|seite)=)\d{1,3}(?:$|\b)`)

// searchRule is an expression for the paths of a template.
func searchRule(template string) string {
	path, _, _ := strings.Cut(schemeHost.ReplaceAllString(template, ""), "?")
	head, _, _ := strings.Cut(path, "{")
	return "^" + regexp.QuoteMeta(strings.TrimSuffix(head, "/"))
}

// quote writes a YAML text.
func quote(s string) string {
	b, err := yaml.Marshal(s)
	if err != nil {
		return "''"
	}
	q := strings.TrimSpace(string(b))
	if strings.ContainsAny(q, "{}[],&*#?|<>=!%@\\:") && !strings.HasPrefix(q, `"`) && !strings.HasPrefix(q, "'") {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return q
}

// comment makes a page's text fit into a comment.
func comment(s string) string {
	return fmt.Sprintf("%q", clip(listing.Clean(s), 60))
}
