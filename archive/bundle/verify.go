package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sync/errgroup"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
)

// The bounds of members that are read whole.
const (
	maxSums  = 32 << 20
	maxProof = 64 << 10
	maxKeys  = 64 << 10
)

// verification is one run of Verify.
type verification struct {
	*Report
	o     *opened
	trust Trust
	known note.Verifiers // nil: no key is trusted
	// prints is what each member is known by, in the order of members.
	prints []capture.Fingerprint
	files  map[capture.ID][]int // members of each capture
	// renewed are the renewals that hold.
	renewed []renewed
	options Options
	// sealOnly: the artifacts were compared already, and are not at hand.
	sealOnly bool
}

// Options of a verification.
type Options struct {
	// Originals are where the originals of redactions are looked for. None: they
	// are not compared.
	Originals []*Originals
	// Workers bounds how many files and captures are looked at at one time.
	// Default: as many as there are processors, at most 8. What is found, and its
	// order, does not depend on it.
	Workers int
	// Progress is told how many captures are done, of how many; one call at a
	// time. nil: nobody is told.
	Progress func(done, total int)
}

// Verify checks a package. The error is for a file that cannot be read, a
// trust that cannot be used, or a context that ended; everything else, a
// container that is none included, is in the report.
func Verify(ctx context.Context, r io.ReaderAt, size int64, trust Trust) (*Report, error) {
	return VerifyWith(ctx, r, size, trust, Options{})
}

