package custody

import (
	"bytes"
	"context"
	"testing"

	"github.com/gowebpki/jcs"
	"golang.org/x/mod/sumdb/note"
)

// What parses must be what would have been written: no second spelling.

func FuzzParseEntry(f *testing.F) {
	e, _ := sample().Entry()
	f.Add(e.Marshal())
	f.Add(appendBundle(nil, []Entry{e, e}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := ParseEntry(b); err == nil && !bytes.Equal(e.Marshal(), b) {
			t.Errorf("%q is written %q", b, e.Marshal())
		}
		if es, err := parseBundle(b); err == nil && !bytes.Equal(appendBundle(nil, es), b) {
			t.Errorf("a bundle with two spellings: %q", b)
		}
	})
}

func FuzzParseEvent(f *testing.F) {
	doc, _ := sample().Marshal()
	f.Add(doc)
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEvent(b)
		if err != nil {
			return
		}
		if again, err := e.Marshal(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q is written %q, %v", b, again, err)
		}
		if canon, err := jcs.Transform(b); err != nil || !bytes.Equal(canon, b) {
			t.Errorf("%q is not RFC 8785: %v", b, err)
		}
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	w, c := signed(f)
	cosigned, err := Checkpoint{Origin: c.Origin, Size: c.Size, Root: c.Root}.sign(w.cfg.Signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(cosigned.Signed)
	f.Add(append(c.Signed, "— witness.example.net AAAAAEFBQUE=\n"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ParseCheckpoint(b, w.verifiers)
		if err != nil {
			return
		}
		if got.text() != c.text() {
			t.Errorf("a text that was never signed: %q", b)
		}
		n, err := note.Open(b, w.verifiers)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := note.Sign(n); err != nil || len(again) != len(b) {
			t.Errorf("%q is written %q, %v", b, again, err)
		}
	})
}

func FuzzParseProof(f *testing.F) {
	w := newWorld(f)
	l := w.open()
	r := w.append(l, 5)
	c := w.sequence(l)
	proof, err := l.Proof(context.Background(), r[3].Event.ID)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(proof)
	more, err := l.Consistency(context.Background(), c.Size, c.Size)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(more)
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ParseProof(b); err == nil && !bytes.Equal(p.Marshal(), b) {
			t.Errorf("%q is written %q", b, p.Marshal())
		}
		if p, err := ParseConsistency(b); err == nil && !bytes.Equal(p.Marshal(), b) {
			t.Errorf("%q is written %q", b, p.Marshal())
		}
		if b2, err := parseBatch(b); err == nil && !bytes.Equal(b2.marshal(), b) {
			t.Errorf("%q is written %q", b, b2.marshal())
		}
		// Only the true proof proves, signatures of strangers aside.
		if VerifyProof(b, r[3].Entry, w.verifiers) == nil {
			if p, _ := ParseProof(b); p.Index != 3 {
				t.Errorf("another proof proves: %q", b)
			}
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	w := newWorld(f)
	two, err := w.keys.Rotate(w.rand)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(two.marshal())
	f.Add(w.keys.marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := ParseKeys(b); err == nil {
			if !bytes.Equal(k.marshal(), b) {
				t.Errorf("%q is written %q", b, k.marshal())
			}
			if _, err := k.Public(); err != nil {
				t.Error(err)
			}
		}
	})
}
