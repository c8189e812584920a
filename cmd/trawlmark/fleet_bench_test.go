package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/gocolly/colly/v2"
	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/cmd/internal/embedded"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

// The benchmarks of docs/performance.md. Each measures a floor, the least that
// the same libraries do for the same pages at equal concurrency, and then
// trawlmark, in one run: the ratio is what to read, the machine is what it is.
//
//	go test -run '^$' -bench Fleet -benchtime 1x ./cmd/trawlmark

const (
	benchCaptures = 60
	benchBrowsers = 2
	benchVisits   = 1500
	benchSlots    = 8
)

// BenchmarkFleetCaptures: a full capture (every exchange as WARC, DOM, two
// screenshots, reading, manifest, custody event, all locked in S3 and sealed by
// two stamps) against chromedp that navigates, takes the document and one
// screenshot, and keeps nothing.
func BenchmarkFleetCaptures(b *testing.B) {
	for range b.N {
		m := newBenchMarket(b)
		urls := m.urls(benchCaptures)
		bare, floor := m.bareChrome(b, urls)
		took, used, a := m.trawlmark(b, urls, task.Browser, `{"render":"always"}`, func(c *configs.Config) {
			c.Worker.Pools = configs.Pools{Browser: benchBrowsers}
			c.Chrome.Contexts = benchBrowsers
		})
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(len(urls))/bare.Seconds(), "bare-chromedp/s")
		b.ReportMetric(float64(len(urls))/took.Seconds(), "sealed-captures/s")
		b.ReportMetric(took.Seconds()/bare.Seconds(), "times-bare")
		floor.report(b, "bare", len(urls))
		used.report(b, "sealed", len(urls))
		logPhases(b, a)
	}
}

// BenchmarkFleetVisits: a visit by HTTP with ledger, politeness, robots.txt,
// WARC, reading, manifest and custody event, all locked in S3 and sealed,
// against asynq and colly that fetch the page and read its title.
func BenchmarkFleetVisits(b *testing.B) {
	for range b.N {
		m := newBenchMarket(b)
		urls := m.urls(benchVisits)
		bare, floor := m.bareColly(b, urls)
		took, used, a := m.trawlmark(b, urls, task.HTTP, `{"render":"never"}`, func(c *configs.Config) {
			c.Worker.Pools = configs.Pools{HTTP: benchSlots}
		})
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(len(urls))/bare.Seconds(), "bare-asynq-colly/s")
		b.ReportMetric(float64(len(urls))/took.Seconds(), "sealed-visits/s")
		b.ReportMetric(took.Seconds()/bare.Seconds(), "times-bare")
		floor.report(b, "bare", len(urls))
		used.report(b, "sealed", len(urls))
		logPhases(b, a)
	}
}

// benchMarket is the marketplace, under as many host names (and lanes) as
// politeness must not be what is measured.
type benchMarket struct {
	*markettest.Server
	hosts []string
}

func newBenchMarket(b *testing.B) *benchMarket {
	b.Helper()
	srv, err := markettest.Start(markettest.Config{CrawlDelay: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { srv.Close() })
	m := &benchMarket{Server: srv}
	for i := range 30 {
		m.hosts = append(m.hosts, fmt.Sprintf("shop%d.lanes.test", i))
	}
	return m
}

// urls gives n different pages, each of a listing.
func (m *benchMarket) urls(n int) []string {
	var paths []string
	for _, l := range m.Listings() {
		if l.Fault == "" && l.Page == markettest.JSONLD && !l.Cookies {
			paths = append(paths, l.Path)
		}
	}
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("http://%s%s?n=%d", m.hosts[i%len(m.hosts)], paths[i%len(paths)], i))
	}
	return out
}

// direct is the URL as somebody without an egress guard reaches it.
func (m *benchMarket) direct(u string) string {
	_, rest, _ := strings.Cut(strings.TrimPrefix(u, "http://"), "/")
	return m.URL + "/" + rest
}

func (m *benchMarket) bareChrome(b *testing.B, urls []string) (time.Duration, cpuUse) {
	b.Helper()
	browser := bareBrowser(b, m.URL)
	before := cpuNow(b)
	took := inParallel(b, benchBrowsers, urls, func(u string) error { return barePage(browser, m.direct(u)) })
	used := cpuNow(b).since(before)
	if err := chromedp.Cancel(browser); err != nil {
		b.Fatal(err)
	}
	return took, used
}

func inParallel(b *testing.B, n int, urls []string, f func(string) error) time.Duration {
	b.Helper()
	began := time.Now()
	next := make(chan string)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for u := range next {
				if err := f(u); err != nil {
					b.Errorf("%s: %v", u, err)
				}
			}
		})
	}
	for _, u := range urls {
		next <- u
	}
	close(next)
	wg.Wait()
	return time.Since(began)
}

