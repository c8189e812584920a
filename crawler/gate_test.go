package crawler_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/crawler/site"
)

// gateLog is a gate that notes how many pages the site had been asked for when
// it was passed, and when it was told that the request arrived.
type gateLog struct {
	m      *market
	err    error // of the passes from the second on
	passed []int
	came   []int
}

func (g *gateLog) pages() int { return len(g.m.Where(markettest.PagesOnly)) }

func (g *gateLog) gate(context.Context, time.Duration) (func(), error) {
	if g.err != nil && len(g.passed) > 0 {
		return nil, g.err
	}
	g.passed = append(g.passed, g.pages())
	g.came = append(g.came, -1)
	i := len(g.came) - 1
	done := false
	return func() {
		if !done {
			done, g.came[i] = true, g.pages()
		}
	}, nil
}

func TestEveryRequestForAPagePassesTheGateAndSaysWhenItCame(t *testing.T) {
	for _, c := range []struct {
		name   string
		render site.RenderMode
		want   int
	}{
		{"by HTTP", site.RenderNever, 2},           // robots.txt and the page
		{"by Chrome", site.RenderAlways, 2},        // robots.txt and the page
		{"by HTTP and Chrome", site.RenderAuto, 3}, // robots.txt and the page twice
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMarket(t, c.render != site.RenderNever, markettest.Config{CrawlDelay: -1}, crawler.Config{})
			g := &gateLog{m: m}
			res := m.crawler.Visit(t.Context(), crawler.Request{
				ID: m.ids.New(), URL: "http://market.demo.test" + m.listing(t, markettest.JSONLD).Path,
				Render: c.render, Screenshot: c.render == site.RenderAuto, Gate: g.gate,
			})
			defer res.Close()
			if len(g.passed) != c.want {
				t.Fatalf("the gate was passed %d times, want %d (%s %v)", len(g.passed), c.want, res.Capture.Outcome, res.Capture.Evidence)
			}
			for i := range g.passed {
				if g.passed[i] != i || g.came[i] != i+1 {
					t.Errorf("pass %d: the site had %d requests before and %d when it was told to have come", i, g.passed[i], g.came[i])
				}
			}
		})
	}
}

func TestAClosedGateKeepsChromeFromAsking(t *testing.T) {
	m := newMarket(t, true, markettest.Config{CrawlDelay: -1}, crawler.Config{})
	g := &gateLog{m: m, err: errors.New("the lane is closed")}
	res := m.crawler.Visit(t.Context(), crawler.Request{
		ID: m.ids.New(), URL: "http://market.demo.test" + m.listing(t, markettest.JSONLD).Path, Render: site.RenderAlways, Gate: g.gate,
	})
	defer res.Close()
	if !errors.Is(res.Gated, g.err) || g.pages() != 1 {
		t.Errorf("gated by %v, %d requests for pages, want robots.txt alone", res.Gated, g.pages())
	}
}

func (m *market) listing(t *testing.T, kind markettest.Page) markettest.Listing {
	t.Helper()
	for _, l := range m.Listings() {
		if l.Page == kind && l.Fault == "" && !l.Cookies {
			return l
		}
	}
	t.Fatalf("the marketplace has no %s listing", kind)
	return markettest.Listing{}
}
