package archive

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// testDraft has what json.Marshal would write as escapes: a manifest that does
// not come back byte for byte is not canonical, and never stored.
const testDraft = "{\"chrome\":[\"--proxy-bypass-list=<-loopback>\",\"a & b\",\"\u2028\"]}"

// spoolWith is a spool with one pack in it, and what the pack was made from.
func spoolWith(t testing.TB, parts map[string]string, order ...string) (*spool, *Pending) {
	t.Helper()
	s := &spool{dir: t.TempDir(), limit: 1 << 20}
	id := capture.NewIDSource(time.Now, bytes.NewReader(bytes.Repeat([]byte{7}, 1<<10))).New()
	k, err := s.begin(id)
	if err != nil {
		t.Fatal(err)
	}
	p := &Pending{ID: id, Note: json.RawMessage(`{"job":1}`), Draft: json.RawMessage(testDraft)}
	for _, name := range order {
		at, print, err := k.body(capture.Bytes(parts[name]))
		if err != nil {
			t.Fatal(err)
		}
		p.Files = append(p.Files, spooled{File: name, At: at, Print: print})
	}
	if err := s.commit(k, p); err != nil {
		t.Fatal(err)
	}
	return s, p
}

func bodyText(t testing.TB, p *Pending, f spooled) string {
	t.Helper()
	b, err := p.body(f.File, f.At, f.Print.Size)
	if err != nil {
		t.Fatal(err)
	}
	got, err := capture.ReadAll(b, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestThePackGivesBackWhatWasPutIn(t *testing.T) {
	parts := map[string]string{"a": "first", "empty": "", "b": strings.Repeat("second", 40_000)}
	s, made := spoolWith(t, parts, "a", "empty", "b")
	list, err := s.list()
	if err != nil || len(list) != 1 {
		t.Fatalf("%d captures wait, %v", len(list), err)
	}
	for _, p := range []*Pending{made, list[0]} {
		draft, err := p.draft()
		if err != nil || string(draft) != testDraft || string(p.Note) != `{"job":1}` || p.ID != made.ID {
			t.Errorf("the draft is %s, the note %s, %v", draft, p.Note, err)
		}
		for _, f := range p.Files {
			if got := bodyText(t, p, f); got != parts[f.File] || f.Print.SHA256 != capture.Sum([]byte(got)) {
				t.Errorf("%s has %d bytes, want %d", f.File, len(got), len(parts[f.File]))
			}
		}
	}
	fi, err := os.Stat(made.path)
	if err != nil || fi.Size() != s.used.Load() || list[0].size != fi.Size() {
		t.Errorf("the pack has %d bytes and is counted as %d and %d, %v", fi.Size(), s.used.Load(), list[0].size, err)
	}
}

// asFolder lays a pack out as a folder, as redactions and earlier versions do.
func asFolder(t *testing.T, s *spool, p *Pending) *Pending {
	t.Helper()
	tmp, err := s.beginFolder(p.ID)
	if err != nil {
		t.Fatal(err)
	}
	q := &Pending{ID: p.ID, Note: p.Note}
	for _, f := range p.Files {
		if err := os.WriteFile(filepath.Join(tmp, f.File), []byte(bodyText(t, p, f)), 0o600); err != nil {
			t.Fatal(err)
		}
		f.At = 0
		q.Files = append(q.Files, f)
	}
	if err := os.WriteFile(filepath.Join(tmp, draftFile), p.Draft, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.remove(p); err != nil {
		t.Fatal(err)
	}
	if err := s.commitFolder(tmp, q); err != nil {
		t.Fatal(err)
	}
	return q
}

func TestAFolderWaitsLikeAPack(t *testing.T) {
	s, p := spoolWith(t, map[string]string{"a": "first", "b": "second"}, "a", "b")
	want := asFolder(t, s, p)
	list, err := s.list()
	if err != nil || len(list) != 1 {
		t.Fatalf("%d captures wait, %v", len(list), err)
	}
	got := list[0]
	draft, err := got.draft()
	if err != nil || string(draft) != string(p.Draft) || bodyText(t, got, got.Files[1]) != "second" || got.size != want.size {
		t.Errorf("the folder gives the draft %s, %v", draft, err)
	}
}

// A capture that is let go is counted out once, in either form; what a process
// killed in the middle of it leaves is no capture for the next one.
func TestDiscard(t *testing.T) {
	for _, folder := range []bool{false, true} {
		t.Run(fmt.Sprint("folder ", folder), func(t *testing.T) {
			s, p := spoolWith(t, map[string]string{"a": "first"}, "a")
			if folder {
				p = asFolder(t, s, p)
			}
			if s.used.Load() != p.size || p.size == 0 {
				t.Fatalf("%d bytes are counted, the capture has %d", s.used.Load(), p.size)
			}
			if err := s.remove(p); err != nil {
				t.Fatal(err)
			}
			if err := s.remove(p); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("let go a second time: %v", err)
			}
			if s.used.Load() != 0 {
				t.Errorf("%d bytes are counted", s.used.Load())
			}
			if list, err := s.list(); err != nil || len(list) != 0 {
				t.Errorf("%d captures wait, %v", len(list), err)
			}
			if err := s.sweep(); err != nil { // the next start
				t.Error(err)
			}
			if left, err := os.ReadDir(s.dir); err != nil || len(left) != 0 {
				t.Errorf("left are %v, %v", left, err)
			}
		})
	}
	s, p := spoolWith(t, map[string]string{"a": "first"}, "a")
	p = asFolder(t, s, p)
	// Killed between the two steps of remove, half of the folder gone.
	if err := errors.Join(os.Rename(p.dir, p.dir+unfinished), os.Remove(filepath.Join(p.dir+unfinished, pendingFile))); err != nil {
		t.Fatal(err)
	}
	if list, err := s.list(); err != nil || len(list) != 0 {
		t.Errorf("%d captures wait, %v", len(list), err)
	}
	if err := s.sweep(); err != nil || s.used.Load() != 0 {
		t.Errorf("swept: %d bytes are counted, %v", s.used.Load(), err)
	}
	if left, err := os.ReadDir(s.dir); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// The file of a capture that was let go serves the next one, which has nothing
// of it; without it a new one is made, and no more are kept than may be.
func TestAFileServesTheNextCapture(t *testing.T) {
	s, p := spoolWith(t, map[string]string{"a": strings.Repeat("first", 1000)}, "a")
	again := func(text string) *Pending {
		t.Helper()
		id := p.ID
		id[14]++
		k, err := s.begin(id)
		if err != nil {
			t.Fatal(err)
		}
		at, print, err := k.body(capture.Bytes(text))
		if err != nil {
			t.Fatal(err)
		}
		q := &Pending{ID: id, Files: []spooled{{File: "b", At: at, Print: print}}}
		if err := s.commit(k, q); err != nil {
			t.Fatal(err)
		}
		return q
	}
	check := func(q *Pending, text string) {
		t.Helper()
		list, err := s.list()
		if err != nil || len(list) != 1 || list[0].ID != q.ID || bodyText(t, list[0], list[0].Files[0]) != text || list[0].size != s.used.Load() {
			t.Errorf("%d captures wait, %v", len(list), err)
		}
	}
	was, err := os.Stat(p.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.remove(p); err != nil {
		t.Fatal(err)
	}
	q := again("second")
	if is, err := os.Stat(q.path); err != nil || !os.SameFile(was, is) {
		t.Errorf("another file was made, %v", err)
	}
	check(q, "second")
	if err := s.remove(q); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.spares.free[0]); err != nil { // by whoever tidies up
		t.Fatal(err)
	}
	q = again("third")
	check(q, "third")
	for range maxSpares {
		s.spares.free = append(s.spares.free, "x")
	}
	if err := s.remove(q); err != nil || len(s.spares.free) != maxSpares {
		t.Errorf("%d spares, %v", len(s.spares.free), err)
	}
	if left, err := os.ReadDir(s.dir); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// A body that cannot be read, or a disk that takes no more, leaves nothing.
func TestAPackThatFailsLeavesNothing(t *testing.T) {
	s, p := spoolWith(t, map[string]string{"a": "first"}, "a")
	id := p.ID
	id[15]++
	k, err := s.begin(id)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.add(func(w io.Writer) error { io.WriteString(w, "half"); return io.ErrUnexpectedEOF }); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	if err := k.drop(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(s.dir); err != nil || len(left) != 1 || s.used.Load() != p.size {
		t.Errorf("left are %v, %v", left, err)
	}
	for err, want := range map[error]bool{
		&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}: true,
		&fs.PathError{Op: "write", Path: "x", Err: syscall.EDQUOT}: true,
		&fs.PathError{Op: "write", Path: "x", Err: syscall.EIO}:    false,
	} {
		if got := diskFull(err); errors.Is(got, ErrDiskFull) != want || !errors.Is(got, errors.Unwrap(err)) {
			t.Errorf("%v became %v", err, got)
		}
	}
}

func TestOnlyWholePacksAreTaken(t *testing.T) {
	outside := func(p Pending) []byte {
		doc, _ := json.Marshal(p)
		return append(doc, trailer(int64(len(doc)))...)
	}
	flipped := func(b []byte, at int) []byte { b = bytes.Clone(b); b[len(b)+at] ^= 1; return b }
	for name, c := range map[string]struct {
		damage func(whole []byte) []byte
		mended bool // its description is still there
	}{
		"empty":           {func([]byte) []byte { return nil }, false},
		"cut at the end":  {func(b []byte) []byte { return b[:len(b)-1] }, true},
		"no trailer":      {func(b []byte) []byte { return b[:len(b)-packTrailer] }, true},
		"more at the end": {func(b []byte) []byte { return append(bytes.Clone(b), make([]byte, 4096)...) }, true},
		"another length":  {func(b []byte) []byte { return flipped(b, -packTrailer+7) }, true},
		"another magic":   {func(b []byte) []byte { return flipped(b, -1) }, true},
		"no description":  {func(b []byte) []byte { return b[:len(b)-packTrailer-3] }, false},
		"cut at the head": {func(b []byte) []byte { return b[3:] }, false},
		"only a trailer":  {func(b []byte) []byte { return b[len(b)-packTrailer:] }, false},
		"length too long": {func([]byte) []byte { return append(bytes.Repeat([]byte{0xff}, 8), packMagic...) }, false},
		"a file outside": {func([]byte) []byte {
			return outside(Pending{Files: []spooled{{File: "a", At: 1 << 62, Print: capture.Fingerprint{Size: 5}}}})
		}, false},
		"a file negative": {func([]byte) []byte { return outside(Pending{Files: []spooled{{File: "a", At: -1}}}) }, false},
		"a payload outside": {func([]byte) []byte {
			return outside(Pending{Refers: []referred{{At: 3, Payload: catalog.Payload{Bytes: 9}}}})
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, p := spoolWith(t, map[string]string{"a": "first"}, "a")
			var damaged []byte
			damage(t, p, func(b []byte) []byte { damaged = c.damage(b); return damaged })
			if err := s.sweep(); err != nil { // the next start
				t.Fatal(err)
			}
			list, err := s.list()
			var u *UnreadableError
			if !errors.As(err, &u) || !errors.Is(err, errPack) || u.Capture != p.ID || u.Mended != c.mended {
				t.Fatalf("%d captures wait, %v", len(list), err)
			}
			if c.mended {
				if len(list) != 1 || bodyText(t, list[0], list[0].Files[0]) != "first" || list[0].size != s.used.Load() {
					t.Errorf("%d captures wait, %d bytes are counted", len(list), s.used.Load())
				}
				if _, err := s.list(); err != nil {
					t.Errorf("mended and read once more: %v", err)
				}
				return
			}
			if kept, err := os.ReadFile(u.Kept); err != nil || !bytes.Equal(kept, damaged) || len(list) != 0 || s.used.Load() != 0 {
				t.Errorf("%d captures wait, %d bytes are counted, put aside were %d of %d, %v", len(list), s.used.Load(), len(kept), len(damaged), err)
			}
			if why, err := os.ReadFile(u.Kept + whySuffix); err != nil || !strings.Contains(string(why), u.Cause.Error()) {
				t.Errorf("the reason is %q, %v", why, err)
			}
			if n, err := CountRefused(s.dir); err != nil || n != 1 {
				t.Errorf("%d captures are aside, %v", n, err)
			}
			if list, err := s.list(); err != nil || len(list) != 0 {
				t.Errorf("looked once more: %d captures wait, %v", len(list), err)
			}
		})
	}
}

// Of a capture that was cut short the records are brought out that are whole,
// and a second one of the same id takes nothing from the first.
func TestRecordsOfADamagedPackAreBroughtOut(t *testing.T) {
	s, p := spoolWith(t, map[string]string{"a": "first"}, "a")
	var file bytes.Buffer
	index, err := warc.WriteCapture(t.Context(), &file, &capture.Capture{
		ID: p.ID, URL: "https://x.example/", Started: time.Now(), Finished: time.Now(), Outcome: capture.DNSFailed,
		Artifacts: []*capture.Artifact{
			{Role: capture.RoleText, URL: "https://x.example/", MediaType: "text/plain", Taken: time.Now(), Body: capture.Bytes("one")},
			{Role: capture.RoleDOM, URL: "https://x.example/", MediaType: "text/html", Taken: time.Now(), Body: capture.Bytes("two")},
		},
	}, warc.Options{NewID: capture.NewIDSource(time.Now, rand.Reader).New})
	if err != nil {
		t.Fatal(err)
	}
	last := index.Records[len(index.Records)-1]
	for _, want := range []string{p.ID.String(), p.ID.String() + "-2"} {
		if err := os.WriteFile(p.path, file.Bytes()[:last.Offset+last.Length/2], 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = s.list()
		var u *UnreadableError
		if !errors.As(err, &u) || u.Records != len(index.Records)-1 || u.Records < 2 || filepath.Base(u.Kept) != want {
			t.Fatalf("%+v, %v; the WARC had %d records", u, err, len(index.Records))
		}
		out, err := os.ReadFile(u.Kept + recordsSuffix)
		if err != nil || !bytes.Equal(out, file.Bytes()[:last.Offset]) {
			t.Errorf("%d bytes were brought out of %d, %v", len(out), last.Offset, err)
		}
	}
	if n, err := CountRefused(s.dir); err != nil || n != 2 {
		t.Errorf("%d captures are aside, %v", n, err)
	}
}

// What has not the name of a capture is somebody else's, and stays.
func TestStrangeFilesOfTheSpoolStay(t *testing.T) {
	s, _ := spoolWith(t, map[string]string{"a": "first"}, "a")
	strange := filepath.Join(s.dir, "lost+found")
	if err := os.WriteFile(strange, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := s.list(); err == nil || len(list) != 1 || !strings.Contains(err.Error(), strange) {
		t.Errorf("%d captures wait, %v", len(list), err)
	}
	if _, err := os.Stat(strange); err != nil {
		t.Error(err)
	}
}

func FuzzOpenPack(f *testing.F) {
	_, p := spoolWith(f, map[string]string{"a": "first", "b": "second"}, "a", "b")
	whole, err := os.ReadFile(p.path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	path := filepath.Join(f.TempDir(), "pack")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Skip(err)
		}
		p, err := openPack(path)
		if err != nil {
			return
		}
		for _, f := range p.Files {
			body, err := p.body(f.File, f.At, f.Print.Size)
			if err != nil {
				t.Fatal(err)
			}
			r, err := body.Open()
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, r)
			if r.Close(); err != nil || n != body.Size() {
				t.Fatalf("%d bytes of %d, %v", n, body.Size(), err)
			}
		}
	})
}
