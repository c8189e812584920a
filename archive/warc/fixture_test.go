package warc

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/pem"
	"io"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/trawlmark/trawlmark/archive/capture"
)

var day = time.Date(2026, 3, 14, 9, 26, 53, 589793238, time.UTC)

// counter makes the same ids in every run.
func counter(first uint64) func() capture.ID {
	return func() capture.ID {
		first++
		var id capture.ID
		binary.BigEndian.PutUint64(id[8:], first)
		id[6], id[8] = 0x70, 0x80
		return id
	}
}

func chainOf(t testing.TB) [][]byte {
	t.Helper()
	b, err := os.ReadFile("testdata/chain.pem")
	if err != nil {
		t.Fatal(err)
	}
	var chain [][]byte
	for {
		block, rest := pem.Decode(b)
		if block == nil {
			return chain
		}
		chain, b = append(chain, block.Bytes), rest
	}
}

func gzipped(s string) capture.Bytes {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.NoCompression) // the same bytes in every version
	io.WriteString(z, s)
	z.Close()
	return b.Bytes()
}

// everything is a capture with one of each thing that a capture can have.
func everything(t testing.TB) *capture.Capture {
	id := counter(100)
	at := func(ms int) time.Time { return day.Add(time.Duration(ms) * time.Millisecond) }
	remote := netip.MustParseAddrPort("192.0.2.10:443")
	tls := &capture.TLS{Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", ALPN: "h2", Chain: chainOf(t)}
	page := "https://market.example/item/42?ref=a%20b"
	return &capture.Capture{
		ID:    id(),
		Asked: capture.Asked{Job: "job-1", Epoch: 3, Watch: "watch-1", By: "schedule", Site: "market", PageKind: "listing", ItemID: "42"},
		URL:   "http://market.example/item/42", FinalURL: page,
		Redirects: []capture.Redirect{{From: "http://market.example/item/42", To: page, Status: 301}},
		Started:   day, Finished: at(5000), Elapsed: 5 * time.Second,
		Outcome: capture.Partial, Evidence: []string{"one image is missing"},
		Exchanges: []*capture.Exchange{
			{ // a redirect, by HTTP, on a plain connection
				ID: id(), Via: "http", Kind: "document", Main: true, Started: at(1), Finished: at(20),
				Method: "GET", URL: "http://market.example/item/42", Status: 301, StatusText: "Moved Permanently", Protocol: "http/1.1",
				RequestHeader:  capture.Header{{Name: "User-Agent", Value: "Trawlmark/1 (+https://brand.example/bot)"}, {Name: "Accept", Value: "*/*"}},
				ResponseHeader: capture.Header{{Name: "Location", Value: page}, {Name: "Content-Length", Value: "0"}},
				Body:           capture.Bytes{}, Remote: netip.MustParseAddrPort("192.0.2.10:80"),
			},
			{ // the page, by HTTP: gzip on the wire, and chunked
				ID: id(), Via: "http", Kind: "document", Main: true, Started: at(21), Finished: at(200),
				Method: "GET", URL: page, Status: 200, StatusText: "OK", Protocol: "http/1.1",
				RequestHeader: capture.Header{{Name: "Host", Value: "market.example"}, {Name: "Accept-Encoding", Value: "gzip"}},
				ResponseHeader: capture.Header{
					{Name: "Content-Type", Value: "text/html; charset=utf-8"},
					{Name: "Content-Encoding", Value: "gzip"},
					{Name: "Transfer-Encoding", Value: "chunked"},
					{Name: "Set-Cookie", Value: "a=1"},
					{Name: "Set-Cookie", Value: "b=2"},
				},
				Body: gzipped("<!doctype html><title>Bag</title><p>Price: 42 EUR"), Remote: remote, TLS: tls,
			},
			{ // the same page in Chrome: decoded, header of h2, fields joined by DevTools
				ID: id(), Via: "chrome", Kind: "document", Main: true, Started: at(300), Finished: at(400),
				Method: "GET", URL: page, Status: 200, Protocol: "h2",
				RequestHeader: capture.Header{{Name: ":method", Value: "GET"}, {Name: ":authority", Value: "market.example"}, {Name: "accept", Value: "text/html"}},
				ResponseHeader: capture.Header{
					{Name: "content-type", Value: "text/html"},
					{Name: "content-encoding", Value: "br"},
					{Name: "content-length", Value: "17"},
					{Name: "set-cookie", Value: "a=1\nb=2"},
				},
				Body: capture.Bytes("<!doctype html><title>Bag</title><p>Price: 42 EUR"), Decoded: true, Remote: remote, TLS: tls,
			},
			{ // a posted form
				ID: id(), Via: "chrome", Kind: "xhr", Started: at(500), Finished: at(550),
				Method: "POST", URL: "https://market.example/api?x=1", Status: 200, Protocol: "h2",
				RequestHeader:  capture.Header{{Name: "content-type", Value: "application/x-www-form-urlencoded"}},
				RequestBody:    capture.Bytes("q=bag&page=2"),
				ResponseHeader: capture.Header{{Name: "content-type", Value: "application/json"}},
				Body:           capture.Bytes(`{"ok":true}`), Decoded: true, Remote: remote, TLS: tls,
			},
			{ // cut
				ID: id(), Via: "http", Kind: "image", Started: at(600), Finished: at(700),
				Method: "GET", URL: "https://img.market.example/big.jpg", Status: 200, StatusText: "OK", Protocol: "http/1.1",
				ResponseHeader: capture.Header{{Name: "Content-Type", Value: "image/jpeg"}, {Name: "Content-Length", Value: "9999"}},
				Body:           capture.Bytes("\xff\xd8\xff\xe0 half a picture"), Truncated: capture.ByLength, Remote: netip.MustParseAddrPort("[2001:db8::7]:443"),
			},
			{ // a body that was evicted
				ID: id(), Via: "chrome", Kind: "script", Started: at(710), Finished: at(720), FromCache: true,
				Method: "GET", URL: "https://market.example/app.js", Status: 200, Protocol: "h3",
				ResponseHeader: capture.Header{{Name: "content-type", Value: "text/javascript"}, {Name: "content-length", Value: "120"}},
				Decoded:        true, MissingBody: "No data found for resource with given identifier", TLS: &capture.TLS{Version: "QUIC", Cipher: "AES_128_GCM"},
			},
			{ // no answer
				ID: id(), Via: "chrome", Kind: "image", Started: at(730), Finished: at(740),
				Method: "GET", URL: "https://gone.example/i.png", RequestHeader: capture.Header{{Name: "accept", Value: "image/*"}},
				Failure: &capture.Failure{Outcome: capture.DNSFailed, Text: "net::ERR_NAME_NOT_RESOLVED"},
			},
			{ // broken off
				ID: id(), Via: "http", Kind: "fetch", Started: at(800), Finished: at(900),
				Method: "GET", URL: "https://market.example/stream", Status: 200, StatusText: "OK", Protocol: "http/1.1",
				Body: capture.Bytes("half"), Truncated: capture.ByDisconnect, Remote: remote, TLS: tls,
				Failure: &capture.Failure{Outcome: capture.ConnectFailed, Text: "unexpected EOF"},
			},
		},
		Artifacts: []*capture.Artifact{
			{Role: capture.RoleHTML, MediaType: "text/html", URL: page, Taken: at(900), Body: gzipped("<!doctype html><title>Bag</title><p>Price: 42 EUR")},
			{Role: capture.RoleDOM, MediaType: "text/html;charset=utf-8", URL: page, Taken: at(1000), Body: capture.Bytes("<html><head><title>Bag</title></head></html>")},
			{Role: capture.RoleText, MediaType: "text/plain;charset=utf-8", URL: page, Taken: at(1001), Body: capture.Bytes("Price: 42 EUR")},
			{Role: capture.RoleBefore, MediaType: "image/png", URL: page, Taken: at(1002), Width: 1366, Height: 900, Body: capture.Bytes("\x89PNG before")},
			{Role: capture.RoleViewport, MediaType: "image/png", URL: page, Taken: at(1003), Width: 1366, Height: 900, Body: capture.Bytes("\x89PNG view")},
			{Role: capture.RoleFullPage, Tile: 1, MediaType: "image/png", URL: page, Taken: at(1004), Width: 1366, Height: 16000, Body: capture.Bytes("\x89PNG one")},
			{Role: capture.RoleFullPage, Tile: 2, MediaType: "image/png", URL: page, Taken: at(1005), Width: 1366, Height: 200, Body: capture.Bytes("\x89PNG two")},
			{Role: capture.RolePageInfo, MediaType: "application/json", URL: page, Taken: at(1006), Body: capture.Bytes(`{"urls":{}}`)},
		},
		DNS: []capture.DNSAnswer{
			{Host: "market.example", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("2001:db8::10")}, At: at(0)},
			{Host: "gone.example", At: at(725)},
		},
		Refusals: []capture.Refusal{{Target: "10.0.0.1:80", Reason: "a private address", At: at(650)}},
		Missing:  []capture.Missing{{What: "body", URL: "https://market.example/app.js", Reason: "evicted"}},
		Environment: capture.Environment{
			Software: "trawlmark 1.0.0 (abc)", Worker: "w-1", UserAgent: "Trawlmark/1 (+https://brand.example/bot)", Browser: "HeadlessChrome/156",
			Flags: []string{"--disable-quic"}, Viewport: "1366x900@1", Locale: "de-DE", TimeZone: "Europe/Berlin", Sandboxed: true, Fresh: true,
		},
		Clock:  capture.Clock{Source: "ntp:time.example", Offset: -3 * time.Millisecond, Error: 10 * time.Millisecond},
		Policy: capture.Policy{Robots: "allowed", RobotsURL: "https://market.example/robots.txt", Render: "auto", Escalated: []string{"no price"}},
	}
}

func options() Options {
	return Options{
		NewID: counter(5000),
		Info: Info{
			Software: "trawlmark 1.0.0 (abc)", Hostname: "crawler-1", Operator: "Brand GmbH <legal@brand.example>",
			RobotsPolicy: "obey", UserAgent: "Trawlmark/1 (+https://brand.example/bot)",
		},
	}
}

func written(t testing.TB, c *capture.Capture, opt Options) ([]byte, *Index) {
	t.Helper()
	var b bytes.Buffer
	index, err := WriteCapture(context.Background(), &b, c, opt)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), index
}
