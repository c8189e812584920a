package capture

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// Body is a byte sequence that can be read any number of times. Large ones
// stay on disk: nothing that handles a Body may assume it fits in memory.
type Body interface {
	// Open starts a fresh read from the first byte.
	Open() (io.ReadCloser, error)
	// Size is the number of bytes Open will give.
	Size() int64
}

// Bytes is a Body in memory. The slice must not be changed afterwards.
type Bytes []byte

// Open implements Body.
func (b Bytes) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }

// Size implements Body.
func (b Bytes) Size() int64 { return int64(len(b)) }

type file struct {
	path string
	size int64
}

// File is a Body on disk. It must not change, and must stay, while in use.
func File(path string) (Body, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	return file{path, fi.Size()}, nil
}

func (f file) Open() (io.ReadCloser, error) {
	r, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	fi, err := r.Stat()
	if err == nil && fi.Size() != f.size {
		err = fmt.Errorf("a captured body changed on disk: it had %d bytes and has %d", f.size, fi.Size())
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (f file) Size() int64 { return f.size }

// ReadAll reads a whole Body that is known to be small: more than limit bytes
// is an error, not a cut.
func ReadAll(b Body, limit int64) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	if b.Size() > limit {
		return nil, fmt.Errorf("a body of %d bytes is larger than the %d this reader takes", b.Size(), limit)
	}
	if m, ok := b.(Bytes); ok {
		return m, nil
	}
	r, err := b.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
