package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// metricsHandler serves /metrics, /healthz (the process works) and /readyz
// (what it stands on answers).
func (a *app) metricsHandler() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), a.collector())
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := a.db.PingContext(r.Context()); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_ = json.NewEncoder(w).Encode(map[string]string{"database": "does not answer"})
			return
		}
		fmt.Fprintln(w, "ready")
	})
	return mux
}

// ledgerCollector reads the ledger's maintained counts when it is scraped.
type ledgerCollector struct {
	a                                      *app
	jobs, outcomes, findings, spool, build *prometheus.Desc
}

func (a *app) collector() *ledgerCollector {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("trawlmark_"+name, help, labels, nil)
	}
	return &ledgerCollector{
		a, d("jobs", "Jobs by kind and state.", "kind", "state"), d("visits", "Visits by outcome.", "outcome"),
		d("findings", "Findings by state.", "state"), d("spool_bytes", "Bytes of captures that wait for storage."),
		d("build_info", "The version that runs.", "version"),
	}
}

// Describe implements prometheus.Collector.
func (c *ledgerCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.jobs, c.outcomes, c.findings, c.spool, c.build} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *ledgerCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := timeout(5 * time.Second)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(c.build, 1, version)
	counts, err := c.a.ledger.Counts(ctx, capture.ID{})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.jobs, err)
		return
	}
	for kind, states := range counts {
		for state, n := range states {
			gauge(c.jobs, float64(n), string(kind), string(state))
		}
	}
	outcomes, err := c.a.ledger.OutcomeCounts(ctx, capture.ID{})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.outcomes, err)
		return
	}
	for o, n := range outcomes {
		gauge(c.outcomes, float64(n), string(o))
	}
	findings, err := c.a.ledger.FindingCounts(ctx, capture.ID{})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.findings, err)
		return
	}
	for s, n := range findings {
		gauge(c.findings, float64(n), string(s))
	}
	if c.a.archive != nil {
		used, _ := c.a.archive.Backlog()
		gauge(c.spool, float64(used))
	}
}
