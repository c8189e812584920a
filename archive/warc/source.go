package warc

import (
	"crypto/sha256"
	"hash"
	"io"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// source is the file as it is read: buffered, with the offset of the next
// byte and the SHA-256 of what was taken since the last mark. It gives bytes
// one by one, so that a gzip reader takes none of the next member.
type source struct {
	r        io.Reader
	buf      []byte
	pos, end int
	base     int64 // offset of buf[0] in the file
	err      error // of r, given when the buffer is empty
	sum      hash.Hash
	from     int // first byte of buf that is not in sum
}

func newSource(r io.Reader) *source {
	return &source{r: r, buf: make([]byte, 64<<10), sum: sha256.New()}
}

func (s *source) offset() int64 { return s.base + int64(s.pos) }

// mark begins a member at the next byte.
func (s *source) mark() {
	s.sum.Reset()
	s.from = s.pos
}

// digest is that of the bytes taken since mark.
func (s *source) digest() capture.Digest {
	s.sum.Write(s.buf[s.from:s.pos])
	s.from = s.pos
	var d capture.Digest
	s.sum.Sum(d[:0])
	return d
}

// fill makes at least n bytes available, if there are so many.
func (s *source) fill(n int) {
	if s.end-s.pos >= n || s.err != nil {
		return
	}
	s.sum.Write(s.buf[s.from:s.pos])
	copy(s.buf, s.buf[s.pos:s.end])
	s.base += int64(s.pos)
	s.end -= s.pos
	s.pos, s.from = 0, 0
	for empty := 0; s.end < n && s.err == nil; {
		var k int
		k, s.err = s.r.Read(s.buf[s.end:])
		s.end += k
		if k > 0 {
			empty = 0
		} else if empty++; empty > 100 && s.err == nil {
			s.err = io.ErrNoProgress
		}
	}
}

// peek gives up to n bytes without taking them.
func (s *source) peek(n int) []byte {
	s.fill(n)
	return s.buf[s.pos:min(s.end, s.pos+n)]
}

func (s *source) ReadByte() (byte, error) {
	if s.pos == s.end {
		if s.fill(1); s.pos == s.end {
			return 0, s.err
		}
	}
	s.pos++
	return s.buf[s.pos-1], nil
}

func (s *source) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if s.pos == s.end {
		if s.fill(1); s.pos == s.end {
			return 0, s.err
		}
	}
	n := copy(p, s.buf[s.pos:s.end])
	s.pos += n
	return n, nil
}
