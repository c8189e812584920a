package fetch

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Limits of decompression that need no setting.
const (
	maxCodings  = 3       // codings applied one over the other
	ratioFloor  = 1 << 20 // bytes below which any ratio is fine
	zstdWindow  = 8 << 20 // RFC 9659
	zstdMemory  = 64 << 20
	decodeChunk = 32 << 10
)

// decoder is the body with its content-coding undone, read by colly. It never
// fails, it ends: a read error would make colly drop what was good.
type decoder struct {
	wire    capture.Body
	codings []string
	max     int64
	ratio   int64

	r       io.Reader // nil until the first read
	closers []io.Closer
	ended   bool
	whole   bool // the wire body is whole, so an early end is corruption

	problem string // why it is not all there, a sentence
	outcome capture.Outcome
}

func newDecoder(e *capture.Exchange, cfg Config) *decoder {
	d := &decoder{wire: e.Body, max: cfg.MaxDecoded, ratio: cfg.MaxRatio, whole: e.Truncated == capture.Whole}
	for _, f := range e.ResponseHeader {
		if !strings.EqualFold(f.Name, "Content-Encoding") {
			continue
		}
		for coding := range strings.SplitSeq(f.Value, ",") {
			d.codings = append(d.codings, strings.ToLower(strings.TrimSpace(coding)))
		}
	}
	return d
}

func (d *decoder) Read(b []byte) (int, error) {
	if d.ended {
		return 0, io.EOF
	}
	if d.r == nil {
		if err := d.open(); err != nil {
			return 0, d.end(err)
		}
	}
	n, err := d.r.Read(b)
	if err != nil {
		return n, d.end(err)
	}
	return n, nil
}

// limit is the number of decoded bytes that are too many to go on.
func (d *decoder) limit() int64 {
	if len(d.codings) == 0 {
		return d.max
	}
	return min(d.max, max(ratioFloor, d.wire.Size()*d.ratio))
}

var errBomb = errors.New("too much")

// capped fails with errBomb past its limit. One sits on every coding, not only
// on the last: a stream in between can be endless and still come to nothing.
type capped struct {
	r    io.Reader
	left int64
}

func (c *capped) Read(b []byte) (int, error) {
	if c.left == 0 {
		var one [1]byte
		n, err := c.r.Read(one[:])
		if n > 0 {
			return 0, errBomb
		}
		return 0, err
	}
	n, err := c.r.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	return n, err
}

func (d *decoder) stop(o capture.Outcome, problem string) {
	d.ended, d.outcome, d.problem = true, o, problem
}

// end translates the decoder's own end. An early end of a body that was cut on
// the wire is no news.
func (d *decoder) end(err error) error {
	switch {
	case errors.Is(err, errBomb):
		d.stop(capture.TooLarge, fmt.Sprintf("the body decompresses to more than %d bytes from %d; what was read until there is kept", d.limit(), d.wire.Size()))
	case err == io.EOF, !d.whole && errors.Is(err, io.ErrUnexpectedEOF):
		d.ended = true
	default:
		d.stop(capture.HTTPError, "the body cannot be decompressed as it says ("+strings.Join(d.codings, ", ")+"): "+err.Error())
	}
	return io.EOF
}

func (d *decoder) open() error {
	if d.wire == nil {
		return io.EOF
	}
	f, err := d.wire.Open()
	if err != nil {
		return err
	}
	d.closers = append(d.closers, f)
	d.r = &capped{f, d.limit()}
	if d.wire.Size() == 0 {
		return io.EOF
	}
	if len(d.codings) > maxCodings {
		return fmt.Errorf("%d codings over one another", len(d.codings))
	}
	for i := len(d.codings) - 1; i >= 0; i-- {
		if err := d.undo(d.codings[i]); err != nil {
			return err
		}
		d.r = &capped{d.r, d.limit()}
	}
	return nil
}

// undo puts one decoder on top. A name that is not a coding is passed over as
// browsers do: servers write "utf-8" or "none" there.
func (d *decoder) undo(coding string) error {
	switch coding {
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(d.r)
		if err != nil {
			return err
		}
		d.r = z
	case "br":
		d.r = brotli.NewReader(d.r)
	case "zstd":
		z, err := zstd.NewReader(d.r, zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderMaxMemory(zstdMemory))
		if err != nil {
			return err
		}
		d.closers = append(d.closers, z.IOReadCloser())
		d.r = z
	case "deflate":
		return d.inflate()
	}
	return nil
}

// inflate takes zlib (what the RFC says) and raw deflate (what some send).
func (d *decoder) inflate() error {
	br := bufio.NewReaderSize(d.r, decodeChunk)
	first, err := br.Peek(2)
	if err != nil {
		return err
	}
	if first[0]&0x0f == 8 && (uint(first[0])<<8|uint(first[1]))%31 == 0 {
		if d.r, err = zlib.NewReader(br); err != nil {
			return err
		}
		return nil
	}
	d.r = flate.NewReader(br)
	return nil
}

// Close implements io.Closer.
func (d *decoder) Close() error {
	d.ended = true
	for _, c := range d.closers {
		c.Close()
	}
	d.closers = nil
	return nil
}
