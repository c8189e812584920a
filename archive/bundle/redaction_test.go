package bundle

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/archive/vault"
	"github.com/trawlmark/trawlmark/archive/warc"
)

// redact makes a redaction of an archived capture by hand: the viewport is
// another picture, the DOM is gone, and so is the stylesheet of the WARC.
func (w *world) redact(c *capture.Capture, disclosed bool) Capture {
	w.t.Helper()
	ctx := w.t.Context()
	doc := w.read(vault.ManifestKey(c.ID))
	o, err := manifest.Parse(doc)
	if err != nil {
		w.t.Fatal(err)
	}
	id := w.ids.New()
	m := *o
	m.Format, m.Capture, m.Artifacts = manifest.FormatRedaction, id, nil
	r := &manifest.Redaction{
		Capture: c.ID, Manifest: capture.Sum(doc), Disclosed: disclosed, At: manifest.At(w.now), By: "person:ann", Reason: `names "of" {buyers}`,
		Changes: []manifest.Change{{Kind: manifest.ChangeBox, Where: "viewport: 1,2 3x4", Count: 1, Why: "a buyer"}},
	}
	put := func(a manifest.Artifact, b []byte) {
		file := a.Key[strings.LastIndexByte(a.Key, '/')+1:]
		key := vault.CaptureKey(id, file)
		info, err := w.vault.Put(ctx, vault.NewPut(key, a.MediaType, b))
		if err != nil {
			w.t.Fatal(err)
		}
		print, _ := capture.FingerprintOf(capture.Bytes(b))
		n := a
		n.Key, n.Version, n.Bytes, n.SHA256, n.SHA512 = key, info.Version, print.Size, print.SHA256, print.SHA512
		m.Artifacts = append(m.Artifacts, n)
	}
	for _, a := range o.Artifacts {
		how := manifest.Replaced
		switch a.Role {
		case manifest.RoleWARC:
			var b bytes.Buffer
			err := warc.Rewrite(ctx, &b, bytes.NewReader(w.read(a.Key)), w.now, func(rec *warc.Record, block []byte) (*warc.Edit, error) {
				if head, body, ok := bytes.Cut(block, []byte("\r\n\r\n")); ok && bytes.Contains(block, []byte("cheap")) && rec.Type == warc.TypeResponse {
					// The page itself, with a text replaced.
					r.Records = append(r.Records, manifest.WithheldRecord{Record: rec.ID, Type: string(rec.Type), Bytes: rec.Blocks, Block: capture.Sum(block), How: manifest.Replaced})
					return &warc.Edit{ID: w.ids.New(), Target: rec.Target, Media: rec.Get("Content-Type"), Head: append(head, "\r\n\r\n"...), Body: bytes.ReplaceAll(body, []byte("cheap"), []byte("[withheld]"))}, nil
				}
				if rec.Type != warc.TypeResponse || !strings.HasSuffix(rec.Target, "style.css") {
					return nil, nil
				}
				r.Records = append(r.Records, manifest.WithheldRecord{Record: rec.ID, Type: string(rec.Type), Bytes: rec.Blocks, Block: capture.Sum(block), How: manifest.Removed})
				return &warc.Edit{ID: w.ids.New(), Target: "urn:x-evidence:withheld:" + rec.ID.String(), Media: "text/plain", Body: []byte("withheld\n")}, nil
			})
			if err != nil {
				w.t.Fatal(err)
			}
			put(a, b.Bytes())
		case string(capture.RoleViewport):
			put(a, picture(60, 40, 9))
		case string(capture.RoleDOM):
			how = manifest.Removed
		default:
			m.Artifacts = append(m.Artifacts, a)
			continue
		}
		r.Withheld = append(r.Withheld, manifest.Withheld{Role: a.Role, Tile: a.Tile, MediaType: a.MediaType, Bytes: a.Bytes, SHA256: a.SHA256, SHA512: a.SHA512, How: how})
	}
	m.Redaction = r
	red, err := m.Marshal()
	if err != nil {
		w.t.Fatal(err)
	}
	w.append(custody.Event{ID: id, Type: custody.Redacted, Actor: "person:ann", Subject: custody.Subject{Capture: c.ID}, Manifest: capture.Sum(red), Details: map[string]string{"redaction": id.String()}})
	w.seal()
	return w.bundledRedaction(c, id, red, doc, disclosed)
}

