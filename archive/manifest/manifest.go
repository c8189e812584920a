package manifest

import (
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Format is the value of the member "format". Another number is another
// format, which this package refuses.
const Format = "trawlmark-manifest/1"

// RoleWARC is the role of the WARC file; the other roles are capture.Role.
const RoleWARC = "warc"

// Manifest is the list. The fields stand in the order of SPEC.md; on the wire
// they are sorted, as RFC 8785 wants.
type Manifest struct {
	Format  string     `json:"format"`
	Capture capture.ID `json:"capture"`
	Asked   Asked      `json:"asked"`

	URL       string     `json:"url"`
	FinalURL  string     `json:"final_url"`
	Redirects []Redirect `json:"redirects"`

	Started  Time  `json:"started"`
	Finished Time  `json:"finished"`
	Elapsed  int64 `json:"elapsed_ns"` // monotonic clock

	Outcome  capture.Outcome `json:"outcome"`
	Evidence []string        `json:"evidence"` // what the outcome was read from

	After    *After          `json:"after"`    // null: no stamped checkpoint was known
	Previous *capture.Digest `json:"previous"` // manifest digest of the listing's previous capture

	Main      *Response `json:"main"` // null: no request was made for the page
	Exchanges Counts    `json:"exchanges"`
	Failures  []Failed  `json:"failures"`
	Missing   []Missing `json:"missing"`
	Refusals  []Refusal `json:"refusals"`
	DNS       []DNS     `json:"dns"`

	Artifacts []Artifact `json:"artifacts"`

	Environment Environment `json:"environment"`
	Clock       Clock       `json:"clock"`
	Policy      Policy      `json:"policy"`

	// Redaction is set of a redaction, and of nothing else (FormatRedaction).
	Redaction *Redaction `json:"redaction,omitempty"`
}

// Asked is who wanted the visit, and why. Epoch is the attempt.
type Asked struct {
	Job       string `json:"job"`
	Epoch     int64  `json:"epoch"`
	Watch     string `json:"watch"`
	By        string `json:"by"`
	Site      string `json:"site"`
	PageKind  string `json:"page_kind"`
	ItemID    string `json:"item_id"`
	Canonical string `json:"canonical"`
}

// Redirect is one hop; status 0 is a redirect by the page itself.
type Redirect struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Status int64  `json:"status"`
}

// After is the newest stamped checkpoint known when the visit began.
type After struct {
	Origin     string         `json:"origin"`
	Size       int64          `json:"size"`
	Root       string         `json:"root"`
	Checkpoint capture.Digest `json:"checkpoint"`
	Stamp      capture.Digest `json:"stamp"`
	StampedAt  Time           `json:"stamped_at"`
}

// Response is the exchange that served the page in the end.
type Response struct {
	Exchange capture.ID `json:"exchange"` // the response's WARC-Record-ID
	URL      string     `json:"url"`
	Method   string     `json:"method"`
	Started  Time       `json:"started"`
	Finished *Time      `json:"finished"`
	Status   int64      `json:"status"` // 0: no response came
	IP       string     `json:"ip"`     // "" when no connection was made
	Port     int64      `json:"port"`
	Protocol string     `json:"protocol"`
	Via      string     `json:"via"` // http or chrome
	Body     *Body      `json:"body"`
	TLS      *TLS       `json:"tls"`
	Failure  *Failure   `json:"failure"`
}

// Body is the main response's body as the WARC holds it: SHA256 is the
// record's WARC-Payload-Digest.
type Body struct {
	Bytes     int64          `json:"bytes"`
	SHA256    capture.Digest `json:"sha256"`
	Decoded   bool           `json:"decoded"` // after content decoding (Chrome), not as on the wire
	Truncated string         `json:"truncated"`
}

// TLS is the connection that served the main response. Chain is the SHA-256 of
// the PEM text in the WARC's urn:tls record (its WARC-Block-Digest).
type TLS struct {
	Version      string         `json:"version"`
	Cipher       string         `json:"cipher"`
	ALPN         string         `json:"alpn"`
	Chain        capture.Digest `json:"chain"`
	Certificates int64          `json:"certificates"`
	Leaf         *Leaf          `json:"leaf"`
}

