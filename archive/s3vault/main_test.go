package s3vault_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/trawlmark/trawlmark/archive/s3vault"
	"github.com/trawlmark/trawlmark/archive/s3vault/gateway/gatewaytest"
	"github.com/trawlmark/trawlmark/archive/vaulttest"
)

func TestMain(m *testing.M) { gatewaytest.Main(m) }

// logTo is a logger that ends with the test.
func logTo(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

var buckets atomic.Int64

// config is a Config for the server, in a bucket nobody else has. It is patient:
// a test that wants a call to give up says when.
func config(s *gatewaytest.Server) s3vault.Config {
	return s3vault.Config{
		Endpoint: s.Endpoint, Bucket: fmt.Sprintf("evidence-%d-%d", time.Now().UnixNano(), buckets.Add(1)),
		AccessKey: s.AccessKey, SecretKey: s3vault.Secret(s.SecretKey), Patience: 2 * time.Minute,
	}
}

func open(t *testing.T, c s3vault.Config) *s3vault.Vault {
	t.Helper()
	v, err := s3vault.Open(t.Context(), c, logTo(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v
}

// raw is a client with the same credentials, as somebody else may have.
func raw(t *testing.T, c s3vault.Config) *minio.Client {
	t.Helper()
	secure := strings.HasPrefix(c.Endpoint, "https")
	host := strings.TrimPrefix(strings.TrimPrefix(c.Endpoint, "http://"), "https://")
	client, err := minio.New(host, &minio.Options{
		Creds: credentials.NewStaticV4(c.AccessKey, string(c.SecretKey), ""), Region: "us-east-1", Secure: secure, MaxRetries: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func target(t *testing.T, c s3vault.Config) vaulttest.Target {
	v, client := open(t, c), raw(t, c)
	name := func(key string) string {
		if c.Prefix == "" {
			return key
		}
		return c.Prefix + "/" + key
	}
	return vaulttest.Target{
		Vault: v,
		Overwrite: func(ctx context.Context, key string, b []byte) (string, error) {
			i, err := client.PutObject(ctx, c.Bucket, name(key), bytes.NewReader(b), int64(len(b)), minio.PutObjectOptions{DisableContentSha256: true})
			return i.VersionID, err
		},
		Hide: func(ctx context.Context, key string) error {
			return client.RemoveObject(ctx, c.Bucket, name(key), minio.RemoveObjectOptions{})
		},
	}
}

func TestGateway(t *testing.T) {
	s := gatewaytest.Start(t)
	vaulttest.Run(t, func(t *testing.T) vaulttest.Target {
		c := config(s)
		if strings.HasSuffix(t.Name(), "/outage") {
			c.Patience = 300 * time.Millisecond
		}
		x := target(t, c)
		x.Break = func() func() { s.Stop(); return s.Restart }
		return x
	})
}

// TestEndpoint holds the suite against a storage of your own:
//
//	TRAWLMARK_TEST_S3=http://access:secret@127.0.0.1:9000/bucket go test ./archive/s3vault -run TestEndpoint
//
// It leaves locked objects behind, under a prefix of its own.
func TestEndpoint(t *testing.T) {
	raw := os.Getenv(endpointVariable)
	if raw == "" {
		t.Skip(endpointVariable + " names no storage (http://access:secret@host:port/bucket)")
	}
	testEndpoint(t, raw)
}

const endpointVariable = "TRAWLMARK_TEST_S3"

// What the variable says works: another server, which knows nothing of this
// test, is named by it. All of it lies in one bucket, under prefixes.
func TestForeignEndpoint(t *testing.T) {
	s := gatewaytest.Start(t)
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	u.User, u.Path = url.UserPassword(s.AccessKey, s.SecretKey), "/not-made-yet"
	testEndpoint(t, u.String())
}

func testEndpoint(t *testing.T, raw string) {
	u, err := url.Parse(raw)
	if err != nil || u.User == nil || u.Host == "" {
		t.Fatal(endpointVariable + " is not a URL with credentials") // without repeating them
	}
	secret, _ := u.User.Password()
	bucket := strings.Trim(u.Path, "/")
	if bucket == "" {
		bucket = "trawlmark-test"
	}
	run, n := time.Now().UnixNano(), 0
	vaulttest.Run(t, func(t *testing.T) vaulttest.Target {
		n++
		return target(t, s3vault.Config{
			Endpoint: u.Scheme + "://" + u.Host, Bucket: bucket, Prefix: fmt.Sprintf("run-%d/%d", run, n),
			AccessKey: u.User.Username(), SecretKey: s3vault.Secret(secret),
		})
	})
}

func readAll(t *testing.T, r io.ReadCloser) []byte {
	t.Helper()
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
