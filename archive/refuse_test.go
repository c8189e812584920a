package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// What passes is tried again for ever; what lasts is told, whoever noticed it.
func TestLastingAndPassingErrors(t *testing.T) {
	flip := func(t *testing.T, p *Pending) { damage(t, p, func(b []byte) []byte { b[1] ^= 1; return b }) }
	cut := func(t *testing.T, p *Pending) { damage(t, p, func(b []byte) []byte { return b[:3] }) }
	nothing := func(*testing.T, *Pending) {}
	for _, c := range []struct {
		name  string
		do    func(*testing.T, *Pending)
		sound bool // it was read through before
		err   error
		lasts bool
	}{
		{"the storage is away", nothing, false, vault.ErrUnavailable, false},
		{"the storage is away, and its bytes are damaged", flip, false, vault.ErrUnavailable, true},
		{"the storage says that bytes are damaged, and here they are right", nothing, true, vault.ErrDigest, false},
		{"the storage says that bytes are damaged, and they are", flip, true, vault.ErrDigest, true},
		{"the file has become short", cut, true, fmt.Errorf("put: %w", vault.ErrDigest), true},
		{"the disk fails", nothing, true, &fs.PathError{Op: "read", Path: "x", Err: syscall.EIO}, false}, // it could be read again
		{"no lock is to be had", nothing, false, vault.ErrUnsupported, false},
		{"the database is away", nothing, false, errors.New("connection refused"), false},
		{"the disk is full", nothing, false, diskFull(syscall.ENOSPC), false},
		{"other bytes are under the key", nothing, false, fmt.Errorf("put: %w", vault.ErrExists), true},
		{"a key that no storage takes", nothing, false, vault.ErrBadKey, true},
		{"the manifest is refused", nothing, false, fmt.Errorf("%w: x", errDraft), true},
		{"the event is refused", nothing, false, custody.ErrEvent, true},
		{"the spool was emptied", flip, false, fs.ErrNotExist, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := spoolWith(t, map[string]string{"a": "first", "b": "second"}, "a", "b")
			a := &Archive{spool: s}
			p.sound = c.sound
			c.do(t, p)
			err := a.lasting(t.Context(), p, c.err)
			if !errors.Is(err, c.err) || errors.Is(err, ErrUnstorable) != c.lasts {
				t.Errorf("got %v", err)
			}
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			if err := a.lasting(ended, p, c.err); errors.Is(err, ErrUnstorable) {
				t.Errorf("cut short by the end: %v", err)
			}
		})
	}
}

// damage changes the file of a pack.
func damage(t *testing.T, p *Pending, f func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(p.path)
	if err == nil {
		err = os.WriteFile(p.path, f(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What is put aside stays as it was, with the reason beside it, waits for
// nothing more, and is still there for the next process.
func TestWhatIsPutAsideIsKept(t *testing.T) {
	for _, folder := range []bool{false, true} {
		t.Run(fmt.Sprint("folder ", folder), func(t *testing.T) {
			s, p := spoolWith(t, map[string]string{"a": "first"}, "a")
			from := p.path
			if folder {
				p = asFolder(t, s, p)
				from = filepath.Join(p.dir, "a")
			}
			before, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			a := &Archive{spool: s}
			if err := a.Refuse(p, "its bytes are damaged"); err != nil {
				t.Fatal(err)
			}
			if err := a.Refuse(p, "again"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("put aside twice: %v", err)
			}
			if err := s.sweep(); err != nil || s.used.Load() != 0 {
				t.Errorf("%d bytes are counted, %v", s.used.Load(), err)
			}
			if list, err := s.list(); err != nil || len(list) != 0 {
				t.Errorf("%d captures wait, %v", len(list), err)
			}
			n, dir, err := a.Refused()
			if err != nil || n != 1 {
				t.Errorf("%d captures are aside, %v", n, err)
			}
			kept := filepath.Join(dir, p.ID.String())
			if folder {
				kept = filepath.Join(kept, "a")
			}
			if after, err := os.ReadFile(kept); err != nil || !bytes.Equal(before, after) {
				t.Errorf("it has changed: %v", err)
			}
			if why, err := os.ReadFile(filepath.Join(dir, p.ID.String()+whySuffix)); err != nil || !strings.Contains(string(why), "damaged") {
				t.Errorf("the reason is %q, %v", why, err)
			}
		})
	}
}
