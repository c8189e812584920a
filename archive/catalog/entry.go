package catalog

import (
	"errors"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// The errors of this package; test with errors.Is.
var (
	ErrNotFound = errors.New("the catalogue has no such entry")
	// ErrTooBroad: a search was ended because it took too long.
	ErrTooBroad = errors.New("the search took too long and was ended: name an item, a site, a watch or a few days, or a rarer word")
	// ErrDiffers: another manifest is already recorded under this id.
	ErrDiffers = errors.New("the catalogue has another manifest under this capture id; run `trawlmark archive audit`")
)

// Entry is one capture as the catalogue knows it.
type Entry struct {
	ID          capture.ID      `json:"id"`
	Started     time.Time       `json:"started"`
	Finished    time.Time       `json:"finished"`
	URL         string          `json:"url"`
	FinalURL    string          `json:"final_url"`
	Site        string          `json:"site"`
	PageKind    string          `json:"page_kind"`
	ItemID      string          `json:"item_id,omitempty"`
	Canonical   string          `json:"canonical,omitempty"`
	Watch       string          `json:"watch,omitempty"`
	Job         string          `json:"job,omitempty"`
	RequestedBy string          `json:"requested_by,omitempty"`
	Outcome     capture.Outcome `json:"outcome"`

	// What was read from the page; empty when it was not seen.
	Title    string `json:"title,omitempty"`
	Price    string `json:"price,omitempty"` // plain decimal
	Currency string `json:"currency,omitempty"`
	Seller   string `json:"seller,omitempty"`

	Manifest        capture.Digest `json:"manifest_sha256"`
	ManifestKey     string         `json:"manifest_key"`
	ManifestVersion string         `json:"manifest_version"`
	Event           string         `json:"custody_event"`
	Bytes           int64          `json:"bytes"` // of all artifacts
	RetainUntil     time.Time      `json:"retain_until"`
	Held            bool           `json:"held"`
	// State is empty while the capture is kept.
	State State `json:"state,omitempty"`
}

// Artifact is one stored object of a capture.
type Artifact struct {
	Role        string            `json:"role"`
	Tile        int               `json:"tile,omitempty"`
	MediaType   string            `json:"media_type"`
	Key         string            `json:"key"`
	Version     string            `json:"version"`
	Bytes       int64             `json:"bytes"`
	SHA256      capture.Digest    `json:"sha256"`
	SHA512      capture.Digest512 `json:"sha512"`
	RetainUntil time.Time         `json:"retain_until"`
	Width       int               `json:"width,omitempty"`
	Height      int               `json:"height,omitempty"`
}

// micros and instant are how times are kept in SQL: whole microseconds, UTC.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// words are what a capture is found by.
func (e Entry) words() []string {
	return words(e.Title, e.Seller, e.Price, e.Site, e.ItemID, string(e.Outcome), e.URL)
}
