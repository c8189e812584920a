package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Kind is what a job does.
type Kind string

// The kinds.
const (
	Visit  Kind = "visit"  // one look at one URL
	Score  Kind = "score"  // one suspicious observation to a finding
	Export Kind = "export" // one package
)

// State is where a job is.
type State string

// The states; the last four are final, though an operator may Reopen three.
const (
	Planned     State = "planned"
	Dispatched  State = "dispatched" // a ticket is in the queue
	Running     State = "running"
	Done        State = "done"
	Failed      State = "failed"
	Cancelled   State = "cancelled"
	Quarantined State = "quarantined" // it kills or breaks what runs it
)

// Final reports whether the job has ended.
func (s State) Final() bool { return s == Done || s == Failed || s == Cancelled || s == Quarantined }

// Work is what a job is to do; it does not change after planning.
type Work struct {
	Kind Kind `json:"kind"`
	// Pool is the queue whose workers can do it: http, browser, score, export.
	// Default: http for a visit, else the kind.
	Pool string `json:"pool"`
	// Lane is what politeness is counted on; "" for work that visits nobody.
	Lane     string    `json:"lane"`
	Priority int       `json:"priority"`
	ReadyAt  time.Time `json:"ready_at"` // not before; zero: now
	AskedBy  string    `json:"asked_by"` // a person, or "schedule"

	Site      string `json:"site,omitempty"`
	URL       string `json:"url,omitempty"`
	Canonical string `json:"canonical,omitempty"`
	PageKind  string `json:"page_kind,omitempty"` // search, listing, seller, other
	ItemID    string `json:"item_id,omitempty"`
	Depth     int    `json:"depth,omitempty"` // links away from a seed
	// Listing and Subject are what a score job scores: the listing, and the
	// capture that shows it.
	Listing capture.ID `json:"listing,omitzero"`
	Subject capture.ID `json:"subject,omitzero"`
	// Spec is more to know, JSON of at most 64 KiB, not read here.
	Spec json.RawMessage `json:"spec,omitempty"`
	// Key makes two works of one fire the same: the second is not planned.
	// Default: kind and canonical URL (or URL). Work that belongs to no watch
	// is the same only if Key is set and equal.
	Key string `json:"key,omitempty"`
}

// Job is one queued piece of work.
type Job struct {
	Work
	ID     capture.ID `json:"id"`
	Watch  capture.ID `json:"watch,omitzero"`
	FireAt time.Time  `json:"fire_at,omitzero"`
	Parent capture.ID `json:"parent,omitzero"` // the job whose page linked here

	State State `json:"state"`
	Epoch int64 `json:"epoch"` // dispatches so far
	// Attempts counts failures by class.
	Attempts   map[Class]int `json:"attempts,omitempty"`
	Dispatched time.Time     `json:"dispatched,omitzero"`
	Started    time.Time     `json:"started,omitzero"`
	LeaseUntil time.Time     `json:"lease_until,omitzero"`
	Worker     string        `json:"worker,omitempty"`

	Outcome  capture.Outcome `json:"outcome,omitempty"`
	Capture  capture.ID      `json:"capture,omitzero"`
	Manifest capture.Digest  `json:"manifest,omitzero"`
	Error    string          `json:"error,omitempty"` // what the last failure said

	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`
	Finished time.Time `json:"finished,omitzero"`
}

// Fence is what a claimant proves its claim with.
type Fence struct {
	Job   capture.ID
	Epoch int64
}

// Fence of the job as it was read.
func (j Job) Fence() Fence { return Fence{j.ID, j.Epoch} }

// Attempt is how one claim of a job ended.
type Attempt struct {
	Epoch    int64           `json:"epoch"`
	Worker   string          `json:"worker"`
	Started  time.Time       `json:"started"`
	Ended    time.Time       `json:"ended"`
	How      string          `json:"how"` // done, released, cancelled, or a failure class
	Outcome  capture.Outcome `json:"outcome,omitempty"`
	Capture  capture.ID      `json:"capture,omitzero"`
	Manifest capture.Digest  `json:"manifest,omitzero"`
	Error    string          `json:"error,omitempty"`
}

// The limits of what a page can make us store in one row.
const (
	maxURL     = 8 << 10
	maxSpec    = 64 << 10
	maxSignals = 1 << 20
	maxData    = 8 << 20
)

func (w *Work) defaults() {
	if w.Pool == "" {
		w.Pool = string(w.Kind)
		if w.Kind == Visit {
			w.Pool = "http"
		}
	}
}

// Validate reports the first field that makes no sense.
func (w Work) Validate() error {
	switch {
	case w.Kind != Visit && w.Kind != Score && w.Kind != Export:
		return fmt.Errorf("%w: a job's kind is %q, want visit, score or export", ErrInvalid, w.Kind)
	case w.Kind == Visit && w.URL == "":
		return fmt.Errorf("%w: a visit needs a url", ErrInvalid)
	case w.Kind == Visit && w.Lane == "":
		return fmt.Errorf("%w: a visit needs a lane", ErrInvalid)
	case w.Kind == Score && (w.Listing.IsZero() || w.Subject.IsZero()):
		return fmt.Errorf("%w: a score job needs a listing and a subject", ErrInvalid)
	case len(w.Lane) > 300 || len(w.Site) > 100 || len(w.Pool) > 50:
		return fmt.Errorf("%w: lane, site or pool of a job is too long", ErrInvalid)
	case len(w.Spec) > maxSpec || len(w.Spec) > 0 && !json.Valid(w.Spec):
		return fmt.Errorf("%w: a job's spec must be JSON of at most 64 KiB", ErrInvalid)
	}
	return nil
}

// tooLong: a page's link that is followed by nobody. It is data, not an error.
func (w Work) tooLong() bool { return len(w.URL) > maxURL || len(w.Canonical) > maxURL }

// dedupe is the key under which the job exists once.
func (w Work) dedupe(id, watch capture.ID, fireAt int64) string {
	key := w.Key
	if key == "" {
		key = string(w.Kind) + " " + w.Canonical
		switch {
		case w.Kind == Score:
			key = "score " + w.Listing.String() + " " + w.Subject.String()
		case watch.IsZero():
			key = "once " + id.String()
		case w.Canonical == "":
			key = string(w.Kind) + " " + w.URL
		}
	}
	sum := sha256.Sum256([]byte(watch.String() + " " + strconv.FormatInt(fireAt, 10) + " " + key))
	return hex.EncodeToString(sum[:])
}
