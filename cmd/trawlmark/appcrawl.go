package main

import (
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/trawlmark/trawlmark/cmd/internal/embedded"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/egress"
	"github.com/trawlmark/trawlmark/crawler/fetch"
	"github.com/trawlmark/trawlmark/crawler/render"
	"github.com/trawlmark/trawlmark/crawler/site"
)

// The way out, the sites and the browser of an app.

func (a *app) openSites() (*site.Set, error) {
	if a.sites != nil {
		return a.sites, nil
	}
	var more []fs.FS
	if dir := a.cfg.Crawler.SitesDir; dir != "" {
		if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
			return nil, fmt.Errorf("crawler.sites_dir: %s is not a folder that can be read", dir)
		}
		more = append(more, os.DirFS(dir))
	}
	set, err := site.Load(configs.Sites(), more...)
	a.sites = set
	return set, err
}

func (a *app) openGuard() (*egress.Guard, error) {
	if a.guard != nil {
		return a.guard, nil
	}
	cfg := egress.Config{Override: map[string]string{}, DialTimeout: a.cfg.Egress.DialTimeout.D(), ExtraCAs: a.extraCAs}
	for _, p := range a.cfg.Egress.Allow {
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			return nil, err
		}
		cfg.Allow = append(cfg.Allow, prefix)
	}
	for k, v := range a.cfg.Egress.Override {
		cfg.Override[k] = v
	}
	for k, v := range a.override {
		cfg.Override[k] = v
	}
	if f := a.cfg.Egress.ExtraCA; f != "" {
		more, err := pemFile(f)
		if err != nil {
			return nil, fmt.Errorf("egress.extra_ca: %w", err)
		}
		cfg.ExtraCAs = append(cfg.ExtraCAs, more...)
	}
	if p := a.cfg.Egress.Proxy; p != "" {
		up, err := egress.ParseUpstream(p.Reveal())
		if err != nil {
			return nil, fmt.Errorf("TRAWLMARK_PROXY_URL: %w", err)
		}
		cfg.Upstream = up
	}
	g, err := egress.New(cfg)
	a.guard = g
	return g, err
}

// openProxies reads the addresses of the proxies that site files may name.
func (a *app) openProxies() (map[string]*egress.Upstream, error) {
	out := map[string]*egress.Upstream{}
	for _, name := range a.cfg.Egress.Proxies {
		variable := configs.ProxyVariable(name)
		raw := a.cfg.Egress.ProxyURLs[name].Reveal()
		if raw == "" {
			return nil, fmt.Errorf("egress.proxies: %s has no address: set %s in the environment", name, variable)
		}
		up, err := egress.ParseUpstream(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", variable, err)
		}
		out[name] = up
	}
	return out, nil
}

// openCrawler opens the crawler; without Chrome when wantChrome is false or
// when there is none, which is said.
func (a *app) openCrawler(ctx context.Context, wantChrome bool) (*crawler.Crawler, error) {
	if a.crawler != nil {
		return a.crawler, nil
	}
	guard, err := a.openGuard()
	if err != nil {
		return nil, err
	}
	sites, err := a.openSites()
	if err != nil {
		return nil, err
	}
	tmp := a.tmp
	if tmp == "" { // nothing is archived: any name will do
		if tmp, err = a.dir(filepath.Join("tmp", "shared")); err != nil {
			return nil, err
		}
	}
	proxies, err := a.openProxies()
	if err != nil {
		return nil, err
	}
	logins := map[string]*crawler.Login{}
	for name, path := range a.cfg.Crawler.Logins {
		if logins[name], err = crawler.OpenLogin(sites, name, path); err != nil {
			return nil, fmt.Errorf("crawler.logins: %w", err)
		}
	}
	deps := crawler.Deps{
		Guard: guard, Proxies: proxies, Logins: logins, Sites: sites, IDs: a.ids, Now: a.now, Log: a.log,
		Fetcher: meteredFetcher{fetch.New(fetch.Config{MaxBytes: int64(a.cfg.Crawler.MaxBody), SpoolDir: tmp}), a.meters},
	}
	if wantChrome {
		r, err := a.openRenderer(ctx)
		if err != nil {
			return nil, err
		}
		deps.Renderer = meteredRenderer{r, a.meters}
	}
	a.crawler, err = crawler.New(crawler.Config{
		UserAgent: a.userAgent(), Deadline: a.cfg.Crawler.Deadline.D(), MaxBody: int64(a.cfg.Crawler.MaxBody),
		// What is referred to must outlive what refers to it.
		FullLook:      min(7*24*time.Hour, a.cfg.Retention.Untriaged.D()/2),
		ScreenshotAll: a.cfg.Crawler.ScreenshotAll, SpoolDir: tmp, Software: software(), Worker: a.workerName(),
	}, deps)
	return a.crawler, err
}

func (a *app) openRenderer(ctx context.Context) (*render.Renderer, error) {
	if a.render != nil {
		return a.render, nil
	}
	guard, err := a.openGuard()
	if err != nil {
		return nil, err
	}
	path := a.cfg.Chrome.Path
	if path == "" {
		found, version, err := embedded.FindChrome(ctx)
		if err != nil {
			return nil, missingPart{err}
		}
		path, a.chrome = found, "Chrome "+version+" ("+found+")"
	}
	r, err := render.New(ctx, render.Config{
		ChromePath: path, MaxContexts: a.cfg.Chrome.Contexts, RecycleAfter: a.cfg.Chrome.RecycleAfter,
		RecycleAge: a.cfg.Chrome.RecycleAge.D(), RecycleRSS: int64(a.cfg.Chrome.RecycleRSS), HangWait: a.cfg.Chrome.HangWait.D(),
		Sandbox:   sandbox(a.cfg.Chrome.Sandbox),
		ExtraSPKI: guard.ExtraCAKeys(), OwnPort: guard.OwnPort, Now: a.now, Log: a.log,
	})
	if err != nil {
		return nil, missingPart{fmt.Errorf("the browser cannot be used: %w", err)}
	}
	a.render = r
	a.onClose(r.Close)
	return r, nil
}

// sandbox is the renderer's word for the configuration's.
func sandbox(key string) render.Sandbox {
	switch key {
	case "require":
		return render.SandboxRequire
	case "off":
		return render.SandboxOff
	}
	return render.SandboxAuto // prefer
}
