package site

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/andybalholm/cascadia"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/trawlmark/trawlmark/crawler/listing"
)

// Set is all the sites that are known. It does not change after Load and may
// be used by many goroutines.
type Set struct {
	sites   []*Site          // as loaded, by name
	hosts   map[string]*Site // host name -> the site specialised to it
	generic *Site
}

// maxSiteFile bounds a site file: the longest of ours is 12 KB.
const maxSiteFile = 1 << 20

// Load reads every *.yaml of the folders. A site of a later folder replaces
// the one of the same name of an earlier folder. An error names the file, the
// line and the key of everything that is wrong, not only of the first.
func Load(fsys fs.FS, more ...fs.FS) (*Set, error) {
	byName := map[string]*Site{}
	var errs []error
	for i, f := range append([]fs.FS{fsys}, more...) {
		here, err := loadFolder(f)
		if err != nil {
			errs = append(errs, fmt.Errorf("site folder %d: %w", i+1, err))
			continue
		}
		maps.Copy(byName, here)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return newSet(byName)
}

func loadFolder(fsys fs.FS) (map[string]*Site, error) {
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	here, from := map[string]*Site{}, map[string]string{}
	var errs []error
	for _, name := range names {
		s, err := loadFile(fsys, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if other, twice := from[s.Name]; twice {
			errs = append(errs, fmt.Errorf("%s: name: %q is already the name of %s", name, s.Name, other))
			continue
		}
		here[s.Name], from[s.Name] = s, name
	}
	return here, errors.Join(errs...)
}

func loadFile(fsys fs.FS, name string) (*Site, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if info.Size() > maxSiteFile {
		return nil, fmt.Errorf("%s: is %d bytes long; a site file is at most %d", name, info.Size(), maxSiteFile)
	}
	b, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return Parse(path.Base(name), b)
}

// Parse reads one site file; file is only used in errors.
func Parse(file string, b []byte) (*Site, error) {
	s := &Site{}
	if err := yaml.UnmarshalWithOptions(b, s, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %s", file, yamlSentence(err))
	}
	tree, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", file, yamlSentence(err))
	}
	c := &checker{file: file, tree: tree}
	s.compile(c)
	if len(c.errs) > 0 {
		return nil, errors.Join(c.errs...)
	}
	return s, nil
}

// yamlSentence turns goccy's "[line:column] message" plus source excerpt into
// one line.
func yamlSentence(err error) string {
	text, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	if rest, ok := strings.CutPrefix(text, "["); ok {
		pos, msg, _ := strings.Cut(rest, "]")
		line, _, _ := strings.Cut(pos, ":")
		return "line " + line + ": " + strings.TrimSpace(msg)
	}
	return text
}

// checker collects what is wrong with a site file, with positions.
type checker struct {
	file string
	tree *ast.File
	errs []error
}

// bad records an error at a YAML path such as "$.pages[0].path".
func (c *checker) bad(at, format string, args ...any) {
	key := strings.TrimPrefix(strings.TrimPrefix(at, "$"), ".")
	line := ""
	for p := at; p != ""; p = parentPath(p) {
		if n := c.line(p); n > 0 {
			line = fmt.Sprintf(" line %d:", n)
			break
		}
	}
	c.errs = append(c.errs, fmt.Errorf("%s:%s %s: %s", c.file, line, key, fmt.Sprintf(format, args...)))
}

func (c *checker) line(at string) int {
	if c.tree == nil || at == "$" {
		return 0
	}
	p, err := yaml.PathString(at)
	if err != nil {
		return 0
	}
	n, err := p.FilterFile(c.tree)
	if err != nil || n == nil || n.GetToken() == nil {
		return 0
	}
	return n.GetToken().Position.Line
}

func parentPath(p string) string {
	if i := strings.LastIndexAny(p, ".["); i > 0 {
		return p[:i]
	}
	return ""
}

func (c *checker) regexp(at, expr string) *regexp.Regexp {
	if expr == "" {
		return nil
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		c.bad(at, "%v", err)
		return nil
	}
	return re
}

func (c *checker) selector(at, css string) cascadia.Selector {
	if css == "" {
		return nil
	}
	sel, err := cascadia.Compile(css)
	if err != nil {
		c.bad(at, "%q is not a CSS selector: %v", css, err)
		return nil
	}
	return sel
}

func (c *checker) selectors(at string, list []string) []cascadia.Selector {
	var out []cascadia.Selector
	for i, css := range list {
		if sel := c.selector(fmt.Sprintf("%s[%d]", at, i), css); sel != nil {
			out = append(out, sel)
		}
	}
	return out
}

var (
	siteName  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	proxyName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	hostName  = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	viewport  = regexp.MustCompile(`^[1-9][0-9]{2,4}x[1-9][0-9]{2,4}$`)
)

// compile checks the site, sets defaults and builds the expressions.
func (s *Site) compile(c *checker) {
	if !siteName.MatchString(s.Name) {
		c.bad("$.name", "%q is not a name: lower-case letters, digits and '-', at most 40", s.Name)
	}
	if s.Title == "" {
		s.Title = s.Name
	}
	if s.Lane == "" {
		s.Lane = s.Name
	}
	c.lane("$.lane", s.Lane)
	c.proxy("$.egress", s.Egress)
	s.checkHosts(c)
	s.checkCodes(c, "$", s.Country, s.Currency)
	s.checkRender(c)
	s.checkPoliteness(c)
	if s.Browser.Viewport == "" {
		s.Browser.Viewport = "1366x900"
	}
	if !viewport.MatchString(s.Browser.Viewport) {
		c.bad("$.browser.viewport", "%q is not a size like 1366x900", s.Browser.Viewport)
	}
	c.selectors("$.browser.dismiss", s.Browser.Dismiss)
	c.selectors("$.browser.wait_for", s.Browser.WaitFor)
	s.checkSearch(c)
	s.compilePages(c)
	s.Markers.compile(c)
	s.Links.compile(c)
	for _, p := range s.Listing.Compile() {
		c.bad("$.listing."+p.Key, "%s", p.Message)
	}
	s.compiled = true
}

func (s *Site) checkHosts(c *checker) {
	if len(s.Hosts) == 0 && !s.Generic {
		c.bad("$.hosts", "a site needs at least one host")
	}
	for i, h := range s.Hosts {
		at := fmt.Sprintf("$.hosts[%d]", i)
		if !hostName.MatchString(h.Name) {
			c.bad(at+".name", "%q is not a host name (lower case, no scheme, no port)", h.Name)
		}
		if h.Search != "" && !hostName.MatchString(h.Search) {
			c.bad(at+".search", "%q is not a host name", h.Search)
		}
		c.lane(at+".lane", h.Lane)
		c.proxy(at+".egress", h.Egress)
		s.checkCodes(c, at, h.Country, h.Currency)
	}
}

// lane refuses what would be taken for a lane behind a named proxy.
func (c *checker) lane(at, name string) {
	if strings.Contains(name, "@") {
		c.bad(at, "%q has an @, which stands before the name of a proxy: set egress", name)
	}
}

func (c *checker) proxy(at, name string) {
	if name != "" && !proxyName.MatchString(name) {
		c.bad(at, "%q is not a proxy's name: lower-case letters, digits and '-', at most 40; its address stands in the configuration", name)
	}
}

var countryCode = regexp.MustCompile(`^[A-Z]{2}$`)

func (s *Site) checkCodes(c *checker, at, country, currency string) {
	if country != "" && !countryCode.MatchString(country) {
		c.bad(at+".country", "%q is not an ISO 3166 code like DE", country)
	}
	if currency != "" && !listing.IsCurrency(currency) {
		c.bad(at+".currency", "%q is not an ISO 4217 code like EUR", currency)
	}
}

func (s *Site) checkRender(c *checker) {
	full := map[Kind]RenderMode{KindSearch: RenderAuto, KindListing: RenderAuto, KindSeller: RenderAuto, KindOther: RenderAuto}
	for k, m := range s.Render {
		if _, ok := full[k]; !ok {
			c.bad("$.render."+string(k), "is not a page kind: search, listing, seller or other")
			continue
		}
		if m != RenderNever && m != RenderAuto && m != RenderAlways {
			c.bad("$.render."+string(k), "%q is not never, auto or always", m)
			continue
		}
		full[k] = m
	}
	s.Render = full
}

func (s *Site) checkPoliteness(c *checker) {
	p := &s.Politeness
	if p.MinDelay == 0 {
		p.MinDelay = 2 * time.Second
	}
	if p.MaxDelay == 0 {
		p.MaxDelay = max(60*time.Second, p.MinDelay)
	}
	if p.Factor == 0 {
		p.Factor = 5
	}
	if p.Robots == "" {
		p.Robots = RobotsObey
	}
	switch {
	case p.MinDelay < 0:
		c.bad("$.politeness.min_delay", "%s is negative", p.MinDelay)
	case p.MaxDelay < p.MinDelay:
		c.bad("$.politeness.max_delay", "%s is less than min_delay %s", p.MaxDelay, p.MinDelay)
	case p.Factor < 0:
		c.bad("$.politeness.factor", "%g is negative", p.Factor)
	case p.Robots != RobotsObey && p.Robots != RobotsRecord:
		c.bad("$.politeness.robots", "%q is not obey or record", p.Robots)
	}
}

func (s *Site) checkSearch(c *checker) {
	for key, t := range map[string]string{"url": s.Search.URL, "first": s.Search.First} {
		if t == "" {
			continue
		}
		filled, err := fillSearch(t, "host.test", "a b", 2, max(1, s.Search.PageSize))
		if err != nil {
			c.bad("$.search."+key, "%v", err)
			continue
		}
		if u, err := url.Parse(filled); err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
			c.bad("$.search."+key, "%q does not make an http(s) address", t)
		}
		if strings.Contains(t, "{offset") && s.Search.PageSize <= 0 {
			c.bad("$.search.page_size", "is needed for {offset}")
		}
	}
}

