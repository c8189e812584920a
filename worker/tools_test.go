package worker_test

import (
	"os"
	"testing"

	"github.com/trawlmark/trawlmark/worker"
)

func errLost() error { return worker.ErrLeaseLost }

// copyDir gives a copy of a folder, as a disk is found after its process died.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}
