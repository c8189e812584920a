package warc

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// FuzzReader: no input makes the reader panic, hang or give an error of no
// type; what it accepts has the offsets, lengths and digests that it says.
func FuzzReader(f *testing.F) {
	file, _ := written(f, everything(f), options())
	f.Add(file)
	f.Add(plain(f, file))
	f.Add([]byte(wellFormed))
	f.Add(pack(wellFormed, wellFormed))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b))
		r.MaxBlock = 1 << 20
		var end int64
		for {
			rec, err := r.Next()
			if err == io.EOF {
				if end != int64(len(b)) {
					t.Fatalf("the records end at %d of %d bytes", end, len(b))
				}
				return
			}
			if err != nil {
				typed(t, err)
				return
			}
			if rec.Offset != end {
				t.Fatalf("a record begins at %d, and the one before ended at %d", rec.Offset, end)
			}
			if m, err := rec.HTTP(); err != nil {
				typed(t, err)
			} else if n, err := io.Copy(io.Discard, m.Body); err != nil {
				typed(t, err)
			} else if n > rec.Blocks {
				t.Fatalf("a block of %d bytes had a body of %d", rec.Blocks, n)
			}
			if err := rec.Finish(); err != nil {
				typed(t, err)
				if errors.Is(err, ErrFormat) {
					return
				}
			}
			end = rec.Offset + rec.Length
			if rec.Digest != capture.Sum(b[rec.Offset:end]) {
				t.Fatalf("the digest of the record at %d is not that of its bytes", rec.Offset)
			}
		}
	})
}

func typed(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrDigest) {
		t.Fatalf("an error of no type: %v", err)
	}
}

// FuzzHead: whatever a server sends as header and status text, the record is
// one, its head has that many fields, and its body is the body.
func FuzzHead(f *testing.F) {
	f.Add("https://a.example/", "X-A", "b", "OK", "GET", true)
	f.Add("https://a.example/\r\n", "X-A\r\n", "b\r\n\r\nc", "OK\r\n", "G T", false)
	f.Add("data:,", "", "\x00\n", "", "", true)
	f.Fuzz(func(t *testing.T, url, name, value, text, method string, chrome bool) {
		if url == "" {
			return
		}
		c := everything(t)
		e := c.Exchanges[2]
		if e.Via = "http"; chrome {
			e.Via = "chrome"
		}
		e.URL, e.StatusText, e.Method, e.Decoded = url, text, method, false
		e.ResponseHeader = capture.Header{{Name: name, Value: value}}
		e.RequestHeader = capture.Header{{Name: name, Value: value}}
		c.Exchanges, c.Artifacts, c.DNS = []*capture.Exchange{e}, nil, nil
		file, index := written(t, c, options())
		if recs, _ := readAll(t, file); len(recs) != 5 {
			t.Fatalf("%d records", len(recs))
		}
		want := len(split(e.ResponseHeader, e.Via))
		if pseudo(name) {
			want = 1 // noHeader in its place
		}
		_, m, body := message(t, file, index.Records[1])
		if len(m.Header) != want || body != "<!doctype html><title>Bag</title><p>Price: 42 EUR" {
			t.Fatalf("%d fields %v, body %q", len(m.Header), m.Header, body)
		}
		if _, m, _ = message(t, file, index.Records[2]); m.Header.Get("Host") == "" && authority(index.Records[2].Target) != "" {
			t.Fatalf("no Host in %v", m.Header)
		}
	})
}