// bareColly is asynq with a handler that lets colly fetch the page.
func (m *benchMarket) bareColly(b *testing.B, urls []string) (time.Duration, cpuUse) {
	b.Helper()
	dir, err := os.MkdirTemp("", "bare")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	r, err := embedded.StartRedis(b.Context(), embedded.RedisOptions{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Stop()
	opt := asynq.RedisClientOpt{Network: r.Network, Addr: r.Addr, Password: r.Password}
	client := asynq.NewClient(opt)
	defer client.Close()
	var left sync.WaitGroup
	left.Add(len(urls))
	srv := asynq.NewServer(opt, asynq.Config{Concurrency: benchSlots, TaskCheckInterval: poll, LogLevel: asynq.FatalLevel})
	err = srv.Start(asynq.HandlerFunc(func(_ context.Context, t *asynq.Task) error {
		defer left.Done()
		title := ""
		c := colly.NewCollector(colly.AllowURLRevisit())
		c.OnHTML("title", func(e *colly.HTMLElement) { title = e.Text })
		if err := c.Visit(string(t.Payload())); err != nil || title == "" {
			b.Errorf("%s: %q %v", t.Payload(), title, err)
		}
		return nil
	}))
	if err != nil {
		b.Fatal(err)
	}
	defer srv.Shutdown()
	before := cpuNow(b)
	began := time.Now()
	for _, u := range urls {
		if _, err := client.Enqueue(asynq.NewTask("visit", []byte(m.direct(u)))); err != nil {
			b.Fatal(err)
		}
	}
	left.Wait()
	return time.Since(began), cpuNow(b).since(before)
}

// trawlmark does the visits with every part real and embedded, and gives how
// long it took until all of them were sealed.
func (m *benchMarket) trawlmark(b *testing.B, urls []string, pool, spec string, change func(*configs.Config)) (time.Duration, cpuUse, *app) {
	b.Helper()
	cfg, err := configs.Load("", func(string) string { return "" })
	if err != nil {
		b.Fatal(err)
	}
	cfg.DataDir, cfg.Crawler.SitesDir = b.TempDir(), b.TempDir()
	cfg.Dispatcher.Tick = configs.Duration(100 * time.Millisecond)
	cfg.Console.Listen, cfg.Log.Level = "", "error"
	change(cfg)
	m.writeSites(b, cfg.Crawler.SitesDir)
	out := &syncBuffer{}
	a := newApp(cfg, streams{in: strings.NewReader(""), out: out, err: out, getenv: os.Getenv})
	a.log = slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelError}))
	a.override = map[string]string{}
	for _, h := range m.hosts {
		a.override[h] = m.Addr
	}
	b.Cleanup(func() { a.close() })
	led, err := a.openLedger(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- a.runRoles(ctx, roles{dispatcher: true, pools: []string{pool}}, func() { close(ready) })
	}()
	select {
	case <-ready:
	case err := <-ended:
		b.Fatal(err)
	}
	var works []ledger.Work
	for _, u := range urls {
		w := worker.NewVisit(a.sites, u)
		w.Pool, w.Spec, w.AskedBy = pool, []byte(spec), "bench"
		works = append(works, w)
	}
	before := cpuNow(b)
	began := time.Now()
	if _, err := led.Add(b.Context(), works...); err != nil {
		b.Fatal(err)
	}
	for done := 0; done < len(urls); {
		time.Sleep(20 * time.Millisecond)
		c, err := led.Counts(b.Context(), capture.ID{})
		if err != nil {
			b.Fatal(err)
		}
		if n := c[ledger.Visit][ledger.Failed] + c[ledger.Visit][ledger.Quarantined]; n > 0 {
			b.Fatalf("%d visits failed:\n%s", n, out.String())
		}
		done = c[ledger.Visit][ledger.Done]
	}
	if _, err := a.notary.Seal(b.Context()); err != nil {
		b.Fatal(err)
	}
	took, used := time.Since(began), cpuNow(b).since(before)
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	return took, used, a
}

func (m *benchMarket) writeSites(b *testing.B, dir string) {
	b.Helper()
	text, err := os.ReadFile("../../configs/sites/demomarket.yaml")
	if err != nil {
		b.Fatal(err)
	}
	for _, h := range m.hosts {
		name, _, _ := strings.Cut(h, ".")
		s := strings.NewReplacer("name: demomarket", "name: "+name, "lane: demomarket", "lane: "+name, "market.demo.test", h,
			"min_delay: 100ms, max_delay: 5s", "min_delay: 1ms, max_delay: 1ms").Replace(string(text))
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(s), 0o600); err != nil {
			b.Fatal(err)
		}
	}
}

// logPhases prints what share of the measured time each part had.
func logPhases(b *testing.B, a *app) {
	b.Helper()
	ch := make(chan prometheus.Metric, 100)
	a.meters.phase.Collect(ch)
	close(ch)
	type part struct {
		name string
		sum  float64
		n    uint64
	}
	var parts []part
	total := 0.0
	for m := range ch {
		var d dto.Metric
		if err := m.Write(&d); err != nil {
			b.Fatal(err)
		}
		p := part{d.Label[0].GetValue(), d.Histogram.GetSampleSum(), d.Histogram.GetSampleCount()}
		parts = append(parts, p)
		if !strings.HasPrefix(p.name, "render_") { // these are parts of render
			total += p.sum
		}
	}
	slices.SortFunc(parts, func(x, y part) int { return strings.Compare(x.name, y.name) })
	for _, p := range parts {
		b.Logf("%-20s %8.1f ms each  %5.1f %%", p.name, 1000*p.sum/float64(max(p.n, 1)), 100*p.sum/total)
	}
}
