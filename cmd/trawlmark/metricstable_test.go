package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/crawler/render"
)

// The table of docs/operating.md says of each metric the type and the labels
// that it has.
func TestOperatingPageTellsTypesAndLabels(t *testing.T) {
	page, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	types, labels := metricTypes(t), metricLabels()
	rows := regexp.MustCompile("(?m)^\\| `(trawlmark_[a-z_]+)` \\| ([a-z]+) \\| ([a-z, ]*)\\| (all|workers|dispatchers) \\| \\S").FindAllStringSubmatch(string(page), -1)
	if len(rows) != len(metricNames()) {
		t.Errorf("%d rows have a type, labels, who tells it and a meaning; there are %d metrics", len(rows), len(metricNames()))
	}
	for _, r := range rows {
		name, said := r[1], strings.FieldsFunc(r[3], func(c rune) bool { return c == ',' || c == ' ' })
		if types[name] != r[2] {
			t.Errorf("%s is a %s, docs/operating.md says %s", name, types[name], r[2])
		}
		has := slices.Clone(labels[name])
		slices.Sort(has)
		slices.Sort(said)
		if !slices.Equal(has, said) {
			t.Errorf("%s has the labels %v, docs/operating.md says %v", name, has, said)
		}
	}
}

// metricTypes gathers every collector once it has something to tell.
func metricTypes(t *testing.T) map[string]string {
	t.Helper()
	m := newMeters()
	m.phase.WithLabelValues("fetch")
	m.vaultCall("put", time.Second, 1, 1, nil)
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		newSpoolCollector(func() (int64, int64) { return 1, 2 }, func() (int, string, error) { return 0, "", nil }),
		newChromeCollector(func() render.Stats { return render.Stats{Recycles: map[string]uint64{"age": 1}} }),
		newKeeperCollector(func() *archive.Round { return &archive.Round{} }, time.Now),
	)
	types := map[string]string{}
	for _, f := range families(t, m.reg, reg) {
		types[f.GetName()] = strings.ToLower(f.GetType().String())
	}
	// The fleet's collector has one way to tell a value: as a gauge. What a
	// running app gives is held against it by TestMetricsOfARunningApp.
	ch := make(chan *prometheus.Desc, 100)
	newFleetCollector(fleet{}).Describe(ch)
	close(ch)
	for d := range ch {
		types[regexp.MustCompile(`fqName: "([a-z_]+)"`).FindStringSubmatch(d.String())[1]] = "gauge"
	}
	return types
}

func families(t *testing.T, from ...prometheus.Gatherer) []*dto.MetricFamily {
	t.Helper()
	all, err := prometheus.Gatherers(from).Gather()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// typesAreTold: what a running app gives is of the types that metricTypes, and so
// the table, says.
func typesAreTold(t *testing.T, got map[string]*dto.MetricFamily) {
	t.Helper()
	types, ours := metricTypes(t), 0
	for name, f := range got {
		if !strings.HasPrefix(name, "trawlmark_") {
			continue
		}
		ours++
		if is := strings.ToLower(f.GetType().String()); is != types[name] {
			t.Errorf("%s is a %s in a running app, and a %q by the table", name, is, types[name])
		}
	}
	if ours < 40 {
		t.Errorf("a running app gives only %d metrics of ours", ours)
	}
}
