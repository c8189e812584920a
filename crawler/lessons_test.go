package crawler_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/render"
	"github.com/trawlmark/trawlmark/crawler/site"
)

// fakeChrome shows what a test says, and counts.
type fakeChrome struct {
	page  string
	asked int
}

func (f *fakeChrome) Render(_ context.Context, q render.Request) *render.Result {
	f.asked++
	return &render.Result{URL: q.URL, FinalURL: q.URL, Status: 200, MediaType: "text/html", DOM: []byte(f.page), Browser: "fake"}
}

// doubtful has a price that stands in the page and another in its data.
func doubtful(shown string) string {
	return strings.NewReplacer(`"price":"19.90"`, `"price":"41.00"`, "19.90 EUR", shown).Replace(shopPage("Handbag", ""))
}

// lessonShop is a shop whose pages are those of *page, seen by a fake Chrome.
func lessonShop(t *testing.T, page *string, random *float64) (*shop, *fakeChrome) {
	t.Helper()
	f := &fakeChrome{page: *page}
	s := newShop(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, *page)
	}), shopConfig{
		site: strings.Replace(shopFile, "{name: shop.example}", "{name: shop.example}, {name: b.shop.example, lane: shop-b}", 1),
		deps: func(d *crawler.Deps) { d.Renderer, d.Random = f, func() float64 { return *random } },
	})
	return s, f
}

func TestChromeIsSparedWhereItChangedNothing(t *testing.T) {
	page, random := doubtful("19.90 EUR"), 0.5
	s, chrome := lessonShop(t, &page, &random)
	visit := func(mode site.RenderMode) *capture.Capture {
		t.Helper()
		res := s.visit(t, "http://shop.example/item/77", mode)
		if got := res.Reading.Listing.Text("price"); res.Capture.Outcome != capture.Captured || got == "" {
			t.Fatalf("%s %v, price %q", res.Capture.Outcome, res.Capture.Evidence, got)
		}
		return res.Capture
	}
	for i := 1; i <= 20; i++ {
		c := visit("")
		if chrome.asked != i || !strings.Contains(fmt.Sprint(c.Policy.Escalated), "more than one price") {
			t.Fatalf("page %d: Chrome was asked %d times, because %q", i, chrome.asked, c.Policy.Escalated)
		}
	}
	c := visit("")
	if chrome.asked != 20 || len(c.Policy.Escalated) != 0 {
		t.Fatalf("after 20 pages Chrome was asked again, because %q", c.Policy.Escalated)
	}
	if e := strings.Join(c.Evidence, "\n"); !strings.Contains(e, "more than one price") || !strings.Contains(e, "it changed nothing of the required fields of the last 20 pages") {
		t.Errorf("that Chrome was spared is not told: %q", e)
	}
	// What is asked for is done, and what is not there is looked for.
	if visit(site.RenderAlways); chrome.asked != 21 {
		t.Error("render: always was spared")
	}
	page = strings.Replace(strings.Replace(page, `"price":"41.00",`, "", 1), "19.90 EUR", "ask us", 1)
	if visit(""); chrome.asked != 22 {
		t.Error("a page without its price was spared")
	}
	// A sample: one page in twenty is looked at.
	page, random = doubtful("19.90 EUR"), 0.049
	if c = visit(""); chrome.asked != 23 || !strings.Contains(fmt.Sprint(c.Policy.Escalated), "a sample: Chrome changed nothing of the last 20 pages") {
		t.Errorf("the sample was not taken: %q", c.Policy.Escalated)
	}
	random = 0.05
	if visit(""); chrome.asked != 23 {
		t.Error("a page outside the sample was looked at")
	}
	// A sample that shows a change: everything is to be proven again.
	random, chrome.page = 0, strings.ReplaceAll(doubtful("23.00 EUR"), "41.00", "43.00")
	visit("")
	random = 0.5
	for i := range 20 {
		chrome.page = page
		if visit(""); chrome.asked != 25+i {
			t.Fatalf("page %d after a change was spared", i+1)
		}
	}
	if visit(""); chrome.asked != 44 {
		t.Errorf("after 20 pages more Chrome was asked %d times", chrome.asked)
	}
}

func TestLessonsAreOfOneLane(t *testing.T) {
	page, random := doubtful("19.90 EUR"), 0.5
	s, chrome := lessonShop(t, &page, &random)
	for range 21 {
		s.visit(t, "http://shop.example/item/77", "")
	}
	if chrome.asked != 20 {
		t.Fatalf("Chrome was asked %d times", chrome.asked)
	}
	for url, want := range map[string]int{"http://www.shop.example/item/77": 0, "http://b.shop.example/item/77": 1} {
		before := chrome.asked
		if s.visit(t, url, ""); chrome.asked-before != want {
			t.Errorf("%s: Chrome was asked %d times", url, chrome.asked-before)
		}
	}
}

// What Chrome could not see teaches nothing.
func TestAPageThatOnlyOneWaySawTeachesNothing(t *testing.T) {
	page, random := doubtful("19.90 EUR"), 0.5
	s, chrome := lessonShop(t, &page, &random)
	chrome.page = "<html><head><title>Just a moment...</title></head><body><form action='/cdn-cgi/challenge'></form></body></html>"
	for i := range 25 {
		s.visit(t, "http://shop.example/item/77", "")
		if chrome.asked != i+1 {
			t.Fatalf("page %d was spared", i+1)
		}
	}
}

// A page that is read beyond doubt needs no lesson.
func TestAPageWithoutDoubtCostsNoChrome(t *testing.T) {
	page, random := shopPage("Handbag", ""), 0.0
	s, chrome := lessonShop(t, &page, &random)
	s.visit(t, "http://shop.example/item/77", "")
	if chrome.asked != 0 {
		t.Errorf("Chrome was asked %d times", chrome.asked)
	}
}
