package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// artifacts checks every artifact of a good manifest, and that there are no
// others.
func (v *verification) artifacts(ctx context.Context, m *manifest.Manifest) {
	expected := map[string]bool{nativeName(m.Capture, fileHeaders): true, nativeName(m.Capture, fileWARC): true, waczName(m.Capture): true}
	for _, a := range m.Artifacts {
		if a.Role == manifest.RoleWARC {
			v.wacz(ctx, m, a)
			continue
		}
		f, err := artifactFile(a)
		name := nativeName(m.Capture, f)
		i, there := v.o.find[name]
		expected[name] = true
		switch {
		case err != nil:
		case !there:
			err = missing(false)
		case !same(v.prints[i], a):
			err = errors.New("its bytes are not those that the manifest names")
		}
		v.result(LayerArtifacts, m.Capture, name, err, a.Role)
	}
	for _, i := range v.files[m.Capture] {
		if name := v.o.members[i].name; strings.HasPrefix(name, "native/") && !expected[name] {
			v.add(LayerArtifacts, Fail, m.Capture, name, "the manifest has no such file")
		}
	}
	if _, ok := v.o.find[nativeName(m.Capture, fileHeaders)]; !ok {
		v.add(LayerArtifacts, Fail, m.Capture, nativeName(m.Capture, fileHeaders), "it is not there")
	}
}

// wacz checks the WARC as an artifact, and the WACZ that it stands in.
func (v *verification) wacz(ctx context.Context, m *manifest.Manifest, art manifest.Artifact) {
	id, name := m.Capture, waczName(m.Capture)
	i, ok := v.o.find[name]
	if !ok {
		v.add(LayerWACZ, Fail, id, name, "it is not there")
		v.add(LayerArtifacts, Fail, id, name, "the WARC is not there")
		return
	}
	section := v.o.section(i)
	w, err := open(section, section.Size())
	if err == nil {
		err = waczMembers(w)
	}
	if !v.result(LayerWACZ, id, name, err, "the container is in its one form") {
		v.add(LayerArtifacts, NotChecked, id, name, "the WARC could not be found in the WACZ")
		return
	}
	prints, err := v.waczSums(ctx, w)
	if !v.result(LayerWACZ, id, name, err, "") {
		v.add(LayerArtifacts, NotChecked, id, name, "the WACZ is damaged")
		return
	}
	if k, loose := v.o.find[nativeName(id, fileWARC)]; loose {
		if !v.whole(ctx, w, k, m, art) {
			return
		}
	} else if !same(prints[0], art) {
		v.add(LayerArtifacts, Fail, id, name+":"+waczWARC, "the WARC is not the one that the manifest names")
		v.add(LayerWACZ, NotChecked, id, name, "its WARC is another one")
		return
	} else {
		v.add(LayerArtifacts, Pass, id, name+":"+waczWARC, art.Role)
		if err := inflates(ctx, w.section(0)); err != nil {
			v.result(LayerWACZ, id, name, err, "")
			return
		}
	}
	v.result(LayerWACZ, id, name, v.waczContent(ctx, w, prints, m), "index, page, hashes and anonymous signature fit the WARC")
	v.result(LayerArtifacts, id, nativeName(id, fileHeaders), v.heads(ctx, w, m), "it is what the WARC says")
}

func waczMembers(w *opened) error {
	want := []string{waczWARC, waczDigest, waczData, waczIndex, waczPages}
	if len(w.members) != len(want) {
		return badContainer("it has %d files, a WACZ of ours has %d", len(w.members), len(want))
	}
	for i, n := range want {
		if w.members[i].name != n {
			return badContainer("it has %s where a WACZ of ours has %s", w.members[i].name, n)
		}
	}
	return nil
}

