package custody

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestShell has events proved by a shell script that shares no code with us:
// what SPEC.md says is enough to check a proof.
func TestShell(t *testing.T) {
	for _, tool := range []string{"sh", "openssl", "od", "fold"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("%s is missing: %v", tool, err)
		}
	}
	ctx := context.Background()
	w := newWorld(t)
	rotated, err := w.keys.Rotate(w.rand)
	if err != nil {
		t.Fatal(err)
	}
	w.use(rotated) // a checkpoint with two signatures
	public, err := rotated.Public()
	if err != nil {
		t.Fatal(err)
	}
	l := w.open()
	receipts := w.append(l, 7)
	w.sequence(l)
	dir := t.TempDir()
	run := func(doc, proof []byte, key string) (string, bool) {
		event, file := filepath.Join(dir, "event.json"), filepath.Join(dir, "x.tlog-proof")
		for path, b := range map[string][]byte{event: doc, file: proof} {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exec.Command("sh", "testdata/verify-proof.sh", event, file, key).CombinedOutput()
		return string(out), err == nil && strings.HasPrefix(string(out), "PASS")
	}
	for i := 0; i < len(receipts); i += 2 {
		_, doc, err := l.Event(ctx, receipts[i].Event.ID)
		if err != nil {
			t.Fatal(err)
		}
		proof, err := l.Proof(ctx, receipts[i].Event.ID)
		if err != nil {
			t.Fatal(err)
		}
		if out, ok := run(doc, proof, public[i/2%2]); !ok {
			t.Errorf("entry %d: %s", i, out)
		}
		if i != 6 {
			continue
		}
		stranger, _ := NewKeys(testOrigin, w.rand)
		theirs, _ := stranger.Public()
		for name, bad := range map[string]struct {
			doc, proof []byte
			key        string
		}{
			"event":      {bytes.Replace(doc, []byte("worker:test-1"), []byte("worker:test-2"), 1), proof, public[0]},
			"index":      {doc, bytes.Replace(proof, []byte("index 6"), []byte("index 5"), 1), public[0]},
			"size":       {doc, bytes.Replace(proof, []byte("\n7\n"), []byte("\n8\n"), 1), public[0]},
			"stranger":   {doc, proof, theirs[0]},
			"a hash off": {doc, append([]byte("c2sp.org/tlog-proof@v1\nindex 6\n"), proof[bytes.Index(proof, []byte("index 6\n"))+8+45:]...), public[0]},
		} {
			if out, ok := run(bad.doc, bad.proof, bad.key); ok || !strings.HasPrefix(out, "FAIL: ") {
				t.Errorf("another %s passes: %s", name, out)
			}
		}
	}
}
