package warc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// writer writes one capture.
type writer struct {
	*members
	c       *capture.Capture
	opt     Options
	info    capture.ID             // of the warcinfo record
	chains  map[string]bool        // urn:tls targets with chain digests that are written
	payload map[capture.Digest]int // payloads of responses that are written
}

// WriteCapture writes everything of one capture to w, one gzip member per
// record: warcinfo, the exchanges in order, certificate chains, DNS answers,
// artifacts, and last the environment. Bodies are read twice and never held.
// On an error w has an incomplete file that must be thrown away.
func WriteCapture(ctx context.Context, w io.Writer, c *capture.Capture, opt Options) (*Index, error) {
	if err := opt.validate(); err != nil {
		return nil, err
	}
	if c.ID.IsZero() || c.Started.IsZero() || c.URL == "" {
		return nil, errors.New("warc: a capture needs an id, a URL and the time it was started")
	}
	x := &writer{
		members: newMembers(w), c: c, opt: opt, info: opt.NewID(),
		chains: map[string]bool{}, payload: map[capture.Digest]int{},
	}
	defer x.end()
	for _, step := range []func(context.Context) error{
		x.warcinfo, x.exchanges, x.answers, x.artifacts, x.environment,
	} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("warc: capture %s: %w", c.ID, err)
		}
	}
	return &x.index, nil
}

// start makes a record with the fields that all have. A time that was never
// set is that of the capture.
func (x *writer) start(t Type, id capture.ID, url string, at time.Time) *record {
	if at.IsZero() {
		at = x.c.Started
	}
	r := &record{typ: t, id: id, date: at, notes: notes{record: id}}
	r.target = r.notes.target(url)
	r.field("WARC-Warcinfo-ID", "<"+x.info.URN()+">")
	r.field("WARC-Page-ID", x.c.ID.String())
	return r
}

func (x *writer) warcinfo(ctx context.Context) error {
	r := &record{typ: TypeWarcinfo, id: x.info, date: x.c.Started, media: "application/warc-fields", notes: notes{record: x.info}}
	i := x.opt.Info
	r.head = r.warcFields([]capture.Field{
		{Name: "software", Value: i.Software},
		{Name: "format", Value: "WARC File Format 1.1"},
		{Name: "conformsTo", Value: "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/"},
		{Name: "hostname", Value: i.Hostname},
		{Name: "operator", Value: i.Operator},
		{Name: "robots", Value: i.RobotsPolicy},
		{Name: "http-header-user-agent", Value: i.UserAgent},
		{Name: "isPartOf", Value: x.c.ID.URN()},
	})
	return x.write(ctx, r)
}

// warcFields gives a block of application/warc-fields; empty values are left out.
func (n *notes) warcFields(list []capture.Field) []byte {
	var b strings.Builder
	for _, f := range list {
		if f.Value != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", f.Name, n.value("field", f.Name, f.Value))
		}
	}
	return []byte(b.String())
}

