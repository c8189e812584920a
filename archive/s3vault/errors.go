package s3vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// byCode is what a storage's error codes mean. Codes are those of the Amazon
// S3 API reference ("Error responses"); the others are named after who gives them.
var byCode = map[string]error{
	"PreconditionFailed": vault.ErrExists, // we only ever send If-None-Match: *

	"NoSuchKey":     vault.ErrNotFound,
	"NoSuchVersion": vault.ErrNotFound,
	// A version id of another shape than the storage's own.
	"InvalidVersionId": vault.ErrNotFound,
	// HEAD or GET of a version that is a delete marker.
	"MethodNotAllowed": vault.ErrNotFound,

	"ObjectLocked": vault.ErrLocked, // MinIO

	"BadDigest":                            vault.ErrDigest,
	"InvalidDigest":                        vault.ErrDigest,
	"XAmzContentChecksumMismatch":          vault.ErrDigest, // MinIO
	"XAmzContentSHA256Mismatch":            vault.ErrDigest,
	"IncompleteBody":                       vault.ErrDigest,
	"ExistingObjectIsDirectory":            vault.ErrBadKey, // versitygw: there are keys below this one
	"ObjectParentIsFile":                   vault.ErrBadKey, // versitygw: this key is below another
	"XMinioObjectExistsAsDirectory":        vault.ErrBadKey, // MinIO, the same two
	"XMinioParentIsObject":                 vault.ErrBadKey,
	"KeyTooLongError":                      vault.ErrBadKey,
	"KeyTooLong":                           vault.ErrBadKey,
	"XMinioInvalidObjectName":              vault.ErrBadKey,
	"ObjectLockConfigurationNotFoundError": vault.ErrUnsupported,
	"NotImplemented":                       vault.ErrUnsupported,
	"XNotImplemented":                      vault.ErrUnsupported,
	"InvalidBucketState":                   vault.ErrUnsupported,

	"SlowDown":                   vault.ErrUnavailable,
	"SlowDownRead":               vault.ErrUnavailable,
	"SlowDownWrite":              vault.ErrUnavailable,
	"RequestTimeout":             vault.ErrUnavailable,
	"Throttling":                 vault.ErrUnavailable,
	"ThrottlingException":        vault.ErrUnavailable,
	"RequestLimitExceeded":       vault.ErrUnavailable,
	"InternalError":              vault.ErrUnavailable,
	"ServiceUnavailable":         vault.ErrUnavailable,
	"ServerNotInitialized":       vault.ErrUnavailable, // MinIO, starting
	"XMinioServerNotInitialized": vault.ErrUnavailable,
	// Two conditional writes at once; the loser shall try again (Amazon).
	"ConditionalRequestConflict": vault.ErrUnavailable,
	"OperationAborted":           vault.ErrUnavailable,
	"XMinioStorageFull":          vault.ErrUnavailable,
	"NoSpaceLeftOnDevice":        vault.ErrUnavailable, // versitygw
	"QuotaExceeded":              vault.ErrUnavailable,
}

// advice is what to do about errors that are not the storage's fault.
var advice = map[string]string{
	"AccessDenied":          "the credentials do not allow it, or the object is locked",
	"InvalidAccessKeyId":    "the storage does not know this access key: check the storage credentials",
	"XAdminUserNotFound":    "the storage does not know this access key: check the storage credentials", // versitygw
	"SignatureDoesNotMatch": "the secret key is wrong: check the storage credentials",
	"RequestTimeTooSkewed":  "the clock of this machine or of the storage is off by more than 15 minutes: set it right",
	"NoSuchBucket":          "the bucket does not exist: create it with Object Lock, or let `trawlmark doctor` do so",
	"InvalidBucketName":     "the name of the bucket is not one that S3 takes",
}

// missingLock are the messages, under the much used code InvalidRequest, with
// which storages refuse a lock in a bucket that was made without.
var missingLock = map[string]bool{
	"Bucket is missing Object Lock Configuration": true,
	"Bucket is missing ObjectLockConfiguration":   true,
}

// badChecksum are the messages, under the code InvalidRequest, with which
// storages refuse a checksum that is none (Amazon).
var badChecksum = map[string]bool{
	"Value for x-amz-checksum-sha256 header is invalid.": true,
	"Value for x-amz-checksum-sha256 header is invalid":  true,
}

// mismatch is how an error of the client begins that has found other bytes than
// the checksum in the storage's answer is of. It has no type.
const mismatch = "checksum mismatch"

// translate turns what the client gave into an error of package vault, or one
// that says what to do. It is the only place that looks at codes.
func translate(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil { // the caller's own doing
		return fmt.Errorf("%s %q: %w", op, key, ctx.Err())
	}
	var resp minio.ErrorResponse
	if !errors.As(err, &resp) && strings.HasPrefix(err.Error(), mismatch) {
		return fmt.Errorf("%s %q: %w: %v", op, key, vault.ErrDigest, err)
	}
	if !errors.As(err, &resp) {
		return fmt.Errorf("%s %q: %w", op, key, network(err))
	}
	kind := byCode[resp.Code]
	switch {
	case kind == nil && missingLock[resp.Message]:
		kind = vault.ErrUnsupported
	case kind == nil && badChecksum[resp.Message]:
		kind = vault.ErrDigest
	case kind == nil && (resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusRequestTimeout):
		kind = vault.ErrUnavailable
	case kind == nil && advice[resp.Code] != "":
		return fmt.Errorf("%s %q: %s (%s): %w", op, key, advice[resp.Code], resp.Code, err)
	case kind == nil:
		return fmt.Errorf("%s %q: the storage answered %d %s: %w", op, key, resp.StatusCode, resp.Code, err)
	}
	return &storageError{op: op, key: key, kind: kind, cause: err, code: resp.Code}
}

// storageError is a vault error with the storage's own words.
type storageError struct {
	op, key, code string
	kind, cause   error
}

func (e *storageError) Error() string {
	return fmt.Sprintf("%s %q: %v (the storage answered %s: %v)", e.op, e.key, e.kind, e.code, e.cause)
}

func (e *storageError) Unwrap() []error { return []error{e.kind, e.cause} }

// network classes what went wrong before there was an answer. Timeouts here are
// the connection's, although they claim to be context.DeadlineExceeded.
func network(err error) error {
	var netErr net.Error
	var urlErr *url.Error
	if errors.As(err, &netErr) || errors.As(err, &urlErr) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("%w: %v", vault.ErrUnavailable, err)
	}
	return err
}

// neverSent reports whether there was not even a connection, so that nothing
// can have happened.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// code is the storage's own code of an error, "" when it never answered.
func code(err error) string {
	var resp minio.ErrorResponse
	if errors.As(err, &resp) {
		return resp.Code
	}
	return ""
}
