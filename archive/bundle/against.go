package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/net/html"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// Originals is where originals of redactions are at hand: a package of theirs,
// or a folder: one that such a package was unpacked into, or what
// `trawlmark evidence get` wrote. Nothing of it is believed: the log has the
// digest of each original's manifest, and that the digests of its files.
type Originals struct {
	name string
	root *os.Root // nil: a package
	file *os.File
	box  *opened
}

// OpenOriginals opens a package or a folder.
func OpenOriginals(name string) (*Originals, error) {
	fi, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	o := &Originals{name: name}
	if fi.IsDir() {
		o.root, err = os.OpenRoot(name)
		return o, err
	}
	if o.file, err = os.Open(name); err != nil {
		return nil, err
	}
	if o.box, err = open(o.file, fi.Size()); err != nil {
		o.file.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return o, nil
}

// Close closes what was opened.
func (o *Originals) Close() error {
	if o.root != nil {
		return o.root.Close()
	}
	return o.file.Close()
}

// find gives a file; done ends its use. nil: there is none of the name.
func (o *Originals) find(name string) (s *io.SectionReader, done func(), err error) {
	done = func() {}
	if o.box != nil {
		if i, ok := o.box.find[name]; ok {
			s = o.box.section(i)
		}
		return s, done, nil
	}
	f, err := o.root.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, done, nil
	}
	if err != nil {
		return nil, done, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", name)
	}
	if err != nil {
		f.Close()
		return nil, done, err
	}
	return io.NewSectionReader(f, 0, fi.Size()), func() { f.Close() }, nil
}

// read gives a small file.
func (o *Originals) read(name string, limit int64) ([]byte, error) {
	s, done, err := o.find(name)
	if err != nil || s == nil {
		return nil, err
	}
	defer done()
	if s.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, the limit is %d", name, s.Size(), limit)
	}
	return io.ReadAll(s)
}

// atHand is one original.
type atHand struct {
	*Originals
	dir string // of its files
	m   *manifest.Manifest
}

// places where the manifest and the files of a capture may lie.
func places(id capture.ID) [][2]string {
	return [][2]string{
		{sealName(id, fileManifest), "native/" + id.String() + "/"}, {id.String() + "/" + fileManifest, id.String() + "/"}, {fileManifest, ""},
	}
}

// atHand finds the original that a redaction names, by the digest that the log
// has; nil: it is not at hand.
func (v *verification) atHand(r *manifest.Redaction) (*atHand, error) {
	for _, o := range v.options.Originals {
		for _, p := range places(r.Capture) {
			doc, err := o.read(p[0], manifest.MaxSize)
			if err != nil {
				return nil, err
			}
			if doc == nil || capture.Sum(doc) != r.Manifest {
				continue // of another capture
			}
			m, err := manifest.Parse(doc)
			return &atHand{o, p[1], m}, err
		}
	}
	return nil, nil
}

// against compares a redaction with its original, byte by byte, where that is
// at hand: what is not withheld is the same, and what is withheld is what was
// there. It is how an expert shows that a redaction hides no more than it says.
func (v *verification) against(ctx context.Context, m *manifest.Manifest) {
	r := m.Redaction
	o, err := v.atHand(r)
	if err == nil && o == nil {
		v.add(LayerManifest, NotChecked, m.Capture, "", fmt.Sprintf("the original %s, with the manifest that the log has of it, is not in what was named as original", r.Capture))
		return
	}
	if err == nil {
		err = sameBut(m, o.m)
	}
	if !v.result(LayerManifest, m.Capture, "the original's "+fileManifest, err, "by the original at hand, the redaction is it but for what it says is withheld") {
		return
	}
	for _, a := range o.m.Artifacts {
		if a.Role == manifest.RoleWARC {
			err := v.warcAgainst(ctx, m, o, a)
			v.result(LayerArtifacts, m.Capture, "the original's warc", err, fmt.Sprintf("every record is in the copy as it was, but for the %d that are listed as withheld, which have the digests that are told", len(r.Records)))
			continue
		}
		v.artifactAgainst(ctx, m, o, a)
	}
}

func (v *verification) artifactAgainst(ctx context.Context, m *manifest.Manifest, o *atHand, a manifest.Artifact) {
	name := "the original's " + a.Role
	if a.Tile > 0 {
		name += fmt.Sprintf(" %d", a.Tile)
	}
	status, note, err := v.changed(ctx, m, o, a)
	if err != nil {
		status, note = Fail, err.Error()
	}
	v.add(LayerArtifacts, status, m.Capture, name, note)
}

// maxLooked bounds an artifact whose change is looked at.
const maxLooked = 128 << 20

