package crawler_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/egress"
	"github.com/trawlmark/trawlmark/crawler/site"
)

// proxyLog is what a proxy was asked to connect to.
type proxyLog struct {
	mu   sync.Mutex
	seen []string
}

func (p *proxyLog) add(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, target)
}

func (p *proxyLog) targets() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.seen)
}

// splice joins two connections until either ends.
func splice(a io.ReadWriter, b net.Conn) {
	go func() { io.Copy(b, a); b.Close() }()
	io.Copy(a, b)
}

// httpProxy wants user and hunter2, and tunnels to one place whatever it is
// asked for: no test needs the internet.
func httpProxy(t *testing.T, to string) (addr string, log *proxyLog) {
	t.Helper()
	log = &proxyLog{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != "Basic dXNlcjpodW50ZXIy" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		log.add(r.RequestURI)
		site, err := net.Dial("tcp", to)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer site.Close()
		w.WriteHeader(http.StatusOK)
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		splice(struct {
			io.Reader
			io.Writer
		}{rw, c}, site)
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String(), log
}

// socksProxy is the same in as much of RFC 1928 and 1929 as is needed.
func socksProxy(t *testing.T, to string) (addr string, log *proxyLog) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log = &proxyLog{}
	var wg sync.WaitGroup
	serve := func(c net.Conn) {
		defer c.Close()
		r := bufio.NewReader(c)
		take := func(n byte) []byte { b := make([]byte, n); io.ReadFull(r, b); return b }
		take(take(2)[1])
		c.Write([]byte{5, 2})
		user, pass := string(take(take(2)[1])), ""
		if pass = string(take(take(1)[0])); user != "user" || pass != "hunter2" {
			c.Write([]byte{1, 1})
			return
		}
		c.Write([]byte{1, 0})
		host := ""
		switch take(4)[3] {
		case 1:
			host = net.IP(take(4)).String()
		case 3:
			host = string(take(take(1)[0]))
		}
		port := take(2)
		log.add(fmt.Sprintf("%s:%d", host, int(port[0])<<8|int(port[1])))
		site, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer site.Close()
		c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		splice(struct {
			io.Reader
			io.Writer
		}{r, c}, site)
	}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String(), log
}

// local is the shop, which says in its robots.txt and on its page where it is
// seen from.
func local(country string, asked *proxyLog) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.add(r.URL.Path)
		if r.URL.Path == "/robots.txt" {
			io.WriteString(w, "User-agent: *\nDisallow: /not-in-"+country+"\n")
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, shopPage("A bag as sold in "+country, ""))
	})
}

const twoCountries = `name: shop
egress: de
hosts:
  - {name: shop.example}
  - {name: us.shop.example, egress: us}
pages:
  - {kind: listing, path: '^/item/(?P<id>\d+)'}
`

func TestASiteIsSeenThroughItsProxy(t *testing.T) {
	for _, mode := range []site.RenderMode{site.RenderNever, site.RenderAlways} {
		t.Run(string(mode), func(t *testing.T) {
			de, us, direct := &proxyLog{}, &proxyLog{}, &proxyLog{}
			deShop, usShop := httptest.NewServer(local("Germany", de)), httptest.NewServer(local("the USA", us))
			t.Cleanup(deShop.Close)
			t.Cleanup(usShop.Close)
			deProxy, viaDE := httpProxy(t, deShop.Listener.Addr().String())
			usProxy, viaUS := socksProxy(t, usShop.Listener.Addr().String())
			s := newShop(t, local("nowhere", direct), shopConfig{
				site: twoCountries, direct: true, chrome: mode == site.RenderAlways,
				egress: egress.Config{Resolver: table{"shop.example": "93.184.216.34", "us.shop.example": "93.184.216.35"}},
				deps: func(d *crawler.Deps) {
					d.Proxies = map[string]*egress.Upstream{
						"de": upstream(t, "http://user:hunter2@"+deProxy), "us": upstream(t, "socks5://user:hunter2@"+usProxy),
					}
				},
			})
			for _, c := range []struct {
				url, title, proxy string
				via               *proxyLog
				target            string
			}{
				{"http://shop.example/item/77", "A bag as sold in Germany", "de (http://<secret>@" + deProxy + ")", viaDE, "93.184.216.34:80"},
				{"http://us.shop.example/item/77", "A bag as sold in the USA", "us (socks5://<secret>@" + usProxy + ")", viaUS, "93.184.216.35:80"},
			} {
				res := s.visit(t, c.url, mode)
				got := res.Capture
				if got.Outcome != capture.Captured || res.Reading.Listing == nil || res.Reading.Listing.Text("title") != c.title {
					t.Errorf("%s: %s %v", c.url, got.Outcome, got.Evidence)
				}
				if got.Environment.Proxy != c.proxy || got.Environment.EgressIP != "" {
					t.Errorf("%s: proxy %q, egress address %q", c.url, got.Environment.Proxy, got.Environment.EgressIP)
				}
				if targets := c.via.targets(); len(targets) == 0 || slices.ContainsFunc(targets, func(s string) bool { return s != c.target }) {
					t.Errorf("%s: its proxy was asked for %q", c.url, targets)
				}
				if kept := s.everything(t, res); bytes.Contains(kept, []byte("hunter2")) || bytes.Contains(kept, []byte("dXNlcjpodW50ZXIy")) {
					t.Errorf("%s: the proxy's password is kept", c.url)
				}
			}
			if n := len(direct.targets()); n != 0 {
				t.Errorf("%d requests left without a proxy", n)
			}
		})
	}
}

