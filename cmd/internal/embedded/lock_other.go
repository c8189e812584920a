//go:build !unix

package embedded

import "errors"

func lockFile(string) (func(), error) {
	return nil, errors.New("redis-server is run on Unix systems only")
}

// ErrInUse: another process has the lock.
var ErrInUse = errors.New("another trawlmark is using this folder: stop it, or give this one a data folder of its own")

// Lock takes no lock on systems that have no flock: run one process on a data
// folder there.
func Lock(string) (unlock func(), err error) { return func() {}, nil }
