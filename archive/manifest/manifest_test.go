package manifest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"math"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/warc"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestGolden(t *testing.T) {
	for name, make := range map[string]func(testing.TB) (*Manifest, []byte){"everything.json": everyManifest, "least.json": leastManifest} {
		_, got := make(t)
		path := "testdata/" + name
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs: a change of the format is a change of SPEC.md and of Format; then run the test with -update\n%s", name, got)
		}
		m, err := Parse(want)
		if err != nil {
			t.Fatal(err)
		}
		d, err := m.Digest()
		if err != nil || d != capture.Sum(want) {
			t.Errorf("the digest is %s, %v", d, err)
		}
	}
}

func TestParseGivesWhatWasMarshalled(t *testing.T) {
	for _, make := range []func(testing.TB) (*Manifest, []byte){everyManifest, leastManifest} {
		m, b := make(t)
		got, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, m) {
			t.Errorf("parsed\n%+v\nand had\n%+v", got, m)
		}
	}
}

// TestNothingIsLeftOut: in the manifest of a capture with every field set no
// member is empty, so that a field that is added and forgotten is seen.
func TestNothingIsLeftOut(t *testing.T) {
	_, b := everyManifest(t)
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{
		".main.tls.leaf.error": true, ".artifacts.tile": true, ".artifacts.taken": true, ".artifacts.width": true, ".artifacts.height": true,
		".dns.override": true, ".dns.addresses": true, ".missing.url": true,
	}
	var walk func(v any, path string)
	walk = func(v any, path string) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				walk(e, path+"."+k)
			}
		case []any:
			if len(v) == 0 && !allowed[path] {
				t.Errorf("%s is empty", path)
			}
			for _, e := range v {
				walk(e, path)
			}
		default:
			if (v == nil || v == "" || v == 0.0 || v == false) && !allowed[path] {
				t.Errorf("%s is %v", path, v)
			}
		}
	}
	walk(v, "")
	for typ, n := range map[reflect.Type]int{
		reflect.TypeFor[capture.Capture](): 20, reflect.TypeFor[capture.Asked](): 8, reflect.TypeFor[capture.Environment](): 13,
		reflect.TypeFor[capture.Clock](): 3, reflect.TypeFor[capture.Policy](): 5, reflect.TypeFor[capture.Anchor](): 6,
		reflect.TypeFor[capture.Missing](): 3, reflect.TypeFor[capture.Refusal](): 3, reflect.TypeFor[capture.DNSAnswer](): 4,
		reflect.TypeFor[capture.Redirect](): 3, reflect.TypeFor[capture.TLS](): 4, reflect.TypeFor[capture.Failure](): 2,
	} {
		if typ.NumField() != n {
			t.Errorf("%s has %d fields and the manifest knows of %d: list the new one, or say in SPEC.md why not", typ, typ.NumField(), n)
		}
	}
}

func TestWhatItSays(t *testing.T) {
	m, b := everyManifest(t)
	if want := (Counts{Total: 4, Kinds: map[string]int64{"document": 2, "image": 1, "other": 1}, Answered: 3, Failed: 2, Truncated: 1, MissingBodies: 1, FromCache: 1}); !reflect.DeepEqual(m.Exchanges, want) {
		t.Errorf("counts: %+v", m.Exchanges)
	}
	if want := []Missing{{"screenshot", "", "timeout"}, {"body", "https://market.example/app.js", "evicted"}}; !reflect.DeepEqual(m.Missing, want) {
		t.Errorf("missing: %+v", m.Missing)
	}
	if m.Main.Exchange != id(3) || m.Main.IP != "192.0.2.10" || m.Main.Port != 443 || m.Main.Body.SHA256 != capture.Sum([]byte("<!doctype html>")) {
		t.Errorf("main: %+v", m.Main)
	}
	leaf := m.Main.TLS.Leaf
	if leaf.Subject != "CN=market.example,O=Example Market" || leaf.Issuer != "CN=Root of nothing,O=Example Test CA" || leaf.Serial != "1f2e3d4c5b6a7988" ||
		leaf.NotAfter.Year() != 2125 || strings.Join(leaf.Names, " ") != "market.example *.market.example 192.0.2.10" {
		t.Errorf("leaf: %+v", leaf)
	}
	if m.Started.String() != "2026-03-14T08:26:53.589793238Z" {
		t.Errorf("started: %s", m.Started)
	}
	// RFC 8785 section 3.2.2.2: nothing is escaped that need not be.
	if !bytes.Contains(b, []byte("?q=<a>&b=\u2028é")) {
		t.Error("a URL is not in its canonical spelling")
	}
}

