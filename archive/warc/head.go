package warc

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// maxHead bounds an HTTP head, written or read. The fetchers stop far below it.
const maxHead = 8 << 20

// responseHead gives the status line and the header as HTTP/1.1, whatever
// protocol the exchange had, with the empty line that ends it.
func responseHead(n *notes, e *capture.Exchange) ([]byte, error) {
	var b bytes.Buffer
	text := n.value("start-line", "", e.StatusText)
	if text == "" {
		text = reason(e.Status)
	}
	code := e.Status
	if code < 0 || code > 999 {
		n.add("start-line", "", strconv.Itoa(e.Status))
		code = 0
	}
	fmt.Fprintf(&b, "HTTP/1.1 %03d %s\r\n", code, text)
	n.fields(&b, bodied(split(e.ResponseHeader, e.Via), e))
	return ended(&b)
}

// requestHead gives the request line and the header as HTTP/1.1.
func requestHead(n *notes, e *capture.Exchange, target string) ([]byte, error) {
	var b bytes.Buffer
	method := e.Method
	if !isToken(method) {
		n.add("start-line", "method", method)
		method = tokenOf(method)
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, origin(target))
	h := split(e.RequestHeader, e.Via)
	if h.Get("Host") == "" {
		// HTTP/2 has it in :authority, and net/http keeps it apart.
		host := h.Get(":authority")
		if host == "" {
			host = authority(target)
		}
		h = append(capture.Header{{Name: "Host", Value: host}}, h...)
	}
	n.fields(&b, renamed(h, "transfer-encoding"))
	return ended(&b)
}

func ended(b *bytes.Buffer) ([]byte, error) {
	b.WriteString("\r\n")
	if b.Len() > maxHead {
		return nil, fmt.Errorf("an HTTP head of %d bytes is larger than the %d that are kept", b.Len(), maxHead)
	}
	return b.Bytes(), nil
}

// fields writes header lines. The pseudo-header fields of HTTP/2 (RFC 9113
// section 8.3) are not written: the start line and Host say the same. A head
// without any field gets noHeader, because warcio takes the body for the
// header then.
func (n *notes) fields(b *bytes.Buffer, h capture.Header) {
	h = slices.DeleteFunc(slices.Clone(h), func(f capture.Field) bool { return pseudo(f.Name) })
	if len(h) == 0 {
		h = capture.Header{noHeader}
	}
	for _, f := range h {
		name := n.name(f.Name)
		b.WriteString(name)
		b.WriteString(": ")
		b.WriteString(n.value("header-value", name, f.Value))
		b.WriteString("\r\n")
	}
}

var noHeader = capture.Field{Name: "x-orig-header", Value: "none"}

func pseudo(name string) bool {
	switch name {
	case ":method", ":scheme", ":authority", ":path", ":status", ":protocol":
		return true
	}
	return false
}

// split undoes what Chrome does to fields of one name: DevTools hands them over
// as one value with a line feed between each two.
func split(h capture.Header, via string) capture.Header {
	if via != "chrome" {
		return h
	}
	var out capture.Header
	for _, f := range h {
		for _, v := range strings.Split(f.Value, "\n") {
			out = append(out, capture.Field{Name: f.Name, Value: v})
		}
	}
	return out
}

// renamed gives the header with the named fields as x-orig-<name>: they
// describe an encoding that the kept body no longer has.
func renamed(h capture.Header, names ...string) capture.Header {
	out := make(capture.Header, len(h))
	for i, f := range h {
		for _, name := range names {
			if strings.EqualFold(f.Name, name) {
				f.Name = "x-orig-" + f.Name
			}
		}
		out[i] = f
	}
	return out
}

// bodied makes the header fit the body that is kept.
func bodied(h capture.Header, e *capture.Exchange) capture.Header {
	if !e.Decoded {
		return renamed(h, "transfer-encoding")
	}
	h = renamed(h, "content-encoding", "transfer-encoding")
	if e.Body == nil && e.MissingBody == "" {
		return h // HEAD, 204, 304, redirects: the length is not that of this body
	}
	var size int64
	if e.Body != nil {
		size = e.Body.Size()
	}
	length := strconv.FormatInt(size, 10)
	if values(h, "content-length") == length {
		return h
	}
	return append(renamed(h, "content-length"), capture.Field{Name: "content-length", Value: length})
}

// values joins all values of a name, so that two are never taken for one.
func values(h capture.Header, name string) string {
	var all []string
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			all = append(all, f.Value)
		}
	}
	return strings.Join(all, ",")
}

// origin gives the origin-form of a clean URL (RFC 9112 section 3.2.1); the
// whole URL when it has no authority (data:, blob:).
func origin(target string) string {
	_, rest, ok := strings.Cut(target, "://")
	if !ok {
		return target
	}
	rest, _, _ = strings.Cut(rest, "#")
	switch i := strings.IndexAny(rest, "/?"); {
	case i < 0:
		return "/"
	case rest[i] == '?':
		return "/" + rest[i:]
	default:
		return rest[i:]
	}
}

// authority gives host and port of a clean URL, without a user; "" for none.
func authority(target string) string {
	_, rest, ok := strings.Cut(target, "://")
	if !ok {
		return ""
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return rest[strings.LastIndexByte(rest, '@')+1:]
}

// reasons are the phrases of RFC 9110 section 15: HTTP/2 and HTTP/3 have none,
// and readers of WARC want one. net/http is not imported for them because the
// stand-alone verifier must not link it.
var reasons = map[int]string{
	100: "Continue", 101: "Switching Protocols", 103: "Early Hints",
	200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information", 204: "No Content",
	205: "Reset Content", 206: "Partial Content",
	300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified",
	307: "Temporary Redirect", 308: "Permanent Redirect",
	400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
	405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
	409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed", 413: "Content Too Large",
	414: "URI Too Long", 415: "Unsupported Media Type", 416: "Range Not Satisfiable", 417: "Expectation Failed",
	421: "Misdirected Request", 422: "Unprocessable Content", 425: "Too Early", 426: "Upgrade Required",
	428: "Precondition Required", 429: "Too Many Requests", 431: "Request Header Fields Too Large",
	451: "Unavailable For Legal Reasons",
	500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
	504: "Gateway Timeout", 505: "HTTP Version Not Supported", 511: "Network Authentication Required",
}

func reason(status int) string {
	if r, ok := reasons[status]; ok {
		return r
	}
	return "Unknown"
}
