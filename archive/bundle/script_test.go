package bundle

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/custody"
)

// coreutils that verify.sh uses, and openssl: it gets a PATH with these alone.
var tools = strings.Fields("openssl sha256sum sha512sum base64 basenc od tail head cut tr wc sort comm csplit date mktemp cat rm realpath dirname")

// needed gives the path of a program; a test without it is skipped, or fails
// where everything has to be there.
func needed(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not on this machine, and CI=true", program)
		}
		t.Skipf("%s is not on this machine", program)
	}
	return path
}

// unpack writes the files of a package into a folder, by archive/zip.
func unpack(t *testing.T, b []byte) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		c, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, c, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// bareShell makes a PATH of openssl and coreutils only.
func bareShell(t *testing.T) (sh, path string) {
	t.Helper()
	sh, path = needed(t, "sh"), t.TempDir()
	for _, name := range tools {
		if err := os.Symlink(needed(t, name), filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
	}
	return sh, path
}

func runScript(t *testing.T, sh, path, dir string, args ...string) (string, int) {
	t.Helper()
	c := exec.CommandContext(t.Context(), sh, append([]string{"verify/verify.sh"}, args...)...)
	c.Dir, c.Env = dir, []string{"PATH=" + path, "TMPDIR=" + t.TempDir()}
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), c.ProcessState.ExitCode()
}

