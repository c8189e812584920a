package custody

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// The bounds of an event document.
const (
	MaxEvent  = 64 << 10 // bytes of the whole document
	maxActor  = 256      // bytes
	maxCase   = 64       // bytes
	maxDetail = 64       // members of Details
	maxKey    = 64       // bytes of a detail's name
	maxValue  = 8 << 10  // bytes of a detail's value
)

// timeForm is the one form of a time in our documents: UTC, microseconds.
const timeForm = "2006-01-02T15:04:05.000000Z"

// ErrEvent is returned for an event that cannot be, and by ParseEvent.
var ErrEvent = errors.New("not a custody event")

// Subject is what an event was done to. At least one field is set; an act on
// a capture within a case names both.
type Subject struct {
	Capture capture.ID
	Case    string // [A-Za-z0-9._-], 1..64, does not begin with a dot
	Log     string // origin; key_rotated only
}

// Event is one thing done by one actor at one time about one subject. Its
// document is private; the log holds a commitment to it.
type Event struct {
	// ID names the event. Append gives a fresh one when it is zero; a captured
	// event takes the capture's id, so that archiving twice logs once.
	ID      capture.ID
	Type    Type
	At      time.Time // kept in UTC, to the microsecond
	Actor   string    // "person:ann@example.org", "worker:eu-3", "system:retention"
	Subject Subject
	// Manifest is the SHA-256 of the capture's manifest: set for captured, and
	// for redacted, where it is that of the redaction; optional for the others.
	Manifest capture.Digest
	// Details says more, by names of [a-z0-9_]: reason, exhibit, until, ...
	Details map[string]string
	Salt    Salt
}

// check says in one sentence what is wrong with an event.
func (e Event) check() error {
	bad := func(format string, a ...any) error {
		return fmt.Errorf("%w: %s", ErrEvent, fmt.Sprintf(format, a...))
	}
	switch {
	case e.ID.IsZero():
		return bad("it has no id")
	case !e.Type.Valid():
		return bad("%q is no type of event", clip([]byte(e.Type)))
	case e.At.IsZero() || e.At.Year() < 1970 || e.At.Year() > 9999:
		return bad("it has no usable time")
	case e.Actor == "" || len(e.Actor) > maxActor || !printable(e.Actor):
		return bad("the actor must be 1 to %d bytes of printable UTF-8", maxActor)
	case e.Subject == Subject{}:
		return bad("it has no subject: name a capture, a case, or the log")
	case e.Subject.Case != "" && !validCase(e.Subject.Case):
		return bad("a case id is 1 to %d of A-Z a-z 0-9 . _ -, and begins with no dot", maxCase)
	case (e.Subject.Log != "") != (e.Type == KeyRotated):
		return bad("the log is the subject of key_rotated, and of nothing else")
	case e.Subject.Log != "" && (!validOrigin(e.Subject.Log) || !e.Subject.Capture.IsZero() || e.Subject.Case != ""):
		return bad("key_rotated is about the log alone, named by its origin")
	case e.Type == Captured && (e.Subject.Capture.IsZero() || e.Manifest.IsZero()):
		return bad("captured names a capture and the digest of its manifest")
	case e.Type == Redacted && (e.Subject.Capture.IsZero() || e.Manifest.IsZero()):
		return bad("redacted names the capture it was made of and the digest of the redaction's manifest")
	case e.Salt.IsZero():
		return bad("it has no salt")
	case len(e.Details) > maxDetail:
		return bad("it has more than %d details", maxDetail)
	}
	for k, v := range e.Details {
		if !validName(k) {
			return bad("the name of a detail is 1 to %d of a-z 0-9 _", maxKey)
		}
		if len(v) > maxValue || !utf8.ValidString(v) {
			return bad("detail %s must be at most %d bytes of UTF-8", k, maxValue)
		}
	}
	return nil
}

