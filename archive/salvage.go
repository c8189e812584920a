package archive

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// errPack: the bytes of a pack were read, and they are none.
var errPack = errors.New("it is no spooled capture, or it is damaged")

// recordsSuffix is what the records have that were brought out of a pack.
const recordsSuffix = ".records.warc.gz"

// UnreadableError tells of a capture in the spool that nobody can store as it
// lies there. Nothing of it is deleted.
type UnreadableError struct {
	Capture capture.ID
	// Mended: only its end was damaged. That was written anew, and it waits with
	// the others.
	Mended bool
	// Kept is where its bytes were put aside; "" when it was mended.
	Kept string
	// Records of its WARC are whole, and lie beside what was put aside.
	Records int
	// Cause is what is wrong with it.
	Cause error
}

func (u *UnreadableError) Error() string {
	if u.Mended {
		return fmt.Sprintf("the spooled capture %s had lost its end, which was written anew; it is stored as ever: %v", u.Capture, u.Cause)
	}
	return fmt.Sprintf("the spooled capture %s cannot be read and was put aside as %s, with %d records of it beside it: %v", u.Capture, u.Kept, u.Records, u.Cause)
}

func (u *UnreadableError) Unwrap() error { return u.Cause }

// salvage does what can be done with a pack that openPack does not take. p is
// set when it was mended.
func (s *spool) salvage(path string, id capture.ID, cause error) (p *Pending, told error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mend(path, id) == nil {
		if p, err = openPack(path); err == nil {
			s.used.Add(p.size - fi.Size())
			return p, &UnreadableError{Capture: id, Mended: true, Cause: cause}
		}
	}
	u := &UnreadableError{Capture: id, Cause: cause}
	if err := s.putAside(path, u); err != nil {
		return nil, fmt.Errorf("the spooled capture in %s cannot be read (%w), and could not be put aside: %w", path, cause, err)
	}
	s.used.Add(-fi.Size())
	return nil, u
}

// mend writes the end of a pack anew whose description is still there: the
// description names its length by where it ends.
func mend(path string, id capture.ID) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	from := max(0, fi.Size()-maxPending-packTrailer)
	tail, err := io.ReadAll(io.NewSectionReader(f, from, fi.Size()-from))
	if err != nil {
		return err
	}
	begin := bytes.LastIndex(tail, fmt.Appendf(nil, `{"capture":"%s","entry":{`, id))
	if begin < 0 {
		return errPack
	}
	var p Pending
	d := json.NewDecoder(bytes.NewReader(tail[begin:]))
	if err := d.Decode(&p); err != nil {
		return fmt.Errorf("%w: %w", errPack, err)
	}
	if err := p.within(from + int64(begin)); err != nil {
		return err // more than its end is damaged
	}
	n := d.InputOffset()
	end := from + int64(begin) + n
	if _, err := f.WriteAt(trailer(n), end); err != nil {
		return err
	}
	return errors.Join(f.Truncate(end+packTrailer), f.Sync())
}

// trailer is the end of a pack whose description has n bytes.
func trailer(n int64) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(n)), packMagic...)
}

// putAside moves a pack to what was refused, with the reason and the records
// that are whole beside it.
func (s *spool) putAside(path string, u *UnreadableError) error {
	aside := filepath.Join(s.dir, RefusedDir)
	if err := os.MkdirAll(aside, 0o700); err != nil {
		return diskFull(err)
	}
	u.Kept = filepath.Join(aside, u.Capture.String())
	for n := 2; exists(u.Kept); n++ {
		u.Kept = filepath.Join(aside, fmt.Sprintf("%s-%d", u.Capture, n))
	}
	var err error
	if u.Records, err = bringOut(path, u.Kept+recordsSuffix); err != nil {
		return diskFull(err)
	}
	why := fmt.Sprintf("It cannot be read: %v.\n%d records of its WARC are whole.\n", u.Cause, u.Records)
	if err := writeSynced(u.Kept+whySuffix, []byte(why)); err != nil {
		return diskFull(err)
	}
	if err := os.Rename(path, u.Kept); err != nil {
		return err
	}
	return errors.Join(syncPath(aside), syncPath(s.dir))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// bringOut copies the records of a pack's WARC, with which it begins, up to the
// first that is not whole, and says how many they are. None: no file is made.
func bringOut(pack, to string) (records int, err error) {
	f, err := os.Open(pack)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var whole int64
	r := warc.NewReader(f)
	for {
		rec, err := r.Next()
		if err != nil || rec.Finish() != nil {
			break
		}
		whole = rec.Offset + rec.Length
		records++
	}
	if records == 0 {
		return 0, nil
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(out, io.NewSectionReader(f, 0, whole))
	return records, errors.Join(err, out.Sync(), out.Close())
}

// isCapture reports whether a name in the folder of refused captures is that of
// one, not of what lies beside it.
func isCapture(name string) bool {
	return !strings.HasSuffix(name, whySuffix) && !strings.HasSuffix(name, recordsSuffix)
}
