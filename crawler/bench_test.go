package crawler_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/fetch"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/crawler/render"
	"github.com/trawlmark/trawlmark/crawler/site"
)

// stopwatch adds up where visits spend their time.
type stopwatch struct {
	mu    sync.Mutex
	order []string
	took  map[string]time.Duration
}

func (s *stopwatch) add(part string, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.took == nil {
		s.took = map[string]time.Duration{}
	}
	if !slices.Contains(s.order, part) {
		s.order = append(s.order, part)
	}
	s.took[part] += d
}

// print gives the table: each part's time per visit and share, and the rest.
func (s *stopwatch) print(b *testing.B, n int, total time.Duration) {
	rest := total
	row := func(part string, d time.Duration) {
		b.Logf("%-12s %9.3f ms %5.1f %%", part, d.Seconds()*1000/float64(n), 100*d.Seconds()/total.Seconds())
	}
	for _, part := range s.order {
		rest -= s.took[part]
		row(part, s.took[part])
	}
	row("the rest", rest)
	row("all", total)
}

type timedFetcher struct {
	crawler.Fetcher
	watch *stopwatch
}

func (f timedFetcher) Fetch(ctx context.Context, q fetch.Request) *fetch.Result {
	defer func(began time.Time) { f.watch.add("fetch", time.Since(began)) }(time.Now())
	return f.Fetcher.Fetch(ctx, q)
}

type timedRenderer struct {
	crawler.Renderer
	watch *stopwatch
}

func (r timedRenderer) Render(ctx context.Context, q render.Request) *render.Result {
	res := r.Renderer.Render(ctx, q)
	for _, p := range res.Phases {
		r.watch.add(p.Name, p.Took)
	}
	return res
}

// benchPages are listings that are read without Chrome.
func benchPages(m *market) []string {
	var out []string
	for _, l := range m.Listings() {
		if l.Fault == "" && l.Page != markettest.Script && l.Page != markettest.Converted && l.Expect.Outcome == string(capture.Captured) {
			out = append(out, "http://market.demo.test"+l.Path)
		}
	}
	return out
}

