package warc

import (
	"errors"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Info is what the warcinfo record says of the capturing system. Empty fields
// are left out.
type Info struct {
	Software     string // "trawlmark <version> (<commit>)"
	Hostname     string
	Operator     string // who answers for the system, with a contact
	RobotsPolicy string // "obey", or what was done instead
	UserAgent    string // the User-Agent header of the visits
}

// Original is the earlier record that a revisit refers to. All fields are
// mandatory.
type Original struct {
	Record capture.ID
	Target string    // its WARC-Target-URI
	Date   time.Time // its WARC-Date
}

func (o Original) whole() bool { return !o.Record.IsZero() && o.Target != "" && !o.Date.IsZero() }

// Options are what WriteCapture needs besides the capture.
type Options struct {
	Info Info
	// NewID makes the ids of the records that are not exchanges. Mandatory.
	NewID func() capture.ID
	// Dedupe, when set, is asked for every response with a whole, non-empty
	// body whether the same payload is kept already. If so a revisit record is
	// written instead, which has the headers and refers to the original.
	Dedupe func(target string, payload capture.Digest) (Original, bool)
}

func (o Options) validate() error {
	if o.NewID == nil {
		return errors.New("warc: Options.NewID is not set: pass (*capture.IDSource).New")
	}
	return nil
}