func (s *Site) compilePages(c *checker) {
	kinds := []Kind{KindSearch, KindListing, KindSeller, KindOther}
	for i := range s.Pages {
		p := &s.Pages[i]
		at := fmt.Sprintf("$.pages[%d]", i)
		if !slices.Contains(kinds, p.Kind) {
			c.bad(at+".kind", "%q is not search, listing, seller or other", p.Kind)
		}
		if p.Path == "" && len(p.Query) == 0 && p.Host == "" {
			c.bad(at, "needs host, path or query")
		}
		p.host = c.regexp(at+".host", p.Host)
		p.path = c.regexp(at+".path", p.Path)
		p.query = map[string]*regexp.Regexp{}
		for name, expr := range p.Query {
			if re := c.regexp(at+".query."+name, expr); re != nil {
				p.query[name] = re
			}
		}
		if len(c.errs) == 0 {
			s.checkCanonical(c, at, p)
		}
	}
}

var placeholder = regexp.MustCompile(`\{([a-z0-9:]+)\}`)

func (s *Site) checkCanonical(c *checker, at string, p *PageRule) {
	for _, m := range placeholder.FindAllStringSubmatch(p.ID, -1) {
		if !slices.Contains(p.groups(), m[1]) {
			c.bad(at+".id", "{%s} is no named group of path or query", m[1])
		}
	}
	for _, m := range placeholder.FindAllStringSubmatch(p.Canonical, -1) {
		if m[1] == "id" && p.ID != "" {
			continue
		}
		if m[1] != "host" && m[1] != "domain" && !slices.Contains(p.groups(), m[1]) {
			c.bad(at+".canonical", "{%s} is no named group of path or query", m[1])
		}
	}
}

