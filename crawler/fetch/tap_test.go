package fetch

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

func FuzzParseHead(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody", "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200\nA:b\n c\n\n", "HTTP/1.1 x\r\n\r\n", "\r\n",
		"HTTP/1.1 200 OK\r\n folded\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, fields, rest, ok := parseHead(b)
		if !ok {
			return
		}
		if !bytes.HasSuffix(b, rest) {
			t.Fatalf("%q leaves %q", b, rest)
		}
		total := 0
		for _, h := range fields {
			total += len(h.Name) + len(h.Value)
			if strings.ContainsAny(h.Name+h.Value, "\n") {
				t.Fatalf("%q gives a field with a line end: %+v", b, h)
			}
		}
		if total > len(b) {
			t.Fatalf("%q gives more than it has: %+v", b, fields)
		}
	})
}

// The decoder never fails and never gives more than its limits.
func FuzzDecoder(f *testing.F) {
	for _, coding := range []string{"gzip", "br", "zstd", "deflate", "gzip, br", "none", "gzip,gzip,gzip,gzip"} {
		f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x4b\x04\x00\x43\xbe\xb7\xe8\x01\x00\x00\x00"), coding)
		f.Add([]byte("x\x9cK\x04\x00\x00b\x00b"), coding)
	}
	f.Fuzz(func(t *testing.T, b []byte, coding string) {
		e := &capture.Exchange{Body: capture.Bytes(b), ResponseHeader: capture.Header{{Name: "content-encoding", Value: coding}}}
		d := newDecoder(e, Config{MaxDecoded: 1 << 20, MaxRatio: 50}.withDefaults())
		defer d.Close()
		var out bytes.Buffer
		if _, err := out.ReadFrom(d); err != nil {
			t.Fatalf("read error %v", err)
		}
		if out.Len() > 1<<20 || (d.problem == "") != (d.outcome == "") {
			t.Fatalf("%d bytes, %q, %q", out.Len(), d.problem, d.outcome)
		}
	})
}

func TestRetryAfterNeedsNoDate(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	h := capture.Header{{Name: "retry-after", Value: now.Add(time.Hour).Format(http.TimeFormat)}}
	if got := retryAfter(h, now); got != time.Hour {
		t.Errorf("got %v", got)
	}
}

// A head that net/http read differently is not trusted.
func TestHeadMustAgree(t *testing.T) {
	resp := &http.Response{StatusCode: 200, Header: http.Header{"A": {"1"}}}
	for wire, want := range map[string]bool{
		"HTTP/1.1 200 OK\r\na: 1\r\nConnection: close\r\n\r\n": true,
		"HTTP/1.1 201 OK\r\na: 1\r\n\r\n":                      false,
		"HTTP/1.1 200 OK\r\na: 2\r\n\r\n":                      false,
		"HTTP/1.1 200 OK\r\na: 1\r\n":                          false,
		"":                                                     false,
	} {
		tap := &tapConn{seen: []byte(wire)}
		if _, ok := tap.head(resp); ok != want {
			t.Errorf("%q: %v", wire, ok)
		}
	}
}