// answers writes what the egress guard resolved, in the master file format
// that text/dns is (RFC 4027, RFC 1035 section 5).
func (x *writer) answers(ctx context.Context) error {
	for _, d := range x.c.DNS {
		r := x.start(TypeResource, x.opt.NewID(), "dns:"+d.Host, d.At)
		r.media, r.payload = "text/dns", true
		name := percent(strings.TrimSuffix(d.Host, "."))
		var b strings.Builder
		fmt.Fprintf(&b, "; %s resolved %s\r\n", name, r.date.UTC().Format(dateLayout))
		if d.Override {
			b.WriteString("; this answer was given by configuration, not by the DNS\r\n")
		}
		if len(d.Addresses) == 0 {
			b.WriteString("; no address\r\n")
		}
		for _, a := range d.Addresses {
			kind := "AAAA"
			if a.Unmap().Is4() {
				kind, a = "A", a.Unmap()
			}
			fmt.Fprintf(&b, "%s. IN %s %s\r\n", name, kind, a)
		}
		r.body = capture.Bytes(b.String())
		if err := x.write(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// artifactTarget spells the targets of FORMATS: urn:<role>:<url>.
func artifactTarget(a *capture.Artifact, url string) string {
	name := "x-evidence:" + tokenOf(string(a.Role))
	switch a.Role {
	case capture.RoleViewport:
		name = "view"
	case capture.RoleFullPage:
		name = "fullPage"
	case capture.RoleDOM, capture.RoleText, capture.RolePageInfo, capture.RoleHTML, capture.RoleBefore, capture.RoleReading:
		name = string(a.Role)
	}
	if a.Tile > 0 {
		return fmt.Sprintf("urn:%s:%d:%s", name, a.Tile, url)
	}
	return "urn:" + name + ":" + url
}

func (x *writer) artifacts(ctx context.Context) error {
	for _, a := range x.c.Artifacts {
		if err := x.artifact(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

func (x *writer) artifact(ctx context.Context, a *capture.Artifact) error {
	if a.Body == nil {
		return fmt.Errorf("the artifact %s has no body: list it as missing instead", a.Role)
	}
	if a.Role == capture.RoleHTML {
		// The page as served is a payload of this file already, unless it is not.
		f, err := capture.FingerprintOf(a.Body)
		if err != nil {
			return err
		}
		if x.payload[f.SHA256] > 0 {
			return nil
		}
	}
	url, at := a.URL, a.Taken
	if url == "" {
		url = x.c.FinalURL
	}
	if url == "" {
		url = x.c.URL
	}
	if at.IsZero() {
		at = x.c.Finished
	}
	r := x.start(TypeResource, x.opt.NewID(), artifactTarget(a, url), at)
	r.media = r.mediaType(a.MediaType)
	r.body, r.payload, r.squeezed = a.Body, true, squeezed(r.media, "")
	return x.write(ctx, r)
}

// mediaType gives a Content-Type that can stand in the header section.
func (n *notes) mediaType(s string) string {
	if s == "" {
		return "application/octet-stream"
	}
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '_'
		}
		return r
	}, s)
	if clean != s {
		n.add("field", "Content-Type", s)
	}
	return clean
}

// squeezed reports whether bytes of a type are compressed already.
func squeezed(mediaType, encoding string) bool {
	t := strings.ToLower(mediaType)
	if encoding != "" && !strings.EqualFold(encoding, "identity") {
		return true
	}
	for _, p := range []string{"image/", "video/", "audio/", "font/woff", "application/zip", "application/gzip", "application/pdf"} {
		if strings.HasPrefix(t, p) {
			return !strings.HasPrefix(t, "image/svg") && !strings.HasPrefix(t, "image/bmp")
		}
	}
	return false
}

// environment is the JSON of the last record: what the visit was made with,
// what it was not allowed or able to see, and what this file had to change.
type environment struct {
	Capture     capture.ID          `json:"capture"`
	URL         string              `json:"url"`
	FinalURL    string              `json:"final_url"`
	Redirects   []capture.Redirect  `json:"redirects"`
	Started     time.Time           `json:"started"`
	Finished    time.Time           `json:"finished"`
	Elapsed     time.Duration       `json:"elapsed_ns"`
	Outcome     capture.Outcome     `json:"outcome"`
	Evidence    []string            `json:"evidence"`
	Environment capture.Environment `json:"environment"`
	Clock       capture.Clock       `json:"clock"`
	Policy      capture.Policy      `json:"policy"`
	Refusals    []capture.Refusal   `json:"refusals"`
	Missing     []capture.Missing   `json:"missing"`
	Sanitized   []Note              `json:"sanitized"`
}

func (x *writer) environment(ctx context.Context) error {
	c := x.c
	r := x.start(TypeResource, x.opt.NewID(), "urn:x-evidence:environment:"+c.ID.String(), c.Started)
	b, err := json.Marshal(environment{
		c.ID, c.URL, c.FinalURL, some(c.Redirects), c.Started.UTC(), c.Finished.UTC(), c.Elapsed, c.Outcome, some(c.Evidence),
		c.Environment, c.Clock, c.Policy, some(c.Refusals), some(c.Missing), some(slices.Clone(x.index.Sanitized)),
	})
	if err != nil {
		return fmt.Errorf("the environment record: %w", err)
	}
	r.media, r.body, r.payload = "application/json", capture.Bytes(b), true
	return x.write(ctx, r)
}

// some gives [] rather than null.
func some[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
