package capture

import "time"

// Role names what an artifact is. Roles are the names artifacts are stored,
// listed and verified under.
type Role string

// The roles.
const (
	// RoleDOM is the serialised document after rendering, UTF-8 HTML.
	RoleDOM Role = "dom"
	// RoleHTML is the page's HTML as served (the main response's body, on the
	// wire form): a copy of bytes that the WARC holds too, for people.
	RoleHTML Role = "html"
	// RoleViewport is a PNG of the first screen.
	RoleViewport Role = "viewport"
	// RoleFullPage is a PNG of the whole page; pages higher than Chrome can
	// draw in one go are numbered tiles from the top (Artifact.Tile 1, 2, ...).
	RoleFullPage Role = "fullpage"
	// RoleText is the visible text, UTF-8.
	RoleText Role = "text"
	// RolePageInfo is JSON: url -> status, mime, kind, error for every request.
	RolePageInfo Role = "pageinfo"
	// RoleBefore is a PNG taken before a cookie banner was dismissed.
	RoleBefore Role = "before"
	// RoleReading is JSON: what was read from the page, value by value with its
	// source. It is derived, not observed: a reader of the evidence can redo it.
	RoleReading Role = "reading"
)

// Artifact is a direct observation other than an exchange.
type Artifact struct {
	Role      Role
	Tile      int // 0, or 1.. for tiles
	MediaType string
	URL       string // of the page it shows
	Taken     time.Time
	Width     int // pixels, images only
	Height    int
	Body      Body
}

// Redirect is one hop on the way from the URL asked for.
type Redirect struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Status int    `json:"status"` // 0 for a redirect by the page (meta refresh, script)
}

// Missing is something that should be in a capture and is not.
type Missing struct {
	What   string `json:"what"` // body, screenshot, dom, event, ...
	URL    string `json:"url,omitempty"`
	Reason string `json:"reason"`
}

// Environment describes what a visit was made with. It is recorded as it is,
// flattering or not.
type Environment struct {
	Software  string   `json:"software"` // "trawlmark <version> (<commit>)"
	Worker    string   `json:"worker"`
	UserAgent string   `json:"user_agent"`
	Browser   string   `json:"browser,omitempty"` // product and version
	Flags     []string `json:"flags,omitempty"`
	Viewport  string   `json:"viewport,omitempty"` // "1366x900@1"
	Locale    string   `json:"locale,omitempty"`
	TimeZone  string   `json:"time_zone,omitempty"`
	Sandboxed bool     `json:"sandboxed"`
	Fresh     bool     `json:"fresh_profile"`
	EgressIP  string   `json:"egress_ip,omitempty"`
	Proxy     string   `json:"proxy,omitempty"` // credentials removed
	ExtraCAs  []Digest `json:"extra_cas,omitempty"`
}

// Clock is what is known of the clock the times were read from.
type Clock struct {
	Source string        `json:"source"` // "system", "ntp:<server>"
	Offset time.Duration `json:"offset_ns"`
	Error  time.Duration `json:"error_ns"` // bound on |offset|; 0 = unknown
}

// Policy is what was obeyed, and what was overridden.
type Policy struct {
	Robots    string   `json:"robots"` // allowed, denied, missing, unreachable, overridden
	RobotsURL string   `json:"robots_url,omitempty"`
	Overrides []string `json:"overrides,omitempty"`
	Render    string   `json:"render"` // never, auto, always
	// Escalated lists why the visit went to Chrome; empty when it did not.
	Escalated []string `json:"escalated,omitempty"`
}

// Anchor is the newest stamped checkpoint known when a visit began: the visit
// happened after it.
type Anchor struct {
	Origin     string    `json:"origin"`
	Size       int64     `json:"size"`
	Root       string    `json:"root"`  // base64, as in the checkpoint
	Stamp      Digest    `json:"stamp"` // SHA-256 of the .tsr
	StampedAt  time.Time `json:"stamped_at"`
	Checkpoint Digest    `json:"checkpoint"` // SHA-256 of the signed note
}

// Asked is who wanted the visit, and why it was made.
type Asked struct {
	Job       string `json:"job,omitempty"`
	Epoch     int64  `json:"epoch,omitempty"`
	Watch     string `json:"watch,omitempty"`
	By        string `json:"by"` // a person or "schedule"
	Site      string `json:"site"`
	PageKind  string `json:"page_kind"` // search, listing, seller, other
	ItemID    string `json:"item_id,omitempty"`
	Canonical string `json:"canonical,omitempty"`
}

// Capture is all that one visit saw.
type Capture struct {
	ID    ID
	Asked Asked

	URL       string // as asked
	FinalURL  string // as shown in the end
	Redirects []Redirect

	Started  time.Time     // wall clock, UTC
	Finished time.Time     // wall clock, UTC
	Elapsed  time.Duration // monotonic

	Outcome Outcome
	// Evidence names what the outcome was read from, a sentence each.
	Evidence []string

	After    *Anchor // nil when no stamped checkpoint was known
	Previous *Digest // manifest digest of this listing's previous capture

	Exchanges   []*Exchange
	Artifacts   []*Artifact
	DNS         []DNSAnswer
	Refusals    []Refusal
	Missing     []Missing
	Environment Environment
	Clock       Clock
	Policy      Policy
}

// Main gives the exchange that served the page in the end: the last one marked
// Main that has a response, else the last marked Main, else nil.
func (c *Capture) Main() *Exchange {
	var last, answered *Exchange
	for _, e := range c.Exchanges {
		if !e.Main {
			continue
		}
		last = e
		if e.Status != 0 {
			answered = e
		}
	}
	if answered != nil {
		return answered
	}
	return last
}

// Artifact gives the first artifact of a role, or nil.
func (c *Capture) Artifact(r Role) *Artifact {
	for _, a := range c.Artifacts {
		if a.Role == r {
			return a
		}
	}
	return nil
}
