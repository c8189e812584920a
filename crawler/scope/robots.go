package scope

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	whatwg "github.com/nlnwa/whatwg-url/url"
)

// The module github.com/temoto/robotstxt was tried and not used: one bad line
// (a rule before any group, a crawl-delay that is no number) makes it refuse the
// whole file, wildcard patterns match in the middle of a path, and an allow
// rule loses to a disallow rule of the same length. robots_test.go holds the cases.

// MaxRobots is how much of a robots.txt is read (RFC 9309 section 2.5).
const MaxRobots = 500 << 10

// RobotsState says what the rules come from. The values are those of
// capture.Policy.Robots where these have them.
type RobotsState string

// The states.
const (
	RobotsRead        RobotsState = "read"        // there is a file, its rules count
	RobotsMissing     RobotsState = "missing"     // there is none: everything is allowed
	RobotsUnreachable RobotsState = "unreachable" // not to be had now: nothing is allowed until asked again
)

// Robots are the rules of one host. Safe for concurrent use once made.
type Robots struct {
	State RobotsState
	// Cut is set when the file was longer than MaxRobots; the rest was ignored.
	Cut bool
	// Sitemaps are the sitemap URLs it names, as written.
	Sitemaps []string

	groups []robotsGroup
	delays []robotsDelay
}

type robotsGroup struct {
	agents []string // product tokens in lower case, or "*"
	rules  []robotsRule
}

// robotsDelay is a crawl-delay line with the agents of the lines right above.
// It stands apart from the groups because to the RFC it is no rule: a
// user-agent line that follows still belongs to the same group.
type robotsDelay struct {
	agents []string
	wait   time.Duration
}

type robotsRule struct {
	allow bool
	pattern
}

// RobotsFor gives the rules that follow from an attempt to get robots.txt
// (RFC 9309 section 2.3.1). status is 0 when no answer came at all; redirects have
// been followed, so 3xx means that they did not end.
//
// 429 is a 4xx to the RFC, but it says "later", not "no rules": it counts as
// unreachable.
func RobotsFor(status int, body []byte) *Robots {
	switch {
	case status >= 200 && status < 300:
		return ParseRobots(body)
	case status == 429, status == 0, status >= 500, status < 200:
		return &Robots{State: RobotsUnreachable}
	}
	return &Robots{State: RobotsMissing}
}

// ParseRobots reads a robots.txt. It never fails: what is not understood is
// passed over (RFC 9309 section 2.2).
func ParseRobots(body []byte) *Robots {
	r := &Robots{State: RobotsRead}
	if len(body) > MaxRobots {
		r.Cut = true
		body = body[:MaxRobots]
		// Half a rule would mean something else than the whole one.
		body = body[:bytes.LastIndexAny(body, "\r\n")+1]
	}
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	naming := false // no rule has ended the group's list of agents yet
	var g *robotsGroup
	var above []string // agents of the user-agent lines right above
	follows := false   // the last line was a user-agent line
	for len(body) > 0 {
		var line []byte
		if i := bytes.IndexAny(body, "\r\n"); i >= 0 {
			line, body = body[:i], body[i+1:]
		} else {
			line, body = body, nil
		}
		key, value, ok := robotsLine(string(line))
		if !ok {
			continue
		}
		switch key {
		case "user-agent":
			if !naming {
				r.groups = append(r.groups, robotsGroup{})
				g = &r.groups[len(r.groups)-1]
				naming = true
			}
			if !follows {
				above = nil
			}
			if token := groupToken(value); token != "" {
				g.agents = append(g.agents, token)
				above = append(above, token)
			}
		case "allow", "disallow":
			naming = false
			if g != nil && value != "" {
				g.rules = append(g.rules, robotsRule{key == "allow", compilePattern(fromRoot(value))})
			}
		case "crawl-delay":
			if d, ok := parseDelay(value); ok {
				r.delays = append(r.delays, robotsDelay{above, d})
			}
		case "sitemap":
			r.Sitemaps = append(r.Sitemaps, value)
		}
		follows = key == "user-agent"
	}
	return r
}

