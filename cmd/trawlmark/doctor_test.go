package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive"
)

// What was put aside in the spool of any worker of this data folder is told,
// and is no reason to fail.
func TestDoctorTellsOfCapturesPutAside(t *testing.T) {
	a := testApp(t, nil)
	if c := spools(a); c.State != "good" || c.Remedy != "" {
		t.Errorf("without any: %+v", c)
	}
	for _, name := range []string{"worker-a/refused/1", "worker-a/refused/1.why.txt", "worker-b/refused/2", "worker-b/waits", "worker-b.lock"} {
		path := filepath.Join(a.cfg.DataDir, "spool", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := spools(a)
	if c.State != "note" || !strings.Contains(c.Detail, "1 in "+filepath.Join(a.cfg.DataDir, "spool", "worker-a", archive.RefusedDir)) ||
		!strings.Contains(c.Detail, "worker-b") || !strings.Contains(c.Remedy, "Captures were put aside") {
		t.Errorf("with two: %+v", c)
	}
	// A file where the folder should be.
	if err := os.MkdirAll(filepath.Join(a.cfg.DataDir, "spool", "worker-c"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.cfg.DataDir, "spool", "worker-c", archive.RefusedDir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if c := spools(a); c.State != "bad" || c.Remedy == "" {
		t.Errorf("a spool that cannot be read: %+v", c)
	}
}
