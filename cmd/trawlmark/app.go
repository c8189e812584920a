package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/custody/custodysql"
	"github.com/trawlmark/trawlmark/archive/s3vault"
	"github.com/trawlmark/trawlmark/archive/seal"
	"github.com/trawlmark/trawlmark/archive/seal/demotsa"
	"github.com/trawlmark/trawlmark/archive/seal/stamp"
	"github.com/trawlmark/trawlmark/archive/sqldb"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/warc"
	"github.com/trawlmark/trawlmark/cmd/internal/embedded"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/crawler"
	"github.com/trawlmark/trawlmark/crawler/egress"
	"github.com/trawlmark/trawlmark/crawler/fetch"
	"github.com/trawlmark/trawlmark/crawler/render"
	"github.com/trawlmark/trawlmark/crawler/site"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// app is the parts of trawlmark that a command needs, opened when first asked
// for and closed in the opposite order. It is used by one goroutine.
type app struct {
	cfg *configs.Config
	s   streams
	log *slog.Logger
	now func() time.Time // this machine's clock
	ids *capture.IDSource

	parts   *parts // embedded children, when the configuration leaves them to us
	db      *sqldb.DB
	catalog *catalog.Catalog
	ledger  *ledger.Ledger
	vault   vault.Vault
	custody *custody.Log
	notary  *archive.Notary
	sealer  *seal.Sealer
	archive *archive.Archive
	sites   *site.Set
	guard   *egress.Guard
	render  *render.Renderer
	chrome  string // the browser's version and path
	crawler *crawler.Crawler
	meters  *meters // what this process did, for /metrics

	spool, tmp string // this process's own folders, see claim

	// override and allow are what a command adds to the egress rules (the demo
	// marketplace).
	override map[string]string
	extraCAs []*x509.Certificate
	budgets  map[ledger.Class]ledger.Budget

	closers []func() error
}

// newApp makes an app with nothing opened yet.
func newApp(cfg *configs.Config, s streams) *app {
	now := s.now
	if now == nil {
		now = time.Now
	}
	a := &app{cfg: cfg, s: s, now: now, ids: capture.NewIDSource(now, rand.Reader), meters: newMeters()}
	level := slog.LevelInfo
	_ = level.UnmarshalText([]byte(cfg.Log.Level)) // validated on loading
	o := &slog.HandlerOptions{Level: level}
	if cfg.Log.Format == "json" {
		a.log = slog.New(slog.NewJSONHandler(s.err, o))
	} else {
		a.log = slog.New(slog.NewTextHandler(s.err, o))
	}
	return a
}

func (a *app) onClose(f func() error) { a.closers = append(a.closers, f) }

// close ends everything that was opened, newest first.
func (a *app) close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(errs...)
}

// dir gives a folder below the data folder, made when missing.
func (a *app) dir(name string) (string, error) {
	d, err := filepath.Abs(filepath.Join(a.cfg.DataDir, name))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(d, 0o700); err != nil {
		return "", fmt.Errorf("the data folder %s cannot be used: %w; choose another with --data or data_dir", a.cfg.DataDir, err)
	}
	return d, nil
}

func (a *app) openDB(ctx context.Context) (*sqldb.DB, error) {
	if a.db != nil {
		return a.db, nil
	}
	u := a.cfg.Database.URL.Reveal()
	if u == "" {
		dir, err := a.dir(".")
		if err != nil {
			return nil, err
		}
		u = (&url.URL{Scheme: "sqlite", Path: filepath.Join(dir, "trawlmark.db")}).String()
	}
	db, err := sqldb.Open(ctx, sqldb.Config{URL: u})
	if err != nil {
		return nil, missingPart{fmt.Errorf("the database cannot be used: %w", err)}
	}
	a.db = db
	a.onClose(db.Close)
	return db, nil
}

func (a *app) openLedger(ctx context.Context) (*ledger.Ledger, error) {
	if a.ledger != nil {
		return a.ledger, nil
	}
	db, err := a.openDB(ctx)
	if err != nil {
		return nil, err
	}
	a.ledger, err = ledger.Open(ctx, db, a.ids, a.now, ledger.Config{Budgets: a.budgets})
	return a.ledger, err
}

func (a *app) openCatalog(ctx context.Context) (*catalog.Catalog, error) {
	if a.catalog != nil {
		return a.catalog, nil
	}
	db, err := a.openDB(ctx)
	if err != nil {
		return nil, err
	}
	a.catalog, err = catalog.Open(ctx, db)
	return a.catalog, err
}

