package s3vault

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// What the storages that are not at hand in a test answer.
func TestTranslate(t *testing.T) {
	answer := func(status int, code, message string) error {
		return minio.ErrorResponse{StatusCode: status, Code: code, Message: message}
	}
	kinds := []error{vault.ErrExists, vault.ErrNotFound, vault.ErrLocked, vault.ErrDigest, vault.ErrUnsupported, vault.ErrBadKey, vault.ErrUnavailable}
	for name, c := range map[string]struct {
		err  error
		want error // nil: none of them
	}{
		"Amazon, two conditional writes":  {answer(409, "ConditionalRequestConflict", ""), vault.ErrUnavailable},
		"Amazon, create only":             {answer(412, "PreconditionFailed", ""), vault.ErrExists},
		"Amazon, checksum":                {answer(400, "BadDigest", ""), vault.ErrDigest},
		"Amazon, throttled":               {answer(503, "SlowDown", ""), vault.ErrUnavailable},
		"Amazon, no lock in the bucket":   {answer(404, "ObjectLockConfigurationNotFoundError", ""), vault.ErrUnsupported},
		"Amazon, a checksum that is none": {answer(400, "InvalidRequest", "Value for x-amz-checksum-sha256 header is invalid."), vault.ErrDigest},
		"the client, other bytes":         {errors.New("checksum mismatch, expected a, got b"), vault.ErrDigest},
		"MinIO, checksum":                 {answer(400, "XAmzContentChecksumMismatch", ""), vault.ErrDigest},
		"MinIO, no lock in the bucket":    {answer(400, "InvalidRequest", "Bucket is missing ObjectLockConfiguration"), vault.ErrUnsupported},
		"MinIO, below an object":          {answer(400, "XMinioParentIsObject", ""), vault.ErrBadKey},
		"MinIO, starting":                 {answer(503, "XMinioServerNotInitialized", ""), vault.ErrUnavailable},
		"MinIO, full":                     {answer(507, "XMinioStorageFull", ""), vault.ErrUnavailable},
		"another request that is invalid": {answer(400, "InvalidRequest", "something else"), nil},
		"a proxy between":                 {answer(502, "502 Bad Gateway", "<html>"), vault.ErrUnavailable},
		"too many":                        {answer(429, "429", ""), vault.ErrUnavailable},
		"credentials":                     {answer(403, "AccessDenied", ""), nil},
		"refused connection":              {&url.Error{Op: "Put", Err: &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}}, vault.ErrUnavailable},
		"timeout of a connection":         {&url.Error{Op: "Put", Err: os.ErrDeadlineExceeded}, vault.ErrUnavailable},
		"a timeout called deadline":       {&url.Error{Op: "Put", Err: context.DeadlineExceeded}, vault.ErrUnavailable},
		"cut answer":                      {io.ErrUnexpectedEOF, vault.ErrUnavailable},
		"a fault of ours":                 {errors.New("bug"), nil},
	} {
		got := translate(t.Context(), "put", "some/key", c.err)
		for _, k := range kinds {
			if errors.Is(got, k) != (k == c.want) {
				t.Errorf("%s: %v, is it %q: %v", name, got, k, !(k == c.want))
			}
		}
		if !strings.Contains(got.Error(), `put "some/key"`) || errors.Is(got, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if translate(t.Context(), "put", "k", nil) != nil {
		t.Error("no error became one")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := translate(ctx, "put", "k", io.EOF); !errors.Is(err, context.Canceled) || errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("the caller cancelled: %v", err)
	}
	for c, kind := range byCode {
		if advice[c] != "" || kind == nil {
			t.Errorf("%s is in both tables, or means nothing", c)
		}
	}
}

func TestRefused(t *testing.T) {
	for status, want := range map[int]bool{403: true, 400: true, 404: false, 500: false, 409: false} {
		err := translate(t.Context(), "delete", "k", minio.ErrorResponse{StatusCode: status, Code: "X"})
		if refused(err) != want {
			t.Errorf("%d: %v", status, !want)
		}
	}
}

func FuzzDigestOf(f *testing.F) {
	f.Add("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
	f.Add("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-3")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if d := digestOf(s); !d.IsZero() && len(s) < 43 {
			t.Errorf("%q gave %s", s, d)
		}
	})
}
