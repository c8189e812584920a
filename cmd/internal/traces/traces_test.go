package traces

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func env(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(k string) string { return m[k] }
}

func TestFromEnv(t *testing.T) {
	for _, c := range []struct {
		name, want string // of the error; "" for none
		env        []string
		endpoint   string
	}{
		{"nothing", "", nil, ""},
		{"base", "", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/"}, "http://c:4318/v1/traces"},
		{"of traces", "", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://t/x"}, "https://t/x"},
		{"disabled", "", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "OTEL_SDK_DISABLED", "true"}, ""},
		{"none", "", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "OTEL_TRACES_EXPORTER", "none"}, ""},
		{"zipkin", "OTEL_TRACES_EXPORTER", []string{"OTEL_TRACES_EXPORTER", "zipkin"}, ""},
		{"no url", "OTEL_EXPORTER_OTLP_ENDPOINT", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "c:4317"}, ""},
		{"grpc", "grpc is not spoken", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}, ""},
		{"headers", "OTEL_EXPORTER_OTLP_HEADERS: want name=value", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS", "hush"}, ""},
		{"split header", "OTEL_EXPORTER_OTLP_HEADERS", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS", "a=b%0d%0ac"}, ""},
		{"timeout", "OTEL_EXPORTER_OTLP_TIMEOUT", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "OTEL_EXPORTER_OTLP_TIMEOUT", "10s"}, ""},
		{"sampler", "OTEL_TRACES_SAMPLER", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "OTEL_TRACES_SAMPLER", "jaeger_remote"}, ""},
		{"ratio", "OTEL_TRACES_SAMPLER_ARG", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "OTEL_TRACES_SAMPLER", "traceidratio", "OTEL_TRACES_SAMPLER_ARG", "2"}, ""},
	} {
		got, err := FromEnv(env(c.env...))
		switch {
		case c.want == "" && (err != nil || got.Endpoint != c.endpoint):
			t.Errorf("%s: %q, %v", c.name, got.Endpoint, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		case err != nil && strings.Contains(err.Error(), "hush"):
			t.Errorf("%s: a secret is in %v", c.name, err)
		}
	}
	c, err := FromEnv(env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "OTEL_SERVICE_NAME", "desk", "OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test,a=b%20c",
		"OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20x", "OTEL_TRACES_SAMPLER", "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG", "0.25", "OTEL_EXPORTER_OTLP_TIMEOUT", "1500"))
	if err != nil || c.Resource["service.name"] != "desk" || c.Resource["a"] != "b c" || c.Headers["Authorization"] != "Bearer x" || c.Ratio != .25 || c.Timeout != 1500*time.Millisecond {
		t.Errorf("read %+v, %v", c, err)
	}
	if New(Config{}, nil) != nil {
		t.Error("without an endpoint there is an exporter")
	}
	var off *Exporter
	off.End(Span{})
	off.Close(t.Context())
}

// collector takes what is posted, or answers as it is told.
type collector struct {
	mu     sync.Mutex
	status int
	bodies []string
	auth   string
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != 0 {
		w.WriteHeader(c.status)
		return
	}
	c.bodies, c.auth = append(c.bodies, string(b)), r.Header.Get("Authorization")
}

func TestSpansArrive(t *testing.T) {
	c := &collector{}
	srv := httptest.NewServer(c)
	defer srv.Close()
	e := New(Config{Endpoint: srv.URL, Ratio: 1, Timeout: time.Minute, Headers: map[string]string{"Authorization": "Bearer x"}, Resource: map[string]string{"service.name": "test"}}, slog.New(slog.DiscardHandler))
	at := time.Unix(1, 5)
	trace := [16]byte{1, 2, 15: 3}
	e.End(Span{Trace: trace, Name: "fetch", Start: at, End: at.Add(time.Second), Attributes: map[string]string{"k": "v", "empty": ""}, Error: "no"})
	e.End(Span{Trace: trace, Name: RootName, Root: true, Start: at, End: at.Add(2 * time.Second)})
	e.End(Span{Name: "of nothing"})
	e.Close(t.Context())
	if len(c.bodies) != 1 || c.auth != "Bearer x" || e.Dropped() != 0 {
		t.Fatalf("%d requests, authorised by %q, %d dropped", len(c.bodies), c.auth, e.Dropped())
	}
	var doc struct {
		ResourceSpans []struct {
			Resource   struct{ Attributes []attribute }
			ScopeSpans []struct{ Spans []spanJSON }
		}
	}
	if err := json.Unmarshal([]byte(c.bodies[0]), &doc); err != nil {
		t.Fatal(err)
	}
	spans := doc.ResourceSpans[0].ScopeSpans[0].Spans
	if len(spans) != 2 {
		t.Fatalf("%d spans", len(spans))
	}
	fetch, root := spans[0], spans[1]
	if fetch.ParentID != root.SpanID || root.ParentID != "" || len(root.SpanID) != 16 || fetch.TraceID != "01020000000000000000000000000003" ||
		fetch.Start != "1000000005" || fetch.Status == nil || fetch.Status.Code != 2 || len(fetch.Attributes) != 1 || fetch.Attributes[0].Value.String != "v" {
		t.Errorf("sent %+v and %+v", fetch, root)
	}
}

func TestACollectorThatIsAwayStopsNobody(t *testing.T) {
	c := &collector{status: http.StatusServiceUnavailable}
	srv := httptest.NewServer(c)
	var log strings.Builder
	e := New(Config{Endpoint: srv.URL, Ratio: 1, Timeout: time.Minute}, slog.New(slog.NewTextHandler(&log, nil)))
	const n = 3 * waiting
	for range n { // returns at once, whatever becomes of them
		e.End(Span{Trace: [16]byte{1}, Name: "x"})
	}
	e.Close(t.Context())
	if e.Dropped() != n {
		t.Errorf("%d spans were dropped, want all %d", e.Dropped(), n)
	}
	if strings.Count(log.String(), "traces are dropped") != 1 {
		t.Errorf("the log says:\n%s", log.String())
	}
	srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e.Close(ctx) // twice, and after its end
}

// The headers may be credentials: they go to the endpoint and nowhere else.
func TestARedirectIsNotFollowed(t *testing.T) {
	other := &collector{}
	to := httptest.NewServer(other)
	defer to.Close()
	srv := httptest.NewServer(http.RedirectHandler(to.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	e := New(Config{Endpoint: srv.URL, Ratio: 1, Timeout: time.Minute, Headers: map[string]string{"api-key": "s3cret"}}, slog.New(slog.DiscardHandler))
	e.End(Span{Trace: [16]byte{1}, Name: "x"})
	e.Close(t.Context())
	if e.Dropped() != 1 || len(other.bodies) != 0 {
		t.Errorf("%d dropped, and another server got %d requests", e.Dropped(), len(other.bodies))
	}
}

func TestTheRatioIsOfTraces(t *testing.T) {
	e := &Exporter{cfg: Config{Ratio: .25}}
	sent := 0
	for i := range 4096 {
		trace := [16]byte{8: 0x80 | byte(i>>6), 9: byte(i << 2)}
		if e.sampled(trace) {
			sent++
		}
	}
	if sent < 900 || sent > 1150 {
		t.Errorf("%d of 4096 traces are sent, want about a quarter", sent)
	}
}
