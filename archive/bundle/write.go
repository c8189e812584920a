package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // the shell script
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
)

// ErrTampered: kept bytes are not those that the manifest names. Nothing is
// handed over then.
var ErrTampered = errors.New("the stored bytes are not those of the manifest")

//go:embed verify.sh
var script []byte

// Summary is what was written.
type Summary struct {
	Name     string         `json:"name"`
	SHA256   capture.Digest `json:"sha256"` // of the whole file
	Size     int64          `json:"bytes"`
	Contents capture.Digest `json:"contents"` // of SHA256SUMS, as the exported events have it
	Files    int            `json:"files"`
	Captures []capture.ID   `json:"captures"`
}

// file is a member on its way into a package.
type file struct {
	name string
	src  Source
	art  *manifest.Artifact // nil: it is no artifact as it is
	sum  capture.Digest
	crc  uint32
	size int64
}

// Write writes a package. Whatever goes in was hashed first and is hashed
// again on its way; an error means that what was written so far is no package.
func Write(ctx context.Context, w io.Writer, in Input) (Summary, error) {
	if err := in.check(); err != nil {
		return Summary{}, err
	}
	in.At = in.At.UTC().Truncate(time.Second)
	files, views, err := plan(ctx, in)
	if err != nil {
		return Summary{}, err
	}
	for i := range files {
		if err := files[i].measure(ctx); err != nil {
			return Summary{}, fmt.Errorf("%s: %w", files[i].name, err)
		}
	}
	said, err := expect(ctx, in, files, views)
	if err != nil {
		return Summary{}, err
	}
	expected := file{name: nameExpected, src: inMemory(said)}
	if err := expected.measure(ctx); err != nil {
		return Summary{}, err
	}
	files = append(files, expected)
	sortFiles(files)
	list := sumsFile(files)
	s := Summary{Name: in.FileName(), Contents: capture.Sum(list)}
	for _, c := range in.sorted() {
		s.Captures = append(s.Captures, c.ID)
	}
	exported, err := commit(ctx, in, s.Contents)
	if err != nil {
		return s, err
	}
	for _, f := range append(exported, file{name: nameSums, src: inMemory(list)}) {
		if err := f.measure(ctx); err != nil {
			return s, err
		}
		files = append(files, f)
	}
	sortFiles(files)
	return s, finish(ctx, w, files, &s)
}

func sortFiles(files []file) {
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
}

// sumsFile is SHA256SUMS, as sha256sum writes it.
func sumsFile(files []file) []byte {
	var b bytes.Buffer
	for _, f := range files {
		fmt.Fprintf(&b, "%s  %s\n", f.sum, f.name)
	}
	return b.Bytes()
}

func commit(ctx context.Context, in Input, contents capture.Digest) ([]file, error) {
	if in.Commit == nil {
		return nil, nil
	}
	events, err := in.Commit(ctx, contents)
	if err != nil {
		return nil, fmt.Errorf("the export could not be put on record, so nothing is handed over: %w", err)
	}
	var files []file
	for _, c := range in.sorted() {
		e, ok := events[c.ID]
		if !ok {
			return nil, fmt.Errorf("the export of capture %s is not on record, so nothing is handed over", c.ID)
		}
		files = append(files, file{name: exportName(c.ID, ".json"), src: inMemory(e.Doc)},
			file{name: exportName(c.ID, ".tlog-proof"), src: inMemory(e.Proof)})
	}
	return files, nil
}

// measure reads a file once and remembers what it is known by.
func (f *file) measure(ctx context.Context) error {
	r, err := f.src(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	s := newSums(f.art != nil)
	if _, err := io.Copy(s, &cancelable{ctx, r}); err != nil {
		return err
	}
	print := s.print()
	if f.art != nil && !same(print, *f.art) {
		return ErrTampered
	}
	f.sum, f.crc, f.size = print.SHA256, s.crc.Sum32(), print.Size
	return nil
}

// finish writes the container, hashing every member and the whole.
func finish(ctx context.Context, w io.Writer, files []file, s *Summary) error {
	members := make([]member, len(files))
	for i, f := range files {
		if err := checkName(f.name); err != nil {
			return err
		}
		if i > 0 && f.name == files[i-1].name {
			return fmt.Errorf("two files would be called %s", f.name)
		}
		if !placeOf(f.name).ok {
			return fmt.Errorf("%s is no name of a package", f.name)
		}
		members[i] = member{f.name, f.crc, f.size}
	}
	box, whole := layout(members), sha256.New()
	err := box.copyInto(ctx, io.MultiWriter(w, whole), func(i int) Source { return files[i].checked() })
	if err != nil {
		return fmt.Errorf("the package could not be written: %w", err)
	}
	s.Files, s.Size = len(files), box.size
	whole.Sum(s.SHA256[:0])
	return nil
}

// checked reads the file again, and fails at its end when it is another one.
func (f *file) checked() Source {
	return func(ctx context.Context) (io.ReadCloser, error) {
		r, err := f.src(ctx)
		if err != nil {
			return nil, err
		}
		return &again{r, sha256.New(), f.sum}, nil
	}
}

type again struct {
	io.ReadCloser
	sum  hash.Hash
	want capture.Digest
}

func (a *again) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	a.sum.Write(p[:n])
	if err == io.EOF && capture.Digest(a.sum.Sum(nil)) != a.want {
		return n, ErrChanged
	}
	return n, err
}

