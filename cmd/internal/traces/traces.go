package traces

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what the standard variables say.
type Config struct {
	// Endpoint takes POSTs of spans; "" is off.
	Endpoint string
	// Headers of each request: credentials, usually.
	Headers map[string]string
	// Resource are attributes of this process; service.name is among them.
	Resource map[string]string
	// Ratio of traces that are sent, 0 to 1, decided by their id: all processes
	// decide the same.
	Ratio float64
	// Timeout of one request. Default 10 s.
	Timeout time.Duration
}

// FromEnv reads the standard OTEL_* variables that mean something here. An
// error names the variable.
func FromEnv(getenv func(string) string) (Config, error) {
	c := Config{Ratio: 1, Timeout: 10 * time.Second, Headers: map[string]string{}, Resource: map[string]string{}}
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || strings.EqualFold(getenv("OTEL_TRACES_EXPORTER"), "none") {
		return c, nil
	}
	if e := getenv("OTEL_TRACES_EXPORTER"); e != "" && e != "otlp" {
		return c, fmt.Errorf("OTEL_TRACES_EXPORTER: %q is not spoken here; want otlp or none", e)
	}
	first := func(names ...string) string {
		for _, n := range names {
			if v := getenv(n); v != "" {
				return v
			}
		}
		return ""
	}
	if c.Endpoint = getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); c.Endpoint == "" {
		if base := getenv("OTEL_EXPORTER_OTLP_ENDPOINT"); base != "" {
			c.Endpoint = strings.TrimSuffix(base, "/") + "/v1/traces"
		}
	}
	if c.Endpoint == "" {
		return c, nil
	}
	if u, err := url.Parse(c.Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return c, errors.New("OTEL_EXPORTER_OTLP_ENDPOINT: want http(s)://host:4318")
	}
	if p := first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); p == "grpc" {
		return c, errors.New("OTEL_EXPORTER_OTLP_PROTOCOL: grpc is not spoken here; use the collector's HTTP port, usually 4318, and http/json")
	}
	for name, into := range map[string]map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": c.Headers, "OTEL_EXPORTER_OTLP_TRACES_HEADERS": c.Headers, "OTEL_RESOURCE_ATTRIBUTES": c.Resource} {
		if err := pairs(getenv(name), into); err != nil {
			return c, fmt.Errorf("%s: %w", name, err)
		}
	}
	c.Resource["service.name"] = first("OTEL_SERVICE_NAME")
	if c.Resource["service.name"] == "" {
		c.Resource["service.name"] = "trawlmark"
	}
	if ms := first("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"); ms != "" {
		n, err := strconv.Atoi(ms)
		if err != nil || n < 1 || n > 600_000 {
			return c, fmt.Errorf("OTEL_EXPORTER_OTLP_TIMEOUT: %q is not milliseconds, 1 to 600000", ms)
		}
		c.Timeout = time.Duration(n) * time.Millisecond
	}
	return c, c.sampler(getenv("OTEL_TRACES_SAMPLER"), getenv("OTEL_TRACES_SAMPLER_ARG"))
}

func (c *Config) sampler(name, arg string) error {
	switch strings.TrimPrefix(name, "parentbased_") {
	case "", "always_on":
	case "always_off":
		c.Ratio = 0
	case "traceidratio":
		if arg == "" {
			return nil
		}
		f, err := strconv.ParseFloat(arg, 64)
		if err != nil || !(f >= 0 && f <= 1) {
			return fmt.Errorf("OTEL_TRACES_SAMPLER_ARG: %q is not a number from 0 to 1", arg)
		}
		c.Ratio = f
	default:
		return fmt.Errorf("OTEL_TRACES_SAMPLER: %q is not known; want always_on, always_off or traceidratio", name)
	}
	return nil
}

// pairs reads "a=b,c=d", percent-decoded (W3C baggage). Its errors hold no
// value: it may be a secret.
func pairs(s string, into map[string]string) error {
	for part := range strings.SplitSeq(s, ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		k, v, ok := strings.Cut(part, "=")
		value, err := url.PathUnescape(strings.TrimSpace(v))
		if !ok || err != nil || strings.TrimSpace(k) == "" || strings.ContainsAny(value, "\r\n") {
			return errors.New("want name=value, separated by commas")
		}
		into[strings.TrimSpace(k)] = value
	}
	return nil
}

// Span is one piece of work.
type Span struct {
	Trace [16]byte // a capture's id
	Name  string
	// Root: the span that the others of its trace hang on. There is one.
	Root       bool
	Start, End time.Time
	Attributes map[string]string // empty values are left out
	Error      string
}

// RootName is the span that the others of a trace hang on.
const RootName = "visit"

// spanID is the same in every process for the root; others differ by their
// start.
func (s Span) spanID() string {
	text := RootName
	if !s.Root {
		text = s.Name + strconv.FormatInt(s.Start.UnixNano(), 10)
	}
	sum := sha256.Sum256(append(s.Trace[:], text...))
	return hex.EncodeToString(sum[:8])
}

const (
	waiting = 2048            // spans that may wait
	batch   = 256             // spans of one request
	every   = 2 * time.Second // at least this often
)

