//go:build unix

package embedded

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// ErrInUse: another process has the lock.
var ErrInUse = errors.New("another trawlmark is using this folder: stop it, or give this one a data folder of its own")

// lockFile takes a lock that the kernel frees when this process ends, however.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrInUse
		}
		return nil, err
	}
	return func() { f.Close() }, nil
}

// Lock takes the lock of a file for this process, which the kernel frees when
// the process ends, however. ErrInUse when another has it.
func Lock(path string) (unlock func(), err error) { return lockFile(path) }
