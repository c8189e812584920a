package scope

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/temoto/robotstxt"
)

func TestRobotsRules(t *testing.T) {
	for _, c := range []struct {
		name, file, agent, path string
		want                    bool
		rule                    string
	}{
		{"empty file", "", "Trawlmark", "/x", true, ""},
		{"everything", "User-agent: *\nDisallow: /", "Trawlmark", "/x", false, "disallow: /"},
		{"nothing", "User-agent: *\nDisallow:", "Trawlmark", "/x", true, ""},
		{"robots.txt itself", "User-agent: *\nDisallow: /", "Trawlmark", "/robots.txt", true, ""},
		{"longest wins", "User-agent: *\nDisallow: /a/\nAllow: /a/b", "Trawlmark", "/a/bc", true, "allow: /a/b"},
		{"longest wins, other order", "User-agent: *\nAllow: /a/b\nDisallow: /a/\nDisallow: /a/b/c", "Trawlmark", "/a/b/c", false, "disallow: /a/b/c"},
		{"allow wins a tie", "User-agent: *\nDisallow: /page\nAllow: /page", "Trawlmark", "/page", true, "allow: /page"},
		{"wildcards count", "User-agent: *\nAllow: /page\nDisallow: /*.htm", "Trawlmark", "/page.htm", false, "disallow: /*.htm"},
		{"end", "User-agent: *\nDisallow: /*.php$", "Trawlmark", "/a.php", false, "disallow: /*.php$"},
		{"end with query", "User-agent: *\nDisallow: /*.php$", "Trawlmark", "/a.php?x", true, ""},
		{"end twice", "User-agent: *\nDisallow: /a*b$", "Trawlmark", "/ab/b", false, "disallow: /a*b$"},
		{"start anchored", "User-agent: *\nDisallow: /fish*.php", "Trawlmark", "/catch/fish.php", true, ""},
		{"query", "User-agent: *\nDisallow: /*?sort=", "Trawlmark", "/l?sort=1", false, "disallow: /*?sort="},
		{"case of paths", "User-agent: *\nDisallow: /A", "Trawlmark", "/a", true, ""},
		{"root only", "User-agent: *\nDisallow: /\nAllow: /$", "Trawlmark", "/", true, "allow: /$"},
		{"star only", "User-agent: *\nDisallow: *", "Trawlmark", "/x", false, "disallow: *"},
		{"no slash", "User-agent: *\nDisallow: admin", "Trawlmark", "/admin/x", false, "disallow: /admin"},
		{"escapes", "User-agent: *\nDisallow: /%7ejoe/ü", "Trawlmark", "/~joe/%C3%BC", false, "disallow: /%7ejoe/ü"},
		{"reserved escapes differ", "User-agent: *\nDisallow: /a%2fb", "Trawlmark", "/a/b", true, ""},
		{"literal star", "User-agent: *\nDisallow: /a-%2A.html", "Trawlmark", "/a-*.html", false, "disallow: /a-%2A.html"},
		{"dollar inside", "User-agent: *\nDisallow: /a$b", "Trawlmark", "/a$b", false, "disallow: /a$b"},
		{"own group only", "User-agent: *\nDisallow: /\nUser-agent: trawlmark\nDisallow: /x", "Trawlmark/1.0 (+https://x)", "/y", true, ""},
		{"own group, case", "User-agent: TRAWLMARK\nDisallow: /x", "trawlmark", "/x", false, "disallow: /x"},
		{"version in the file", "User-agent: Trawlmark/2.0\nDisallow: /x", "Trawlmark", "/x", false, "disallow: /x"},
		{"not a prefix", "User-agent: Trawl\nDisallow: /x", "Trawlmark", "/x", true, ""},
		{"groups are joined", "User-agent: Trawlmark\nDisallow: /a\n\nUser-agent: b\nDisallow: /\n\nUser-agent: trawlmark\nDisallow: /c", "Trawlmark", "/c", false, "disallow: /c"},
		{"several agents", "User-agent: b\nUser-agent: Trawlmark\nDisallow: /x", "Trawlmark", "/x", false, "disallow: /x"},
		{"other lines do not split", "User-agent: Trawlmark\nSitemap: s\nCrawl-delay: 2\nfoo: bar\nUser-agent: b\nDisallow: /x", "Trawlmark", "/x", false, "disallow: /x"},
		{"rules before any group", "Disallow: /x\nUser-agent: *\nDisallow: /y", "Trawlmark", "/x", true, ""},
		{"byte order mark", "\ufeffUser-agent: *\nDisallow: /x", "Trawlmark", "/x", false, "disallow: /x"},
		{"all line ends", "User-agent: *\rDisallow: /a\r\nDisallow: /b\n", "Trawlmark", "/b", false, "disallow: /b"},
		{"comments and spaces", "  USER-AGENT \t: * # all\n\tdisallow : /x # no\n", "Trawlmark", "/x", false, "disallow: /x"},
		{"bad lines", "\x00\x01\nUser-agent: *\nCrawl-delay: soon\nDisallow\n<html>\nDisallow: /x", "Trawlmark", "/x", false, "disallow: /x"},
		{"misspelled", "Useragent: *\nDissallow: /x", "Trawlmark", "/x", false, "disallow: /x"},
		{"empty agent", "User-agent:\nDisallow: /", "Trawlmark", "/x", true, ""},
		{"no product token", "User-agent: *\nDisallow: /", "1.0", "/x", false, "disallow: /"},
	} {
		ok, rule := ParseRobots([]byte(c.file)).Allowed(c.agent, "https://shop.example"+c.path)
		if ok != c.want || rule != c.rule {
			t.Errorf("%s: %v %q, want %v %q", c.name, ok, rule, c.want, c.rule)
		}
	}
}

