package archive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// A capture waits for the storage in one file, because on most file systems
// making a file and bringing it to the disk cost more than what is in it:
//
//	the bytes of its files, one after the other
//	the Pending, as JSON, with where each file begins
//	8 bytes: the length of that JSON, big endian
//	8 bytes: packMagic
//
// A file under its final name is whole and on the disk: it is synced before it
// gets that name, and loses it before it serves another capture (see spares).

const (
	packMagic   = "TMspool1"
	packTrailer = 16
	// maxPending bounds the JSON: some tens of kilobytes with its draft.
	maxPending = 64 << 20
)

// pack is a capture on its way into the spool.
type pack struct {
	f    *os.File
	w    *bufio.Writer
	at   int64
	path string // of the unfinished file
}

// begin makes the unfinished file of a capture.
func (s *spool) begin(id capture.ID) (*pack, error) {
	if err := s.room(); err != nil {
		return nil, err
	}
	path := filepath.Join(s.dir, id.String()+unfinished)
	s.spares.take(path)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, diskFull(err)
	}
	w := spareWriters.Get().(*bufio.Writer)
	w.Reset(f)
	return &pack{f: f, w: w, path: path}, nil
}

// spareWriters are buffers of packs that are finished.
var spareWriters = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 64<<10) }}

// free gives the buffer back; nothing may be written afterwards.
func (k *pack) free() {
	k.w.Reset(nil)
	spareWriters.Put(k.w)
	k.w = nil
}

// add appends what write gives: where it begins and what it is.
func (k *pack) add(write func(io.Writer) error) (at int64, print capture.Fingerprint, err error) {
	at = k.at
	w := newPrinter(k.w)
	err = write(w)
	print = w.print()
	k.at += print.Size
	return at, print, err
}

// body appends the bytes of a body.
func (k *pack) body(b capture.Body) (at int64, print capture.Fingerprint, err error) {
	r, err := b.Open()
	if err != nil {
		return 0, capture.Fingerprint{}, err
	}
	defer r.Close()
	return k.add(func(w io.Writer) error {
		_, err := io.Copy(w, r)
		return err
	})
}

// drop throws the unfinished file away.
func (k *pack) drop() error {
	if k.w != nil {
		k.free()
	}
	return errors.Join(k.f.Close(), os.Remove(k.path))
}

// commit makes a pending capture whole and durable. It does not wait for the
// name to be durable too: without its name it is swept after a power failure,
// and its job, which is not done yet, is done again.
func (s *spool) commit(k *pack, p *Pending) error {
	doc, err := p.document()
	if err != nil {
		return err
	}
	k.w.Write(doc)
	k.w.Write(trailer(int64(len(doc))))
	if err := errors.Join(k.w.Flush(), k.f.Sync()); err != nil { // a bufio.Writer remembers its first error
		return err
	}
	k.free()
	if err := k.f.Close(); err != nil {
		return err
	}
	final := strings.TrimSuffix(k.path, unfinished)
	if err := os.Rename(k.path, final); err != nil {
		return err
	}
	p.path, p.size = final, k.at+int64(len(doc)+packTrailer)
	s.used.Add(p.size)
	return nil
}

// document is what a pack says about itself. The manifest in it comes back byte
// for byte: it is canonical, and <, > and & are not written as escapes in it, as
// json.Marshal would.
func (p *Pending) document() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(p); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// openPack reads the Pending of a pack. errPack: its bytes are read, and wrong.
func openPack(path string) (*Pending, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := fi.Size()
	if size < packTrailer {
		return nil, errPack
	}
	var t [packTrailer]byte
	if _, err := f.ReadAt(t[:], size-packTrailer); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint64(t[:8])
	if string(t[8:]) != packMagic || n > maxPending || int64(n) > size-packTrailer {
		return nil, errPack
	}
	doc := make([]byte, n)
	end := size - packTrailer - int64(n)
	if _, err := f.ReadAt(doc, end); err != nil {
		return nil, err
	}
	p := &Pending{path: path, size: size}
	if err := json.Unmarshal(doc, p); err != nil {
		return nil, fmt.Errorf("%w: %w", errPack, err)
	}
	if err := p.within(end); err != nil {
		return nil, err
	}
	return p, nil
}

// within says whether all that a pack describes lies before its description.
func (p *Pending) within(end int64) error {
	for _, f := range p.Files {
		if f.At < 0 || f.Print.Size < 0 || f.At > end-f.Print.Size {
			return fmt.Errorf("%w: its %s lies outside of it", errPack, f.File)
		}
	}
	for _, r := range p.Refers {
		if r.At < 0 || r.Payload.Bytes < 0 || r.At > end-r.Payload.Bytes {
			return fmt.Errorf("%w: its payload %s lies outside of it", errPack, r.Payload.SHA256)
		}
	}
	return nil
}

// section is a Body that is part of a file.
type section struct {
	path     string
	at, size int64
}

// Open implements capture.Body.
func (s section) Open() (io.ReadCloser, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, s.at, s.size), f}, nil
}

// Size implements capture.Body.
func (s section) Size() int64 { return s.size }