// openVault opens the storage and makes the bucket when it is missing.
func (a *app) openVault(ctx context.Context) (vault.Vault, error) {
	if a.vault != nil {
		return a.vault, nil
	}
	cfg, err := a.storage(ctx)
	if err != nil {
		return nil, err
	}
	cfg.Observe = a.meters.vaultCall
	v, err := s3vault.Open(ctx, cfg, a.log)
	if err != nil {
		return nil, err
	}
	if err := v.Ensure(ctx); err != nil {
		return nil, fmt.Errorf("the evidence bucket %s at %s cannot be used: %w", cfg.Bucket, cfg.Endpoint, err)
	}
	a.vault = v
	return v, nil
}

// proveLocks tries whether the storage keeps its locks: roles do it when they
// start, before any evidence goes there.
func (a *app) proveLocks(ctx context.Context) error {
	v, err := a.openVault(ctx)
	if err != nil {
		return err
	}
	if p, ok := v.(interface {
		Probe(context.Context) (s3vault.Report, error)
	}); ok {
		_, err = p.Probe(ctx)
	}
	return err
}

// storage is where evidence goes: the configured server, or the embedded one.
func (a *app) storage(ctx context.Context) (s3vault.Config, error) {
	c := a.cfg.Storage
	cfg := s3vault.Config{
		Endpoint: c.Endpoint, Bucket: c.Bucket, Region: c.Region, TLS: c.TLS, Prefix: c.Prefix, AllowUnlocked: c.AllowUnlocked,
		AccessKey: c.AccessKey.Reveal(), SecretKey: s3vault.Secret(c.SecretKey.Reveal()),
	}
	if c.Endpoint != "" {
		return cfg, nil
	}
	s3, err := a.startS3(ctx)
	if err != nil {
		return cfg, err
	}
	cfg.Endpoint, cfg.TLS, cfg.AccessKey, cfg.SecretKey = s3.Endpoint, false, s3.AccessKey, s3vault.Secret(s3.SecretKey)
	return cfg, nil
}