func trustFile(t *testing.T, trust Trust) string {
	t.Helper()
	f := filepath.Join(t.TempDir(), "trust.txt")
	if err := os.WriteFile(f, trust.Marshal(), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTheScriptPassesWithAShellOpensslAndCoreutilsAlone(t *testing.T) {
	t.Parallel()
	sh, path := bareShell(t)
	w := newWorld(t)
	b, _ := w.write(w.input(2))
	dir, whole := unpack(t, b), w.trust()
	out, code := runScript(t, sh, path, dir, trustFile(t, whole))
	if code != 0 || !strings.HasSuffix(out, "\nPASS\n") || strings.Contains(out, "not found") {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	for _, l := range Layers() {
		if l != LayerWACZ && !strings.Contains(out, "PASS         "+string(l)) {
			t.Errorf("nothing is said of %s", l)
		}
	}
	expectedOutput(t, readAll(t, b), out, verifyBytes(t, b, whole))
	for name, c := range map[string]struct {
		trust Trust
		code  int
	}{
		"no roots": {Trust{Keys: whole.Keys}, 7}, "no keys": {Trust{Roots: whole.Roots}, 7},
		"another's key": {Trust{Keys: newWorld(t).public(), Roots: whole.Roots}, 6}, "another's roots": {Trust{Keys: whole.Keys, Roots: strangersRoots(t)}, 6},
	} {
		if out, code := runScript(t, sh, path, dir, trustFile(t, c.trust)); code != c.code {
			t.Errorf("%s: exit %d, want %d\n%s", name, code, c.code, out)
		}
	}
	if out, code := runScript(t, sh, path, dir); code != 7 {
		t.Errorf("nobody is trusted: exit %d\n%s", code, out)
	}
	if _, code := runScript(t, sh, path, dir, "nosuchfile"); code != 2 {
		t.Errorf("a trust file that is not there: exit %d", code)
	}
}

// expectedOutput holds what both verifiers said against verify/expected.txt,
// and against what they say of that themselves.
func expectedOutput(t *testing.T, members map[string][]byte, out string, r *Report) {
	t.Helper()
	script, program, ok := strings.Cut(string(members[nameExpected]), expectedSection)
	want, ok2 := strings.CutPrefix(script, expectedHead)
	if !ok || !ok2 {
		t.Fatalf("verify/expected.txt is not in its form:\n%s", members[nameExpected])
	}
	var said []string
	for line := range strings.Lines(out) {
		what, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		status, _, _ := strings.Cut(what, " ")
		if slices.Contains([]Status{Pass, Fail, NotChecked}, Status(status)) && len(what) > 35 && !strings.HasPrefix(what[35:], dirExport) {
			said = append(said, what)
		}
	}
	slices.Sort(said)
	if got := strings.Join(slices.Compact(said), "\n") + "\n"; got != want {
		t.Errorf("the script said\n%s\nexpected was\n%s", got, want)
	}
	if !strings.Contains(out, "\nthis is what verify/expected.txt has\n") {
		t.Errorf("the script does not find that it said what was expected:\n%s", out)
	}
	if got := r.expectedText(); got != program {
		t.Errorf("the program said\n%s\nexpected was\n%s", got, program)
	}
	if r.Expected == nil || !*r.Expected {
		t.Errorf("the program does not find that it said what was expected: %v", r.Expected)
	}
}

// Every file is changed in the middle, with SHA256SUMS made right again, and
// once without: both are found, and by their layers.
func TestTheScriptFindsEveryChange(t *testing.T) {
	t.Parallel()
	sh, path := bareShell(t)
	w := newWorld(t)
	b, _ := w.write(w.input(1))
	dir, trust := unpack(t, b), trustFile(t, w.trust())
	n := 0
	done := map[string]bool{}
	for name, c := range readAll(t, b) {
		kind := string(placeOf(name).layer) + filepath.Ext(name)
		if done[kind] || name == nameScript || len(c) == 0 {
			continue // one of each kind; and the script does not check itself
		}
		done[kind] = true
		n++
		file := filepath.Join(dir, filepath.FromSlash(name))
		changed := append([]byte(nil), c...)
		changed[len(c)/2] ^= 1
		if err := os.WriteFile(file, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, code := runScript(t, sh, path, dir, trust); code != 6 {
			t.Errorf("%s was changed: exit %d\n%s", name, code, out)
		}
		if err := os.WriteFile(file, c, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n < 12 {
		t.Errorf("only %d files were changed", n)
	}
	for _, extra := range []string{"added.txt", "native/.hidden", "export/x.json"} {
		file := filepath.Join(dir, extra)
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, code := runScript(t, sh, path, dir, trust); code != 6 {
			t.Errorf("%s was added: exit %d\n%s", extra, code, out)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if out, code := runScript(t, sh, path, dir, trust); code != 0 {
		t.Errorf("put back: exit %d\n%s", code, out)
	}
}

func readAll(t *testing.T, b []byte) map[string][]byte {
	t.Helper()
	o, err := open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, m := range o.members {
		c, _, err := o.read(m.name, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		all[m.name] = c
	}
	return all
}

// A verifier that knows the log's first key only follows the rotation.
func TestARotationLeadsFromTheOldKeyToTheNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := &custody.Mem{}
	w.openLog(store)
	first := w.trust()
	c := w.visit(1)
	w.archive(c)
	w.seal()
	next, err := w.keys.Rotate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w.keys = next
	w.openLog(store)
	r, _, err := w.log.Rotated(t.Context(), "system:keys", w.keys)
	if err != nil {
		t.Fatal(err)
	}
	in := w.input(0)
	in.Case = nil
	in.Captures = []Capture{w.bundled(c)}
	in.Log.Rotations = []Event{w.event(r.Event.ID)}
	w.keys = w.keys.Retire()
	w.openLog(store)
	in.Log.Keys = w.public()
	in.Commit = w.commit(in)
	b, s := w.write(in)
	if s.Name != "captures-"+in.Export.String()+".zip" {
		t.Errorf("it is called %s", s.Name)
	}
	if r := verifyBytes(t, b, first); r.Status() != Pass {
		t.Errorf("by the first key: %s %+v", r.Status(), r.Checks)
	}
	sh, path := bareShell(t)
	if out, code := runScript(t, sh, path, unpack(t, b), trustFile(t, first)); code != 0 {
		t.Errorf("the script, by the first key: exit %d\n%s", code, out)
	}
	stranger := Trust{Keys: newWorld(t).public(), Roots: first.Roots}
	if r := verifyBytes(t, b, stranger); r.Status() != Fail {
		t.Errorf("by another's key: %s", r.Status())
	}
}
