package crawler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/egress"
	"github.com/trawlmark/trawlmark/crawler/fetch"
	"github.com/trawlmark/trawlmark/crawler/render"
	"github.com/trawlmark/trawlmark/crawler/site"
)

// Config is how visits behave.
type Config struct {
	// UserAgent is sent by HTTP and by Chrome alike. Required, one line.
	UserAgent string
	// RobotsAgent is the product token looked for in robots.txt. Default:
	// UserAgent up to the first "/".
	RobotsAgent string
	// Deadline bounds one visit, everything included. Default 90 s.
	Deadline time.Duration
	// MaxBody bounds one body, decoded. Default 64 MiB.
	MaxBody int64
	// FullLook is how old the previous capture of a listing may be for a visit to
	// ask only whether it changed: what a not_modified capture refers to must be
	// there, and a site that always says "not changed" must not be believed for
	// ever. Default 7 days.
	FullLook time.Duration
	// ScreenshotAll sends every listing to Chrome, not only those that need it.
	ScreenshotAll bool
	// SpoolDir holds large bodies until Result.Close. Default: the system's
	// temporary folder.
	SpoolDir string
	// Software, Worker and EgressIP stand in every capture's environment;
	// EgressIP not in those of visits through a named proxy.
	Software, Worker, EgressIP string
	// Clock is what is known of this machine's clock.
	Clock capture.Clock
}

func (c Config) withDefaults() Config {
	if c.RobotsAgent == "" {
		c.RobotsAgent, _, _ = strings.Cut(c.UserAgent, "/")
	}
	if c.Deadline == 0 {
		c.Deadline = 90 * time.Second
	}
	if c.FullLook == 0 {
		c.FullLook = 7 * 24 * time.Hour
	}
	if c.MaxBody == 0 {
		c.MaxBody = 64 << 20
	}
	if c.Clock.Source == "" {
		c.Clock.Source = "system"
	}
	return c
}

// Fetcher gets a page by HTTP. *fetch.Fetcher is one.
type Fetcher interface {
	Fetch(ctx context.Context, q fetch.Request) *fetch.Result
	Robots(ctx context.Context, q fetch.Request) *fetch.Result
}

// Renderer gets a page by Chrome. *render.Renderer is one.
type Renderer interface {
	Render(ctx context.Context, q render.Request) *render.Result
}

// Deps is what a crawler stands on. Renderer may be nil: then pages that need
// Chrome end as what the cheap fetch saw, and say so.
type Deps struct {
	Guard    *egress.Guard
	Fetcher  Fetcher
	Renderer Renderer
	Sites    *site.Set
	// Proxies are the ways out that site files name (their egress key); every
	// name that Sites asks for must be here.
	Proxies map[string]*egress.Upstream
	// Logins are cookies to visit a site with, by the site's name. Nil: every
	// visit is a stranger's.
	Logins map[string]*Login
	IDs    *capture.IDSource
	Now    func() time.Time
	// Random is in [0,1), for the sample of pages that Chrome looks at although
	// it taught that it need not. Default math/rand/v2.
	Random func() float64
	Log    *slog.Logger
}

// Crawler makes visits. Safe for concurrent use.
type Crawler struct {
	cfg Config
	Deps
	robots  *robotsCache
	lessons *lessons
}

// New makes a crawler.
func New(cfg Config, deps Deps) (*Crawler, error) {
	cfg = cfg.withDefaults()
	if strings.TrimSpace(cfg.UserAgent) == "" || strings.ContainsAny(cfg.UserAgent, "\r\n") {
		return nil, errors.New("crawler: UserAgent must be one non-empty line that says who asks")
	}
	if err := errors.Join(deps.checkProxies(), deps.checkLogins()); err != nil {
		return nil, err
	}
	if deps.Random == nil {
		deps.Random = rand.Float64
	}
	return &Crawler{cfg: cfg, Deps: deps, robots: newRobotsCache(), lessons: newLessons(deps.Random)}, nil
}

