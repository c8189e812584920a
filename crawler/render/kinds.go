package render

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/chromedp/cdproto/network"
)

// kindOf names a resource type in the words of capture.Exchange.
func kindOf(t network.ResourceType) string {
	switch t {
	case network.ResourceTypeXHR:
		return "xhr"
	case network.ResourceTypeDocument, network.ResourceTypeStylesheet, network.ResourceTypeImage,
		network.ResourceTypeMedia, network.ResourceTypeFont, network.ResourceTypeScript,
		network.ResourceTypeFetch, network.ResourceTypeWebSocket:
		return strings.ToLower(string(t))
	default:
		return "other"
	}
}

// waitsFor reports whether settling waits for a kind of request. Streams have
// no end, and nobody looks at the answer to a ping.
func waitsFor(t network.ResourceType) bool {
	switch t {
	case network.ResourceTypeEventSource, network.ResourceTypeWebSocket, network.ResourceTypePing,
		network.ResourceTypeCSPViolationReport, network.ResourceTypePrefetch, network.ResourceTypeMedia:
		return false
	}
	return true
}

// peer sets whom the exchange was with. Behind a proxy Chrome only knows the
// proxy; the egress guard knows better.
func (r *recorder) peer(h *hop) {
	if !h.answered || h.ex.FromCache {
		return
	}
	a, err := netip.ParseAddr(strings.Trim(h.remoteIP, "[]"))
	if err == nil && h.port > 0 && h.port < 1<<16 {
		h.ex.Remote = netip.AddrPortFrom(a, uint16(h.port))
	}
	if h.ex.Remote.String() != r.req.ProxyAddr && h.ex.Remote.IsValid() {
		return
	}
	h.ex.Remote = netip.AddrPort{}
	if r.req.Peer == nil {
		return
	}
	if u, err := url.Parse(h.ex.URL); err == nil {
		h.ex.Remote = r.req.Peer(u.Hostname(), portOf(u))
	}
}

func portOf(u *url.URL) uint16 {
	if p, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		return uint16(p)
	}
	if u.Scheme == "https" || u.Scheme == "wss" {
		return 443
	}
	return 80
}

func originOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return ""
	}
	scheme := u.Scheme
	switch scheme {
	case "wss":
		scheme = "https"
	case "ws":
		scheme = "http"
	}
	return scheme + "://" + u.Host
}
