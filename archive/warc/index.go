package warc

import (
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Type is a WARC-Type (WARC 1.1 section 6).
type Type string

// The types. This package writes all but conversion and continuation.
const (
	TypeWarcinfo     Type = "warcinfo"
	TypeResponse     Type = "response"
	TypeRequest      Type = "request"
	TypeMetadata     Type = "metadata"
	TypeResource     Type = "resource"
	TypeRevisit      Type = "revisit"
	TypeConversion   Type = "conversion"
	TypeContinuation Type = "continuation"
)

// Index lists the records of one WARC file, in their order.
type Index struct {
	Records []Entry
	Size    int64 // bytes of the file
	// Sanitized lists what hostile bytes were changed (clean.go); the
	// environment record has the same list.
	Sanitized []Note
}

// Entry is one record.
type Entry struct {
	Type   Type
	ID     capture.ID
	Target string // as written; "" for warcinfo
	Date   time.Time

	Offset int64 // of the gzip member in the file
	Length int64 // of the gzip member
	Blocks int64 // Content-Length: bytes of the block

	Block   capture.Digest // of the block
	Payload capture.Digest // zero where there is none
	Record  capture.Digest // of the compressed member

	Status      int    // responses and revisits
	ContentType string // Content-Type of the record
	// MediaType is that of the HTTP message, without parameters and "" when the
	// server named none; for records without an HTTP message it is ContentType.
	MediaType string
	Truncated capture.Truncation

	// Method and RequestBody are set on a response whose request was not a
	// GET: what replay looks a POST up by (post.go).
	Method      string
	RequestBody string
}
