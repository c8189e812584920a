package bundle

import (
	"archive/zip"
	"bytes"
	"context"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What open takes is the one container of its members, and archive/zip reads
// the same from it.
func FuzzOpen(f *testing.F) {
	some := func(ms ...member) []byte {
		for i := range ms {
			ms[i].size, ms[i].crc = int64(len(ms[i].name)), crc32.ChecksumIEEE([]byte(ms[i].name))
		}
		var b bytes.Buffer
		if err := layout(ms).copyInto(context.Background(), &b, func(i int) Source { return inMemory([]byte(ms[i].name)) }); err != nil {
			f.Fatal(err)
		}
		return b.Bytes()
	}
	f.Add(some())
	f.Add(some(member{name: "a"}))
	f.Add(some(member{name: "a/b"}, member{name: "a/c"}, member{name: "b"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		var again bytes.Buffer
		err = layout(o.members).copyInto(t.Context(), &again, func(i int) Source {
			data := make([]byte, o.members[i].size)
			if _, err := o.section(i).ReadAt(data, 0); err != nil && len(data) > 0 {
				t.Fatal(err)
			}
			return inMemory(data)
		})
		if err != nil || !bytes.Equal(again.Bytes(), b) {
			t.Fatalf("it was taken, and is written otherwise: %v", err)
		}
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil || len(z.File) != len(o.members) {
			t.Fatalf("archive/zip: %v", err)
		}
		for i, m := range z.File {
			at, err := m.DataOffset()
			if err != nil || m.Name != o.members[i].name || at != o.offset[i] || m.UncompressedSize64 != uint64(o.members[i].size) {
				t.Fatalf("archive/zip reads %s at %d, %v", m.Name, at, err)
			}
		}
	})
}

// Nothing that is no package passes, and nothing stops the verifier.
func FuzzVerify(f *testing.F) {
	dir := filepath.Join("..", "..", "cmd", "trawlmark-verify", "testdata")
	b, err := os.ReadFile(filepath.Join(dir, "example.zip"))
	if err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "trust.txt"))
	if err != nil {
		f.Fatal(err)
	}
	trust, err := ParseTrust(text)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), []byte{})
	f.Add(uint32(100), []byte("x"))
	f.Fuzz(func(t *testing.T, at uint32, with []byte) {
		c := append([]byte(nil), b...)
		copy(c[int(at)%len(c):], with)
		r, err := Verify(t.Context(), bytes.NewReader(c), int64(len(c)), trust)
		if err != nil {
			t.Fatal(err)
		}
		if r.Status() == Pass && !bytes.Equal(c, b) {
			t.Errorf("at %d %q: accepted", at, with)
		}
	})
}

