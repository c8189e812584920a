package main

import (
	"context"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/seal"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/crawler/render"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/lane"
)

// gathered scrapes collectors, and lints what they say as promtool does.
func gathered(t *testing.T, all ...prometheus.Collector) map[string]*dto.MetricFamily {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(all...)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	lint(t, families)
	out := map[string]*dto.MetricFamily{}
	for _, f := range families {
		out[f.GetName()] = f
	}
	return out
}

func lint(t *testing.T, families []*dto.MetricFamily) {
	t.Helper()
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestChromeMetrics(t *testing.T) {
	stats := render.Stats{
		Starts: 7, StartFailures: 1, Crashes: 2, PageCrashes: 3, Repeats: 4, MissingBodies: 5, MissingOther: 6, Running: 2, Busy: 1,
		Recycles: map[string]uint64{"count": 8, "age": 0, "memory": 9, "sick": 0},
	}
	got := gathered(t, newChromeCollector(func() render.Stats { return stats }))
	for _, want := range []struct {
		name   string
		labels []string
		value  float64
	}{
		{"trawlmark_chrome_starts_total", nil, 7},
		{"trawlmark_chrome_start_failures_total", nil, 1},
		{"trawlmark_chrome_crashes_total", nil, 2},
		{"trawlmark_chrome_page_crashes_total", nil, 3},
		{"trawlmark_chrome_repeats_total", nil, 4},
		{"trawlmark_chrome_missing_total", []string{"what=body"}, 5},
		{"trawlmark_chrome_missing_total", []string{"what=other"}, 6},
		{"trawlmark_chrome_recycles_total", []string{"reason=count"}, 8},
		{"trawlmark_chrome_recycles_total", []string{"reason=memory"}, 9},
		{"trawlmark_chrome_recycles_total", []string{"reason=sick"}, 0},
		{"trawlmark_chrome_running", nil, 2},
		{"trawlmark_chrome_captures_running", nil, 1},
	} {
		if v, ok := value(got, want.name, want.labels...); !ok || v != want.value {
			t.Errorf("%s%v is %v (there: %v), want %v", want.name, want.labels, v, ok, want.value)
		}
	}
}

func TestKeeperMetrics(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var round *archive.Round
	c := newKeeperCollector(func() *archive.Round { return round }, func() time.Time { return now })
	if got := gathered(t, c); len(got) != 0 {
		t.Errorf("before the first look there are %d metrics", len(got))
	}
	round = &archive.Round{
		Sample: archive.Sampled{Captures: 50, Objects: 400, Found: make([]archive.Difference, 2), Failed: 3},
		Ended:  now.Add(-time.Hour), Expired: archive.Expiry{Waiting: 4}, Error: "the database does not answer",
	}
	got := gathered(t, c)
	for name, want := range map[string]float64{
		"trawlmark_rehash_age_seconds": 3600, "trawlmark_rehash_ok": 0, "trawlmark_rehash_captures": 50, "trawlmark_rehash_objects": 400,
		"trawlmark_rehash_differences": 2, "trawlmark_rehash_unread": 3, "trawlmark_expired_waiting": 4,
	} {
		if v, ok := value(got, name); !ok || v != want {
			t.Errorf("%s is %v (there: %v), want %v", name, v, ok, want)
		}
	}
}

// How long the certificates behind stamps last, and whether they are renewed.
func TestSealMetrics(t *testing.T) {
	ctx := t.Context()
	a := testApp(t, func(c *configs.Config) { c.Seal.RenewBefore = configs.Duration(3650 * 24 * time.Hour) })
	n, err := a.openNotary(ctx)
	if err != nil {
		t.Fatal(err)
	}
	seen := func() map[string]*dto.MetricFamily {
		c := newFleetCollector(fleet{sealer: a.sealer, now: time.Now})
		return gathered(t, collectFunc(func(ch chan<- prometheus.Metric) {
			err := c.readSeal(ctx, func(d *prometheus.Desc, v float64, labels ...string) {
				ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
			})
			if err != nil {
				t.Error(err)
			}
		}))
	}
	got := seen()
	for _, name := range []string{"trawlmark_tsa_chain_seconds", "trawlmark_seal_renewal_ok", "trawlmark_seal_ends_seconds", "trawlmark_seal_late"} {
		if _, ok := value(got, name); ok || got[name] != nil {
			t.Errorf("%s is told before anything is known", name)
		}
	}
	if _, err := a.custody.Append(ctx, custody.Event{Type: custody.Viewed, Actor: "person:ann", Subject: custody.Subject{Case: "c-1"}}, custody.Keep{}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	// Everything is due, and the authorities of the demo last no longer.
	if _, err := n.Tend(ctx); !errors.Is(err, seal.ErrNoLonger) {
		t.Fatal(err)
	}
	got = seen()
	chain, ok1 := value(got, "trawlmark_tsa_chain_seconds", "tsa=demo-a")
	ends, ok2 := value(got, "trawlmark_seal_ends_seconds")
	if !ok1 || !ok2 || chain < 24*3600 || ends < 24*3600 || chain > 20*366*24*3600 {
		t.Errorf("the chain lasts %v s (%v), stamps end in %v s (%v)", chain, ok1, ends, ok2)
	}
	renewed, ok1 := value(got, "trawlmark_seal_renewal_ok")
	late, ok2 := value(got, "trawlmark_seal_late")
	if !ok1 || !ok2 || renewed != 0 || late != 0 {
		t.Errorf("renewal_ok %v (%v), late %v (%v)", renewed, ok1, late, ok2)
	}
}

// collectFunc is a collector that says what it says.
type collectFunc func(chan<- prometheus.Metric)

func (c collectFunc) Collect(ch chan<- prometheus.Metric) { c(ch) }
func (collectFunc) Describe(chan<- *prometheus.Desc)      {}

// shutLanes lets nothing pass.
type shutLanes struct{ worker.Lanes }

func (shutLanes) Pass(context.Context, string, lane.Params) (func(), error) {
	return nil, errors.New("shut")
}
func (shutLanes) Close(context.Context, string, time.Time, string) error { return nil }

func TestLaneMetrics(t *testing.T) {
	m := newMeters()
	l := meteredLanes{shutLanes{}, m}
	if _, err := l.Pass(t.Context(), "shop", lane.Params{}); err == nil {
		t.Error("the gate's refusal was lost")
	}
	if err := l.Close(t.Context(), "shop", time.Now().Add(time.Hour), "throttled"); err != nil {
		t.Error(err)
	}
	families, err := m.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]*dto.MetricFamily{}
	for _, f := range families {
		got[f.GetName()] = f
	}
	for name, atLeast := range map[string]float64{
		"trawlmark_lane_wait_seconds": 1, "trawlmark_lane_refused_total": 1, "trawlmark_lane_penalties_total": 1, "trawlmark_lane_penalty_seconds_total": 3000,
	} {
		if v, ok := value(got, name); !ok || v < atLeast {
			t.Errorf("%s is %v (there: %v), want at least %v", name, v, ok, atLeast)
		}
	}
}

// What every process tells is named as Prometheus names things.
func TestMetricsAreWellNamed(t *testing.T) {
	families, err := newMeters().reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	lint(t, families)
	var told []*dto.MetricFamily
	ch := make(chan *prometheus.Desc, 100)
	newFleetCollector(fleet{}).Describe(ch)
	close(ch)
	for d := range ch {
		m := regexp.MustCompile(`fqName: "([a-z0-9_]+)"`).FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("%s has no name", d)
		}
		name := m[1]
		help, kind := "said", dto.MetricType_GAUGE
		told = append(told, &dto.MetricFamily{Name: &name, Help: &help, Type: &kind, Metric: []*dto.Metric{{Gauge: &dto.Gauge{}}}})
	}
	if len(told) < 10 {
		t.Fatalf("only %d metrics of the fleet were found", len(told))
	}
	lint(t, told)
}
