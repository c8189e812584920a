package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/worker/task/redistest"
)

// Operators stop a pool of the fleet and let it go on.
func TestQueueCommands(t *testing.T) {
	srv := redistest.Start(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "trawlmark.yaml")
	text := fmt.Sprintf("data_dir: %s\nredis:\n  addresses: ['unix:%s']\n", dir, srv.Socket)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	queue := func(want int, args ...string) string {
		t.Helper()
		var out, errs syncBuffer
		code := run(t.Context(), append([]string{"queue", "--config", config}, args...), streams{in: strings.NewReader(""), out: &out, err: &errs, getenv: os.Getenv})
		if code != want {
			t.Errorf("queue %v: exit code %d, want %d\n%s", args, code, want, errs.String())
		}
		return out.String()
	}
	if out := queue(exitOK, "list"); strings.Count(out, "open") != 4 || strings.Contains(out, "paused") {
		t.Errorf("at first:\n%s", out)
	}
	if out := queue(exitOK, "pause", "browser", "http"); !strings.Contains(out, "pool browser paused") {
		t.Errorf("paused:\n%s", out)
	}
	queue(exitOK, "pause", "browser") // twice is fine
	if out := queue(exitOK, "list", "--json"); strings.Count(out, `"paused": true`) != 2 {
		t.Errorf("listed:\n%s", out)
	}
	queue(exitOK, "resume", "browser", "--json")
	queue(exitOK, "resume", "http")
	if out := queue(exitOK, "list"); strings.Contains(out, "paused") {
		t.Errorf("at last:\n%s", out)
	}
	if out := queue(exitOK, "forget", "browser"); !strings.Contains(out, "0 tickets forgotten") {
		t.Errorf("forgotten:\n%s", out)
	}
	queue(exitUsage, "pause", "nowhere")
	srv.Kill()
	queue(exitUnavailable, "list")
}
