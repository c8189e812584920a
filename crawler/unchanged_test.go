package crawler_test

import (
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/crawler/site"
)

// A second crawl of the marketplace costs a question where nothing changed, and
// finds what did.
func TestASecondCrawlAsksOnlyWhatChanged(t *testing.T) {
	m := newMarket(t, false, markettest.Config{CrawlDelay: -1}, crawler.Config{})
	fake := &fakeChrome{}
	m.crawler.Renderer = fake
	manifest := capture.Sum([]byte("the first capture's manifest"))
	visit := func(l markettest.Listing, p *crawler.Previous, screenshot bool) *crawler.Result {
		t.Helper()
		res := m.crawler.Visit(t.Context(), crawler.Request{
			ID: m.ids.New(), URL: "http://market.demo.test" + l.Path, Asked: capture.Asked{By: "test"}, Previous: p, Screenshot: screenshot,
		})
		t.Cleanup(func() { res.Close() })
		return res
	}
	first := map[string]*crawler.Previous{}
	for _, l := range m.Listings() {
		if l.Fault != "" {
			continue
		}
		// Pages that need Chrome teach nothing here: the fake shows none.
		if res := visit(l, nil, false); res.Capture.Outcome == capture.Captured && len(res.Capture.Policy.Escalated) == 0 {
			if res.ETag == "" {
				t.Fatalf("%s: the marketplace sent no ETag", l.Key)
			}
			first[l.Key] = &crawler.Previous{Manifest: manifest, Taken: time.Now(), ETag: res.ETag, LastModified: res.LastModified}
		}
	}
	if len(first) < 50 {
		t.Fatalf("only %d listings were captured", len(first))
	}
	changed := map[string]bool{}
	for _, c := range m.Advance() {
		changed[c.Key] = true
	}
	fake.asked = 0
	same, other := 0, 0
	var unchanged markettest.Listing
	for _, l := range m.Listings() {
		p := first[l.Key]
		if p == nil {
			continue
		}
		res := visit(l, p, false)
		c := res.Capture
		switch {
		case changed[l.Key]:
			other++
			if c.Outcome == capture.NotModified {
				t.Errorf("%s: changed, and the visit says %s", l.Key, c.Outcome)
			}
		case c.Outcome == capture.NotModified:
			same++
			unchanged = l
			if c.Previous == nil || *c.Previous != manifest || res.Reading != nil || c.Main().Status != 304 || len(c.Artifacts) != 0 || c.Outcome.Class() != capture.Seen {
				t.Errorf("%s: previous %v, status %d, %d artifacts", l.Key, c.Previous, c.Main().Status, len(c.Artifacts))
			}
		}
	}
	if other == 0 || same < len(first)*3/4 {
		t.Errorf("of %d listings %d had changed, and %d were told to be the same", len(first), other, same)
	}
	if fake.asked > other {
		t.Errorf("Chrome was asked %d times, for %d listings that changed", fake.asked, other)
	}

	t.Run("an empty frame", func(t *testing.T) {
		for _, l := range m.Listings() {
			if l.Page != markettest.Script || l.Fault != "" {
				continue
			}
			fake.page = shopPage("What Chrome saw", "")
			res := visit(l, nil, false)
			if len(res.Capture.Policy.Escalated) == 0 || res.Capture.Main().ResponseHeader.Get("ETag") == "" || res.ETag != "" {
				t.Errorf("%s: the tag %q of a page that needs Chrome would be asked about", l.Key, res.ETag)
			}
			return
		}
		t.Error("the marketplace has no such page")
	})
	t.Run("looked at in full", func(t *testing.T) {
		fresh := *first[unchanged.Key]
		old := fresh
		old.Taken = time.Now().Add(-8 * 24 * time.Hour)
		for _, c := range []struct {
			name       string
			previous   *crawler.Previous
			screenshot bool
			mode       site.RenderMode
			status     int
		}{
			{"nothing asked for", &fresh, false, "", 304},
			{"a screenshot is asked for", &fresh, true, "", 200},
			{"the previous capture is old", &old, false, "", 200},
			{"no previous capture", nil, false, "", 200},
		} {
			res := m.crawler.Visit(t.Context(), crawler.Request{
				ID: m.ids.New(), URL: "http://market.demo.test" + unchanged.Path, Asked: capture.Asked{By: "test"}, Previous: c.previous, Screenshot: c.screenshot, Render: c.mode,
			})
			if got := res.Capture.Main().Status; got != c.status {
				t.Errorf("%s: status %d, want %d", c.name, got, c.status)
			}
			if (res.Capture.Previous != nil) != (c.previous != nil) {
				t.Errorf("%s: the previous capture is not named", c.name)
			}
			res.Close()
		}
	})
}
