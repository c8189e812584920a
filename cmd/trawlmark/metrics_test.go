package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
)

// A running app is scraped the way Prometheus does it, before and after it has
// worked.
func TestMetricsOfARunningApp(t *testing.T) {
	srv, err := markettest.Start(markettest.Config{CrawlDelay: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	item, ok := srv.Listing("belvoir-1to1")
	if !ok {
		t.Fatal("the marketplace has no belvoir-1to1")
	}
	addr := freePort(t)
	a := testApp(t, func(c *configs.Config) {
		c.Metrics.Listen, c.Custody.Every = addr, configs.Duration(time.Second)
	})
	a.override = map[string]string{}
	for _, h := range srv.Hosts() {
		a.override[h] = srv.Addr
	}
	start(t, a, roles{dispatcher: true, pools: task.Pools()})
	var got map[string]*dto.MetricFamily
	waitFor(t, 2*time.Minute, "the metrics port", func() (bool, string) {
		res, err := http.Get("http://" + addr + "/healthz")
		if err != nil {
			return false, err.Error()
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK, res.Status
	})
	type series struct {
		name   string
		labels []string // name=value
		value  float64
	}
	// A part that does not answer in time is down for one scrape: then again.
	waitFor(t, 2*time.Minute, "all parts in the metrics", func() (bool, string) {
		got = scrape(t, addr)
		for _, part := range []string{"database", "queue", "custody", "seal"} {
			if v, _ := value(got, "trawlmark_part_up", "part="+part); v != 1 {
				return false, part
			}
		}
		return true, ""
	})
	for _, want := range []series{
		{"trawlmark_build_info", []string{"version=" + version}, 1},
		{"trawlmark_jobs", []string{"kind=visit", "state=planned"}, 0},
		{"trawlmark_visits_total", []string{"outcome=captured"}, 0},
		{"trawlmark_findings", []string{"state=new"}, 0},
		{"trawlmark_lanes", []string{"state=closed"}, 0},
		{"trawlmark_queue_waiting", []string{"pool=browser"}, 0},
		{"trawlmark_spool_limit_bytes", nil, float64(a.cfg.Worker.SpoolLimit)},
		{"trawlmark_spool_refused", nil, 0},
		{"trawlmark_part_up", []string{"part=database"}, 1},
		{"trawlmark_part_up", []string{"part=queue"}, 1},
	} {
		if v, ok := value(got, want.name, want.labels...); !ok || v != want.value {
			t.Errorf("%s%v is %v (there: %v), want %v", want.name, want.labels, v, ok, want.value)
		}
	}

	led, err := a.openLedger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w, err := led.AddWatch(t.Context(), ledger.Watch{Name: "metrics", Seeds: []string{"http://market.demo.test" + item.Path}, CreatedBy: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := led.Fire(t.Context(), w.ID, led.Now().Truncate(time.Microsecond), []ledger.Work{newSeed(a.sites, "http://market.demo.test"+item.Path)}); err != nil {
		t.Fatal(err)
	}
	left := map[string][]string{ // what is more than 0 after a visit
		"trawlmark_phase_seconds":     {"phase=fetch"},
		"trawlmark_vault_calls_total": {"op=put", "result=ok"},
		"trawlmark_vault_bytes_total": {"op=put"},
		"trawlmark_vault_seconds":     {"op=put"},
		"trawlmark_response_seconds":  nil,
		"trawlmark_visit_seconds":     nil,
		"trawlmark_tsa_up":            {"tsa=demo-a"},
		"trawlmark_ledger_visits":     {"outcome=captured"},
	}
	waitFor(t, 3*time.Minute, "the visit in the metrics", func() (bool, string) {
		got = scrape(t, addr)
		v, _ := value(got, "trawlmark_visits_total", "outcome=captured")
		done, _ := value(got, "trawlmark_jobs", "kind=visit", "state=done")
		age, stamped := value(got, "trawlmark_seal_stamp_age_seconds")
		if v != 1 || done != 1 || !stamped || age >= 60 {
			return false, fmt.Sprintf("%v visits, %v jobs done, stamped %v, %v s ago", v, done, stamped, age)
		}
		for name, labels := range left {
			if v, ok := value(got, name, labels...); !ok || v <= 0 {
				return false, fmt.Sprintf("%s%v is %v (there: %v), want more than 0", name, labels, v, ok)
			}
		}
		for _, phase := range []string{"robots", "prepare", "store"} {
			if _, ok := value(got, "trawlmark_phase_seconds", "phase="+phase); !ok {
				return false, "the phase " + phase + " is not measured"
			}
		}
		return true, ""
	})
	labelsAreBounded(t, got, srv.Hosts())
	typesAreTold(t, got)

	ready := getsReady(t, addr)
	var names []string
	for _, p := range ready.Parts {
		names = append(names, p.Part)
	}
	if want := []string{"database", "queue", "storage", "spool"}; !slices.Equal(names, want) {
		t.Errorf("/readyz speaks of %v, want %v", names, want)
	}
	var live liveness
	if code := getJSON(t, "http://"+addr+"/healthz", &live); code != http.StatusOK || !live.OK || len(live.Roles) != 5 || live.Version != version {
		t.Errorf("/healthz answers %d, %+v", code, live)
	}
}

// labelsAreBounded: nothing of what is crawled is ever a label.
func labelsAreBounded(t *testing.T, all map[string]*dto.MetricFamily, hosts []string) {
	t.Helper()
	allowed := []string{"kind", "state", "outcome", "pool", "phase", "op", "result", "sandbox", "part", "tsa", "version", "go", "reason", "what"}
	for name, f := range all {
		if !strings.HasPrefix(name, "trawlmark_") {
			continue
		}
		if len(f.Metric) > 60 {
			t.Errorf("%s has %d series", name, len(f.Metric))
		}
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if !slices.Contains(allowed, l.GetName()) {
					t.Errorf("%s has the label %s, which is not one of the closed sets", name, l.GetName())
				}
				if slices.Contains(hosts, l.GetValue()) {
					t.Errorf("%s names the host %s", name, l.GetValue())
				}
			}
		}
	}
}

// A part that is away takes away its own numbers only, is told, and is in the
// log once.
func TestFleetMetricsWhileAPartIsAway(t *testing.T) {
	a := testApp(t, nil)
	if _, err := a.openNotary(t.Context()); err != nil {
		t.Fatal(err)
	}
	led, err := a.openLedger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	q := task.Redis{Addr: freePort(t), Timeout: 200 * time.Millisecond} // nobody listens there
	rdb, err := q.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	away := true
	c := newFleetCollector(fleet{
		ledger: led, queue: task.NewClient(rdb, 0), sealer: a.sealer, patience: time.Minute, now: time.Now, log: a.log,
		waiting: func(context.Context) (int64, time.Time, error) {
			if away {
				return 0, time.Time{}, errors.New("no answer")
			}
			return 3, time.Now().Add(-time.Minute), nil
		},
	})
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(c)
	for range 2 {
		got := gather(t, reg)
		for part, want := range map[string]float64{"database": 1, "queue": 0, "custody": 0, "seal": 1} {
			if v, ok := value(got, "trawlmark_part_up", "part="+part); !ok || v != want {
				t.Errorf("part_up of %s is %v (there: %v), want %v", part, v, ok, want)
			}
		}
		if _, ok := value(got, "trawlmark_jobs", "kind=visit", "state=done"); !ok {
			t.Error("the ledger's numbers went away with the queue")
		}
		if _, ok := value(got, "trawlmark_custody_waiting"); ok {
			t.Error("a number was made up for a part that did not answer")
		}
		if _, ok := value(got, "trawlmark_seal_stamp_age_seconds"); ok {
			t.Error("an age was made up for a stamp that never was")
		}
	}
	away = false
	got := gather(t, reg)
	if n, _ := value(got, "trawlmark_custody_waiting"); n != 3 {
		t.Errorf("%v custody events wait, want 3", n)
	}
	if age, _ := value(got, "trawlmark_custody_oldest_seconds"); age < 59 || age > 120 {
		t.Errorf("the oldest is %v s old, want about 60", age)
	}
	log := a.s.err.(*syncBuffer).String()
	if n := strings.Count(log, "metrics of a part cannot be read"); n != 2 { // queue, custody
		t.Errorf("the log has the trouble %d times, want once for each of two parts:\n%s", n, log)
	}
}

func TestReadiness(t *testing.T) {
	clock := time.Unix(1_800_000_000, 0)
	asked := 0
	var fault error
	h := newHealth(roles{pools: []string{task.HTTP}}, []part{
		{"good", func(context.Context) error { asked++; return nil }},
		{"moody", func(context.Context) error { return fault }},
	}, func() time.Time { return clock })
	look := func() (int, readiness) {
		w := httptest.NewRecorder()
		h.ready(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		var r readiness
		if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		return w.Code, r
	}
	if code, r := look(); code != http.StatusOK || !r.Ready {
		t.Errorf("all is well, and it answers %d %+v", code, r)
	}
	fault = errors.New("moody today")
	if code, _ := look(); code != http.StatusOK || asked != 1 {
		t.Errorf("a second look at once asked the parts again (%d times), or answered %d", asked, code)
	}
	clock = clock.Add(readyFor)
	code, r := look()
	if code != http.StatusServiceUnavailable || r.Ready || len(r.Parts) != 2 || !r.Parts[0].OK || r.Parts[1].OK || r.Parts[1].Error != "moody today" {
		t.Errorf("one part is away, and it answers %d %+v", code, r)
	}
	// Liveness does not care.
	w := httptest.NewRecorder()
	h.live(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"worker:http"`) {
		t.Errorf("/healthz answers %d %s", w.Code, w.Body)
	}
}

// A part that never answers does not hang the probe.
func TestReadinessIsBounded(t *testing.T) {
	h := newHealth(roles{}, []part{{"hangs", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}}, time.Now)
	// The part answers when its context ends, so a look that returns before the
	// asker's own time is over ended it. Generous: a machine may stall.
	ctx, cancel := context.WithTimeout(t.Context(), 20*readyPatience)
	defer cancel()
	if got := h.look(ctx); got.Ready || ctx.Err() != nil {
		t.Errorf("%v: %+v", ctx.Err(), got)
	}
}

func TestHealthPartsSayWhatIsAway(t *testing.T) {
	a := testApp(t, nil)
	if _, err := a.openArchive(t.Context(), commandSpace("test")); err != nil {
		t.Fatal(err)
	}
	a.vault = &vault.Mem{Fail: func(string, string) error { return vault.ErrUnavailable }}
	q := task.Redis{Addr: freePort(t), Password: "hush", Timeout: 200 * time.Millisecond}
	rdb, err := q.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	for _, p := range a.healthParts(rdb) {
		err := p.check(t.Context())
		bad := p.name == "queue" || p.name == "storage"
		if (err != nil) != bad {
			t.Errorf("%s: %v", p.name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "127.0.0.1") || strings.Contains(err.Error(), "hush")) {
			t.Errorf("%s tells too much: %v", p.name, err)
		}
	}
}

func TestVaultResultsAreAClosedSet(t *testing.T) {
	for err, want := range map[error]string{
		nil: "ok", vault.ErrExists: "exists", vault.ErrUnavailable: "unavailable", errors.New("x"): "error",
	} {
		if got := vaultResult(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
	m := newMeters()
	m.vaultCall(vault.OpPut, time.Second, 3, 100, nil)
	m.vaultCall(vault.OpPut, time.Second, 1, 100, vault.ErrUnavailable)
	got := gather(t, m.reg)
	for name, want := range map[string]float64{"trawlmark_vault_bytes_total": 100, "trawlmark_vault_retries_total": 2} {
		if v, _ := value(got, name, "op=put"); v != want {
			t.Errorf("%s is %v, want %v", name, v, want)
		}
	}
}

// docs/operating.md lists every metric there is, and none that is not.
func TestOperatingPageListsTheMetrics(t *testing.T) {
	page, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(trawlmark_[a-z_]+)`").FindAllStringSubmatch(string(page), -1) {
		listed[m[1]] = true
	}
	all := metricNames()
	for name := range all {
		if !listed[name] {
			t.Errorf("docs/operating.md does not list %s", name)
		}
	}
	for name := range listed {
		if !all[name] {
			t.Errorf("docs/operating.md lists %s, which there is not", name)
		}
	}
	for _, name := range regexp.MustCompile(`trawlmark_[a-z_]+`).FindAllString(string(page), -1) {
		if !knownMetric(all, name) {
			t.Errorf("docs/operating.md speaks of %s, which there is not", name)
		}
	}
}

// metricNames are the names of all metrics of ours.
func metricNames() map[string]bool {
	names := map[string]bool{}
	for n := range metricLabels() {
		if strings.HasPrefix(n, "trawlmark_") {
			names[n] = true
		}
	}
	return names
}

// knownMetric: a histogram is asked for by its parts.
func knownMetric(all map[string]bool, name string) bool {
	for _, part := range []string{"", "_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, part); ok && all[base] {
			return true
		}
	}
	return false
}

// freePort gives an address that nobody has, and that nobody gets: its port lies
// below those that systems give to whoever asks for any.
func freePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.N(12000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free between 20000 and 32000")
	return ""
}

// scrape reads metrics by their text, as Prometheus does.
func scrape(t *testing.T, addr string) map[string]*dto.MetricFamily {
	t.Helper()
	res, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v\n%s", res.Status, err, b)
	}
	p := expfmt.NewTextParser(model.LegacyValidation)
	all, err := p.TextToMetricFamilies(strings.NewReader(string(b)))
	if err != nil {
		t.Fatalf("what /metrics says is not the text format: %v", err)
	}
	return all
}

func gather(t *testing.T, g prometheus.Gatherer) map[string]*dto.MetricFamily {
	t.Helper()
	all, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*dto.MetricFamily{}
	for _, f := range all {
		out[f.GetName()] = f
	}
	return out
}

// value gives the one series that has these labels; of a histogram its count.
func value(all map[string]*dto.MetricFamily, name string, labels ...string) (float64, bool) {
	f := all[name]
	if f == nil {
		return 0, false
	}
next:
	for _, m := range f.Metric {
		for _, want := range labels {
			if !slices.ContainsFunc(m.Label, func(l *dto.LabelPair) bool { return l.GetName()+"="+l.GetValue() == want }) {
				continue next
			}
		}
		switch {
		case m.Histogram != nil:
			return float64(m.Histogram.GetSampleCount()), true
		case m.Counter != nil:
			return m.Counter.GetValue(), true
		case m.Untyped != nil:
			return m.Untyped.GetValue(), true
		}
		return m.Gauge.GetValue(), true
	}
	return 0, false
}

// getsReady waits for a readiness: a part that does not answer in time makes a
// process unready for a moment.
func getsReady(t *testing.T, addr string) (r readiness) {
	t.Helper()
	waitFor(t, 2*time.Minute, "the process to be ready", func() (bool, string) {
		r = readiness{}
		code := getJSON(t, "http://"+addr+"/readyz", &r)
		if (code == http.StatusOK) != r.Ready {
			t.Fatalf("/readyz answers %d, %+v", code, r)
		}
		return r.Ready, fmt.Sprintf("%+v", r)
	})
	return r
}

func getJSON(t *testing.T, u string, into any) int {
	t.Helper()
	res, err := http.Get(u)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if ct := res.Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("%s is %q", u, ct)
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

// The console alone has the same addresses, and asks no queue that it has not.
func TestTheConsoleAloneIsProbed(t *testing.T) {
	addr := freePort(t)
	a := testApp(t, func(c *configs.Config) { c.Metrics.Listen, c.Console.Listen = addr, "127.0.0.1:0" })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.runConsole(ctx) }()
	waitFor(t, 2*time.Minute, "the metrics port", func() (bool, string) {
		res, err := http.Get("http://" + addr + "/healthz")
		if err != nil {
			return false, err.Error()
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK, res.Status
	})
	ready := getsReady(t, addr)
	for _, p := range ready.Parts {
		if p.Part == "queue" {
			t.Error("the console asks for a queue")
		}
	}
	if _, ok := value(scrape(t, addr), "trawlmark_jobs", "kind=visit", "state=done"); ok {
		t.Error("the console tells the fleet's numbers")
	}
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("the console ended with: %v", err)
	}
}