// changed tells how one artifact of the copy differs from the original's.
func (v *verification) changed(ctx context.Context, m *manifest.Manifest, o *atHand, a manifest.Artifact) (Status, string, error) {
	f, err := artifactFile(a)
	if err != nil {
		return Fail, "", err
	}
	s, done, err := o.find(o.dir + f)
	if err != nil {
		return Fail, "", err
	}
	defer done()
	if s == nil {
		return NotChecked, "the file " + o.dir + f + " is not at hand", nil
	}
	sums := newSums(true)
	if _, err := io.Copy(sums, &cancelable{ctx, s}); err != nil {
		return Fail, "", err
	}
	if !same(sums.print(), a) {
		return Fail, "", errors.New("the file at hand has not the bytes that the original's manifest names")
	}
	i := indexOf(m, a)
	if i < 0 {
		return Pass, "it is what was captured, and all of it is withheld under the digest that is told", nil
	}
	n := m.Artifacts[i]
	if n.SHA256 == a.SHA256 {
		return Pass, "the copy has it, the same to the bit", nil
	}
	k, there := v.o.find[nativeName(m.Capture, path.Base(n.Key))]
	if !there || a.Bytes > maxLooked || n.Bytes > maxLooked {
		return NotChecked, "it was replaced, and the two cannot be compared here", nil
	}
	old, err1 := io.ReadAll(io.NewSectionReader(s, 0, s.Size()))
	now, err2 := io.ReadAll(v.o.section(k))
	if err := errors.Join(err1, err2); err != nil {
		return Fail, "", err
	}
	return replaced(a, old, now)
}

func indexOf(m *manifest.Manifest, a manifest.Artifact) int {
	for i, b := range m.Artifacts {
		if b.Role == a.Role && b.Tile == a.Tile {
			return i
		}
	}
	return -1
}

// replaced compares what stands in the copy with what was captured.
func replaced(a manifest.Artifact, old, now []byte) (Status, string, error) {
	media, _, _ := strings.Cut(a.MediaType, ";")
	switch media = strings.TrimSpace(media); {
	case media == "image/png":
		black, of, err := blackened(old, now)
		if err != nil {
			return Fail, "", err
		}
		return Pass, fmt.Sprintf("replaced: %d of %d pixels are black, all others are as captured", black, of), nil
	case onlyWithheld(string(old), string(now)), media == "text/html" && onlyWithheld(rendered(old), string(now)):
		return Pass, fmt.Sprintf("replaced: nothing was added or changed, and text was taken out in %d place(s), where %s stands", strings.Count(string(now), withheldMark), withheldMark), nil
	}
	return NotChecked, "replaced, and what was changed could not be followed by a program: compare the two by eye", nil
}

// withheldMark stands where a text was withheld (archive/manifest/SPEC.md).
const withheldMark = "[withheld]"

// onlyWithheld reports whether one text is the other with parts of it replaced
// by the mark.
func onlyWithheld(old, now string) bool {
	pieces := strings.Split(now, withheldMark)
	if len(pieces) == 1 {
		return old == now
	}
	for i, p := range pieces {
		at := strings.Index(old, p)
		switch {
		case at < 0, i == 0 && at > 0:
			return false
		case i == len(pieces)-1:
			return strings.HasSuffix(old, p)
		}
		old = old[at+len(p):]
	}
	return true
}

// rendered writes HTML as it is written when it was edited.
func rendered(b []byte) string {
	doc, err := html.Parse(bytes.NewReader(b))
	if err != nil {
		return ""
	}
	var out strings.Builder
	if html.Render(&out, doc) != nil {
		return ""
	}
	return out.String()
}

// maxLookedPixels bounds an image that is compared.
const maxLookedPixels = 100 << 20

// blackened compares two images: where they differ, the second must be black.
func blackened(old, now []byte) (black, of int, err error) {
	a, err1 := pixels(old)
	b, err2 := pixels(now)
	if err := errors.Join(err1, err2); err != nil {
		return 0, 0, err
	}
	if a.Rect != b.Rect {
		return 0, 0, fmt.Errorf("the copy has %d x %d pixels, captured were %d x %d", b.Rect.Dx(), b.Rect.Dy(), a.Rect.Dx(), a.Rect.Dy())
	}
	for i := 0; i < len(a.Pix); i += 4 {
		p, q := [4]byte(a.Pix[i:i+4]), [4]byte(b.Pix[i:i+4])
		isBlack := q == [4]byte{0, 0, 0, 255}
		if p != q && !isBlack {
			at := i / 4
			return 0, 0, fmt.Errorf("the pixel at %d,%d is neither as captured nor black", at%a.Rect.Dx(), at/a.Rect.Dx())
		}
		if isBlack {
			black++
		}
	}
	return black, len(a.Pix) / 4, nil
}

func pixels(b []byte) (*image.NRGBA, error) {
	cfg, err := png.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("it is no PNG: %w", err)
	}
	if cfg.Width <= 0 || cfg.Height <= 0 || cfg.Width > maxLookedPixels/cfg.Height {
		return nil, fmt.Errorf("an image of %d x %d pixels is too large", cfg.Width, cfg.Height)
	}
	src, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("it is no PNG: %w", err)
	}
	out := image.NewNRGBA(image.Rect(0, 0, cfg.Width, cfg.Height))
	draw.Draw(out, out.Bounds(), src, src.Bounds().Min, draw.Src)
	return out, nil
}

