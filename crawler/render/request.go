package render

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Request is one page to render.
type Request struct {
	// URL is absolute, http or https.
	URL string
	// UserAgent replaces Chrome's own when not empty.
	UserAgent string
	// AcceptLanguage is the header's value, for example "de-DE,de;q=0.9".
	AcceptLanguage string
	// Locale is what scripts see, for example "de-DE". Default: Chrome's.
	Locale string
	// TimeZone is an IANA name, for example "Europe/Berlin". Default: the
	// machine's.
	TimeZone string
	// Width and Height are the viewport in CSS pixels. Default 1366 by 900.
	Width, Height int
	// Scale is device pixels per CSS pixel. Default 1.
	Scale float64
	// Deadline bounds loading and settling; reading the page out afterwards
	// is bounded by Config.StepTimeout per step. Default 45 seconds.
	Deadline time.Duration

	// ProxyAddr is the host:port of the HTTP proxy all of this capture's
	// traffic goes through. Without one nothing can leave.
	ProxyAddr string
	// Peer, when not nil, says which address the proxy connected to for a host
	// and port; behind a proxy Chrome knows only the proxy.
	Peer func(host string, port uint16) netip.AddrPort

	Cookies []Cookie
	// DismissSelectors are CSS selectors of a cookie banner's buttons; the
	// first that is visible is clicked, after a screenshot (RoleBefore).
	DismissSelectors []string

	// MaxBodyBytes bounds one response body, decoded. Default 32 MiB.
	MaxBodyBytes int64
	// MaxTotalBytes bounds all bodies of the capture. Default 192 MiB.
	MaxTotalBytes int64
	// MaxHeight bounds the full-page screenshot, in CSS pixels. Default 50,000.
	MaxHeight int
	// Screenshots asks for the viewport and full-page images.
	Screenshots bool

	// Gate, when not nil, is called right before the page is asked for, and may
	// wait. It gives what to call, from any goroutine, when the site has
	// answered or never will; an error ends the capture unasked.
	Gate func(ctx context.Context) (arrived func(), err error)

	// NewID makes ids for exchanges. Required.
	NewID func() capture.ID
	// SpoolDir is where large bodies are kept as files; the caller removes
	// it when the capture is done with. Empty: everything stays in memory.
	SpoolDir string
}

// Cookie is set before the first request.
type Cookie struct {
	Name, Value, Domain, Path string
	Secure, HTTPOnly          bool
}

func (q Request) withDefaults() Request {
	if q.Width == 0 {
		q.Width = 1366
	}
	if q.Height == 0 {
		q.Height = 900
	}
	if q.Scale == 0 {
		q.Scale = 1
	}
	if q.Deadline == 0 {
		q.Deadline = 45 * time.Second
	}
	if q.MaxBodyBytes == 0 {
		q.MaxBodyBytes = 32 << 20
	}
	if q.MaxTotalBytes == 0 {
		q.MaxTotalBytes = 192 << 20
	}
	if q.MaxHeight == 0 {
		q.MaxHeight = 50_000
	}
	return q
}

// check says why a request cannot be made at all; the outcome is what the
// capture ends with.
func (q Request) check() (capture.Outcome, string) {
	u, err := url.Parse(q.URL)
	switch {
	case err != nil || u.Host == "":
		return capture.BlockedAddr, "the URL cannot be read as an absolute one"
	case u.Scheme != "http" && u.Scheme != "https":
		return capture.BlockedAddr, fmt.Sprintf("only http and https are rendered, not %q", u.Scheme)
	case q.ProxyAddr == "":
		return capture.ConnectFailed, "no egress proxy was given, and nothing leaves without one"
	case q.NewID == nil:
		return capture.ConnectFailed, "the request has no source of ids"
	}
	if _, err := netip.ParseAddrPort(q.ProxyAddr); err != nil {
		return capture.ConnectFailed, "the egress proxy's address is not an IP address and port"
	}
	return "", ""
}

// viewport is the form the environment record keeps, "1366x900@1".
func (q Request) viewport() string {
	return fmt.Sprintf("%dx%d@%g", q.Width, q.Height, q.Scale)
}

// Result is what one rendering saw. It is never nil and always honest: what
// could not be had is in Missing, why it ended is in Outcome and Evidence.
type Result struct {
	URL       string
	FinalURL  string
	Redirects []capture.Redirect
	Exchanges []*capture.Exchange
	Artifacts []*capture.Artifact
	Missing   []capture.Missing
	// Outcome is "" when the page was loaded and read out; what the page says
	// (removed, challenge, HTTP status) is for the caller to judge. Refused
	// connections look like failed ones here: the guard records them.
	Outcome  capture.Outcome
	Evidence []string

	Status    int    // of the main document
	MediaType string // of the main document, as Chrome took it
	DOM       []byte // UTF-8 HTML; also an artifact
	Text      string
	Title     string

	// Browser, Flags, Sandboxed and Viewport go into the environment record.
	Browser   string
	UserAgent string
	Flags     []string
	Sandboxed bool
	Viewport  string

	Console   []string // errors and warnings, bounded
	Dialogs   []string // "alert: text", answered at once
	Downloads []string // URLs, denied
	Popups    []string // URLs, closed
	// Settled says how loading ended: "idle", or what was still going on.
	Settled string
	// Phases are how long each part took, in order.
	Phases []Phase

	Started  time.Time
	Finished time.Time
}

// Phase is one part of a rendering.
type Phase struct {
	Name string
	Took time.Duration
}

func (r *Result) miss(what, url, reason string) {
	r.Missing = append(r.Missing, capture.Missing{What: what, URL: url, Reason: reason})
}

func (r *Result) artifact(role capture.Role) *capture.Artifact {
	for _, a := range r.Artifacts {
		if a.Role == role {
			return a
		}
	}
	return nil
}
