package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/manifest"
)

// Pending is a capture that is whole on disk and not yet (known to be) stored.
type Pending struct {
	ID    capture.ID    `json:"capture"`
	Entry catalog.Entry `json:"entry"`
	Files []spooled     `json:"files"`
	// Refers are the payloads that its WARC leaves to earlier captures,
	// Payloads those that later ones may refer to.
	Refers   []referred        `json:"refers,omitempty"`
	Payloads []catalog.Payload `json:"payloads,omitempty"`
	// Actor made the capture, whoever stores it in the end.
	Actor string `json:"actor"`
	// Redacts is set of a redaction: what it is of.
	Redacts *redacts `json:"redacts,omitempty"`
	// Note is what the caller wants back with it after a restart.
	Note json.RawMessage `json:"note,omitempty"`
	// Draft is the manifest before it is known where the files came to lie.
	Draft json.RawMessage `json:"draft,omitempty"`

	dir  string // its folder; "" of a pack
	path string // its pack; "" of a folder
	size int64  // on disk
	// made is the draft as it was made, while this process has it: it needs not be
	// read again then.
	made *manifest.Manifest
	// sound: it was read through since it lies there, and nothing was damaged.
	sound bool
}

// spooled is one file of a pending capture.
type spooled struct {
	File      string              `json:"file"`         // its name
	At        int64               `json:"at,omitempty"` // where it begins in a pack
	Key       string              `json:"key"`
	Role      string              `json:"role"`
	Tile      int                 `json:"tile"`
	MediaType string              `json:"media_type"`
	Print     capture.Fingerprint `json:"print"`
	Taken     time.Time           `json:"taken,omitzero"`
	Width     int                 `json:"width,omitempty"`
	Height    int                 `json:"height,omitempty"`
	Until     time.Time           `json:"retain_until"`
}

const (
	pendingFile = "pending.json"
	draftFile   = "manifest.draft.json"
	unfinished  = ".tmp"
)

// spool is the folder of pending captures: a file each (a pack), or a folder
// each for what is worked on before it is stored (redactions) and what an
// earlier version of this program has left. One under its final name is whole;
// one with the suffix .tmp was cut short.
type spool struct {
	dir   string
	limit int64
	// reserve is what must be free on the disk before a visit begins.
	reserve int64
	used    atomic.Int64
	spares  spares
}

// sweep removes what an earlier process left unfinished and counts the rest.
func (s *spool) sweep() error {
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	var used int64
	for _, n := range names {
		if n.Name() == RefusedDir {
			continue
		}
		path := filepath.Join(s.dir, n.Name())
		if strings.HasSuffix(n.Name(), unfinished) {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
			continue
		}
		size, err := treeSize(path)
		if err != nil {
			return err
		}
		used += size
	}
	s.used.Store(used)
	return nil
}

func treeSize(dir string) (int64, error) {
	var n int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		if err == nil {
			n += fi.Size()
		}
		return err
	})
	return n, err
}

// room gives ErrSpoolFull when no more may wait.
func (s *spool) room() error {
	if s.used.Load() > s.limit {
		return ErrSpoolFull
	}
	return nil
}

// ready gives ErrSpoolFull or ErrDiskFull when a capture that is begun now
// would probably not fit.
func (s *spool) ready() error {
	if err := s.room(); err != nil {
		return err
	}
	free, err := diskFree(s.dir)
	if err != nil {
		return fmt.Errorf("the disk of the spool does not answer: %w", err)
	}
	if free < s.reserve {
		return fmt.Errorf("%w: %d bytes are free, a capture may need %d", ErrDiskFull, free, s.reserve)
	}
	return nil
}

// beginFolder makes the unfinished folder of a capture.
func (s *spool) beginFolder(id capture.ID) (string, error) {
	if err := s.room(); err != nil {
		return "", err
	}
	dir := filepath.Join(s.dir, id.String()+unfinished)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, diskFull(os.Mkdir(dir, 0o700))
}

