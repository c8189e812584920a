package warc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Bounds of what is read into memory.
const (
	maxSection = 1 << 20 // a header section, in bytes
	maxFields  = 10000   // the fields of a header section or an HTTP head
)

// DefaultMaxBlock is how many bytes a block may have, unless Reader.MaxBlock says otherwise.
const DefaultMaxBlock = 64 << 30

// Reader reads the records of a WARC file, plain or with one gzip member per
// record, in order and in constant memory. It is strict: what is not
// well-formed is a *FormatError. It is not safe for concurrent use.
type Reader struct {
	// MaxBlock bounds Content-Length: a small file can claim to be, and
	// decompress to, a very large one. Set it before the first Next.
	MaxBlock int64

	src  *source
	zip  *gzip.Reader // nil for a plain file
	text bytesReader  // the uncompressed bytes
	cur  *Record
	err  error // sticky
	any  bool  // a record was begun
}

type bytesReader interface {
	io.Reader
	io.ByteReader
}

// NewReader reads from r, which is buffered here. The file's form is seen at
// its first bytes.
func NewReader(r io.Reader) *Reader {
	return &Reader{MaxBlock: DefaultMaxBlock, src: newSource(r)}
}

// Next gives the next record, or io.EOF. What the caller did not read of the
// record before is read now and checked: the *DigestError of that record is
// given here if it was not given before, and a further Next goes on.
func (r *Reader) Next() (*Record, error) {
	if r.err != nil {
		return nil, r.err
	}
	if c := r.cur; c != nil {
		r.cur = nil
		told := c.told
		if err := c.Finish(); err != nil && !told {
			return nil, err
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	rec, err := r.begin()
	if err != nil {
		r.err = r.blame(err)
		return nil, r.err
	}
	r.cur = rec
	return rec, nil
}

// begin reads a header section.
func (r *Reader) begin() (*Record, error) {
	head := r.src.peek(2)
	offset := r.src.offset()
	if len(head) == 0 {
		if !r.any {
			return nil, &FormatError{offset, "the file is empty", io.ErrUnexpectedEOF}
		}
		return nil, io.EOF
	}
	r.src.mark()
	zipped := len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b
	if r.any && zipped != (r.zip != nil) {
		return nil, &FormatError{offset, "something follows the last record that is not a record", nil}
	}
	r.any = true
	if err := r.open(zipped); err != nil {
		return nil, &FormatError{offset, "its gzip member has no header", unexpected(err)}
	}
	rec := &Record{Offset: offset, reader: r}
	if err := rec.readHeader(r.text); err != nil {
		return nil, err
	}
	return rec, nil
}

// blame tells a file that cannot be read from one that is malformed: where the
// bytes ended because the reader below failed, that is what is wrong.
func (r *Reader) blame(err error) error {
	if s := r.src; s.err != nil && s.err != io.EOF && s.pos == s.end {
		return fmt.Errorf("reading a WARC file stopped at byte %d: %w", s.offset(), s.err)
	}
	return err
}

// open makes text read the member that begins at the next byte.
func (r *Reader) open(zipped bool) error {
	if !zipped {
		r.text = r.src
		return nil
	}
	var err error
	if r.zip == nil {
		if r.zip, err = gzip.NewReader(r.src); err == nil {
			r.text = bufio.NewReaderSize(r.zip, 32<<10)
		}
	} else if err = r.zip.Reset(r.src); err == nil {
		r.text.(*bufio.Reader).Reset(r.zip)
	}
	if err == nil {
		r.zip.Multistream(false)
	}
	return err
}

// end reads what stands after a block, and checks that the member ends there.
func (r *Reader) end(rec *Record) error {
	for _, want := range []byte("\r\n\r\n") {
		c, err := r.text.ReadByte()
		if err != nil {
			return &FormatError{rec.Offset, "it ends before the two line ends after its block", unexpected(err)}
		}
		if c != want {
			return &FormatError{rec.Offset, "its block is not followed by two line ends: Content-Length is wrong", nil}
		}
	}
	if r.zip != nil {
		if _, err := r.text.ReadByte(); err == nil {
			return &FormatError{rec.Offset, "its gzip member holds more than one record", nil}
		} else if err != io.EOF {
			return &FormatError{rec.Offset, "its gzip member is damaged", err}
		}
	}
	rec.Length, rec.Digest = r.src.offset()-rec.Offset, r.src.digest()
	return nil
}

// unexpected turns the end of the file into the error it is inside a record.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// lines reads a header section: lines that end in CR LF, up to an empty one.
type lines struct {
	r    io.ByteReader
	left int // bytes that the section may still have
}

// next gives a line without its end.
func (l *lines) next() (string, string) {
	var b []byte
	for {
		c, err := l.r.ReadByte()
		if err != nil {
			return "", "it ends inside a header: " + unexpected(err).Error()
		}
		if l.left--; l.left < 0 {
			return "", "its header is too large"
		}
		switch {
		case c == '\n' && len(b) > 0 && b[len(b)-1] == '\r':
			return string(b[:len(b)-1]), ""
		case c == '\n' || len(b) > 0 && b[len(b)-1] == '\r':
			return "", "a header line does not end in CR LF"
		case c == 0:
			return "", "a header has a NUL"
		}
		b = append(b, c)
	}
}

// fields reads named fields up to the empty line.
func (l *lines) fields() (capture.Header, string) {
	var h capture.Header
	for {
		line, bad := l.next()
		if bad != "" || line == "" {
			return h, bad
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) {
			return nil, fmt.Sprintf("%.60q is not a header field", line)
		}
		if len(h) >= maxFields {
			return nil, "its header has too many fields"
		}
		h = append(h, capture.Field{Name: name, Value: strings.Trim(value, " \t")})
	}
}