// plan lists what goes in but SHA256SUMS, what is expected of verifying, and
// the exported events.
func plan(ctx context.Context, in Input) ([]file, []*view, error) {
	var files []file
	var views []*view
	for _, c := range in.sorted() {
		fs, v, err := planCapture(ctx, in, c)
		if err != nil {
			return nil, nil, fmt.Errorf("capture %s: %w", c.ID, err)
		}
		files, views = append(files, fs...), append(views, v)
	}
	if in.Case != nil {
		fs, err := eventFiles(dirCase, in.Case.Events)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, fs...)
	}
	fs, err := eventFiles(dirLog, in.Log.Rotations)
	if err != nil {
		return nil, nil, err
	}
	files = append(files, fs...)
	add := func(name string, b []byte) { files = append(files, file{name: name, src: inMemory(b)}) }
	add(nameKeys, []byte(strings.Join(in.Log.Keys, "\n")+"\n"))
	add(nameConfig, []byte(in.System.Configuration))
	add(nameScript, script)
	for _, r := range in.Renewals {
		files = append(files, r.files()...)
	}
	for _, c := range in.Log.Consistency {
		add(consistencyName(c.From, c.To), c.Proof)
	}
	if in.System.Verifier != nil {
		add(nameVerifier, in.System.Verifier)
	}
	pages, err := papers(ctx, in, views)
	if err != nil {
		return nil, nil, err
	}
	return append(files, pages...), views, nil
}

// planCapture lists the files of one capture but those for people.
func planCapture(ctx context.Context, in Input, c Capture) ([]file, *view, error) {
	m, err := manifest.Parse(c.Manifest)
	if err != nil {
		return nil, nil, err
	}
	if m.Capture != c.ID {
		return nil, nil, fmt.Errorf("its manifest is of capture %s", m.Capture)
	}
	v := newView(in, c, m)
	var files []file
	add := func(name string, b []byte) { files = append(files, file{name: name, src: inMemory(b)}) }
	for _, a := range m.Artifacts {
		if a.Role == manifest.RoleWARC {
			fs, err := planWARC(ctx, in, c, m, a, v)
			if err != nil {
				return nil, nil, err
			}
			files = append(files, fs...)
			continue
		}
		f, err := artifactFile(a)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, file{name: nativeName(c.ID, f), src: c.Open(ctx, a), art: &a})
	}
	add(sealName(c.ID, fileManifest), c.Manifest)
	add(sealName(c.ID, fileProof), c.Proof)
	p, err := custody.ParseProof(c.Proof)
	if err != nil {
		return nil, nil, err
	}
	add(sealName(c.ID, fileCheck), p.Checkpoint)
	for _, s := range c.Stamps {
		files = append(files, s.files(sealName(c.ID, "stamps/"))...)
	}
	if c.After != nil {
		add(sealName(c.ID, "after/"+fileCheck), c.After.Checkpoint)
		files = append(files, c.After.Stamp.files(sealName(c.ID, "after/"))...)
	}
	original, err := planOriginal(c, m)
	if err != nil {
		return nil, nil, err
	}
	files = append(files, original...)
	events, err := eventFiles(custodyDir(c.ID), c.Events)
	if err != nil {
		return nil, nil, err
	}
	return append(files, events...), v, nil
}

func planWARC(ctx context.Context, in Input, c Capture, m *manifest.Manifest, a manifest.Artifact, v *view) ([]file, error) {
	src, kept, err := makeWACZ(ctx, in, c, m, a)
	if err != nil {
		return nil, err
	}
	heads, err := mainHeads(ctx, c.Open(ctx, a), m)
	if err != nil {
		return nil, err
	}
	files := []file{{name: waczName(c.ID), src: src}, {name: nativeName(c.ID, fileHeaders), src: inMemory(heads)}}
	if !kept {
		files = append(files, file{name: nativeName(c.ID, fileWARC), src: c.Open(ctx, a), art: &a})
		v.loose()
	}
	return files, nil
}

func (s Stamp) files(dir string) []file {
	files := []file{
		{name: dir + s.Name + ".tsq", src: inMemory(s.Query)},
		{name: dir + s.Name + ".tsr", src: inMemory(s.Response)},
		{name: dir + s.Name + ".pem", src: inMemory(s.Chain)},
	}
	if s.Revocation != nil {
		files = append(files, file{name: dir + s.Name + ".rev", src: inMemory(s.Revocation)})
	}
	return files
}

func eventFiles(dir string, events []Event) ([]file, error) {
	var files []file
	for _, e := range events {
		doc, err := custody.ParseEvent(e.Doc)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: dir + doc.ID.String() + ".json", src: inMemory(e.Doc)},
			file{name: dir + doc.ID.String() + ".tlog-proof", src: inMemory(e.Proof)})
	}
	return files, nil
}
