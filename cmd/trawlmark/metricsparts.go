package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/crawler/render"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/lane"
)

// chromeCollector tells what the browsers of this process did, from the
// renderer's own counters.
type chromeCollector struct {
	stats func() render.Stats

	starts, failures, crashes, pages, recycles, repeats, missing, running, busy *prometheus.Desc
}

func newChromeCollector(stats func() render.Stats) *chromeCollector {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("trawlmark_chrome_"+name, help, labels, nil)
	}
	return &chromeCollector{
		stats:    stats,
		starts:   d("starts_total", "Chromes that came up."),
		failures: d("start_failures_total", "Chromes that did not come up."),
		crashes:  d("crashes_total", "Chromes that died by themselves."),
		pages:    d("page_crashes_total", "Pages whose process died or hung in a Chrome that went on."),
		recycles: d("recycles_total", "Chromes taken out of use by reason: captures made, age, memory, or a capture that could not be cleaned up.", "reason"),
		repeats:  d("repeats_total", "Captures made again because Chrome died under the first try."),
		missing:  d("missing_total", "What captures list as missing: bodies that were answered but not had whole, or anything else.", "what"),
		running:  d("running", "Chromes that run now, those that only end their last capture included."),
		busy:     d("captures_running", "Captures being made in them."),
	}
}

// Describe implements prometheus.Collector.
func (c *chromeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.starts, c.failures, c.crashes, c.pages, c.recycles, c.repeats, c.missing, c.running, c.busy} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *chromeCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	count(c.starts, s.Starts)
	count(c.failures, s.StartFailures)
	count(c.crashes, s.Crashes)
	count(c.pages, s.PageCrashes)
	for _, reason := range slices.Sorted(maps.Keys(s.Recycles)) {
		count(c.recycles, s.Recycles[reason], reason)
	}
	count(c.repeats, s.Repeats)
	count(c.missing, s.MissingBodies, "body")
	count(c.missing, s.MissingOther, "other")
	ch <- prometheus.MustNewConstMetric(c.running, prometheus.GaugeValue, float64(s.Running))
	ch <- prometheus.MustNewConstMetric(c.busy, prometheus.GaugeValue, float64(s.Busy))
}

// keeperCollector tells what this dispatcher's last look at the archive found.
type keeperCollector struct {
	last func() *archive.Round
	now  func() time.Time

	age, ok, captures, objects, differences, unread, due *prometheus.Desc
}

func newKeeperCollector(last func() *archive.Round, now func() time.Time) *keeperCollector {
	d := func(name, help string) *prometheus.Desc { return prometheus.NewDesc("trawlmark_"+name, help, nil, nil) }
	return &keeperCollector{
		last: last, now: now,
		age:         d("rehash_age_seconds", "Age of this dispatcher's last look at a sample of the archive; absent before the first."),
		ok:          d("rehash_ok", "Whether that look could look at all."),
		captures:    d("rehash_captures", "Captures that it read again."),
		objects:     d("rehash_objects", "Objects that it read again."),
		differences: d("rehash_differences", "Stored evidence that was not as it should be."),
		unread:      d("rehash_unread", "Objects that the storage did not give."),
		due:         d("expired_waiting", "Captures that are due to expire and must stay a while: held, referred to or locked."),
	}
}

// Describe implements prometheus.Collector.
func (c *keeperCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.age, c.ok, c.captures, c.objects, c.differences, c.unread, c.due} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *keeperCollector) Collect(ch chan<- prometheus.Metric) {
	r := c.last()
	if r == nil {
		return
	}
	tell := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	tell(c.age, max(0, c.now().Sub(r.Ended).Seconds()))
	tell(c.ok, truth(r.Error == ""))
	tell(c.captures, float64(r.Sample.Captures))
	tell(c.objects, float64(r.Sample.Objects))
	tell(c.differences, float64(len(r.Sample.Found)))
	tell(c.unread, float64(r.Sample.Failed))
	tell(c.due, float64(r.Expired.Waiting))
}

// meteredLanes measures politeness from where it is felt.
type meteredLanes struct {
	worker.Lanes
	m *meters
}

func (l meteredLanes) Pass(ctx context.Context, name string, p lane.Params) (func(), error) {
	began := time.Now()
	arrived, err := l.Lanes.Pass(ctx, name, p)
	l.m.laneWait.Observe(time.Since(began).Seconds())
	if err != nil {
		l.m.laneRefused.Inc()
	}
	return arrived, err
}

func (l meteredLanes) Close(ctx context.Context, name string, until time.Time, reason string) error {
	l.m.penalties.Inc()
	l.m.penaltySeconds.Add(max(0, time.Until(until).Seconds()))
	return l.Lanes.Close(ctx, name, until, reason)
}