// Why the module in go.mod is not used. When one of these fails the module has
// become better: look again.
func TestModuleStillFallsShort(t *testing.T) {
	if _, err := robotstxt.FromString("User-agent: *\nCrawl-delay: soon\nDisallow: /x"); err == nil {
		t.Error("one bad line no longer loses the file")
	}
	test := func(file, path string) bool {
		r, err := robotstxt.FromString(file)
		if err != nil {
			t.Fatal(err)
		}
		return r.TestAgent(path, "Trawlmark")
	}
	if test("User-agent: *\nDisallow: /fish*.php", "/catch/fish.php") {
		t.Error("patterns are anchored now")
	}
	if test("User-agent: *\nDisallow: /page\nAllow: /page", "/page") {
		t.Error("allow wins a tie now")
	}
	if test("User-agent: Trawl\nDisallow: /x", "/x") {
		t.Error("product tokens are compared whole now")
	}
}

func TestRobotsByStatus(t *testing.T) {
	deny := []byte("User-agent: *\nDisallow: /x")
	for status, want := range map[int]struct {
		state RobotsState
		x, y  bool
	}{
		200: {RobotsRead, false, true}, 206: {RobotsRead, false, true},
		404: {RobotsMissing, true, true}, 401: {RobotsMissing, true, true}, 403: {RobotsMissing, true, true}, 410: {RobotsMissing, true, true},
		302: {RobotsMissing, true, true},
		429: {RobotsUnreachable, false, false}, 500: {RobotsUnreachable, false, false}, 503: {RobotsUnreachable, false, false}, 0: {RobotsUnreachable, false, false},
	} {
		r := RobotsFor(status, deny)
		x, _ := r.Allowed("Trawlmark", "https://shop.example/x")
		y, why := r.Allowed("Trawlmark", "https://shop.example/y")
		if r.State != want.state || x != want.x || y != want.y || !y && why == "" {
			t.Errorf("%d: %q %v %v %q", status, r.State, x, y, why)
		}
	}
}

