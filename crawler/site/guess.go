package site

import (
	"regexp"
	"strings"

	"github.com/trawlmark/trawlmark/crawler/listing"
)

// nowhere is a host that no page has (RFC 2606).
const nowhere = "saved-page.invalid"

var savedFrom = regexp.MustCompile(`<!--\s*saved from url=\(\d+\)(\S+)`)

// Guess finds the address that a saved page was served under, from the page
// itself; "" when it does not say. Addresses of listings are preferred, then
// those of known sites.
func (s *Set) Guess(body []byte, contentType string) string {
	decoded := listing.Decode(body, contentType)
	doc := listing.Parse("https://"+nowhere+"/", decoded) // for addresses that begin with //
	candidates := doc.CanonicalLinks()
	for _, key := range []string{"al:web:url", "twitter:url", "al:android:url"} {
		if u := doc.Absolute(doc.Meta(key)); u != "" {
			candidates = append(candidates, u)
		}
	}
	if m := savedFrom.FindSubmatch(decoded.Text[:min(len(decoded.Text), 4096)]); m != nil {
		candidates = append([]string{string(m[1])}, candidates...)
	}
	candidates = append(candidates, doc.Alternates()...)
	best, rank := "", -1
	for _, c := range candidates {
		if strings.Contains(c, nowhere) {
			continue
		}
		m := s.For(c)
		r := 0
		if !m.Site.Generic {
			r += 2
		}
		if m.Kind == KindListing || m.Kind == KindSearch {
			r++
		}
		if r > rank {
			best, rank = c, r
		}
	}
	return best
}
