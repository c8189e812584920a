package render

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// endless writes until the client goes or the test ends.
func endless(t *testing.T, kind, piece string, pause time.Duration) http.HandlerFunc {
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		for {
			if _, err := io.WriteString(w, piece); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-stop:
				return
			case <-r.Context().Done():
				return
			case <-time.After(pause):
			}
		}
	}
}

func TestEndlessBodiesAreCutAndSaidToBe(t *testing.T) {
	w := newWorld(t)
	piece := strings.Repeat("0123456789abcdef", 1024)
	mux := http.NewServeMux()
	mux.HandleFunc("/", html(`<p>page</p><script>fetch('/fast').then(r => r.text()); fetch('/slow').then(r => r.text())</script>`))
	mux.HandleFunc("/fast", endless(t, "text/plain", piece, time.Millisecond))
	mux.HandleFunc("/slow.png", endless(t, "image/png", onePixel, 50*time.Millisecond))
	mux.HandleFunc("/slow", endless(t, "text/plain", "drip\n", 50*time.Millisecond))
	mux.HandleFunc("/big", content("text/plain", strings.Repeat(piece, 128)))
	mux.HandleFunc("/page", endless(t, "text/html", "<p>more</p>", 20*time.Millisecond))
	mux.HandleFunc("/image", html(`<p>page</p><img src=/slow.png>`))
	mux.HandleFunc("/withbig", html(`<p>page</p><script>fetch('/big').then(r => r.text())</script>`))
	w.site("shop.test", mux)
	r := newRenderer(t, func(c *Config) { c.IdleWait = time.Second })

	// Listening in to a body may begin too late for its first piece, and then
	// nothing of it is kept; that is said, and rare.
	var res *Result
	q := w.ask("http://shop.test/")
	q.MaxBodyBytes = 1 << 20
	heard := map[string]bool{}
	for try := 0; try < 10 && len(heard) < 2; try++ {
		res = r.Render(context.Background(), q)
		if res.Outcome != "" || !strings.Contains(string(res.DOM), "page") {
			t.Errorf("outcome %q settled %q", res.Outcome, res.Settled)
		}
		fast, slow := find(t, res, "http://shop.test/fast"), find(t, res, "http://shop.test/slow")
		if fast.Truncated != capture.ByLength || fast.Body == nil && !strings.Contains(fast.MissingBody, "larger than the limit") {
			t.Errorf("fast: truncated %q, %q", fast.Truncated, fast.MissingBody)
		}
		if slow.Truncated != capture.ByTime || slow.Body == nil && !strings.Contains(slow.MissingBody, "still loading") {
			t.Errorf("slow: truncated %q, %q", slow.Truncated, slow.MissingBody)
		}
		if fast.Body != nil {
			heard["fast"] = true
			if got := body(t, fast); int64(len(got)) != q.MaxBodyBytes || !strings.HasPrefix(got, piece+piece) {
				t.Errorf("fast: %d bytes", len(got))
			}
		}
		if slow.Body != nil {
			heard["slow"] = true
			if got := body(t, slow); strings.ReplaceAll(got, "drip\n", "") != "" {
				t.Errorf("slow: %.100q", got)
			}
		}
		if !strings.Contains(fmt.Sprint(res.Missing), "/fast") || !strings.Contains(fmt.Sprint(res.Missing), "/slow") {
			t.Errorf("missing %v", res.Missing)
		}
	}
	if len(heard) < 2 {
		t.Errorf("of unfinished bodies only %v were heard", heard)
	}

	q = w.ask("http://shop.test/withbig")
	q.MaxBodyBytes = 1 << 20
	res = r.Render(context.Background(), q)
	big := find(t, res, "http://shop.test/big")
	if big.Truncated != capture.ByLength || len(res.Missing) == 0 {
		t.Errorf("big: truncated %q missing body %q, missing %v", big.Truncated, big.MissingBody, res.Missing)
	}

	q = w.ask("http://shop.test/page")
	q.Deadline = 6 * time.Second
	res = r.Render(context.Background(), q)
	if res.Outcome != capture.Timeout || !strings.Contains(string(res.DOM), "more") {
		t.Errorf("endless page: outcome %q, settled %q, dom %.100s", res.Outcome, res.Settled, res.DOM)
	}
	if e := find(t, res, "http://shop.test/page"); e.Truncated != capture.ByTime || !strings.Contains(e.MissingBody, "still loading") {
		t.Errorf("endless page: truncated %q, %q", e.Truncated, e.MissingBody)
	}

	q = w.ask("http://shop.test/image")
	q.Deadline = 6 * time.Second
	res = r.Render(context.Background(), q)
	if e := find(t, res, "http://shop.test/slow.png"); res.Outcome != capture.Timeout || e.Truncated != capture.ByTime || !strings.HasPrefix(body(t, e), onePixel) {
		t.Errorf("slow image: outcome %q truncated %q", res.Outcome, e.Truncated)
	}

	q = w.ask("http://shop.test/")
	q.MaxTotalBytes = 2 << 20
	res = r.Render(context.Background(), q)
	if res.Outcome != capture.TooLarge {
		t.Errorf("too large: outcome %q settled %q", res.Outcome, res.Settled)
	}
}
