package crawler

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/fetch"
	"github.com/trawlmark/trawlmark/crawler/scope"
	"github.com/trawlmark/trawlmark/crawler/site"
)

// robotsKeep is how long an answer is used (RFC 9309 section 2.4: at most 24
// hours), and robotsRetry how long an unreachable one is believed.
const (
	robotsKeep  = 12 * time.Hour
	robotsRetry = 5 * time.Minute
	robotsHosts = 4096 // answers kept; more and the oldest go
)

type robotsAnswer struct {
	robots *scope.Robots
	status string // allowed by a rule is decided per URL; this is missing, unreachable or ""
	until  time.Time
}

// robotsCache keeps what each origin's robots.txt said to each way out. One mutex per cache is
// enough: a lookup takes microseconds, and fetches happen outside it.
type robotsCache struct {
	mu  sync.Mutex
	got map[string]robotsAnswer
}

func newRobotsCache() *robotsCache { return &robotsCache{got: map[string]robotsAnswer{}} }

func (c *robotsCache) get(origin string, now time.Time) (robotsAnswer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.got[origin]
	return a, ok && now.Before(a.until)
}

func (c *robotsCache) put(origin string, a robotsAnswer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.got) >= robotsHosts {
		oldest, at := "", a.until
		for o, r := range c.got {
			if oldest == "" || r.until.Before(at) {
				oldest, at = o, r.until
			}
		}
		delete(c.got, oldest)
	}
	c.got[origin] = a
}

// allowed asks robots.txt and records what it said. It is false when the visit
// ends here.
func (v *visit) allowed(ctx context.Context) bool {
	u, err := url.Parse(v.req.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		// Not for robots.txt to say: the fetch refuses it with its reason.
		return true
	}
	origin := u.Scheme + "://" + u.Host
	v.cap.Policy.RobotsURL = origin + "/robots.txt"
	// Another address may be told something else, so each way out asks itself.
	key := v.match.Site.Egress + " " + origin
	a, ok := v.robots.get(key, v.Now())
	if !ok {
		one, over, pass := v.pass(ctx)
		if !pass {
			return false
		}
		a, ok = v.askRobots(one, origin)
		over()
		if !ok {
			return true // the host cannot be reached: the visit itself says how
		}
		v.robots.put(key, a)
	}
	v.res.CrawlDelay = a.robots.CrawlDelay(v.cfg.RobotsAgent)
	ok, rule := a.robots.Allowed(v.cfg.RobotsAgent, v.req.URL)
	if ok {
		v.cap.Policy.Robots = "allowed"
		if a.status != "" {
			v.cap.Policy.Robots = a.status
		}
		return true
	}
	why := fmt.Sprintf("robots.txt of %s forbids the page to %s (%s)", u.Host, v.cfg.RobotsAgent, rule)
	switch {
	case v.req.RobotsOverride != "":
		v.override("robots.txt overridden by order of " + v.req.RobotsOverride)
	case v.match.Site.Politeness.Robots == site.RobotsRecord:
		v.override("robots.txt is recorded, not obeyed, by the policy of the site file " + v.match.Site.Name)
	default:
		v.cap.Policy.Robots = "denied"
		v.end(capture.RobotsDenied, why)
		return false
	}
	v.cap.Evidence = append(v.cap.Evidence, why)
	return true
}

func (v *visit) override(how string) {
	v.cap.Policy.Robots = "overridden"
	v.cap.Policy.Overrides = append(v.cap.Policy.Overrides, how)
}

// askRobots fetches robots.txt; its exchange is part of this visit's capture.
// ok is false when no connection to the host came about.
func (v *visit) askRobots(ctx context.Context, origin string) (robotsAnswer, bool) {
	got := v.Fetcher.Robots(ctx, fetch.Request{
		URL: origin + "/", UserAgent: v.userAgent(), Session: v.session, NewID: v.IDs.New, Deadline: 15 * time.Second,
	})
	for _, e := range got.Exchanges {
		e.Main, e.Kind = false, "other" // it is not the page
	}
	v.keep(got)
	now := v.Now()
	switch {
	case got.Status == 0:
		// No answer at all: believe nothing and let the page's own fetch tell.
		return robotsAnswer{}, false
	case got.Status >= 500 || got.Status == 429:
		return robotsAnswer{scope.RobotsFor(got.Status, nil), "unreachable", now.Add(robotsRetry)}, true
	case got.Status >= 400:
		return robotsAnswer{scope.RobotsFor(got.Status, nil), "missing", now.Add(robotsKeep)}, true
	}
	return robotsAnswer{scope.ParseRobots(got.Body), "", now.Add(robotsKeep)}, true
}
