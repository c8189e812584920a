package custody

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeyFile(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "log.key")
	if err := w.keys.Create(path); err != nil {
		t.Fatal(err)
	}
	if err := w.keys.Create(path); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("a key file was replaced: %v", err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", fi.Mode(), err)
	}
	k, err := LoadKeys(path)
	if err != nil || k.Origin() != testOrigin {
		t.Fatalf("%q, %v", k.Origin(), err)
	}
	two, err := k.Rotate(w.rand)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Rotate(w.rand); !errors.Is(err, ErrKeyFile) {
		t.Fatalf("a rotation within a rotation: %v", err)
	}
	if err := two.Replace(path); err != nil {
		t.Fatal(err)
	}
	if k, err = LoadKeys(path); err != nil || len(k.skeys) != 2 || len(k.Retire().skeys) != 1 || k.Retire().skeys[0] != two.skeys[0] {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKeys(path); !errors.Is(err, ErrKeyFile) || !strings.Contains(err.Error(), "chmod 600") {
		t.Fatalf("a key file others may read: %v", err)
	}
	secret := two.skeys[0][len(two.skeys[0])-12:]
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "keys", two)
	for _, s := range []string{fmt.Sprint(two), fmt.Sprintf("%+v", two), fmt.Sprintf("%#v", two), fmt.Sprintf("%s %q", two, two), logged.String()} {
		if strings.Contains(s, secret) || !strings.Contains(s, "<secret>") {
			t.Errorf("it prints: %s", s)
		}
	}
	good := string(two.marshal())
	for name, b := range map[string]string{
		"empty": "", "cut": good[:len(good)-2], "no head": good[len(keyFileHead):], "twice the same": keyFileHead + two.skeys[0] + "\n" + two.skeys[0] + "\n",
		"other words": keyFileHead + "PRIVATE+KEY+x+y\n", "three": good + two.skeys[1] + "\n",
	} {
		if _, err := ParseKeys([]byte(b)); !errors.Is(err, ErrKeyFile) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error has a key in it", name)
		}
	}
}

// TestManyKeys: the base64 of every second key has a plus sign in it, which
// also separates its parts.
func TestManyKeys(t *testing.T) {
	w := newWorld(t)
	plus := 0
	for range 64 {
		k, err := NewKeys(testOrigin, w.rand)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(k.skeys[0], "+") > 4 {
			plus++
		}
		public, err := k.Public()
		if err != nil {
			t.Fatal(err)
		}
		known, err := VerifierList(public...)
		if err != nil {
			t.Fatal(err)
		}
		signer, _, err := k.Signer()
		if err != nil {
			t.Fatal(err)
		}
		c, err := Checkpoint{Origin: testOrigin}.sign(signer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseCheckpoint(c.Signed, known); err != nil {
			t.Fatal(err)
		}
		if back, err := ParseKeys(k.marshal()); err != nil || back.Origin() != testOrigin {
			t.Fatal(err)
		}
	}
	if plus == 0 {
		t.Error("no key of the kind this test is about")
	}
}

// TestRotation goes from key to key, and follows the chain from the first one.
func TestRotation(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	first, err := w.keys.Public()
	if err != nil {
		t.Fatal(err)
	}
	w.append(w.open(), 5)
	w.sequence(w.open())
	if _, _, err := w.open().Rotated(ctx, "person:root", w.keys); err == nil {
		t.Fatal("a rotation without a new key")
	}
	trusted, err := VerifierList(first...)
	if err != nil {
		t.Fatal(err)
	}
	keys := w.keys
	for round := range 3 {
		rotating, err := keys.Rotate(w.rand)
		if err != nil {
			t.Fatal(err)
		}
		w.use(rotating)
		l := w.open()
		receipt, c, err := l.Rotated(ctx, "person:root", rotating)
		if err != nil {
			t.Fatal(err)
		}
		if again, _, err := l.Rotated(ctx, "person:root", rotating); err != nil || again.Event.ID != receipt.Event.ID {
			t.Fatalf("round %d: the rotation was logged twice: %v", round, err)
		}
		if _, err := ParseCheckpoint(c.Signed, trusted); err != nil {
			t.Fatalf("round %d: who knows the old key cannot read the checkpoint: %v", round, err)
		}
		proof, err := l.ProofAt(ctx, c.Size-1, c.Size)
		if err != nil {
			t.Fatal(err)
		}
		_, doc, err := l.Event(ctx, receipt.Event.ID)
		if err != nil {
			t.Fatal(err)
		}
		vkey, err := VerifyRotation(doc, proof, trusted)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		public, _ := rotating.Public()
		if vkey != public[0] {
			t.Fatalf("round %d: the chain leads to %s", round, vkey)
		}
		if _, err := VerifyRotation(doc[1:], proof, trusted); err == nil {
			t.Fatal("a broken document passes")
		}
		keys = rotating.Retire()
		if trusted, err = VerifierList(vkey); err != nil {
			t.Fatal(err)
		}
		w.use(keys)
		w.cfg.Verifiers = trusted
		w.append(w.open(), 3)
		w.sequence(w.open())
	}
	stranger, err := NewKeys(testOrigin, w.rand)
	if err != nil {
		t.Fatal(err)
	}
	public, _ := stranger.Public()
	unknown, _ := VerifierList(public...)
	w.cfg.Verifiers = unknown
	if _, err := Open(ctx, w.cfg); !errors.Is(err, ErrCheckpoint) {
		t.Fatalf("a head by an unknown key: %v", err)
	}
}
