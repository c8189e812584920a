package fetch_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/fetch"
)

func TestDecodedBodies(t *testing.T) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write([]byte(strings.Repeat("a bag ", 200)))
	w.Close()
	coded := capture.Header{{Name: "content-encoding", Value: "gzip"}}
	for _, c := range []struct {
		name  string
		e     capture.Exchange
		limit int64
		want  int // bytes; -1 an error
	}{
		{"no body", capture.Exchange{ResponseHeader: coded}, 9999, 0},
		{"as on the wire", capture.Exchange{ResponseHeader: coded, Body: capture.Bytes(z.Bytes())}, 9999, 1200},
		{"decoded already", capture.Exchange{ResponseHeader: coded, Body: capture.Bytes("a bag"), Decoded: true}, 9999, 5},
		{"no coding", capture.Exchange{Body: capture.Bytes("a bag")}, 9999, 5},
		{"exactly the limit", capture.Exchange{ResponseHeader: coded, Body: capture.Bytes(z.Bytes())}, 1200, 1200},
		{"more than the limit", capture.Exchange{ResponseHeader: coded, Body: capture.Bytes(z.Bytes())}, 1199, -1},
		{"decoded, and more than the limit", capture.Exchange{Body: capture.Bytes("a bag"), Decoded: true}, 4, -1},
		{"broken", capture.Exchange{ResponseHeader: coded, Body: capture.Bytes("no gzip")}, 9999, -1},
		{"cut on the wire", capture.Exchange{ResponseHeader: coded, Body: capture.Bytes(z.Bytes()[:z.Len()-6]), Truncated: capture.ByDisconnect}, 9999, 1200},
	} {
		b, err := fetch.Decoded(&c.e, c.limit)
		if (err != nil) != (c.want < 0) || err == nil && len(b) != c.want {
			t.Errorf("%s: %d bytes, %v; want %d", c.name, len(b), err, c.want)
		}
	}
}
