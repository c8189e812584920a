package scope

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Config says what belongs to a watch.
type Config struct {
	// Hosts that are followed: "www.shop.example", or "*.shop.example" for every
	// name below. At least one, unless AnyHost.
	Hosts []string
	// AnyHost follows every host that pages lead to.
	AnyHost bool
	// Include are path patterns of pages to follow, as robots.txt writes them
	// ("/item/*", "/search?*q="). Empty: all paths.
	Include []string
	// Exclude are path patterns of pages not to follow; they win over Include.
	Exclude []string
	// Rules make URLs comparable.
	Rules Rules
	// Traps are the bounds on a single URL.
	Traps Traps
	// Limits are the bounds on the whole watch.
	Limits Limits
}

// Limits bound one run of a watch; 0 means the default.
type Limits struct {
	Depth    int // links from a seed; default 3
	Pages    int // of one run; default 10,000
	PerHost  int // pages of one host; default 10,000
	PerShape int // pages whose URLs differ in numbers only; default 5,000
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		v    *int
		dflt int
	}{{&l.Depth, 3}, {&l.Pages, 10_000}, {&l.PerHost, 10_000}, {&l.PerShape, 5_000}} {
		if *d.v == 0 {
			*d.v = d.dflt
		}
	}
	return l
}

// Count is where a URL stands in a run; the ledger knows.
type Count struct {
	Depth    int // links from the seed; a seed has 0
	Pages    int // planned or visited so far
	PerHost  int // of them at the URL's host
	PerShape int // of them of the URL's shape (Shape)
}

// Check gives the reason for stopping here, "" when there is none.
func (l Limits) Check(c Count) string {
	l = l.withDefaults()
	switch {
	case c.Depth > l.Depth:
		return fmt.Sprintf("more than %d links away from the start", l.Depth)
	case c.Pages >= l.Pages:
		return fmt.Sprintf("the watch has its %d pages", l.Pages)
	case c.PerHost >= l.PerHost:
		return fmt.Sprintf("the host has its %d pages", l.PerHost)
	case c.PerShape >= l.PerShape:
		return fmt.Sprintf("there are already %d pages whose addresses differ in numbers only", l.PerShape)
	}
	return ""
}

// Validate reports the first setting that cannot be used.
func (c Config) Validate() error {
	if len(c.Hosts) == 0 && !c.AnyHost {
		return fmt.Errorf("scope.hosts: name at least one host to follow")
	}
	for _, h := range c.Hosts {
		if name := strings.TrimPrefix(h, "*."); !goodHost(strings.ToLower(name)) {
			return fmt.Errorf("scope.hosts: %q is not a host name; write shop.example, or *.shop.example for the names below it", clip(h))
		}
	}
	for key, list := range map[string][]string{"include": c.Include, "exclude": c.Exclude} {
		for _, p := range list {
			if p == "" || p[0] != '/' && p[0] != '*' {
				return fmt.Errorf("scope.%s: the pattern %q must begin with / or *", key, clip(p))
			}
		}
	}
	for _, n := range []int{
		c.Limits.Depth, c.Limits.Pages, c.Limits.PerHost, c.Limits.PerShape,
		c.Traps.MaxLength, c.Traps.MaxSegments, c.Traps.MaxRepeats, c.Traps.MaxParams,
	} {
		if n < 0 {
			return fmt.Errorf("scope.limits: a limit is negative; leave it out for the default")
		}
	}
	return nil
}

// Scope is a compiled Config. It is safe for concurrent use.
type Scope struct {
	cfg              Config
	include, exclude []pattern
}

// New compiles a Config, or says which setting is wrong.
func New(cfg Config) (*Scope, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Scope{cfg: cfg}
	for _, p := range cfg.Include {
		s.include = append(s.include, compilePattern(p))
	}
	for _, p := range cfg.Exclude {
		s.exclude = append(s.exclude, compilePattern(p))
	}
	return s, nil
}

// Decision is the answer for one URL.
type Decision struct {
	In     bool
	URL    string // canonical; "" when it is not a web address
	Reason string // why not; "" when In
}

// Decide says whether a URL belongs to the watch.
func (s *Scope) Decide(raw string, c Count) Decision {
	u, err := Canonical(raw, s.cfg.Rules)
	if err != nil {
		return Decision{Reason: err.Error()}
	}
	d := Decision{URL: u}
	switch {
	case !s.hasHost(Host(u)):
		d.Reason = "the host is not one of the watch"
	case !s.hasPath(u, &d):
	default:
		if d.Reason = s.cfg.Traps.Check(u); d.Reason == "" {
			d.Reason = s.cfg.Limits.Check(c)
		}
	}
	d.In = d.Reason == ""
	return d
}

// Refuses gives the reason why a URL is not of this scope by its host and its
// path, "" when it is: Decide without traps and limits. The include patterns
// are left out for a page that only leads on to others.
func (s *Scope) Refuses(raw string, leadsOn bool) string {
	u, err := Canonical(raw, s.cfg.Rules)
	if err != nil {
		return "not a web address"
	}
	if !s.hasHost(Host(u)) {
		return "the host is not one of the watch"
	}
	var d Decision
	if leadsOn {
		s = &Scope{cfg: s.cfg, exclude: s.exclude}
	}
	s.hasPath(u, &d)
	return d.Reason
}

func (s *Scope) hasHost(host string) bool {
	return s.cfg.AnyHost || slices.ContainsFunc(s.cfg.Hosts, func(h string) bool {
		if strings.HasPrefix(h, "*.") {
			return len(host) >= len(h) && strings.EqualFold(host[len(host)-len(h)+1:], h[1:])
		}
		return strings.EqualFold(host, h)
	})
}

func (s *Scope) hasPath(canonical string, d *Decision) bool {
	path := evenPath(requestPath(canonical), true)
	for _, p := range s.exclude {
		if p.match(path) {
			d.Reason = "excluded by " + clip(p.text)
			return false
		}
	}
	if len(s.include) > 0 && !slices.ContainsFunc(s.include, func(p pattern) bool { return p.match(path) }) {
		d.Reason = "no include pattern matches"
		return false
	}
	return true
}

// requestPath is path and query of a canonical URL.
func requestPath(canonical string) string {
	_, rest, _ := strings.Cut(canonical, "://")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return "/"
}

var (
	uuidLike = regexp.MustCompile(`(?i)[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}`)
	digits   = regexp.MustCompile(`\d+`)
)

// Shape is what stays of a canonical URL when its numbers and values are taken
// away: pages of one shape come from one template. It is a key, not a URL.
func Shape(canonical string) string {
	u, err := url.Parse(canonical)
	if err != nil {
		return canonical
	}
	path := digits.ReplaceAllString(uuidLike.ReplaceAllString(u.EscapedPath(), "{id}"), "{n}")
	var names []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		if part != "" {
			names = append(names, digits.ReplaceAllString(paramName(part), "{n}"))
		}
	}
	slices.Sort(names)
	return u.Host + path + "?" + strings.Join(slices.Compact(names), "&")
}
