package warc

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Replay finds the answer to a POST by a URL that has the posted body as a
// query. There is no standard for it: this is what warcio.js writes and
// ReplayWeb.page reads, and what independent_test.go compares.

const (
	maxQuery = 4096    // UTF-16 units of the query
	maxPost  = 1 << 20 // bytes of a body that is looked at
)

// lookup sets what replay looks a response up by when its request was no GET.
// A body of more than maxPost bytes is looked up by method and URL alone.
func (x *writer) lookup(entry *Entry, e *capture.Exchange) error {
	if e.Method == "GET" {
		return nil
	}
	entry.Method = tokenOf(e.Method)
	if e.RequestBody != nil && e.RequestBody.Size() > maxPost {
		return nil
	}
	body, err := capture.ReadAll(e.RequestBody, maxPost)
	if err != nil {
		return err
	}
	entry.RequestBody = cutUTF16(bodyQuery(e.RequestHeader.Get("Content-Type"), body), maxQuery)
	return nil
}

// postURL appends method and query to a URL.
func postURL(target, method, query string) string {
	sep := "?"
	if strings.Contains(target, "?") {
		sep = "&"
	}
	return target + sep + "__wb_method=" + method + "&" + decodeURI(query)
}

// bodyQuery gives a posted body in the form of a query.
func bodyQuery(contentType string, body []byte) string {
	kind, _, _ := strings.Cut(contentType, ";")
	switch kind {
	case "application/x-www-form-urlencoded":
		return utf8Text(body)
	case "application/json", "text/plain":
		return jsonQuery(body)
	case "multipart/form-data":
		return multipartQuery(utf8Text(body), contentType)
	}
	return "__wb_post_data=" + base64.StdEncoding.EncodeToString(body)
}

// utf8Text decodes as the Encoding standard does: bad bytes become U+FFFD, a
// byte order mark goes.
func utf8Text(b []byte) string {
	return strings.ToValidUTF8(string(bytes.TrimPrefix(b, []byte("\ufeff"))), "\ufffd")
}

func cutUTF16(s string, n int) string {
	if len(s) <= n {
		return s
	}
	if u := utf16.Encode([]rune(s)); len(u) > n {
		return string(utf16.Decode(u[:n]))
	}
	return s
}

// query is an ordered list of arguments with unique names.
type query struct {
	args  [][2]string
	at    map[string]int
	twice map[string]int
}

func newQuery() *query { return &query{at: map[string]int{}, twice: map[string]int{}} }

func (q *query) set(name, value string) {
	if i, ok := q.at[name]; ok {
		q.args[i][1] = value
		return
	}
	q.at[name] = len(q.args)
	q.args = append(q.args, [2]string{name, value})
}

// add sets a name that may be there already: the second is "name.2_".
func (q *query) add(name, value string) {
	if _, ok := q.at[name]; ok {
		if q.twice[name] == 0 {
			q.twice[name] = 1
		}
		q.twice[name]++
		name += "." + strconv.Itoa(q.twice[name]) + "_"
	}
	q.set(name, value)
}

func (q *query) String() string {
	parts := make([]string, len(q.args))
	for i, a := range q.args {
		parts[i] = formEncode(a[0]) + "=" + formEncode(a[1])
	}
	return strings.Join(parts, "&")
}

// formEncode is the serialiser of application/x-www-form-urlencoded (URL
// standard); QueryEscape differs from it in "*" and "~".
func formEncode(s string) string {
	s = url.QueryEscape(s)
	return strings.ReplaceAll(strings.ReplaceAll(s, "%2A", "*"), "~", "%7E")
}

// jsonQuery flattens a JSON document: every scalar under its innermost name.
// What is no JSON is the empty query.
func jsonQuery(body []byte) string {
	d := json.NewDecoder(strings.NewReader(utf8Text(body)))
	d.UseNumber()
	v, err := jsonValue(d, 0)
	if err != nil {
		return ""
	}
	if _, err := d.Token(); err != io.EOF {
		return ""
	}
	q := newQuery()
	flatten(q, v, "")
	return q.String()
}

