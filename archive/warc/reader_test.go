package warc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"

	"github.com/trawlmark/trawlmark/archive/capture"
)

func plain(t testing.TB, file []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPlainAndZipped reads the same records from both forms, byte by byte too.
func TestPlainAndZipped(t *testing.T) {
	file, index := written(t, everything(t), options())
	for name, r := range map[string]io.Reader{
		"zipped": bytes.NewReader(file), "plain": bytes.NewReader(plain(t, file)),
		"zipped, slowly": iotest.OneByteReader(bytes.NewReader(file)), "plain, slowly": iotest.HalfReader(bytes.NewReader(plain(t, file))),
		"zipped, end with data": iotest.DataErrReader(bytes.NewReader(file)),
	} {
		in := NewReader(r)
		n, end := 0, int64(0)
		for {
			rec, err := in.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if rec.Offset != end {
				t.Errorf("%s: record %d is at %d, want %d", name, n, rec.Offset, end)
			}
			// Every third is read, every third finished, the rest skipped.
			switch n % 3 {
			case 0:
				_, err = io.Copy(io.Discard, rec)
			case 1:
				err = rec.Finish()
			case 2:
				err = rec.Finish()
			}
			if err != nil || rec.ID != index.Records[n].ID {
				t.Fatalf("%s: record %d: %v", name, n, err)
			}
			end += rec.Length
			n++
		}
		if n != len(index.Records) {
			t.Errorf("%s: %d records", name, n)
		}
		if _, err := in.Next(); err != io.EOF {
			t.Errorf("%s: after the end: %v", name, err)
		}
	}
}

const wellFormed = "WARC/1.1\r\nWARC-Type: resource\r\nWARC-Record-ID: <urn:uuid:00000000-0000-7000-8000-000000000001>\r\n" +
	"WARC-Target-URI: urn:text:x\r\nWARC-Date: 2026-03-14T09:26:53Z\r\n" +
	"WARC-Block-Digest: sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\r\n" +
	"Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello\r\n\r\n"

func pack(records ...string) []byte {
	var b bytes.Buffer
	for _, r := range records {
		z := gzip.NewWriter(&b)
		io.WriteString(z, r)
		z.Close()
	}
	return b.Bytes()
}

// drain reads a file to its end or first error.
func drain(b []byte) (int, error) {
	r := NewReader(bytes.NewReader(b))
	for n := 0; ; n++ {
		if _, err := r.Next(); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
}

func TestMalformed(t *testing.T) {
	edit := func(from, to string) string {
		if !strings.Contains(wellFormed, from) {
			t.Fatalf("%q is not in the record", from)
		}
		return strings.Replace(wellFormed, from, to, 1)
	}
	for name, record := range map[string]string{
		"empty":                 "",
		"another format":        "HTTP/1.1 200 OK\r\n\r\n",
		"version 1.2":           edit("WARC/1.1", "WARC/1.2"),
		"lf":                    strings.ReplaceAll(wellFormed, "\r\n", "\n"),
		"a bare cr":             edit("text/plain", "text/\rplain"),
		"a bare lf":             edit("text/plain", "text/\nplain"),
		"a nul":                 edit("text/plain", "text/\x00plain"),
		"a folded field":        edit("text/plain", "text/plain;\r\n charset=utf-8"),
		"no colon":              edit("Content-Type: text/plain", "Content-Type text/plain"),
		"a space before colon":  edit("Content-Type:", "Content-Type :"),
		"no type":               edit("WARC-Type: resource\r\n", ""),
		"no id":                 edit("WARC-Record-ID", "X-Record-ID"),
		"an id without <>":      edit("<urn:uuid:00000000-0000-7000-8000-000000000001>", "urn:uuid:00000000-0000-7000-8000-000000000001"),
		"no date":               edit("WARC-Date: 2026-03-14T09:26:53Z\r\n", ""),
		"a local date":          edit("09:26:53Z", "09:26:53+01:00"),
		"no such date":          edit("2026-03-14", "2026-02-30"),
		"no target":             edit("WARC-Target-URI: urn:text:x\r\n", ""),
		"an empty field":        edit("urn:text:x", ""),
		"two targets":           edit("WARC-Date", "WARC-Target-URI: urn:text:y\r\nWARC-Date"),
		"two lengths":           edit("Content-Length: 5\r\n", "Content-Length: 5\r\ncontent-length: 5\r\n"),
		"no length":             edit("Content-Length: 5\r\n", ""),
		"a negative length":     edit("Content-Length: 5", "Content-Length: -5"),
		"a signed length":       edit("Content-Length: 5", "Content-Length: +5"),
		"a length with zeros":   edit("Content-Length: 5", "Content-Length: 05"),
		"a huge length":         edit("Content-Length: 5", "Content-Length: 99999999999999999999"),
		"a length over the cap": edit("Content-Length: 5", "Content-Length: 68719476737"),
		"a length too large":    edit("Content-Length: 5", "Content-Length: 10"),
		"a length too small":    edit("Content-Length: 5", "Content-Length: 4"),
		"no line ends":          strings.TrimSuffix(wellFormed, "\r\n\r\n"),
		"one line end":          strings.TrimSuffix(wellFormed, "\r\n"),
		"three line ends":       wellFormed + "\r\n",
		"cut in the header":     wellFormed[:60],
		"cut in the block":      wellFormed[:len(wellFormed)-7],
		"an endless line":       edit("text/plain", strings.Repeat("a", maxSection)),
		"endless fields":        edit("Content-Type", strings.Repeat("a: b\r\n", maxFields)+"Content-Type"),
	} {
		for form, b := range map[string][]byte{"plain": []byte(record), "zipped": pack(record), "zipped, second": pack(wellFormed, record)} {
			if form == "zipped, second" && record == "" {
				continue
			}
			_, err := drain(b)
			var bad *FormatError
			if !errors.As(err, &bad) || !errors.Is(err, ErrFormat) {
				t.Errorf("%s (%s): %v", name, form, err)
			}
		}
	}
	if n, err := drain(pack(wellFormed, wellFormed)); n != 2 || err != nil {
		t.Errorf("two well-formed records gave %d, %v", n, err)
	}
}

func TestMalformedMembers(t *testing.T) {
	good := pack(wellFormed)
	for name, b := range map[string][]byte{
		"two records in a member": pack(wellFormed + wellFormed),
		"a member cut":            good[:len(good)-1],
		"a checksum off by one":   append(bytes.Clone(good[:len(good)-8]), append([]byte{good[len(good)-8] ^ 1}, good[len(good)-7:]...)...),
		"rubbish after":           append(bytes.Clone(good), "rubbish"...),
		"one byte after":          append(bytes.Clone(good), 0x1f),
		"plain after zipped":      append(bytes.Clone(good), wellFormed...),
		"zipped after plain":      append([]byte(wellFormed), good...),
		"an empty member after":   append(bytes.Clone(good), pack("")...),
		"half a gzip header":      {0x1f, 0x8b, 8},
	} {
		if _, err := drain(b); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReadErrorsAreGiven: a disk that fails is not a malformed file.
func TestReadErrorsAreGiven(t *testing.T) {
	file, _ := written(t, everything(t), options())
	for _, b := range [][]byte{file, plain(t, file)} {
		for n := 0; n < len(b); n += 211 {
			for _, http := range []bool{false, true} {
				r := NewReader(io.MultiReader(bytes.NewReader(b[:n]), failing{}))
				var err error
				for err == nil {
					var rec *Record
					if rec, err = r.Next(); err == nil && http && strings.HasPrefix(rec.Get("Content-Type"), "application/http") {
						_, err = rec.HTTP()
					}
				}
				if !errors.Is(err, errDisk) || errors.Is(err, ErrFormat) {
					t.Fatalf("a disk that fails at byte %d gave %v", n, err)
				}
			}
		}
	}
}

// TestChangedBlocksAreFound changes bytes of every block, the ends too.
func TestChangedBlocksAreFound(t *testing.T) {
	file, index := written(t, everything(t), options())
	b := plain(t, file)
	records := splitPlain(t, b)
	for i, e := range index.Records {
		rec := records[i]
		block := len(rec) - 4 - int(e.Blocks)
		for _, at := range []int{block, block + int(e.Blocks)/2, len(rec) - 5} {
			changed := bytes.Clone(rec)
			changed[at] ^= 0x20
			_, err := drain(changed)
			var wrong *DigestError
			if !errors.As(err, &wrong) || !errors.Is(err, ErrDigest) || wrong.Field != "WARC-Block-Digest" || wrong.Record != "<"+e.ID.URN()+">" {
				t.Errorf("%s %s, byte %d changed: %v", e.Type, e.Target, at, err)
			}
		}
	}
}

func splitPlain(t testing.TB, b []byte) [][]byte {
	t.Helper()
	r := NewReader(bytes.NewReader(b))
	var out [][]byte
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err == nil {
			err = rec.Finish()
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b[rec.Offset:rec.Offset+rec.Length])
	}
}

// TestDigestErrorsOnce: each is told once, and the next record is read.
func TestDigestErrorsOnce(t *testing.T) {
	bad := strings.Replace(wellFormed, "hello", "jello", 1)
	file := pack(bad, wellFormed)
	for name, use := range map[string]func(*Record) error{
		"skipped":  func(*Record) error { return nil },
		"read":     func(r *Record) error { _, err := io.ReadAll(r); return err },
		"finished": func(r *Record) error { return r.Finish() },
		"half":     func(r *Record) error { r.Read(make([]byte, 2)); return nil },
	} {
		r := NewReader(bytes.NewReader(file))
		rec, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		if errors.Is(use(rec), ErrDigest) {
			told++
		}
		second, err := r.Next()
		if errors.Is(err, ErrDigest) {
			told++
			second, err = r.Next()
		}
		if err != nil || told != 1 {
			t.Fatalf("%s: told %d times, then %v", name, told, err)
		}
		if b, err := io.ReadAll(second); string(b) != "hello" || err != nil {
			t.Errorf("%s: the second record is %q, %v", name, b, err)
		}
	}
}

func TestPayloadDigest(t *testing.T) {
	block := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello"
	record := func(payload string) string {
		return "WARC/1.1\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:00000000-0000-7000-8000-000000000001>\r\n" +
			"WARC-Target-URI: https://a.example/\r\nWARC-Date: 2026-03-14T09:26:53Z\r\n" +
			"WARC-Block-Digest: " + capture.Sum([]byte(block)).Labelled() + "\r\nWARC-Payload-Digest: " + payload + "\r\n" +
			"Content-Type: application/http; msgtype=response\r\nContent-Length: " + fmt.Sprint(len(block)) + "\r\n\r\n" + block + "\r\n\r\n"
	}
	for payload, good := range map[string]bool{
		"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824": true,
		"sha1:VL2MMHO4YXUKFWV63YHTWSBM3GXKSQ2N":                                   true, // as pywb writes it
		"sha1:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d":                           true,
		"blake3:00": true, // not computed here
		"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9825": false,
		"sha1:AL2MMHO4YXUKFWV63YHTWSBM3GXKSQ2N":                                   false,
	} {
		r := NewReader(strings.NewReader(record(payload)))
		rec, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		m, err := rec.HTTP()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(m.Body)
		var wrong *DigestError
		if good && err != nil || !good && (!errors.As(err, &wrong) || wrong.Field != "WARC-Payload-Digest") || string(body) != "hello" {
			t.Errorf("%s: %q, %v", payload, body, err)
		}
		if again := rec.Finish(); (again == nil) != good {
			t.Errorf("%s: finished with %v", payload, again)
		}
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("%s: then %v", payload, err)
		}
	}
}

func TestMalformedMessages(t *testing.T) {
	record := func(kind, block string) string {
		return "WARC/1.1\r\nWARC-Type: " + kind + "\r\nWARC-Record-ID: <urn:uuid:00000000-0000-7000-8000-000000000001>\r\n" +
			"WARC-Target-URI: https://a.example/\r\nWARC-Date: 2026-03-14T09:26:53Z\r\nWARC-Payload-Digest: " + capture.Sum([]byte("x")).Labelled() + "\r\n" +
			"Content-Type: application/http; msgtype=" + kind + "\r\nContent-Length: " + fmt.Sprint(len(block)) + "\r\n\r\n" + block + "\r\n\r\n"
	}
	for kind, blocks := range map[string][]string{
		"response": {
			"", "HTTP/1.1", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\nA: b\n\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 +20 OK\r\n\r\n",
			"HTTP/1.1 -20 OK\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "ICY 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
			"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
		},
		"request": {"GET /\r\n\r\n", "GET  HTTP/1.1\r\n\r\n", "G T / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1 \r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"},
		"revisit": {""},
	} {
		for _, block := range blocks {
			r := NewReader(strings.NewReader(record(kind, block) + wellFormed))
			rec, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time the same
				if _, err := rec.HTTP(); !errors.Is(err, ErrFormat) {
					t.Errorf("%s %q: %v", kind, block, err)
				}
			}
			if _, err := r.Next(); err != nil {
				t.Errorf("%s %q: the next record: %v", kind, block, err)
			}
		}
	}
	rec, err := NewReader(strings.NewReader(wellFormed)).Next()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rec.HTTP(); !errors.Is(err, ErrFormat) {
		t.Errorf("a text is an HTTP message: %v", err)
	}
}

// TestOtherPrograms reads what others write: version 1.0, brackets round the
// target, ids that are no UUID, digests in base 32.
func TestOtherPrograms(t *testing.T) {
	foreign := "WARC/1.0\r\nWARC-Type: resource\r\nWARC-Record-ID: <urn:x-other:17>\r\nWARC-Target-URI: <https://a.example/>\r\n" +
		"WARC-Date: 2026-03-14T09:26:53Z\r\nWARC-Block-Digest: sha1:VL2MMHO4YXUKFWV63YHTWSBM3GXKSQ2N\r\nContent-Length: 5\r\n\r\nhello\r\n\r\n"
	rec, err := NewReader(strings.NewReader(foreign)).Next()
	if err != nil {
		t.Fatal(err)
	}
	if rec.Target != "https://a.example/" || !rec.ID.IsZero() || !rec.Checked() {
		t.Errorf("%+v", rec)
	}
	if err := rec.Finish(); err != nil {
		t.Error(err)
	}
}

// TestBomb: a member that claims and decompresses to much more than the cap
// is refused at its header.
func TestBomb(t *testing.T) {
	bomb := pack(strings.Replace(wellFormed, "Content-Length: 5\r\n\r\nhello", "Content-Length: 9000000\r\n\r\n"+strings.Repeat("0", 9000000), 1))
	r := NewReader(bytes.NewReader(bomb))
	r.MaxBlock = 1 << 20
	if _, err := r.Next(); !errors.Is(err, ErrFormat) {
		t.Errorf("a bomb of %d bytes: %v", len(bomb), err)
	}
}