// Marshal gives the event document: canonical JSON (RFC 8785). All members are
// strings or objects of strings, and their names are ASCII, so its ordering
// and number rules come down to bytewise order.
func (e Event) Marshal() ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	b := []byte(`{"actor":`)
	b = appendString(b, e.Actor)
	b = append(b, `,"at":"`...)
	b = e.At.UTC().AppendFormat(b, timeForm)
	b = append(b, `","details":`...)
	b = appendStrings(b, e.Details)
	b = fmt.Appendf(b, `,"id":"%s"`, e.ID)
	if !e.Manifest.IsZero() {
		b = fmt.Appendf(b, `,"manifest":"%s"`, e.Manifest)
	}
	b = fmt.Appendf(b, `,"salt":"%s","subject":`, e.Salt)
	subject := map[string]string{}
	if !e.Subject.Capture.IsZero() {
		subject["capture"] = e.Subject.Capture.String()
	}
	if e.Subject.Case != "" {
		subject["case"] = e.Subject.Case
	}
	if e.Subject.Log != "" {
		subject["log"] = e.Subject.Log
	}
	b = appendStrings(b, subject)
	b = fmt.Appendf(b, `,"type":"%s","version":"%s"}`, e.Type, entryLabel)
	if len(b) > MaxEvent {
		return nil, fmt.Errorf("%w: its document would be %d bytes, the limit is %d", ErrEvent, len(b), MaxEvent)
	}
	return b, nil
}

// Entry gives the public leaf of an event: its commitment is
// SHA-256(salt || SHA-256(event document)).
func (e Event) Entry() (Entry, error) {
	b, err := e.Marshal()
	if err != nil {
		return Entry{}, err
	}
	return Entry{e.Type, Commit(e.Salt, capture.Sum(b))}, nil
}

// eventDoc is the document as JSON sees it.
type eventDoc struct {
	Actor    string            `json:"actor"`
	At       string            `json:"at"`
	Details  map[string]string `json:"details"`
	ID       capture.ID        `json:"id"`
	Manifest capture.Digest    `json:"manifest"`
	Salt     capture.Digest    `json:"salt"`
	Subject  struct {
		Capture capture.ID `json:"capture"`
		Case    string     `json:"case"`
		Log     string     `json:"log"`
	} `json:"subject"`
	Type    Type   `json:"type"`
	Version string `json:"version"`
}

// ParseEvent accepts exactly what Marshal writes.
func ParseEvent(b []byte) (Event, error) {
	if len(b) > MaxEvent {
		return Event{}, fmt.Errorf("%w: %d bytes, the limit is %d", ErrEvent, len(b), MaxEvent)
	}
	var d eventDoc
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrEvent, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Event{}, fmt.Errorf("%w: there is more after the document", ErrEvent)
	}
	if d.Version != entryLabel {
		return Event{}, fmt.Errorf("%w: its version is %q, this reader knows %s", ErrEvent, clip([]byte(d.Version)), entryLabel)
	}
	at, err := time.Parse(timeForm, d.At)
	if err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrEvent, err)
	}
	e := Event{
		ID: d.ID, Type: d.Type, At: at, Actor: d.Actor, Manifest: d.Manifest, Details: d.Details, Salt: Salt(d.Salt),
		Subject: Subject{d.Subject.Capture, d.Subject.Case, d.Subject.Log},
	}
	if len(e.Details) == 0 {
		e.Details = nil
	}
	canon, err := e.Marshal()
	if err != nil {
		return Event{}, err
	}
	if !bytes.Equal(canon, b) {
		return Event{}, fmt.Errorf("%w: it is not in canonical form", ErrEvent)
	}
	return e, nil
}

// appendStrings writes an object of strings, names in bytewise order.
func appendStrings(b []byte, m map[string]string) []byte {
	b = append(b, '{')
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, k)
		b = append(b, ':')
		b = appendString(b, m[k])
	}
	return append(b, '}')
}

// appendString writes a string as RFC 8785 section 3.2.2.2 wants it.
// encoding/json escapes more than that.
func appendString(b []byte, s string) []byte {
	const short = "\b\t\n\f\r\"\\"
	const letters = `btnfr"\`
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		c := s[i]
		if at := bytes.IndexByte([]byte(short), c); at >= 0 {
			b = append(b, '\\', letters[at])
		} else if c < 0x20 {
			b = fmt.Appendf(b, `\u%04x`, c)
		} else {
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// printable: UTF-8 without control characters.
func printable(s string) bool {
	for _, r := range s {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return false
		}
	}
	return utf8.ValidString(s)
}

func validName(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= maxKey
}

func validCase(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return s != "" && s[0] != '.' && len(s) <= maxCase
}