func (w *world) bundledRedaction(c *capture.Capture, id capture.ID, red, doc []byte, disclosed bool) Capture {
	w.t.Helper()
	whole := w.bundled(c)
	sealed := w.sealedEvent(id)
	out := Capture{
		ID: id, Manifest: red, Open: w.open, Proof: sealed.Proof, Stamps: sealed.Stamps, After: whole.After,
		Events:   append(w.events(custody.Subject{Capture: id}), w.events(custody.Subject{Capture: c.ID})...),
		Original: &Original{Event: Event{whole.event(w, c.ID), whole.Proof}, Stamps: whole.Stamps},
	}
	if disclosed {
		out.Original.Manifest = doc
	}
	return out
}

// event gives the document of an event.
func (Capture) event(w *world, id capture.ID) []byte { return w.event(id).Doc }

// sealedEvent gives an event's proof against a stamped checkpoint.
func (w *world) sealedEvent(id capture.ID) Capture {
	w.t.Helper()
	ctx := w.t.Context()
	row, err := w.log.Find(ctx, id)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := w.sealer.Covering(ctx, row.Index)
	if err != nil {
		w.t.Fatal(err)
	}
	proof, err := w.log.ProofAt(ctx, row.Index, s.Checkpoint.Size)
	if err != nil {
		w.t.Fatal(err)
	}
	return Capture{Proof: proof, Stamps: w.stamps(s.Stamps)}
}

// redactedInput is input with its last capture redacted.
func (w *world) redactedInput(n int, disclosed bool) Input {
	w.t.Helper()
	in := w.input(n)
	c := w.visit(n + 1)
	w.archive(c)
	w.seal()
	in.Captures = append(in.Captures[1:], w.redact(c, disclosed))
	in.Commit = w.commit(in)
	return in
}

func TestARedactionVerifiesForWhatRemains(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, _ := w.write(w.redactedInput(1, true))
	r := verifyBytes(t, b, w.trust())
	if r.Status() != Pass {
		t.Fatalf("%s: %+v", r.Status(), r.Failed())
	}
	c := r.Captures[0]
	if c.Redaction == nil || c.Redaction.By != "person:ann" || c.NotAfter.IsZero() || c.NotBefore.IsZero() || c.Redaction.NotAfter.IsZero() {
		t.Errorf("%+v", c)
	}
	withheld := 0
	for _, x := range r.Checks {
		if x.Status == Withheld && strings.Contains(x.Note, "digest known: sha256 ") {
			withheld++
		}
	}
	if withheld != 3 {
		t.Errorf("%d artifacts are told as withheld", withheld)
	}
	sh, path := bareShell(t)
	out, code := runScript(t, sh, path, unpack(t, b), trustFile(t, w.trust()))
	if code != 0 || strings.Count(out, "WITHHELD") != 3 || !strings.Contains(out, "a redaction of") {
		t.Errorf("the script: exit %d\n%s", code, out)
	}
	all := readAll(t, b)
	expectedOutput(t, all, out, r)
	for name, data := range all {
		if strings.Contains(name, "style.css") || strings.HasPrefix(name, "exhibits/") && bytes.Contains(data, []byte("123456 }")) {
			t.Errorf("%s has what was withheld", name)
		}
	}
}