// Leaf describes the server's own certificate. When it cannot be parsed,
// Error says so and only SHA256 is known.
type Leaf struct {
	SHA256    capture.Digest `json:"sha256"` // of the DER: the fingerprint browsers show
	Subject   string         `json:"subject"`
	Issuer    string         `json:"issuer"`
	Serial    string         `json:"serial"` // hex, no leading zeros
	NotBefore *Time          `json:"not_before"`
	NotAfter  *Time          `json:"not_after"`
	Names     []string       `json:"names"` // subject alternative names, DNS and IP
	Error     string         `json:"error"`
}

// Failure is why no answer, or no whole answer, came.
type Failure struct {
	Outcome capture.Outcome `json:"outcome"`
	Text    string          `json:"text"`
}

// Failed is one exchange that failed.
type Failed struct {
	Exchange capture.ID      `json:"exchange"`
	URL      string          `json:"url"`
	Outcome  capture.Outcome `json:"outcome"`
	Text     string          `json:"text"`
}

// Counts counts the exchanges. Kinds adds up to Total.
type Counts struct {
	Total         int64            `json:"total"`
	Kinds         map[string]int64 `json:"kinds"`
	Answered      int64            `json:"answered"` // a response came
	Failed        int64            `json:"failed"`
	Truncated     int64            `json:"truncated"`
	MissingBodies int64            `json:"missing_bodies"`
	FromCache     int64            `json:"from_cache"`
}

// Missing is something that should be there and is not. A response whose body
// is missing has What "body" and stands here too.
type Missing struct {
	What   string `json:"what"`
	URL    string `json:"url"`
	Reason string `json:"reason"`
}

// Refusal is a connection that the egress guard did not make.
type Refusal struct {
	Target string `json:"target"`
	Reason string `json:"reason"`
	At     Time   `json:"at"`
}

// DNS is one answer that the egress guard connected by.
type DNS struct {
	Host      string   `json:"host"`
	Addresses []string `json:"addresses"`
	At        Time     `json:"at"`
	Override  bool     `json:"override"`
}

// Artifact is one stored file.
type Artifact struct {
	Role        string            `json:"role"`
	Tile        int64             `json:"tile"`
	MediaType   string            `json:"media_type"`
	Bytes       int64             `json:"bytes"`
	SHA256      capture.Digest    `json:"sha256"`
	SHA512      capture.Digest512 `json:"sha512"`
	Key         string            `json:"key"`
	Version     string            `json:"version"`
	RetainUntil *Time             `json:"retain_until"`
	Taken       *Time             `json:"taken"`
	Width       int64             `json:"width"`
	Height      int64             `json:"height"`
}

// Environment describes what the visit was made with.
type Environment struct {
	Software     string           `json:"software"`
	Worker       string           `json:"worker"`
	UserAgent    string           `json:"user_agent"`
	Browser      string           `json:"browser"`
	Flags        []string         `json:"flags"`
	Viewport     string           `json:"viewport"`
	Locale       string           `json:"locale"`
	TimeZone     string           `json:"time_zone"`
	Sandboxed    bool             `json:"sandboxed"`
	FreshProfile bool             `json:"fresh_profile"`
	EgressIP     string           `json:"egress_ip"`
	Proxy        string           `json:"proxy"`
	ExtraCAs     []capture.Digest `json:"extra_cas"`
}

// Clock is what is known of the clock the times were read from.
type Clock struct {
	Source string `json:"source"`
	Offset int64  `json:"offset_ns"`
	Error  int64  `json:"error_ns"` // bound on |offset|; 0 = unknown
}

// Policy is what was obeyed, and what was overridden.
type Policy struct {
	Robots    string   `json:"robots"`
	RobotsURL string   `json:"robots_url"`
	Overrides []string `json:"overrides"`
	Render    string   `json:"render"`
	Escalated []string `json:"escalated"`
}

// Stored is one file that the vault took, as New wants it.
type Stored struct {
	Role        string // RoleWARC or a capture.Role
	Tile        int
	MediaType   string
	Key         string
	Version     string
	Print       capture.Fingerprint
	RetainUntil time.Time // zero: not locked
	Taken       time.Time // zero: not an observation of one instant
	Width       int       // pixels, images only
	Height      int
}
