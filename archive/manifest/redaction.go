package manifest

import (
	"slices"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// FormatRedaction is the value of the member "format" of a redaction: a copy of
// a capture from which parts were withheld. It has one member more than a
// capture's manifest, "redaction"; all the others have the same meaning.
const FormatRedaction = "trawlmark-manifest/2"

// Redaction says what a redaction was made of, and what is not in it. What was
// withheld is named by its digest, so that it can be shown to a court later.
type Redaction struct {
	// Capture and Manifest are those of the original: the log has both.
	Capture  capture.ID     `json:"capture"`
	Manifest capture.Digest `json:"manifest"`
	// Disclosed: the original's manifest holds nothing of what was withheld, so
	// that it may be handed over with the redaction.
	Disclosed bool   `json:"disclosed"`
	At        Time   `json:"at"`
	By        string `json:"by"`
	Reason    string `json:"reason"`

	Changes  []Change         `json:"changes"`
	Withheld []Withheld       `json:"withheld"`
	Records  []WithheldRecord `json:"records"`
}

// Change is one thing that was ordered to be hidden. It never repeats what was
// hidden: of a text it says only how often it stood there.
type Change struct {
	Kind  string `json:"kind"`  // box, text, selector, url, body, header, artifact
	Where string `json:"where"` // "fullpage 2: 120,900 400x60", a header's name, ...; "" where it would tell
	Count int64  `json:"count"` // images painted, places changed, records withheld
	Why   string `json:"why"`
}

// The kinds of Change.
const (
	ChangeBox      = "box"
	ChangeText     = "text"
	ChangeSelector = "selector"
	ChangeURL      = "url"
	ChangeBody     = "body"
	ChangeHeader   = "header"
	ChangeArtifact = "artifact"
)

var changeKinds = []string{ChangeBox, ChangeText, ChangeSelector, ChangeURL, ChangeBody, ChangeHeader, ChangeArtifact}

// How a withheld artifact or record is represented in a redaction.
const (
	Replaced = "replaced" // by a conversion: blacked out, or with text replaced
	Removed  = "removed"  // not at all, or by a notice
)

// Withheld is an artifact of the original that is not in the redaction as it
// was.
type Withheld struct {
	Role      string            `json:"role"`
	Tile      int64             `json:"tile"`
	MediaType string            `json:"media_type"`
	Bytes     int64             `json:"bytes"`
	SHA256    capture.Digest    `json:"sha256"`
	SHA512    capture.Digest512 `json:"sha512"`
	How       string            `json:"how"`
}

// WithheldRecord is a record of the original's WARC (made whole) that is not in
// the redaction's as it was.
type WithheldRecord struct {
	Record capture.ID     `json:"record"` // its WARC-Record-ID
	Type   string         `json:"type"`
	Bytes  int64          `json:"bytes"`
	Block  capture.Digest `json:"block"` // SHA-256 of its block
	How    string         `json:"how"`
}

func (m *Manifest) validateRedaction() error {
	r := m.Redaction
	if r == nil {
		if m.Format == FormatRedaction {
			return invalid("a manifest of the format %s says what it was made of", FormatRedaction)
		}
		return nil
	}
	switch {
	case m.Format != FormatRedaction:
		return invalid("a manifest of the format %s is of no redaction", m.Format)
	case r.Capture.IsZero() || r.Capture == m.Capture || r.Manifest.IsZero():
		return invalid("the redaction does not name another capture and its manifest")
	case r.At.IsZero() || r.By == "" || r.Reason == "":
		return invalid("the redaction does not say when, by whom and why it was made")
	case len(r.Changes) == 0:
		return invalid("the redaction changes nothing")
	}
	for _, c := range r.Changes {
		if !slices.Contains(changeKinds, c.Kind) || c.Count < 1 {
			return invalid("%.40q, %d times, is no change of a redaction", c.Kind, c.Count)
		}
	}
	return m.validateWithheld()
}

func (m *Manifest) validateWithheld() error {
	type slot struct {
		role string
		tile int64
	}
	have := map[slot]Artifact{}
	for _, a := range m.Artifacts {
		have[slot{a.Role, a.Tile}] = a
	}
	seen := map[slot]bool{}
	for _, w := range m.Redaction.Withheld {
		k := slot{w.Role, w.Tile}
		a, there := have[k]
		switch {
		case !slices.Contains(roles, w.Role) || w.Tile < 0 || w.Bytes < 0 || w.MediaType == "" || seen[k]:
			return invalid("the withheld %.40q, tile %d, is no artifact, or is listed twice", w.Role, w.Tile)
		case w.SHA256.IsZero() || w.SHA512 == capture.Digest512{}:
			return invalid("the withheld %s has no digest", w.Role)
		case w.How != Replaced && w.How != Removed || there != (w.How == Replaced):
			return invalid("the withheld %s (tile %d) is %.20q, and its place says otherwise", w.Role, w.Tile, w.How)
		case there && a.SHA256 == w.SHA256:
			return invalid("the withheld %s (tile %d) is here as it was", w.Role, w.Tile)
		}
		seen[k] = true
	}
	if !seen[slot{RoleWARC, 0}] {
		return invalid("a redaction's WARC is another one than the original's")
	}
	for _, x := range m.Redaction.Records {
		if x.Record.IsZero() || x.Type == "" || x.Bytes < 0 || x.Block.IsZero() || x.How != Replaced && x.How != Removed {
			return invalid("a withheld record has no id, type or digest")
		}
	}
	return nil
}