// A log that was rewritten between two of the checkpoints in a package is
// found, though each is signed; and a gap between them is no PASS.
func TestTheLogOfAPackageWasOnlyExtended(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.input(2)
	in.Commit = nil
	b, _ := w.write(in)
	whole := takeApart(t, b)
	var names []string
	for n := range whole.data {
		if strings.HasSuffix(n, extConsistency) {
			names = append(names, n)
		}
	}
	if len(names) < 2 || verifyBytes(t, b, w.trust()).Layer(LayerCheckpoint) != Pass {
		t.Fatalf("%v: %+v", names, verifyBytes(t, b, w.trust()).Checks)
	}
	gap := whole.clone()
	gap.remove(names[0])
	gap.resum()
	if r := verifyBytes(t, gap.bytes(true), w.trust()); r.Layer(LayerCheckpoint) != NotChecked {
		t.Errorf("a gap: %s", r.Layer(LayerCheckpoint))
	}
	other := whole.clone()
	other.set(names[0], whole.data[names[1]])
	other.resum()
	if r := verifyBytes(t, other.bytes(true), w.trust()); r.Layer(LayerCheckpoint) != Fail {
		t.Errorf("another proof: %s", r.Layer(LayerCheckpoint))
	}
	none := whole.clone()
	for _, n := range names {
		none.remove(n)
	}
	none.resum()
	if r := verifyBytes(t, none.bytes(true), w.trust()); r.Layer(LayerCheckpoint) != NotChecked {
		t.Errorf("no proofs: %s", r.Layer(LayerCheckpoint))
	}
	// The script says the same.
	sh, path := bareShell(t)
	for name, c := range map[string]struct {
		l        loose
		code     int
		contains string
	}{
		"a gap":         {gap, 7, "NOT-CHECKED  checkpoint signature  " + names[0] + ": nothing shows"},
		"another proof": {other, 6, "FAIL         checkpoint signature  " + names[0] + ": it does not show"},
	} {
		out, code := runScript(t, sh, path, unpack(t, c.l.bytes(true)), trustFile(t, w.trust()))
		if code != c.code || !strings.Contains(out, c.contains) {
			t.Errorf("%s: exit %d\n%s", name, code, out)
		}
	}
}

// Two states of one size are two logs under one key.
func TestALogWithTwoStatesOfOneSizeFails(t *testing.T) {
	t.Parallel()
	w, fork := newWorld(t), newWorld(t)
	fork.keys = w.keys
	fork.openLog(&custody.Mem{})
	fork.certify() // it knows the key now
	in, other := w.input(1), fork.input(1)
	in.Captures, in.Case, in.Commit = append(in.Captures, other.Captures...), nil, nil
	in.Renewals = []Renewal{}
	b, _ := w.write(in)
	trust := w.trust()
	trust.Roots = append(append(trust.Roots, fork.trust().Roots...), fork.former...)
	const says = "the log has two states of "
	r := verifyBytes(t, b, trust)
	if r.Layer(LayerCheckpoint) != Fail || r.Layer(LayerProof) != Pass || !slices.ContainsFunc(r.Failed(), func(c Check) bool { return strings.HasPrefix(c.Note, says) }) {
		t.Errorf("%s: %+v", r.Status(), r.Failed())
	}
	sh, path := bareShell(t)
	if out, code := runScript(t, sh, path, unpack(t, b), trustFile(t, trust)); code != 6 || !strings.Contains(out, says) {
		t.Errorf("the script: exit %d\n%s", code, out)
	}
}

func TestARedactionWithoutItsOriginalsManifestIsNotCalledGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, _ := w.write(w.redactedInput(1, false))
	r := verifyBytes(t, b, w.trust())
	if r.Status() != NotChecked || r.Layer(LayerManifest) != NotChecked || r.Layer(LayerArtifacts) != Pass {
		t.Errorf("%s: %+v", r.Status(), r.Checks)
	}
	sh, path := bareShell(t)
	out, code := runScript(t, sh, path, unpack(t, b), trustFile(t, w.trust()))
	if code != 7 {
		t.Errorf("the script: exit %d\n%s", code, out)
	}
	expectedOutput(t, readAll(t, b), out, r)
}

