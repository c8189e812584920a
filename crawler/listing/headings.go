package listing

import (
	"regexp"
	"strings"

	"golang.org/x/net/html"
)

// addTitles reads the headings and the title of the page.
func (e *extraction) addTitles() {
	d := e.doc
	n := 0
	for _, h := range d.headings {
		if d.inDecoy(h) {
			continue
		}
		if t := headingText(h); t != "" && n < 5 && len(t) < 1000 {
			conf := .58 - .04*float64(n)
			if d.title != "" && shared(t, d.title) < .4 && shared(t, d.Meta("og:title")) < .4 {
				conf -= .25 // "Follow the author", "Add to cart": not what the page is called
			}
			// A heading that the page's <title> repeats is its name.
			switch {
			case strings.Contains(sameText(d.title), sameText(t)) || sameText(d.Meta("og:title")) == sameText(t):
				conf += .1
			case n == 0 && namesSame(t, shortTitle(d.title, hostOf(d.URL.String()))):
				conf += .05
			}
			e.add(Candidate{Field: Title, Raw: t, Source: "dom", Path: "h1", Confidence: conf})
			n++
		}
	}
	if d.title != "" {
		e.add(Candidate{Field: Title, Raw: shortTitle(d.title, hostOf(d.URL.String())), Source: "dom", Path: "title", Confidence: .35})
	}
}

// headingText is a heading's text; of two elements in it that touch each is a
// line of its own, as the brand above the name.
func headingText(h *html.Node) string {
	in := innermost(h)
	var parts []string
	for c := in.FirstChild; c != nil; c = c.NextSibling {
		switch {
		case c.Type == html.TextNode && strings.TrimSpace(c.Data) == "", c.Type == html.CommentNode:
		case c.Type != html.ElementNode || len(Text(c)) < 3:
			return Text(h)
		default:
			parts = append(parts, Text(c))
		}
	}
	if len(parts) < 2 || len(parts) > 4 {
		return Text(h)
	}
	return strings.Join(parts, " ")
}

// namesSame reports that a heading and the page's <title> mean the same thing,
// each with words of its own: one begins with what the other holds, and most of
// the one is in the other.
func namesSame(heading, title string) bool {
	h, t := sameText(heading), sameText(title)
	begin := func(s string) string { return clipRunes(s, 12) }
	if len(h) < 12 || len(t) < 12 || !strings.Contains(t, begin(h)) && !strings.Contains(h, begin(t)) {
		return false
	}
	return max(shared(heading, title), shared(title, heading)) >= .75
}

// shared is the part of a's pairs of letters that b has too: it works for
// scripts with and without spaces.
func shared(a, b string) float64 {
	pairs := func(s string) map[[2]rune]bool {
		out := map[[2]rune]bool{}
		r := []rune(sameText(clipRunes(s, 1000)))
		for i := 1; i < len(r); i++ {
			out[[2]rune{r[i-1], r[i]}] = true
		}
		return out
	}
	x, y := pairs(a), pairs(b)
	both := 0
	for p := range x {
		if y[p] {
			both++
		}
	}
	return float64(both) / float64(max(1, len(x)))
}

var titleJoint = regexp.MustCompile(`\s+[|–—·:-]\s+|\s*[|｜]\s*`)

// shortTitle cuts the shop's name off a <title>.
func shortTitle(title, host string) string {
	parts := titleJoint.FindAllStringIndex(title, -1)
	if len(parts) == 0 {
		return title
	}
	last := parts[len(parts)-1]
	tail := strings.ToLower(strings.ReplaceAll(title[last[1]:], " ", ""))
	name, _, _ := strings.Cut(host, ".")
	if name != "" && (strings.Contains(tail, name) || strings.Contains(host, strings.TrimSuffix(tail, ".com")) && len(tail) > 2) {
		return strings.TrimSpace(title[:last[0]])
	}
	return title
}
