package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/cmd/internal/traces"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/fetch"
	"github.com/trawlmark/trawlmark/crawler/render"
	"github.com/trawlmark/trawlmark/worker"
)

// What follows measures the parts a visit goes through by standing around
// them: they know nothing of metrics.

type meteredCrawler struct {
	worker.Crawler
	m *meters
}

func (c meteredCrawler) Visit(ctx context.Context, q crawler.Request) *crawler.Result {
	began := time.Now()
	r := c.Crawler.Visit(ctx, q)
	c.m.visit.Observe(time.Since(began).Seconds())
	if r.Capture != nil && r.Capture.Outcome.Valid() {
		c.m.visits.WithLabelValues(string(r.Capture.Outcome)).Inc()
	}
	if r.ResponseTime > 0 {
		c.m.response.Observe(r.ResponseTime.Seconds())
	}
	if x := r.Capture; x != nil {
		var fault error
		if x.Outcome.Class() == capture.Failed {
			fault = errors.New(x.Outcome.Sentence())
		}
		c.m.span(ctx, q.ID, traces.RootName, began, fault, "trawlmark.outcome", string(x.Outcome), "trawlmark.site", x.Asked.Site, "trawlmark.page_kind", x.Asked.PageKind)
	}
	return r
}

type meteredFetcher struct {
	crawler.Fetcher
	m *meters
}

func (f meteredFetcher) Fetch(ctx context.Context, q fetch.Request) *fetch.Result {
	began := time.Now()
	r := f.Fetcher.Fetch(ctx, q)
	f.m.took("fetch", began)
	f.m.span(ctx, capture.ID{}, "fetch", began, nil)
	return r
}

func (f meteredFetcher) Robots(ctx context.Context, q fetch.Request) *fetch.Result {
	began := time.Now()
	r := f.Fetcher.Robots(ctx, q)
	f.m.took("robots", began)
	f.m.span(ctx, capture.ID{}, "robots", began, nil)
	return r
}

type meteredRenderer struct {
	crawler.Renderer
	m *meters
}

func (r meteredRenderer) Render(ctx context.Context, q render.Request) *render.Result {
	began := time.Now()
	res := r.Renderer.Render(ctx, q)
	r.m.took("render", began)
	r.m.span(ctx, capture.ID{}, "render", began, nil, "trawlmark.outcome", string(res.Outcome))
	for _, p := range res.Phases {
		r.m.phase.WithLabelValues("render_" + p.Name).Observe(p.Took.Seconds())
	}
	if res.Outcome == capture.RenderCrash {
		r.m.crashes.Inc()
	}
	if res.Browser != "" { // a Chrome did look
		sandbox := "off"
		if res.Sandboxed {
			sandbox = "on"
		}
		r.m.renders.WithLabelValues(sandbox).Inc()
	}
	return res
}

type meteredArchive struct {
	worker.Archive
	m *meters
}

func (a meteredArchive) Prepare(ctx context.Context, c *capture.Capture, d archive.Description, note json.RawMessage) (*archive.Pending, error) {
	began := time.Now()
	p, err := a.Archive.Prepare(ctx, c, d, note)
	a.m.took("prepare", began)
	a.m.span(ctx, c.ID, "prepare", began, err)
	return p, err
}

func (a meteredArchive) Store(ctx context.Context, p *archive.Pending) (archive.Receipt, error) {
	began := time.Now()
	r, err := a.Archive.Store(ctx, p)
	a.m.took("store", began)
	a.m.span(ctx, p.ID, "upload", began, err)
	return r, err
}

func (m *meters) took(phase string, began time.Time) {
	m.phase.WithLabelValues(phase).Observe(time.Since(began).Seconds())
}

// spoolCollector tells what waits on this machine's disk for the storage.
type spoolCollector struct {
	backlog func() (used, limit int64)
	// aside counts the captures that can never be stored, and says where they are.
	aside                func() (n int, dir string, err error)
	used, limit, refused *prometheus.Desc
}

func newSpoolCollector(backlog func() (used, limit int64), aside func() (int, string, error)) *spoolCollector {
	return &spoolCollector{
		backlog, aside,
		prometheus.NewDesc("trawlmark_spool_bytes", "Bytes of captures that wait on this machine's disk for the storage.", nil, nil),
		prometheus.NewDesc("trawlmark_spool_limit_bytes", "Bytes that may wait (worker.spool_limit); visits pause beyond.", nil, nil),
		prometheus.NewDesc("trawlmark_spool_refused", "Captures that can never be stored and were put aside in this worker's spool.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *spoolCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.used
	ch <- c.limit
	ch <- c.refused
}

// Collect implements prometheus.Collector.
func (c *spoolCollector) Collect(ch chan<- prometheus.Metric) {
	used, limit := c.backlog()
	ch <- prometheus.MustNewConstMetric(c.used, prometheus.GaugeValue, float64(used))
	ch <- prometheus.MustNewConstMetric(c.limit, prometheus.GaugeValue, float64(limit))
	n, _, err := c.aside()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.refused, err)
		return
	}
	ch <- prometheus.MustNewConstMetric(c.refused, prometheus.GaugeValue, float64(n))
}
