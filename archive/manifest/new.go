package manifest

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// New lists a capture and the files that were stored for it. It refuses a
// capture with an artifact that is not among them: a manifest leaves nothing out.
func New(c *capture.Capture, stored []Stored) (*Manifest, error) {
	if err := complete(c, stored); err != nil {
		return nil, err
	}
	m := &Manifest{
		Format:      Format,
		Capture:     c.ID,
		Asked:       newAsked(c.Asked),
		URL:         text(c.URL),
		FinalURL:    text(c.FinalURL),
		Started:     At(c.Started),
		Finished:    At(c.Finished),
		Elapsed:     int64(c.Elapsed),
		Outcome:     c.Outcome,
		Evidence:    texts(c.Evidence),
		Previous:    c.Previous,
		Exchanges:   count(c.Exchanges),
		Environment: newEnvironment(c.Environment),
		Clock:       Clock{text(c.Clock.Source), int64(c.Clock.Offset), int64(c.Clock.Error)},
		Policy: Policy{
			Robots: text(c.Policy.Robots), RobotsURL: text(c.Policy.RobotsURL), Render: text(c.Policy.Render),
			Overrides: texts(c.Policy.Overrides), Escalated: texts(c.Policy.Escalated),
		},
	}
	for _, r := range c.Redirects {
		m.Redirects = append(m.Redirects, Redirect{text(r.From), text(r.To), int64(r.Status)})
	}
	if a := c.After; a != nil {
		m.After = &After{text(a.Origin), a.Size, text(a.Root), a.Checkpoint, a.Stamp, At(a.StampedAt)}
	}
	for _, r := range c.Refusals {
		m.Refusals = append(m.Refusals, Refusal{text(r.Target), text(r.Reason), At(r.At)})
	}
	for _, d := range c.DNS {
		m.DNS = append(m.DNS, newDNS(d))
	}
	m.Missing, m.Failures = missing(c), failures(c)
	for _, s := range stored {
		m.Artifacts = append(m.Artifacts, NewArtifact(s))
	}
	var err error
	if m.Main, err = newResponse(c.Main(), c.Started); err != nil {
		return nil, err
	}
	n := m.normal()
	return n, n.validate()
}

// complete checks that the files are those of the capture.
func complete(c *capture.Capture, stored []Stored) error {
	type slot struct {
		role string
		tile int
	}
	have := map[slot]Stored{}
	for _, s := range stored {
		k := slot{s.Role, s.Tile}
		if _, twice := have[k]; twice {
			return fmt.Errorf("%w: two files were stored as %s tile %d", ErrInvalid, s.Role, s.Tile)
		}
		have[k] = s
	}
	for _, a := range c.Artifacts {
		s, ok := have[slot{string(a.Role), a.Tile}]
		if !ok {
			return fmt.Errorf("%w: the capture's %s (tile %d) is not among the stored files: store it, or list it as missing", ErrInvalid, a.Role, a.Tile)
		}
		if a.Body == nil || a.Body.Size() != s.Print.Size {
			return fmt.Errorf("%w: the capture's %s (tile %d) has not the size of the file that was stored for it", ErrInvalid, a.Role, a.Tile)
		}
	}
	return nil
}

func newAsked(a capture.Asked) Asked {
	return Asked{
		Job: text(a.Job), Epoch: a.Epoch, Watch: text(a.Watch), By: text(a.By),
		Site: text(a.Site), PageKind: text(a.PageKind), ItemID: text(a.ItemID), Canonical: text(a.Canonical),
	}
}

func newEnvironment(e capture.Environment) Environment {
	return Environment{
		Software: text(e.Software), Worker: text(e.Worker), UserAgent: text(e.UserAgent),
		Browser: text(e.Browser), Flags: texts(e.Flags), Viewport: text(e.Viewport),
		Locale: text(e.Locale), TimeZone: text(e.TimeZone), Sandboxed: e.Sandboxed, FreshProfile: e.Fresh,
		EgressIP: text(e.EgressIP), Proxy: text(e.Proxy), ExtraCAs: append([]capture.Digest{}, e.ExtraCAs...),
	}
}

