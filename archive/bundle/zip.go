package bundle

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// member is one file of a container.
type member struct {
	name string
	crc  uint32
	size int64
}

const (
	dosDate  = 0x0021         // 1980-01-01
	fileMode = 0o100644 << 16 // external attributes: a regular file, rw-r--r--
	madeBy   = 3<<8 | 45      // Unix, APPNOTE 4.5
	big32    = math.MaxUint32 // this or more needs ZIP64
	big16    = math.MaxUint16 //
	localLen = 30             // bytes of a local header without its name
)

// container is the one layout that a list of members has (SPEC.md, "The
// container"): local header i, data i, ..., and the directory at the end.
type container struct {
	members []member
	heads   [][]byte // local headers
	offset  []int64  // of the data of each
	tail    []byte   // central directory and end records
	size    int64    // of the whole
}

func layout(members []member) *container {
	c := &container{members: members}
	var dir []byte
	at := int64(0)
	for _, m := range members {
		head := localHeader(m)
		dir = append(dir, centralHeader(m, at)...)
		c.heads = append(c.heads, head)
		c.offset = append(c.offset, at+int64(len(head)))
		at += int64(len(head)) + m.size
	}
	c.tail = append(dir, endRecords(len(members), at, int64(len(dir)))...)
	c.size = at + int64(len(c.tail))
	return c
}

var le = binary.LittleEndian

func localHeader(m member) []byte {
	size, version, extra := uint32(m.size), uint16(20), []byte(nil)
	if m.size >= big32 {
		size, version = big32, 45
		extra = le.AppendUint64(le.AppendUint64([]byte{1, 0, 16, 0}, uint64(m.size)), uint64(m.size))
	}
	b := le.AppendUint32(nil, 0x04034b50)
	b = common(b, m, version, size, len(extra))
	return append(append(b, m.name...), extra...)
}

// common are the fields that both headers have, from "version needed" on.
func common(b []byte, m member, version uint16, size uint32, extra int) []byte {
	b = le.AppendUint16(b, version)
	b = le.AppendUint16(b, 0) // flags: names are ASCII
	b = le.AppendUint16(b, 0) // stored
	b = le.AppendUint16(b, 0) // 00:00
	b = le.AppendUint16(b, dosDate)
	b = le.AppendUint32(b, m.crc)
	b = le.AppendUint32(b, size)
	b = le.AppendUint32(b, size)
	b = le.AppendUint16(b, uint16(len(m.name)))
	return le.AppendUint16(b, uint16(extra))
}

func centralHeader(m member, at int64) []byte {
	size, offset, version := uint32(m.size), uint32(at), uint16(20)
	var extra []byte
	if m.size >= big32 {
		size, version = big32, 45
		extra = le.AppendUint64(le.AppendUint64(extra, uint64(m.size)), uint64(m.size))
	}
	if at >= big32 {
		offset = big32
		extra = le.AppendUint64(extra, uint64(at))
	}
	if n := len(extra); n > 0 {
		extra = append([]byte{1, 0, byte(n), 0}, extra...)
	}
	b := le.AppendUint32(nil, 0x02014b50)
	b = le.AppendUint16(b, madeBy)
	b = common(b, m, version, size, len(extra))
	b = append(b, 0, 0, 0, 0, 0, 0) // comment, disk, internal attributes
	b = le.AppendUint32(b, fileMode)
	b = le.AppendUint32(b, offset)
	return append(append(b, m.name...), extra...)
}

func endRecords(n int, at, size int64) []byte {
	var b []byte
	count, where, length := uint16(n), uint32(at), uint32(size)
	if n >= big16 || at >= big32 || size >= big32 {
		b = le.AppendUint32(b, 0x06064b50)
		b = le.AppendUint64(b, 44)
		b = le.AppendUint16(le.AppendUint16(b, madeBy), 45)
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // disks
		b = le.AppendUint64(le.AppendUint64(b, uint64(n)), uint64(n))
		b = le.AppendUint64(le.AppendUint64(b, uint64(size)), uint64(at))
		b = le.AppendUint32(b, 0x07064b50)
		b = le.AppendUint32(b, 0)
		b = le.AppendUint64(b, uint64(at+size))
		b = le.AppendUint32(b, 1)
		count, where, length = big16, big32, big32
	}
	b = le.AppendUint32(b, 0x06054b50)
	b = append(b, 0, 0, 0, 0) // disks
	b = le.AppendUint16(le.AppendUint16(b, count), count)
	b = le.AppendUint32(le.AppendUint32(b, length), where)
	return append(b, 0, 0) // no comment
}

// Source gives bytes, from the first one, as often as it is called: what goes
// into a package is read twice, to hash it and to write it.
type Source func(ctx context.Context) (io.ReadCloser, error)

// Piped makes a source of something that writes. Closing what it gives calls
// the writer off and waits for it: nothing goes on behind the reader's back.
func Piped(write func(ctx context.Context, w io.Writer) error) Source {
	return func(ctx context.Context) (io.ReadCloser, error) {
		ctx, cancel := context.WithCancel(ctx)
		r, w := io.Pipe()
		p := &piped{PipeReader: r, cancel: cancel, done: make(chan struct{})}
		go func() {
			defer close(p.done)
			w.CloseWithError(write(ctx, w))
		}()
		return p, nil
	}
}

type piped struct {
	*io.PipeReader
	cancel context.CancelFunc
	done   chan struct{}
}

// Close implements io.Closer.
func (p *piped) Close() error {
	p.cancel()
	err := p.PipeReader.Close()
	<-p.done
	return err
}

// copyInto writes a container; the sources are those of its members.
func (c *container) copyInto(ctx context.Context, w io.Writer, from func(i int) Source) error {
	for i, m := range c.members {
		if _, err := w.Write(c.heads[i]); err != nil {
			return err
		}
		if err := copyMember(ctx, w, m, from(i)); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	_, err := w.Write(c.tail)
	return err
}

// ErrChanged: bytes were others when they were written than when they were
// hashed.
var ErrChanged = errors.New("the bytes changed between being hashed and being written")

func copyMember(ctx context.Context, w io.Writer, m member, src Source) error {
	r, err := src(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	n, err := io.Copy(w, io.LimitReader(&cancelable{ctx, r}, m.size+1))
	if err == nil && n != m.size {
		err = ErrChanged
	}
	return err
}

// cancelable stops reading when the work is called off.
type cancelable struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