// robotsLine takes a line apart, without its comment.
func robotsLine(line string) (key, value string, ok bool) {
	line, _, _ = strings.Cut(line, "#")
	key, value, ok = strings.Cut(line, ":")
	key = strings.ToLower(strings.TrimSpace(key))
	switch key {
	case "useragent":
		key = "user-agent"
	case "crawldelay":
		key = "crawl-delay"
	case "dissallow", "dissalow", "disalow", "diasllow", "disallaw":
		key = "disallow" // seen often, and clear enough to be obeyed
	}
	return key, strings.TrimSpace(value), ok
}

// fromRoot obeys what was meant by "Disallow: admin/".
func fromRoot(path string) string {
	if path[0] == '/' || path[0] == '*' {
		return path
	}
	return "/" + path
}

// groupToken is the product token of a user-agent line: what follows it ("/1.0")
// does not count.
func groupToken(value string) string {
	if value == "*" || strings.HasPrefix(value, "* ") || strings.HasPrefix(value, "*\t") {
		return "*"
	}
	return productToken(value)
}

// productToken gives the leading letters, "_" and "-" of a user agent, in lower
// case (RFC 9309 section 2.2.1).
func productToken(agent string) string {
	end := strings.IndexFunc(agent, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '-')
	})
	if end >= 0 {
		agent = agent[:end]
	}
	return strings.ToLower(agent)
}

const maxDelay = 24 * time.Hour

func parseDelay(v string) (time.Duration, bool) {
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || math.IsNaN(f) || f < 0 {
		return 0, false
	}
	if f > maxDelay.Seconds() {
		return maxDelay, true
	}
	return time.Duration(f * float64(time.Second)), true
}

// token is what an agent is called in this file: its product token when a group
// names it, else "*" (RFC 9309 section 2.2.1).
func (r *Robots) token(agent string) string {
	token := productToken(agent)
	for _, g := range r.groups {
		if token != "" && slices.Contains(g.agents, token) {
			return token
		}
	}
	return "*"
}

// Allowed reports whether an agent may ask for a URL, and the rule that
// decided, as "disallow: /cart"; "" when none did. The longest match wins, allow
// over disallow at the same length. agent is the product token we go by,
// "Trawlmark" or "Trawlmark/1.0 (...)", not a User-Agent that begins with
// another product.
func (r *Robots) Allowed(agent, url string) (ok bool, rule string) {
	if r.State == RobotsUnreachable {
		return false, "robots.txt is not to be had now"
	}
	u, err := whatwg.Parse(url)
	if err != nil || len(url) > MaxURL {
		return false, "not a URL"
	}
	path := evenPath(u.Pathname()+u.Search(), true)
	if path == "/robots.txt" {
		return true, ""
	}
	var best *robotsRule
	token := r.token(agent)
	for _, g := range r.groups {
		if !slices.Contains(g.agents, token) {
			continue
		}
		for i := range g.rules {
			c := &g.rules[i]
			if best != nil && (c.octets < best.octets || c.octets == best.octets && (best.allow || !c.allow)) {
				continue
			}
			if c.match(path) {
				best = c
			}
		}
	}
	switch {
	case best == nil:
		return true, ""
	case best.allow:
		return true, "allow: " + best.text
	}
	return false, "disallow: " + best.text
}

// CrawlDelay gives the wait between requests that the file asks an agent for; 0
// when it asks for none. It is no part of the RFC, but sites mean it.
func (r *Robots) CrawlDelay(agent string) time.Duration {
	var d time.Duration
	token := r.token(agent)
	for _, line := range r.delays {
		if slices.Contains(line.agents, token) {
			d = max(d, line.wait)
		}
	}
	return d
}