// TestNamesWhatTheWARCHas ties both packages: the digests in the manifest are
// those that the WARC's records state.
func TestNamesWhatTheWARCHas(t *testing.T) {
	c := everything(t)
	var n uint64
	var file bytes.Buffer
	index, err := warc.WriteCapture(context.Background(), &file, c, warc.Options{NewID: func() capture.ID {
		n++
		var v capture.ID
		binary.BigEndian.PutUint64(v[8:], n)
		return v
	}})
	if err != nil {
		t.Fatal(err)
	}
	m, _ := everyManifest(t)
	found := 0
	for _, e := range index.Records {
		switch {
		case e.ID == m.Main.Exchange:
			found++
			if e.Payload != m.Main.Body.SHA256 || e.Status != int(m.Main.Status) {
				t.Errorf("the main response is %+v in the WARC", e)
			}
		case e.Target == "urn:tls:market.example:443":
			found++
			if e.Block != m.Main.TLS.Chain {
				t.Errorf("the chain is %s in the WARC and %s in the manifest", e.Block, m.Main.TLS.Chain)
			}
		}
	}
	if found != 2 {
		t.Errorf("%d of 2 records were found", found)
	}
}

func TestOddBytesAreWritable(t *testing.T) {
	c := everything(t)
	c.URL = "https://a.example/\xff\xc3\xa4\xed\xa0\x80"
	c.Exchanges[3].MissingBody = "bad \xfe"
	c.Exchanges[1].TLS = &capture.TLS{Chain: [][]byte{[]byte("no certificate \xff")}}
	m, err := New(c, allStored())
	if err != nil {
		t.Fatal(err)
	}
	if m.URL != `https://a.example/\xffä\xed\xa0\x80` || m.Missing[1].Reason != `bad \xfe` {
		t.Errorf("%s, %+v", m.URL, m.Missing)
	}
	if leaf := m.Main.TLS.Leaf; leaf.Error == "" || leaf.SHA256 != capture.Sum([]byte("no certificate \xff")) || leaf.Subject != "" {
		t.Errorf("a leaf that is no certificate: %+v", leaf)
	}
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(b); err != nil {
		t.Error(err)
	}
}

type unreadable struct{ capture.Bytes }

var errDisk = errors.New("the disk is gone")

func (unreadable) Open() (io.ReadCloser, error) { return nil, errDisk }

func TestNewRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*capture.Capture, *[]Stored){
		"no id":                   func(c *capture.Capture, _ *[]Stored) { c.ID = capture.ID{} },
		"no url":                  func(c *capture.Capture, _ *[]Stored) { c.URL = "" },
		"no start":                func(c *capture.Capture, _ *[]Stored) { c.Started = time.Time{} },
		"no end":                  func(c *capture.Capture, _ *[]Stored) { c.Finished = time.Time{} },
		"no outcome":              func(c *capture.Capture, _ *[]Stored) { c.Outcome = "" },
		"an unknown outcome":      func(c *capture.Capture, _ *[]Stored) { c.Outcome = "fine" },
		"a failure of no outcome": func(c *capture.Capture, _ *[]Stored) { c.Exchanges[2].Failure.Outcome = "" },
		"time runs backwards":     func(c *capture.Capture, _ *[]Stored) { c.Elapsed = -1 },
		"too long for JSON":       func(c *capture.Capture, _ *[]Stored) { c.Elapsed = math.MaxInt64 },
		"the year 10000":          func(c *capture.Capture, _ *[]Stored) { c.Finished = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"no address":              func(c *capture.Capture, _ *[]Stored) { c.DNS[0].Addresses = []netip.Addr{{}} },
		"an artifact not stored":  func(_ *capture.Capture, s *[]Stored) { *s = (*s)[:3] },
		"an artifact cut":         func(c *capture.Capture, _ *[]Stored) { c.Artifacts[0].Body = capture.Bytes("<html>") },
		"an artifact of nothing":  func(c *capture.Capture, _ *[]Stored) { c.Artifacts[0].Body = nil },
		"no warc":                 func(_ *capture.Capture, s *[]Stored) { *s = (*s)[1:] },
		"two of a role":           func(_ *capture.Capture, s *[]Stored) { *s = append(*s, (*s)[1]) },
		"two of a key":            func(_ *capture.Capture, s *[]Stored) { (*s)[1].Key = (*s)[0].Key },
		"no key":                  func(_ *capture.Capture, s *[]Stored) { (*s)[1].Key = "" },
		"no media type":           func(_ *capture.Capture, s *[]Stored) { (*s)[1].MediaType = "" },
		"an unknown role":         func(_ *capture.Capture, s *[]Stored) { *s = append(*s, stored("photo", 0, "x")) },
		"no digest":               func(_ *capture.Capture, s *[]Stored) { (*s)[1].Print.SHA256 = capture.Digest{} },
		"a negative width":        func(_ *capture.Capture, s *[]Stored) { (*s)[1].Width = -1 },
		"a cut of no kind":        func(c *capture.Capture, _ *[]Stored) { c.Exchanges[1].Truncated = "weather" },
	} {
		c, s := everything(t), allStored()
		spoil(c, &s)
		m, err := New(c, s)
		if err == nil {
			_, err = m.Marshal() // the year is found when it is written
		}
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := everything(t)
	c.Exchanges[1].Body = unreadable{}
	if _, err := New(c, allStored()); !errors.Is(err, errDisk) {
		t.Errorf("a body that cannot be read: %v", err)
	}
}
