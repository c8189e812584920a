package main

import (
	"context"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/cmd/internal/traces"
	"github.com/trawlmark/trawlmark/configs"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/score"
)

// openTraces begins to send spans where the standard variables name a
// collector.
func (a *app) openTraces() error {
	cfg, err := traces.FromEnv(a.s.getenv)
	if err != nil {
		return &configs.KeyError{Text: err.Error()}
	}
	a.meters.traces = traces.New(cfg, a.log)
	a.onClose(func() error {
		ctx, cancel := timeout(5 * time.Second)
		defer cancel()
		a.meters.traces.Close(ctx)
		return nil
	})
	return nil
}

// span tells of one piece of work for a capture. The ids are those of the log's
// lines.
func (m *meters) span(ctx context.Context, of capture.ID, name string, began time.Time, err error, more ...string) {
	if m.traces == nil {
		return
	}
	job, known, watch := worker.Job(ctx)
	if of.IsZero() {
		of = known
	}
	s := traces.Span{Trace: of, Name: name, Root: name == traces.RootName, Start: began, End: time.Now(), Attributes: map[string]string{}}
	for _, x := range []struct {
		key string
		id  capture.ID
	}{{"trawlmark.job", job}, {"trawlmark.capture", of}, {"trawlmark.watch", watch}} {
		if !x.id.IsZero() {
			s.Attributes[x.key] = x.id.String()
		}
	}
	for i := 0; i+1 < len(more); i += 2 {
		s.Attributes[more[i]] = more[i+1]
	}
	if err != nil {
		s.Error = err.Error()
	}
	m.traces.End(s)
}

// meteredScorer tells how long scores take.
type meteredScorer struct {
	score.Scorer
	m *meters
}

func (s meteredScorer) Score(ctx context.Context, q score.Request) (score.Result, error) {
	began := time.Now()
	r, err := s.Scorer.Score(ctx, q)
	s.m.span(ctx, q.Capture, "score", began, err, "trawlmark.scorer", r.Scorer)
	return r, err
}
