package manifest

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"unicode/utf8"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// maxInteger is the largest integer that every JSON reader keeps (RFC 8785
// section 3.2.2.3, I-JSON).
const maxInteger = 1<<53 - 1

// roles are those an artifact may have.
var roles = []string{
	RoleWARC, string(capture.RoleDOM), string(capture.RoleHTML), string(capture.RoleViewport),
	string(capture.RoleFullPage), string(capture.RoleText), string(capture.RolePageInfo), string(capture.RoleBefore),
	string(capture.RoleReading),
}

// normal gives a copy in which no list is null.
func (m *Manifest) normal() *Manifest {
	n := *m
	some(&n.Redirects)
	some(&n.Evidence)
	some(&n.Failures)
	some(&n.Missing)
	some(&n.Refusals)
	some(&n.Artifacts)
	some(&n.Environment.Flags)
	some(&n.Environment.ExtraCAs)
	some(&n.Policy.Overrides)
	some(&n.Policy.Escalated)
	n.DNS = slices.Clone(n.DNS)
	some(&n.DNS)
	for i := range n.DNS {
		some(&n.DNS[i].Addresses)
	}
	if n.Redaction != nil {
		r := *n.Redaction
		some(&r.Changes)
		some(&r.Withheld)
		some(&r.Records)
		n.Redaction = &r
	}
	if n.Exchanges.Kinds == nil {
		n.Exchanges.Kinds = map[string]int64{}
	}
	if n.Main != nil && n.Main.TLS != nil && n.Main.TLS.Leaf != nil {
		main, tls, leaf := *n.Main, *n.Main.TLS, *n.Main.TLS.Leaf
		some(&leaf.Names)
		tls.Leaf, main.TLS, n.Main = &leaf, &tls, &main
	}
	return &n
}

func some[T any](s *[]T) {
	if *s == nil {
		*s = []T{}
	}
}

func invalid(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, a...))
}

// validate checks what must hold in every manifest.
func (m *Manifest) validate() error {
	switch {
	case m.Format != Format && m.Format != FormatRedaction:
		return invalid("the format is %.40q; this program reads %s and %s", m.Format, Format, FormatRedaction)
	case m.Capture.IsZero():
		return invalid("the capture has no id")
	case m.URL == "":
		return invalid("the capture has no URL")
	case m.Started.IsZero() || m.Finished.IsZero():
		return invalid("the start or the end of the visit is not set")
	case m.Elapsed < 0:
		return invalid("the visit took a negative time")
	case !m.Outcome.Valid():
		return invalid("%.40q is not an outcome", m.Outcome)
	}
	if err := scan(reflect.ValueOf(m).Elem(), "manifest"); err != nil {
		return err
	}
	for _, check := range []func() error{m.validateCounts, m.validateArtifacts, m.validateMain, m.validateDNS, m.validateRedaction} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (m *Manifest) validateCounts() error {
	var sum int64
	for kind, n := range m.Exchanges.Kinds {
		if kind == "" || n < 1 || n > maxInteger-sum {
			return invalid("the exchanges of kind %.40q cannot number %d", kind, n)
		}
		sum += n
	}
	c := m.Exchanges
	if sum != c.Total {
		return invalid("the kinds of exchanges add up to %d, not to %d", sum, c.Total)
	}
	for _, n := range []int64{c.Answered, c.Failed, c.Truncated, c.MissingBodies, c.FromCache} {
		if n < 0 || n > c.Total {
			return invalid("a count of exchanges is %d, of %d in all", n, c.Total)
		}
	}
	if int64(len(m.Failures)) != c.Failed {
		return invalid("%d failures are listed and %d counted", len(m.Failures), c.Failed)
	}
	for _, f := range m.Failures {
		if !f.Outcome.Valid() {
			return invalid("%.40q, of a failed exchange, is not an outcome", f.Outcome)
		}
	}
	return nil
}

func (m *Manifest) validateArtifacts() error {
	keys, slots := map[string]bool{}, map[string]bool{}
	for _, a := range m.Artifacts {
		slot := fmt.Sprint(a.Role, " ", a.Tile)
		switch {
		case !slices.Contains(roles, a.Role):
			return invalid("%.40q is not a role of an artifact", a.Role)
		case a.Key == "" || a.MediaType == "":
			return invalid("the %s has no key or no media type", a.Role)
		case keys[a.Key] || slots[slot]:
			return invalid("the %s (tile %d) or its key is listed twice", a.Role, a.Tile)
		case a.Tile < 0 || a.Bytes < 0 || a.Width < 0 || a.Height < 0:
			return invalid("the %s has a negative number", a.Role)
		case a.SHA256.IsZero() || a.SHA512 == capture.Digest512{}:
			return invalid("the %s has no digest", a.Role)
		}
		keys[a.Key], slots[slot] = true, true
	}
	if !slots[RoleWARC+" 0"] {
		return invalid("no WARC is listed")
	}
	return nil
}

func (m *Manifest) validateMain() error {
	r := m.Main
	if r == nil {
		return nil
	}
	switch {
	case r.Exchange.IsZero() || r.URL == "":
		return invalid("the main response has no id or no URL")
	case r.Status < 0 || r.Port < 0 || r.Port > 65535:
		return invalid("the main response has a status of %d and a port of %d", r.Status, r.Port)
	case r.Failure != nil && !r.Failure.Outcome.Valid():
		return invalid("%.40q, of the main response, is not an outcome", r.Failure.Outcome)
	case r.IP == "" && r.Port != 0:
		return invalid("the main response has a port and no address")
	}
	if r.IP != "" && !address(r.IP) {
		return invalid("%.60q is not the text of an address", r.IP)
	}
	if b := r.Body; b != nil {
		switch capture.Truncation(b.Truncated) {
		case capture.Whole, capture.ByLength, capture.ByTime, capture.ByDisconnect, capture.ByUnknown:
		default:
			return invalid("%.40q is not a reason for a cut", b.Truncated)
		}
		if b.Bytes < 0 {
			return invalid("the main body has a negative size")
		}
	}
	return nil
}

func (m *Manifest) validateDNS() error {
	for _, d := range m.DNS {
		for _, a := range d.Addresses {
			if !address(a) {
				return invalid("%.60q is not the text of an address", a)
			}
		}
	}
	return nil
}

// address reports whether s is the one text of an IP address.
func address(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.String() == s
}

// scan walks the manifest and refuses integers that JSON readers would round
// and strings that are not UTF-8, which encoding/json would change silently.
func scan(v reflect.Value, where string) error {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return scan(v.Elem(), where)
		}
	case reflect.Struct:
		for _, m := range membersOf(v.Type()) {
			if err := scan(v.Field(m.index), m.name); err != nil {
				return err
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := scan(v.Index(i), where); err != nil {
				return err
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if err := scan(it.Key(), where); err != nil {
				return err
			}
			if err := scan(it.Value(), where); err != nil {
				return err
			}
		}
	case reflect.Int64:
		if n := v.Int(); n > maxInteger || n < -maxInteger {
			return invalid("%s is %d, more than JSON keeps (2^53-1)", where, n)
		}
	case reflect.String:
		if !utf8.ValidString(v.String()) {
			return invalid("%s is not UTF-8", where)
		}
	}
	return nil
}
