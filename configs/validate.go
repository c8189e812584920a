package configs

import (
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

func (c *Config) validate() error {
	return errors.Join(c.validatePlaces(), c.validateConnections(), c.validateTimes(), c.validateNumbers(), c.validateWords())
}

// proxyName is what site files may name.
var proxyName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// workerName is what a worker may be called; empty is the host name.
var workerName = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]{0,99})?$`)

// SetWorkerName is worker.name given by a flag.
func (c *Config) SetWorkerName(name string) error {
	c.Worker.Name = name
	return c.validate()
}

func (c *Config) validateWords() error {
	var errs []error
	oneOf := func(key, v string, allowed ...string) {
		for _, a := range allowed {
			if v == a {
				return
			}
		}
		errs = append(errs, c.fault(key, "%q is not one of: %s", v, strings.Join(allowed, ", ")))
	}
	oneOf("retention.mode", c.Retention.Mode, "GOVERNANCE", "COMPLIANCE")
	oneOf("chrome.sandbox", c.Chrome.Sandbox, "require", "prefer", "off")
	oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf("log.format", c.Log.Format, "text", "json")
	if !workerName.MatchString(c.Worker.Name) {
		errs = append(errs, c.fault("worker.name", "%q must be letters, digits, dots, dashes and underscores, 100 at most: a folder is named after it", c.Worker.Name))
	}
	if c.Crawler.Render != "" {
		oneOf("crawler.render", c.Crawler.Render, "never", "auto", "always")
	}
	if strings.TrimSpace(c.Crawler.UserAgent) == "" {
		errs = append(errs, c.fault("crawler.user_agent", "must not be empty: sites must be able to tell who asks"))
	}
	if strings.ContainsAny(c.Crawler.UserAgent, "\r\n") {
		errs = append(errs, c.fault("crawler.user_agent", "must be one line"))
	}
	return errors.Join(errs...)
}

func (c *Config) validatePlaces() error {
	var errs []error
	if strings.TrimSpace(c.DataDir) == "" {
		errs = append(errs, c.fault("data_dir", "must name a folder"))
	}
	for i, a := range c.Redis.Addresses {
		if _, _, err := net.SplitHostPort(a); err != nil {
			errs = append(errs, c.fault("redis.addresses", "entry %d, %q, is not host:port", i+1, a))
		}
	}
	if c.Storage.Endpoint != "" {
		if strings.Contains(c.Storage.Endpoint, "/") {
			errs = append(errs, c.fault("storage.endpoint", "%q must be host or host:port, without scheme or path", c.Storage.Endpoint))
		}
		if c.Storage.AccessKey == "" || c.Storage.SecretKey == "" {
			errs = append(errs, c.fault("storage.endpoint", "set TRAWLMARK_S3_ACCESS_KEY and TRAWLMARK_S3_SECRET_KEY in the environment, or leave the endpoint empty for the embedded server"))
		}
	}
	if u := c.Console.URL; u != "" {
		if p, err := url.Parse(u); err != nil || p.Host == "" || p.Scheme != "http" && p.Scheme != "https" || p.User != nil || p.RawQuery != "" || strings.Trim(p.Path, "/") != "" {
			errs = append(errs, c.fault("console.url", "%q must be http(s)://host, without path, query or user", u))
		}
	}
	for _, a := range c.Egress.Allow {
		if _, err := netip.ParsePrefix(a); err != nil {
			errs = append(errs, c.fault("egress.allow", "%q is not an address range such as 192.0.2.0/24", a))
		}
	}
	variables := map[string]string{}
	for _, name := range c.Egress.Proxies {
		v := ProxyVariable(name)
		switch {
		case !proxyName.MatchString(name):
			errs = append(errs, c.fault("egress.proxies", "%q is not a name: lower-case letters, digits and '-', at most 40; the address is given in the environment", name))
		case variables[v] != "":
			errs = append(errs, c.fault("egress.proxies", "%q and %q are one name in the environment (%s)", variables[v], name, v))
		}
		variables[v] = name
	}
	for host, to := range c.Egress.Override {
		if _, err := netip.ParseAddrPort(to); err != nil {
			errs = append(errs, c.fault("egress.override", "%s: %q is not ip:port", host, to))
		}
	}
	for _, l := range []struct{ key, v string }{{"console.listen", c.Console.Listen}, {"metrics.listen", c.Metrics.Listen}} {
		if l.v == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(l.v); err != nil {
			errs = append(errs, c.fault(l.key, "%q is not host:port", l.v))
		}
	}
	for i, t := range c.Seal.TSAs {
		if u, err := url.Parse(t.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			errs = append(errs, c.fault("seal.tsas", "entry %d: url %q is not http:// or https://", i+1, t.URL))
		}
		if t.Name == "" || t.Roots == "" {
			errs = append(errs, c.fault("seal.tsas", "entry %d needs name and roots (a PEM file of the authority's root certificates)", i+1))
		}
	}
	asked := map[string]bool{}
	for _, t := range c.Seal.TSAs {
		asked[t.Name] = true
	}
	for i, t := range c.Seal.Former {
		if t.Name == "" || t.Roots == "" || asked[t.Name] {
			errs = append(errs, c.fault("seal.former", "entry %d needs a name that none of seal.tsas has, the one it had there, and roots (a PEM file)", i+1))
		}
		asked[t.Name] = true
	}
	for _, name := range c.Seal.Weak {
		if !signatureAlgorithm(name) {
			errs = append(errs, c.fault("seal.weak", "%q is no signature algorithm; they are named like SHA256-RSA or ECDSA-SHA256", name))
		}
	}
	if c.Score.URL != "" {
		if u, err := url.Parse(c.Score.URL); err != nil || u.Host == "" {
			errs = append(errs, c.fault("score.url", "%q is not a URL", c.Score.URL))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) validateTimes() error {
	var errs []error
	between := func(key string, d Duration, lo, hi time.Duration) {
		if d.D() < lo || d.D() > hi {
			errs = append(errs, c.fault(key, "%s is not between %s and %s", d.D(), lo, hi))
		}
	}
	const day = 24 * time.Hour
	between("retention.untriaged", c.Retention.Untriaged, time.Minute, 36500*day)
	between("retention.finding", c.Retention.Finding, time.Minute, 36500*day)
	between("custody.every", c.Custody.Every, time.Second, day)
	between("seal.max_skew", c.Seal.MaxSkew, time.Second, day)
	between("seal.renew_before", c.Seal.RenewBefore, time.Hour, 3650*day)
	between("seal.timeout", c.Seal.Timeout, time.Second, 10*time.Minute)
	between("crawler.deadline", c.Crawler.Deadline, 5*time.Second, time.Hour)
	between("chrome.recycle_age", c.Chrome.RecycleAge, time.Minute, day)
	between("chrome.hang_wait", c.Chrome.HangWait, 3*time.Second, 10*time.Minute)
	between("egress.dial_timeout", c.Egress.DialTimeout, 100*time.Millisecond, 2*time.Minute)
	between("worker.lease", c.Worker.Lease, 2*time.Second, time.Hour)
	between("worker.drain", c.Worker.Drain, time.Second, time.Hour)
	between("worker.challenge_pause", c.Worker.Challenge, time.Second, 7*day)
	between("dispatcher.tick", c.Dispatcher.Tick, 10*time.Millisecond, time.Minute)
	between("dispatcher.reconcile", c.Dispatcher.Reconcile, 100*time.Millisecond, time.Hour)
	between("score.timeout", c.Score.Timeout, 100*time.Millisecond, 10*time.Minute)
	if c.Worker.Heartbeat.D() <= 0 || c.Worker.Heartbeat.D() > c.Worker.Lease.D()/2 {
		errs = append(errs, c.fault("worker.heartbeat", "%s must be at most half of worker.lease (%s)", c.Worker.Heartbeat.D(), c.Worker.Lease.D()))
	}
	if c.Retention.Finding < c.Retention.Untriaged {
		errs = append(errs, c.fault("retention.finding", "%s must not be shorter than retention.untriaged", c.Retention.Finding.D()))
	}
	return errors.Join(errs...)
}

func (c *Config) validateNumbers() error {
	var errs []error
	between := func(key string, n, lo, hi int64) {
		if n < lo || n > hi {
			errs = append(errs, c.fault(key, "%d is not between %d and %d", n, lo, hi))
		}
	}
	between("worker.pools.http", int64(c.Worker.Pools.HTTP), 0, 1024)
	between("worker.pools.browser", int64(c.Worker.Pools.Browser), 0, 256)
	between("worker.pools.score", int64(c.Worker.Pools.Score), 0, 1024)
	between("worker.pools.export", int64(c.Worker.Pools.Export), 0, 64)
	between("worker.spool_limit", int64(c.Worker.SpoolLimit), 1<<20, 1<<50)
	between("dispatcher.max_queued", int64(c.Dispatcher.MaxQueued), 1, 100000)
	between("chrome.contexts", int64(c.Chrome.Contexts), 1, 64)
	between("chrome.recycle_after", int64(c.Chrome.RecycleAfter), 1, 100000)
	between("chrome.recycle_rss", int64(c.Chrome.RecycleRSS), 100<<20, 1<<40)
	between("crawler.max_body", int64(c.Crawler.MaxBody), 1<<10, 4<<30)
	between("redis.db", int64(c.Redis.DB), 0, 15)
	return errors.Join(errs...)
}

// validateConnections are the settings of TLS and of Redis' forms, and that the
// files they name can be read: an operator hears of it before anything starts.
func (c *Config) validateConnections() error {
	var errs []error
	wrong := func(key, format string, args ...any) { errs = append(errs, c.fault(key, format, args...)) }
	r := c.Redis
	switch {
	case r.SentinelMaster != "" && len(r.Addresses) == 0:
		wrong("redis.sentinel_master", "needs the sentinels' host:port in redis.addresses")
	case r.SentinelMaster == "" && len(r.Addresses) > 1 && r.DB != 0:
		wrong("redis.db", "%d cannot be used: several addresses without sentinel_master are a Cluster, which has database 0 alone", r.DB)
	}
	if (r.CertFile == "") != (r.KeyFile == "") {
		wrong("redis.cert_file", "cert_file and key_file belong together")
		r.CertFile, r.KeyFile = "", "" // one sentence is enough
	}
	for _, f := range []struct {
		key, path string
		tls       bool
		tlsKey    string
	}{
		{"redis.ca_file", r.CAFile, r.TLS, "redis.tls"},
		{"redis.cert_file", r.CertFile, r.TLS, "redis.tls"},
		{"redis.key_file", r.KeyFile, r.TLS, "redis.tls"},
		{"redis.server_name", r.ServerName, r.TLS, "redis.tls"},
		{"storage.ca_file", c.Storage.CAFile, c.Storage.TLS, "storage.tls"},
	} {
		switch {
		case f.path == "":
		case !f.tls:
			wrong(f.key, "needs %s: true", f.tlsKey)
		case f.key == "redis.server_name":
		default:
			if _, err := os.ReadFile(f.path); err != nil {
				wrong(f.key, "cannot be read: %v", err)
			}
		}
	}
	return errors.Join(errs...)
}

// signatureAlgorithm reports whether crypto/x509 knows an algorithm of a name.
func signatureAlgorithm(name string) bool {
	for a := x509.MD2WithRSA; a <= x509.PureEd25519; a++ {
		if a.String() == name {
			return true
		}
	}
	return false
}
