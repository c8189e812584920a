package site

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// SearchURL builds the address of a page (from 1) of a search for a term.
func (s *Site) SearchURL(term string, page int) (string, error) {
	switch {
	case s.Search.URL == "":
		return "", fmt.Errorf("site %s has no search template: give the watch a search address instead of a term", s.Name)
	case strings.TrimSpace(term) == "":
		return "", fmt.Errorf("site %s: the search term is empty", s.Name)
	case page < 1:
		return "", fmt.Errorf("site %s: search pages are counted from 1, not %d", s.Name, page)
	case s.Search.MaxPages > 0 && page > s.Search.MaxPages:
		return "", fmt.Errorf("site %s shows at most %d pages of a search, not %d", s.Name, s.Search.MaxPages, page)
	}
	template := s.Search.URL
	if page == 1 && s.Search.First != "" {
		template = s.Search.First
	}
	return fillSearch(template, s.searchHost(), term, page, s.Search.PageSize)
}

// searchHost is the host that search addresses are built on.
func (s *Site) searchHost() string {
	for _, h := range s.Hosts {
		if h.Name != s.hostName && s.hostName != "" {
			continue
		}
		if h.Search != "" {
			return h.Search
		}
		return withWWW(h.Name)
	}
	return withWWW(s.hostName)
}

// withWWW prefixes a bare domain: shops redirect it there, and a redirect
// costs a request of the lane.
func withWWW(host string) string {
	if domain, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil && domain == host {
		return "www." + host
	}
	return host
}

func fillSearch(template, host, term string, page, size int) (string, error) {
	var bad error
	out := placeholder.ReplaceAllStringFunc(template, func(ph string) string {
		v, err := searchValue(ph[1:len(ph)-1], host, term, page, size)
		if err != nil {
			bad = err
		}
		return v
	})
	return out, bad
}

func searchValue(name, host, term string, page, size int) (string, error) {
	words := strings.Fields(term)
	switch name {
	case "host":
		return host, nil
	case "term":
		return url.QueryEscape(term), nil
	case "term:path":
		return url.PathEscape(term), nil
	case "term:dash":
		return url.PathEscape(strings.Join(words, "-")), nil
	case "term:plus":
		return url.QueryEscape(strings.Join(words, " ")), nil
	case "term:gbk":
		return escapeIn(simplifiedchinese.GBK, term)
	case "term:eucjp":
		return escapeIn(japanese.EUCJP, term)
	case "page":
		return strconv.Itoa(page), nil
	case "page0":
		return strconv.Itoa(page - 1), nil
	case "offset":
		return strconv.Itoa((page - 1) * size), nil
	case "offset1":
		return strconv.Itoa((page-1)*size + 1), nil
	case "size":
		return strconv.Itoa(size), nil
	}
	return "", fmt.Errorf("{%s} is not known in a search template", name)
}

func escapeIn(e encoding.Encoding, term string) (string, error) {
	b, err := e.NewEncoder().String(term)
	if err != nil {
		return "", fmt.Errorf("the search term %q cannot be written in the site's encoding", term)
	}
	return url.QueryEscape(b), nil
}
