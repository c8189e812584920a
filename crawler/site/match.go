package site

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

func newSet(byName map[string]*Site) (*Set, error) {
	s := &Set{hosts: map[string]*Site{}, generic: genericSite()}
	for _, one := range byName {
		s.sites = append(s.sites, one)
	}
	slices.SortFunc(s.sites, func(a, b *Site) int { return strings.Compare(a.Name, b.Name) })
	for _, one := range s.sites {
		for _, h := range one.Hosts {
			if other, taken := s.hosts[h.Name]; taken {
				return nil, fmt.Errorf("host %s belongs to both site %s and site %s", h.Name, other.Name, one.Name)
			}
			s.hosts[h.Name] = one.at(h)
		}
	}
	return s, nil
}

// at gives the site as it is on one of its hosts.
func (s *Site) at(h Host) *Site {
	c := *s
	c.hostName = h.Name
	set := func(to *string, v string) {
		if v != "" {
			*to = v
		}
	}
	set(&c.Country, h.Country)
	set(&c.Currency, h.Currency)
	set(&c.Language, h.Language)
	set(&c.Lane, h.Lane)
	set(&c.Egress, h.Egress)
	c.Browser = c.Browser.withDefaults(c.Language)
	return &c
}

func (b Browser) withDefaults(language string) Browser {
	if b.Locale == "" {
		b.Locale = language
	}
	if b.AcceptLanguage == "" && language != "" {
		base, _, _ := strings.Cut(language, "-")
		b.AcceptLanguage = language
		if base != language {
			b.AcceptLanguage += "," + base + ";q=0.9"
		}
		if base != "en" {
			b.AcceptLanguage += ",en;q=0.5"
		}
	}
	return b
}

// Sites lists the known sites by name, not specialised to a host.
func (s *Set) Sites() []*Site { return slices.Clone(s.sites) }

// With gives a set that has one site more, or another of the same name.
func (s *Set) With(one *Site) (*Set, error) {
	byName := map[string]*Site{one.Name: one}
	for _, other := range s.sites {
		if other.Name != one.Name {
			byName[other.Name] = other
		}
	}
	return newSet(byName)
}

// Site gives the site of a name, specialised to its first host, or nil.
func (s *Set) Site(name string) *Site {
	for _, one := range s.sites {
		if one.Name == name {
			return s.hosts[one.Hosts[0].Name]
		}
	}
	if name == s.generic.Name {
		return s.generic
	}
	return nil
}

// For says what an address means. The site of an unknown host is the generic
// one, whose lane is the host's registrable domain.
func (s *Set) For(rawURL string) *Match {
	u, err := url.Parse(strings.TrimSpace(rawURL))
	if err != nil || u.Host == "" {
		return &Match{Site: s.generic, Kind: KindOther, Canonical: rawURL, Lane: "generic"}
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if one := s.forHost(host); one != nil {
		return one.match(u, host)
	}
	m := s.generic.match(u, host)
	m.Lane = host
	if domain, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		m.Lane = domain
	}
	return m
}

func (s *Set) forHost(host string) *Site {
	for h := host; h != ""; {
		if one, ok := s.hosts[h]; ok {
			return one
		}
		_, rest, ok := strings.Cut(h, ".")
		if !ok {
			return nil
		}
		h = rest
	}
	return nil
}

func (s *Site) lane() string {
	if s.Egress == "" {
		return s.Lane
	}
	return s.Lane + "@" + s.Egress
}

// Egresses lists the named proxies that the sites ask for, and which sites do.
func (s *Set) Egresses() map[string][]string {
	out := map[string][]string{}
	for _, one := range s.hosts {
		if e := one.Egress; e != "" && !slices.Contains(out[e], one.Name) {
			out[e] = append(out[e], one.Name)
		}
	}
	for _, names := range out {
		slices.Sort(names)
	}
	return out
}