// commitFolder makes a pending capture whole: its files and its description
// are on disk before the folder gets its final name.
func (s *spool) commitFolder(tmp string, p *Pending) error {
	for _, f := range p.Files {
		if err := syncPath(filepath.Join(tmp, f.File)); err != nil {
			return err
		}
	}
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(tmp, pendingFile), b); err != nil {
		return diskFull(err)
	}
	if err := syncPath(tmp); err != nil {
		return err
	}
	dir := strings.TrimSuffix(tmp, unfinished)
	if err := os.Rename(tmp, dir); err != nil {
		return err
	}
	p.dir = dir
	p.size, err = treeSize(dir)
	s.used.Add(p.size)
	return err
}

// remove lets a capture go; done twice it is counted once.
func (s *spool) remove(p *Pending) error {
	if p.dir == "" {
		if err := s.spares.put(p.path); err != nil {
			return err
		}
		s.used.Add(-p.size)
		return nil
	}
	// Killed in the middle of removing, a folder would be half a capture; under
	// this name the next start sweeps it.
	gone := p.dir + unfinished
	if err := os.Rename(p.dir, gone); err != nil {
		return err
	}
	s.used.Add(-p.size)
	return os.RemoveAll(gone)
}

// body is a part of a pending capture: the file of that name, or size bytes of
// its pack from at on.
func (p *Pending) body(name string, at, size int64) (capture.Body, error) {
	if p.dir == "" {
		return section{p.path, at, size}, nil
	}
	return capture.File(filepath.Join(p.dir, name))
}

// draft is the manifest before it is known where the files came to lie.
func (p *Pending) draft() ([]byte, error) {
	if p.Draft != nil {
		return p.Draft, nil
	}
	return os.ReadFile(filepath.Join(p.dir, draftFile))
}

// list reads what waits, oldest first (the names begin with a time). What
// cannot be read is reported with the others, not instead, and a capture whose
// bytes are damaged is mended or put aside (*UnreadableError).
func (s *spool) list() ([]*Pending, error) {
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var all []*Pending
	var errs []error
	for _, n := range names {
		if strings.HasSuffix(n.Name(), unfinished) || n.Name() == RefusedDir {
			continue
		}
		path := filepath.Join(s.dir, n.Name())
		open := openPack
		if n.IsDir() {
			open = openFolder
		}
		p, err := open(path)
		if id, perr := capture.ParseID(n.Name()); perr == nil && errors.Is(err, errPack) {
			var told error
			p, told = s.salvage(path, id, err)
			if errs = append(errs, told); p != nil {
				all = append(all, p)
			}
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("the spooled capture in %s cannot be read, move it away and look at it: %w", path, err))
			continue
		}
		all = append(all, p)
	}
	return all, errors.Join(errs...)
}

// openFolder reads the Pending of a folder.
func openFolder(dir string) (*Pending, error) {
	b, err := os.ReadFile(filepath.Join(dir, pendingFile))
	if err != nil {
		return nil, err
	}
	p := &Pending{dir: dir}
	if err := json.Unmarshal(b, p); err != nil {
		return nil, err
	}
	p.size, err = treeSize(dir)
	return p, err
}

// diskFull names what a full disk gives: ErrDiskFull.
func diskFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}

// syncPath brings a file, or the names in a folder, to the disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func writeSynced(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// copyIn writes a body into the spool and fingerprints it on the way.
func copyIn(path string, body capture.Body) (capture.Fingerprint, error) {
	r, err := body.Open()
	if err != nil {
		return capture.Fingerprint{}, err
	}
	defer r.Close()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return capture.Fingerprint{}, err
	}
	w := newPrinter(f)
	_, err = io.Copy(w, r)
	if err := errors.Join(err, f.Close()); err != nil {
		return capture.Fingerprint{}, err
	}
	return w.print(), nil
}
