package capture

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// ID identifies a capture, an exchange or a record: 128 bits, written as a
// UUID in lower case (RFC 9562). IDs made by an IDSource are version 7, so
// their text sorts by time of making.
type ID [16]byte

// ErrBadID is returned by ParseID.
var ErrBadID = errors.New("not an id: want 32 hex digits as 8-4-4-4-12, lower case")

// String gives the canonical text, 36 characters.
func (id ID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], id[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], id[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], id[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], id[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], id[10:16])
	return string(b[:])
}

// URN gives the form WARC-Record-ID wants, without the angle brackets.
func (id ID) URN() string { return "urn:uuid:" + id.String() }

// IsZero reports whether the id was never set.
func (id ID) IsZero() bool { return id == ID{} }

// ParseID accepts exactly what String writes.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return ID{}, fmt.Errorf("%q is %w", clip(s), ErrBadID)
	}
	raw, err := hex.DecodeString(s[0:8] + s[9:13] + s[14:18] + s[19:23] + s[24:36])
	if err != nil {
		return ID{}, fmt.Errorf("%q is %w", clip(s), ErrBadID)
	}
	copy(id[:], raw)
	if id.String() != s {
		return ID{}, fmt.Errorf("%q is %w", clip(s), ErrBadID)
	}
	return id, nil
}

// MarshalText and UnmarshalText make an ID a JSON string.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText accepts exactly what MarshalText writes.
func (id *ID) UnmarshalText(b []byte) error {
	v, err := ParseID(string(b))
	if err != nil {
		return err
	}
	*id = v
	return nil
}

// IDSource makes new ids. Clock and randomness are injected, so tests get the
// same ids every time. Safe for concurrent use; ids of one source rise strictly.
type IDSource struct {
	now  func() time.Time
	rand io.Reader

	mu   sync.Mutex
	last uint64 // milliseconds<<12 | counter of the newest id
}

// NewIDSource reads time from now and entropy from rand (crypto/rand.Reader in
// production).
func NewIDSource(now func() time.Time, rand io.Reader) *IDSource {
	return &IDSource{now: now, rand: rand}
}

// New returns a fresh version 7 id. It panics if the entropy source fails:
// there is no honest way on without one.
func (s *IDSource) New() ID {
	var id ID
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := io.ReadFull(s.rand, id[8:]); err != nil {
		panic("capture: the entropy source failed: " + err.Error())
	}
	// RFC 9562 method 1: a 12-bit counter in rand_a keeps ids of one
	// millisecond in order; past 4,096 of them the clock field borrows.
	next := uint64(s.now().UnixMilli()) << 12
	if next <= s.last {
		next = s.last + 1
	}
	s.last = next
	ms, seq := next>>12, next&0xfff
	id[0], id[1], id[2] = byte(ms>>40), byte(ms>>32), byte(ms>>24)
	id[3], id[4], id[5] = byte(ms>>16), byte(ms>>8), byte(ms)
	id[6], id[7] = 0x70|byte(seq>>8), byte(seq)
	id[8] = 0x80 | id[8]&0x3f
	return id
}

func clip(s string) string {
	if len(s) > 48 {
		return s[:48] + "..."
	}
	return s
}