func (v *verification) waczSums(ctx context.Context, w *opened) ([]capture.Fingerprint, error) {
	var prints []capture.Fingerprint
	for i, m := range w.members {
		s := newSums(i == 0)
		if _, err := io.Copy(s, &cancelable{ctx, w.section(i)}); err != nil {
			return nil, err
		}
		if i > 0 && s.crc.Sum32() != m.crc { // the WARC's is told by its digest
			return nil, fmt.Errorf("%s: its CRC-32 is another: the bytes are damaged", m.name)
		}
		prints = append(prints, s.print())
	}
	return prints, nil
}

// The bounds of the small files of a WACZ, and of what a WARC may inflate to.
const (
	maxData     = 1 << 20
	maxCDX      = 256 << 20
	inflateBase = 64 << 20
	inflateBy   = 256
)

// waczContent checks what the WACZ says of a WARC that is known to be right.
func (v *verification) waczContent(ctx context.Context, w *opened, prints []capture.Fingerprint, m *manifest.Manifest) error {
	digest, _, err1 := w.read(waczDigest, maxData)
	data, _, err2 := w.read(waczData, maxData)
	cdx, _, err3 := w.read(waczIndex, maxCDX)
	pages, _, err4 := w.read(waczPages, maxData)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	p, err := verifyData(digest, data)
	if err != nil {
		return err
	}
	want := []resource{}
	for _, i := range []int{0, 3, 4} {
		n := w.members[i].name
		want = append(want, resource{n[strings.LastIndexByte(n, '/')+1:], n, prints[i].SHA256.Labelled(), prints[i].Size})
	}
	if len(p.Resources) != len(want) || p.Resources[0] != want[0] || p.Resources[1] != want[1] || p.Resources[2] != want[2] {
		return fmt.Errorf("%s does not list the files as they are", waczData)
	}
	if err := checkPages(pages, p, m); err != nil {
		return err
	}
	index, err := warc.ReadIndex(ctx, w.section(0))
	if err != nil {
		return fmt.Errorf("the WARC: %w", err)
	}
	var again bytes.Buffer
	if err := warc.WriteCDXJ(&again, index, fileWARC); err != nil {
		return err
	}
	if !bytes.Equal(again.Bytes(), cdx) {
		return fmt.Errorf("%s is not the index of the WARC", waczIndex)
	}
	return nil
}

// inflates bounds what a WARC may cost before it is read for real: a record
// tells its length before its bytes come.
func inflates(ctx context.Context, r *io.SectionReader) error {
	limit := int64(inflateBase) + inflateBy*r.Size()
	in := warc.NewReader(&cancelable{ctx, io.NewSectionReader(r, 0, r.Size())})
	in.MaxBlock = limit
	total := int64(0)
	for {
		rec, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the WARC: %w", err)
		}
		if rec.Blocks > limit-total {
			return fmt.Errorf("the WARC inflates to more than %d bytes, which is no recording", limit)
		}
		total += rec.Blocks
	}
}

// checkPages: one page, which is the capture's.
func checkPages(b []byte, p dataPackage, m *manifest.Manifest) error {
	line, ok := bytes.CutPrefix(b, []byte(pagesHead))
	var got page
	if !ok {
		return fmt.Errorf("%s does not begin as one of ours", waczPages)
	}
	if err := exactJSON(line, &got); err != nil {
		return fmt.Errorf("%s: %w", waczPages, err)
	}
	if want := pageOf(m, got.Title); got != want || p.MainPageURL != want.URL || p.MainPageDate != want.TS {
		return fmt.Errorf("%s names another page than the manifest", waczPages)
	}
	return nil
}

// heads makes headers.txt anew.
func (v *verification) heads(ctx context.Context, w *opened, m *manifest.Manifest) error {
	have, ok, err := v.o.read(nativeName(m.Capture, fileHeaders), 32<<20)
	if err = errors.Join(err, missing(ok)); err != nil {
		return err
	}
	want, err := mainHeads(ctx, func(context.Context) (io.ReadCloser, error) { return io.NopCloser(w.section(0)), nil }, m)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, want) {
		return errors.New("it is not what the WARC says")
	}
	return nil
}
