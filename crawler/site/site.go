package site

import (
	"time"

	"github.com/trawlmark/trawlmark/crawler/listing"
)

// Kind is what a page of a marketplace is.
type Kind string

// The kinds of pages.
const (
	KindSearch  Kind = "search"  // a list of listings: results, a category, a shop's shelf
	KindListing Kind = "listing" // one item
	KindSeller  Kind = "seller"  // a seller's own page
	KindOther   Kind = "other"   // anything else, and what is not known
	KindNext    Kind = "next"    // only of links: the next page of a search
)

// RenderMode says whether a page kind goes to Chrome.
type RenderMode string

// The render modes.
const (
	RenderNever  RenderMode = "never"  // HTTP only
	RenderAuto   RenderMode = "auto"   // HTTP first, Chrome when Reading.NeedsChrome says why
	RenderAlways RenderMode = "always" // straight to Chrome
)

// Robots policies.
const (
	RobotsObey   = "obey"   // robots.txt decides
	RobotsRecord = "record" // what robots.txt says is recorded, not obeyed
)

// Site is one marketplace. A Site handed out by a Set is specialised to the
// host that was asked for (Country, Currency, Language, Lane of that host) and
// must not be changed.
type Site struct {
	Name     string `yaml:"name"`     // lower-case word, unique; the file name is not used
	Title    string `yaml:"title"`    // for people
	Country  string `yaml:"country"`  // ISO 3166 alpha-2 of the default host; "" for many
	Currency string `yaml:"currency"` // ISO 4217 the host sells in; "" when it sells in several
	Language string `yaml:"language"` // BCP 47
	Lane     string `yaml:"lane"`     // what politeness is counted on; default: the name
	Egress   string `yaml:"egress"`   // named proxy that visits leave through; "" the configured way out
	Hosts    []Host `yaml:"hosts"`

	Render     map[Kind]RenderMode `yaml:"render"` // default auto
	Politeness Politeness          `yaml:"politeness"`
	Browser    Browser             `yaml:"browser"`
	Search     Search              `yaml:"search"`

	// Pages tell page kinds by their address; the first that fits wins.
	Pages []PageRule `yaml:"pages"`
	// Markers tell what a page means, by outcome name.
	Markers Markers `yaml:"markers"`
	// Links say how listings are found on a search page.
	Links LinkRules `yaml:"links"`
	// Listing says where fields stand on a listing page.
	Listing listing.Rules `yaml:"listing"`

	// Generic is true for the site of unknown hosts.
	Generic bool `yaml:"-"`

	hostName string // of the host this copy is specialised to
	compiled bool
}

// Host is one host name of a site, subdomains included.
type Host struct {
	Name     string `yaml:"name"`     // "ebay.de" also covers www.ebay.de; "ebay.*" is not allowed
	Country  string `yaml:"country"`  // the rest default to the site's
	Currency string `yaml:"currency"` //
	Language string `yaml:"language"` //
	Lane     string `yaml:"lane"`     //
	Egress   string `yaml:"egress"`   //
	Search   string `yaml:"search"`   // host that search URLs are built on; default the site's first
}

// Politeness bounds how fast a lane is asked. The delay between two requests is
// Factor x the response time, within [MinDelay, MaxDelay].
type Politeness struct {
	MinDelay time.Duration `yaml:"min_delay"` // default 2s
	MaxDelay time.Duration `yaml:"max_delay"` // default 60s
	Factor   float64       `yaml:"factor"`    // default 5
	Robots   string        `yaml:"robots"`    // obey (default) or record
}

// Browser is how Chrome presents itself and what it clicks.
type Browser struct {
	Locale         string   `yaml:"locale"`          // "de-DE"; default the host's language
	TimeZone       string   `yaml:"time_zone"`       // IANA; default none
	Viewport       string   `yaml:"viewport"`        // "1366x900"; default that
	UserAgent      string   `yaml:"user_agent"`      // default "": the crawler's own honest one
	AcceptLanguage string   `yaml:"accept_language"` // default from the language
	Dismiss        []string `yaml:"dismiss"`         // CSS selectors of buttons that close a cookie banner, first that is there
	WaitFor        []string `yaml:"wait_for"`        // CSS selectors; any of them means that the page is there
}

// Search says how a search URL is built. In the template {term} is the term,
// query-escaped ({term:path} path-escaped, {term:dash} words joined by '-',
// {term:plus} words joined by '+', {term:gbk} and {term:eucjp} escaped in that
// encoding), {page} the page from 1, {page0} from 0, {offset} the number of
// items before the page, {offset1} one more, {size} items per page, {host} the
// site's search host.
type Search struct {
	URL      string `yaml:"url"`
	First    string `yaml:"first"`     // template of page 1, when it differs
	PageSize int    `yaml:"page_size"` // for {offset}
	MaxPages int    `yaml:"max_pages"` // the site shows no more; 0 unknown
}

// Match is what an address means.
type Match struct {
	Site      *Site // never nil; the generic one when the host is unknown
	Kind      Kind
	ItemID    string // "" when the address names none
	Canonical string // the address without what does not matter; never ""
	// Lane is the host group that politeness is counted on and, when a named
	// proxy is used, "@" and its name: a site counts each address it sees.
	Lane string
}

// Page is what came back for a URL.
type Page struct {
	URL         string // as asked
	FinalURL    string // after redirects; "" is URL
	Status      int    // HTTP status; 0 is unknown, read as 200
	Header      func(name string) string
	ContentType string
	Body        []byte // content-decoded; the charset is not
	Rendered    bool   // the DOM from Chrome: UTF-8, and no shell any more
	listed      bool   // a person says that it is a listing's page
	// Asked is what the address was known to be when it was queued; nil: by URL.
	Asked *Match
}

// Link is an address worth visiting, found on a page.
type Link struct {
	URL       string // absolute, as the page has it
	Canonical string
	ItemID    string
	Kind      Kind // listing, next or seller
	Position  int  // 1.. among the listings of the page; 0 for other kinds
	Title     string
	PriceText string // as shown
}
