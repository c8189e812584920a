package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/configs"
)

func TestTwoWorkersDoNotShareASpool(t *testing.T) {
	dir := t.TempDir()
	named := func(name string) *app {
		return testApp(t, func(c *configs.Config) { c.DataDir, c.Worker.Name = dir, name })
	}
	first, same, other := named("a"), named("a"), named("b")
	if err := first.claim(first.workerSpace()); err != nil {
		t.Fatal(err)
	}
	if err := same.claim(same.workerSpace()); err == nil || !strings.Contains(err.Error(), "--name") {
		t.Errorf("a second worker of the same name: %v", err)
	}
	if err := other.claim(other.workerSpace()); err != nil || other.spool == first.spool {
		t.Errorf("a worker of another name: %v, spool %s", err, other.spool)
	}

	// What a killed process left behind is removed from tmp and kept in spool.
	for _, d := range []string{first.spool, first.tmp} {
		if err := os.WriteFile(filepath.Join(d, "left"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	if err := same.claim(same.workerSpace()); err != nil {
		t.Fatalf("the next worker of the name: %v", err)
	}
	if _, err := os.Stat(filepath.Join(same.tmp, "left")); !os.IsNotExist(err) {
		t.Errorf("a temporary file of a dead process is still there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(same.spool, "left")); err != nil {
		t.Errorf("the spool was not kept: %v", err)
	}
}

func TestCommandsBesideEachOtherHaveSpoolsOfTheirOwn(t *testing.T) {
	dir := t.TempDir()
	seen := map[string]bool{}
	for range 3 {
		a := testApp(t, func(c *configs.Config) { c.DataDir = dir })
		if err := a.claim(commandSpace("capture")); err != nil {
			t.Fatal(err)
		}
		seen[a.spool] = true
	}
	if len(seen) != 3 {
		t.Errorf("three commands use %d spools", len(seen))
	}
}
