package s3vault_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7/pkg/signer"
	"github.com/trawlmark/trawlmark/archive/s3vault"
	"github.com/trawlmark/trawlmark/archive/s3vault/gateway/gatewaytest"
)

// fault is what happens to one request.
type fault int

const (
	pass    fault = iota
	drop          // the connection ends without an answer
	busy          // 503 SlowDown
	broken        // 500 without a body
	cut           // the answer's body ends half way
	silence       // no answer until the client gives up
)

// proxy stands between a vault and a real server and does harm.
type proxy struct {
	*httptest.Server
	s3 *gatewaytest.Server

	mu sync.Mutex
	// before is asked when a request arrives, after when the server has done
	// it: "failed" and "failed but happened".
	before, after func(*http.Request) fault
	// edit changes a request, which is then signed again: a storage that does
	// not know a header is one that never gets it.
	edit func(*http.Request)
	seen []string // "PUT key", in order
}

func newProxy(t *testing.T, s3 *gatewaytest.Server) *proxy {
	p := &proxy{s3: s3}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

// vault opens one that goes through the proxy, in a bucket of its own.
func (p *proxy) vault(t *testing.T, with ...func(*s3vault.Config)) (*s3vault.Vault, s3vault.Config) {
	t.Helper()
	c := config(p.s3)
	open(t, c) // the bucket, without harm
	direct := c
	c.Endpoint = p.URL
	for _, f := range with {
		f(&c)
	}
	v, err := s3vault.Open(t.Context(), c, logTo(t))
	if err != nil {
		t.Fatal(err)
	}
	return v, direct
}

func (p *proxy) set(before, after func(*http.Request) fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before, p.after, p.seen = before, after, nil
}

func (p *proxy) count(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, s := range p.seen {
		if strings.HasPrefix(s, method+" ") {
			n++
		}
	}
	return n
}

func (p *proxy) ask(f func(*http.Request) fault, r *http.Request) fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f == nil {
		return pass
	}
	return f(r)
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.seen = append(p.seen, r.Method+" "+r.URL.Path)
	before, after, edit := p.before, p.after, p.edit
	p.mu.Unlock()
	if harm(w, r, p.ask(before, r)) {
		return
	}
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.RequestURI = "http", strings.TrimPrefix(p.s3.Endpoint, "http://"), ""
	if r.ContentLength == 0 {
		out.Body = nil
	}
	if edit != nil {
		edit(out)
		out.Host = ""
		out.Header.Del("Authorization")
		out = signer.SignV4(*out, p.s3.AccessKey, p.s3.SecretKey, "", "us-east-1")
	}
	resp, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		harm(w, r, drop)
		return
	}
	defer resp.Body.Close()
	f := p.ask(after, r)
	if f != cut && harm(w, r, f) {
		return
	}
	for k, v := range resp.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(resp.StatusCode)
	if f == cut {
		io.CopyN(w, resp.Body, resp.ContentLength/2)
		w.(http.Flusher).Flush()
		harm(w, r, drop)
		return
	}
	io.Copy(w, resp.Body)
}

// harm does what a fault says and reports whether that was all.
func harm(w http.ResponseWriter, r *http.Request, f fault) bool {
	switch f {
	case drop:
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Close()
		}
	case busy:
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, "<Error><Code>SlowDown</Code><Message>slow down</Message></Error>")
	case broken:
		w.WriteHeader(http.StatusInternalServerError)
	case silence:
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	default:
		return false
	}
	return true
}

// first gives a fault to the first n requests of a method, and pass after.
func first(n int, method string, f fault) func(*http.Request) fault {
	return func(r *http.Request) fault {
		if r.Method != method || n == 0 {
			return pass
		}
		n--
		return f
	}
}

// every gives a fault to all requests of a method; "" is any method.
func every(method string, f fault) func(*http.Request) fault {
	return func(r *http.Request) fault {
		if method != "" && r.Method != method {
			return pass
		}
		return f
	}
}
