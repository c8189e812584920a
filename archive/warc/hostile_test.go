package warc

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// forged is what a page would have the archive believe.
const forged = "\r\n\r\nWARC/1.1\r\nWARC-Type: response\r\nWARC-Target-URI: https://innocent.example/\r\nContent-Length: 0\r\n\r\n"

// TestHostileBytesForgeNothing puts line ends and NULs in every text that a
// page, a server or a network can choose.
func TestHostileBytesForgeNothing(t *testing.T) {
	clean := everything(t)
	_, index := written(t, clean, options())
	records := len(index.Records)

	for _, evil := range []string{forged, "\n", "\r", "\x00", "\r\nX-Forged: yes\r\n", " X-Forged: yes\nX-Forged: yes"} {
		c := everything(t)
		e := c.Exchanges[1]
		e.URL += evil
		e.StatusText += evil
		e.Method = "GET" + evil
		e.Protocol += evil
		e.Kind += evil
		e.Via += evil
		e.ResponseHeader = append(e.ResponseHeader, capture.Field{Name: "X-A", Value: "a" + evil}, capture.Field{Name: "X-B" + evil, Value: "b"})
		e.RequestHeader = append(e.RequestHeader, capture.Field{Name: "Referer", Value: evil}, capture.Field{Name: "", Value: evil})
		e.TLS = &capture.TLS{Version: "TLS 1.3" + evil, Cipher: "TLS_" + evil, Chain: e.TLS.Chain}
		c.Exchanges[6].Failure.Text += evil
		c.Exchanges[5].MissingBody += evil
		c.DNS[0].Host += evil
		for _, a := range c.Artifacts {
			a.URL += evil
			a.MediaType += evil
		}
		c.URL += evil
		c.Missing[0].Reason += evil
		opt := options()
		opt.Info.Operator += evil

		file, index := written(t, c, opt)
		recs, blocks := readAll(t, file)
		if len(recs) < records || len(recs) > records+1 { // one chain more: another host
			t.Fatalf("%q made %d records of %d", evil, len(recs), records)
		}
		heads := 0
		for i, r := range recs {
			if r.Target == "https://innocent.example/" || r.Get("X-Forged") != "" {
				t.Fatalf("%q forged %v", evil, r.Header)
			}
			if !strings.HasPrefix(r.Get("Content-Type"), "application/http") {
				continue
			}
			heads++
			_, m, _ := message(t, file, index.Records[i])
			if m.Header.Get("X-Forged") != "" {
				t.Errorf("%q forged a header: %v", evil, m.Header)
			}
			if head, _, _ := bytes.Cut(blocks[i], []byte("\r\n\r\n")); bytes.Contains(head, []byte{0}) {
				t.Errorf("a NUL is in a head")
			}
		}
		if heads == 0 {
			t.Fatal("no HTTP head was looked at")
		}
		saved(t, index, blocks[len(blocks)-1], evil, len(find(index, TypeResponse, index.Records[3].Target)))
	}
}

// saved checks that what was changed is told, in the file too.
func saved(t *testing.T, index *Index, env []byte, evil string, responses int) {
	t.Helper()
	var told struct{ Sanitized []Note }
	if err := json.Unmarshal(env, &told); err != nil {
		t.Fatal(err)
	}
	if len(told.Sanitized) == 0 || responses == 0 || len(told.Sanitized) != len(index.Sanitized)-environmentNotes(index) {
		t.Fatalf("%d changes are told in the file and %d in the index", len(told.Sanitized), len(index.Sanitized))
	}
	where := map[string]bool{}
	for _, n := range told.Sanitized {
		where[n.Where] = true
		original, err := strconv.Unquote(n.Original)
		if err != nil || !strings.Contains(original, evil) && original != "" {
			t.Errorf("the original is told as %s", n.Original)
		}
	}
	for _, w := range []string{"target", "start-line", "header-name", "header-value", "field"} {
		if !where[w] {
			t.Errorf("%q: no change of a %s is told", evil, w)
		}
	}
}

func environmentNotes(index *Index) int {
	last, n := index.Records[len(index.Records)-1], 0
	for _, note := range index.Sanitized {
		if note.Record == last.ID {
			n++
		}
	}
	return n
}

func TestCleanTarget(t *testing.T) {
	for in, want := range map[string]string{
		"https://a.example/b?c=d#e":    "https://a.example/b?c=d#e",
		"https://a.example/ b":         "https://a.example/%20b",
		"https://a.example/\xff\u00e9": "https://a.example/%FF%C3%A9",
		"https://a.example/<b>\"":      "https://a.example/%3Cb%3E%22",
		"https://a.example/\x7f\x01":   "https://a.example/%7F%01",
	} {
		var n notes
		if got := n.target(in); got != want || (got != in) != (len(n.list) == 1) {
			t.Errorf("%q became %q with %d notes", in, got, len(n.list))
		}
	}
	long := "data:text/html," + strings.Repeat("a", maxTarget)
	var n notes
	if got := n.target(long); got != "urn:x-evidence:long:"+capture.Sum([]byte(long)).String() {
		t.Errorf("a long URL became %.80s", got)
	}
	if len(n.list) != 1 || len(n.list[0].Original) < len(long) {
		t.Error("the long URL is not told whole")
	}
}

func TestOddStatus(t *testing.T) {
	c := everything(t)
	c.Exchanges[0].Status, c.Exchanges[0].StatusText = 12345, ""
	c.Exchanges[1].Status, c.Exchanges[1].StatusText = 42, ""
	file, index := written(t, c, options())
	if _, m, _ := message(t, file, index.Records[1]); m.Status != 0 || len(index.Sanitized) != 1 {
		t.Errorf("status 12345 became %d, with %v", m.Status, index.Sanitized)
	}
	if _, m, _ := message(t, file, index.Records[3]); m.Status != 42 || m.Reason != "Unknown" {
		t.Errorf("status 042 became %d %s", m.Status, m.Reason)
	}
}
