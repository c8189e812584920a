package markettest

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Config says how the marketplace behaves. The zero value is a good one.
type Config struct {
	// Seed gives ids, ranks and changes. 0 is a seed like any other.
	Seed int64
	// Day is the day to begin with, 0 or more.
	Day int
	// Now is the clock of the access log and of Retry-After dates; default
	// time.Now.
	Now func() time.Time
	// Domain is the zone of the host names that are served: market., cdn.,
	// frame. and evil. of it; default "demo.test". Any other host gets the
	// marketplace too, with everything on the one host.
	Domain string

	// CrawlDelay is what robots.txt asks for, whole seconds; default 1 s,
	// negative for none.
	CrawlDelay time.Duration
	// Throttles is how often each client is told 429 on a throttled listing
	// before it is served; default 2.
	Throttles int
	// RetryAfter is what a 429 or 503 asks for, whole seconds; default 2 s.
	RetryAfter time.Duration
	// MinGap, when set, answers 429 to a client whose request for a page
	// comes sooner than this after the one before: the site's own judge of
	// politeness. Pictures and scripts do not count.
	MinGap time.Duration
	// FirstByte is how late slow pages begin; default 3 s.
	FirstByte time.Duration
	// TrickleGap is the pause between the 40 pieces of a trickled page;
	// default 100 ms.
	TrickleGap time.Duration
	// APIDelay is how long the item API takes; default 0.
	APIDelay time.Duration
	// HugeBytes is the size of the huge page; default 30 MB.
	HugeBytes int64
	// BombBytes is what the gzip bomb grows to; default 512 MiB.
	BombBytes int64
	// PrivateTarget is where FaultPrivate redirects to; default the address
	// of cloud metadata services.
	PrivateTarget string
	// LogLimit bounds the access log; default 1,000,000 lines. What does not
	// fit is counted, see LogDropped.
	LogLimit int
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Domain == "" {
		c.Domain = "demo.test"
	}
	if c.Throttles == 0 {
		c.Throttles = 2
	}
	if c.HugeBytes == 0 {
		c.HugeBytes = 30_000_000
	}
	if c.BombBytes == 0 {
		c.BombBytes = 512 << 20
	}
	if c.PrivateTarget == "" {
		c.PrivateTarget = "http://169.254.169.254/latest/meta-data/"
	}
	if c.LogLimit == 0 {
		c.LogLimit = 1_000_000
	}
	def(&c.CrawlDelay, time.Second)
	def(&c.RetryAfter, 2*time.Second)
	def(&c.FirstByte, 3*time.Second)
	def(&c.TrickleGap, 100*time.Millisecond)
	return c
}

// Market is the marketplace: an http.Handler and the truth about what it
// serves. Its methods may be called at any time from anywhere.
type Market struct {
	cfg     Config
	world   atomic.Pointer[world]
	moving  sync.Mutex // held while the day changes
	gallery *gallery
	pages   *template.Template
	log     accessLog
	visits  visits
	mux     *http.ServeMux
	zippers sync.Pool // of *gzip.Writer

	stop    context.Context // ends pages that have no end
	stopAll context.CancelFunc
}

// New builds the marketplace of a seed and day. Close ends what runs for ever.
func New(cfg Config) *Market {
	m := &Market{cfg: cfg.withDefaults(), gallery: newGallery(), pages: parsePages()}
	m.stop, m.stopAll = context.WithCancel(context.Background())
	m.log.limit = m.cfg.LogLimit
	m.world.Store(build(m.cfg.Seed, m.cfg.Day))
	m.mux = m.routes()
	return m
}

// Close ends the answers that would never end by themselves.
func (m *Market) Close() { m.stopAll() }

// Day is the day it is on the marketplace.
func (m *Market) Day() int { return m.world.Load().day }

// Advance goes to the next day and says what changed.
func (m *Market) Advance() []Change {
	m.moving.Lock()
	defer m.moving.Unlock()
	next := build(m.cfg.Seed, m.world.Load().day+1)
	m.world.Store(next)
	var today []Change
	for _, c := range next.changes {
		if c.Day == next.day {
			today = append(today, c)
		}
	}
	return today
}

// Changes gives everything that happened since day 0.
func (m *Market) Changes() []Change { return slices.Clone(m.world.Load().changes) }

// Listings gives all listings of the day with the truth about them, those
// that are removed too.
func (m *Market) Listings() []Listing { return slices.Clone(m.world.Load().listings) }

// Listing finds one by its key or its id.
func (m *Market) Listing(keyOrID string) (Listing, bool) {
	w := m.world.Load()
	if i, ok := w.byKey[keyOrID]; ok {
		return w.listings[i], true
	}
	if i, ok := w.byID[keyOrID]; ok {
		return w.listings[i], true
	}
	return Listing{}, false
}

// WithFault gives the listings whose page has a fault.
func (m *Market) WithFault(f Fault) []Listing {
	var out []Listing
	for _, l := range m.world.Load().listings {
		if l.Fault == f {
			out = append(out, l)
		}
	}
	return out
}

// Results gives what the search for q finds, in the order of its pages.
func (m *Market) Results(q string) []Listing { return m.world.Load().search(m.cfg.Seed, q) }

// Shops gives all sellers.
func (m *Market) Shops() []Shop {
	var out []Shop
	for _, s := range shops() {
		out = append(out, m.world.Load().shops[s.ID])
	}
	return out
}

// PictureBytes gives the bytes of a listing's picture.
func (m *Market) PictureBytes(l Listing, i int) []byte { return m.gallery.bytes(l.Pictures[i]) }

// Hosts are the names that are served apart; an egress override maps them to
// the server's address.
func (m *Market) Hosts() []string {
	d := m.cfg.Domain
	return []string{"market." + d, "cdn." + d, "frame." + d, "evil." + d}
}

// SearchPath gives the path of a page of search results, pages from 1.
func SearchPath(q string, page int) string {
	return fmt.Sprintf("/search?q=%s&page=%d", template.URLQueryEscaper(q), page)
}
