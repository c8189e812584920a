package scope

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	whatwg "github.com/nlnwa/whatwg-url/url"
)

// MaxURL is the length in bytes above which nothing is taken for a URL.
const MaxURL = 8 << 10

// ErrURL is wrapped by the errors of Canonical and Resolve.
var ErrURL = errors.New("not a web address")

// Rules say which differences between two URLs of a site mean nothing. The zero
// value removes the usual tracking and session parameters and changes nothing
// else.
type Rules struct {
	// Drop names query parameters to remove, besides the usual ones. A name may
	// end in "*". Case does not matter.
	Drop []string
	// Keep names parameters that mean something at this site, even if they are
	// among the usual ones ("ref" is a product number at some shops).
	Keep []string
	// Only, when not empty, names the only parameters that mean something; all
	// others are removed.
	Only []string
	// Sort puts parameters in the order of their names. Order may mean
	// something where a name occurs twice, so equal names keep theirs.
	Sort bool
	// Hosts maps other names of the same pages: "m.shop.example" to
	// "www.shop.example".
	Hosts map[string]string
	// HTTPS writes http as https, for sites that serve both alike.
	HTTPS bool
	// TrimSlash removes the slash at the end of a path other than "/".
	TrimSlash bool
}

// noise lists parameters that never name a page: campaign, click and session
// ids, as documented by those who add them. Names that are a product, a shop or
// a category somewhere ("sid", "qid", "toolid") are left to the sites' own rules.
var noise = []string{
	// campaigns and clicks
	"utm_*", "gclid", "gclsrc", "dclid", "wbraid", "gbraid", "gad_source", "gad_campaignid", "srsltid",
	"fbclid", "fb_action_*", "fb_source", "igshid", "igsh", "msclkid", "yclid", "ysclid", "ttclid", "twclid",
	"li_fat_id", "epik", "mc_cid", "mc_eid", "_hsenc", "_hsmi", "mkt_tok", "vero_*", "oly_enc_id", "oly_anon_id",
	"wickedid", "irclickid", "irgwc", "cjevent", "awc", "zanpid", "ranmid", "raneaid", "ransiteid", "_ga", "_gl",
	"pk_*", "mtm_*", "matomo_*", "piwik_*", "at_medium", "at_campaign", "s_cid", "ncid", "cmpid",
	// marketplaces
	"spm", "scm", "pvid", "algo_pvid", "algo_expid", "algo_exp_id", "aff_*", "gps-id", "curpagelogid", "pdp_npi", "utparam*",
	"_trksid", "_trkparms", "campid", "mkcid", "mkevt", "mkrid",
	"ref", "ref_", "ref_src", "ref_url", "pd_rd_*", "pf_rd_*", "sprefix", "linkcode", "ascsubtag", "content-id",
	"ga_*", "organic_search_click", "click_key", "click_sum", "wt.mc_id",
	// sessions
	"phpsessid", "jsessionid", "aspsessionid*", "sessionid", "session_id", "zenid", "oscsid", "cfid", "cftoken",
}

// pathSession is a session id written into a path (";jsessionid=...").
var pathSession = regexp.MustCompile(`(?i);(?:jsessionid|phpsessid|sessionid|sid)=[^/;?]*`)

// sessionPart is a "sid" that can only be a session: a category or a shop has
// no such long id.
var sessionPart = regexp.MustCompile(`(?i)^sid=[0-9a-f]{26,128}$`)

// Canonical gives the one form of a URL that all its spellings share: parsed as
// browsers do, http or https, no user name, no default port, no fragment, no
// noise in the query, escapes in one spelling.
func Canonical(raw string, r Rules) (string, error) {
	u, err := parseWeb(raw, "")
	if err != nil {
		return "", err
	}
	host := u.Hostname()
	if alias, ok := r.Hosts[host]; ok {
		host = strings.ToLower(alias)
	}
	scheme := u.Scheme()
	if r.HTTPS && u.Port() == "" {
		scheme = "https"
	}
	var b strings.Builder
	b.WriteString(scheme + "://" + host)
	if p := u.Port(); p != "" {
		b.WriteString(":" + p)
	}
	path := evenEscapes(pathSession.ReplaceAllString(u.Pathname(), ""))
	if r.TrimSlash && len(path) > 1 {
		path = "/" + strings.Trim(path, "/")
	}
	b.WriteString(path)
	if q := r.query(u.Query()); q != "" {
		b.WriteString("?" + q)
	}
	return b.String(), nil
}

