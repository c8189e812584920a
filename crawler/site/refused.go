package site

import (
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/net/html"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/listing"
)

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
