package capture

import (
	"net/netip"
	"strings"
	"time"
)

// Field is one header line, as sent; case and order are kept.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Header is a list of fields in wire order.
type Header []Field

// Get gives the first value of a name, whatever its case; "" when absent.
func (h Header) Get(name string) string {
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Truncation says why a body was cut (the values of WARC-Truncated).
type Truncation string

// The truncations of WARC 1.1 section 5.13.
const (
	Whole        Truncation = ""
	ByLength     Truncation = "length"
	ByTime       Truncation = "time"
	ByDisconnect Truncation = "disconnect"
	ByUnknown    Truncation = "unspecified"
)

// TLS describes the connection that served an exchange.
type TLS struct {
	Version string // "TLS 1.3"
	Cipher  string
	ALPN    string
	// Chain is what the server presented, leaf first, DER.
	Chain [][]byte
}

// Exchange is one HTTP request and what came of it.
type Exchange struct {
	// ID becomes the response's WARC-Record-ID.
	ID ID
	// Via says who asked: "http" (colly) or "chrome".
	Via string
	// Kind is the resource kind: document, script, stylesheet, image, font,
	// xhr, fetch, media, websocket, other; "document" is the page itself or a
	// frame. Main marks the exchange that served the page asked for (or a
	// redirect towards it).
	Kind string
	Main bool

	Started  time.Time // the instant the request was begun
	Finished time.Time // the instant the last byte was there, or the failure

	Method        string
	URL           string // absolute, without fragment
	RequestHeader Header
	RequestBody   Body // nil when none

	// Status is 0 when no response came; then Failure says why.
	Status         int
	StatusText     string
	Protocol       string // "http/1.0", "http/1.1", "h2", "h3"
	ResponseHeader Header
	// Body is nil when there is none or it is missing (MissingBody says why).
	Body Body
	// Decoded: Body is after content- and transfer-decoding (Chrome hands over
	// nothing else). False: Body is as on the wire, transfer-decoding undone.
	Decoded     bool
	Truncated   Truncation
	MissingBody string
	FromCache   bool
	// Messages is what a WebSocket carried after its handshake: JSON, one
	// message a line, in order (archive/warc/SPEC.md, "Messages"). What is not in
	// it is said by its last line and by Capture.Missing. Nil for none.
	Messages Body

	// Remote is the peer really connected to; invalid when none was.
	Remote netip.AddrPort
	TLS    *TLS

	Failure *Failure
}

// Failure is why an exchange or a visit got no answer.
type Failure struct {
	Outcome Outcome `json:"outcome"` // dns, tls, connect, timeout, blocked_address, ...
	Text    string  `json:"text"`    // what the network stack said, secrets removed
}

// DNSAnswer is what the egress guard resolved and connected by.
type DNSAnswer struct {
	Host      string       `json:"host"`
	Addresses []netip.Addr `json:"addresses"`
	At        time.Time    `json:"at"`
	// Override marks an answer given by configuration, not by the DNS.
	Override bool `json:"override,omitempty"`
}

// Refusal is a connection that the egress guard did not make.
type Refusal struct {
	Target string    `json:"target"` // host:port or URL as asked
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}
