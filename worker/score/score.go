package score

import (
	"context"
	"errors"
	"math"
	"sort"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/triage"
)

// ErrUnavailable: the scorer did not answer, or not in a way that can be
// believed. Trying again later can help.
var ErrUnavailable = errors.New("the scorer is not available")

// Request is what a scorer is asked about.
type Request struct {
	Capture    capture.ID        `json:"capture"`
	Watch      capture.ID        `json:"watch"`
	URL        string            `json:"url"`
	Listing    *listing.Listing  `json:"listing,omitempty"`
	Assessment triage.Assessment `json:"assessment"`
}

// Result is what a scorer says.
type Result struct {
	Score   float64  `json:"score"` // 0 to 1
	Reasons []Reason `json:"reasons"`
	Scorer  string   `json:"scorer"` // name and version
}

// Reason is one part of a score.
type Reason struct {
	Name string `json:"name"`
	// Share of the score, -1 to 1.
	Share    float64 `json:"share"`
	Sentence string  `json:"sentence"`
}

// Scorer scores one suspicious listing.
type Scorer interface {
	Score(ctx context.Context, q Request) (Result, error)
}

// Builtin is the explained weighted model: each signal of the assessment
// weighs its points, and the sum, as capped by triage, is the score.
type Builtin struct{}

// builtinVersion rises when the same assessment can give another score.
const builtinVersion = "builtin/1"

// Score implements Scorer. It never fails.
func (Builtin) Score(_ context.Context, q Request) (Result, error) {
	a := q.Assessment
	r := Result{Score: round(a.Points / 100), Scorer: builtinVersion + " " + a.Version, Reasons: []Reason{}}
	var sum float64
	for _, s := range a.Signals {
		sum += s.Points
		r.Reasons = append(r.Reasons, Reason{s.Name, round(s.Points / 100), s.Sentence})
	}
	sort.SliceStable(r.Reasons, func(i, j int) bool { return r.Reasons[i].Share > r.Reasons[j].Share })
	if cut := a.Points - sum; math.Abs(cut) > 1e-9 {
		// Caps and the clamp to 0-100 are a reason too: shares add up.
		why := "the sum is kept between 0 and 100"
		if len(a.Caps) > 0 {
			why = a.Caps[0]
		}
		r.Reasons = append(r.Reasons, Reason{"cap", round(cut / 100), why})
	}
	return r, nil
}

// round keeps six digits, as the ledger does.
func round(f float64) float64 { return math.Round(min(max(f, -1), 1)*1e6) / 1e6 }