func TestCrawlDelayAndSitemaps(t *testing.T) {
	r := ParseRobots([]byte("Sitemap: https://shop.example/s.xml\nUser-agent: *\nCrawl-delay: 10\nUser-agent: Trawlmark\nCrawl-Delay: 2.5\nDisallow: /x\n" +
		"User-agent: slow\nCrawl-delay: 1e300\nUser-agent: bad\nDisallow: /\nCrawl-delay: -1\nCrawl-delay: NaN\nSitemap: b"))
	for agent, want := range map[string]time.Duration{
		"Trawlmark/1.0": 2500 * time.Millisecond, "other": 10 * time.Second, "slow": 24 * time.Hour, "bad": 0,
	} {
		if got := r.CrawlDelay(agent); got != want {
			t.Errorf("%s: %v, want %v", agent, got, want)
		}
	}
	if fmt.Sprint(r.Sitemaps) != "[https://shop.example/s.xml b]" {
		t.Errorf("sitemaps %q", r.Sitemaps)
	}
	if RobotsFor(404, nil).CrawlDelay("x") != 0 {
		t.Error("a delay from nothing")
	}
}

func TestRobotsSizeLimit(t *testing.T) {
	head := "User-agent: *\nDisallow: /early\n"
	pad := strings.Repeat("#", MaxRobots-len(head)-len("Disallow: /lon")-1) + "\n"
	r := ParseRobots([]byte(head + pad + "Disallow: /long-path\nDisallow: /late\n"))
	for path, want := range map[string]bool{"/early": false, "/late": true, "/lonely": true} {
		if ok, _ := r.Allowed("Trawlmark", "https://shop.example"+path); ok != want {
			t.Errorf("%s: %v", path, ok)
		}
	}
	if !r.Cut {
		t.Error("the cut is not reported")
	}
	if ParseRobots([]byte(head)).Cut {
		t.Error("a short file is reported as cut")
	}
}

// The work is linear: the worst file of the permitted size is decided in time.
func TestHostileRobotsAreCheap(t *testing.T) {
	file := "User-agent: *\n" + strings.Repeat("Disallow: /"+strings.Repeat("*a", 40)+"b$\n", 5000)
	r := ParseRobots([]byte(file))
	url := "https://shop.example/" + strings.Repeat("a", 8000)
	began := time.Now()
	if ok, _ := r.Allowed("Trawlmark", url); !ok {
		t.Error("matched")
	}
	if d := time.Since(began); d > time.Minute {
		t.Errorf("took %v", d)
	}
}

func FuzzRobots(f *testing.F) {
	f.Add([]byte("User-agent: *\nDisallow: /a*b$\nAllow: /"), "/ab")
	f.Add([]byte("\xef\xbb\xbfuser-agent:x\rdisallow:*\ncrawl-delay:1"), "/%zz?*$")
	f.Add([]byte("User-agent: Trawlmark\nDisallow: %\nAllow: /%2a"), "/*")
	f.Fuzz(func(t *testing.T, file []byte, path string) {
		r := ParseRobots(file)
		ok, rule := r.Allowed("Trawlmark", "https://shop.example"+path)
		if again, rule2 := r.Allowed("Trawlmark", "https://shop.example"+path); again != ok || rule2 != rule {
			t.Fatal("two answers")
		}
		if !ok && rule == "" {
			t.Fatal("no without a reason")
		}
		if d := r.CrawlDelay("Trawlmark"); d < 0 || d > maxDelay {
			t.Fatalf("delay %v", d)
		}
		for _, g := range r.groups {
			for _, rule := range g.rules {
				if want := slowMatch(evenPath(strings.TrimSuffix(rule.text, "$"), false), strings.HasSuffix(rule.text, "$"), evenPath(path, true)); rule.match(evenPath(path, true)) != want {
					t.Fatalf("%q on %q: want %v", rule.text, path, want)
				}
			}
		}
	})
}

// slowMatch is the definition, to compare with: every split is tried.
func slowMatch(pattern string, anchored bool, path string) bool {
	reach := make([]bool, len(path)+1)
	reach[0] = true
	for i := range len(pattern) {
		next := make([]bool, len(path)+1)
		any := false
		for j := 0; j <= len(path); j++ {
			if pattern[i] == '*' {
				any = any || reach[j]
				next[j] = any
			} else if j > 0 {
				next[j] = reach[j-1] && path[j-1] == pattern[i]
			}
		}
		reach = next
	}
	if anchored {
		return reach[len(path)]
	}
	for _, r := range reach {
		if r {
			return true
		}
	}
	return false
}
