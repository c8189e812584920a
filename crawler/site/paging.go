package site

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// NextSearchURL gives the page after a page of a search, made by the site's
// template: many markets turn pages with a script and have no link to follow.
// It is "" when the address is no search of that form, or the last page that
// the site shows. What else the address has (filters, an order) stays.
func (s *Site) NextSearchURL(current string) string {
	u, err := url.Parse(current)
	if err != nil || s.Search.URL == "" || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ""
	}
	path, query, _ := strings.Cut(s.Search.URL, "?")
	if m := pageParam.FindStringSubmatch(query); m != nil {
		return s.nextByQuery(u, path, m)
	}
	return s.nextByPath(u, path)
}

var (
	pageNumber = regexp.MustCompile(`\{(page|page0|offset|offset1)\}`)
	pageParam  = regexp.MustCompile(`(?:^|&)([^=&]+)=([^=&{}]*)\{(page|page0|offset|offset1)\}`)
	schemeHost = regexp.MustCompile(`^https?://[^/]+`)
)

// nextByQuery raises the parameter that has the page.
func (s *Site) nextByQuery(u *url.URL, path string, m []string) string {
	name, prefix, unit := m[1], m[2], m[3]
	if !templatePath(path).MatchString(u.EscapedPath()) {
		return ""
	}
	query := u.Query()
	page := 1
	if v := query.Get(name); v != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(v, prefix))
		if err != nil || !strings.HasPrefix(v, prefix) || n < 0 || n > 1e6 {
			return ""
		}
		page = s.pageOf(unit, n)
	}
	if !s.shows(page + 1) {
		return ""
	}
	query.Set(name, prefix+strconv.Itoa(s.unitOf(unit, page+1)))
	next := *u
	next.RawQuery, next.Fragment, next.RawFragment = query.Encode(), "", ""
	return next.String()
}

// nextByPath raises the number in the path, or puts it there where page 1 has
// a form of its own.
func (s *Site) nextByPath(u *url.URL, path string) string {
	m := pageNumber.FindStringSubmatch(path)
	if m == nil {
		return ""
	}
	here := u.EscapedPath()
	raised := func(page int, term string) string {
		if !s.shows(page) {
			return ""
		}
		filled := placeholder.ReplaceAllStringFunc(schemeHost.ReplaceAllString(path, ""), func(ph string) string {
			if strings.HasPrefix(ph, "{term") {
				return term
			}
			return strconv.Itoa(s.unitOf(m[1], page))
		})
		return u.Scheme + "://" + u.Host + filled
	}
	if found := templatePath(path).FindStringSubmatch(here); found != nil {
		re := templatePath(path)
		n, err := strconv.Atoi(found[re.SubexpIndex("page")])
		if err != nil {
			return ""
		}
		term := ""
		if i := re.SubexpIndex("term"); i > 0 {
			term = found[i]
		}
		return raised(s.pageOf(m[1], n)+1, term)
	}
	if s.Search.First == "" {
		return ""
	}
	first, _, _ := strings.Cut(s.Search.First, "?")
	re := templatePath(first)
	if found := re.FindStringSubmatch(here); found != nil && re.SubexpIndex("term") > 0 {
		return raised(2, found[re.SubexpIndex("term")])
	}
	return ""
}

// templatePath is an expression for the paths that a template makes.
func templatePath(template string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString("^")
	rest := schemeHost.ReplaceAllString(template, "")
	named := map[string]bool{}
	for {
		at := placeholder.FindStringIndex(rest)
		if at == nil {
			b.WriteString(regexp.QuoteMeta(strings.TrimSuffix(rest, "/")))
			break
		}
		b.WriteString(regexp.QuoteMeta(rest[:at[0]]))
		name, class := "page", `\d{1,7}`
		if strings.HasPrefix(rest[at[0]:], "{term") {
			name, class = "term", `[^/]+?`
		}
		if named[name] {
			b.WriteString(class)
		} else {
			b.WriteString("(?P<" + name + ">" + class + ")")
		}
		named[name] = true
		rest = rest[at[1]:]
	}
	b.WriteString("/?$")
	return regexp.MustCompile(b.String()) // quoted parts and two classes: always valid
}

func (s *Site) shows(page int) bool { return s.Search.MaxPages <= 0 || page <= s.Search.MaxPages }

// pageOf is the page (from 1) that a template's number means, unitOf the other
// way round.
func (s *Site) pageOf(unit string, n int) int {
	size := max(1, s.Search.PageSize)
	switch unit {
	case "page0":
		return n + 1
	case "offset":
		return n/size + 1
	case "offset1":
		return max(0, n-1)/size + 1
	}
	return n
}

func (s *Site) unitOf(unit string, page int) int {
	switch unit {
	case "page0":
		return page - 1
	case "offset":
		return (page - 1) * s.Search.PageSize
	case "offset1":
		return (page-1)*s.Search.PageSize + 1
	}
	return page
}
