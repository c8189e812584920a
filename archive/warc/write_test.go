package warc

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/trawlmark/trawlmark/archive/capture"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
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
		t.Errorf("%s differs: a change of the format is a change of SPEC.md; then run the test with -update\ngot:\n%.4000s", name, got)
	}
}

// TestGolden holds the format: the file unpacked (the compressor may change
// its mind between versions), and the index without compressed lengths.
func TestGolden(t *testing.T) {
	file, index := written(t, everything(t), options())
	z, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "everything.warc", plain)

	var lines bytes.Buffer
	for _, e := range index.Records {
		fmt.Fprintf(&lines, "%s %s %s %s %d block=%s payload=%s status=%d type=%q media=%q cut=%q %s %s\n", e.Type, e.ID, e.Target,
			e.Date.Format(time.RFC3339Nano), e.Blocks, e.Block, e.Payload, e.Status, e.ContentType, e.MediaType, e.Truncated, e.Method, e.RequestBody)
	}
	golden(t, "everything.index", lines.Bytes())
}

// TestIndexPointsAtMembers reads each record alone, from its offset.
func TestIndexPointsAtMembers(t *testing.T) {
	file, index := written(t, everything(t), options())
	end := int64(0)
	for _, e := range index.Records {
		if e.Offset != end {
			t.Fatalf("%s begins at %d, and the one before ended at %d", e.ID, e.Offset, end)
		}
		end = e.Offset + e.Length
		member := file[e.Offset:end]
		if capture.Sum(member) != e.Record {
			t.Errorf("%s: the record digest is not that of the member", e.ID)
		}
		r := NewReader(bytes.NewReader(member))
		rec, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if rec.ID != e.ID || rec.Type != e.Type || rec.Target != e.Target || !rec.Date.Equal(e.Date) || rec.Blocks != e.Blocks {
			t.Errorf("the member at %d is %+v and the index says %+v", e.Offset, rec, e)
		}
		if err := rec.Finish(); err != nil || rec.Length != e.Length || rec.Digest != e.Record {
			t.Errorf("%s: %v; length %d of %d", e.ID, err, rec.Length, e.Length)
		}
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("after the member: %v", err)
		}
	}
	if end != int64(len(file)) || index.Size != end {
		t.Errorf("the records end at %d, the index says %d, the file has %d bytes", end, index.Size, len(file))
	}
}

// readAll reads a file back, with the blocks.
func readAll(t testing.TB, file []byte) ([]*Record, [][]byte) {
	t.Helper()
	r := NewReader(bytes.NewReader(file))
	var list []*Record
	var blocks [][]byte
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return list, blocks
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(rec)
		if err != nil {
			t.Fatal(err)
		}
		if !rec.Checked() {
			t.Errorf("%s has no block digest", rec.Get("WARC-Record-ID"))
		}
		list, blocks = append(list, rec), append(blocks, b)
	}
}

func message(t testing.TB, file []byte, e Entry) (*Record, *Message, string) {
	t.Helper()
	rec, err := NewReader(bytes.NewReader(file[e.Offset:])).Next()
	if err != nil {
		t.Fatal(err)
	}
	m, err := rec.HTTP()
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(m.Body)
	if err != nil {
		t.Fatal(err)
	}
	return rec, m, string(body)
}

