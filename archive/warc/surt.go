package warc

import (
	"fmt"
	"slices"
	"strings"
)

// surt gives the key of a URL in a CDXJ index: the host's labels in reverse
// order, then the path, then the query with its arguments in order, all in
// lower case: "https://www.shop.example/A?b=2&a=1" is "example,shop)/a?a=1&b=2".
// It is the form that warcio, pywb and ReplayWeb.page look URLs up by. Other
// URLs (urn:, dns:) are their own key.
//
// The target is clean (clean.go) and absolute. A host that is not ASCII has no
// IDNA form here: crawler/scope makes that long before.
func surt(target string) string {
	scheme, rest, ok := strings.Cut(target, "://")
	if !ok || scheme != "http" && scheme != "https" {
		return target
	}
	rest = strings.ToLower(trimWWW(rest))
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	rest = strings.ReplaceAll(rest, `\`, "/")
	host, path, _ := strings.Cut(rest, "/")
	host = host[strings.LastIndexByte(host, '@')+1:]
	var port string
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host, port = host[:i], host[i+1:]
	}
	if host == "" {
		return target
	}
	labels := strings.Split(host, ".")
	slices.Reverse(labels)
	key := strings.Join(labels, ",")
	if port != "" && (scheme != "http" || port != "80") && (scheme != "https" || port != "443") {
		key += ":" + port
	}
	key += ")" + encode(undotted("/"+path), " \"<>`{}")
	if query == "" {
		return key
	}
	args := strings.Split(encode(query, " \"<>'"), "&")
	slices.Sort(args)
	return key + "?" + strings.Join(args, "&")
}

// trimWWW drops "www." and "www2." from the front of a host.
func trimWWW(host string) string {
	rest, ok := strings.CutPrefix(host, "www")
	if !ok {
		return host
	}
	if rest, ok = strings.CutPrefix(strings.TrimLeft(rest, "0123456789"), "."); ok {
		return rest
	}
	return host
}

// encode does what the URL standard does to a path or a query: line ends and
// tabs go, and bytes of the set, controls and non-ASCII are percent-encoded.
func encode(s, set string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\t' || c == '\n' || c == '\r':
		case c < ' ' || c >= 0x7f || strings.IndexByte(set, c) >= 0:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// undotted removes "." and ".." segments (URL standard, path state); the path
// is in lower case.
func undotted(path string) string {
	if !strings.Contains(path, "/.") && !strings.Contains(path, "/%2e") {
		return path
	}
	var out []string
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch strings.ReplaceAll(s, "%2e", ".") {
		case ".":
			if last {
				out = append(out, "")
			}
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, s)
		}
	}
	return "/" + strings.Join(out, "/")
}
