package ledger

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Watch is what a brand asks for: where to look for what, and when.
type Watch struct {
	ID   capture.ID `json:"id"`
	Name string     `json:"name"` // unique among those not removed, up to 200 bytes
	// Brand is the brand profile, JSON, not read here.
	Brand json.RawMessage `json:"brand,omitempty"`
	Sites []string        `json:"sites"`
	Terms []string        `json:"terms"`
	Seeds []string        `json:"seeds"` // URLs to start at, besides the searches
	// Schedule says when it fires; the zero Schedule is only on demand.
	Schedule Schedule     `json:"schedule"`
	Missed   MissedPolicy `json:"missed"` // CatchUp when empty
	// Jitter is how much later than its schedule says it may fire. DefaultJitter
	// when empty.
	Jitter Jitter `json:"jitter"`
	// The budget of one fire: search pages, listings, and how many links away
	// from a seed. Defaults 50, 2,000 and 3.
	MaxPages    int `json:"max_pages"`
	MaxListings int `json:"max_listings"`
	Depth       int `json:"depth"`
	// Rules say which links are followed; the zero Rules follow all.
	Rules Rules `json:"rules"`
	// Retention says how long its captures are locked.
	Retention Retention `json:"retention,omitzero"`
	// Priority of its jobs: higher goes first. -100 to 100.
	Priority  int    `json:"priority"`
	CreatedBy string `json:"created_by"`

	// Kept by the ledger.
	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`
	Paused   bool      `json:"paused"`
	Removed  bool      `json:"removed,omitempty"`
	NextFire time.Time `json:"next_fire"` // zero: only on demand
	// NextScheduled is what the schedule says of NextFire, which is up to the
	// jitter later.
	NextScheduled time.Time `json:"next_scheduled,omitzero"`
	LastFire      time.Time `json:"last_fire"`
}

// MissedPolicy says what becomes of fires that nobody was there for.
type MissedPolicy string

// The policies.
const (
	// CatchUp fires once, late, for all that were missed.
	CatchUp MissedPolicy = "catch_up"
	// Skip waits for the next time.
	Skip MissedPolicy = "skip"
)

// Due is a watch whose time has come.
type Due struct {
	Watch  Watch
	FireAt time.Time
	// Skip: it is later than the grace and the watch's policy says not to
	// catch up. Call SkipFire instead of Fire.
	Skip bool
}

// Fired is one time a watch fired.
type Fired struct {
	Watch capture.ID `json:"watch"`
	At    time.Time  `json:"at"`
	// Scheduled is what the schedule said; zero when a person asked.
	Scheduled time.Time `json:"scheduled,omitzero"`
	Planned   time.Time `json:"planned"`
	Finished  time.Time `json:"finished"` // zero while jobs are open
	Skipped   bool      `json:"skipped,omitempty"`
	Jobs      int       `json:"jobs"`
	Open      int       `json:"open"`
	Pages     int       `json:"pages"`
	Listings  int       `json:"listings"`
	// Dropped counts links that were not followed, and Refused says why: a limit
	// of the watch was reached, its rules exclude them, they look like traps.
	Dropped int     `json:"dropped"`
	Refused Refused `json:"refused,omitempty"`
}

func (w *Watch) defaults() {
	if w.Missed == "" {
		w.Missed = CatchUp
	}
	switch w.Jitter = Jitter(strings.TrimSpace(string(w.Jitter))); w.Jitter {
	case "":
		w.Jitter = DefaultJitter
	case "0":
		w.Jitter = "0s"
	}
	if w.MaxPages == 0 {
		w.MaxPages = 50
	}
	if w.MaxListings == 0 {
		w.MaxListings = 2000
	}
	if w.Depth == 0 {
		w.Depth = 3
	}
}

// Validate reports the first field that makes no sense.
func (w Watch) Validate() error {
	w.defaults()
	switch {
	case w.Name == "" || len(w.Name) > 200:
		return fmt.Errorf("%w: the watch's name must have 1 to 200 bytes", ErrInvalid)
	case w.Missed != CatchUp && w.Missed != Skip:
		return fmt.Errorf("%w: missed is %q, want catch_up or skip", ErrInvalid, w.Missed)
	case w.MaxPages < 0 || w.MaxListings < 0 || w.Depth < 0:
		return fmt.Errorf("%w: max_pages, max_listings and depth must not be negative", ErrInvalid)
	case w.Priority < -100 || w.Priority > 100:
		return fmt.Errorf("%w: priority is %d, want -100 to 100", ErrInvalid, w.Priority)
	case len(w.Brand) > 1<<20 || len(w.Brand) > 0 && !json.Valid(w.Brand):
		return fmt.Errorf("%w: brand must be JSON of at most 1 MiB", ErrInvalid)
	case len(w.Sites)+len(w.Terms)+len(w.Seeds) > 10000:
		return fmt.Errorf("%w: more than 10,000 sites, terms and seeds in one watch", ErrInvalid)
	}
	if err := w.Rules.validate(); err != nil {
		return err
	}
	if err := w.Retention.validate(); err != nil {
		return err
	}
	if _, _, err := w.Jitter.parse(); err != nil {
		return err
	}
	return w.Schedule.Validate()
}
