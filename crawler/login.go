package crawler

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/crawler/render"
	"github.com/trawlmark/trawlmark/crawler/site"
)

// Bounds on a cookie file: browsers keep no more per site.
const (
	maxLoginFile    = 1 << 20
	maxLoginCookies = 500
	maxCookie       = 4096 // name and value, RFC 6265 section 6.1
)

// Login is the cookies that one site is visited with. It never prints, and its
// values never enter a capture (see mask.go).
type Login struct {
	site    string
	cookies []loginCookie
}

type loginCookie struct {
	name, value, domain, path string
	hostOnly                  bool // not for subdomains
	secure, httpOnly          bool
	expires                   time.Time // zero: with the session
}

// String, GoString and MarshalText hide what it holds.
func (l *Login) String() string { return "<secret>" }

// GoString implements fmt.GoStringer.
func (l *Login) GoString() string { return l.String() }

// MarshalText implements encoding.TextMarshaler.
func (l *Login) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// OpenLogin reads the cookie file of a site. Only its owner may be able to read
// the file.
func OpenLogin(sites *site.Set, name, path string) (*Login, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the login of %s cannot be read: %w", name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("the login of %s cannot be read: %w", name, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("the login of %s: %s is not a file", name, path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("the login of %s: others can read %s (mode %04o); run: chmod 600 %s", name, path, info.Mode().Perm(), path)
	case info.Size() > maxLoginFile:
		return nil, fmt.Errorf("the login of %s: %s has %d bytes, more than %d", name, path, info.Size(), maxLoginFile)
	}
	doc, err := io.ReadAll(io.LimitReader(f, maxLoginFile+1))
	if err != nil {
		return nil, fmt.Errorf("the login of %s cannot be read: %w", name, err)
	}
	l, err := ParseLogin(sites, name, doc)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// ParseLogin reads cookies in the Netscape form (cookies.txt, seven fields
// between tabs) or as JSON, the array that browser extensions export or
// Playwright's {"cookies": [...]}. A cookie of another site is an error. No
// error quotes a value.
func ParseLogin(sites *site.Set, name string, doc []byte) (*Login, error) {
	if s := sites.Site(name); s == nil || s.Generic {
		return nil, fmt.Errorf("a login is for a site with a site file; there is none of the name %q", name)
	}
	list, err := parseCookies(doc)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("there is no cookie in it")
	}
	if len(list) > maxLoginCookies {
		return nil, fmt.Errorf("it has %d cookies, more than %d", len(list), maxLoginCookies)
	}
	for i, c := range list {
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("cookie %d: %w", i+1, err)
		}
		if !sites.Covers(name, c.domain) {
			return nil, fmt.Errorf("cookie %d is for %q, which is not the site %s's alone: remove it", i+1, c.domain, name)
		}
	}
	return &Login{site: name, cookies: list}, nil
}

func (c loginCookie) check() error {
	plain := func(s string) bool {
		return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ';' || r == ',' })
	}
	switch {
	case c.name == "" || !plain(c.name) || strings.Contains(c.name, "="):
		return errors.New("its name is none")
	case !plain(unquoted(c.value)) || strings.ContainsAny(unquoted(c.value), `"\`):
		// Browsers send more than RFC 6265 section 4.1.1 allows; net/http would
		// send something else than they do.
		return errors.New("its value has a blank, a comma, a quote, a backslash or worse, which no cookie can have: remove it")
	case len(c.name)+len(c.value) > maxCookie:
		return fmt.Errorf("it is longer than %d bytes", maxCookie)
	case !strings.HasPrefix(c.path, "/") || !plain(c.path):
		return errors.New("its path does not begin with / or has a character that no path can have")
	}
	return nil
}

// unquoted takes the pair of quotes away that a value may stand in.
func unquoted(value string) string {
	if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		return value[1 : len(value)-1]
	}
	return value
}

func (c loginCookie) expired(now time.Time) bool {
	return !c.expires.IsZero() && !now.Before(c.expires)
}

// login is the profile of the visit's site; nil for none.
func (v *visit) login() *Login { return v.Logins[v.match.Site.Name] }

// loginCookies are what plain HTTP sends: the cookies of the URL's own host.
// fetch sends them there, and on redirects to where their domains reach.
func (v *visit) loginCookies() []*http.Cookie {
	l := v.login()
	u, err := url.Parse(v.req.URL)
	if l == nil || err != nil {
		return nil
	}
	host := strings.ToLower(u.Hostname())
	var out []*http.Cookie
	for _, c := range l.cookies {
		if c.expired(v.Now()) || host != c.domain && (c.hostOnly || !strings.HasSuffix(host, "."+c.domain)) {
			continue
		}
		h := &http.Cookie{Name: c.name, Value: unquoted(c.value), Path: c.path, Secure: c.secure, HttpOnly: c.httpOnly}
		h.Quoted = h.Value != c.value
		if !c.hostOnly {
			h.Domain = c.domain
		}
		out = append(out, h)
	}
	return out
}

// chromeCookies are what Chrome is given; it knows itself where each goes.
func (v *visit) chromeCookies() []render.Cookie {
	l := v.login()
	if l == nil {
		return nil
	}
	var out []render.Cookie
	for _, c := range l.cookies {
		if !c.expired(v.Now()) {
			out = append(out, render.Cookie{
				Name: c.name, Value: c.value, Domain: c.domain, Path: c.path, Secure: c.secure, HTTPOnly: c.httpOnly,
			})
		}
	}
	return out
}

// noteLogin records that the visit was made by somebody the site knows.
func (v *visit) noteLogin() {
	l := v.login()
	if l == nil {
		return
	}
	how := "visited with the login profile of " + l.site + "; cookie values of the login profile are not kept"
	old := 0
	for _, c := range l.cookies {
		if c.expired(v.Now()) {
			old++
		}
	}
	if old > 0 {
		how += fmt.Sprintf("; %d of its %d cookies had expired and were not sent", old, len(l.cookies))
	}
	v.cap.Policy.Overrides = append(v.cap.Policy.Overrides, how)
}

// checkLogins refuses a profile of a site that is not known.
func (d Deps) checkLogins() error {
	for _, name := range slices.Sorted(maps.Keys(d.Logins)) {
		if s := d.Sites.Site(name); s == nil || s.Generic || d.Logins[name] == nil || d.Logins[name].site != name {
			return fmt.Errorf("crawler: the login profile under %q is not one of a site by that name", name)
		}
	}
	return nil
}
