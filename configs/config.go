package configs

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
)

//go:embed trawlmark.yaml
var example []byte

//go:embed sites/*.yaml
var sites embed.FS

// Example is the documented configuration with every key at its default.
func Example() []byte { return example }

// Sites holds the embedded site adapters.
func Sites() fs.FS {
	dir, err := fs.Sub(sites, "sites")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return dir
}

// Config is what trawlmark.yaml says. The keys are documented there.
type Config struct {
	DataDir  string `yaml:"data_dir"`
	Operator string `yaml:"operator"`

	Database   Database   `yaml:"database"`
	Redis      Redis      `yaml:"redis"`
	Storage    Storage    `yaml:"storage"`
	Retention  Retention  `yaml:"retention"`
	Custody    Custody    `yaml:"custody"`
	Seal       Seal       `yaml:"seal"`
	Crawler    Crawler    `yaml:"crawler"`
	Chrome     Chrome     `yaml:"chrome"`
	Egress     Egress     `yaml:"egress"`
	Worker     Worker     `yaml:"worker"`
	Dispatcher Dispatcher `yaml:"dispatcher"`
	Score      Score      `yaml:"score"`
	Console    Console    `yaml:"console"`
	Metrics    Listen     `yaml:"metrics"`
	Log        Log        `yaml:"log"`

	file string // where it was read from, for errors; "" for the defaults
}

// Database is where the ledger and the catalogue live.
type Database struct {
	URL Secret `yaml:"url"`
}

// Redis is the queue's server.
type Redis struct {
	Addresses        []string `yaml:"addresses"`
	SentinelMaster   string   `yaml:"sentinel_master"`
	Username         string   `yaml:"username"`
	Password         Secret   `yaml:"-"`
	SentinelPassword Secret   `yaml:"-"`
	TLS              bool     `yaml:"tls"`
	CAFile           string   `yaml:"ca_file"`
	CertFile         string   `yaml:"cert_file"`
	KeyFile          string   `yaml:"key_file"`
	ServerName       string   `yaml:"server_name"`
	DB               int      `yaml:"db"`
}

// Storage is the S3 server that evidence goes to.
type Storage struct {
	Endpoint      string `yaml:"endpoint"`
	Bucket        string `yaml:"bucket"`
	Region        string `yaml:"region"`
	TLS           bool   `yaml:"tls"`
	CAFile        string `yaml:"ca_file"`
	Prefix        string `yaml:"prefix"`
	AllowUnlocked bool   `yaml:"allow_unlocked"`
	AccessKey     Secret `yaml:"-"`
	SecretKey     Secret `yaml:"-"`
}

// Retention is how long captures are locked.
type Retention struct {
	Mode          string   `yaml:"mode"`
	Untriaged     Duration `yaml:"untriaged"`
	Finding       Duration `yaml:"finding"`
	DeleteExpired bool     `yaml:"delete_expired"`
}

// Custody is the append-only log.
type Custody struct {
	Origin string   `yaml:"origin"`
	Key    string   `yaml:"key"` // file; "" for keys/custody.key in the data folder
	Every  Duration `yaml:"every"`
}

// Seal is who stamps the log's checkpoints.
type Seal struct {
	TSAs        []TSA       `yaml:"tsas"`
	Former      []FormerTSA `yaml:"former"`
	MaxSkew     Duration    `yaml:"max_skew"`
	Timeout     Duration    `yaml:"timeout"`
	RenewBefore Duration    `yaml:"renew_before"`
	Weak        []string    `yaml:"weak"`
	Revocation  bool        `yaml:"revocation"`
}

// FormerTSA is an authority that is not asked any more, but whose stamps count.
type FormerTSA struct {
	Name  string `yaml:"name"`
	Roots string `yaml:"roots"`     // PEM file
	Chain string `yaml:"untrusted"` // PEM file of intermediates, optional
}

// TSA is one time-stamping authority.
type TSA struct {
	Name     string `yaml:"name"`
	URL      string `yaml:"url"`
	Roots    string `yaml:"roots"`     // PEM file
	Chain    string `yaml:"untrusted"` // PEM file of intermediates, optional
	Username string `yaml:"username"`
	Password Secret `yaml:"-"`
}

// Crawler is how a visit behaves.
type Crawler struct {
	UserAgent     string   `yaml:"user_agent"`
	Deadline      Duration `yaml:"deadline"`
	MaxBody       Size     `yaml:"max_body"`
	Render        string   `yaml:"render"`
	ScreenshotAll bool     `yaml:"screenshot_all"`
	SitesDir      string   `yaml:"sites_dir"`
	// Logins are cookie files by site name.
	Logins map[string]string `yaml:"logins"`
}

