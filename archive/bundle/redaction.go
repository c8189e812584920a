package bundle

import (
	"errors"
	"fmt"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
)

// Original is what a redaction was made of: not its files, but what proves
// that it was there, and when.
type Original struct {
	// Event is the captured event of the original. Its proof is against the
	// first stamped checkpoint over it.
	Event  Event
	Stamps []Stamp
	// Manifest of the original; nil when it holds what was withheld, so that
	// only its digest is told.
	Manifest []byte
	// Withheld says which custody events of the original are not in the package.
	Withheld []string
}

// The members of seal/<id>/original/.
const (
	dirOriginal  = "original/"
	fileCaptured = "captured.json"
)

// planOriginal lists what a package has of the original of a redaction.
func planOriginal(c Capture, m *manifest.Manifest) ([]file, error) {
	switch {
	case m.Redaction == nil && c.Original == nil:
		return nil, nil
	case m.Redaction == nil || c.Original == nil:
		return nil, errors.New("a redaction, and nothing else, is handed over with what proves its original")
	}
	o := c.Original
	e, err := custody.ParseEvent(o.Event.Doc)
	if err != nil {
		return nil, err
	}
	switch {
	case e.Type != custody.Captured || e.ID != m.Redaction.Capture || e.Manifest != m.Redaction.Manifest:
		return nil, fmt.Errorf("the log has no original %s with the manifest that the redaction names", m.Redaction.Capture)
	case o.Manifest != nil && !m.Redaction.Disclosed:
		return nil, errors.New("the manifest of the original holds what was withheld, so it is not handed over")
	case o.Manifest != nil && capture.Sum(o.Manifest) != m.Redaction.Manifest:
		return nil, fmt.Errorf("the manifest of the original: %w", ErrTampered)
	}
	p, err := custody.ParseProof(o.Event.Proof)
	if err != nil {
		return nil, err
	}
	dir := sealName(c.ID, dirOriginal)
	files := []file{
		{name: dir + fileCaptured, src: inMemory(o.Event.Doc)},
		{name: dir + fileProof, src: inMemory(o.Event.Proof)},
		{name: dir + fileCheck, src: inMemory(p.Checkpoint)},
	}
	if o.Manifest != nil {
		files = append(files, file{name: dir + fileManifest, src: inMemory(o.Manifest)})
	}
	for _, s := range o.Stamps {
		files = append(files, s.files(dir+"stamps/")...)
	}
	return files, nil
}

// originalOf checks what proves the original of a redaction, and what was kept
// of it.
func (v *verification) originalOf(c *CaptureReport, m *manifest.Manifest) {
	id, r := c.ID, m.Redaction
	dir := sealName(id, dirOriginal)
	c.Redaction = &RedactionReport{Original: r.Capture, Manifest: r.Manifest, At: r.At.Time, By: r.By, Reason: r.Reason, NotAfter: c.NotAfter}
	// What counts is when the page was seen.
	c.NotAfter, c.StampedBy = time.Time{}, nil
	doc, ok, err := v.o.read(dir+fileCaptured, custody.MaxEvent)
	err = errors.Join(err, missing(ok))
	var e custody.Event
	if err == nil {
		e, err = custody.ParseEvent(doc)
	}
	if err == nil && (e.Type != custody.Captured || e.ID != r.Capture || e.Subject.Capture != r.Capture || e.Manifest != r.Manifest) {
		err = errors.New("the log has another original than the one that the redaction names")
	}
	good := v.result(LayerManifest, id, dir+fileCaptured, err, "the log has the original and the manifest that the redaction names")
	check := v.proof(id, dir, e, good)
	v.before(c, dir, check)
	v.disclosed(m, dir)
	for _, w := range r.Withheld {
		what := "blacked out, or with texts replaced"
		if w.How == manifest.Removed {
			what = "not in this package"
		}
		v.add(LayerArtifacts, Withheld, id, nameOfWithheld(w), fmt.Sprintf("withheld (digest known: sha256 %s, %d bytes); %s", w.SHA256, w.Bytes, what))
	}
}

func nameOfWithheld(w manifest.Withheld) string {
	if w.Tile > 0 {
		return fmt.Sprintf("%s %d of the original", w.Role, w.Tile)
	}
	return w.Role + " of the original"
}

// disclosed compares a redaction with its original's manifest.
func (v *verification) disclosed(m *manifest.Manifest, dir string) {
	r, name := m.Redaction, dir+fileManifest
	doc, ok, err := v.o.read(name, manifest.MaxSize)
	switch {
	case err == nil && !ok && r.Disclosed:
		v.add(LayerManifest, Fail, m.Capture, name, "it is not there, and the redaction says that it is shown")
		return
	case err == nil && !ok && len(v.options.Originals) > 0:
		return // against says more
	case err == nil && !ok:
		v.add(LayerManifest, NotChecked, m.Capture, name, "the original's manifest is withheld (digest known: sha256 "+r.Manifest.String()+
			"); that what is kept was listed in it, only the redaction says")
		return
	case err == nil && capture.Sum(doc) != r.Manifest:
		err = errors.New("it is not the one that the log has of the original")
	}
	var o *manifest.Manifest
	if err == nil {
		o, err = manifest.Parse(doc)
	}
	if err == nil {
		err = sameBut(m, o)
	}
	v.result(LayerManifest, m.Capture, name, err, "the redaction is the original but for what it says is withheld")
}

// sameBut checks that a redaction tells of its original what its manifest
// tells: every file is kept as it was, or listed as withheld, and nothing else
// was changed.
func sameBut(m, o *manifest.Manifest) error {
	type slot struct {
		role string
		tile int64
	}
	withheld, kept := map[slot]manifest.Withheld{}, map[slot]manifest.Artifact{}
	for _, w := range m.Redaction.Withheld {
		withheld[slot{w.Role, w.Tile}] = w
	}
	for _, a := range m.Artifacts {
		kept[slot{a.Role, a.Tile}] = a
	}
	for _, a := range o.Artifacts {
		k := slot{a.Role, a.Tile}
		w, is := withheld[k]
		b, there := kept[k]
		switch {
		case is && (w.SHA256 != a.SHA256 || w.SHA512 != a.SHA512 || w.Bytes != a.Bytes):
			return fmt.Errorf("the withheld %s has another digest in the original", a.Role)
		case !is && (!there || b.SHA256 != a.SHA256 || b.SHA512 != a.SHA512 || b.Bytes != a.Bytes):
			return fmt.Errorf("the %s (tile %d) is not the original's, and is not listed as withheld", a.Role, a.Tile)
		}
		delete(withheld, k)
		delete(kept, k)
	}
	if len(withheld)+len(kept) > 0 {
		return errors.New("the redaction lists files that the original did not have")
	}
	// All the rest is word for word the same.
	x, y := *m, *o
	x.Format, x.Capture, x.Redaction, x.Artifacts = o.Format, o.Capture, o.Redaction, o.Artifacts
	a, err1 := x.Marshal()
	b, err2 := y.Marshal()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if string(a) != string(b) {
		return errors.New("the redaction tells of the visit what the original's manifest does not")
	}
	return nil
}
