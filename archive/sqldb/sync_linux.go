package sqldb

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncFile makes the bytes of a file durable. The log keeps its size and is
// written over, so its other metadata need not go to the disk each time.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}
