package console

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
	"github.com/trawlmark/trawlmark/console/session"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// Sessions keeps who is signed in, for any number of consoles.
// *session.Table is one.
type Sessions interface {
	Add(ctx context.Context, k session.Key, s session.Session, unused, begun time.Time) error
	Get(ctx context.Context, k session.Key) (session.Session, bool, error)
	Use(ctx context.Context, k session.Key, at time.Time) error
	End(ctx context.Context, k session.Key) error
	EndAll(ctx context.Context, person string) (int64, error)
}

// Findings is the analysts' queue; *ledger.Ledger.
type Findings interface {
	Findings(ctx context.Context, f ledger.FindingFilter) (ledger.FindingPage, error)
	Finding(ctx context.Context, id capture.ID) (ledger.Finding, error)
	FindingCounts(ctx context.Context, watch capture.ID) (map[ledger.FindingState]int, error)
	Decide(ctx context.Context, id capture.ID, d ledger.Decision) (ledger.Finding, error)
	Decisions(ctx context.Context, id capture.ID) ([]ledger.Decided, error)
}

// Listings is what was observed over time; *ledger.Ledger.
type Listings interface {
	Observation(ctx context.Context, listing, id capture.ID) (ledger.Observation, error)
	History(ctx context.Context, listing capture.ID, before time.Time, limit int) ([]ledger.Observation, error)
}

// Watches is what is looked for; *ledger.Ledger.
type Watches interface {
	Watches(ctx context.Context) ([]ledger.Watch, error)
	Watch(ctx context.Context, id capture.ID) (ledger.Watch, error)
	Fires(ctx context.Context, watch capture.ID, limit int) ([]ledger.Fired, error)
	AddWatch(ctx context.Context, w ledger.Watch) (ledger.Watch, error)
	ChangeWatch(ctx context.Context, w ledger.Watch) (ledger.Watch, error)
	PauseWatch(ctx context.Context, id capture.ID) error
	ResumeWatch(ctx context.Context, id capture.ID) error
}

// Fire fires a watch now and says how many pages it planned: what knows the
// sites does it.
type Fire func(ctx context.Context, w ledger.Watch, by string) (planned int, err error)

// Work is what is being done; *ledger.Ledger.
type Work interface {
	Counts(ctx context.Context, watch capture.ID) (ledger.Counts, error)
	OutcomeCounts(ctx context.Context, watch capture.ID) (map[capture.Outcome]int, error)
	Jobs(ctx context.Context, f ledger.JobFilter) ([]ledger.Job, error)
}

// Lanes is politeness as operators see it; *ledger.Ledger.
type Lanes interface {
	Lanes(ctx context.Context) ([]ledger.Lane, error)
	ReadyLanes(ctx context.Context, now time.Time) ([]string, error)
	InFlight(ctx context.Context) (map[string]int, error)
	PauseLane(ctx context.Context, lane, by string) error
	ResumeLane(ctx context.Context, lane, by string) error
	OpenLane(ctx context.Context, lane, by string) error
}

// Index is where captures are found; *catalog.Catalog.
type Index interface {
	Search(ctx context.Context, q catalog.Query) (catalog.Page, error)
	Get(ctx context.Context, id capture.ID) (catalog.Entry, error)
	Artifacts(ctx context.Context, id capture.ID) ([]catalog.Artifact, error)
	Counts(ctx context.Context) ([]catalog.Count, error)
	// Original gives what a capture is a redaction of; catalog.ErrNotFound when
	// it is none, Originals the same of many. Redactions gives those of a
	// capture, the oldest first.
	Original(ctx context.Context, id capture.ID) (capture.ID, error)
	Originals(ctx context.Context, ids []capture.ID) (map[capture.ID]capture.ID, error)
	Redactions(ctx context.Context, original capture.ID) ([]capture.ID, error)
}

// CaseIndex is where cases are found; *catalog.Catalog.
type CaseIndex interface {
	Case(ctx context.Context, id string) (catalog.Case, error)
	Cases(ctx context.Context) ([]catalog.Case, error)
}

// Cases keeps captures of one matter together, on record; *archive.Archive.
type Cases interface {
	OpenCase(ctx context.Context, id, name, note, actor string) (catalog.Case, error)
	AddToCase(ctx context.Context, caseID string, id capture.ID, actor string) error
	CloseCase(ctx context.Context, caseID, actor, reason string) error
}

// Package writes the package of a case into a file, on record, and verifies
// it. What does not verify is an error.
type Package func(ctx context.Context, file *os.File, q PackageRequest) (Packaged, error)

// PackageRequest says what is handed over, by whom, to whom, and why.
type PackageRequest struct {
	Case, By, To, Purpose string
	// Redacted hands over the newest redaction of each capture in its place. A
	// capture without one is refused, or handed over whole with RestWhole.
	Redacted, RestWhole bool
}

// Packaged is a package that was made.
type Packaged struct {
	Name     string // for the file
	SHA256   capture.Digest
	Warnings []string
}

// Evidence gives evidence out and leaves a custody event; *archive.Archive.
type Evidence interface {
	Manifest(ctx context.Context, id capture.ID) (*manifest.Manifest, []byte, error)
	Open(ctx context.Context, id capture.ID, role string, tile int, actor string, how custody.Type) (io.ReadCloser, catalog.Artifact, error)
	Note(ctx context.Context, t custody.Type, actor string, s custody.Subject, details map[string]string) error
	Hold(ctx context.Context, id capture.ID, on bool, actor, reason string) error
}

// Custody is who did what with evidence; *custody.Log.
type Custody interface {
	Origin() string
	About(ctx context.Context, s custody.Subject) ([]custody.Row, error)
	Event(ctx context.Context, id capture.ID) (custody.Event, []byte, error)
}

// Times is when a capture was made, as far as it is proved; *archive.Notary.
type Times interface {
	Sealed(ctx context.Context, id capture.ID, after *capture.Anchor) (archive.Sealed, error)
	Anchor(ctx context.Context) *capture.Anchor
}