// VerifyWith is Verify with options.
func VerifyWith(ctx context.Context, r io.ReaderAt, size int64, trust Trust, o Options) (*Report, error) {
	if o.Workers <= 0 {
		o.Workers = min(runtime.GOMAXPROCS(0), 8)
	}
	v := &verification{Report: &Report{}, trust: trust, files: map[capture.ID][]int{}, options: o}
	var err error
	if v.known, err = trust.verifiers(); err != nil {
		return nil, err
	}
	var whole errgroup.Group // beside all the rest, of which it has nothing
	var sum capture.Digest
	whole.Go(func() error {
		h := sha256.New()
		_, err := io.Copy(h, &cancelable{ctx, io.NewSectionReader(r, 0, size)})
		h.Sum(sum[:0])
		return err
	})
	err = v.pack(ctx, r, size)
	if err2 := whole.Wait(); err2 != nil {
		return nil, fmt.Errorf("the package cannot be read: %w", err2)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	v.SHA256 = sum
	return v.Report, nil
}

// pack checks all of a package.
func (v *verification) pack(ctx context.Context, r io.ReaderAt, size int64) error {
	var err error
	v.o, err = open(r, size)
	if !v.result(LayerPackage, capture.ID{}, "", err, "the container is in its one form") {
		return nil
	}
	if err := v.hash(ctx); err != nil {
		return err
	}
	v.names()
	v.rotations()
	v.consistent()
	v.list()
	v.renewals()
	v.each(ctx, v.captures())
	v.events(dirCase, capture.ID{}, capture.ID{})
	v.expected()
	return nil
}

// each checks the captures, some at one time, and puts what was found in their
// order. The first ones go alone until it is known of which log they are: all
// have to be of that.
func (v *verification) each(ctx context.Context, ids []capture.ID) {
	done, total := 0, len(ids)
	tell := func() {
		if done++; v.options.Progress != nil {
			v.options.Progress(done, total)
		}
	}
	for len(ids) > 0 && v.known != nil && v.Log == "" {
		v.capture(ctx, ids[0])
		tell()
		ids = ids[1:]
	}
	found := make([]*Report, len(ids))
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(v.options.Workers)
	for i, id := range ids {
		g.Go(func() error {
			one := *v
			one.Report = &Report{Log: v.Log}
			one.capture(ctx, id)
			found[i] = one.Report
			mu.Lock()
			defer mu.Unlock()
			tell()
			return nil
		})
	}
	_ = g.Wait() // what is wrong is in the reports
	for _, r := range found {
		v.Checks, v.Captures = append(v.Checks, r.Checks...), append(v.Captures, r.Captures...)
	}
}

// hash reads every member once.
func (v *verification) hash(ctx context.Context) error {
	v.prints = make([]capture.Fingerprint, len(v.o.members))
	damaged := make([]bool, len(v.o.members))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(v.options.Workers)
	for i, m := range v.o.members {
		g.Go(func() error {
			s := newSums(placeOf(m.name).layer == LayerArtifacts)
			if _, err := io.Copy(s, &cancelable{gctx, v.o.section(i)}); err != nil {
				return fmt.Errorf("%s cannot be read: %w", m.name, err)
			}
			v.prints[i], damaged[i] = s.print(), s.crc.Sum32() != m.crc
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, m := range v.o.members {
		if damaged[i] {
			v.add(placeOf(m.name).layer, Fail, placeOf(m.name).capture, m.name, "its CRC-32 is another: the bytes are damaged")
		}
	}
	return nil
}

// names refuses members that the format does not have, and misses those that
// it must have.
func (v *verification) names() {
	for i, m := range v.o.members {
		p := placeOf(m.name)
		if !p.ok {
			v.add(LayerPackage, Fail, capture.ID{}, m.name, "a package has no such file")
			continue
		}
		if !p.capture.IsZero() {
			v.files[p.capture] = append(v.files[p.capture], i)
		}
	}
	for _, name := range []string{nameReadme, nameKeys, nameSystem, nameConfig, name90213, name90214, nameScript, nameSums} {
		if _, ok := v.o.find[name]; !ok {
			v.add(LayerPackage, Fail, capture.ID{}, name, "it is not there")
		}
	}
	if len(v.files) == 0 {
		v.add(LayerPackage, Fail, capture.ID{}, "", "there is no capture in it")
	}
}

func (v *verification) captures() []capture.ID {
	var ids []capture.ID
	for id := range v.files {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b capture.ID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

// list checks SHA256SUMS: its form, that it is the one that the log has, and
// each file. While the list itself is not shown to be right, a difference is a
// difference of the package, for nobody knows which side of it is wrong.
func (v *verification) list() {
	b, ok, err := v.o.read(nameSums, maxSums)
	if !ok || err != nil {
		v.result(LayerPackage, capture.ID{}, nameSums, errors.Join(err, missing(ok)), "")
		return
	}
	v.Contents = capture.Sum(b)
	listed, err := parseSums(b)
	if !v.result(LayerPackage, capture.ID{}, nameSums, err, "it is in its one form") {
		return
	}
	proven := v.exported()
	n := 0
	for i, m := range v.o.members {
		if m.name == nameSums || strings.HasPrefix(m.name, dirExport) {
			continue
		}
		n++
		want, ok := listed[m.name]
		p := placeOf(m.name)
		switch {
		case !ok:
			v.add(LayerPackage, Fail, capture.ID{}, m.name, "it is not in "+nameSums)
		case want != v.prints[i].SHA256 && proven:
			v.add(p.layer, Fail, p.capture, m.name, "its bytes are not those of "+nameSums)
		case want != v.prints[i].SHA256:
			v.add(LayerPackage, Fail, p.capture, m.name, "its bytes are not those of "+nameSums)
		}
		delete(listed, m.name)
	}
	for name := range listed {
		v.add(LayerPackage, Fail, capture.ID{}, clip(name), "it is in "+nameSums+" and not in the package")
	}
	if len(listed) == 0 {
		v.add(LayerPackage, Pass, capture.ID{}, "", fmt.Sprintf("%d files are listed", n))
	}
}

func missing(there bool) error {
	if there {
		return nil
	}
	return errors.New("it is not there")
}

// parseSums accepts exactly what sumsFile writes.
func parseSums(b []byte) (map[string]capture.Digest, error) {
	listed := map[string]capture.Digest{}
	last := ""
	for line := range strings.Lines(string(b)) {
		hex, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		d, err := capture.ParseDigest(hex)
		if !ok || err != nil || !strings.HasSuffix(line, "\n") || checkName(name) != nil || name <= last {
			return nil, fmt.Errorf("it is no list of hashes of the one form, at %q", clip(line))
		}
		listed[name], last = d, name
	}
	return listed, nil
}

// exported checks the exported event of each capture; true when all of them
// say that this is the list, and the log says so too.
func (v *verification) exported() bool {
	proven := len(v.files) > 0
	for _, id := range v.captures() {
		name := exportName(id, ".json")
		doc, ok, err := v.o.read(name, custody.MaxEvent)
		if !ok && v.anyExport() {
			v.add(LayerPackage, Fail, id, name, "it is not there, but other parts of the export are")
			proven = false
			continue
		}
		if !ok && err == nil {
			v.add(LayerPackage, NotChecked, id, name, "there is no exported event: only the package itself says that its list of files is whole")
			proven = false
			continue
		}
		var e custody.Event
		if err == nil {
			e, err = custody.ParseEvent(doc)
		}
		switch {
		case err != nil:
		case e.Type != custody.Exported || e.Subject.Capture != id || e.Details["format"] != Format:
			err = errors.New("it is no exported event of this capture")
		case e.Details["contents"] != v.Contents.String():
			err = errors.New("what was exported had another list of files")
		}
		if !v.result(LayerPackage, id, name, err, "") {
			proven = false
			continue
		}
		if !v.logged(LayerPackage, id, exportName(id, ".tlog-proof"), e, "the log has this list of files") {
			proven = false
		}
	}
	return proven
}

// anyExport reports whether there is any file of the export.
func (v *verification) anyExport() bool {
	return slices.ContainsFunc(v.o.members, func(m member) bool { return strings.HasPrefix(m.name, dirExport) })
}

// logged checks that an event is in the log: proof and signature. Without a
// trusted key the arithmetic is checked, and the result is NOT-CHECKED.
func (v *verification) logged(l Layer, id capture.ID, name string, e custody.Event, good string) bool {
	proof, ok, err := v.o.read(name, maxProof)
	if err = errors.Join(err, missing(ok)); err != nil {
		return v.result(l, id, name, err, "")
	}
	entry, err := e.Entry()
	if err != nil {
		return v.result(l, id, name, err, "")
	}
	head, err := proved(proof, entry)
	if err != nil {
		return v.result(l, id, name, err, "")
	}
	if v.known == nil {
		v.add(l, NotChecked, id, name, "the proof is consistent, but no log key is trusted to say whose log it is")
		return false
	}
	if who := v.strangers(head); who != "" && l == LayerPackage && v.signed(head) == nil {
		v.add(l, NotChecked, id, name, "its checkpoint is also signed by "+who+", which is not in the trust file")
		return false
	}
	return v.result(l, id, name, v.signed(head), good)
}

// capture checks one capture, layer by layer; each rests on those before.
func (v *verification) capture(ctx context.Context, id capture.ID) {
	c := CaptureReport{ID: id}
	doc, ok, err := v.o.read(sealName(id, fileManifest), manifest.MaxSize)
	err = errors.Join(err, missing(ok))
	var m *manifest.Manifest
	if err == nil {
		m, err = manifest.Parse(doc)
	}
	if err == nil && m.Capture != id {
		err = fmt.Errorf("it is the manifest of capture %s", m.Capture)
	}
	if err == nil {
		c.URL, c.Outcome, c.Manifest = m.URL, m.Outcome, capture.Sum(doc)
	}
	e, known := v.captured(id, m)
	if err == nil && known && e.Manifest != c.Manifest {
		err = errors.New("the log has another manifest of this capture")
	}
	good := v.result(LayerManifest, id, sealName(id, fileManifest), err, "it is the one that the captured event names")
	if good && !known {
		v.add(LayerManifest, NotChecked, id, sealName(id, fileManifest), "there is no captured event to compare it with")
		good = false
	}
	head := v.proof(id, sealName(id, ""), e, known)
	v.before(&c, sealName(id, ""), head)
	if good && m.Redaction != nil {
		v.originalOf(&c, m)
	} else if !good || m.Redaction == nil {
		v.noOriginal(id, good)
	}
	v.after(&c, m)
	v.order(&c)
	v.events(custodyDir(id), id, originalID(m))
	switch {
	case good && v.sealOnly:
		v.add(LayerArtifacts, Pass, id, "", "")
		v.add(LayerWACZ, Pass, id, "", "")
	case good:
		v.artifacts(ctx, m)
		if m.Redaction != nil && len(v.options.Originals) > 0 {
			v.against(ctx, m)
		}
	default:
		v.add(LayerArtifacts, NotChecked, id, "", "the manifest that they would be compared with is not good")
		v.add(LayerWACZ, NotChecked, id, waczName(id), "the manifest that it would be compared with is not good")
	}
	v.Captures = append(v.Captures, c)
}

// captured reads the captured event, or of a redaction the redacted event; its
// id is that of the capture.
func (v *verification) captured(id capture.ID, m *manifest.Manifest) (custody.Event, bool) {
	doc, ok, err := v.o.read(custodyDir(id)+id.String()+".json", custody.MaxEvent)
	if !ok || err != nil {
		return custody.Event{}, false
	}
	e, err := custody.ParseEvent(doc)
	if of := originalID(m); !of.IsZero() {
		return e, err == nil && e.Type == custody.Redacted && e.Subject.Capture == of && e.ID == id
	}
	return e, err == nil && e.Type == custody.Captured && e.Subject.Capture == id && e.ID == id
}

// originalID gives what a manifest is a redaction of; zero for none.
func originalID(m *manifest.Manifest) capture.ID {
	if m == nil || m.Redaction == nil {
		return capture.ID{}
	}
	return m.Redaction.Capture
}

// noOriginal refuses what only a redaction may have.
func (v *verification) noOriginal(id capture.ID, good bool) {
	for _, i := range v.files[id] {
		name := v.o.members[i].name
		if !strings.HasPrefix(name, sealName(id, dirOriginal)) {
			continue
		}
		if good {
			v.add(placeOf(name).layer, Fail, id, name, "the capture is no redaction, so it has no original")
		} else {
			v.add(placeOf(name).layer, NotChecked, id, name, "the manifest of the redaction is not good")
		}
	}
}

// events checks the custody events of a folder; of a redaction those of its
// original may be among them.
func (v *verification) events(dir string, id, original capture.ID) {
	n := 0
	caseID := ""
	for _, m := range v.o.members {
		stem, isDoc := strings.CutSuffix(m.name, ".json")
		if !strings.HasPrefix(m.name, dir) {
			continue
		}
		if !isDoc {
			if _, ok := v.o.find[strings.TrimSuffix(m.name, ".tlog-proof")+".json"]; !ok {
				v.add(LayerCustody, Fail, id, m.name, "it is a proof without an event")
			}
			continue
		}
		n++
		doc, _, err := v.o.read(m.name, custody.MaxEvent)
		var e custody.Event
		if err == nil {
			e, err = custody.ParseEvent(doc)
		}
		switch {
		case err != nil:
		case e.ID.String() != stem[len(dir):]:
			err = fmt.Errorf("it is the event %s", e.ID)
		case !id.IsZero() && e.Subject.Capture != id && (original.IsZero() || e.Subject.Capture != original):
			err = errors.New("it is an event of another capture")
		case id.IsZero() && (e.Subject.Case == "" || caseID != "" && e.Subject.Case != caseID):
			err = errors.New("it is no event of the case")
		}
		if v.result(LayerCustody, id, m.name, err, "") {
			caseID = e.Subject.Case
			v.logged(LayerCustody, id, stem+".tlog-proof", e, string(e.Type)+" by "+e.Actor)
		}
	}
	if n == 0 && !id.IsZero() {
		v.add(LayerCustody, NotChecked, id, dir, "there are no custody events")
	}
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
