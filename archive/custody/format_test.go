package custody

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gowebpki/jcs"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// sample is a fixed event with everything in it that an encoder can get wrong.
func sample() Event {
	id, _ := capture.ParseID("0197a2b4-5e00-7123-89ab-000102030405")
	return Event{
		ID: id, Type: Held, At: time.Date(2026, 3, 14, 15, 9, 26, 535897000, time.UTC), Actor: "person:Åsa \"O'Hara\" <legal>",
		Subject: Subject{Capture: id, Case: "C-2026.014_b"}, Manifest: capture.Sum([]byte("manifest")),
		Details: map[string]string{"reason": "line 1\nline 2\t\\ / \u2028 \U0001F512 \x7f \x01 <&>", "b": "", "a10": "x", "a2": "y"},
		Salt:    Salt(capture.Sum([]byte("salt"))),
	}
}

// golden is what SPEC.md shows. A change here is a change of format.
const goldenEvent = `{"actor":"person:Åsa \"O'Hara\" <legal>","at":"2026-03-14T15:09:26.535897Z","details":{"a10":"x","a2":"y","b":"","reason":"line 1\nline 2\t\\ / ` +
	"\u2028 \U0001F512 \x7f" + ` \u0001 <&>"},"id":"0197a2b4-5e00-7123-89ab-000102030405","manifest":"MANIFEST",` +
	`"salt":"SALT","subject":{"capture":"0197a2b4-5e00-7123-89ab-000102030405","case":"C-2026.014_b"},"type":"held","version":"trawlmark.custody/v1"}`

func TestEventIsCanonical(t *testing.T) {
	e := sample()
	doc, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(
		"MANIFEST", e.Manifest.String(), "SALT", e.Salt.String(),
	).Replace(goldenEvent)
	if string(doc) != want {
		t.Errorf("got  %s\nwant %s", doc, want)
	}
	// Two readers that are not ours.
	canon, err := jcs.Transform(doc)
	if err != nil || !bytes.Equal(canon, doc) {
		t.Errorf("RFC 8785 says %s, %v", canon, err)
	}
	var generic struct{ Details map[string]string }
	if err := json.Unmarshal(doc, &generic); err != nil || !reflect.DeepEqual(generic.Details, e.Details) {
		t.Errorf("%v, %v", generic, err)
	}
	back, err := ParseEvent(doc)
	if err != nil || !reflect.DeepEqual(back, e) {
		t.Errorf("%+v, %v", back, err)
	}
}