// Exporter sends spans in the background. A nil one takes them and does nothing.
type Exporter struct {
	cfg     Config
	log     *slog.Logger
	client  *http.Client
	queue   chan Span
	stop    chan struct{} // closed by Close
	done    chan struct{} // closed when all is sent
	once    sync.Once
	dropped atomic.Int64
	trouble bool // the last request failed; of the sender alone
}

// New starts an exporter; nil when there is no endpoint, or nothing to send.
func New(cfg Config, log *slog.Logger) *Exporter {
	if cfg.Endpoint == "" || cfg.Ratio == 0 {
		return nil
	}
	e := &Exporter{cfg: cfg, log: log, client: client(cfg.Timeout), queue: make(chan Span, waiting), stop: make(chan struct{}), done: make(chan struct{})}
	go e.run()
	return e
}

// client follows no redirect: the headers may be credentials, and are for the
// endpoint alone.
func client(timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// End takes a span that has ended. It never waits.
func (e *Exporter) End(s Span) {
	if e == nil || s.Trace == ([16]byte{}) || !e.sampled(s.Trace) {
		return
	}
	select {
	case e.queue <- s:
	default:
		e.dropped.Add(1)
	}
}

// sampled decides by the random end of the id; its beginning is the time.
func (e *Exporter) sampled(trace [16]byte) bool {
	return e.cfg.Ratio >= 1 || float64(binary.BigEndian.Uint64(trace[8:])<<2>>11)/(1<<53) < e.cfg.Ratio
}

// Dropped counts the spans that were not sent.
func (e *Exporter) Dropped() int64 {
	if e == nil {
		return 0
	}
	return e.dropped.Load()
}

// Close sends what waits, and ends with ctx at the latest.
func (e *Exporter) Close(ctx context.Context) {
	if e == nil {
		return
	}
	e.once.Do(func() { close(e.stop) })
	select {
	case <-e.done:
	case <-ctx.Done():
	}
}

func (e *Exporter) run() {
	defer close(e.done)
	tick := time.NewTicker(every)
	defer tick.Stop()
	var have []Span
	flush := func() {
		if len(have) > 0 {
			e.send(have)
			have = nil
		}
	}
	for {
		select {
		case s := <-e.queue:
			if have = append(have, s); len(have) >= batch {
				flush()
			}
		case <-tick.C:
			flush()
		case <-e.stop:
			for {
				select {
				case s := <-e.queue:
					have = append(have, s)
					continue
				default:
				}
				flush()
				return
			}
		}
	}
}

func (e *Exporter) send(spans []Span) {
	err := e.post(spans)
	if err != nil {
		e.dropped.Add(int64(len(spans)))
	}
	switch {
	case err != nil && !e.trouble:
		e.log.Warn("traces are dropped: the collector does not take them", "error", err)
	case err == nil && e.trouble:
		e.log.Info("the collector takes traces again", "dropped", e.dropped.Load())
	}
	e.trouble = err != nil
}

func (e *Exporter) post(spans []Span) error {
	body, err := json.Marshal(e.document(spans))
	if err != nil {
		return err
	}
	q, err := http.NewRequest(http.MethodPost, e.cfg.Endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/json")
	for k, v := range e.cfg.Headers {
		q.Header.Set(k, v)
	}
	res, err := e.client.Do(q)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection is used again
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("it answers %s", res.Status)
	}
	return nil
}

// The JSON of an ExportTraceServiceRequest, as far as it is used: ids in
// hexadecimal, 64-bit numbers as text (OTLP, "JSON Protobuf Encoding").
type (
	attribute struct {
		Key   string `json:"key"`
		Value struct {
			String string `json:"stringValue"`
		} `json:"value"`
	}
	spanJSON struct {
		TraceID    string      `json:"traceId"`
		SpanID     string      `json:"spanId"`
		ParentID   string      `json:"parentSpanId,omitempty"`
		Name       string      `json:"name"`
		Kind       int         `json:"kind"` // 1: internal
		Start      string      `json:"startTimeUnixNano"`
		End        string      `json:"endTimeUnixNano"`
		Attributes []attribute `json:"attributes,omitempty"`
		Status     *status     `json:"status,omitempty"`
	}
	status struct {
		Code    int    `json:"code"` // 2: error
		Message string `json:"message,omitempty"`
	}
)

func attributes(m map[string]string) []attribute {
	var out []attribute
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if m[k] == "" {
			continue
		}
		a := attribute{Key: k}
		a.Value.String = m[k]
		out = append(out, a)
	}
	return out
}

func (e *Exporter) document(spans []Span) any {
	list := make([]spanJSON, len(spans))
	for i, s := range spans {
		j := spanJSON{
			TraceID: hex.EncodeToString(s.Trace[:]), SpanID: s.spanID(), Name: s.Name, Kind: 1,
			Start: strconv.FormatInt(s.Start.UnixNano(), 10), End: strconv.FormatInt(s.End.UnixNano(), 10), Attributes: attributes(s.Attributes),
		}
		if !s.Root {
			j.ParentID = Span{Trace: s.Trace, Root: true}.spanID()
		}
		if s.Error != "" {
			j.Status = &status{2, s.Error}
		}
		list[i] = j
	}
	return map[string]any{"resourceSpans": []any{map[string]any{
		"resource":   map[string]any{"attributes": attributes(e.cfg.Resource)},
		"scopeSpans": []any{map[string]any{"scope": map[string]any{"name": "trawlmark"}, "spans": list}},
	}}}
}