// Resolve gives the absolute URL that a link on a page leads to, without its
// fragment. base is the page's URL, or its <base href>.
func Resolve(base, ref string) (string, error) {
	u, err := parseWeb(ref, base)
	if err != nil {
		return "", err
	}
	return u.Href(true), nil
}

// Host gives the host of a URL in lower case, "" when it is not a web URL.
func Host(raw string) string {
	u, err := parseWeb(raw, "")
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func parseWeb(raw, base string) (*whatwg.Url, error) {
	if len(raw) > MaxURL || len(base) > MaxURL {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrURL, MaxURL)
	}
	var u *whatwg.Url
	var err error
	if base == "" {
		u, err = whatwg.Parse(raw)
	} else {
		u, err = whatwg.ParseRef(base, raw)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: it cannot be parsed", ErrURL)
	}
	if s := u.Scheme(); s != "http" && s != "https" {
		return nil, fmt.Errorf("%w: its scheme is %q", ErrURL, clip(s))
	}
	u.SetUsername("")
	u.SetPassword("")
	host := strings.TrimSuffix(u.Hostname(), ".")
	if !goodHost(host) {
		return nil, fmt.Errorf("%w: it has no host", ErrURL)
	}
	if host != u.Hostname() {
		u.SetHostname(host)
	}
	if len(u.Href(false)) > 2*MaxURL { // escapes can make it longer
		return nil, fmt.Errorf("%w: longer than %d bytes once escaped", ErrURL, 2*MaxURL)
	}
	return u, nil
}

// goodHost refuses what the parser lets through and no name server would.
func goodHost(h string) bool {
	if strings.HasPrefix(h, "[") {
		a, err := netip.ParseAddr(strings.Trim(h, "[]"))
		return err == nil && a.Zone() == ""
	}
	if h == "" || len(h) > 253 || strings.Contains("."+h+".", "..") {
		return false
	}
	return !strings.ContainsFunc(h, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_')
	})
}

// query removes noise and spells the rest evenly. Parts are kept as they stood:
// "a" and "a=" can mean different things to a shop.
func (r Rules) query(raw string) string {
	var kept []string
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		part = evenEscapes(part)
		name := paramName(part)
		if r.means(name) && (listed(r.Keep, name) || !sessionPart.MatchString(part)) {
			kept = append(kept, part)
		}
	}
	if r.Sort {
		slices.SortStableFunc(kept, func(a, b string) int { return strings.Compare(paramName(a), paramName(b)) })
	}
	return strings.Join(kept, "&")
}

// means reports whether a parameter says which page is meant.
func (r Rules) means(name string) bool {
	switch {
	case listed(r.Keep, name):
		return true
	case len(r.Only) > 0:
		return listed(r.Only, name)
	}
	return !listed(noise, name) && !listed(r.Drop, name)
}

func listed(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool {
		if prefix, ok := strings.CutSuffix(n, "*"); ok {
			return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
		}
		return strings.EqualFold(n, name)
	})
}

func paramName(part string) string {
	name, _, _ := strings.Cut(part, "=")
	return unescape(strings.ReplaceAll(name, "+", " "))
}

// evenEscapes gives percent-encodings one spelling (RFC 3986 section 6.2.2):
// unreserved characters plain, hex digits upper case, a lone percent sign
// escaped.
func evenEscapes(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '%' {
			b.WriteByte(c)
			continue
		}
		d, ok := escaped(s, i)
		switch {
		case !ok:
			b.WriteString("%25")
			continue
		case unreserved(d):
			b.WriteByte(d)
		default:
			writeEscape(&b, d)
		}
		i += 2
	}
	return b.String()
}

func writeEscape(b *strings.Builder, c byte) {
	const hex = "0123456789ABCDEF"
	b.WriteByte('%')
	b.WriteByte(hex[c>>4])
	b.WriteByte(hex[c&15])
}

// escaped reads the "%XX" at i.
func escaped(s string, i int) (byte, bool) {
	if i+2 >= len(s) || s[i] != '%' {
		return 0, false
	}
	hi, ok1 := hexDigit(s[i+1])
	lo, ok2 := hexDigit(s[i+2])
	return hi<<4 | lo, ok1 && ok2
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if d, ok := escaped(s, i); ok {
			b.WriteByte(d)
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func clip(s string) string {
	if len(s) > 48 {
		return s[:48] + "..."
	}
	return s
}
