package bundle

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/manifest"
)

// Format is the name and version of what Write writes and Verify reads.
const Format = "trawlmark-package/1"

// Printer prints HTML to PDF.
type Printer interface {
	PDF(ctx context.Context, html []byte) ([]byte, error)
}

// Input is all that goes into a package.
type Input struct {
	Export  capture.ID // names the export
	At      time.Time  // of the export; kept to the second
	Case    *Case      // nil for loose captures
	By      string     // who exports: a custody actor
	Purpose string     // why, and for whom; may be empty
	To      string

	Captures []Capture
	// Renewals of the stamps of the captures: their lists name the checkpoints.
	Renewals []Renewal
	Log      Log
	System   System

	// Key makes the anonymous WACZ signatures (P-384): any key will do, the
	// same one gives the same bytes.
	Key *ecdsa.PrivateKey
	// Printer makes the PDFs; nil: HTML only, which the README says.
	Printer Printer
	// Commit puts an exported event of each capture into the log, with this
	// digest as its detail "contents", and gives them with their proofs. nil:
	// the package says of its list of files only what it says itself, and
	// Verify gives NOT-CHECKED.
	Commit func(ctx context.Context, contents capture.Digest) (map[capture.ID]Event, error)
}

// Case is what the captures belong to.
type Case struct {
	ID, Name, Note string
	Created        time.Time
	CreatedBy      string
	Events         []Event
}

// Capture is one capture and what proves it.
type Capture struct {
	ID       capture.ID
	Manifest []byte
	// Open reads an artifact as it is kept.
	Open func(ctx context.Context, a manifest.Artifact) Source
	// Whole reads the WARC with every reference to another capture made whole
	// (the same bytes each time). It is derived, and is used only where the WARC
	// as it is kept has such references; nil: a capture that has is refused.
	Whole Source
	// Proof is the .tlog-proof of the captured event against the first stamped
	// checkpoint over it.
	Proof  []byte
	Stamps []Stamp
	After  *After // the manifest's lower bound in time; nil when it has none
	Events []Event
	// Original is set for a redaction, and for nothing else.
	Original *Original
	// Reading is what was read from the page. It is derived, and marked so.
	Reading Reading
	Locked  time.Time // end of the retention
	Held    bool      // under legal hold
	// Others are captures of the same listing, by time, this one included; none
	// or one: nothing to compare.
	Others []Other
}

// Stamp is one RFC 3161 time stamp.
type Stamp struct {
	Name                   string
	Query, Response, Chain []byte // .tsq, .tsr, .pem
	// Revocation is what was kept about the certificates (.rev); nil: nothing.
	Revocation []byte
}

// After is the stamped checkpoint that a visit named as known.
type After struct {
	Checkpoint []byte
	Stamp      Stamp
}

// Event is a custody event with its proof.
type Event struct {
	Doc, Proof []byte
}

// Reading is derived from a page.
type Reading struct{ Title, Price, Currency, Seller string }

// Other is another capture of a listing.
type Other struct {
	ID       capture.ID
	Started  time.Time
	Outcome  capture.Outcome
	Reading  Reading
	Manifest capture.Digest
}

// Log is the custody log.
type Log struct {
	Origin    string
	Keys      []string // verifier keys, newest first
	Rotations []Event
	// Consistency are proofs that lead from each checkpoint in the package to
	// the next larger one, by size.
	Consistency []Consistency
}

// Consistency is a proof that the log of one size was extended to another.
type Consistency struct {
	From, To int64
	Proof    []byte
}

// System describes what made the captures and the package.
type System struct {
	Software string // of the exporter
	Operator string
	// Configuration is the one in force, as text, secrets hidden.
	Configuration string
	TSAs          []string // who stamps: names and subjects
	Notes         []string // incidents, deviations
	// Clock is what other clocks said of the machines' clocks around the time of
	// the captures, a line each.
	Clock []string
	// Verifier is the stand-alone verifier, which goes along as it is; nil: none.
	Verifier []byte
}

// FileName is what the package should be called.
func (in Input) FileName() string {
	if in.Case != nil {
		return "case-" + in.Case.ID + ".zip"
	}
	return "captures-" + in.Export.String() + ".zip"
}

// check says what is missing.
func (in Input) check() error {
	switch {
	case len(in.Captures) == 0:
		return errors.New("a package needs at least one capture")
	case in.Export.IsZero() || in.At.IsZero() || in.By == "":
		return errors.New("a package needs an export id, a time and who exports")
	case in.Key == nil || in.Key.Curve != elliptic.P384():
		return errors.New("a package needs a P-384 key for the anonymous WACZ signatures")
	case in.Log.Origin == "" || len(in.Log.Keys) == 0:
		return errors.New("a package needs the name and the public keys of the log")
	}
	seen := map[capture.ID]bool{}
	for _, c := range in.Captures {
		if c.ID.IsZero() || c.Open == nil || seen[c.ID] {
			return fmt.Errorf("capture %s has no id, no files, or is there twice", c.ID)
		}
		seen[c.ID] = true
	}
	return nil
}

// sorted gives the captures in order of their ids, which is that of time.
func (in Input) sorted() []Capture {
	return slices.SortedFunc(slices.Values(in.Captures), func(a, b Capture) int { return slices.Compare(a.ID[:], b.ID[:]) })
}
