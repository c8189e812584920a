package warc

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"hash"
	"strings"
)

// labelled is a labelled digest (WARC 1.1 section 5.8) that can be checked.
type labelled struct {
	field, text string // the field's name, and its value as written
	sum         hash.Hash
	encode      func([]byte) string
	label       string
}

// check makes a labelled digest; nil when the algorithm or the spelling is
// not one of those in use (SHA-256 and SHA-1, hex or base 32).
func check(field, text string) *labelled {
	label, value, ok := strings.Cut(text, ":")
	if !ok {
		return nil
	}
	l := &labelled{field: field, text: text, label: label}
	switch strings.ToLower(label) {
	case "sha256", "sha-256":
		l.sum = sha256.New()
	case "sha1", "sha-1":
		l.sum = sha1.New()
	default:
		return nil
	}
	switch len(value) {
	case hex.EncodedLen(l.sum.Size()):
		l.encode = hex.EncodeToString
	case base32.StdEncoding.EncodedLen(l.sum.Size()):
		l.encode = base32.StdEncoding.EncodeToString
	case base32.StdEncoding.WithPadding(base32.NoPadding).EncodedLen(l.sum.Size()):
		l.encode = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString
	default:
		return nil
	}
	return l
}

func (l *labelled) write(p []byte) {
	if l != nil {
		l.sum.Write(p)
	}
}

// verify compares; nil when there is nothing to compare with.
func (l *labelled) verify(r *Record) error {
	if l == nil {
		return nil
	}
	if got := l.label + ":" + l.encode(l.sum.Sum(nil)); got != l.text {
		return &DigestError{Offset: r.Offset, Record: r.Get("WARC-Record-ID"), Field: l.field, Want: l.text, Got: got}
	}
	return nil
}