// member is a member of an object, in order.
type member struct {
	name  string
	value any
}

var errDeep = errors.New("nested too deeply")

// jsonValue reads a value; objects are []member in the order in which
// JavaScript lists them.
func jsonValue(d *json.Decoder, depth int) (any, error) {
	if depth > 1000 {
		return nil, errDeep
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('['):
		var list []any
		for d.More() {
			v, err := jsonValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	case json.Delim('{'):
		object := []member{}
		at := map[string]int{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := jsonValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			k, _ := name.(string)
			if i, ok := at[k]; ok {
				object[i].value = v
				continue
			}
			at[k] = len(object)
			object = append(object, member{k, v})
		}
		_, err := d.Token()
		slices.SortStableFunc(object, byIndex)
		return object, err
	}
	return t, nil
}

// byIndex puts names that are array indices first, in numeric order.
func byIndex(a, b member) int {
	i, iok := arrayIndex(a.name)
	j, jok := arrayIndex(b.name)
	switch {
	case iok && jok:
		return i - j
	case iok:
		return -1
	case jok:
		return 1
	}
	return 0
}

func arrayIndex(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return int(n), err == nil && n < math.MaxUint32 && strconv.FormatUint(n, 10) == s
}

func flatten(q *query, v any, key string) {
	value := ""
	switch v := v.(type) {
	case []member:
		for _, m := range v {
			flatten(q, m.value, m.name)
		}
	case []any:
		for _, e := range v {
			flatten(q, e, key)
		}
	case nil:
		value = "null"
	case string:
		value = v
	case bool:
		value = strconv.FormatBool(v)
	case json.Number:
		value = jsNumber(v)
	}
	if value != "" {
		q.add(key, value)
	}
}

// jsNumber writes a number as JavaScript does (ECMAScript Number::toString).
func jsNumber(n json.Number) string {
	f, err := strconv.ParseFloat(string(n), 64)
	switch {
	case err != nil && f > 0:
		return "Infinity"
	case err != nil && f < 0:
		return "-Infinity"
	case f == 0:
		return "0"
	}
	if a := math.Abs(f); a >= 1e-6 && a < 1e21 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(s, "e")
	sign := exponent[:1]
	return mantissa + "e" + sign + strings.TrimLeft(exponent[1:], "0")
}

var formField = regexp.MustCompile(`(?i)name="([^"]+)"\r\n\r\n([^\n\r\x{2028}\x{2029}]*)`)

// multipartQuery takes the plain fields of a form (RFC 7578).
func multipartQuery(body, contentType string) string {
	_, boundary, ok := strings.Cut(contentType, "boundary=")
	if !ok || boundary == "" || len(boundary) > 200 {
		return ""
	}
	at, err := regexp.Compile("(?i)-*" + regexp.QuoteMeta(boundary) + "-*")
	if err != nil {
		return ""
	}
	q := newQuery()
	for _, part := range at.Split(body, -1) {
		if m := formField.FindStringSubmatch(strings.TrimSpace(part)); m != nil {
			q.set(m[1], m[2])
		}
	}
	return q.String()
}

// decodeURI is ECMAScript's: reserved characters stay encoded, and text that
// does not decode to UTF-8 is dropped, as warcio does.
func decodeURI(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '%' {
			b.WriteByte(s[i])
			i++
			continue
		}
		var raw []byte
		j := i
		for ; j+2 < len(s) && s[j] == '%'; j += 3 {
			v, err := strconv.ParseUint(s[j+1:j+3], 16, 8)
			if err != nil {
				return ""
			}
			if raw = append(raw, byte(v)); utf8.FullRune(raw) {
				j += 3
				break
			}
		}
		r, n := utf8.DecodeRune(raw)
		if n == 0 || n != len(raw) || r == utf8.RuneError && n == 1 {
			return ""
		}
		if n == 1 && strings.IndexByte(";/?:@&=+$,#", raw[0]) >= 0 {
			b.WriteString(s[i:j])
		} else {
			b.Write(raw)
		}
		i = j
	}
	return b.String()
}
