//go:build !unix

package gateway

import (
	"context"
	"errors"
	"time"
)

var errNoUnix = errors.New("the built-in S3 server runs on Unix systems only: name an S3 server of your own")

// CheckDir refuses: there is nothing to keep locks in.
func CheckDir(string) error { return errNoUnix }

func lockDir(context.Context, string, time.Duration) (func(), error) { return nil, errNoUnix }
