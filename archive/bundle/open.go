package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrContainer is returned for a file that is not a container of the one form.
var ErrContainer = errors.New("not a package of this form")

// The bounds of a container that is read.
const (
	maxMembers   = 1_000_000
	maxDirectory = 128 << 20
	maxName      = 200
	endLen       = 22
	end64Len     = 56 + 20
)

func badContainer(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrContainer, fmt.Sprintf(format, args...))
}

// opened is a container that was read.
type opened struct {
	*container
	r    io.ReaderAt
	find map[string]int
}

// open reads the directory, makes of it the one container that it describes,
// and compares: every byte that is not data is accounted for.
func open(r io.ReaderAt, size int64) (*opened, error) {
	at, length, count, err := readEnd(r, size)
	if err != nil {
		return nil, err
	}
	dir := make([]byte, length)
	if _, err := r.ReadAt(dir, at); err != nil {
		return nil, badContainer("its directory cannot be read: %v", err)
	}
	members, err := parseDirectory(dir, count)
	if err != nil {
		return nil, err
	}
	sum := int64(0)
	for _, m := range members {
		if m.size < 0 || m.size > size-sum {
			return nil, badContainer("%s is said to be larger than the file", m.name)
		}
		sum += m.size
	}
	o := &opened{container: layout(members), r: r, find: map[string]int{}}
	if err := o.compare(at, size); err != nil {
		return nil, err
	}
	for i, m := range members {
		o.find[m.name] = i
	}
	return o, nil
}

// readEnd finds the directory.
func readEnd(r io.ReaderAt, size int64) (at, length, count int64, err error) {
	if size < endLen {
		return 0, 0, 0, badContainer("it has %d bytes only", size)
	}
	b := make([]byte, min(size, endLen+end64Len))
	if _, err := r.ReadAt(b, size-int64(len(b))); err != nil {
		return 0, 0, 0, fmt.Errorf("the end of the package cannot be read: %w", err)
	}
	e := b[len(b)-endLen:]
	if le.Uint32(e) != 0x06054b50 {
		return 0, 0, 0, badContainer("it does not end as a ZIP file without a comment ends: it is cut, or something was added")
	}
	count, length, at = int64(le.Uint16(e[10:])), int64(le.Uint32(e[12:])), int64(le.Uint32(e[16:]))
	end := size - endLen
	if count == big16 && length == big32 && at == big32 && len(b) == endLen+end64Len {
		z := b[:56]
		count, length, at = int64(le.Uint64(z[32:])), int64(le.Uint64(z[40:])), int64(le.Uint64(z[48:]))
		end -= end64Len
	}
	if count < 0 || count > maxMembers || length < 0 || length > maxDirectory || at < 0 || at > end || length != end-at {
		return 0, 0, 0, badContainer("its directory is not where it is said to be")
	}
	return at, length, count, nil
}

// parseDirectory takes names, sums and sizes from the central directory. The
// rest of it is compared with what they lead to.
func parseDirectory(dir []byte, count int64) ([]member, error) {
	var members []member
	folded := map[string]bool{}
	for range count {
		if len(dir) < 46 {
			return nil, badContainer("its directory ends too early")
		}
		n, x := int(le.Uint16(dir[28:])), int(le.Uint16(dir[30:]))
		if n > maxName || len(dir) < 46+n+x {
			return nil, badContainer("its directory ends too early, or has too long a name")
		}
		m := member{name: string(dir[46 : 46+n]), crc: le.Uint32(dir[16:]), size: int64(le.Uint32(dir[24:]))}
		if extra := dir[46+n : 46+n+x]; m.size == big32 && len(extra) >= 12 {
			m.size = int64(le.Uint64(extra[4:]))
		}
		if err := checkName(m.name); err != nil {
			return nil, err
		}
		if k := len(members); k > 0 && members[k-1].name >= m.name {
			return nil, badContainer("%s does not stand in order, or is there twice", m.name)
		}
		if low := strings.ToLower(m.name); folded[low] {
			return nil, badContainer("%s is there twice when case is ignored", m.name)
		} else {
			folded[low] = true
		}
		members = append(members, m)
		dir = dir[46+n+x:]
	}
	return members, noFolders(members, folded)
}

// noFolders refuses a file that is also another's folder.
func noFolders(members []member, folded map[string]bool) error {
	for _, m := range members {
		for i, c := range m.name {
			if c == '/' && folded[strings.ToLower(m.name[:i])] {
				return badContainer("%s is both a file and a folder", m.name[:i])
			}
		}
	}
	return nil
}

// checkName keeps names to what every system unpacks to the same place below
// the folder it is told.
func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return badContainer("a member has no name, or too long a one")
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("._-/", c) < 0 {
			return badContainer("the name %q has characters that none of ours has", name)
		}
	}
	for _, s := range strings.Split(name, "/") {
		if s == "" || s[0] == '.' {
			return badContainer("the name %q leads elsewhere", name)
		}
	}
	return nil
}

func (o *opened) compare(at, size int64) error {
	if o.size != size || size-int64(len(o.tail)) != at {
		return badContainer("the members and the directory do not add up to its %d bytes", size)
	}
	if err := o.same(at, o.tail); err != nil {
		return badContainer("its directory is not in the one form: %v", err)
	}
	for i, h := range o.heads {
		if err := o.same(o.offset[i]-int64(len(h)), h); err != nil {
			return badContainer("the header of %s is not in the one form: %v", o.members[i].name, err)
		}
	}
	return nil
}

func (o *opened) same(at int64, want []byte) error {
	got := make([]byte, len(want))
	if _, err := o.r.ReadAt(got, at); err != nil && !(err == io.EOF) {
		return err
	}
	if !bytes.Equal(got, want) {
		return errors.New("it differs")
	}
	return nil
}

// section gives the bytes of a member.
func (o *opened) section(i int) *io.SectionReader {
	return io.NewSectionReader(o.r, o.offset[i], o.members[i].size)
}

// read gives a small member; ok is false when there is none of the name.
func (o *opened) read(name string, limit int64) (b []byte, ok bool, err error) {
	i, ok := o.find[name]
	if !ok {
		return nil, false, nil
	}
	if o.members[i].size > limit {
		return nil, true, fmt.Errorf("%s has %d bytes, the limit is %d", name, o.members[i].size, limit)
	}
	b = make([]byte, o.members[i].size)
	if _, err := io.ReadFull(o.section(i), b); err != nil {
		return nil, true, err
	}
	return b, true, nil
}
