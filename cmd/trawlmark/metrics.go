package main

import (
	"errors"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/cmd/internal/traces"
	"github.com/trawlmark/trawlmark/worker/task"
)

// meters counts what this process does. Its labels have values from closed
// sets only: no host, URL, watch, lane or seller is ever one, so that the
// number of series does not grow with what is crawled. docs/operating.md lists
// them all, a test holds it.
type meters struct {
	reg    *prometheus.Registry
	traces *traces.Exporter // nil: off

	visits     *prometheus.CounterVec // outcome
	visit      prometheus.Histogram
	response   prometheus.Histogram
	phase      *prometheus.HistogramVec // phase
	renders    *prometheus.CounterVec   // sandbox
	crashes    prometheus.Counter
	vaultCalls *prometheus.CounterVec   // op, result
	vaultTook  *prometheus.HistogramVec // op
	vaultBytes *prometheus.CounterVec   // op
	vaultAgain *prometheus.CounterVec   // op

	laneWait                               prometheus.Histogram
	laneRefused, penalties, penaltySeconds prometheus.Counter
}

// newMeters makes meters with a registry of their own.
func newMeters() *meters {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "trawlmark", Name: name, Help: help}
	}
	histogram := func(name, help string, buckets ...float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Namespace: "trawlmark", Name: name, Help: help, Buckets: buckets}
	}
	m := &meters{
		reg:      prometheus.NewRegistry(),
		visits:   prometheus.NewCounterVec(counter("visits_total", "Visits this process made, by outcome."), []string{"outcome"}),
		visit:    prometheus.NewHistogram(histogram("visit_seconds", "One visit from its first request to its reading, politeness included.", .1, .25, .5, 1, 2.5, 5, 10, 20, 45, 90, 180)),
		response: prometheus.NewHistogram(histogram("response_seconds", "How long sites took to answer, from the request to the first byte.", .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30)),
		phase: prometheus.NewHistogramVec(histogram("phase_seconds", "Parts of a capture: robots, fetch, render and its steps, prepare (to disk), store (to the vault).",
			.005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30, 90), []string{"phase"}),
		renders:    prometheus.NewCounterVec(counter("renders_total", "Pages this process looked at in Chrome, by whether Chrome ran in its sandbox."), []string{"sandbox"}),
		crashes:    prometheus.NewCounter(counter("render_crashes_total", "Pages that crashed or hung Chrome, and Chromes that did not start.")),
		vaultCalls: prometheus.NewCounterVec(counter("vault_calls_total", "Calls of the storage by operation and result."), []string{"op", "result"}),
		vaultTook:  prometheus.NewHistogramVec(histogram("vault_seconds", "How long calls of the storage took, repetitions included.", .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30), []string{"op"}),
		vaultBytes: prometheus.NewCounterVec(counter("vault_bytes_total", "Bytes of the objects of calls that succeeded."), []string{"op"}),
		vaultAgain: prometheus.NewCounterVec(counter("vault_retries_total", "Requests that were sent again."), []string{"op"}),

		laneWait:       prometheus.NewHistogram(histogram("lane_wait_seconds", "How long requests waited at their lane's gate, within a worker's slot.", .001, .005, .025, .1, .25, .5, 1, 2.5, 5, 10)),
		laneRefused:    prometheus.NewCounter(counter("lane_refused_total", "Requests that their lane's gate did not let pass: their jobs are put back.")),
		penalties:      prometheus.NewCounter(counter("lane_penalties_total", "Times that this process closed a lane: throttled, challenged, or told to retry later.")),
		penaltySeconds: prometheus.NewCounter(counter("lane_penalty_seconds_total", "For how long, all together.")),
	}
	for _, o := range capture.Outcomes() { // known from the start: a rate needs a zero to rise from
		m.visits.WithLabelValues(string(o))
	}
	for _, s := range []string{"on", "off"} {
		m.renders.WithLabelValues(s)
	}
	for _, op := range []string{vault.OpPut, vault.OpGet} {
		m.vaultCalls.WithLabelValues(op, "ok")
		m.vaultCalls.WithLabelValues(op, "unavailable")
		m.vaultBytes.WithLabelValues(op)
		m.vaultAgain.WithLabelValues(op)
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "trawlmark", Name: "build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
	})
	build.Set(1)
	m.reg.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build,
		m.visits, m.visit, m.response, m.phase, m.renders, m.crashes, m.vaultCalls, m.vaultTook, m.vaultBytes, m.vaultAgain,
		m.laneWait, m.laneRefused, m.penalties, m.penaltySeconds,
	)
	return m
}

// vaultCall is s3vault.Config.Observe.
func (m *meters) vaultCall(op string, took time.Duration, attempts int, bytes int64, err error) {
	m.vaultCalls.WithLabelValues(op, vaultResult(err)).Inc()
	m.vaultTook.WithLabelValues(op).Observe(took.Seconds())
	if attempts > 1 {
		m.vaultAgain.WithLabelValues(op).Add(float64(attempts - 1))
	}
	if err == nil && bytes > 0 {
		m.vaultBytes.WithLabelValues(op).Add(float64(bytes))
	}
}

// vaultResult is the closed set of the label result. That an object exists
// already, is locked or is not there are answers, not faults.
func vaultResult(err error) string {
	for _, r := range []struct {
		err  error
		name string
	}{
		{nil, "ok"},
		{vault.ErrExists, "exists"},
		{vault.ErrNotFound, "not_found"},
		{vault.ErrLocked, "locked"},
		{vault.ErrShorter, "shorter"},
		{vault.ErrDigest, "digest"},
		{vault.ErrUnsupported, "unsupported"},
		{vault.ErrBadKey, "bad_key"},
		{vault.ErrUnavailable, "unavailable"},
	} {
		if errors.Is(err, r.err) {
			return r.name
		}
	}
	return "error"
}

// metricsHandler serves /metrics, /healthz (this process works) and /readyz
// (what it stands on answers). Call it after everything the roles need is open.
func (a *app) metricsHandler(r roles, rdb redis.UniversalClient) http.Handler {
	reg := prometheus.NewRegistry()
	if a.archive != nil {
		reg.MustRegister(newSpoolCollector(a.archive.Backlog, a.archive.Refused))
	}
	if a.render != nil {
		reg.MustRegister(newChromeCollector(a.render.Stats))
	}
	if a.keeper != nil {
		reg.MustRegister(newKeeperCollector(a.keeper.Last, time.Now))
	}
	if r.dispatcher {
		// Of the whole fleet, so told by the dispatchers alone: a thousand
		// workers would each ask the database for the same numbers.
		reg.MustRegister(newFleetCollector(fleet{
			ledger: a.ledger, queue: task.NewClient(rdb, 0), sealer: a.sealer, waiting: a.waiting,
			patience: 5 * time.Second, now: time.Now, log: a.log,
		}))
	}
	h := newHealth(r, a.healthParts(rdb), time.Now)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(prometheus.Gatherers{a.meters.reg, reg}, promhttp.HandlerOpts{
		// What can be told is told, also while a part is away.
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4,
	}))
	mux.HandleFunc("GET /healthz", h.live)
	mux.HandleFunc("GET /readyz", h.ready)
	return mux
}
