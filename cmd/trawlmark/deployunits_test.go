package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/configs"
)

func TestUnitsAreWhatSystemdTakes(t *testing.T) {
	units := deployFiles(t, ".service")
	for name, text := range units {
		m := regexp.MustCompile(`(?m)^TimeoutStopSec=(.*)$`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("%s has no TimeoutStopSec", name)
		}
		if d, err := configs.ParseDuration(m[1]); err != nil || d <= configs.Default().Worker.Drain.D() {
			t.Errorf("%s: TimeoutStopSec=%s is not longer than worker.drain", name, m[1])
		}
		browser := strings.Contains(text, "trawlmark up") || strings.Contains(text, "trawlmark worker")
		for _, forbids := range []string{"\nMemoryDenyWriteExecute=yes", "\nRestrictNamespaces=yes"} {
			if strings.Contains(text, forbids) == browser {
				t.Errorf("%s: %s in a unit with Chrome, or missing in one without", name, strings.TrimSpace(forbids))
			}
		}
	}
	t.Run("analyze", func(t *testing.T) {
		analyze, err := exec.LookPath("systemd-analyze")
		if err != nil {
			t.Skip("systemd-analyze is not here; the units were read by this test alone")
		}
		dir := t.TempDir()
		var files []string
		for name, text := range units {
			// It wants the program to be there.
			f := filepath.Join(dir, filepath.Base(name))
			if err := os.WriteFile(f, []byte(strings.ReplaceAll(text, "/usr/local/bin/trawlmark", "/bin/true")), 0o600); err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		if out, err := exec.Command(analyze, append([]string{"verify"}, files...)...).CombinedOutput(); err != nil || strings.Contains(string(out), dir) {
			t.Errorf("systemd-analyze verify: %v\n%s", err, out)
		}
	})
}
