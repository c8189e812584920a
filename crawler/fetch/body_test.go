package fetch_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/egress"
	"github.com/trawlmark/trawlmark/crawler/fetch"
)

func compressed(t *testing.T, coding, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch coding {
	case "gzip", "x-gzip":
		w = gzip.NewWriter(&b)
	case "br":
		w = brotli.NewWriter(&b)
	case "zstd":
		w, err = zstd.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "raw deflate":
		w, err = flate.NewWriter(&b, 9)
	default:
		return []byte(text)
	}
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestContentCodings(t *testing.T) {
	text := strings.Repeat("caf\xe9 ", 5000)
	for coding, header := range map[string]string{
		"gzip": "gzip", "x-gzip": "X-GZIP", "br": "br", "zstd": "zstd", "deflate": "deflate", "raw deflate": "deflate",
		"": "", "identity": "identity", "nonsense": "utf-8",
	} {
		sent := compressed(t, coding, text)
		srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=iso-8859-1")
			if header != "" {
				w.Header().Set("Content-Encoding", header)
			}
			w.Write(sent)
		})
		res, _ := get(t, fetch.Config{}, egress.Config{}, srv.URL, nil)
		if string(res.Body) != text || res.Outcome != "" || len(res.Missing) != 0 {
			t.Errorf("%q: %d bytes, %q, %q", coding, len(res.Body), res.Outcome, res.Evidence)
		}
		if got := wire(t, res.Exchanges[0]); got != string(sent) {
			t.Errorf("%q: %d bytes on the wire were kept as %d", coding, len(sent), len(got))
		}
		if res.Header.Get("Content-Encoding") != header || res.Exchanges[0].Decoded {
			t.Errorf("%q: header %v", coding, res.Header)
		}
	}
	twice := compressed(t, "br", string(compressed(t, "gzip", text)))
	srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip, br")
		w.Write(twice)
	})
	if res, _ := get(t, fetch.Config{}, egress.Config{}, srv.URL, nil); string(res.Body) != text {
		t.Errorf("two codings: %d bytes, %q", len(res.Body), res.Evidence)
	}
}

func TestDecompressionBombsAreCut(t *testing.T) {
	bomb := compressed(t, "gzip", strings.Repeat("\x00", 30<<20))
	for name, c := range map[string]struct {
		cfg  fetch.Config
		most int
	}{
		"ratio": {fetch.Config{MaxRatio: 100}, 100 * len(bomb)},
		"size":  {fetch.Config{MaxDecoded: 2 << 20, MaxRatio: 1 << 20}, 2 << 20},
	} {
		srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb)
		})
		res, _ := get(t, c.cfg, egress.Config{}, srv.URL, nil)
		if res.Outcome != capture.TooLarge || len(res.Body) != c.most || len(res.Missing) != 1 {
			t.Errorf("%s: %q, %d bytes, missing %+v", name, res.Outcome, len(res.Body), res.Missing)
		}
		if got := wire(t, res.Exchanges[0]); got != string(bomb) || res.Exchanges[0].Truncated != capture.Whole {
			t.Errorf("%s: the wire body is not whole", name)
		}
	}
}

func TestBombBetweenTwoCodings(t *testing.T) {
	empty := string(compressed(t, "gzip", ""))
	inner := strings.Repeat(empty, (4<<20)/len(empty))
	sent := compressed(t, "gzip", inner)
	srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip, gzip")
		w.Write(sent)
	})
	res, _ := get(t, fetch.Config{MaxDecoded: 1 << 20}, egress.Config{}, srv.URL, nil)
	if res.Outcome != capture.TooLarge || len(res.Body) != 0 {
		t.Errorf("%q %q, %d bytes", res.Outcome, res.Evidence, len(res.Body))
	}
}