// Covers says whether a domain belongs to the site of a name alone, with all
// its subdomains.
func (s *Set) Covers(name, domain string) bool {
	domain = strings.TrimSuffix(strings.ToLower(domain), ".")
	if one := s.forHost(domain); one == nil || one.Name != name {
		return false
	}
	for host, one := range s.hosts {
		if one.Name != name && strings.HasSuffix(host, "."+domain) {
			return false
		}
	}
	return true
}

func (s *Site) match(u *url.URL, host string) *Match {
	m := &Match{Site: s, Kind: KindOther, Lane: s.lane()}
	query := u.Query()
	for i := range s.Pages {
		p := &s.Pages[i]
		groups, ok := p.fits(host, u.EscapedPath(), query)
		if !ok {
			continue
		}
		fill := func(template string) string {
			return placeholder.ReplaceAllStringFunc(template, func(ph string) string { return groups[ph[1:len(ph)-1]] })
		}
		if p.ID != "" {
			groups["id"] = fill(p.ID)
		}
		m.Kind, m.ItemID = p.Kind, groups["id"]
		if p.Canonical != "" {
			groups["host"], groups["domain"] = host, s.hostName
			m.Canonical = fill(p.Canonical)
		}
		break
	}
	if m.Canonical == "" {
		m.Canonical = canonicalURL(u, query)
	}
	return m
}

func (p *PageRule) fits(host, path string, query url.Values) (map[string]string, bool) {
	groups := map[string]string{}
	take := func(re *regexp.Regexp, text string) bool {
		if re == nil {
			return true
		}
		found := re.FindStringSubmatch(text)
		if found == nil {
			return false
		}
		for i, name := range re.SubexpNames() {
			if name != "" && found[i] != "" {
				groups[name] = found[i]
			}
		}
		return true
	}
	if !take(p.host, host) || !take(p.path, path) {
		return nil, false
	}
	for name, re := range p.query {
		if !query.Has(name) || !take(re, query.Get(name)) {
			return nil, false
		}
	}
	return groups, true
}

// tracking are query parameters that say where a visitor came from and change
// nothing of the page.
var tracking = regexp.MustCompile(`(?i)^(utm_|mc_|pk_|mtm_|hsa_|spm$|scm$|pvid$|algo_|gclid$|gclsrc$|gbraid$|wbraid$|gad_|fbclid$|msclkid$|yclid$|ysclid$|dclid$|igshid$|ttclid$|twclid$|srsltid$|_ga$|_gl$|ref_$|referrer$|sessionid$|phpsessid$|jsessionid$|aff_|affid$|affiliate|aff$|trk|tracking|click_key$|click_sum$|_pos$|_sid$|_ss$|_psq$|_fid$)`)

// vague are parameters that are tracking where the path names the page, and may
// name it themselves where the path is a program's ("/item.php?ref=B7").
var vague = regexp.MustCompile(`(?i)^(ref|source|sid|src)$`)

var program = regexp.MustCompile(`(?i)\.(?:php|aspx?|cgi|jsp|do|dll|cfm|pl)$|^/?$`)

// canonicalURL is the generic canonical form: lower-case scheme and host, no
// default port, no fragment, no tracking parameters, the others sorted.
func canonicalURL(u *url.URL, query url.Values) string {
	c := *u
	c.Scheme, c.Host = strings.ToLower(c.Scheme), strings.ToLower(c.Host)
	c.User, c.Fragment, c.RawFragment = nil, "", ""
	if (c.Scheme == "https" && c.Port() == "443") || (c.Scheme == "http" && c.Port() == "80") {
		c.Host = c.Hostname()
	}
	for name := range query {
		if tracking.MatchString(name) || vague.MatchString(name) && !program.MatchString(c.Path) {
			query.Del(name)
		}
	}
	c.RawQuery, c.ForceQuery = query.Encode(), false
	if c.Path == "" {
		c.Path = "/"
	}
	return c.String()
}
