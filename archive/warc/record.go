package warc

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Record is one record as it is read. It is valid until the next Next.
type Record struct {
	Version string // "WARC/1.1" or "WARC/1.0"
	Header  capture.Header

	Type   Type
	ID     capture.ID // zero when the id is no UUID in lower case
	Target string
	Date   time.Time
	Blocks int64 // Content-Length

	Offset int64 // of the record, or of its gzip member, in the file
	// Length and Digest are those of the record's bytes in the file (of the
	// compressed member); known once the record is finished.
	Length int64
	Digest capture.Digest

	reader  *Reader
	left    int64
	block   *labelled
	payload *labelled
	msg     *Message
	msgErr  error // what HTTP gave
	done    bool
	told    bool  // the caller has got err
	err     error // what Finish gives
}

// Get gives the first value of a field, "" when absent.
func (r *Record) Get(name string) string { return r.Header.Get(name) }

// All gives every value of a field that may be repeated.
func (r *Record) All(name string) []string {
	var out []string
	for _, f := range r.Header {
		if strings.EqualFold(f.Name, name) {
			out = append(out, f.Value)
		}
	}
	return out
}

// Checked reports whether the record states a block digest of an algorithm
// that this package computes. Without one nothing is verified.
func (r *Record) Checked() bool { return r.block != nil }

// Read reads the block. At its end it gives io.EOF only if the digests that
// the record states are those of its bytes, and a *DigestError if not.
func (r *Record) Read(p []byte) (int, error) {
	n, err := r.read(p)
	if err != nil && err != io.EOF {
		r.told = true
	}
	return n, err
}

func (r *Record) read(p []byte) (int, error) {
	if r.done {
		if r.err != nil {
			return 0, r.err
		}
		return 0, io.EOF
	}
	if r.left == 0 {
		return 0, r.close()
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.reader.text.Read(p)
	r.left -= int64(n)
	r.block.write(p[:n])
	if r.msg == nil {
		r.payload.write(p[:n])
	}
	if err != nil && r.left > 0 {
		return n, r.fail(&FormatError{r.Offset, "its block ends before its Content-Length", unexpected(err)})
	}
	return n, nil
}

// close ends the record after its block: io.EOF or what is wrong with it.
func (r *Record) close() error {
	r.done = true
	if err := r.reader.end(r); err != nil {
		return r.fail(err)
	}
	if r.err = r.block.verify(r); r.err == nil && r.msg == nil && r.Type == TypeResource {
		r.err = r.payload.verify(r)
	}
	if r.err != nil {
		return r.err
	}
	return io.EOF
}

// fail ends the record and the whole file.
func (r *Record) fail(err error) error {
	err = r.reader.blame(err)
	r.done, r.err, r.reader.err = true, err, err
	return err
}

// Finish reads the rest of the record and checks it. Afterwards Length and
// Digest are known. It may be called again.
func (r *Record) Finish() error {
	buf := make([]byte, 32<<10)
	for {
		var err error
		if r.msg != nil {
			_, err = r.msg.read(buf)
		} else {
			_, err = r.read(buf)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			// A wrong payload does not end the record.
			for !r.done {
				_, _ = r.read(buf)
			}
			r.told = true
			return err
		}
	}
}

// single are the fields that may stand once only; the others of WARC 1.1 that
// may be repeated are WARC-Concurrent-To and, by use, WARC-Protocol.
func single(name string) bool {
	n := strings.ToLower(name)
	if n == "warc-concurrent-to" || n == "warc-protocol" {
		return false
	}
	return strings.HasPrefix(n, "warc-") || strings.HasPrefix(n, "content-")
}

// readHeader reads and checks the header section.
func (r *Record) readHeader(from io.ByteReader) error {
	bad := func(format string, a ...any) error {
		return &FormatError{r.Offset, fmt.Sprintf(format, a...), nil}
	}
	l := &lines{r: from, left: maxSection}
	version, wrong := l.next()
	if wrong != "" {
		return bad("%s", wrong)
	}
	if version != "WARC/1.1" && version != "WARC/1.0" {
		return bad("it begins with %.40q and not with WARC/1.1", version)
	}
	r.Version = version
	if r.Header, wrong = l.fields(); wrong != "" {
		return bad("%s", wrong)
	}
	seen := map[string]bool{}
	for _, f := range r.Header {
		if !single(f.Name) {
			continue
		}
		k := strings.ToLower(f.Name)
		if seen[k] {
			return bad("it has two fields %s", f.Name)
		}
		if f.Value == "" {
			return bad("its %s is empty", f.Name)
		}
		seen[k] = true
	}
	return r.known(bad)
}

// known sets the fields that every record has.
func (r *Record) known(bad func(string, ...any) error) error {
	r.Type = Type(r.Get("WARC-Type"))
	if !isToken(string(r.Type)) {
		return bad("it has no WARC-Type")
	}
	id := r.Get("WARC-Record-ID")
	if len(id) < 3 || id[0] != '<' || id[len(id)-1] != '>' {
		return bad("its WARC-Record-ID %.60q is not a URI in angle brackets", id)
	}
	if v, ok := strings.CutPrefix(id[1:len(id)-1], "urn:uuid:"); ok {
		// Another spelling of a UUID stays a zero ID: the text is there.
		r.ID, _ = capture.ParseID(v)
	}
	date := r.Get("WARC-Date")
	at, err := time.Parse(time.RFC3339Nano, date)
	if err != nil || !strings.HasSuffix(date, "Z") {
		return bad("its WARC-Date %.40q is not a time in UTC", date)
	}
	r.Date = at.UTC()
	length := r.Get("Content-Length")
	n, err := strconv.ParseUint(length, 10, 63)
	if err != nil || length != strconv.FormatUint(n, 10) {
		return bad("its Content-Length is %.40q", length)
	}
	if int64(n) > r.reader.MaxBlock {
		return bad("its block of %d bytes is larger than the %d that this reader takes", n, r.reader.MaxBlock)
	}
	r.Blocks, r.left = int64(n), int64(n)
	r.Target = r.Get("WARC-Target-URI")
	if r.Version == "WARC/1.0" {
		r.Target = strings.TrimSuffix(strings.TrimPrefix(r.Target, "<"), ">")
	}
	switch r.Type {
	case TypeWarcinfo, TypeMetadata:
	case TypeResponse, TypeRequest, TypeResource, TypeRevisit, TypeConversion, TypeContinuation:
		if r.Target == "" {
			return bad("a %s record has no WARC-Target-URI", r.Type)
		}
	}
	r.block = check("WARC-Block-Digest", r.Get("WARC-Block-Digest"))
	r.payload = check("WARC-Payload-Digest", r.Get("WARC-Payload-Digest"))
	return nil
}
