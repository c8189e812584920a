package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/trawlmark/trawlmark/cmd/internal/embedded"
)

// parts are the embedded servers this process runs.
type parts struct {
	s3    *s3Access
	redis *embedded.Redis
}

// s3Access is how the embedded S3 server is reached. The file run/s3.json says
// it to the other commands on the same data folder.
type s3Access struct {
	Endpoint  string `json:"endpoint"` // http://127.0.0.1:<port>
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
}

// The hidden subcommands that run as children.
const hiddenS3 = "internal-s3"

// startS3 gives the embedded S3 server of the data folder: the one another
// process runs, or a child of this one.
func (a *app) startS3(ctx context.Context) (*s3Access, error) {
	if a.parts == nil {
		a.parts = &parts{}
	}
	if a.parts.s3 != nil {
		return a.parts.s3, nil
	}
	run, err := a.dir("run")
	if err != nil {
		return nil, err
	}
	note := filepath.Join(run, "s3.json")
	if running := readAccess(note); running != nil && answers(ctx, running.Endpoint) {
		a.parts.s3 = running
		return running, nil
	}
	acc, err := a.s3Keys()
	if err != nil {
		return nil, err
	}
	data, err := a.dir("s3")
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s3, err := embedded.StartS3(ctx, embedded.S3Options{
		Exe: exe, Args: []string{hiddenS3}, DataDir: data, AccessKey: acc.AccessKey, SecretKey: acc.SecretKey, Log: a.quiet(),
	})
	if err != nil {
		return nil, missingPart{fmt.Errorf("the embedded S3 server could not be started: %w", err)}
	}
	a.onClose(func() error {
		err := os.Remove(note)
		s3.Stop()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	acc.Endpoint = s3.Endpoint
	if err := writeJSON(note, acc); err != nil {
		return nil, err
	}
	a.parts.s3 = acc
	return acc, nil
}

// s3Keys are the credentials of the embedded server, made on the first start.
func (a *app) s3Keys() (*s3Access, error) {
	dir, err := a.dir("keys")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "s3.json")
	if acc := readAccess(path); acc != nil {
		return acc, nil
	}
	var b [24]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	acc := &s3Access{AccessKey: "trawlmark", SecretKey: hex.EncodeToString(b[:])}
	return acc, writeJSON(path, acc)
}

func readAccess(path string) *s3Access {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var acc s3Access
	if json.Unmarshal(b, &acc) != nil || acc.AccessKey == "" || acc.SecretKey == "" {
		return nil
	}
	return &acc
}

func writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// answers reports whether an HTTP server is at an address.
func answers(ctx context.Context, endpoint string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		return false
	}
	res.Body.Close()
	return true
}

// startRedis runs the embedded queue server.
func (a *app) startRedis(ctx context.Context) (*embedded.Redis, error) {
	if a.parts == nil {
		a.parts = &parts{}
	}
	if a.parts.redis != nil {
		return a.parts.redis, nil
	}
	dir, err := a.dir("redis")
	if err != nil {
		return nil, err
	}
	r, err := embedded.StartRedis(ctx, embedded.RedisOptions{Dir: dir, Log: a.quiet()})
	if err != nil {
		return nil, missingPart{fmt.Errorf("the embedded queue could not be started: %w", err)}
	}
	a.onClose(func() error { r.Stop(); return nil })
	a.parts.redis = r
	return r, nil
}