func newDNS(d capture.DNSAnswer) DNS {
	out := DNS{Host: text(d.Host), At: At(d.At), Override: d.Override}
	for _, a := range d.Addresses {
		out.Addresses = append(out.Addresses, a.String())
	}
	return out
}

// NewArtifact lists one stored file.
func NewArtifact(s Stored) Artifact {
	return Artifact{
		Role: s.Role, Tile: int64(s.Tile), MediaType: text(s.MediaType),
		Bytes: s.Print.Size, SHA256: s.Print.SHA256, SHA512: s.Print.SHA512,
		Key: text(s.Key), Version: text(s.Version),
		RetainUntil: optional(s.RetainUntil), Taken: optional(s.Taken),
		Width: int64(s.Width), Height: int64(s.Height),
	}
}

// missing lists what the capture says is missing, and then the bodies that its
// exchanges say are missing and that the list does not name yet.
func missing(c *capture.Capture) []Missing {
	var out []Missing
	named := map[string]bool{}
	for _, m := range c.Missing {
		if m.What == "body" {
			named[m.URL] = true
		}
		out = append(out, Missing{text(m.What), text(m.URL), text(m.Reason)})
	}
	for _, e := range c.Exchanges {
		if e.MissingBody != "" && !named[e.URL] {
			out = append(out, Missing{"body", text(e.URL), text(e.MissingBody)})
		}
	}
	return out
}

func failures(c *capture.Capture) []Failed {
	var out []Failed
	for _, e := range c.Exchanges {
		if e.Failure != nil {
			out = append(out, Failed{e.ID, text(e.URL), e.Failure.Outcome, text(e.Failure.Text)})
		}
	}
	return out
}

func count(exchanges []*capture.Exchange) Counts {
	n := Counts{Kinds: map[string]int64{}}
	for _, e := range exchanges {
		n.Total++
		kind := text(e.Kind)
		if kind == "" {
			kind = "other"
		}
		n.Kinds[kind]++
		add(&n.Answered, e.Status != 0)
		add(&n.Failed, e.Failure != nil)
		add(&n.Truncated, e.Truncated != capture.Whole)
		add(&n.MissingBodies, e.MissingBody != "")
		add(&n.FromCache, e.FromCache)
	}
	return n
}

func add(n *int64, yes bool) {
	if yes {
		*n++
	}
}

// newResponse describes the main exchange; nil for none.
func newResponse(e *capture.Exchange, fallback time.Time) (*Response, error) {
	if e == nil {
		return nil, nil
	}
	started := e.Started
	if started.IsZero() {
		started = fallback
	}
	r := &Response{
		Exchange: e.ID, URL: text(e.URL), Method: text(e.Method), Started: At(started), Finished: optional(e.Finished),
		Status: int64(e.Status), Protocol: text(e.Protocol), Via: text(e.Via), TLS: newTLS(e.TLS),
	}
	if e.Remote.IsValid() {
		r.IP, r.Port = e.Remote.Addr().Unmap().String(), int64(e.Remote.Port())
	}
	if e.Failure != nil {
		r.Failure = &Failure{e.Failure.Outcome, text(e.Failure.Text)}
	}
	if e.Body != nil {
		f, err := capture.FingerprintOf(e.Body)
		if err != nil {
			return nil, fmt.Errorf("reading the body of %s: %w", e.ID, err)
		}
		r.Body = &Body{f.Size, f.SHA256, e.Decoded, string(e.Truncated)}
	}
	return r, nil
}

// text makes any bytes writable as JSON: a byte that is not UTF-8 becomes the
// four characters \xNN (SPEC.md, "Strings"). Hostile pages send such URLs.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[0])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

func texts(in []string) []string {
	out := make([]string, 0, len(in))
	for _, s := range in {
		out = append(out, text(s))
	}
	return out
}
