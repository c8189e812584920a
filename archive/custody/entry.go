package custody

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Type says what an event is about. It is the public part of an entry.
type Type string

// The types of version 1. Each is done by one actor at one time to one subject.
const (
	Captured         Type = "captured"          // a visit was archived; Manifest names what was seen
	Viewed           Type = "viewed"            // somebody looked at it in the console
	Downloaded       Type = "downloaded"        // somebody took bytes of it away
	Decided          Type = "decided"           // an analyst decided on the finding
	Held             Type = "held"              // a legal hold was set
	Released         Type = "released"          // a legal hold was lifted
	Exported         Type = "exported"          // it went into a package
	RetentionChanged Type = "retention_changed" // its lock was extended
	KeyRotated       Type = "key_rotated"       // the log has a new signing key
	Erased           Type = "erased"            // private parts were erased, by law or at the end of retention
	Redacted         Type = "redacted"          // a copy with parts withheld was made; Manifest names that copy
)

// Types lists them in the order above.
func Types() []Type {
	return []Type{Captured, Viewed, Downloaded, Decided, Held, Released, Exported, RetentionChanged, KeyRotated, Erased, Redacted}
}

// Valid reports whether t is one of the types above.
func (t Type) Valid() bool {
	switch t {
	case Captured, Viewed, Downloaded, Decided, Held, Released, Exported, RetentionChanged, KeyRotated, Erased, Redacted:
		return true
	}
	return false
}

// entryLabel is the first word of every entry and names its version.
const entryLabel = "trawlmark.custody/v1"

// Entry is one leaf of the log as the world sees it: one line of text,
//
//	trawlmark.custody/v1 <type> <commitment, 64 hex digits>\n
//
// See SPEC.md, "Entry".
type Entry struct {
	Type       Type
	Commitment capture.Digest
}

// ErrEntry is returned by ParseEntry.
var ErrEntry = errors.New("not a custody log entry")

// Salt blinds a commitment: 32 random bytes, kept in the event document only.
type Salt [32]byte

// String gives 64 hex digits.
func (s Salt) String() string { return capture.Digest(s).String() }

// IsZero reports whether the salt was never set.
func (s Salt) IsZero() bool { return s == Salt{} }

// Commit is SHA-256(salt || digest).
func Commit(salt Salt, digest capture.Digest) capture.Digest {
	var b [64]byte
	copy(b[:32], salt[:])
	copy(b[32:], digest[:])
	return sha256.Sum256(b[:])
}

// Marshal gives the bytes that are hashed into the tree.
func (e Entry) Marshal() []byte {
	return fmt.Appendf(nil, "%s %s %s\n", entryLabel, e.Type, e.Commitment)
}

// LeafHash is SHA-256(0x00 || entry), RFC 6962 section 2.1.
func (e Entry) LeafHash() tlog.Hash { return tlog.RecordHash(e.Marshal()) }

// ParseEntry accepts exactly what Marshal writes.
func ParseEntry(b []byte) (Entry, error) {
	line, ok := bytes.CutSuffix(b, []byte("\n"))
	words := bytes.Split(line, []byte(" "))
	if !ok || len(words) != 3 || string(words[0]) != entryLabel {
		return Entry{}, fmt.Errorf("%q is %w", clip(b), ErrEntry)
	}
	e := Entry{Type: Type(words[1])}
	if !e.Type.Valid() {
		return Entry{}, fmt.Errorf("%q is %w: its type is unknown to this version", clip(b), ErrEntry)
	}
	if err := e.Commitment.UnmarshalText(words[2]); err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrEntry, err)
	}
	return e, nil
}

func clip(b []byte) string {
	if len(b) > 64 {
		return string(b[:64]) + "..."
	}
	return string(b)
}
