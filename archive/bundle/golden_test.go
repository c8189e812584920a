package bundle

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write a new example package for cmd/trawlmark-verify")

// The example is a package of some time ago: it must verify by today's code,
// and by today's script. It is written anew only when the format gets another
// version.
func TestThePackageOfSomeTimeAgoVerifies(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "cmd", "trawlmark-verify", "testdata")
	zipName, trustName := filepath.Join(dir, "example.zip"), filepath.Join(dir, "trust.txt")
	if *update {
		w := newWorld(t)
		b, _ := w.write(w.input(2))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string][]byte{zipName: b, trustName: w.trust().Marshal()} {
			if err := os.WriteFile(name, c, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	b, err := os.ReadFile(zipName)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(trustName)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := ParseTrust(text)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(trust.Marshal(), text) {
		t.Error("the trust file is written otherwise than it was")
	}
	if r := verifyBytes(t, b, trust); r.Status() != Pass {
		t.Errorf("%s: %+v", r.Status(), r.Checks)
	}
	sh, path := bareShell(t)
	if out, code := runScript(t, sh, path, unpack(t, b), trustFile(t, trust)); code != 0 {
		t.Errorf("the script in it: exit %d\n%s", code, out)
	}
}
