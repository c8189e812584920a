package crawler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseCookies reads either form of a cookie file.
func parseCookies(doc []byte) ([]loginCookie, error) {
	doc = bytes.TrimPrefix(doc, []byte("\xef\xbb\xbf"))
	if t := bytes.TrimSpace(doc); len(t) > 0 && (t[0] == '[' || t[0] == '{') {
		return jsonCookies(t)
	}
	return netscapeCookies(string(doc))
}

// netscapeCookies reads the lines "domain, subdomains, path, secure, expires,
// name, value" that curl and browsers write. "#HttpOnly_" before the domain is
// no comment.
func netscapeCookies(doc string) ([]loginCookie, error) {
	var out []loginCookie
	n := 0
	for line := range strings.SplitSeq(doc, "\n") {
		n++
		line = strings.TrimSuffix(line, "\r")
		rest, httpOnly := strings.CutPrefix(line, "#HttpOnly_")
		if strings.TrimSpace(rest) == "" || !httpOnly && strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(rest, "\t")
		if len(f) != 7 {
			return nil, fmt.Errorf("line %d has %d fields; a cookies.txt has seven, with a tab between", n, len(f))
		}
		seconds, err := strconv.ParseFloat(f[4], 64)
		if err != nil {
			return nil, fmt.Errorf("line %d: the fifth field is not a time in seconds since 1970", n)
		}
		c := loginCookie{
			domain: f[0], hostOnly: !strings.EqualFold(f[1], "TRUE"), path: f[2], secure: strings.EqualFold(f[3], "TRUE"),
			expires: instant(seconds), name: f[5], value: f[6], httpOnly: httpOnly,
		}
		out = append(out, c.normal())
	}
	return out, nil
}

// jsonCookie is a cookie as extensions and Playwright export it.
type jsonCookie struct {
	Name       *string  `json:"name"`
	Value      *string  `json:"value"`
	Domain     *string  `json:"domain"`
	Path       string   `json:"path"`
	Secure     bool     `json:"secure"`
	HTTPOnly   bool     `json:"httpOnly"`
	HostOnly   *bool    `json:"hostOnly"`
	Expires    *float64 `json:"expires"`        // seconds since 1970; negative: with the session
	Expiration *float64 `json:"expirationDate"` // the same
}

func jsonCookies(doc []byte) ([]loginCookie, error) {
	var list []jsonCookie
	var err error
	if doc[0] == '{' {
		var state struct{ Cookies []jsonCookie }
		err = json.Unmarshal(doc, &state)
		list = state.Cookies
	} else {
		err = json.Unmarshal(doc, &list)
	}
	if err != nil {
		// The decoder's own sentence may quote what it stumbled over.
		return nil, errors.New("it is not a JSON list of cookies with name, value, domain and path")
	}
	var out []loginCookie
	for i, j := range list {
		if j.Name == nil || j.Value == nil || j.Domain == nil {
			return nil, fmt.Errorf("cookie %d needs name, value and domain", i+1)
		}
		c := loginCookie{name: *j.Name, value: *j.Value, domain: *j.Domain, path: j.Path, secure: j.Secure, httpOnly: j.HTTPOnly}
		c.hostOnly = !strings.HasPrefix(c.domain, ".")
		if j.HostOnly != nil {
			c.hostOnly = *j.HostOnly
		}
		for _, s := range []*float64{j.Expires, j.Expiration} {
			if s != nil {
				c.expires = instant(*s)
			}
		}
		out = append(out, c.normal())
	}
	return out, nil
}

func (c loginCookie) normal() loginCookie {
	c.domain = strings.ToLower(strings.TrimPrefix(c.domain, "."))
	if c.path == "" {
		c.path = "/"
	}
	return c
}

// instant reads seconds since 1970; 0, a negative number and what no clock will
// show mean that the cookie lasts as long as the session.
func instant(seconds float64) time.Time {
	if !(seconds > 0) || seconds > math.MaxInt32*100 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}
