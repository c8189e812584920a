package manifest

import (
	"encoding/pem"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

var day = time.Date(2026, 3, 14, 9, 26, 53, 589793238, time.FixedZone("CET", 3600))

func id(n byte) capture.ID { return capture.ID{0x01, 0x9c, 6: 0x70, 8: 0x80, 15: n} }

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

// everything is a capture in which every field is set.
func everything(t testing.TB) *capture.Capture {
	at := func(ms int) time.Time { return day.Add(time.Duration(ms) * time.Millisecond) }
	previous := capture.Sum([]byte("the previous manifest"))
	page := "https://market.example/item/42?q=<a>&b=\u2028é"
	remote := netip.MustParseAddrPort("[::ffff:192.0.2.10]:443")
	return &capture.Capture{
		ID: id(1),
		Asked: capture.Asked{
			Job: "job-1", Epoch: 3, Watch: "watch-1", By: "schedule", Site: "market", PageKind: "listing", ItemID: "42",
			Canonical: "https://market.example/item/42",
		},
		URL: "http://market.example/item/42", FinalURL: page,
		Redirects: []capture.Redirect{{From: "http://market.example/item/42", To: page, Status: 301}},
		Started:   day, Finished: at(5000), Elapsed: 5*time.Second + 7,
		Outcome: capture.Partial, Evidence: []string{"one image is missing"},
		After: &capture.Anchor{
			Origin: "log.brand.example/2026", Size: 12345, Root: "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
			Stamp: capture.Sum([]byte("tsr")), Checkpoint: capture.Sum([]byte("note")), StampedAt: at(-60000),
		},
		Previous: &previous,
		Exchanges: []*capture.Exchange{
			{ID: id(2), Via: "http", Kind: "document", Main: true, Started: at(1), Finished: at(2), Method: "GET", URL: "http://market.example/item/42", Status: 301},
			{
				ID: id(3), Via: "chrome", Kind: "document", Main: true, Started: at(3), Finished: at(4), Method: "GET", URL: page,
				Status: 200, Protocol: "h2", Body: capture.Bytes("<!doctype html>"), Decoded: true, Truncated: capture.ByLength, Remote: remote,
				TLS:     &capture.TLS{Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", ALPN: "h2", Chain: chainOf(t)},
				Failure: &capture.Failure{Outcome: capture.TooLarge, Text: "more than 15 bytes"},
			},
			{ID: id(4), Via: "chrome", Kind: "image", URL: "https://gone.example/i.png", Failure: &capture.Failure{Outcome: capture.DNSFailed, Text: "no such host"}},
			{ID: id(5), Via: "chrome", Kind: "", URL: "https://market.example/app.js", Status: 200, MissingBody: "evicted", FromCache: true},
		},
		Artifacts: []*capture.Artifact{
			{Role: capture.RoleDOM, Body: capture.Bytes("<html></html>")},
			{Role: capture.RoleFullPage, Tile: 1, Body: capture.Bytes("png1")},
			{Role: capture.RoleFullPage, Tile: 2, Body: capture.Bytes("png22")},
		},
		DNS: []capture.DNSAnswer{{
			Host: "market.example", At: at(0), Override: true,
			Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("2001:db8::10")},
		}, {Host: "gone.example", At: at(1)}},
		Refusals: []capture.Refusal{{Target: "10.0.0.1:80", Reason: "a private address", At: at(650)}},
		Missing:  []capture.Missing{{What: "screenshot", Reason: "timeout"}},
		Environment: capture.Environment{
			Software: "trawlmark 1.0.0 (abc)", Worker: "w-1", UserAgent: "Trawlmark/1", Browser: "HeadlessChrome/156", Flags: []string{"--disable-quic"},
			Viewport: "1366x900@1", Locale: "de-DE", TimeZone: "Europe/Berlin", Sandboxed: true, Fresh: true, EgressIP: "198.51.100.7",
			Proxy: "http://proxy.example:3128", ExtraCAs: []capture.Digest{capture.Sum([]byte("ca"))},
		},
		Clock: capture.Clock{Source: "ntp:time.example", Offset: -3 * time.Millisecond, Error: 10 * time.Millisecond},
		Policy: capture.Policy{
			Robots: "overridden", RobotsURL: "https://market.example/robots.txt", Overrides: []string{"robots"}, Render: "auto", Escalated: []string{"no price"},
		},
	}
}

func stored(role string, tile int, body string) Stored {
	f, _ := capture.FingerprintOf(capture.Bytes(body))
	key := role
	if tile > 0 {
		key += string(rune('0' + tile))
	}
	return Stored{
		Role: role, Tile: tile, MediaType: "application/octet-stream", Key: "captures/1/" + key, Version: "v-" + key, Print: f,
		RetainUntil: day.AddDate(1, 0, 0), Taken: day.Add(time.Second), Width: 1366, Height: 900,
	}
}

func allStored() []Stored {
	w := stored(RoleWARC, 0, "the warc")
	w.Width, w.Height, w.Taken = 0, 0, time.Time{}
	return []Stored{w, stored("dom", 0, "<html></html>"), stored("fullpage", 1, "png1"), stored("fullpage", 2, "png22")}
}

func everyManifest(t testing.TB) (*Manifest, []byte) {
	t.Helper()
	m, err := New(everything(t), allStored())
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return m, b
}

// leastManifest is one of a visit that saw nothing.
func leastManifest(t testing.TB) (*Manifest, []byte) {
	t.Helper()
	c := &capture.Capture{ID: id(9), URL: "https://x.example/", Started: day, Finished: day, Outcome: capture.DNSFailed}
	w := stored(RoleWARC, 0, "w")
	w.RetainUntil = time.Time{}
	m, err := New(c, []Stored{w})
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return m, b
}
