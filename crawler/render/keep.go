package render

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// spoolAbove is the size, in bytes, from which a body goes to disk.
const spoolAbove = 512 << 10

// keeper keeps bodies: small ones in memory, large ones in files when there is
// a folder for them.
type keeper struct {
	dir  string
	errs []error
}

func (k *keeper) keep(b []byte) capture.Body {
	if k.dir == "" || len(b) < spoolAbove {
		return capture.Bytes(b)
	}
	body, err := k.spool(b)
	if err != nil {
		// The bytes are here: keeping them in memory loses nothing.
		k.errs = append(k.errs, err)
		return capture.Bytes(b)
	}
	return body
}

func (k *keeper) spool(b []byte) (capture.Body, error) {
	f, err := os.CreateTemp(k.dir, "body-*")
	if err != nil {
		return nil, fmt.Errorf("a body could not be written to the spool: %w", err)
	}
	_, err = f.Write(b)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		return capture.File(filepath.Clean(f.Name()))
	}
	os.Remove(f.Name())
	return nil, fmt.Errorf("a body could not be written to the spool: %w", err)
}
