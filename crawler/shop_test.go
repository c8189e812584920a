package crawler_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/warc"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/egress"
	"github.com/trawlmark/trawlmark/crawler/fetch"
	"github.com/trawlmark/trawlmark/crawler/site"
)

// shop is a site of a test's own, and a crawler for it.
type shop struct {
	crawler *crawler.Crawler
	ids     *capture.IDSource
	addr    string
}

// shopFile is the site file of most tests; egress and more can be put after it.
const shopFile = `name: shop
hosts: [{name: shop.example}]
politeness: {min_delay: 1ms}
pages:
  - {kind: listing, path: '^/item/(?P<id>\d+)'}
`

// shopPage is a listing that is read without Chrome.
func shopPage(title, more string) string {
	return `<!doctype html><html lang=en><head><title>` + title + `</title><script type="application/ld+json">
{"@context":"https://schema.org","@type":"Product","name":"` + title + `","sku":"77","offers":{"@type":"Offer","price":"19.90","priceCurrency":"EUR",
"availability":"https://schema.org/InStock","seller":{"@type":"Organization","name":"A Seller"}}}</script></head>
<body><h1>` + title + `</h1><p class=price>19.90 EUR</p><p>` + strings.Repeat("A handbag of soft leather with a strap and two pockets. ", 12) + `</p>` + more + `</body></html>`
}

type shopConfig struct {
	site   string // shopFile when empty
	chrome bool
	// direct leaves the shop's name to the resolver: it is reached by a proxy.
	direct bool
	egress egress.Config
	deps   func(*crawler.Deps)
}

func newShop(t testing.TB, h http.Handler, cfg shopConfig) *shop {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	s := &shop{ids: capture.NewIDSource(time.Now, rand.Reader), addr: srv.Listener.Addr().String()}
	if !cfg.direct && cfg.egress.Override == nil {
		cfg.egress.Override = map[string]string{}
	}
	if !cfg.direct {
		cfg.egress.Override["shop.example"], cfg.egress.Override["*.shop.example"] = s.addr, s.addr
	}
	guard, err := egress.New(cfg.egress)
	if err != nil {
		t.Fatal(err)
	}
	deps := crawler.Deps{
		Guard: guard, Fetcher: fetch.New(fetch.Config{Deadline: 8 * time.Second}), Sites: sitesOf(t, cfg.site), IDs: s.ids, Now: time.Now,
		Log: slog.New(slog.DiscardHandler),
	}
	if cfg.chrome {
		deps.Renderer = chrome(t)
	}
	if cfg.deps != nil {
		cfg.deps(&deps)
	}
	s.crawler, err = crawler.New(crawler.Config{UserAgent: "Trawlmark-test/1.0", SpoolDir: t.TempDir(), EgressIP: "192.0.2.7"}, deps)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sitesOf(t testing.TB, file string) *site.Set {
	t.Helper()
	if file == "" {
		file = shopFile
	}
	set, err := site.Load(fstest.MapFS{"shop.yaml": {Data: []byte(file)}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (s *shop) visit(t testing.TB, url string, mode site.RenderMode) *crawler.Result {
	t.Helper()
	res := s.crawler.Visit(context.Background(), crawler.Request{ID: s.ids.New(), URL: url, Asked: capture.Asked{By: "test"}, Render: mode})
	t.Cleanup(func() {
		if err := res.Close(); err != nil {
			t.Error(err)
		}
	})
	return res
}

// everything is all that would be kept of a visit: every field of the capture
// and of what was read, every body as it is and decoded, and the WARC.
func (s *shop) everything(t testing.TB, res *crawler.Result) []byte {
	t.Helper()
	var out bytes.Buffer
	read := func(b capture.Body) {
		if b == nil {
			return
		}
		p, err := capture.ReadAll(b, 64<<20)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(p)
	}
	for _, e := range res.Capture.Exchanges {
		read(e.Body)
		read(e.RequestBody)
		if p, err := fetch.Decoded(e, 64<<20); err == nil {
			out.Write(p)
		}
	}
	for _, a := range res.Capture.Artifacts {
		read(a.Body)
	}
	for _, v := range []any{res.Capture, res.Reading, res.ETag, res.LastModified} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
		fmt.Fprintf(&out, "%+v", v)
	}
	var w bytes.Buffer
	if _, err := warc.WriteCapture(t.Context(), &w, res.Capture, warc.Options{NewID: s.ids.New, Info: warc.Info{Software: "test"}}); err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(&w)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.ReadFrom(z); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// table resolves by a list, as the DNS would.
type table map[string]string

func (r table) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if a, ok := r[strings.TrimSuffix(host, ".")]; ok {
		return []netip.Addr{netip.MustParseAddr(a)}, nil
	}
	return nil, fmt.Errorf("no address for %s", host)
}
