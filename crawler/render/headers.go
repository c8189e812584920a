package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/network"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// headerOf gives the fields of a CDP header object. CDP has no order (it sorts
// by name) and joins repeated fields by line feeds; the name's case is true.
func headerOf(m network.Headers) capture.Header {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	var out capture.Header
	var host string
	for _, n := range names {
		v := fmt.Sprint(m[n])
		switch {
		case n == ":authority":
			host = v
		case strings.HasPrefix(n, ":"):
			// The other pseudo-fields of HTTP/2 are in method and URL.
		case strings.EqualFold(n, "proxy-connection"), strings.EqualFold(n, "proxy-authorization"):
			// Between Chrome and our own proxy; the site never sees it.
		default:
			for p := range strings.SplitSeq(v, "\n") {
				out = append(out, capture.Field{Name: n, Value: p})
			}
		}
	}
	if host != "" && out.Get("Host") == "" {
		out = append(capture.Header{{Name: "Host", Value: host}}, out...)
	}
	return out
}

// parseHead reads the verbatim head of an HTTP/1 response.
func parseHead(text string) (proto, status string, h capture.Header, ok bool) {
	first, rest, _ := strings.Cut(text, "\n")
	proto, status, found := strings.Cut(strings.TrimRight(first, "\r"), " ")
	if !found || !strings.HasPrefix(proto, "HTTP/") {
		return "", "", nil, false
	}
	_, status, _ = strings.Cut(status, " ")
	for line := range strings.SplitSeq(rest, "\n") {
		line = strings.TrimRight(line, "\r")
		if line == "" {
			continue
		}
		n, v, found := strings.Cut(line, ":")
		if !found || n == "" {
			return "", "", nil, false
		}
		h = append(h, capture.Field{Name: n, Value: strings.Trim(v, " \t")})
	}
	return strings.ToLower(proto), status, h, true
}