// Chrome is the browser.
type Chrome struct {
	Path         string   `yaml:"path"`
	Contexts     int      `yaml:"contexts"`
	RecycleAfter int      `yaml:"recycle_after"`
	RecycleAge   Duration `yaml:"recycle_age"`
	RecycleRSS   Size     `yaml:"recycle_rss"`
	HangWait     Duration `yaml:"hang_wait"`
	Sandbox      string   `yaml:"sandbox"` // require, prefer or off
}

// Egress is the only way out.
type Egress struct {
	Allow       []string          `yaml:"allow"`
	Override    map[string]string `yaml:"override"`
	ExtraCA     string            `yaml:"extra_ca"`
	DialTimeout Duration          `yaml:"dial_timeout"`
	Proxies     []string          `yaml:"proxies"`
	Proxy       Secret            `yaml:"-"`
	// ProxyURLs are the addresses of Proxies, by name.
	ProxyURLs map[string]Secret `yaml:"-"`
}

// Worker is what one process works on.
type Worker struct {
	Name       string   `yaml:"name"`
	Pools      Pools    `yaml:"pools"`
	Lease      Duration `yaml:"lease"`
	Heartbeat  Duration `yaml:"heartbeat"`
	Drain      Duration `yaml:"drain"`
	Challenge  Duration `yaml:"challenge_pause"`
	SpoolLimit Size     `yaml:"spool_limit"`
}

// Pools is how many jobs of each pool run at once.
type Pools struct {
	HTTP    int `yaml:"http"`
	Browser int `yaml:"browser"`
	Score   int `yaml:"score"`
	Export  int `yaml:"export"`
}

// Dispatcher is how work is handed out.
type Dispatcher struct {
	Tick      Duration `yaml:"tick"`
	Reconcile Duration `yaml:"reconcile"`
	MaxQueued int      `yaml:"max_queued"`
}

// Score is who scores suspicious listings.
type Score struct {
	URL     string   `yaml:"url"`
	Timeout Duration `yaml:"timeout"`
	Token   Secret   `yaml:"-"`
}

// Console is where people use it.
type Console struct {
	Listen string `yaml:"listen"`
	URL    string `yaml:"url"`
}

// Listen is an address to serve on.
type Listen struct {
	Listen string `yaml:"listen"`
}

// Log is how the program reports.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Default is the embedded example, decoded.
func Default() *Config {
	var c Config
	if err := yaml.UnmarshalWithOptions(example, &c, yaml.Strict()); err != nil {
		panic("configs: the embedded defaults do not parse: " + err.Error()) // a test holds it
	}
	return &c
}

// Load reads a configuration file over the defaults and secrets from getenv.
// path "" means defaults only. The result is valid.
func Load(path string, getenv func(string) string) (*Config, error) {
	c := Default()
	if path != "" {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no configuration file %s: write one (`trawlmark config example > %s`) or leave out --config", path, filepath.Base(path))
		}
		if err != nil {
			return nil, fmt.Errorf("the configuration could not be read: %w", err)
		}
		c.file = path
		if err := decode(path, text, c); err != nil {
			return nil, err
		}
	}
	c.secrets(getenv)
	if err := c.validate(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Config) secrets(getenv func(string) string) {
	set := func(dst *Secret, name string) {
		if v := getenv(name); v != "" {
			*dst = Secret(v)
		}
	}
	set(&c.Database.URL, "TRAWLMARK_DATABASE_URL")
	set(&c.Redis.Password, "TRAWLMARK_REDIS_PASSWORD")
	set(&c.Redis.SentinelPassword, "TRAWLMARK_REDIS_SENTINEL_PASSWORD")
	set(&c.Storage.AccessKey, "TRAWLMARK_S3_ACCESS_KEY")
	set(&c.Storage.SecretKey, "TRAWLMARK_S3_SECRET_KEY")
	set(&c.Score.Token, "TRAWLMARK_SCORER_TOKEN")
	set(&c.Egress.Proxy, "TRAWLMARK_PROXY_URL")
	if v := getenv(ConsoleURLVariable); v != "" {
		c.Console.URL = v
	}
	for _, name := range c.Egress.Proxies {
		if c.Egress.ProxyURLs == nil {
			c.Egress.ProxyURLs = map[string]Secret{}
		}
		c.Egress.ProxyURLs[name] = Secret(getenv(ProxyVariable(name)))
	}
	for i := range c.Seal.TSAs {
		set(&c.Seal.TSAs[i].Password, "TRAWLMARK_TSA_"+envName(c.Seal.TSAs[i].Name)+"_PASSWORD")
	}
}

// ConsoleURLVariable is the environment variable that goes over console.url.
const ConsoleURLVariable = "TRAWLMARK_CONSOLE_URL"

// ProxyVariable is the environment variable with the address of a named proxy.
func ProxyVariable(name string) string { return "TRAWLMARK_PROXY_" + envName(name) + "_URL" }
