package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/sqldb"
)

// Finish writes how a running job was done, in one transaction: its outcome,
// the observation, new jobs for the page's links, a score job if it is
// suspicious, a finding if it scored one. ErrStale: the job has moved on, and
// nothing was written. When it is not known whether a Finish arrived
// (sqldb.ErrUncertain) it is simply called again: the same result is
// recognised by its capture and changes nothing.
func (l *Ledger) Finish(ctx context.Context, f Fence, r Result) (Finished, error) {
	if err := r.Validate(); err != nil {
		return Finished{}, err
	}
	var done Finished
	err := l.tx(ctx, func(t *tx) (err error) {
		done, err = t.finish(ctx, f, r)
		return err
	})
	if err != nil {
		return Finished{}, err
	}
	return done, nil
}

func (t *tx) finish(ctx context.Context, f Fence, r Result) (Finished, error) {
	j, err := t.end(ctx, f, r)
	if errors.Is(err, ErrStale) {
		return t.repeated(ctx, f, r)
	}
	if err != nil {
		return Finished{}, err
	}
	var done Finished
	row, err := t.holdFire(ctx, j)
	if err != nil {
		return done, err
	}
	if r.Observation != nil {
		if done.Listing, done.New, err = t.observe(ctx, j, r); err != nil {
			return done, err
		}
	}
	p, err := t.plan(ctx, row, j, r.Follow)
	if err != nil {
		return done, err
	}
	p.refused.merge(r.Refused)
	if row != nil {
		row.refused.merge(r.Refused)
	}
	done.Planned, done.Known, done.Dropped = len(p.jobs), p.known, p.refused.Total()
	if r.Suspicious {
		if err := t.planScore(ctx, row, j, r, &done); err != nil {
			return done, err
		}
	}
	if r.Finding != nil {
		if done.Finding, err = t.find(ctx, scoredBy(j, *r.Finding)); err != nil {
			return done, err
		}
	}
	if row != nil {
		row.open--
	}
	return done, t.saveFire(ctx, row)
}

// end marks the job done, if the fence is its.
func (t *tx) end(ctx context.Context, f Fence, r Result) (Job, error) {
	j, err := one(scanJob, t.QueryRowContext(ctx, `UPDATE jobs SET state = 'done', lease_until = 0, outcome = $3, capture_id = $4,
		manifest = $5, error = $6, finished_at = $7, updated_at = $7 WHERE id = $1 AND epoch = $2 AND state = 'running'
		RETURNING `+jobColumns, idText(f.Job), f.Epoch, string(r.Outcome), idText(r.Capture), digestText(r.Manifest),
		shown(r.Note), sqldb.Micros(t.now)))
	if err != nil {
		return j, stale(err)
	}
	if j.Kind == Visit && r.Outcome == "" {
		return j, fmt.Errorf("%w: a visit ends in an outcome", ErrInvalid)
	}
	t.moveJob(j, Running, Done)
	if j.Kind == Visit {
		t.countOutcome(j)
	}
	return j, t.noteAttempt(ctx, j, string(Done))
}

func (t *tx) repeated(ctx context.Context, f Fence, r Result) (Finished, error) {
	var capture, outcome string
	err := t.QueryRowContext(ctx, `SELECT capture_id, outcome FROM jobs WHERE id = $1 AND epoch = $2 AND state = 'done'`,
		idText(f.Job), f.Epoch).Scan(&capture, &outcome)
	if err != nil || capture != idText(r.Capture) || outcome != string(r.Outcome) {
		return Finished{}, stale(notFound(err))
	}
	return Finished{Repeated: true}, nil
}

func (t *tx) planScore(ctx context.Context, row *fire, j Job, r Result, done *Finished) error {
	w := Work{
		Kind: Score, Priority: j.Priority, AskedBy: j.AskedBy, Site: r.Observation.Site, ItemID: r.Observation.ItemID,
		Canonical: r.Observation.Canonical, Listing: done.Listing, Subject: r.Capture,
	}
	p, err := t.plan(ctx, row, j, []Work{w})
	if err != nil {
		return err
	}
	if len(p.jobs) == 1 {
		done.ScoreJob = p.jobs[0]
		done.Planned++
	}
	return nil
}

// scoredBy fills in what the score job knows better than the scorer.
func scoredBy(j Job, s Scored) Scored {
	if !j.Listing.IsZero() {
		s.Listing, s.Capture, s.Watch = j.Listing, j.Subject, j.Watch
	}
	return s
}

// observe writes the observation, brings its listing up to date, and gives the
// listing's id and whether it is new.
func (t *tx) observe(ctx context.Context, j Job, r Result) (capture.ID, bool, error) {
	o := *r.Observation
	o.Capture, o.Manifest, o.Outcome, o.Watch, o.Job = r.Capture, r.Manifest, r.Outcome, j.Watch, j.ID
	if o.At.IsZero() {
		o.At = t.now
	}
	li, isNew, err := t.holdListing(ctx, o)
	if err != nil {
		return capture.ID{}, false, err
	}
	n, err := t.exec(ctx, `INSERT INTO observations (`+observationColumns+`) VALUES (`+placeholders(1, observationColumnCount)+`)
		ON CONFLICT (listing_id, capture_id) DO NOTHING`, idText(li.ID), idText(o.Capture), sqldb.Micros(o.At), idText(o.Watch),
		idText(o.Job), string(o.Outcome), digestText(o.Manifest), shown(o.Title), sqldb.Text(o.Amount), sqldb.Text(o.Currency),
		shown(o.Seller), sqldb.Text(o.SellerID), sqldb.Text(o.ETag), sqldb.Text(o.LastModified), sqldb.Text(o.Fingerprint),
		rawText(o.Signals), rawText(o.Data))
	if err != nil || n == 0 {
		return li.ID, false, err
	}
	return li.ID, isNew, t.look(ctx, li, o)
}

func notFound(err error) error {
	if isNoRows(err) {
		return ErrNotFound
	}
	if err == nil {
		return ErrStale // another result is there
	}
	return err
}