// warcAgainst compares the recording of the copy with the original's, record
// by record.
func (v *verification) warcAgainst(ctx context.Context, m *manifest.Manifest, o *atHand, a manifest.Artifact) error {
	whole, done, err := o.wholeWARC(ctx, a)
	if err != nil {
		return err
	}
	defer done()
	var copied *io.SectionReader
	if k, loose := v.o.find[nativeName(m.Capture, fileWARC)]; loose {
		copied = v.o.section(k)
	} else if k, ok := v.o.find[waczName(m.Capture)]; ok {
		s := v.o.section(k)
		w, err := open(s, s.Size())
		if err == nil {
			err = waczMembers(w)
		}
		if err != nil {
			return err
		}
		copied = w.section(0)
	} else {
		return errors.New("the copy has no recording")
	}
	for _, s := range []*io.SectionReader{whole, copied} {
		if err := inflates(ctx, s); err != nil {
			return err
		}
	}
	return sameRecords(warc.NewReader(&cancelable{ctx, whole}), warc.NewReader(&cancelable{ctx, copied}), m, o.m)
}

// wholeWARC gives the original's recording with every reference to other
// captures made whole, and checks it against what the manifest names.
func (o *atHand) wholeWARC(ctx context.Context, a manifest.Artifact) (*io.SectionReader, func(), error) {
	id := o.m.Capture
	var all []*io.SectionReader // as kept, whole of a folder, of a WACZ
	var ends []func()
	done := func() {
		for _, f := range ends {
			f()
		}
	}
	for _, name := range []string{fileWARC, "whole.warc.gz", id.String() + ".wacz"} {
		s, end, err := o.find(o.dir + name)
		if err != nil {
			return nil, done, err
		}
		ends = append(ends, end)
		if s != nil && strings.HasSuffix(name, ".wacz") {
			w, err := open(s, s.Size())
			if err == nil {
				err = waczMembers(w)
			}
			if err != nil {
				return nil, done, fmt.Errorf("the original at hand: %w", err)
			}
			s = w.section(0)
		}
		all = append(all, s)
	}
	kept, whole := all[0], all[1]
	if whole == nil {
		whole = all[2]
	}
	if kept == nil {
		kept = whole
	}
	if kept == nil {
		return nil, done, errors.New("the recording of the original is not at hand")
	}
	sums := newSums(true)
	if _, err := io.Copy(sums, &cancelable{ctx, io.NewSectionReader(kept, 0, kept.Size())}); err != nil {
		return nil, done, err
	}
	if !same(sums.print(), a) {
		return nil, done, errors.New("the recording at hand has not the bytes that the original's manifest names")
	}
	if whole == nil || whole == kept {
		return kept, done, nil
	}
	for _, s := range []*io.SectionReader{kept, whole} {
		if err := inflates(ctx, s); err != nil {
			return nil, done, err
		}
	}
	from := func(s *io.SectionReader) io.Reader { return io.NewSectionReader(s, 0, s.Size()) }
	if err := madeWhole(ctx, from(kept), from(whole), o.m); err != nil {
		return nil, done, fmt.Errorf("the original at hand: %w", err)
	}
	return whole, done, nil
}

// sameRecords: each record of the original is in the copy as it was, or listed
// as withheld with the digest that it has, and a conversion stands for it.
func sameRecords(whole, copied *warc.Reader, m, o *manifest.Manifest) error {
	listed := map[capture.ID]manifest.WithheldRecord{}
	for _, w := range m.Redaction.Records {
		listed[w.Record] = w
	}
	for {
		x, errX := whole.Next()
		y, errY := copied.Next()
		if errX != nil && !errors.Is(errX, io.EOF) {
			return fmt.Errorf("the original: %w", errX)
		}
		if errY != nil && !errors.Is(errY, io.EOF) {
			return fmt.Errorf("the copy: %w", errY)
		}
		switch {
		case errX == nil && errY == nil:
			if err := sameOrListed(x, y, listed); err != nil {
				return fmt.Errorf("record %s: %w", clip(x.Get("WARC-Record-ID")), err)
			}
			continue
		case errX == nil: // screenshots that a package puts behind
			if err := behind(whole, x, o); err != nil {
				return err
			}
		case errY == nil:
			if err := behind(copied, y, m); err != nil {
				return err
			}
		}
		if len(listed) > 0 {
			return fmt.Errorf("%d records are listed as withheld that the original does not have", len(listed))
		}
		return nil
	}
}

func sameOrListed(x, y *warc.Record, listed map[capture.ID]manifest.WithheldRecord) error {
	w, is := listed[x.ID]
	if !is {
		if x.Type == warc.TypeRevisit {
			return errors.New("it refers to another capture; take the original from a package, or from `trawlmark evidence get`, which have it whole")
		}
		return sameRecord(x, y)
	}
	delete(listed, x.ID)
	sum, err := digest(x)
	switch {
	case err != nil:
		return err
	case sum != w.Block || x.Blocks != w.Bytes || string(x.Type) != w.Type:
		return errors.New("what is listed as withheld is not what was there")
	case y.Type != warc.TypeConversion || y.Get("WARC-Refers-To") != x.Get("WARC-Record-ID"):
		return errors.New("nothing in the copy stands for it")
	}
	return nil
}
