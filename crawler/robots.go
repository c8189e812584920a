package crawler

import (
	"context"
	"encoding/json"
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

// Shelf is where a fleet keeps what sites answered for all of it: without one,
// each process asks every site for its own robots.txt, and waits a delay of the
// lane after it. An answer may be gone at any time, and is not believed: it is
// read as if the site had sent it. *lane.Limiter is one.
type Shelf interface {
	// Recall gives what was kept under a key and how long it is good for; ok is
	// false when there is nothing, or when nobody answers.
	Recall(ctx context.Context, key string) (answer []byte, left time.Duration, ok bool)
	// Keep keeps an answer for a while, or does not.
	Keep(ctx context.Context, key string, answer []byte, left time.Duration)
}

// robotsCache keeps what each origin's robots.txt said to each way out. One mutex per cache is
// enough: a lookup takes microseconds, and fetches happen outside it.
type robotsCache struct {
	shelf Shelf // nil: this process is alone

	mu  sync.Mutex
	got map[string]robotsAnswer
}

// ShareRobots makes the crawler share robots.txt with the rest of its fleet. It
// is called before the first visit.
func (c *Crawler) ShareRobots(s Shelf) { c.robots.shelf = s }

// sharedRobots is an answer as it lies on the shelf.
type sharedRobots struct {
	Status int    `json:"status"`
	Body   []byte `json:"body,omitempty"`
}

// recall takes an answer that another process got.
func (c *robotsCache) recall(ctx context.Context, key string, now time.Time) (robotsAnswer, bool) {
	if c.shelf == nil {
		return robotsAnswer{}, false
	}
	b, left, ok := c.shelf.Recall(ctx, "robots "+key)
	if !ok || left <= 0 {
		return robotsAnswer{}, false
	}
	var s sharedRobots
	if err := json.Unmarshal(b, &s); err != nil {
		return robotsAnswer{}, false
	}
	a, keep, ok := readRobots(s.Status, s.Body)
	if ok {
		a.until = now.Add(min(left, keep))
		c.put(key, a)
	}
	return a, ok
}

// keep gives an answer to the others.
func (c *robotsCache) keep(ctx context.Context, key string, s sharedRobots, left time.Duration) {
	if c.shelf == nil {
		return
	}
	if s.Status >= 300 {
		s.Body = nil // says nothing
	}
	b, err := json.Marshal(s)
	if err == nil {
		c.shelf.Keep(ctx, "robots "+key, b, left)
	}
}

// readRobots is what follows from an answer, and for how long it does. ok is
// false when no connection to the host came about.
func readRobots(status int, body []byte) (a robotsAnswer, keep time.Duration, ok bool) {
	switch {
	case status < 100 || status > 999:
		return robotsAnswer{}, 0, false
	case status >= 500 || status == 429:
		return robotsAnswer{robots: scope.RobotsFor(status, nil), status: "unreachable"}, robotsRetry, true
	case status >= 300: // redirects that did not end, too (RFC 9309 section 2.3.1.2)
		return robotsAnswer{robots: scope.RobotsFor(status, nil), status: "missing"}, robotsKeep, true
	}
	return robotsAnswer{robots: scope.ParseRobots(body)}, robotsKeep, true
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
		a, ok = v.robots.recall(ctx, key, v.Now())
	}
	if !ok {
		one, over, pass := v.pass(ctx)
		if !pass {
			return false
		}
		a, ok = v.askRobots(one, key, origin)
		over()
		if !ok {
			return true // the host cannot be reached: the visit itself says how
		}
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

// askRobots fetches robots.txt, for this process and the others; its exchange
// is part of this visit's capture. ok is false when no connection to the host
// came about: then nothing is believed, and the page's own fetch tells.
func (v *visit) askRobots(ctx context.Context, key, origin string) (robotsAnswer, bool) {
	got := v.Fetcher.Robots(ctx, fetch.Request{
		URL: origin + "/", UserAgent: v.userAgent(), Session: v.session, NewID: v.IDs.New, Deadline: 15 * time.Second,
	})
	for _, e := range got.Exchanges {
		e.Main, e.Kind = false, "other" // it is not the page
	}
	v.keep(got)
	a, keep, ok := readRobots(got.Status, got.Body)
	if !ok {
		return a, false
	}
	a.until = v.Now().Add(keep)
	v.robots.put(key, a)
	v.robots.keep(ctx, key, sharedRobots{got.Status, got.Body}, keep)
	return a, true
}
