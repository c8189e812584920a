package warc

import (
	"errors"
	"fmt"
)

// ErrFormat is what every FormatError is; ErrDigest what every DigestError is.
var (
	ErrFormat = errors.New("the file is not a well-formed WARC")
	ErrDigest = errors.New("the bytes of a record do not have the digest that the record states")
)

// FormatError says where a file is no WARC. After one the Reader is finished,
// unless Record.HTTP gave it.
type FormatError struct {
	Offset int64 // where the record (the gzip member) begins
	Reason string
	Err    error // of the reader below, if any
}

func (e *FormatError) Error() string {
	s := fmt.Sprintf("the WARC record at byte %d is malformed: %s", e.Offset, e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap makes errors.Is work with ErrFormat and with the error below.
func (e *FormatError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrFormat}
	}
	return []error{ErrFormat, e.Err}
}

// DigestError says that a record was changed, or was never what it states.
// The Reader can go on with the next record.
type DigestError struct {
	Offset int64
	Record string // WARC-Record-ID
	Field  string // WARC-Block-Digest or WARC-Payload-Digest
	Want   string // as the record states it
	Got    string // in the same form
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("the WARC record %.80s at byte %d was changed: its %s is %.150s, and its bytes give %s",
		e.Record, e.Offset, e.Field, e.Want, e.Got)
}

// Unwrap makes errors.Is work with ErrDigest.
func (e *DigestError) Unwrap() error { return ErrDigest }
