package site

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/andybalholm/cascadia"

	"github.com/trawlmark/trawlmark/crawler/listing"
)

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
