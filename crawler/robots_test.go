package crawler_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/crawler/site"
)

// shelf is a crawler.Shelf in memory, which may lie.
type shelf struct {
	mu   sync.Mutex
	kept map[string]string
	lie  string
}

func (s *shelf) Recall(_ context.Context, key string) ([]byte, time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lie != "" {
		return []byte(s.lie), 1000 * time.Hour, true
	}
	b, ok := s.kept[key]
	return []byte(b), time.Hour, ok
}

func (s *shelf) Keep(_ context.Context, key string, b []byte, _ time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = map[string]string{}
	}
	s.kept[key] = string(b)
}

// visitWith makes a visit in a process that shares what s holds, and gives the
// capture and how often the site was asked for robots.txt.
func visitWith(t *testing.T, s crawler.Shelf, cfg markettest.Config) (*capture.Capture, time.Duration, int) {
	t.Helper()
	m := newMarket(t, false, cfg, crawler.Config{})
	m.crawler.ShareRobots(s)
	var res *crawler.Result
	for range 2 { // the second one of a process needs no shelf
		res = m.crawler.Visit(t.Context(), crawler.Request{
			ID: m.ids.New(), URL: "http://market.demo.test" + m.listing(t, markettest.JSONLD).Path, Render: site.RenderNever,
		})
		defer res.Close()
	}
	return res.Capture, res.CrawlDelay, len(m.Where(markettest.ForPath("/robots.txt")))
}

func TestAFleetAsksForRobotsOnce(t *testing.T) {
	s := &shelf{}
	cfg := markettest.Config{CrawlDelay: 2 * time.Second}
	c, delay, asked := visitWith(t, s, cfg)
	if c.Policy.Robots != "allowed" || asked != 1 || delay != 2*time.Second {
		t.Fatalf("the first process: robots %q, crawl delay %v, asked %d times", c.Policy.Robots, delay, asked)
	}
	c, delay, asked = visitWith(t, s, cfg)
	if c.Policy.Robots != "allowed" || asked != 0 || delay != 2*time.Second || !strings.HasSuffix(c.Policy.RobotsURL, "/robots.txt") {
		t.Errorf("the second process: robots %q, crawl delay %v, asked %d times", c.Policy.Robots, delay, asked)
	}
}

// What lies on the shelf is read as if a site had sent it, and what cannot be
// read is asked for.
func TestWhatTheFleetSharesIsNotBelieved(t *testing.T) {
	for lie, want := range map[string]string{
		"":                                     "allowed 1",
		"not JSON":                             "allowed 1",
		`{"status":"200"}`:                     "allowed 1",
		`{"status":0}`:                         "allowed 1",
		`{"status":-5,"body":"eA=="}`:          "allowed 1",
		`{"status":503}`:                       "denied 0",
		`{"status":404,"body":"RGlzYWxsb3c="}`: "missing 0",
		`{"status":200,"body":"VXNlci1hZ2VudDogKgpEaXNhbGxvdzogLwo="}`: "denied 0", // User-agent: * Disallow: /
		`{"status":200,"body":"AAECAwQF/v8="}`:                         "allowed 0",
	} {
		c, _, asked := visitWith(t, &shelf{lie: lie}, markettest.Config{CrawlDelay: -1})
		if got := c.Policy.Robots + " " + string(rune('0'+asked)); got != want {
			t.Errorf("%q on the shelf: %s, want %s (%s)", lie, got, want, c.Outcome)
		}
	}
}