func FuzzParseTrust(f *testing.F) {
	f.Add([]byte("log a+b+c\n"))
	f.Add([]byte(`{"log_keys":[],"tsa_roots":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		trust, err := ParseTrust(b)
		if err != nil {
			return
		}
		again, err := ParseTrust(trust.Marshal())
		if err != nil || len(again.Keys) != len(trust.Keys) || len(again.Roots) != len(trust.Roots) {
			t.Errorf("%q is written %q, which gives %v", b, trust.Marshal(), err)
		}
	})
}

func FuzzParseSums(f *testing.F) {
	f.Add([]byte(strings.Repeat("0", 64) + "  a\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		listed, err := parseSums(b)
		if err != nil {
			return
		}
		var files []file
		for name, d := range listed {
			files = append(files, file{name: name, sum: d})
		}
		sortFiles(files)
		if !bytes.Equal(sumsFile(files), b) {
			t.Errorf("%q is taken and written otherwise", b)
		}
	})
}

// A container that needs ZIP64 is read by archive/zip, without its bytes.
func TestLargeContainersUseZIP64(t *testing.T) {
	for name, ms := range map[string][]member{
		"a large member":  {{"a", 1, math.MaxUint32 + 5}, {"b", 2, 3}},
		"a border":        {{"a", 1, math.MaxUint32}, {"b", 2, 3}},
		"below it":        {{"a", 1, math.MaxUint32 - 1}},
		"an offset":       {{"a", 1, 1 << 31}, {"b", 2, 1 << 31}, {"c", 3, 9}},
		"nothing special": {{"a", 1, 3}},
	} {
		box := layout(ms)
		r := sparse{box}
		o, err := open(r, box.size)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		z, err := zip.NewReader(r, box.size)
		if err != nil {
			t.Errorf("%s: archive/zip: %v", name, err)
			continue
		}
		for i, f := range z.File {
			at, err := f.DataOffset()
			if err != nil || at != o.offset[i] || f.UncompressedSize64 != uint64(ms[i].size) || f.CRC32 != ms[i].crc || f.Name != ms[i].name {
				t.Errorf("%s: archive/zip reads %+v at %d, %v", name, f.FileHeader, at, err)
			}
		}
	}
	var many []member
	for i := range 70_000 {
		many = append(many, member{name: "f/" + string(rune('a'+i/26/26/26)) + string(rune('a'+i/26/26%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i%26))})
	}
	var b bytes.Buffer
	if err := layout(many).copyInto(t.Context(), &b, func(int) Source { return inMemory(nil) }); err != nil {
		t.Fatal(err)
	}
	if _, err := open(bytes.NewReader(b.Bytes()), int64(b.Len())); err != nil {
		t.Errorf("many members: %v", err)
	}
	if z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len())); err != nil || len(z.File) != len(many) {
		t.Errorf("many members: archive/zip: %v", err)
	}
}

// sparse is a container whose data are zeros that are not there.
type sparse struct{ *container }

func (s sparse) ReadAt(p []byte, at int64) (int, error) {
	clear(p)
	put := func(b []byte, from int64) {
		if lo, hi := max(at, from), min(at+int64(len(p)), from+int64(len(b))); lo < hi {
			copy(p[lo-at:hi-at], b[lo-from:hi-from])
		}
	}
	for i, h := range s.heads {
		put(h, s.offset[i]-int64(len(h)))
	}
	put(s.tail, s.size-int64(len(s.tail)))
	return len(p), nil
}

func TestHostileContainers(t *testing.T) {
	build := func(ms ...member) []byte {
		for i := range ms {
			ms[i].crc, ms[i].size = crc32.ChecksumIEEE([]byte("x")), 1
		}
		var b bytes.Buffer
		if err := layout(ms).copyInto(t.Context(), &b, func(int) Source { return inMemory([]byte("x")) }); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for name, names := range map[string][]string{
		"up": {"../a"}, "in the middle": {"a/../b"}, "absolute": {"/a"}, "folder": {"a/"}, "empty segment": {"a//b"}, "hidden": {".a"},
		"backslash": {`a\b`}, "drive": {"c:a"}, "NUL": {"a\x00"}, "not ASCII": {"é"}, "no name": {""}, "long": {strings.Repeat("a", 201)},
		"twice": {"a", "a"}, "case": {"A", "a"}, "order": {"b", "a"}, "file and folder": {"a", "a/b"}, "folder in another case": {"A", "a/b"},
	} {
		var ms []member
		for _, n := range names {
			ms = append(ms, member{name: n})
		}
		b := build(ms...)
		if _, err := open(bytes.NewReader(b), int64(len(b))); err == nil {
			t.Errorf("%s was taken", name)
		}
		if r := verifyBytes(t, b, Trust{}); r.Status() != Fail || r.Layer(LayerPackage) != Fail {
			t.Errorf("%s: %s", name, r.Status())
		}
	}
	// A deflated package, as any other program would write it.
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("00-README.html")
	if err == nil {
		_, err = w.Write(make([]byte, 1<<20))
	}
	if err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	if r := verifyBytes(t, b.Bytes(), Trust{}); r.Layer(LayerPackage) != Fail {
		t.Error("a deflated package was taken")
	}
}
