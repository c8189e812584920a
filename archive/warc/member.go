package warc

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// dateLayout is WARC-Date with all nine decimals that WARC 1.1 section 5.4
// allows: one instant, one text.
const dateLayout = "2006-01-02T15:04:05.000000000Z"

// errChanged: a body did not give the same bytes twice.
var errChanged = errors.New("the body changed while it was being written; capture it again")

// record is what one gzip member is made from. The block is head then body.
type record struct {
	notes
	typ    Type
	id     capture.ID
	target string // clean
	date   time.Time
	media  string          // Content-Type
	fields []capture.Field // further named fields, in order
	head   []byte          // HTTP head, or the whole block of a record without a payload
	body   capture.Body    // the payload; nil for none
	// payload: write a WARC-Payload-Digest, over the body.
	payload bool
	// refersTo: the body is kept elsewhere, so that only its digest is
	// written (revisit).
	refersTo bool
	squeezed bool // the body is compressed already: do not try hard
	entry    Entry
}

func (r *record) field(name, value string) {
	r.fields = append(r.fields, capture.Field{Name: name, Value: value})
}

// sums is the first pass over a block.
type sums struct {
	block, payload capture.Digest
	size           int64
}

// members writes records as gzip members and keeps the index.
type members struct {
	w      io.Writer
	offset int64
	index  Index
	*tools
}

// tools are what writing needs of memory, a megabyte and more; they are used
// again for the next file.
type tools struct {
	zip map[int]*gzip.Writer // by level
	buf []byte
}

var spareTools = sync.Pool{New: func() any {
	return &tools{zip: map[int]*gzip.Writer{}, buf: make([]byte, 128<<10)}
}}

func newMembers(w io.Writer) *members {
	return &members{w: w, tools: spareTools.Get().(*tools)}
}

// end gives the tools back; nothing may be written afterwards.
func (m *members) end() {
	spareTools.Put(m.tools)
	m.tools = nil
}

// write appends one record.
func (m *members) write(ctx context.Context, r *record) error {
	if err := m.writeRecord(ctx, r); err != nil {
		return fmt.Errorf("writing the %s record of %.200q: %w", r.typ, r.target, err)
	}
	return nil
}

func (m *members) writeRecord(ctx context.Context, r *record) error {
	s, err := m.measure(ctx, r)
	if err != nil {
		return err
	}
	out := &tally{w: m.w, sum: sha256.New()}
	z, err := m.gzip(levelOf(r.squeezed), out)
	if err != nil {
		return err
	}
	section := header(r, s)
	if len(section) > maxSection {
		return fmt.Errorf("its header section of %d bytes is larger than the %d that readers take", len(section), maxSection)
	}
	if _, err := io.WriteString(z, section); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := m.block(ctx, io.MultiWriter(z, sum), r); err != nil {
		return err
	}
	if capture.Digest(sum.Sum(nil)) != s.block {
		return errChanged
	}
	if _, err := io.WriteString(z, "\r\n\r\n"); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	e := r.entry
	e.Type, e.ID, e.Target, e.Date = r.typ, r.id, r.target, r.date.UTC()
	e.Offset, e.Length, e.Blocks = m.offset, out.n, s.size
	e.Block, e.Payload, e.ContentType = s.block, s.payload, r.media
	out.sum.Sum(e.Record[:0])
	if r.typ == TypeConversion || !strings.HasPrefix(r.media, "application/http;") {
		e.MediaType = r.media
	}
	m.offset += out.n
	m.index.Size = m.offset
	m.index.Records = append(m.index.Records, e)
	m.index.Sanitized = append(m.index.Sanitized, r.list...)
	return nil
}

// measure is the first pass: the digests stand before the bytes they are of.
func (m *members) measure(ctx context.Context, r *record) (sums, error) {
	var s sums
	block := sha256.New()
	n, err := m.block(ctx, block, r)
	if err != nil {
		return s, err
	}
	s.size = n
	block.Sum(s.block[:0])
	if !r.payload {
		return s, nil
	}
	if len(r.head) == 0 && !r.refersTo {
		s.payload = s.block
		return s, nil
	}
	payload := sha256.New()
	if _, err := m.stream(ctx, payload, r.body); err != nil {
		return s, err
	}
	payload.Sum(s.payload[:0])
	return s, nil
}

// block writes the block to w.
func (m *members) block(ctx context.Context, w io.Writer, r *record) (int64, error) {
	if _, err := w.Write(r.head); err != nil {
		return 0, err
	}
	if r.refersTo {
		return int64(len(r.head)), nil
	}
	n, err := m.stream(ctx, w, r.body)
	return int64(len(r.head)) + n, err
}

// stream copies a body and checks its size.
func (m *members) stream(ctx context.Context, w io.Writer, b capture.Body) (int64, error) {
	if b == nil {
		return 0, nil
	}
	in, err := b.Open()
	if err != nil {
		return 0, fmt.Errorf("opening a body: %w", err)
	}
	defer in.Close()
	var n int64
	for {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		k, err := in.Read(m.buf)
		if k > 0 {
			n += int64(k)
			if n > b.Size() {
				return n, errChanged
			}
			if _, err := w.Write(m.buf[:k]); err != nil {
				return n, err
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return n, fmt.Errorf("reading a body: %w", err)
		}
	}
	if n != b.Size() {
		return n, errChanged
	}
	return n, nil
}

func levelOf(squeezed bool) int {
	if squeezed {
		return gzip.BestSpeed
	}
	return gzip.DefaultCompression
}

func (m *members) gzip(level int, w io.Writer) (*gzip.Writer, error) {
	if z := m.zip[level]; z != nil {
		z.Reset(w)
		return z, nil
	}
	z, err := gzip.NewWriterLevel(w, level)
	if err == nil {
		m.zip[level] = z
	}
	return z, err
}

// header gives the header section with the empty line that ends it.
func header(r *record, s sums) string {
	var b strings.Builder
	b.WriteString("WARC/1.1\r\n")
	put := func(name, value string) {
		b.WriteString(name)
		b.WriteString(": ")
		b.WriteString(value)
		b.WriteString("\r\n")
	}
	put("WARC-Type", string(r.typ))
	put("WARC-Record-ID", "<"+r.id.URN()+">")
	if r.target != "" {
		put("WARC-Target-URI", r.target)
	}
	put("WARC-Date", r.date.UTC().Format(dateLayout))
	for _, f := range r.fields {
		put(f.Name, f.Value)
	}
	if len(r.list) > 0 {
		put("X-Trawlmark-Sanitized", strconv.Itoa(len(r.list)))
	}
	put("WARC-Block-Digest", s.block.Labelled())
	if r.payload {
		put("WARC-Payload-Digest", s.payload.Labelled())
	}
	if r.media != "" {
		put("Content-Type", r.media)
	}
	put("Content-Length", strconv.FormatInt(s.size, 10))
	b.WriteString("\r\n")
	return b.String()
}

// tally counts and hashes what passes.
type tally struct {
	w   io.Writer
	n   int64
	sum hash.Hash
}

func (t *tally) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	t.n += int64(n)
	t.sum.Write(p[:n])
	return n, err
}
