package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// ErrUnstorable: a spooled capture can never be stored, however often that is
// tried: its bytes on disk are not those that were written, or what it would
// store is refused for what it says. Refuse puts it aside.
var ErrUnstorable = errors.New("the spooled capture can never be stored")

// RefusedDir is the folder in a spool with what was put aside: for each capture
// the pack or folder that waited, under the capture's id, and beside it a file
// <id>.why.txt that says why; of a pack that cannot be read also those of its
// records that can (<id>.records.warc.gz). Nothing deletes them.
const RefusedDir = "refused"

const whySuffix = ".why.txt"

// lasting adds ErrUnstorable to what Store gives when trying again is no use.
// An outage, a full disk or a right that is missing passes; so do bytes that
// were damaged on their way, which the spool still has right.
func (a *Archive) lasting(ctx context.Context, p *Pending, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, refused := range []error{errDraft, custody.ErrEvent, vault.ErrBadKey, vault.ErrExists} {
		if errors.Is(err, refused) {
			return fmt.Errorf("%w: %w", ErrUnstorable, err)
		}
	}
	// Once is enough while a storage is away: later damage shows in the digest.
	if p.sound && !errors.Is(err, vault.ErrDigest) && !errors.Is(err, syscall.EIO) {
		return err
	}
	if damage := p.examine(); damage != nil {
		return fmt.Errorf("%w: %w (%w)", ErrUnstorable, damage, err)
	}
	p.sound = true
	return err
}

// errDraft: the manifest of a spooled capture cannot be made from its draft.
var errDraft = errors.New("the draft manifest is refused")

// examine reads a pending capture through and says what is damaged. A disk that
// cannot be read now, for another reason than damage, is no damage.
func (p *Pending) examine() error {
	one := func(name string, at, size int64, want capture.Digest) error {
		body, err := p.body(name, at, size)
		if err != nil {
			return damaged(name, err)
		}
		r, err := body.Open()
		if err != nil {
			return damaged(name, err)
		}
		defer r.Close()
		w := newPrinter(io.Discard)
		if _, err := io.Copy(w, r); err != nil {
			return damaged(name, err)
		}
		if got := w.print(); got.SHA256 != want || got.Size != size {
			return fmt.Errorf("%s in the spool has %d bytes with SHA-256 %s, written were %d with %s", name, got.Size, got.SHA256, size, want)
		}
		return nil
	}
	for _, f := range p.Files {
		if err := one(f.File, f.At, f.Print.Size, f.Print.SHA256); err != nil {
			return err
		}
	}
	for _, r := range p.Refers {
		if err := one(r.File, r.At, r.Payload.Bytes, r.Payload.SHA256); err != nil {
			return err
		}
	}
	return nil
}

// damaged gives the error of a disk that has lost what it had; nil for others.
func damaged(name string, err error) error {
	if errors.Is(err, syscall.EIO) {
		return fmt.Errorf("%s in the spool cannot be read any more: %w", name, err)
	}
	return nil
}

// Refuse puts a capture that can never be stored aside, with the reason: it
// waits for a person, and no longer for the storage. Its bytes stay.
func (a *Archive) Refuse(p *Pending, why string) error { return a.spool.refuse(p, why) }

// Refused is how many captures were put aside, and in which folder they are.
func (a *Archive) Refused() (n int, dir string, err error) {
	dir = filepath.Join(a.spool.dir, RefusedDir)
	n, err = CountRefused(a.spool.dir)
	return n, dir, err
}

// CountRefused is how many captures were put aside in the spool of any worker.
func CountRefused(spool string) (int, error) {
	names, err := os.ReadDir(filepath.Join(spool, RefusedDir))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	n := 0
	for _, name := range names {
		if isCapture(name.Name()) {
			n++
		}
	}
	return n, err
}

func (s *spool) refuse(p *Pending, why string) error {
	aside := filepath.Join(s.dir, RefusedDir)
	if err := os.MkdirAll(aside, 0o700); err != nil {
		return diskFull(err)
	}
	to, from := filepath.Join(aside, p.ID.String()), p.dir
	if from == "" {
		from = p.path
	}
	if _, err := os.Stat(from); err != nil {
		return err
	}
	if err := writeSynced(to+whySuffix, []byte(why+"\n")); err != nil {
		return diskFull(err)
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	s.used.Add(-p.size)
	return errors.Join(syncPath(aside), syncPath(s.dir))
}