// checkProxies refuses to start rather than to see a page from the wrong
// country.
func (d Deps) checkProxies() error {
	var errs []error
	for name, sites := range d.Sites.Egresses() {
		if d.Proxies[name] == nil {
			errs = append(errs, fmt.Errorf("crawler: the site file of %s leaves through the proxy %q, which is not configured: list it in egress.proxies and set its address in the environment", strings.Join(sites, ", "), name))
		}
	}
	return errors.Join(errs...)
}

// Request is one visit to make.
type Request struct {
	ID    capture.ID // of the capture
	URL   string     // absolute
	Asked capture.Asked
	// Render overrides the site's policy when not empty.
	Render site.RenderMode
	// Screenshot asks for Chrome whatever the cheap fetch shows: captures of
	// suspicious listings have a screenshot.
	Screenshot bool
	// Inspect is shown what the cheap fetch read and says why the page should
	// be seen in Chrome all the same; "" when it need not. May be nil.
	Inspect func(r *site.Reading) (why string)
	// Gate is passed right before every request for a page (robots.txt, the
	// fetch, Chrome): it waits as the lane's politeness wants. An error ends
	// the visit before the request. It gives what is called, once or more and
	// from any goroutine, when the request has reached the site or is over: the
	// site's log shows when requests came, not when they were sent. May be nil.
	Gate func(ctx context.Context, crawlDelay time.Duration) (arrived func(), err error)
	// RobotsOverride visits although robots.txt forbids, and says by whose
	// order; recorded.
	RobotsOverride string
	// After is the newest stamped checkpoint known; nil when there is none.
	After *capture.Anchor
	// Previous is what the last capture of the same listing left; nil for none.
	Previous *Previous
}

// Previous lets a visit ask whether anything changed (RFC 9110 section 13). If
// nothing did, the visit ends as not_modified: it costs no Chrome, has no page of
// its own, and its capture names the previous one's manifest. It is not asked,
// and the page is looked at in full, when a screenshot is asked for (as a watch
// does for what it wants fresh evidence of), when the site's policy is render:
// always, and when the previous capture is older than Config.FullLook.
type Previous struct {
	Manifest     capture.Digest
	Taken        time.Time // of that capture; zero: not known, and not counted
	ETag         string
	LastModified string
}

// conditional is what the previous capture lets this visit ask.
func (v *visit) conditional() fetch.Conditional {
	p := v.req.Previous
	if p == nil || v.req.Screenshot || v.mode() == site.RenderAlways || !p.Taken.IsZero() && v.Now().Sub(p.Taken) > v.cfg.FullLook {
		return fetch.Conditional{}
	}
	return fetch.Conditional{ETag: p.ETag, LastModified: p.LastModified}
}

// Result is what a visit gave. Close it when the capture is stored.
type Result struct {
	Capture *capture.Capture
	// Reading is what was read from the page; nil when no page was got.
	Reading *site.Reading
	// RetryAfter is how long the site asked to be left alone; 0 when it did not.
	RetryAfter time.Duration
	// ResponseTime of the main exchange, for politeness; 0 when none answered.
	ResponseTime time.Duration
	// CrawlDelay is what robots.txt asks for; 0 for nothing.
	CrawlDelay time.Duration
	// Gated is the gate's error when it stopped the visit.
	Gated error
	// ETag and LastModified of the main response, for the next visit.
	ETag, LastModified string

	spool   string
	cleanup []func() error
}

// Close removes the visit's temporary files. The capture's bodies must not be
// read afterwards.
func (r *Result) Close() error {
	var errs []error
	for _, f := range r.cleanup {
		errs = append(errs, f())
	}
	if r.spool != "" {
		errs = append(errs, os.RemoveAll(r.spool))
	}
	return errors.Join(errs...)
}

// visit is the work on one request.
type visit struct {
	*Crawler
	req     Request
	match   site.Match
	session *egress.Session
	mask    *mask // nil: nothing is to be hidden
	res     *Result
	cap     *capture.Capture
}