// TestOneSpelling: every other spelling of an event is refused.
func TestOneSpelling(t *testing.T) {
	doc, err := sample().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	s := string(doc)
	for name, other := range map[string]string{
		"space": strings.Replace(s, `"at":`, `"at": `, 1), "newline": s + "\n", "two": s + s, "order": `{"at":"2026-03-14T15:09:26.535897Z",` + strings.Replace(s[1:], `"at":"2026-03-14T15:09:26.535897Z",`, "", 1),
		"escape": strings.Replace(s, "/", `\/`, 1), "unicode escape": strings.Replace(s, "Å", `\u00c5`, 1), "unknown": strings.Replace(s, `{"actor"`, `{"Actor":"x","actor"`, 1),
		"twice": strings.Replace(s, `"id":`, `"id":"0197a2b4-5e00-7123-89ab-000102030405","id":`, 1), "zone": strings.Replace(s, "897Z", "897+00:00", 1),
		"nanoseconds": strings.Replace(s, "897Z", "897000Z", 1), "upper case": strings.Replace(s, "89ab", "89AB", 1), "version": strings.Replace(s, "custody/v1", "custody/v2", 1),
		"no details": strings.Replace(s, `"details":{"a10":"x","a2":"y",`, `"details":{"a2":"y","a10":"x",`, 1), "null": strings.Replace(s, `"b":""`, `"b":null`, 1),
		"log": strings.Replace(s, `"case":"C-2026.014_b"`, `"case":"C-2026.014_b","log":""`, 1), "empty": "", "array": "[]",
	} {
		if other == s {
			t.Errorf("%s: the case changes nothing", name)
		}
		if _, err := ParseEvent([]byte(other)); !errors.Is(err, ErrEvent) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEntry(t *testing.T) {
	e, err := sample().Entry()
	if err != nil {
		t.Fatal(err)
	}
	doc, _ := sample().Marshal()
	salt, digest := sample().Salt, capture.Sum(doc)
	if want := "trawlmark.custody/v1 held " + capture.Sum(append(salt[:], digest[:]...)).String() + "\n"; string(e.Marshal()) != want {
		t.Errorf("%q, want %q", e.Marshal(), want)
	}
	if want := capture.Sum(append([]byte{0}, e.Marshal()...)); capture.Digest(e.LeafHash()) != want {
		t.Errorf("leaf %s, want %s", e.LeafHash(), want)
	}
	for _, typ := range Types() {
		e.Type = typ
		if b, err := ParseEntry(e.Marshal()); err != nil || b != e || len(e.Marshal()) > maxEntry {
			t.Errorf("%s: %v", typ, err)
		}
	}
	good := string(e.Marshal())
	for _, bad := range []string{"", "\n", good[:len(good)-1], good + "\n", " " + good, strings.Replace(good, " ", "  ", 1), strings.ToUpper(good), strings.Replace(good, "v1", "v2", 1), strings.Replace(good, string(e.Type), "looked", 1), good[:len(good)-3] + "\n"} {
		if _, err := ParseEntry([]byte(bad)); !errors.Is(err, ErrEntry) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// signed is a checkpoint and its verifiers, for the tests of form.
func signed(t testing.TB) (*world, Checkpoint) {
	w := newWorld(t)
	c, err := Checkpoint{Origin: testOrigin, Size: 42, Root: tlog.RecordHash([]byte("root"))}.sign(w.cfg.Signer)
	if err != nil {
		t.Fatal(err)
	}
	return w, c
}

func TestCheckpointForm(t *testing.T) {
	w, c := signed(t)
	if got, err := ParseCheckpoint(c.Signed, w.verifiers); err != nil || !reflect.DeepEqual(got, c) {
		t.Fatalf("%+v, %v", got, err)
	}
	s := string(c.Signed)
	sigline := s[strings.Index(s, "— "):]
	resign := func(text string) string {
		b, err := note.Sign(&note.Note{Text: text}, w.cfg.Signer)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	stranger, err := NewKeys("witness.example.net", w.rand)
	if err != nil {
		t.Fatal(err)
	}
	witness, _, _ := stranger.Signer()
	cosigned, err := Checkpoint{Origin: c.Origin, Size: c.Size, Root: c.Root}.sign(w.cfg.Signer, witness)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseCheckpoint(cosigned.Signed, w.verifiers); err != nil {
		t.Errorf("a signature of somebody we do not know is in the way: %v", err)
	}
	// A trusted key of another name must not speak for this origin.
	public, _ := stranger.Public()
	theirs, _ := VerifierList(public...)
	if _, err := ParseCheckpoint(cosigned.Signed, theirs); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("another name's key speaks for the log: %v", err)
	}
	for name, bad := range map[string]string{
		"text": strings.Replace(s, "42", "43", 1), "no signature": s[:len(s)-len(sigline)], "cut": s[:len(s)-1], "twice": s + sigline,
		"extension": resign(c.text() + "extension\n"), "two lines": resign(testOrigin + "\n42\n"), "leading zero": resign(strings.Replace(c.text(), "42", "042", 1)),
		"negative": resign(strings.Replace(c.text(), "42", "-42", 1)), "short root": resign(testOrigin + "\n42\n" + base64.StdEncoding.EncodeToString([]byte("short")) + "\n"),
		"stray bits": resign(strings.Replace(c.text(), "=\n", "\n", 1)), "origin": resign(strings.Replace(c.text(), testOrigin, "log.example.org/other", 1)),
		"huge": s + strings.Repeat(sigline, 1000), "empty": "",
	} {
		if _, err := ParseCheckpoint([]byte(bad), w.verifiers); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Base64 with bits that count for nothing: the same signature, other bytes.
	at := len(s) - 2 // the last "="; before it a character with two spare bits
	for at > 0 && s[at] == '=' {
		at--
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	stray := s[:at] + string(alphabet[strings.IndexByte(alphabet, s[at])^1]) + s[at+1:]
	if _, err := ParseCheckpoint([]byte(stray), w.verifiers); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("stray bits in a signature: %v", err)
	}
}

func TestProofForm(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	l := w.open()
	r := w.append(l, 5)
	w.sequence(l)
	proof, err := l.Proof(ctx, r[3].Event.ID)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(proof), "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" || lines[1] != "index 3" || lines[5] != "" || lines[6] != testOrigin {
		t.Fatalf("%q", lines)
	}
	if len(proof) > 2<<10 {
		t.Errorf("a proof has %d bytes", len(proof))
	}
	s := string(proof)
	for name, bad := range map[string]string{
		"label": "x" + s, "index": strings.Replace(s, "index 3", "index 2", 1), "far index": strings.Replace(s, "index 3", "index 5", 1), "zero": strings.Replace(s, "index 3", "index 03", 1),
		"negative": strings.Replace(s, "index 3", "index -3", 1), "extra": strings.Replace(s, "index 3", "extra AAAA\nindex 3", 1), "one hash less": strings.Replace(s, lines[2]+"\n", "", 1),
		"one hash more": strings.Replace(s, lines[2]+"\n", lines[2]+"\n"+lines[2]+"\n", 1), "order": strings.Replace(s, lines[2]+"\n"+lines[3], lines[3]+"\n"+lines[2], 1),
		"checkpoint": strings.Replace(s, "\n5\n", "\n6\n", 1), "cut": s[:len(s)-1], "empty": "", "many": "c2sp.org/tlog-proof@v1\nindex 0\n" + strings.Repeat(lines[2]+"\n", 65) + "\n" + s[strings.Index(s, testOrigin):],
	} {
		if bad == s {
			t.Errorf("%s: the case changes nothing", name)
		}
		if err := VerifyProof([]byte(bad), r[3].Entry, w.verifiers); !errors.Is(err, ErrProof) && !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConsistencyRefuses(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	l := w.open()
	empty := w.sequence(l)
	w.append(l, 5)
	old := w.sequence(l)
	w.append(l, 7)
	c := w.sequence(l)
	for _, from := range []Checkpoint{empty, old, c} {
		proof, err := l.Consistency(ctx, from.Size, c.Size)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := VerifyConsistency(proof, from, w.verifiers); err != nil || got.Size != c.Size {
			t.Fatalf("from %d: %v", from.Size, err)
		}
		p, err := ParseConsistency(proof)
		if err != nil || !bytes.Equal(p.Marshal(), proof) {
			t.Fatal(err)
		}
		forked := from
		forked.Root[3] ^= 1
		if _, err := VerifyConsistency(proof, forked, w.verifiers); !errors.Is(err, ErrProof) && from.Size > 0 {
			t.Errorf("from %d: a fork passes: %v", from.Size, err)
		}
		p.Hashes = append(p.Hashes, tlog.Hash{})
		if _, err := VerifyConsistency(p.Marshal(), from, w.verifiers); !errors.Is(err, ErrProof) {
			t.Errorf("from %d: a hash too many: %v", from.Size, err)
		}
	}
	proof, _ := l.Consistency(ctx, old.Size, c.Size)
	if _, err := VerifyConsistency(proof, empty, w.verifiers); !errors.Is(err, ErrProof) {
		t.Errorf("another beginning: %v", err)
	}
	if _, err := l.Consistency(ctx, 12, 5); err == nil {
		t.Error("a log that shrinks")
	}
}

func TestBatchForm(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	w.append(l, 3)
	c := w.sequence(l)
	raw, err := l.get(context.Background(), batchKey(c.Tree()), maxBatchBytes)
	if err != nil {
		t.Fatal(err)
	}
	b, err := parseBatch(raw)
	if err != nil || !bytes.Equal(b.marshal(), raw) || len(b.entries) != 3 {
		t.Fatal(err)
	}
	s := string(raw)
	for name, bad := range map[string]string{
		"label": "x" + s, "cut": s[:len(s)-1], "a line less": s[:strings.LastIndex(s[:len(s)-1], "\n")+1], "size": strings.Replace(s, "\n3 ", "\n4 ", 1), "zero": strings.Replace(s, "\n3 ", "\n03 ", 1), "empty": "", "type": strings.Replace(s, "captured", "looked", 1),
	} {
		if _, err := parseBatch([]byte(bad)); !errors.Is(err, ErrBatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
