package capture

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Digest is a SHA-256 (FIPS 180-4), written as 64 lower-case hex digits.
type Digest [32]byte

// Digest512 is a SHA-512, written as 128 lower-case hex digits.
type Digest512 [64]byte

// ErrBadDigest is returned by the parsers.
var ErrBadDigest = errors.New("not a digest: want lower-case hex of the full length")

// Sum is the SHA-256 of b.
func Sum(b []byte) Digest { return sha256.Sum256(b) }

// String gives 64 hex digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Labelled gives "sha256:<hex>", the form of WARC digests and WACZ hashes.
func (d Digest) Labelled() string { return "sha256:" + d.String() }

// IsZero reports whether the digest was never set.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText makes a Digest a JSON string.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText accepts exactly what MarshalText writes.
func (d *Digest) UnmarshalText(b []byte) error { return decodeHex(d[:], b) }

// ParseDigest accepts exactly what String writes.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	err := d.UnmarshalText([]byte(s))
	return d, err
}

// String gives 128 hex digits.
func (d Digest512) String() string { return hex.EncodeToString(d[:]) }

// MarshalText makes a Digest512 a JSON string.
func (d Digest512) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText accepts exactly what MarshalText writes.
func (d *Digest512) UnmarshalText(b []byte) error { return decodeHex(d[:], b) }

func decodeHex(dst, src []byte) error {
	if len(src) != 2*len(dst) {
		return fmt.Errorf("%q is %w", clip(string(src)), ErrBadDigest)
	}
	for _, c := range src {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("%q is %w", clip(string(src)), ErrBadDigest)
		}
	}
	_, err := hex.Decode(dst, src)
	return err
}

// Fingerprint is what a stored byte sequence is known by.
type Fingerprint struct {
	Size   int64     `json:"bytes"`
	SHA256 Digest    `json:"sha256"`
	SHA512 Digest512 `json:"sha512"`
}

// FingerprintOf reads b once, in constant memory.
func FingerprintOf(b Body) (Fingerprint, error) {
	r, err := b.Open()
	if err != nil {
		return Fingerprint{}, err
	}
	defer r.Close()
	var f Fingerprint
	h2, h5 := sha256.New(), sha512.New()
	f.Size, err = io.Copy(io.MultiWriter(h2, h5), r)
	if err != nil {
		return Fingerprint{}, err
	}
	h2.Sum(f.SHA256[:0])
	h5.Sum(f.SHA512[:0])
	return f, nil
}