// A redaction that lies about its original is found, although all of it is in
// the log.
func TestARedactionThatLiesIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.visit(1)
	w.archive(c)
	w.seal()
	doc := w.read(vault.ManifestKey(c.ID))
	good := w.redact(c, true)
	for what, lie := range map[string]func(m *manifest.Manifest){
		"another price of time": func(m *manifest.Manifest) { m.Started.Time = m.Started.AddDate(0, 0, -1) },
		"another URL":           func(m *manifest.Manifest) { m.URL = "https://market.example/item/2" },
		"a withheld file less": func(m *manifest.Manifest) {
			m.Redaction.Withheld = slices.DeleteFunc(m.Redaction.Withheld, func(x manifest.Withheld) bool { return x.Role == "dom" })
		},
		"another withheld digest": func(m *manifest.Manifest) { m.Redaction.Withheld[0].SHA512[0] ^= 1 },
		"another original":        func(m *manifest.Manifest) { m.Redaction.Manifest[0] ^= 1 },
	} {
		m, err := manifest.Parse(good.Manifest)
		if err != nil {
			t.Fatal(err)
		}
		lie(m)
		m.Capture = w.ids.New()
		red, err := m.Marshal()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		w.append(custody.Event{ID: m.Capture, Type: custody.Redacted, Actor: "person:eve", Subject: custody.Subject{Capture: c.ID}, Manifest: capture.Sum(red)})
		w.seal()
		in := w.input(0)
		in.Captures = []Capture{w.bundledRedaction(c, m.Capture, red, doc, true)}
		in.Commit = w.commit(in)
		if what == "another original" {
			var b bytes.Buffer
			if _, err := Write(t.Context(), &b, in); err == nil {
				t.Errorf("%s: it was written", what)
			}
			continue
		}
		b, _ := w.write(in)
		if r := verifyBytes(t, b, w.trust()); r.Layer(LayerManifest) != Fail {
			t.Errorf("%s: %s, %+v", what, r.Status(), r.Failed())
		}
	}
}

// A copy that shows other things than the original, where nothing should differ
// but what is withheld, is found when the original is at hand.
func TestACopyThatShowsOtherThingsIsFoundByItsOriginal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.redactedInput(1, false) // its viewport is another picture
	b, _ := w.write(in)
	m, err := manifest.Parse(in.Captures[0].Manifest)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	doc := w.read(vault.ManifestKey(m.Redaction.Capture))
	o, err := manifest.Parse(doc)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{fileManifest: doc}
	for _, a := range o.Artifacts {
		files[a.Key[strings.LastIndexByte(a.Key, '/')+1:]] = w.read(a.Key)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at, err := OpenOriginals(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	r, err := VerifyWith(t.Context(), bytes.NewReader(b), int64(len(b)), w.trust(), Options{Originals: []*Originals{at}})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(r.Lines(true), "\n")
	for _, s := range []string{
		"FAIL        the original's viewport: the pixel at 1,0 is neither as captured nor black", "PASS        the original's warc: every record is in the copy as it was, but for the 2 that are listed",
		"PASS        the original's dom: it is what was captured, and all of it is withheld", "PASS        the original's html: the copy has it, the same to the bit",
		"PASS        the original's manifest.json: by the original at hand", "PASS        the original's fullpage 2: the copy has it",
	} {
		if !strings.Contains(text, s) {
			t.Errorf("it does not say %q\n%s", s, text)
		}
	}
}

func TestOnlyWithheld(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		old, now string
		want     bool
	}{
		{"a b c", "a b c", true},
		{"a b c", "a [withheld] c", true},
		{"a b c", "[withheld]", true},
		{"a b c", "[withheld] c", true},
		{"a b c", "a [withheld]", true},
		{"a b c d", "a [withheld] c [withheld]", true},
		{"a b c", "a [withheld] d", false},
		{"a b c", "x [withheld] c", false},
		{"a b c", "a b", false},
		{"a b c", "c [withheld] a", false},
		{"ab", "a[withheld]b", true},
		{"aba", "a[withheld]ba", true},
		{"aa", "aa[withheld]a", false},
		{"", "", true},
		{"", "x", false},
	} {
		if got := onlyWithheld(c.old, c.now); got != c.want {
			t.Errorf("%q of %q: %v", c.now, c.old, got)
		}
	}
}
