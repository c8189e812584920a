package console

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// laneRow is a lane with what goes on in it.
type laneRow struct {
	ledger.Lane
	InFlight int  `json:"in_flight"`
	Ready    bool `json:"ready"` // it has work to hand out
	IsClosed bool `json:"closed"`
}

// WasLifted: the reason says who lifted a penalty, not why there was one.
func (l laneRow) WasLifted() bool { return strings.HasPrefix(l.Reason, "opened by ") }

// jobTable is jobs by kind and state.
type jobTable struct {
	States []ledger.State
	Rows   []jobRow
}

type jobRow struct {
	Kind ledger.Kind
	N    []int
}

var allStates = []ledger.State{ledger.Planned, ledger.Dispatched, ledger.Running, ledger.Done, ledger.Failed, ledger.Cancelled, ledger.Quarantined}

func tableOf(c ledger.Counts) jobTable {
	t := jobTable{States: allStates}
	for _, k := range []ledger.Kind{ledger.Visit, ledger.Score, ledger.Export} {
		row := jobRow{Kind: k}
		sum := 0
		for _, st := range allStates {
			row.N = append(row.N, c[k][st])
			sum += c[k][st]
		}
		if sum > 0 {
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

// outcomeRow is one outcome with how often it came.
type outcomeRow struct {
	Outcome capture.Outcome
	N       int
	Permil  int // of all
	Kind    string
}

func outcomeRows(m map[capture.Outcome]int) []outcomeRow {
	sum := 0
	for _, n := range m {
		sum += n
	}
	var out []outcomeRow
	for o, n := range m {
		out = append(out, outcomeRow{o, n, n * 1000 / max(1, sum), outcomeKind(o)})
	}
	slices.SortFunc(out, func(a, b outcomeRow) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Outcome, b.Outcome)) })
	return out
}

// outcomeKind is how an outcome looks.
func outcomeKind(o capture.Outcome) string {
	switch o.Class() {
	case capture.Seen:
		return "good"
	case capture.Gone:
		return "wait"
	case capture.Refused:
		return "warn"
	}
	return "bad"
}

// sealState is how far behind the stamped log is.
type sealState struct {
	Log       string    `json:"log"`
	Size      int64     `json:"size"` // leaves under the newest stamp
	StampedAt time.Time `json:"stamped_at,omitzero"`
	Lag       string    `json:"lag,omitempty"`
	Late      bool      `json:"late"` // longer than two minutes
}

// spoolState is what waits for storage in this process.
type spoolState struct {
	Used  int64 `json:"used"`
	Limit int64 `json:"limit"`
}

type statusModel struct {
	Build    string                  `json:"build"`
	Jobs     ledger.Counts           `json:"jobs"`
	Outcomes map[capture.Outcome]int `json:"outcomes"`
	Lanes    []laneRow               `json:"lanes"`
	Seal     sealState               `json:"seal"`
	Spool    *spoolState             `json:"spool,omitempty"`
	Captures int64                   `json:"captures"`
	Bytes    int64                   `json:"bytes"`
	Trouble  []ledger.Job            `json:"trouble"`

	Said     string       `json:"-"`
	JobTable jobTable     `json:"-"`
	OutTable []outcomeRow `json:"-"`
}

// lateSeal is how old the newest stamp may be (DESIGN: captures lie between
// stamps at most 120 s apart).
const lateSeal = 2 * time.Minute

func (s *Server) statusPage(ctx context.Context, r *http.Request, _ Person) (any, error) {
	m := statusModel{Build: s.cfg.Build, Said: said(r), Trouble: []ledger.Job{}}
	var err error
	if m.Jobs, err = s.Work.Counts(ctx, capture.ID{}); err != nil {
		return nil, err
	}
	if m.Outcomes, err = s.Work.OutcomeCounts(ctx, capture.ID{}); err != nil {
		return nil, err
	}
	for _, st := range []ledger.State{ledger.Quarantined, ledger.Failed} {
		jobs, err := s.Work.Jobs(ctx, ledger.JobFilter{State: st, Limit: 10})
		if err != nil {
			return nil, err
		}
		m.Trouble = append(m.Trouble, jobs...)
	}
	if m.Lanes, err = s.lanes(ctx); err != nil {
		return nil, err
	}
	counts, err := s.Index.Counts(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range counts {
		m.Captures += c.N
		m.Bytes += c.Bytes
	}
	m.Seal = s.seal(ctx)
	if s.Backlog != nil {
		used, limit := s.Backlog()
		m.Spool = &spoolState{used, limit}
	}
	m.JobTable, m.OutTable = tableOf(m.Jobs), outcomeRows(m.Outcomes)
	return m, nil
}

func (s *Server) seal(ctx context.Context) sealState {
	st := sealState{Log: s.Custody.Origin(), Late: true}
	if a := s.Times.Anchor(ctx); a != nil {
		lag := s.Now().Sub(a.StampedAt)
		st.Size, st.StampedAt, st.Late, st.Lag = a.Size, a.StampedAt, lag > lateSeal, span(lag)
	}
	return st
}

// lanes gathers the lanes that were ever closed or paused, and those at work.
func (s *Server) lanes(ctx context.Context) ([]laneRow, error) {
	known, err := s.Lanes.Lanes(ctx)
	if err != nil {
		return nil, err
	}
	ready, err := s.Lanes.ReadyLanes(ctx, s.Now())
	if err != nil {
		return nil, err
	}
	flying, err := s.Lanes.InFlight(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]laneRow{}
	for _, l := range known {
		all[l.Name] = laneRow{Lane: l, IsClosed: l.ClosedUntil.After(s.Now())}
	}
	for _, name := range ready {
		l := all[name]
		l.Name, l.Ready = name, true
		all[name] = l
	}
	for name, n := range flying {
		l := all[name]
		l.Name, l.InFlight = name, n
		all[name] = l
	}
	delete(all, "") // work that visits nobody
	out := []laneRow{}
	for _, l := range all {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b laneRow) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// laneAct pauses or resumes a lane, or lifts its penalty.
func (s *Server) laneAct(ctx context.Context, _ *http.Request, in url.Values, who Person) (any, string, error) {
	name, verb := in.Get("lane"), in.Get("action")
	var err error
	switch verb {
	case "pause":
		err = s.Lanes.PauseLane(ctx, name, who.Actor())
	case "resume":
		err = s.Lanes.ResumeLane(ctx, name, who.Actor())
	case "open":
		err = s.Lanes.OpenLane(ctx, name, who.Actor())
	default:
		err = bad(fmt.Sprintf("%q is nothing that can be done to a lane: want pause, resume or open.", clip(verb, 40)))
	}
	if err != nil {
		return nil, "", err
	}
	s.Log.Info("a lane was changed", "lane", visible(name), "action", verb, "by", who.Actor())
	return map[string]any{"lane": name, "action": verb}, "/status?said=lane-" + verb + "#lanes", nil
}