func (p *PageRule) groups() []string {
	var out []string
	if p.host != nil {
		out = append(out, p.host.SubexpNames()...)
	}
	if p.path != nil {
		out = append(out, p.path.SubexpNames()...)
	}
	for _, re := range p.query {
		out = append(out, re.SubexpNames()...)
	}
	return out
}

func (m *Markers) compile(c *checker) {
	for key, list := range map[string][]Marker{
		"challenge": m.Challenge, "login": m.Login, "consent": m.Consent, "geo": m.Geo, "failed": m.Failed,
		"removed": m.Removed, "sold": m.Sold, "unavailable": m.Unavailable,
		"search_empty": m.Empty, "shell": m.Shell, "listing": m.Listing, "search": m.SearchPage,
	} {
		for i := range list {
			list[i].compile(c, fmt.Sprintf("$.markers.%s[%d]", key, i))
		}
	}
}

func (m *Marker) compile(c *checker, at string) {
	if m.CSS == "" && m.Text == "" && m.Title == "" && m.URL == "" && m.Form == "" && m.Script == "" {
		c.bad(at, "needs css, text, title, url, form or script; body alone proves nothing")
	}
	fold := func(expr string) string {
		if expr == "" {
			return ""
		}
		return "(?i)" + expr
	}
	m.sel = c.selector(at+".css", m.CSS)
	if m.Max < 0 {
		c.bad(at+".max", "%d is negative", m.Max)
	}
	m.text = c.regexp(at+".text", fold(m.Text))
	m.not = c.regexp(at+".not", fold(m.Not))
	m.title = c.regexp(at+".title", fold(m.Title))
	m.url = c.regexp(at+".url", fold(m.URL))
	m.form = c.regexp(at+".form", fold(m.Form))
	m.script = c.regexp(at+".script", m.Script)
}

func (l *LinkRules) compile(c *checker) {
	l.within = c.selectors("$.links.within", l.Within)
	l.decoys = c.selectors("$.links.decoys", l.Decoys)
	l.next = c.selectors("$.links.next", l.Next)
	l.card = c.selector("$.links.card", l.Card)
	l.title = c.selector("$.links.title", l.Title)
	l.price = c.selector("$.links.price", l.Price)
	for i, p := range l.State {
		if err := listing.CheckStatePath(p); err != nil {
			c.bad(fmt.Sprintf("$.links.state[%d]", i), "%v", err)
		}
	}
	if len(l.State) > 0 && l.URL == "" {
		c.bad("$.links.url", "is needed with state, to make an address of an id")
	}
}
