//go:build unix

package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// CheckDir makes dir when it is missing and proves that its file system keeps
// extended attributes, in which the server stores locks and checksums.
func CheckDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the S3 server's folder: %w", err)
	}
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return fmt.Errorf("write to the S3 server's folder: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := unix.Fsetxattr(int(f.Fd()), "user.trawlmark", []byte("probe"), 0); err != nil {
		return fmt.Errorf("the file system of %s keeps no extended attributes (%w): put the data folder on ext4, XFS, Btrfs or ZFS, or name an S3 server of your own", dir, err)
	}
	return nil
}

// lockDir takes the lock file, which the kernel frees when a process dies
// however it dies, so nothing is ever left over.
func lockDir(ctx context.Context, path string, wait time.Duration) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock: %w", err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ErrBusy
		case <-time.After(20 * time.Millisecond):
		}
	}
}
