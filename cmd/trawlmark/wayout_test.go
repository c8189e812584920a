package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/configs"
)

// The ways out and the logins of the configuration reach the crawler, or the
// start says which key or variable is wrong, without a secret.
func TestProxiesAndLoginsOfTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	sites := filepath.Join(dir, "sites")
	if err := os.Mkdir(sites, 0o755); err != nil {
		t.Fatal(err)
	}
	file("sites/shop.yaml", "name: shop\negress: de\nhosts: [{name: shop.example}]\n", 0o644)
	cookies := ".shop.example\tTRUE\t/\tFALSE\t0\tsid\thush-hush\n"
	login := map[string]string{"shop": file("good", cookies, 0o600)}
	proxy := map[string]configs.Secret{"de": "http://user:hush-hush@127.0.0.1:1"}
	for _, c := range []struct {
		name    string
		proxies map[string]configs.Secret
		logins  map[string]string
		want    string // "": it starts
	}{
		{"both", proxy, login, ""},
		{"a site's proxy is not listed", nil, nil, `the site file of shop leaves through the proxy "de", which is not configured`},
		{"no address", map[string]configs.Secret{"de": ""}, nil, "set TRAWLMARK_PROXY_DE_URL in the environment"},
		{"no proxy's address", map[string]configs.Secret{"de": "hush-hush"}, nil, "TRAWLMARK_PROXY_DE_URL: "},
		{"others can read the cookies", proxy, map[string]string{"shop": file("open", cookies, 0o644)}, "crawler.logins: the login of shop: others can read"},
		{"another site's cookies", proxy, map[string]string{"shop": file("other", strings.ReplaceAll(cookies, "shop", "tracker"), 0o600)}, `cookie 1 is for "tracker.example"`},
		{"an unknown site", proxy, map[string]string{"nowhere": login["shop"]}, `"nowhere"`},
		{"no file", proxy, map[string]string{"shop": filepath.Join(dir, "missing")}, "crawler.logins: the login of shop cannot be read"},
	} {
		a := testApp(t, func(cfg *configs.Config) {
			cfg.Crawler.SitesDir, cfg.Crawler.Logins, cfg.Egress.ProxyURLs = sites, c.logins, c.proxies
			for name := range c.proxies {
				cfg.Egress.Proxies = append(cfg.Egress.Proxies, name)
			}
		})
		cr, err := a.openCrawler(t.Context(), false)
		switch {
		case c.want == "" && (err != nil || cr.Proxies["de"] == nil || cr.Logins["shop"] == nil):
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hush")):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
