package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// MaxSize is the largest manifest that is written or read, in bytes.
const MaxSize = 16 << 20

// The errors of Parse and Marshal; test with errors.Is.
var (
	// ErrNotCanonical: the bytes are JSON, but not the one text this manifest has.
	ErrNotCanonical = errors.New("not the canonical form of a manifest (RFC 8785, every member present)")
	// ErrInvalid: the bytes are no manifest, or what they say cannot be.
	ErrInvalid = errors.New("not a valid manifest")
	// ErrTooLarge: more than MaxSize bytes.
	ErrTooLarge = fmt.Errorf("a manifest has at most %d bytes", MaxSize)
)

// Marshal gives the canonical bytes (RFC 8785).
func (m *Manifest) Marshal() ([]byte, error) {
	n := m.normal()
	if err := n.validate(); err != nil {
		return nil, err
	}
	b, err := n.canonical()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if len(b) > MaxSize {
		return nil, ErrTooLarge
	}
	return b, nil
}

// Digest is the SHA-256 of the canonical bytes: what the log commits to and
// what the next capture of the listing names as its previous one.
func (m *Manifest) Digest() (capture.Digest, error) {
	b, err := m.Marshal()
	if err != nil {
		return capture.Digest{}, err
	}
	return capture.Sum(b), nil
}

// Parse accepts exactly the bytes that Marshal writes. Unknown, duplicate or
// missing members, another order, white space, other spellings of strings and
// numbers are all refused.
func Parse(b []byte) (*Manifest, error) {
	if len(b) > MaxSize {
		return nil, ErrTooLarge
	}
	if err := shallow(b); err != nil {
		return nil, err
	}
	var m Manifest
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: something follows it", ErrInvalid)
	}
	again, err := m.Marshal()
	if err != nil {
		return nil, err
	}
	// One manifest has one text. This is what finds a member that is missing,
	// twice or in another case, a null list, an escape that need not be,
	// another order, and text that is not UTF-8.
	if !bytes.Equal(again, b) {
		return nil, fmt.Errorf("%w: %s", ErrNotCanonical, firstDifference(b, again))
	}
	return &m, nil
}

// shallow refuses deep nesting before anything recurses into it: a manifest
// is five levels deep.
func shallow(b []byte) error {
	depth, inString, escaped := 0, false, false
	for _, c := range b {
		switch {
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > 16 {
				return fmt.Errorf("%w: it is nested too deeply", ErrInvalid)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

func firstDifference(got, want []byte) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	return fmt.Sprintf("at byte %d: %q, where the canonical form has %q", i, around(got, i), around(want, i))
}

func around(b []byte, i int) []byte { return b[min(i, len(b)):min(i+24, len(b))] }