// openNotary opens the custody log and the time-stamping authorities.
func (a *app) openNotary(ctx context.Context) (*archive.Notary, error) {
	if a.notary != nil {
		return a.notary, nil
	}
	v, err := a.openVault(ctx)
	if err != nil {
		return nil, err
	}
	db, err := a.openDB(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := a.logKeys()
	if err != nil {
		return nil, err
	}
	signer, co, err := keys.Signer()
	if err != nil {
		return nil, err
	}
	public, err := a.verifierKeys(keys)
	if err != nil {
		return nil, err
	}
	verifiers, err := custody.VerifierList(public...)
	if err != nil {
		return nil, err
	}
	store, err := custodysql.Open(ctx, db, a.now, rand.Reader)
	if err != nil {
		return nil, err
	}
	mode := vault.Mode(a.cfg.Retention.Mode)
	a.custody, err = custody.Open(ctx, custody.Config{
		Origin: keys.Origin(), Signer: signer, CoSigners: co, Verifiers: verifiers, Vault: v, Store: store, Mode: mode,
		Now: a.now, Rand: rand.Reader, Log: a.log,
	})
	if err != nil {
		return nil, err
	}
	client, err := a.sealClient()
	if err != nil {
		return nil, err
	}
	sealer, err := seal.New(seal.Config{Client: client, Vault: v, Verifiers: verifiers, Mode: mode, Now: a.now, Log: a.quiet()})
	if err != nil {
		return nil, err
	}
	a.sealer, a.notary = sealer, archive.NewNotary(a.custody, sealer, a.log)
	return a.notary, nil
}

// quiet is a log for parts whose every success is not worth a line.
func (a *app) quiet() *slog.Logger {
	return slog.New(slog.NewTextHandler(a.s.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// logKeys reads the log's signing key, or makes one on the first start.
func (a *app) logKeys() (custody.Keys, error) {
	dir, err := a.dir("keys")
	if err != nil {
		return custody.Keys{}, err
	}
	path := filepath.Join(dir, "custody.key")
	keys, err := custody.LoadKeys(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	origin := a.cfg.Custody.Origin
	if origin == "" {
		var b [6]byte
		if _, err := rand.Read(b[:]); err != nil {
			return custody.Keys{}, err
		}
		origin = "trawlmark.local/" + hex.EncodeToString(b[:])
	}
	keys, err = custody.NewKeys(origin, rand.Reader)
	if err != nil {
		return custody.Keys{}, err
	}
	if err := keys.Create(path); err != nil {
		if errors.Is(err, fs.ErrExist) { // another process was first
			return custody.LoadKeys(path)
		}
		return custody.Keys{}, err
	}
	return keys, nil
}

// sealClient asks the configured authorities, or two of our own that prove
// nothing.
func (a *app) sealClient() (*seal.Client, error) {
	c := &seal.Client{Now: a.now, Rand: rand.Reader, Timeout: a.cfg.Seal.Timeout.D(), MaxSkew: a.cfg.Seal.MaxSkew.D()}
	if len(a.cfg.Seal.TSAs) == 0 {
		demo := demoTSAs{}
		for _, name := range []string{"demo-a", "demo-b"} {
			dir, err := a.dir("tsa/" + name)
			if err != nil {
				return nil, err
			}
			t, err := demotsa.Open(dir, a.now, rand.Reader, a.quiet())
			if err != nil {
				return nil, err
			}
			host := name + ".invalid"
			demo[host] = t
			c.TSAs = append(c.TSAs, seal.TSA{Name: name, URL: "http://" + host + "/", Roots: t.Roots()})
		}
		c.HTTP = demo
		return c, nil
	}
	c.HTTP, c.Want = &http.Client{Timeout: a.cfg.Seal.Timeout.D()}, min(2, len(a.cfg.Seal.TSAs))
	for _, t := range a.cfg.Seal.TSAs {
		roots, err := pemFile(t.Roots)
		if err != nil {
			return nil, fmt.Errorf("seal.tsas: %s: %w", t.Name, err)
		}
		var between []*x509.Certificate
		if t.Chain != "" {
			if between, err = pemFile(t.Chain); err != nil {
				return nil, fmt.Errorf("seal.tsas: %s: %w", t.Name, err)
			}
		}
		c.TSAs = append(c.TSAs, seal.TSA{
			Name: t.Name, URL: t.URL, Roots: roots, Untrusted: between, User: t.Username, Password: seal.Secret(t.Password.Reveal()),
		})
	}
	return c, nil
}

// demoTSAs answers for the demonstration authorities without a network.
type demoTSAs map[string]http.Handler

func (d demoTSAs) Do(r *http.Request) (*http.Response, error) {
	h, ok := d[r.URL.Host]
	if !ok {
		return nil, fmt.Errorf("there is no demonstration authority %s", r.URL.Host)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

func pemFile(path string) ([]*x509.Certificate, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return stamp.ParsePEM(b)
}

// openArchive opens the archive and all below it. space names the spool: each
// process has its own.
func (a *app) openArchive(ctx context.Context, space workspace) (*archive.Archive, error) {
	if a.archive != nil {
		return a.archive, nil
	}
	if _, err := a.openNotary(ctx); err != nil {
		return nil, err
	}
	cat, err := a.openCatalog(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.claim(space); err != nil {
		return nil, err
	}
	a.archive, err = archive.New(archive.Config{
		SpoolDir: a.spool, Untriaged: a.cfg.Retention.Untriaged.D(), Mode: vault.Mode(a.cfg.Retention.Mode),
		SpoolLimit: int64(a.cfg.Worker.SpoolLimit), Actor: "worker:" + a.workerName(), Unlocked: a.cfg.Storage.AllowUnlocked,
		Info: warc.Info{Software: software(), Hostname: hostname(), Operator: a.cfg.Operator},
	}, archive.Deps{Vault: a.vault, Catalog: cat, Custody: a.custody, IDs: a.ids, Now: a.now, Log: a.log})
	return a.archive, err
}

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
		RecycleAge: a.cfg.Chrome.RecycleAge.D(), RecycleRSS: int64(a.cfg.Chrome.RecycleRSS),
		ExtraSPKI: guard.ExtraCAKeys(), Now: a.now, Log: a.log,
	})
	if err != nil {
		return nil, missingPart{fmt.Errorf("Chrome cannot be used: %w", err)}
	}
	a.render = r
	a.onClose(r.Close)
	return r, nil
}

func (a *app) userAgent() string {
	return strings.ReplaceAll(a.cfg.Crawler.UserAgent, "{version}", version)
}

// workerName is this worker's in the ledger and in every capture.
func (a *app) workerName() string {
	if a.cfg.Worker.Name != "" {
		return a.cfg.Worker.Name
	}
	return hostname()
}

func hostname() string {
	h, err := os.Hostname()
	if err != nil || h == "" {
		return "unnamed"
	}
	return h
}

// software names this build as captures record it.
func software() string {
	rev := "unknown commit"
	if bi, ok := debug.ReadBuildInfo(); ok {
		for _, s := range bi.Settings {
			if s.Key == "vcs.revision" {
				rev = s.Value
			}
		}
	}
	return "trawlmark " + version + " (" + rev + ")"
}

// timeout is a context for work that no caller's context bounds.
func timeout(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}
