package markettest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Access is one request, as the marketplace's own log has it.
type Access struct {
	ID        string // in the answer's X-Request-Id
	Time      time.Time
	Remote    string // address without port
	Host      string // without port
	Method    string
	Path      string // with query
	UserAgent string
	Status    int   // 0 until the answer begins, and for a cut without answer
	Bytes     int64 // of the body, as sent
	Done      bool
	Item      string // id of the listing asked for; "" when none
}

// Page reports whether a page was asked for, not a picture, style or script.
func (a Access) Page() bool {
	for _, p := range []string{"/img/", "/official/", "/static/", "/api/", "/ws/", "/favicon.ico", "/beacon"} {
		if strings.HasPrefix(a.Path, p) {
			return false
		}
	}
	return !strings.HasSuffix(a.Path, "/sw.js")
}

type accessLog struct {
	mu      sync.Mutex
	limit   int
	next    int
	dropped int
	lines   []*Access
	news    chan struct{} // closed at the next change; nil when nobody waits
}

// tell wakes who waits; the lock is held.
func (g *accessLog) tell() {
	if g.news != nil {
		close(g.news)
		g.news = nil
	}
}

func (g *accessLog) begin(a Access) *Access {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer g.tell()
	g.next++
	a.ID = fmt.Sprintf("r%08d", g.next)
	if len(g.lines) >= g.limit {
		g.dropped++
		return &a
	}
	g.lines = append(g.lines, &a)
	return &a
}

func (g *accessLog) change(a *Access, f func(*Access)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f(a)
	g.tell()
}

// WaitFor waits until n requests are in the log for which all conditions
// hold, and gives them; a test need not sleep. The error is the context's.
func (m *Market) WaitFor(ctx context.Context, n int, conds ...func(Access) bool) ([]Access, error) {
	for {
		m.log.mu.Lock()
		if m.log.news == nil {
			m.log.news = make(chan struct{})
		}
		news := m.log.news
		m.log.mu.Unlock()
		if got := m.Where(conds...); len(got) >= n {
			return got, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return m.Where(conds...), fmt.Errorf("waiting for %d requests: %w", n, ctx.Err())
		}
	}
}

// Log gives every request so far, in order of arrival.
func (m *Market) Log() []Access {
	m.log.mu.Lock()
	defer m.log.mu.Unlock()
	out := make([]Access, len(m.log.lines))
	for i, a := range m.log.lines {
		out[i] = *a
	}
	return out
}

// LogDropped counts the requests that did not fit into the log.
func (m *Market) LogDropped() int {
	m.log.mu.Lock()
	defer m.log.mu.Unlock()
	return m.log.dropped
}

// ClearLog forgets the requests so far.
func (m *Market) ClearLog() {
	m.log.mu.Lock()
	defer m.log.mu.Unlock()
	m.log.lines, m.log.dropped = nil, 0
}

// Where gives the requests for which all conditions hold.
func (m *Market) Where(conds ...func(Access) bool) []Access {
	return slices.DeleteFunc(m.Log(), func(a Access) bool {
		return slices.ContainsFunc(conds, func(ok func(Access) bool) bool { return !ok(a) })
	})
}

// ForPath holds for requests whose path begins with a prefix.
func ForPath(prefix string) func(Access) bool {
	return func(a Access) bool { return strings.HasPrefix(a.Path, prefix) }
}

// ForItem holds for requests for a listing's page.
func ForItem(l Listing) func(Access) bool { return func(a Access) bool { return a.Item == l.ID } }

// ForHost holds for requests that name a host.
func ForHost(host string) func(Access) bool { return func(a Access) bool { return a.Host == host } }

// ForStatus holds for requests that were answered with a status.
func ForStatus(code int) func(Access) bool { return func(a Access) bool { return a.Status == code } }

// Finished holds for requests whose answer has ended.
func Finished(a Access) bool { return a.Done }

// PagesOnly holds for requests for pages: what politeness is counted on.
func PagesOnly(a Access) bool { return a.Page() }

// Gaps gives the times between consecutive requests; the smallest one is what
// a target sees of a crawler's politeness.
func Gaps(log []Access) []time.Duration {
	var gaps []time.Duration
	for i := 1; i < len(log); i++ {
		gaps = append(gaps, log[i].Time.Sub(log[i-1].Time))
	}
	return gaps
}

// logged writes the log around a handler.
func (m *Market) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := m.log.begin(Access{
			Time: m.cfg.Now(), Remote: hostOnly(r.RemoteAddr), Host: hostOnly(r.Host), Method: r.Method,
			Path: r.URL.RequestURI(), UserAgent: r.UserAgent(), Item: itemOf(r.URL.Path),
		})
		rec := &recorder{ResponseWriter: w, log: &m.log, line: a}
		rec.Header().Set("X-Request-Id", a.ID)
		defer m.log.change(a, func(a *Access) { a.Done = true })
		next.ServeHTTP(rec, r)
	})
}

func itemOf(path string) string {
	rest, ok := strings.CutPrefix(path, "/item/")
	if !ok {
		return ""
	}
	id, tail, _ := strings.Cut(rest, "/")
	if tail == "sw.js" {
		return ""
	}
	return id
}

func hostOnly(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return hostport
}

// recorder notes status and bytes while an answer is written.
type recorder struct {
	http.ResponseWriter
	log  *accessLog
	line *Access
}

func (r *recorder) WriteHeader(code int) {
	r.log.change(r.line, func(a *Access) { a.Status = code })
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.log.change(r.line, func(a *Access) {
		if a.Status == 0 {
			a.Status = http.StatusOK
		}
		a.Bytes += int64(len(b))
	})
	return r.ResponseWriter.Write(b)
}

func (r *recorder) Flush() {
	if f, ok := r.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Hijack hands the connection to a fault; what is sent on it is not counted.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h, ok := r.ResponseWriter.(http.Hijacker)
	if !ok {
		return nil, nil, http.ErrNotSupported
	}
	return h.Hijack()
}
