package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/seal/demotsa"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
)

// faults are the ways an authority can fail; each must cost bounded time and
// memory, and be told apart.
func faults(w *world, i int) map[string]struct {
	down http.HandlerFunc
	want error
	text string
} {
	reply := func(kind string, b []byte) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", kind)
			_, _ = rw.Write(b)
		}
	}
	const kind = "application/timestamp-reply"
	reject, err := demotsa.Reject(14, "no clock today")
	if err != nil {
		w.t.Fatal(err)
	}
	q, _ := stamp.NewRequest([]byte("something else"), bytes.NewReader(make([]byte, 16)))
	replay, err := w.tsas[i].tsa.Respond(q.DER)
	if err != nil {
		w.t.Fatal(err)
	}
	return map[string]struct {
		down http.HandlerFunc
		want error
		text string
	}{
		"error page": {func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "sorry", http.StatusServiceUnavailable) }, nil, "HTTP status 503"},
		"web page":   {reply("text/html", []byte("<html>")), stamp.ErrForm, "text/html"},
		"garbage":    {reply(kind, []byte("garbage")), stamp.ErrForm, ""},
		"nothing":    {reply(kind, nil), stamp.ErrForm, ""},
		"rejection":  {reply(kind, reject), stamp.ErrStatus, "its clock is not available"},
		"replay":     {reply(kind, replay), stamp.ErrImprint, ""},
		"another's":  {w.tsas[(i+1)%3].tsa.ServeHTTP, stamp.ErrChain, ""},
		"broken off": {func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", kind)
			rw.Header().Set("Content-Length", "4000")
			_, _ = rw.Write([]byte("abc"))
		}, io.ErrUnexpectedEOF, ""},
		"endless answer": {func(rw http.ResponseWriter, r *http.Request) { rw.Header().Set("Content-Type", kind); endless(rw, r) }, stamp.ErrForm, "the limit is"},
		"hanging":        {func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }, context.DeadlineExceeded, ""},
	}
}

func endless(rw http.ResponseWriter, r *http.Request) {
	b := make([]byte, 32<<10)
	for r.Context().Err() == nil {
		if _, err := rw.Write(b); err != nil {
			return
		}
	}
}

func TestFaultsOfAnAuthority(t *testing.T) {
	w := newWorld(t)
	c := w.cfg.Client
	c.TSAs = c.TSAs[:2]
	for name, f := range faults(w, 1) {
		c.Timeout = 2 * time.Minute
		if f.want == context.DeadlineExceeded {
			c.Timeout = 3 * time.Second // the other authority has to answer within it
		}
		w.tsas[1].fail(f.down)
		stamps, err := c.Stamp(context.Background(), []byte("message"))
		if len(stamps) != 1 || stamps[0].TSA != "alpha" {
			t.Errorf("%s: %d stamps", name, len(stamps))
		}
		var failed *FailedError
		if !errors.Is(err, ErrTooFew) || !errors.As(err, &failed) || failed.TSA != "beta-1" {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f.want != nil && !errors.Is(err, f.want) || !strings.Contains(err.Error(), f.text) {
			t.Errorf("%s: got %v, want %v %q", name, err, f.want, f.text)
		}
	}
	// All down.
	for _, a := range w.tsas {
		a.fail(func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "", 500) })
	}
	if stamps, err := c.Stamp(context.Background(), []byte("message")); len(stamps) != 0 || !errors.Is(err, ErrTooFew) {
		t.Errorf("all down: %d stamps, %v", len(stamps), err)
	}
}

// TestSubstitute: the third authority steps in for the second.
func TestSubstitute(t *testing.T) {
	w := newWorld(t)
	w.tsas[1].fail(func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "", 500) })
	stamps, err := w.cfg.Client.Stamp(context.Background(), []byte("message"))
	if err != nil || len(stamps) != 2 || stamps[0].TSA != "alpha" || stamps[1].TSA != "gamma" {
		t.Fatalf("%d stamps, %v", len(stamps), err)
	}
}

// TestClocks: a stamp whose time is not ours is refused.
func TestClocks(t *testing.T) {
	w := newWorld(t)
	c := w.cfg.Client
	ours := w.now
	for skew, ok := range map[time.Duration]bool{0: true, 50 * time.Second: true, -50 * time.Second: true, 2 * time.Minute: false, -2 * time.Minute: false, 24 * time.Hour: false} {
		c.Now = func() time.Time { return ours.Add(skew) }
		_, err := c.Stamp(context.Background(), []byte("message"))
		if ok && err != nil || !ok && !errors.Is(err, stamp.ErrClock) {
			t.Errorf("%s apart: %v", skew, err)
		}
	}
}

func TestPassword(t *testing.T) {
	w := newWorld(t)
	c := w.cfg.Client
	c.TSAs[0].User, c.TSAs[0].Password = "ann", "open sesame"
	w.tsas[0].fail(func(rw http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != "ann" || p != "open sesame" {
			http.Error(rw, "", http.StatusUnauthorized)
			return
		}
		w.tsas[0].tsa.ServeHTTP(rw, r)
	})
	if stamps, err := c.Stamp(context.Background(), []byte("message")); err != nil || stamps[0].TSA != "alpha" {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "tsa", c.TSAs[0], "p", c.TSAs[0].Password)
	for _, s := range []string{logged.String(), fmt.Sprintf("%v", c.TSAs[0]), fmt.Sprintf("%+v", c.TSAs[0]), fmt.Sprintf("%#v", c.TSAs[0]), fmt.Sprintf("%s %q", c.TSAs[0].Password, c.TSAs[0].Password)} {
		if strings.Contains(s, "sesame") {
			t.Errorf("it prints: %s", s)
		}
	}
}

func TestClientValidate(t *testing.T) {
	for key, change := range map[string]func(c *Client){
		"http":           func(c *Client) { c.HTTP = nil },
		"tsas: 1":        func(c *Client) { c.TSAs = c.TSAs[:1] },
		"tsas[1].name":   func(c *Client) { c.TSAs[1].Name = c.TSAs[0].Name },
		"tsas[0]: name":  func(c *Client) { c.TSAs[0].Name = "Alpha" },
		"tsas[2]: name":  func(c *Client) { c.TSAs[2].Name = "renewal-x" },
		"tsas[0]: url":   func(c *Client) { c.TSAs[0].URL = "ftp://x" },
		"tsas[1]: url":   func(c *Client) { c.TSAs[1].URL = "https://ann:secret@tsa.example.org/" },
		"tsas[2]: roots": func(c *Client) { c.TSAs[2].Roots = nil },
		"timeout":        func(c *Client) { c.Timeout = -1 },
	} {
		w := newWorld(t)
		change(w.cfg.Client)
		if _, err := New(w.cfg); err == nil || !strings.HasPrefix(err.Error(), key) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", key, err)
		}
	}
}
