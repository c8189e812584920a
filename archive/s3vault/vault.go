package s3vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// Vault is a vault.Vault in an S3 bucket.
type Vault struct {
	cfg    Config
	log    *slog.Logger
	client *minio.Client
	core   minio.Core
	// unlocked is set when the bucket keeps no locks and that was allowed.
	unlocked atomic.Bool
	// extending are held, by key, while a lock is read and extended.
	extending [64]sync.Mutex
}

var _ vault.Vault = (*Vault)(nil)

// Open makes a vault of a bucket. It asks the storage nothing: Ensure sees to
// the bucket, Probe proves that it keeps its locks, and a program can start,
// and spool, while the storage is away.
func Open(_ context.Context, cfg Config, log *slog.Logger) (*Vault, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	transport, err := newTransport(cfg)
	if err != nil {
		return nil, err
	}
	client, err := minio.New(cfg.Endpoint, &minio.Options{
		Creds:     credentials.NewStaticV4(cfg.AccessKey, string(cfg.SecretKey), string(cfg.SessionToken)),
		Secure:    cfg.TLS,
		Region:    cfg.Region,
		Transport: transport,
		// Without this the client refuses to send a checksum of ours.
		TrailingHeaders: true,
		// Retries are ours: the client's would make 412 of our own success.
		MaxRetries: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("storage endpoint %q: %w", cfg.Endpoint, err)
	}
	client.SetAppInfo("trawlmark", "1")
	return &Vault{cfg: cfg, log: log, client: client, core: minio.Core{Client: client}}, nil
}

// String names the place, without secrets.
func (v *Vault) String() string {
	scheme := "http"
	if v.cfg.TLS {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s/%s/%s", scheme, v.cfg.Endpoint, v.cfg.Bucket, v.cfg.Prefix)
}

// name is the full key in the bucket.
func (v *Vault) name(key string) (string, error) {
	if err := vault.CheckKey(key); err != nil {
		return "", err
	}
	name := v.cfg.Prefix + key
	if v.cfg.Prefix != "" {
		return name, vault.CheckKey(name)
	}
	return name, nil
}

// The waits between attempts: from the first to the last, doubling, with up to
// half of each left to chance so that many clients do not come back at once.
const (
	firstWait = 50 * time.Millisecond
	lastWait  = time.Second
)

// errAgain asks retry for another attempt after an error that alone would not
// be reason enough.
var errAgain = errors.New("once more")

// retry runs an attempt until it gives something else than ErrUnavailable, or
// patience, counted from the first failure, ends. It reports the call to Config.Observe.
func (v *Vault) retry(ctx context.Context, op, key string, size int64, attempt func(n int) error) (err error) {
	start, n := time.Now(), 0
	var failed time.Time
	if v.cfg.Observe != nil {
		defer func() { v.cfg.Observe(op, time.Since(start), n, size, err) }()
	}
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		n++
		err = attempt(n)
		if !errors.Is(err, vault.ErrUnavailable) && !errors.Is(err, errAgain) {
			return err
		}
		if failed.IsZero() {
			failed = time.Now()
		}
		pause := wait/2 + rand.N(wait/2)
		if ctx.Err() == nil && time.Since(failed)+pause > v.cfg.Patience {
			return err
		}
		v.log.DebugContext(ctx, "storage: trying again", "op", op, "key", key, "attempt", n, "err", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s %q: %w; before that: %w", op, key, ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}
