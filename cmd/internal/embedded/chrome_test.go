package embedded

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func command(name string, args ...string) *exec.Cmd { return exec.Command(name, args...) }

func TestFindChrome(t *testing.T) {
	t.Setenv(ChromeEnv, "")
	path, version, err := FindChrome(t.Context())
	if errors.Is(err, ErrNoChrome) {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	if err != nil || !versionText.MatchString(version) {
		t.Fatalf("%q %q %v", path, version, err)
	}
	if strings.HasPrefix(path, "/usr/bin/") {
		t.Errorf("%s is the wrapper", path)
	}
	t.Setenv(ChromeEnv, path)
	if p, v, err := FindChrome(t.Context()); p != path || v != version || err != nil {
		t.Errorf("named: %q %q %v", p, v, err)
	}
}

func TestFindChromeRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		return p
	}
	wrapper := write("wrapper", "#!/bin/sh\nexec chromium \"$@\"\n")
	empty := write("empty", "")
	sh, err := exec.LookPath("true")
	if err != nil {
		t.Skip("no program to be wrong: ", err)
	}
	for path, want := range map[string]string{
		wrapper:                      "is a script",
		empty:                        "is no program",
		sh:                           "does not say its version",
		filepath.Join(dir, "absent"): "no such file",
	} {
		_, _, err := findChrome(t.Context(), path, nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), ChromeEnv) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		// Among candidates it is passed over, and told when nothing is left.
		_, _, err = findChrome(t.Context(), "", []string{filepath.Join(dir, "absent"), path})
		if !errors.Is(err, ErrNoChrome) {
			t.Errorf("%s as a candidate: %v", path, err)
		}
	}
}
