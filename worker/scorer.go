package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/triage"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/score"
	"github.com/trawlmark/trawlmark/worker/task"
)

// Scorer does score jobs: a suspicious observation becomes a finding.
type Scorer struct {
	cfg    Config
	ledger *ledger.Ledger
	scorer score.Scorer
	log    *slog.Logger
}

// NewScorer makes a Scorer.
func NewScorer(cfg Config, l *ledger.Ledger, s score.Scorer, log *slog.Logger) (*Scorer, error) {
	if cfg.Name == "" {
		return nil, errors.New("worker: Name must say which worker this is")
	}
	return &Scorer{cfg.withDefaults(), l, s, log}, nil
}

// Handle does the job that a ticket names.
func (s *Scorer) Handle(ctx context.Context, t task.Ticket) error {
	job, err := s.ledger.Claim(ctx, ledger.Fence{Job: t.Job, Epoch: t.Epoch}, s.cfg.Name, s.cfg.Lease)
	if errors.Is(err, ledger.ErrStale) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("job %s could not be claimed: %w", t.Job, err)
	}
	ctx = onTrail(ctx, job)
	if ok, err := mine(ctx, s.ledger, s.log, job, ledger.Score); !ok {
		return err
	}
	lctx, release := holdLease(ctx, s.ledger, job.Fence(), s.cfg.Lease, s.cfg.Heartbeat, s.log)
	defer release()
	err = s.score(lctx, job)
	after := context.WithoutCancel(ctx)
	switch {
	case err == nil, errors.Is(err, ledger.ErrStale), errors.Is(context.Cause(lctx), ErrLeaseLost):
		return nil
	case ctx.Err() != nil:
		return s.ledger.Release(after, job.Fence(), noTime, "the worker was told to stop")
	}
	class := ledger.Internal
	if errors.Is(err, score.ErrUnavailable) {
		class = ledger.Scorer
	}
	s.log.WarnContext(ctx, "a listing could not be scored", "error", err)
	_, err = s.ledger.Retry(after, job.Fence(), ledger.Failure{Class: class, Text: err.Error()})
	return err
}

func (s *Scorer) score(ctx context.Context, job ledger.Job) error {
	obs, err := s.ledger.Observation(ctx, job.Listing, job.Subject)
	if err != nil {
		return err
	}
	q := score.Request{Capture: job.Subject, Watch: job.Watch, URL: obs.URL}
	if err := json.Unmarshal(obs.Signals, &q.Assessment); err != nil {
		return fmt.Errorf("the triage of listing %s cannot be read: %w", job.Listing, err)
	}
	if len(obs.Data) > 0 {
		q.Listing = new(listing.Listing)
		if err := json.Unmarshal(obs.Data, q.Listing); err != nil {
			return fmt.Errorf("listing %s cannot be read: %w", job.Listing, err)
		}
	}
	got, err := s.scorer.Score(ctx, q)
	if err != nil {
		return err
	}
	reasons, err := json.Marshal(struct {
		Assessment triage.Assessment `json:"assessment"`
		Reasons    []score.Reason    `json:"reasons"`
	}{q.Assessment, got.Reasons})
	if err != nil {
		return err
	}
	s.log.DebugContext(ctx, "scored", "score", got.Score, "scorer", got.Scorer)
	_, err = s.ledger.Finish(ctx, job.Fence(), ledger.Result{Finding: &ledger.Scored{Score: got.Score, Reasons: reasons, Scorer: got.Scorer, Manifest: obs.Manifest}})
	return err
}
