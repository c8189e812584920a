package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

// Config is what the server needs.
type Config struct {
	// Dir holds everything: objects/, versions/ and lock. Made when missing.
	Dir string
	// Addr is where it listens, "127.0.0.1:9000".
	Addr string
	// Region it answers to; "us-east-1" when empty.
	Region string
	// AccessKey and SecretKey are the only account.
	AccessKey, SecretKey string
	// Ready is a path such as "/ready-5f2c" that answers 200 as soon as the
	// server serves; empty for none. An unguessable one tells this server
	// from whoever else has the port.
	Ready string
	// LockWait is how long to wait for a server that still holds Dir (one whose
	// parent just died, say); 5 s when zero.
	LockWait time.Duration
}

// ErrBusy: another server uses the folder.
var ErrBusy = errors.New("another S3 server is using this folder: stop it, or give this one a folder of its own")

func (c Config) withDefaults() Config {
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.LockWait == 0 {
		c.LockWait = 5 * time.Second
	}
	return c
}

// Validate says what is missing, naming the field.
func (c Config) Validate() error {
	for _, f := range []struct{ name, value string }{
		{"Dir", c.Dir}, {"Addr", c.Addr}, {"AccessKey", c.AccessKey}, {"SecretKey", c.SecretKey},
	} {
		if f.value == "" {
			return fmt.Errorf("the S3 server needs %s", f.name)
		}
	}
	return nil
}

// Serve runs the server until ctx is done, which is no error.
func Serve(ctx context.Context, c Config) error {
	c = c.withDefaults()
	if err := c.Validate(); err != nil {
		return err
	}
	if err := CheckDir(c.Dir); err != nil {
		return err
	}
	unlock, err := lockDir(ctx, filepath.Join(c.Dir, "lock"), c.LockWait)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Dir, err)
	}
	defer unlock()
	be, err := backend(c.Dir)
	if err != nil {
		return err
	}
	err = embedgw.RunVersityGW(ctx, be, &embedgw.Config{
		RootUserAccess: c.AccessKey, RootUserSecret: c.SecretKey, Region: c.Region,
		Ports: []string{c.Addr}, HealthPath: c.Ready,
		MaxConnections: 4096, MaxRequests: 1024, MultipartMaxParts: 10000,
		KeepAlive: true, Quiet: true, DisableACLs: true,
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("the S3 server at %s: %w", c.Addr, err)
	}
	return nil
}

func backend(dir string) (*posix.Posix, error) {
	objects, versions := filepath.Join(dir, "objects"), filepath.Join(dir, "versions")
	for _, d := range []string{objects, versions} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("make the S3 server's folder: %w", err)
		}
	}
	// lockDir lets one process alone use the folder: a lock file around every write
	// would keep nobody out.
	opts := posix.PosixOpts{VersioningDir: versions, CopyObjectThreshold: 5 << 30, ForceNoObjLockFile: true}
	opts.SetNewDirPerm(0o700)
	opts.SetNewFilePerm(0o600)
	be, err := posix.New(objects, meta.XattrMeta{}, opts)
	if err != nil {
		return nil, fmt.Errorf("open the S3 server's folder: %w", err)
	}
	return be, nil
}
