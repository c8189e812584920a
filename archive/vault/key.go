package vault

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// The limits of CheckKey, in bytes.
const (
	// MaxKey is the S3 limit ("Creating object key names", Amazon S3 User Guide).
	MaxKey = 1024
	// MaxSegment is the name limit of the file systems below some storages.
	MaxSegment = 255
)

// reservedSegment is where versitygw keeps unfinished uploads of a bucket.
const reservedSegment = ".sgwtmp"

// CheckKey says whether every supported storage takes this key and gives it
// back unchanged: valid UTF-8 of 1 to 1,024 bytes, in segments of 1 to 255
// bytes divided by "/", none of them "." or "..", no control characters, no
// backslash and nothing that XML cannot carry in a listing. Errors are
// ErrBadKey with the reason.
//
// One more rule cannot be seen from a single key and is the caller's: `a` and
// `a/b` must not both exist, for on some storages a key is a path.
func CheckKey(key string) error {
	switch {
	case key == "":
		return badKey(key, "it is empty")
	case len(key) > MaxKey:
		return badKey(key, "it has %d bytes, the limit is %d", len(key), MaxKey)
	case !utf8.ValidString(key):
		return badKey(key, "it is not valid UTF-8")
	}
	for _, r := range key {
		if unicode.IsControl(r) || r == '\\' || r == 0xFFFE || r == 0xFFFF {
			return badKey(key, "it has the character %U", r)
		}
	}
	for i, s := range strings.Split(key, "/") {
		switch {
		case s == "":
			return badKey(key, "segment %d is empty", i+1)
		case s == "." || s == "..":
			return badKey(key, "segment %d is %q", i+1, s)
		case s == reservedSegment:
			return badKey(key, "segment %d is %q, a name that a storage keeps for itself", i+1, s)
		case len(s) > MaxSegment:
			return badKey(key, "segment %d has %d bytes, the limit is %d", i+1, len(s), MaxSegment)
		}
	}
	return nil
}

func badKey(key, reason string, args ...any) error {
	if len(key) > 80 {
		key = key[:80] + "..."
	}
	return fmt.Errorf("%q is %w: %s", key, ErrBadKey, fmt.Sprintf(reason, args...))
}

// Check says whether a Put is one that a vault can try: every implementation
// calls it first, so that all refuse the same.
func (p Put) Check() error {
	if err := CheckKey(p.Key); err != nil {
		return err
	}
	if p.Body == nil {
		return fmt.Errorf("put %q: there is no body; an empty object is capture.Bytes(nil)", p.Key)
	}
	if p.SHA256.IsZero() {
		return fmt.Errorf("put %q: %w: none was announced", p.Key, ErrDigest)
	}
	switch p.Mode {
	case "", Governance, Compliance:
	default:
		return fmt.Errorf("put %q: %q is no retention mode, want %s or %s", p.Key, p.Mode, Governance, Compliance)
	}
	return nil
}

// NewPut is the usual Put of bytes in memory, without a lock.
func NewPut(key, mediaType string, b []byte) Put {
	return Put{Key: key, MediaType: mediaType, Body: capture.Bytes(b), SHA256: capture.Sum(b)}
}
