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
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
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

	dir string
}

// spooled is one file of a pending capture.
type spooled struct {
	File      string              `json:"file"` // name inside the folder
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

// spool is the folder of pending captures, one folder each. A folder under its
// final name is whole; one with the suffix .tmp was cut short.
type spool struct {
	dir   string
	limit int64
	used  atomic.Int64
}

// sweep removes what an earlier process left unfinished and counts the rest.
func (s *spool) sweep() error {
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	var used int64
	for _, n := range names {
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

// begin makes the unfinished folder of a capture.
func (s *spool) begin(id capture.ID) (string, error) {
	if s.used.Load() > s.limit {
		return "", ErrSpoolFull
	}
	dir := filepath.Join(s.dir, id.String()+unfinished)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.Mkdir(dir, 0o700)
}

// commit makes a pending capture whole: its description is on disk before the
// folder gets its final name.
func (s *spool) commit(tmp string, p *Pending) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(tmp, pendingFile), b); err != nil {
		return err
	}
	p.dir = strings.TrimSuffix(tmp, unfinished)
	if err := os.Rename(tmp, p.dir); err != nil {
		return err
	}
	size, err := treeSize(p.dir)
	s.used.Add(size)
	return err
}

func (s *spool) remove(p *Pending) error {
	size, err := treeSize(p.dir)
	if err != nil {
		return err
	}
	s.used.Add(-size)
	// Killed in the middle of removing, a folder would be half a capture; under
	// this name the next start sweeps it.
	gone := p.dir + unfinished
	if err := os.Rename(p.dir, gone); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}

// list reads the whole folders, oldest first (their names begin with a time).
// A folder that cannot be read is reported with the others, not instead.
func (s *spool) list() ([]*Pending, error) {
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var all []*Pending
	var errs []error
	for _, n := range names {
		if !n.IsDir() || strings.HasSuffix(n.Name(), unfinished) {
			continue
		}
		dir := filepath.Join(s.dir, n.Name())
		b, err := os.ReadFile(filepath.Join(dir, pendingFile))
		p := &Pending{dir: dir}
		if err == nil {
			err = json.Unmarshal(b, p)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("the spooled capture in %s cannot be read, move it away and look at it: %w", dir, err))
			continue
		}
		all = append(all, p)
	}
	return all, errors.Join(errs...)
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