// TestEveryExchangeComesBack compares what was captured with what is read.
func TestEveryExchangeComesBack(t *testing.T) {
	c := everything(t)
	file, index := written(t, c, options())
	byID := map[capture.ID]int{}
	for i, e := range index.Records {
		if _, twice := byID[e.ID]; twice {
			t.Fatalf("two records have the id %s", e.ID)
		}
		byID[e.ID] = i
	}
	for _, x := range c.Exchanges {
		i, ok := byID[x.ID]
		if !ok {
			t.Fatalf("%s %s has no record", x.Method, x.URL)
		}
		if x.Status == 0 {
			if e := index.Records[i]; e.Type != TypeMetadata || index.Records[i-1].Type != TypeRequest {
				t.Errorf("a failed exchange is a %s after a %s", e.Type, index.Records[i-1].Type)
			}
			continue
		}
		rec, m, body := message(t, file, index.Records[i])
		want, err := capture.ReadAll(x.Body, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if m.Status != x.Status || body != string(want) || m.Protocol != "HTTP/1.1" {
			t.Errorf("%s came back as %d %q", x.URL, m.Status, body)
		}
		if ip := rec.Get("WARC-IP-Address"); x.Remote.IsValid() && ip != x.Remote.Addr().String() {
			t.Errorf("%s came from %s, the record says %s", x.URL, x.Remote, ip)
		}
		for _, f := range split(x.ResponseHeader, x.Via) {
			if got := values(m.Header, f.Name) + values(m.Header, "x-orig-"+f.Name); !strings.Contains(got, f.Value) {
				t.Errorf("%s: the header %s: %q is not in the record: %q", x.URL, f.Name, f.Value, got)
			}
		}
		request := index.Records[i+1]
		if request.Type != TypeRequest || request.Target != x.URL {
			t.Fatalf("the record after the response of %s is a %s of %s", x.URL, request.Type, request.Target)
		}
		rec, m, body = message(t, file, request)
		posted, _ := capture.ReadAll(x.RequestBody, 1<<20)
		if m.Method != x.Method || body != string(posted) || m.Header.Get("Host") == "" {
			t.Errorf("the request of %s came back as %s %q %v", x.URL, m.Method, body, m.Header)
		}
		if got := rec.All("WARC-Concurrent-To"); !slices.Equal(got, []string{"<" + x.ID.URN() + ">"}) {
			t.Errorf("the request of %s is concurrent to %v", x.URL, got)
		}
	}
}

// find gives the entries of a target.
func find(index *Index, typ Type, target string) []Entry {
	var out []Entry
	for _, e := range index.Records {
		if e.Type == typ && e.Target == target {
			out = append(out, e)
		}
	}
	return out
}

func TestEncodingsAreNotUndoneTwice(t *testing.T) {
	c := everything(t)
	file, index := written(t, c, options())
	entries := find(index, TypeResponse, c.FinalURL)
	_, wire, _ := message(t, file, entries[0])
	if wire.Header.Get("Content-Encoding") != "gzip" || wire.Header.Get("Transfer-Encoding") != "" ||
		wire.Header.Get("x-orig-Transfer-Encoding") != "chunked" {
		t.Errorf("as on the wire, without chunks, is %v", wire.Header)
	}
	_, decoded, body := message(t, file, entries[1])
	if decoded.Header.Get("Content-Encoding") != "" || decoded.Header.Get("x-orig-content-encoding") != "br" ||
		values(decoded.Header, "content-length") != fmt.Sprint(len(body)) || decoded.Header.Get("x-orig-content-length") != "17" {
		t.Errorf("decoded is %v", decoded.Header)
	}
	if got := values(decoded.Header, "set-cookie"); got != "a=1,b=2" {
		t.Errorf("two cookies that DevTools joined came back as %q", got)
	}
}

func TestCertificatesOncePerChain(t *testing.T) {
	c := everything(t)
	file, index := written(t, c, options())
	entries := find(index, TypeMetadata, "urn:tls:market.example:443")
	if len(entries) != 1 {
		t.Fatalf("the chain of market.example is there %d times", len(entries))
	}
	recs, blocks := readAll(t, file[entries[0].Offset:entries[0].Offset+entries[0].Length])
	want, _ := os.ReadFile("testdata/chain.pem")
	if !bytes.Equal(blocks[0], want) || recs[0].Get("Content-Type") != "application/pem-certificate-chain" || recs[0].Get("WARC-Payload-Digest") != "" {
		t.Errorf("the chain came back as %v\n%s", recs[0].Header, blocks[0])
	}
}

func TestMessagesOfASocketFollowItsHandshake(t *testing.T) {
	c := everything(t)
	const said = `{"at":"2026-01-02T03:04:05Z","way":"received","opcode":1,"text":"12.00"}` + "\n"
	e := c.Exchanges[0]
	e.Messages = capture.Bytes(said)
	file, index := written(t, c, options())
	for _, entry := range find(index, TypeMetadata, e.URL) {
		recs, blocks := readAll(t, file[entry.Offset:entry.Offset+entry.Length])
		if recs[0].Get("Content-Type") != "application/x-ndjson" {
			continue
		}
		if string(blocks[0]) != said || recs[0].Get("WARC-Refers-To") != "<"+e.ID.URN()+">" || recs[0].Get("WARC-Payload-Digest") != "" {
			t.Errorf("the messages came back as %v\n%s", recs[0].Header, blocks[0])
		}
		return
	}
	t.Error("the messages are not in the file")
}

func TestCutsAndFailuresAreSaid(t *testing.T) {
	file, _ := written(t, everything(t), options())
	recs, blocks := readAll(t, file)
	said := map[string]string{}
	cut := map[string]string{}
	for i, r := range recs {
		if r.Type == TypeMetadata && r.Get("Content-Type") == "application/warc-fields" {
			said[r.Target] = string(blocks[i])
		}
		if r.Type == TypeResponse {
			cut[r.Target] = r.Get("WARC-Truncated")
		}
	}
	for target, want := range map[string]string{
		"https://img.market.example/big.jpg": "length", "https://market.example/app.js": "unspecified", "https://market.example/stream": "disconnect",
	} {
		if cut[target] != want {
			t.Errorf("WARC-Truncated of %s is %q", target, cut[target])
		}
	}
	for target, want := range map[string][]string{
		"https://market.example/app.js": {"missing-body: No data found"},
		"https://gone.example/i.png":    {"outcome: dns", "error: net::ERR_NAME_NOT_RESOLVED", "finished: 2026-"},
		"https://market.example/stream": {"outcome: connect", "error: unexpected EOF", "truncated: disconnect"},
	} {
		for _, w := range want {
			if !strings.Contains(said[target], w) {
				t.Errorf("the metadata of %s does not say %q: %q", target, w, said[target])
			}
		}
	}
}

func TestEnvironmentHasEverythingElse(t *testing.T) {
	c := everything(t)
	file, index := written(t, c, options())
	_, blocks := readAll(t, file)
	last := index.Records[len(index.Records)-1]
	if last.Target != "urn:x-evidence:environment:"+c.ID.String() {
		t.Fatalf("the last record is %s", last.Target)
	}
	var env environment
	d := json.NewDecoder(bytes.NewReader(blocks[len(blocks)-1]))
	d.DisallowUnknownFields()
	if err := d.Decode(&env); err != nil {
		t.Fatal(err)
	}
	want, _ := json.Marshal([]any{c.Environment, c.Clock, c.Policy, c.Refusals, c.Missing, c.Redirects, c.Evidence, c.Outcome})
	got, _ := json.Marshal([]any{env.Environment, env.Clock, env.Policy, env.Refusals, env.Missing, env.Redirects, env.Evidence, env.Outcome})
	if !bytes.Equal(got, want) {
		t.Errorf("the environment record says\n%s\nand the capture\n%s", got, want)
	}
}

func TestPageAsServedIsNotKeptTwice(t *testing.T) {
	c := everything(t)
	_, index := written(t, c, options())
	target := "urn:html:" + c.FinalURL
	if n := len(find(index, TypeResource, target)); n != 0 {
		t.Errorf("the page as served has %d records of its own", n)
	}
	c.Artifacts[0].Body = capture.Bytes("something else")
	_, index = written(t, c, options())
	if n := len(find(index, TypeResource, target)); n != 1 {
		t.Errorf("HTML that is in no response has %d records", n)
	}
}

func TestRevisit(t *testing.T) {
	c := everything(t)
	o := Original{Record: counter(7000)(), Target: c.FinalURL, Date: day.Add(-24 * time.Hour)}
	page := c.Exchanges[1]
	f, _ := capture.FingerprintOf(page.Body)
	opt := options()
	var asked []string
	opt.Dedupe = func(target string, payload capture.Digest) (Original, bool) {
		asked = append(asked, target)
		return o, payload == f.SHA256
	}
	file, index := written(t, c, opt)
	if len(asked) != 3 { // not the empty, the cut, the missing and the broken
		t.Errorf("asked about %v", asked)
	}
	entries := find(index, TypeRevisit, c.FinalURL)
	if len(entries) != 1 || entries[0].Payload != f.SHA256 || entries[0].ID != page.ID || entries[0].Status != 200 {
		t.Fatalf("revisits: %+v", entries)
	}
	rec, m, body := message(t, file, entries[0])
	for name, want := range map[string]string{
		"WARC-Profile":              "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest",
		"WARC-Payload-Digest":       f.SHA256.Labelled(),
		"WARC-Refers-To":            "<" + o.Record.URN() + ">",
		"WARC-Refers-To-Target-URI": o.Target,
		"WARC-Refers-To-Date":       "2026-03-13T09:26:53.589793238Z",
		"WARC-Truncated":            "length",
	} {
		if got := rec.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if body != "" || m.Header.Get("Content-Type") == "" {
		t.Errorf("the revisit has the body %q and the header %v", body, m.Header)
	}
	// The copy of the page is not in this file now, so it is written.
	if n := len(find(index, TypeResource, "urn:html:"+c.FinalURL)); n != 1 {
		t.Errorf("the page as served, whose response is a revisit, has %d records", n)
	}
	o.Date = time.Time{}
	if _, err := WriteCapture(context.Background(), io.Discard, c, opt); err == nil {
		t.Error("an original without a date was taken")
	}
}
