package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/crawler/markettest"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/score"
	"github.com/trawlmark/trawlmark/worker/task"
)

// collected is what a collector of OpenTelemetry was sent.
type collected struct {
	mu    sync.Mutex
	spans []struct {
		TraceID, SpanID, ParentSpanID, Name string
		Attributes                          []struct {
			Key   string
			Value struct{ StringValue string }
		}
	}
}

func (c *collected) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var doc struct {
		ResourceSpans []struct {
			ScopeSpans []struct{ Spans json.RawMessage }
		}
	}
	b, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	if json.Unmarshal(b, &doc) != nil {
		return
	}
	for _, rs := range doc.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			all := c.spans[len(c.spans):]
			if json.Unmarshal(ss.Spans, &all) == nil {
				c.spans = append(c.spans, all...)
			}
		}
	}
}

// A visit, its storing and its score are one trace, named as the ledger and the
// evidence name the capture.
func TestTracesOfARunningApp(t *testing.T) {
	sink := &collected{}
	collector := httptest.NewServer(sink)
	defer collector.Close()
	srv, err := markettest.Start(markettest.Config{CrawlDelay: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	item, ok := srv.Listing("belvoir-1to1")
	if !ok {
		t.Fatal("the marketplace has no belvoir-1to1")
	}
	a := testApp(t, func(c *configs.Config) { c.Custody.Every = configs.Duration(time.Minute) })
	a.s.getenv = func(name string) string {
		if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
			return collector.URL
		}
		return os.Getenv(name)
	}
	a.override = map[string]string{}
	for _, h := range srv.Hosts() {
		a.override[h] = srv.Addr
	}
	stop := start(t, a, roles{dispatcher: true, pools: []string{task.HTTP, task.Score}})
	url := "http://market.demo.test" + item.Path
	w, err := a.ledger.AddWatch(t.Context(), ledger.Watch{Name: "traces", Seeds: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.ledger.Fire(t.Context(), w.ID, a.ledger.Now().Truncate(time.Microsecond), []ledger.Work{newSeed(a.sites, url)}); err != nil {
		t.Fatal(err)
	}
	var job ledger.Job
	waitFor(t, 3*time.Minute, "the visit", func() (bool, string) {
		jobs, err := a.ledger.Jobs(t.Context(), ledger.JobFilter{Watch: w.ID})
		if err != nil || len(jobs) == 0 {
			return false, "no job"
		}
		job = jobs[0]
		return job.State == ledger.Done, string(job.State)
	})
	stop()
	if _, err := (meteredScorer{score.Builtin{}, a.meters}).Score(t.Context(), score.Request{Capture: job.Capture}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := timeout(time.Minute)
	defer cancel()
	a.meters.traces.Close(ctx)
	sink.mu.Lock()
	defer sink.mu.Unlock()
	trace, root, names := strings.ReplaceAll(job.Capture.String(), "-", ""), "", map[string]int{}
	for _, s := range sink.spans {
		if s.TraceID != trace {
			t.Errorf("a span %s is of the trace %s, and the capture is %s", s.Name, s.TraceID, trace)
		}
		if names[s.Name]++; s.Name != "visit" {
			continue
		}
		root = s.SpanID
		said := map[string]string{}
		for _, x := range s.Attributes {
			said[x.Key] = x.Value.StringValue
		}
		if said["trawlmark.job"] != job.ID.String() || said["trawlmark.watch"] != w.ID.String() || said["trawlmark.outcome"] != string(capture.Captured) {
			t.Errorf("the visit says %v", said)
		}
	}
	for _, want := range []string{"visit", "fetch", "prepare", "upload", "score"} {
		if names[want] != 1 {
			t.Errorf("there are %d spans %s; all: %v", names[want], want, names)
		}
	}
	for _, s := range sink.spans {
		if s.Name != "visit" && s.ParentSpanID != root {
			t.Errorf("the span %s hangs on %q, not on the visit", s.Name, s.ParentSpanID)
		}
	}
}

func TestAWrongCollectorEndsTheStart(t *testing.T) {
	a := testApp(t, nil)
	a.s.getenv = func(name string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}[name]
	}
	err := a.runRoles(t.Context(), roles{}, nil)
	if err == nil || classify(err) != exitConfig || !strings.Contains(err.Error(), "OTEL_EXPORTER_OTLP_ENDPOINT") {
		t.Errorf("got %v", err)
	}
}
