package crawler

import (
	"bytes"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/fetch"
	"github.com/trawlmark/trawlmark/crawler/render"
)

// masked stands for what is not kept.
const masked = "[masked]"

// shortest is the length from which a cookie's value is looked for outside of
// cookie fields. Shorter ones ("en", "EUR", "1") are no secrets, and masking
// them in a page would spoil it.
const shortest = 8

// mask keeps the cookie values of a login profile out of what a visit saw. In
// cookie fields every value goes, whoever set it: what a site gives to somebody
// it knows may be as good as the password. Everywhere else the profile's own
// values go, in the forms that pages write them in.
type mask struct {
	secrets []string // longest first
	limit   int64    // bytes of a body that are searched
}

// newMask gives nil when there is nothing to hide.
func newMask(l *Login, limit int64) *mask {
	if l == nil {
		return nil
	}
	m := &mask{limit: limit}
	for _, c := range l.cookies {
		value := unquoted(c.value)
		forms := []string{value, url.QueryEscape(value), url.PathEscape(value), html.EscapeString(value)}
		for _, unescape := range []func(string) (string, error){url.QueryUnescape, url.PathUnescape} {
			if plain, err := unescape(value); err == nil {
				forms = append(forms, plain, html.EscapeString(plain))
			}
		}
		for _, f := range slices.Clone(forms) {
			if quoted, err := json.Marshal(f); err == nil {
				q := string(quoted[1 : len(quoted)-1])
				forms = append(forms, q, strings.ReplaceAll(q, "/", `\/`))
			}
		}
		for _, f := range forms {
			if len(f) >= shortest && !slices.Contains(m.secrets, f) {
				m.secrets = append(m.secrets, f)
			}
		}
	}
	slices.SortFunc(m.secrets, func(a, b string) int { return len(b) - len(a) })
	return m
}

func (m *mask) text(s string) string {
	for _, secret := range m.secrets {
		s = strings.ReplaceAll(s, secret, masked)
	}
	return s
}

func (m *mask) texts(list []string) {
	for i := range list {
		list[i] = m.text(list[i])
	}
}

// bytes gives b itself when there is nothing in it.
func (m *mask) bytes(b []byte) (out []byte, found bool) {
	for _, secret := range m.secrets {
		if bytes.Contains(b, []byte(secret)) {
			b, found = bytes.ReplaceAll(b, []byte(secret), []byte(masked)), true
		}
	}
	return b, found
}

// fetched masks what came of a fetch.
func (m *mask) fetched(got *fetch.Result) {
	if m == nil {
		return
	}
	got.Missing = append(got.Missing, m.exchanges(got.Exchanges)...)
	m.missing(got.Missing)
	got.Body, _ = m.bytes(got.Body)
	got.FinalURL, got.Header = m.text(got.FinalURL), m.header(got.Header)
	m.redirects(got.Redirects)
	m.texts(got.Evidence)
}

// rendered masks what Chrome saw. A picture can show what it likes: a profile
// is not for pages that show their own cookies.
func (m *mask) rendered(got *render.Result) {
	if m == nil {
		return
	}
	got.Missing = append(got.Missing, m.exchanges(got.Exchanges)...)
	got.DOM, _ = m.bytes(got.DOM)
	got.FinalURL, got.Text, got.Title = m.text(got.FinalURL), m.text(got.Text), m.text(got.Title)
	m.redirects(got.Redirects)
	m.texts(got.Evidence)
	for _, a := range got.Artifacts {
		a.URL = m.text(a.URL)
		body, why := m.body(a.Body, func() ([]byte, error) { return capture.ReadAll(a.Body, m.limit) })
		if a.Body = body; why != "" {
			got.Missing = append(got.Missing, capture.Missing{What: string(a.Role), URL: a.URL, Reason: why})
		}
	}
	got.Artifacts = slices.DeleteFunc(got.Artifacts, func(a *capture.Artifact) bool { return a.Body == nil })
	m.missing(got.Missing)
}

// whole masks what a visit itself wrote into its capture, at its end.
func (m *mask) whole(c *capture.Capture) {
	if m == nil {
		return
	}
	m.texts(c.Evidence)
	m.missing(c.Missing)
	for i, r := range c.Refusals {
		c.Refusals[i].Target, c.Refusals[i].Reason = m.text(r.Target), m.text(r.Reason)
	}
}

func (m *mask) missing(list []capture.Missing) {
	for i := range list {
		list[i].URL, list[i].Reason = m.text(list[i].URL), m.text(list[i].Reason)
	}
}

func (m *mask) redirects(list []capture.Redirect) {
	for i := range list {
		list[i].From, list[i].To = m.text(list[i].From), m.text(list[i].To)
	}
}

func (m *mask) exchanges(list []*capture.Exchange) (missing []capture.Missing) {
	for _, e := range list {
		e.URL = m.text(e.URL)
		e.RequestHeader, e.ResponseHeader = m.header(e.RequestHeader), m.header(e.ResponseHeader)
		if e.Failure != nil {
			e.Failure.Text = m.text(e.Failure.Text)
		}
		e.RequestBody, _ = m.body(e.RequestBody, func() ([]byte, error) { return capture.ReadAll(e.RequestBody, m.limit) })
		var cut string
		if e.Messages, cut = m.body(e.Messages, func() ([]byte, error) { return capture.ReadAll(e.Messages, m.limit) }); cut != "" {
			missing = append(missing, capture.Missing{What: "messages", URL: e.URL, Reason: cut})
		}
		was := e.Body
		body, why := m.body(was, func() ([]byte, error) { return fetch.Decoded(e, m.limit) })
		if why == "" {
			continue
		}
		if e.Body, e.Decoded = body, true; body == nil {
			e.MissingBody = why
		}
		missing = append(missing, capture.Missing{What: "body", URL: e.URL, Reason: why})
	}
	return missing
}

// body gives the body without the secrets, and what was done to it: "" for
// nothing. What cannot be searched is not kept.
func (m *mask) body(b capture.Body, read func() ([]byte, error)) (capture.Body, string) {
	if b == nil || b.Size() == 0 || len(m.secrets) == 0 {
		return b, ""
	}
	plain, err := read()
	if err != nil {
		return nil, "it could not be searched for the values of the login profile's cookies, so it is not kept: " + m.text(err.Error())
	}
	if out, found := m.bytes(plain); found {
		return capture.Bytes(out), "values of the login profile's cookies are masked in it"
	}
	return b, ""
}

// header masks all cookies, and the secrets wherever they are.
func (m *mask) header(h capture.Header) capture.Header {
	out := slices.Clone(h)
	for i, f := range out {
		switch strings.ToLower(strings.TrimSpace(f.Name)) {
		case "cookie":
			pairs := strings.Split(f.Value, ";")
			for j := range pairs {
				pairs[j] = maskPair(pairs[j])
			}
			out[i].Value = strings.Join(pairs, ";")
		case "set-cookie":
			pair, attributes, more := strings.Cut(f.Value, ";")
			out[i].Value = maskPair(pair)
			if more {
				out[i].Value += ";" + m.text(attributes)
			}
		default:
			out[i].Value = m.text(f.Value)
		}
	}
	return out
}

// maskPair takes the value of name=value; what has no name is all value.
func maskPair(pair string) string {
	name, _, named := strings.Cut(pair, "=")
	if !named {
		return masked
	}
	return name + "=" + masked
}
