package vault

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// The errors every vault gives; test with errors.Is. Anything else is a fault
// of this vault and may be tried again.
var (
	// ErrExists: the key has an object already. Objects are written once.
	ErrExists = errors.New("the vault has an object under this key already")
	// ErrNotFound: no such key, or no such version of it.
	ErrNotFound = errors.New("the vault has no such object")
	// ErrLocked: retention or a legal hold forbids what was asked.
	ErrLocked = errors.New("the object is locked")
	// ErrShorter: a retention can be extended, never shortened.
	ErrShorter = errors.New("a retention is never shortened")
	// ErrDigest: the bytes that arrived are not those that were announced.
	ErrDigest = errors.New("the bytes do not have the digest that was announced")
	// ErrUnsupported: this endpoint cannot do it (no Object Lock, say).
	ErrUnsupported = errors.New("this storage cannot do that")
	// ErrBadKey: the key is not one that every supported storage takes.
	ErrBadKey = errors.New("not a key that every storage takes")
	// ErrUnavailable: the storage did not answer, or answered that it cannot now.
	ErrUnavailable = errors.New("the storage is not available")
)

// Mode is the kind of retention (S3 Object Lock).
type Mode string

// The modes.
const (
	Governance Mode = "GOVERNANCE"
	Compliance Mode = "COMPLIANCE"
)

// Put says what is stored, under which lock.
type Put struct {
	Key       string
	MediaType string
	Body      capture.Body
	// SHA256 of the body: the storage checks it, and refuses other bytes.
	SHA256 capture.Digest
	// RetainUntil is when the lock ends, second precision, UTC; zero for none
	// (only for objects that are no evidence, such as the lock probe).
	RetainUntil time.Time
	Mode        Mode // Governance when empty
	Hold        bool // legal hold from the first moment
}

// Info is what is known of one version of one object.
type Info struct {
	Key         string
	Version     string
	Size        int64
	SHA256      capture.Digest // zero when the storage does not tell
	MediaType   string
	Stored      time.Time
	RetainUntil time.Time // zero when not locked or not told
	Mode        Mode
	Hold        bool
	// Latest: no newer version or delete marker stands over it.
	Latest bool
}

// Vault is where evidence lives. All methods are safe for concurrent use.
// version "" means the current version.
type Vault interface {
	// Put stores an object that must not exist yet, whole or not at all, and
	// gives its version. Of n racing writers exactly one succeeds, the others
	// get ErrExists.
	Put(ctx context.Context, p Put) (Info, error)
	// Get reads one version. The caller closes the reader.
	Get(ctx context.Context, key, version string) (io.ReadCloser, Info, error)
	// Stat tells about one version without its bytes, with its lock.
	Stat(ctx context.Context, key, version string) (Info, error)
	// Extend moves the end of the lock later. Earlier: ErrShorter.
	Extend(ctx context.Context, key, version string, mode Mode, until time.Time) error
	// Hold sets or lifts the legal hold.
	Hold(ctx context.Context, key, version string, on bool) error
	// List gives the current objects whose key starts with prefix, in byte
	// order of keys, from the first key after the one given. Size, key and
	// version are set; the rest may be zero.
	List(ctx context.Context, prefix, after string) iter.Seq2[Info, error]
	// Delete removes one version for good; ErrLocked while it is locked.
	// version must not be "": a plain S3 DELETE would only hide the object.
	Delete(ctx context.Context, key, version string) error
}
