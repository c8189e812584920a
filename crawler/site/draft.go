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
// rules, what was not becomes a line to fill in. The result loads.
func (s *Set) Draft(p Page) ([]byte, error) {
	if p.FinalURL == "" {
		p.FinalURL = p.URL
	}
	u, err := url.Parse(p.FinalURL)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("%q is no web address: the draft needs one, to know the host", clip(p.FinalURL, 100))
	}
	r := s.Read(p)
	if r.Listing == nil {
		return nil, fmt.Errorf("no listing was read from the page (%s): give a listing's page", r.Outcome)
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
	d.line("# Check every line with: trawlmark site test FILE")
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
	d.line("  url: \"https://{host}/search?q={term}&page={page}\" # fill in: search once by hand, and copy the address")
	d.line("pages:")
	d.line("  - {kind: listing, path: %s}%s", quote(pathRule(u.EscapedPath())), " # fill in: name the id with (?P<id>...)")
	d.line("  - {kind: search, path: '^/search'} # check")
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

var number = regexp.MustCompile(`\d{3,}`)

// pathRule turns an address into a first expression: the first number becomes
// the id, and what is likely a title becomes anything.
func pathRule(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	rule := "^"
	for i, part := range parts {
		if at := number.FindStringIndex(part); at != nil {
			before, after := "", ""
			if at[0] > 0 {
				before = "(?:[^/]*[^/0-9])?"
			}
			if ext := strings.LastIndex(part, "."); ext >= at[1] {
				after = "[^/]*" + regexp.QuoteMeta(part[ext:])
			}
			return rule + "/" + before + `(?P<id>\d+)` + after
		}
		if i == 0 && len(parts) > 1 {
			rule += "/" + regexp.QuoteMeta(part)
			continue
		}
		if i == len(parts)-1 {
			return rule + "/(?P<id>[^/]+)"
		}
		rule += "/[^/]+"
	}
	return rule
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