// A proxy that is down ends the visit; nothing leaves another way.
func TestNoVisitLeavesBesideItsProxy(t *testing.T) {
	direct := &proxyLog{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := l.Addr().String()
	l.Close()
	s := newShop(t, local("nowhere", direct), shopConfig{
		site: strings.Replace(shopFile, "name: shop\n", "name: shop\negress: de\n", 1), direct: true,
		egress: egress.Config{Resolver: table{"shop.example": "127.0.0.1"}, Allow: nil},
		deps: func(d *crawler.Deps) {
			d.Proxies = map[string]*egress.Upstream{"de": upstream(t, "http://user:hunter2@"+dead)}
		},
	})
	res := s.visit(t, "http://shop.example/item/77", site.RenderNever)
	if res.Capture.Outcome != capture.BlockedAddr {
		t.Errorf("an address that the guard refuses, through a proxy: %s", res.Capture.Outcome)
	}
	s = newShop(t, local("nowhere", direct), shopConfig{
		site: strings.Replace(shopFile, "name: shop\n", "name: shop\negress: de\n", 1), direct: true,
		egress: egress.Config{Resolver: table{"shop.example": "93.184.216.34"}},
		deps: func(d *crawler.Deps) {
			d.Proxies = map[string]*egress.Upstream{"de": upstream(t, "http://user:hunter2@"+dead)}
		},
	})
	res = s.visit(t, "http://shop.example/item/77", site.RenderNever)
	if res.Capture.Outcome != capture.ConnectFailed || len(direct.targets()) != 0 || strings.Contains(fmt.Sprint(res.Capture.Evidence), "hunter2") {
		t.Errorf("%s %v, %v", res.Capture.Outcome, res.Capture.Evidence, direct.targets())
	}
}

// robots.txt is asked through the proxy: it need not say the same everywhere.
func TestRobotsAreAskedThroughTheProxyToo(t *testing.T) {
	asked := &proxyLog{}
	srv := httptest.NewServer(local("Germany", asked))
	t.Cleanup(srv.Close)
	proxy, _ := httpProxy(t, srv.Listener.Addr().String())
	s := newShop(t, local("nowhere", &proxyLog{}), shopConfig{
		site: strings.Replace(shopFile, "name: shop\n", "name: shop\negress: de\n", 1), direct: true,
		egress: egress.Config{Resolver: table{"shop.example": "93.184.216.34"}},
		deps: func(d *crawler.Deps) {
			d.Proxies = map[string]*egress.Upstream{"de": upstream(t, "http://user:hunter2@"+proxy)}
		},
	})
	for range 2 {
		s.visit(t, "http://shop.example/item/77", site.RenderNever)
	}
	if got := fmt.Sprint(asked.targets()); got != "[/robots.txt /item/77 /item/77]" {
		t.Errorf("asked for %s", got)
	}
	if res := s.visit(t, "http://shop.example/not-in-Germany", site.RenderNever); res.Capture.Outcome != capture.RobotsDenied {
		t.Errorf("%s", res.Capture.Outcome)
	}
}

func TestAProxyThatIsNotConfiguredStopsTheStart(t *testing.T) {
	sites := sitesOf(t, twoCountries)
	_, err := crawler.New(crawler.Config{UserAgent: "x"}, crawler.Deps{Sites: sites, Proxies: map[string]*egress.Upstream{"de": upstream(t, "http://p.example:1")}})
	if err == nil || !strings.Contains(err.Error(), `"us"`) || strings.Contains(err.Error(), `"de"`) {
		t.Errorf("got %v", err)
	}
}

func upstream(t *testing.T, url string) *egress.Upstream {
	t.Helper()
	up, err := egress.ParseUpstream(url)
	if err != nil {
		t.Fatal(err)
	}
	return up
}
