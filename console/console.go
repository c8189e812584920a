package console

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// Config says where and how the console is served.
type Config struct {
	// Listen is the address it is served on, host:port. On a loopback address
	// only the names of this machine are answered, and while there is no
	// account a one-time link signs in as admin. Required.
	Listen string
	// URL is how people reach it, "https://console.example.org", when that is
	// not Listen: through a proxy that ends TLS, say. Its host is answered, its
	// scheme decides whether cookies are for TLS alone. Default: plain HTTP on
	// Listen.
	URL string
	// AccountsFile has the local accounts. Required.
	AccountsFile string
	// LocalActor names who uses the one-time link in custody events. Default
	// "local".
	LocalActor string
	// Build is the version that runs, for the status page.
	Build string
	// SessionIdle is how long a session lasts unused. Default 2 h.
	SessionIdle time.Duration
	// SessionLongest is how long it lasts at all. Default 12 h.
	SessionLongest time.Duration
	// MaxImage is the largest picture, in bytes, that is shown in a page.
	// Default 64 MiB; larger ones can be downloaded.
	MaxImage int64
	// MaxSource is how many bytes of a page's source are shown. Default 1 MiB;
	// all of it can be downloaded.
	MaxSource int64
	// TempDir is where a download waits while its digest is checked. Default:
	// the system's.
	TempDir string
}

func (c Config) withDefaults() Config {
	if c.LocalActor == "" {
		c.LocalActor = "local"
	}
	if c.SessionIdle == 0 {
		c.SessionIdle = 2 * time.Hour
	}
	if c.SessionLongest == 0 {
		c.SessionLongest = 12 * time.Hour
	}
	if c.MaxImage == 0 {
		c.MaxImage = 64 << 20
	}
	if c.MaxSource == 0 {
		c.MaxSource = 1 << 20
	}
	return c
}

// Validate names the first setting that cannot be.
func (c Config) Validate() error {
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("console.listen: %q is not host:port", c.Listen)
	}
	if c.URL != "" {
		u, err := url.Parse(c.URL)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			return fmt.Errorf("console.url: %q must be like https://console.example.org, without a path", c.URL)
		}
	}
	if c.AccountsFile == "" {
		return errors.New("console: the accounts file must be named")
	}
	if c.SessionIdle < 0 || c.SessionLongest < 0 || c.MaxImage < 0 || c.MaxSource < 0 {
		return errors.New("console: session times and sizes must not be negative")
	}
	return nil
}

// loopback reports whether only this machine can reach the console.
func (c Config) loopback() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

func (c Config) tls() bool { return strings.HasPrefix(c.URL, "https://") }

// Deps is what the console stands on.
type Deps struct {
	Sessions Sessions
	Findings Findings
	Listings Listings
	Watches  Watches
	Fire     Fire
	// Sites are the names of the sites there are files for, and CheckWatch says
	// what of a watch makes no sense beyond what the ledger checks; nil: nothing.
	Sites      []string
	CheckWatch func(w ledger.Watch) error
	Work       Work
	Lanes      Lanes
	Index      Index
	Matters    CaseIndex
	Cases      Cases
	Package    Package // nil: packages are made by the command alone
	Orders     Orders  // nil: packages are not ordered here
	Evidence   Evidence
	Custody    Custody
	Times      Times
	// Backlog is how many bytes of captures wait for storage in this process,
	// and how many may; nil when there is no worker in it.
	Backlog func() (used, limit int64)

	IDs  *capture.IDSource
	Now  func() time.Time
	Rand io.Reader // of tokens and salts; crypto/rand.Reader in production
	Log  *slog.Logger
}

// Server is the console. Safe for concurrent use.
type Server struct {
	cfg Config
	Deps
	accounts *Accounts
	sessions *sessions
	byName   *throttle // failures to sign in
	byClient *throttle // the same; behind a proxy all clients are one, so more is free
	thumbs   *thumbs
	packing  chan struct{} // one package at a time: it takes disk and patience
	pages    pages
	assets   assets

	mu   sync.Mutex
	link token // the one-time sign-in; "" when used or not made
}

// New makes a console.
func New(cfg Config, deps Deps) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, Deps: deps, accounts: OpenAccounts(cfg.AccountsFile, deps.Rand, deps.Now),
		sessions: &sessions{idle: cfg.SessionIdle, longest: cfg.SessionLongest, now: deps.Now, rand: deps.Rand, kept: deps.Sessions},
		byName:   &throttle{now: deps.Now, free: 5, step: time.Second, limit: time.Minute},
		byClient: &throttle{now: deps.Now, free: 30, step: time.Second, limit: time.Minute},
		thumbs:   newThumbs(), packing: make(chan struct{}, 1),
	}
	if _, err := s.accounts.List(); err != nil {
		return nil, err
	}
	var err error
	if s.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if s.pages, err = s.loadPages(); err != nil {
		return nil, err
	}
	return s, nil
}

// SignInLink gives a link that signs in once as admin, or "" when there are
// accounts or the console can be reached from other machines.
func (s *Server) SignInLink() (string, error) {
	all, err := s.accounts.List()
	if err != nil || len(all) > 0 || !s.cfg.loopback() {
		return "", err
	}
	t, err := newToken(s.Rand)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	s.link = t
	s.mu.Unlock()
	base := s.cfg.URL
	if base == "" {
		base = "http://" + s.cfg.Listen
	}
	return strings.TrimSuffix(base, "/") + "/signin?token=" + string(t), nil
}

// Handler serves the console.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes() {
		mux.Handle(r.pattern, s.serve(r))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, Person{}, answer{http.StatusNotFound, "There is no such page."})
	})
	return s.guard(mux)
}
