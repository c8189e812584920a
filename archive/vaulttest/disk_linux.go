package vaulttest

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// SmallDisk gives a folder on a file system of its own that holds so many
// bytes and no more. It needs the right to mount; without it the test is
// skipped, and says so.
func SmallDisk(t testing.TB, bytes int64) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", bytes)); err != nil {
		t.Skipf("a disk that is really full needs the right to mount (root): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("%s is still mounted: %v", dir, err)
		}
	})
	return dir
}