// BenchmarkVisitAgainstNetHTTP prints what a visit by HTTP costs beside a bare
// net/http client that gets the same pages from the same server, and where the
// time goes. "bare" opens a connection for each page, as a visit does; "kept"
// keeps one.
//
//	go test -run xxx -bench NetHTTP -benchtime 500x ./crawler
func BenchmarkVisitAgainstNetHTTP(b *testing.B) {
	m := newMarket(b, false, markettest.Config{CrawlDelay: -1}, crawler.Config{})
	pages := benchPages(m)
	bare := map[string]time.Duration{}
	got := map[string]site.Page{}
	for _, name := range []string{"kept", "bare"} {
		b.Run(name, func(b *testing.B) {
			client := m.Client()
			tr := client.Transport.(*http.Transport)
			tr.DisableCompression, tr.DisableKeepAlives = false, name == "bare"
			began, i := time.Now(), 0
			for b.Loop() {
				resp, err := client.Get(pages[i%len(pages)])
				if err != nil {
					b.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != 200 {
					b.Fatal(resp.StatusCode, err)
				}
				resp.Body.Close()
				url := pages[i%len(pages)]
				got[url] = site.Page{URL: url, Status: 200, ContentType: resp.Header.Get("Content-Type"), Body: body}
				i++
			}
			bare[name] = perOp(b, time.Since(began))
		})
	}
	b.Run("visit", func(b *testing.B) {
		watch := &stopwatch{}
		fetcher := m.crawler.Fetcher
		m.crawler.Fetcher = timedFetcher{fetcher, watch}
		defer func() { m.crawler.Fetcher = fetcher }()
		visitOne(b, m, pages[0], site.RenderNever) // robots.txt is asked once
		*watch = stopwatch{}
		began, i := time.Now(), 0
		for b.Loop() {
			visitOne(b, m, pages[i%len(pages)], site.RenderNever)
			i++
		}
		total := time.Since(began)
		took := perOp(b, total)
		for name, d := range bare {
			if d > 0 {
				b.ReportMetric(float64(took)/float64(d), "times-"+name)
			}
		}
		// Reading cannot be timed from outside, so the same pages are read again.
		began = time.Now()
		for _, p := range got {
			m.crawler.Sites.Read(p)
		}
		watch.add("reading", time.Since(began)/time.Duration(len(got))*time.Duration(b.N))
		watch.print(b, b.N, total)
	})
}

func perOp(b *testing.B, total time.Duration) time.Duration {
	b.ReportMetric(float64(b.N)/total.Seconds(), "pages/s")
	return total / time.Duration(b.N)
}

func visitOne(b *testing.B, m *market, url string, mode site.RenderMode) {
	res := m.crawler.Visit(context.Background(), crawler.Request{ID: m.ids.New(), URL: url, Asked: capture.Asked{By: "bench"}, Render: mode})
	if res.Capture.Outcome != capture.Captured {
		b.Fatalf("%s: %s %v %v", url, res.Capture.Outcome, res.Capture.Evidence, res.Capture.Missing)
	}
	if err := res.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkVisitAgainstChromedp prints what a visit by Chrome costs beside
// chromedp doing the least it can for the same page: navigate, the document, one
// picture, in a fresh context. Both take turns, so that what else the machine
// does falls on both alike. crawler/render has the same without the visit
// around it.
//
//	go test -run xxx -bench Chromedp -benchtime 10x ./crawler
func BenchmarkVisitAgainstChromedp(b *testing.B) {
	for _, n := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("%d at once", n), func(b *testing.B) {
			m := newMarket(b, true, markettest.Config{CrawlDelay: -1}, crawler.Config{})
			page := benchPages(m)[0]
			watch := &stopwatch{}
			m.crawler.Renderer = timedRenderer{newBenchRenderer(b, n), watch}
			shot := bareChrome(b, m.Addr, page)
			shot()
			visitOne(b, m, page, site.RenderAlways)
			*watch = stopwatch{}
			var bare, visit time.Duration
			for b.Loop() {
				bare += together(n, shot)
				visit += together(n, func() { visitOne(b, m, page, site.RenderAlways) })
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(n*b.N)/bare.Seconds(), "bare/s")
			b.ReportMetric(float64(n*b.N)/visit.Seconds(), "visits/s")
			b.ReportMetric(visit.Seconds()/bare.Seconds(), "times-bare")
			watch.print(b, 2*n*b.N, visit*time.Duration(2*n))
		})
	}
}

func newBenchRenderer(b *testing.B, contexts int) *render.Renderer {
	r, err := render.New(b.Context(), render.Config{MaxContexts: contexts})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.Close() })
	return r
}

// together does something n times at once, each twice, and gives half of the
// time that took.
func together(n int, do func()) time.Duration {
	began := time.Now()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { do(); do() })
	}
	wg.Wait()
	return time.Since(began) / 2
}

// bareChrome gives a function that looks at the page with chromedp alone. The
// market stands in for a proxy: it answers for any host.
func bareChrome(b *testing.B, market, page string) func() {
	path := render.FindChrome()
	if path == "" {
		b.Skip("no Chrome was found: install chromium-headless-shell to run this benchmark")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1366, 900),
		chromedp.ProxyServer("http://"+market), chromedp.Flag("proxy-bypass-list", "<-loopback>"),
		chromedp.ModifyCmdFunc(func(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	b.Cleanup(cancel)
	browser, end := chromedp.NewContext(ctx)
	b.Cleanup(end)
	if err := chromedp.Do(browser); err != nil {
		b.Fatal(err)
	}
	return func() {
		tab, end := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
		defer end()
		if err := chromedp.Do(tab, chromedp.Navigate(page)); err != nil {
			b.Fatal(err)
		}
		dom, err := chromedp.Run(tab, chromedp.OuterHTML("html"))
		if err != nil {
			b.Fatal(err)
		}
		png, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
		if err != nil {
			b.Fatal(err)
		}
		if len(dom) < 5000 || len(png) < 1000 {
			b.Fatalf("%d bytes of document, %d of picture", len(dom), len(png))
		}
	}
}