// Visit makes one visit. It never fails: how it ended is the capture's outcome.
func (c *Crawler) Visit(ctx context.Context, req Request) *Result {
	start := c.Now()
	v := &visit{Crawler: c, req: req, match: *c.Sites.For(req.URL)}
	v.cap = &capture.Capture{
		ID: req.ID, Asked: v.asked(), URL: req.URL, FinalURL: req.URL, Started: start.UTC(), After: req.After,
		Clock: c.cfg.Clock, Environment: v.environment(),
		Policy: capture.Policy{Robots: "not asked", Render: string(v.mode())},
	}
	if req.Previous != nil && !req.Previous.Manifest.IsZero() {
		v.cap.Previous = &req.Previous.Manifest
	}
	v.mask = newMask(v.login(), c.cfg.MaxBody)
	v.noteLogin()
	v.res = &Result{Capture: v.cap}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Deadline)
	defer cancel()
	v.run(ctx)
	end := c.Now()
	v.cap.Finished, v.cap.Elapsed = end.UTC(), end.Sub(start)
	return v.res
}

func (v *visit) run(ctx context.Context) {
	v.session = v.wayOut()
	defer v.close(ctx)
	if !v.allowed(ctx) {
		return
	}
	if v.mode() == site.RenderAlways && v.Renderer != nil {
		v.render(ctx, []string{"the site's policy is render: always"})
		return
	}
	v.fetch(ctx)
}

// wayOut opens the visit's session: through the site's proxy when it names one.
func (v *visit) wayOut() *egress.Session {
	if up := v.Proxies[v.match.Site.Egress]; up != nil {
		return v.Guard.SessionVia(up)
	}
	return v.Guard.Session()
}

// close ends the session and moves what it saw into the capture.
func (v *visit) close(ctx context.Context) {
	v.cap.DNS = v.session.DNS()
	v.cap.Refusals = v.session.Refusals()
	v.cap.Missing = append(v.cap.Missing, v.session.Cuts()...)
	v.mask.whole(v.cap)
	v.recordProxy()
	if err := v.session.Close(); err != nil {
		v.Log.WarnContext(ctx, "a visit's network session did not end", "capture", v.cap.ID.String(), "error", err)
	}
	if v.cap.Outcome == capture.Captured && len(v.cap.Missing) > 0 {
		v.cap.Outcome = capture.Partial
		v.cap.Evidence = append(v.cap.Evidence, fmt.Sprintf("%d things are missing; they are listed", len(v.cap.Missing)))
	}
}

// recordProxy notes the proxy, without its password, and its name when the
// site file chose it: the configured EgressIP is then not the one that was seen.
func (v *visit) recordProxy() {
	env := &v.cap.Environment
	env.Proxy = v.session.Upstream()
	if name := v.match.Site.Egress; name != "" {
		env.Proxy, env.EgressIP = name+" ("+env.Proxy+")", ""
	}
}

func (v *visit) end(o capture.Outcome, evidence ...string) {
	v.cap.Outcome = o
	v.cap.Evidence = append(v.cap.Evidence, evidence...)
}

// mode is the render policy in force.
func (v *visit) mode() site.RenderMode {
	if v.req.Render != "" {
		return v.req.Render
	}
	if m := v.match.Site.Render[v.match.Kind]; m != "" {
		return m
	}
	return site.RenderAuto
}

func (v *visit) asked() capture.Asked {
	a := v.req.Asked
	a.Site, a.PageKind, a.ItemID, a.Canonical = v.match.Site.Name, string(v.match.Kind), v.match.ItemID, v.match.Canonical
	return a
}

func (v *visit) userAgent() string {
	if ua := v.match.Site.Browser.UserAgent; ua != "" {
		return ua
	}
	return v.cfg.UserAgent
}

func (v *visit) environment() capture.Environment {
	b := v.match.Site.Browser
	return capture.Environment{
		Software: v.cfg.Software, Worker: v.cfg.Worker, UserAgent: v.userAgent(), EgressIP: v.cfg.EgressIP,
		Locale: b.Locale, TimeZone: b.TimeZone, ExtraCAs: v.Guard.ExtraCADigests(),
	}
}

// peer tells Chrome's exchanges which address the proxy connected to.
func (v *visit) peer(host string, port uint16) netip.AddrPort {
	target := strings.ToLower(host) + ":" + strconv.Itoa(int(port))
	var last netip.AddrPort
	for _, c := range v.session.Connections() {
		if strings.EqualFold(c.Target, target) && c.Remote.IsValid() {
			last = c.Remote
		}
	}
	return last
}