func TestBrokenCoding(t *testing.T) {
	good := compressed(t, "gzip", strings.Repeat("price 10 ", 20_000))
	for name, sent := range map[string][]byte{
		"cut": good[:len(good)/2], "garbage": []byte("<html>not compressed</html>"), "flipped": append(append([]byte{}, good[:40]...), bytes.Repeat([]byte{0xff}, 40)...),
	} {
		for _, coding := range []string{"gzip", "br", "zstd", "deflate"} {
			if name == "cut" {
				sent = compressed(t, coding, strings.Repeat("price 10 ", 20_000))
				sent = sent[:len(sent)/2]
			}
			srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", coding)
				w.Write(sent)
			})
			res, _ := get(t, fetch.Config{}, egress.Config{}, srv.URL, nil)
			if res.Outcome != capture.HTTPError || len(res.Missing) != 1 || !strings.Contains(res.Missing[0].Reason, coding) {
				t.Errorf("%s %s: %q %q %+v", name, coding, res.Outcome, res.Evidence, res.Missing)
			}
			if got := wire(t, res.Exchanges[0]); got != string(sent) {
				t.Errorf("%s %s: the wire body was lost", name, coding)
			}
		}
	}
}

func TestLimitsOnBodies(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	for name, c := range map[string]struct {
		url  string
		cfg  fetch.Config
		want capture.Outcome
		cut  capture.Truncation
		body string
	}{
		"at the limit":  {raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", nil), fetch.Config{MaxBytes: 10}, "", capture.Whole, "0123456789"},
		"too long":      {raw(t, "HTTP/1.1 200 OK\r\n\r\n0123456789a", nil), fetch.Config{MaxBytes: 10}, capture.TooLarge, capture.ByLength, "0123456789"},
		"said too long": {raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n0123456789a", hold), fetch.Config{MaxBytes: 10}, capture.TooLarge, capture.ByLength, "0123456789"},
		"broken off":    {raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789", nil), fetch.Config{}, capture.ConnectFailed, capture.ByDisconnect, "0123456789"},
		"broken chunk":  {raw(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n8\r\nwor", nil), fetch.Config{}, capture.ConnectFailed, capture.ByDisconnect, "hellowor"},
		"no last chunk": {raw(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", nil), fetch.Config{}, capture.ConnectFailed, capture.ByDisconnect, "hello"},
		"bad chunk":     {raw(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", nil), fetch.Config{}, capture.ConnectFailed, capture.ByDisconnect, "hello"},
		"never ends":    {raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhello", hold), fetch.Config{Deadline: 3 * time.Second}, capture.Timeout, capture.ByTime, "hello"},
	} {
		res, _ := get(t, c.cfg, egress.Config{}, c.url, nil)
		e := res.Exchanges[0]
		if res.Outcome != c.want || e.Truncated != c.cut || string(res.Body) != c.body || wire(t, e) != c.body {
			t.Errorf("%s: %q, cut %q, body %q %q; want %q %q %q", name, res.Outcome, e.Truncated, res.Body, wire(t, e), c.want, c.cut, c.body)
		}
		if (c.cut != capture.Whole) != (len(res.Missing) == 1) {
			t.Errorf("%s: missing %+v", name, res.Missing)
		}
	}
}

func TestLargeBodiesAreSpooled(t *testing.T) {
	text := strings.Repeat("0123456789", 30_000)
	srv := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })
	dir := t.TempDir()
	res, _ := get(t, fetch.Config{SpoolDir: dir, SpoolAbove: 100_000}, egress.Config{}, srv.URL, nil)
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 1 || wire(t, res.Exchanges[0]) != text || string(res.Body) != text || res.Outcome != "" {
		t.Fatalf("files %v, %q", files, res.Outcome)
	}
	if _, inMemory := res.Exchanges[0].Body.(capture.Bytes); inMemory {
		t.Error("the body is in memory")
	}
	if err := res.Cleanup(); err != nil {
		t.Error(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 0 {
		t.Errorf("left in the spool: %v", files)
	}
	res, _ = get(t, fetch.Config{SpoolDir: filepath.Join(dir, "missing"), SpoolAbove: 10}, egress.Config{}, srv.URL, nil)
	if res.Outcome != capture.StorageFailed || res.Exchanges[0].MissingBody == "" {
		t.Errorf("without a folder: %q %q", res.Outcome, res.Evidence)
	}
}
