//go:build !unix

package embedded

import "errors"

func lockFile(string) (func(), error) {
	return nil, errors.New("redis-server is run on Unix systems only")
}
