package export

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/trawlmark/trawlmark/archive/bundle"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/seal"
	"github.com/trawlmark/trawlmark/archive/vault"
)

// Catalog is what is needed of *catalog.Catalog.
type Catalog interface {
	Get(ctx context.Context, id capture.ID) (catalog.Entry, error)
	Search(ctx context.Context, q catalog.Query) (catalog.Page, error)
	Case(ctx context.Context, id string) (catalog.Case, error)
	Original(ctx context.Context, id capture.ID) (capture.ID, error)
	Originals(ctx context.Context, ids []capture.ID) (map[capture.ID]capture.ID, error)
	Redactions(ctx context.Context, original capture.ID) ([]capture.ID, error)
}

// Log is what is needed of *custody.Log.
type Log interface {
	Origin() string
	Append(ctx context.Context, e custody.Event, keep custody.Keep) (custody.Receipt, error)
	Find(ctx context.Context, id capture.ID) (custody.Row, error)
	About(ctx context.Context, s custody.Subject) ([]custody.Row, error)
	Event(ctx context.Context, id capture.ID) (custody.Event, []byte, error)
	Proof(ctx context.Context, id capture.ID) ([]byte, error)
	ProofAt(ctx context.Context, index, size int64) ([]byte, error)
	Consistency(ctx context.Context, from, to int64) ([]byte, error)
}

// Stamps finds what a capture's seal rests on: *seal.Sealer.
type Stamps interface {
	Covering(ctx context.Context, index int64) (seal.Sealed, error)
	Revocation(ctx context.Context, st seal.Stamp) (seal.Kept, error)
	Renewals(ctx context.Context, size int64) ([]seal.Renewal, error)
	Clocks(ctx context.Context, from, to time.Time, limit int) ([]seal.Reading, error)
}

// Exporter makes packages. Safe for concurrent use.
type Exporter struct {
	Catalog Catalog
	Vault   vault.Vault
	Log     Log
	Stamps  Stamps
	// Whole writes the WARC of a capture that refers to others with everything
	// in it: (*archive.Archive).WriteWhole, with a folder for temporary files.
	Whole func(ctx context.Context, id capture.ID, w io.Writer) error
	// Seal makes a stamped checkpoint of what waits. An error of the
	// authorities (seal.ErrTooFew) is a warning, any other stops the export.
	Seal func(ctx context.Context) error
	// Keys are the log's verifier keys, newest first.
	Keys    []string
	System  bundle.System
	Key     *ecdsa.PrivateKey // of the anonymous WACZ signatures, P-384
	Printer bundle.Printer    // nil: no PDFs
	IDs     *capture.IDSource
	Now     func() time.Time
	// Patience is how long to wait for another sequencer. Default 1 minute.
	Patience time.Duration
}

// Request says what is handed over, by whom, to whom, and why.
type Request struct {
	Case     string       // all captures of the case; or
	Captures []capture.ID // these
	By       string       // a custody actor
	Purpose  string
	To       string
	// Redacted hands over the newest redaction of each capture in its place. A
	// capture without one is refused, or handed over whole with RestWhole.
	Redacted, RestWhole bool
	// Verifier goes along as verify/trawlmark-verify; nil: none does.
	Verifier []byte
	// Dry looks only: nothing goes on record, and the package says so.
	Dry bool
}

// Summary is what was handed over.
type Summary struct {
	bundle.Summary
	Export   capture.ID `json:"export"`
	Warnings []string   `json:"warnings,omitempty"`
}

// Export writes a package. When it fails nobody was given a package, but it may
// be on record that somebody was about to.
func (x *Exporter) Export(ctx context.Context, w io.Writer, q Request) (Summary, error) {
	g := &gathering{Exporter: x}
	in, err := g.input(ctx, q)
	if err != nil {
		return Summary{}, err
	}
	if !q.Dry {
		in.Commit = g.commit(in)
	}
	s := Summary{Export: in.Export}
	s.Summary, err = bundle.Write(ctx, w, in)
	s.Warnings = g.warnings
	if err != nil || q.Dry {
		return s, err
	}
	return s, x.written(ctx, in, s.Summary)
}

// details of every event of an export.
func details(in bundle.Input, contents capture.Digest) map[string]string {
	d := map[string]string{"contents": contents.String(), "format": bundle.Format, "export": in.Export.String()}
	if in.Case != nil {
		d["case"] = in.Case.ID
	}
	if in.Purpose != "" {
		d["purpose"] = in.Purpose
	}
	if in.To != "" {
		d["recipient"] = in.To
	}
	return d
}

// commit records the export of each capture, and waits for the proofs.
func (g *gathering) commit(in bundle.Input) func(context.Context, capture.Digest) (map[capture.ID]bundle.Event, error) {
	return func(ctx context.Context, contents capture.Digest) (map[capture.ID]bundle.Event, error) {
		ids := map[capture.ID]capture.ID{}
		for _, c := range in.Captures {
			r, err := g.Log.Append(ctx, custody.Event{
				Type: custody.Exported, At: g.Now(), Actor: in.By, Subject: custody.Subject{Capture: c.ID}, Details: details(in, contents),
			}, custody.Keep{})
			if err != nil {
				return nil, err
			}
			ids[c.ID] = r.Event.ID
		}
		if err := g.settle(ctx, slices.Collect(maps.Values(ids))); err != nil {
			return nil, err
		}
		out := map[capture.ID]bundle.Event{}
		for c, id := range ids {
			e, err := g.event(ctx, id)
			if err != nil {
				return nil, err
			}
			out[c] = e
		}
		return out, nil
	}
}

// written records the package as it came out.
func (x *Exporter) written(ctx context.Context, in bundle.Input, s bundle.Summary) error {
	subjects := []custody.Subject{}
	if in.Case != nil {
		subjects = append(subjects, custody.Subject{Case: in.Case.ID})
	} else {
		for _, c := range in.Captures {
			subjects = append(subjects, custody.Subject{Capture: c.ID})
		}
	}
	for _, subject := range subjects {
		d := details(in, s.Contents)
		d["package"], d["bytes"] = s.SHA256.String(), fmt.Sprint(s.Size)
		_, err := x.Log.Append(ctx, custody.Event{Type: custody.Exported, At: x.Now(), Actor: in.By, Subject: subject, Details: d}, custody.Keep{})
		if err != nil {
			return fmt.Errorf("it could not be recorded what was handed over, so do not hand it over: %w", err)
		}
	}
	return nil
}

// settle seals until all of these events are in the log.
func (g *gathering) settle(ctx context.Context, ids []capture.ID) error {
	patience := g.Patience
	if patience == 0 {
		patience = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if err := g.Seal(ctx); err != nil {
			if !errors.Is(err, seal.ErrTooFew) {
				return fmt.Errorf("what waits for the log could not be put into it: %w", err)
			}
			g.warn("not every time stamp authority answered: %v", err)
		}
		left := ids[:0:0]
		for _, id := range ids {
			if _, err := g.Log.Proof(ctx, id); errors.Is(err, custody.ErrPending) {
				left = append(left, id)
			} else if err != nil {
				return err
			}
		}
		if ids = left; len(ids) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d events still wait for the log; is another sequencer stuck? %w", len(ids), ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
