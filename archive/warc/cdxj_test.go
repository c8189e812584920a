package warc

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// TestCDXJ holds the form of the lines, their order, and that they point at
// the records. That the keys are those of other programs is compared in
// independent_test.go.
func TestCDXJ(t *testing.T) {
	file, index := written(t, everything(t), options())
	var b bytes.Buffer
	if err := WriteCDXJ(&b, index, "capture.warc.gz"); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(b.String(), "\n"), "\n")
	if !slices.IsSorted(lines) || len(lines) != 18 {
		t.Errorf("%d lines, sorted: %v\n%s", len(lines), slices.IsSorted(lines), b.String())
	}
	for _, l := range lines {
		part := strings.SplitN(l, " ", 3)
		var j cdx
		d := json.NewDecoder(strings.NewReader(part[2]))
		d.DisallowUnknownFields()
		if err := d.Decode(&j); err != nil {
			t.Fatalf("%v: %s", err, l)
		}
		i := slices.IndexFunc(index.Records, func(e Entry) bool { return e.Record.Labelled() == j.RecordDigest })
		if i < 0 {
			t.Fatalf("no record has the digest of %s", l)
		}
		e := index.Records[i]
		if part[1] != e.Date.Format("20060102150405") || j.URL != e.Target || j.Filename != "capture.warc.gz" ||
			capture.Sum(file[e.Offset:e.Offset+e.Length]) != e.Record {
			t.Errorf("%s does not fit %+v", l, e)
		}
	}
	if want := `example,market)/api?__wb_method=post&page=2&q=bag&x=1 20260314092654 {"url":"https://market.example/api?x=1"`; !strings.Contains(b.String(), want) {
		t.Errorf("the posted form is not under its key:\n%s", b.String())
	}
	if err := WriteCDXJ(&limited{10}, index, "x"); !errors.Is(err, errDisk) {
		t.Errorf("a full disk gave %v", err)
	}
}

func TestSURT(t *testing.T) {
	for in, want := range map[string]string{
		"https://www.shop.example/A?b=2&a=1":         "example,shop)/a?a=1&b=2",
		"http://www12.shop.example/":                 "example,shop)/",
		"https://wwwx.shop.example":                  "example,shop,wwwx)/",
		"https://shop.example:443/":                  "example,shop)/",
		"http://shop.example:443/":                   "example,shop:443)/",
		"https://u:p@shop.example:8443/?":            "example,shop:8443)/",
		"https://shop.example/a/./b/../c/.":          "example,shop)/a/c/",
		"https://shop.example/../%2E%2e/x":           "example,shop)/x",
		"https://shop.example/x?b&a#frag?c":          "example,shop)/x?a&b",
		"https://[2001:db8::1]:8443/x":               "[2001:db8::1]:8443)/x",
		"https://shop.example/a{b}?c={d}":            "example,shop)/a%7Bb%7D?c={d}",
		"urn:view:https://shop.example/A":            "urn:view:https://shop.example/A",
		"dns:Shop.example":                           "dns:Shop.example",
		"https://":                                   "https://",
		"ftp://shop.example/A":                       "ftp://shop.example/A",
		`https://shop.example\a`:                     "example,shop)/a",
		"https://shop.example/?q=it's":               "example,shop)/?q=it%27s",
		"https://shop.example/caf%C3%A9?q=%C3%A9":    "example,shop)/caf%c3%a9?q=%c3%a9",
		"https://127.0.0.1/":                         "1,0,0,127)/",
		"https://shop.example/..":                    "example,shop)/",
		"https://shop.example/a?x=1&__wb_method=PUT": "example,shop)/a?__wb_method=put&x=1",
	} {
		if got := surt(in); got != want {
			t.Errorf("surt(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestDecodeURI(t *testing.T) {
	for in, want := range map[string]string{
		"a%20b": "a b", "%C3%A4": "ä", "%2F%26%3d": "%2F%26%3d", "%F0%9F%91%9C!": "👜!", "": "", "100%25": "100%",
		"%": "", "%4": "", "%zz": "", "%FF": "", "%C3": "", "%C3x": "", "%C3%28": "", "%ED%A0%80": "",
	} {
		if got := decodeURI(in); got != want {
			t.Errorf("decodeURI(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestBodyQueryBounds: large and deep bodies cost nothing and break nothing.
func TestBodyQueryBounds(t *testing.T) {
	deep := strings.Repeat(`{"a":[`, 100000)
	if got := bodyQuery("application/json", []byte(deep)); got != "" {
		t.Errorf("a deep document gave %.40q", got)
	}
	c := everything(t)
	c.Exchanges[3].RequestBody = endless(maxPost + 1)
	_, index := written(t, c, options())
	e := find(index, TypeResponse, c.Exchanges[3].URL)[0]
	if e.Method != "POST" || e.RequestBody != "" {
		t.Errorf("a large posted body is looked up by %q %.40q", e.Method, e.RequestBody)
	}
	if got := cutUTF16(strings.Repeat("👜", 4096), maxQuery); len(got) != 4*2048 {
		t.Errorf("cut to %d bytes", len(got))
	}
}

func FuzzBodyQuery(f *testing.F) {
	for _, p := range posts {
		f.Add(p.kind, []byte(p.body))
	}
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		key := surt(postURL("https://a.example/", "POST", cutUTF16(bodyQuery(kind, body), maxQuery)))
		if strings.ContainsAny(key, " \r\n\t\x00") {
			t.Fatalf("the key %q would break the line", key)
		}
	})
}
