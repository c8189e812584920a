package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/crawler/triage"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// findingsOnPage is how many findings one page of the queue has.
const findingsOnPage = 50

// openStates are the findings that wait for somebody: the queue as it opens.
var openStates = []ledger.FindingState{ledger.New, ledger.InReview, ledger.Escalated}

// queue is which findings are looked at, and in which order. It goes along
// from page to page as a query.
type queue struct {
	State  string `json:"state"` // "open", "all" or one state
	Watch  string `json:"watch,omitempty"`
	Site   string `json:"site,omitempty"`
	Min    string `json:"min_score,omitempty"` // 0 to 100
	Order  string `json:"order"`               // "score" or "newest"
	Cursor string `json:"cursor,omitempty"`

	filter ledger.FindingFilter
}

func readQueue(q url.Values) (queue, error) {
	f := queue{State: q.Get("state"), Watch: q.Get("watch"), Site: clip(strings.TrimSpace(q.Get("site")), 100), Min: q.Get("min"), Order: q.Get("order"), Cursor: q.Get("cursor")}
	if f.State == "" {
		f.State = "open"
	}
	if f.Order != "newest" {
		f.Order = "score"
	}
	f.filter = ledger.FindingFilter{Site: f.Site, Newest: f.Order == "newest", Limit: findingsOnPage, Cursor: f.Cursor}
	switch f.State {
	case "all":
	case "open":
		f.filter.States = openStates
	default:
		st := ledger.FindingState(f.State)
		if !st.Valid() {
			return f, bad(fmt.Sprintf("%q is not a state of a finding.", clip(f.State, 40)))
		}
		f.filter.States = []ledger.FindingState{st}
	}
	if f.Watch != "" {
		id, err := capture.ParseID(f.Watch)
		if err != nil {
			return f, bad("There is no such watch.")
		}
		f.filter.Watch = id
	}
	if f.Min != "" {
		n, err := strconv.ParseFloat(f.Min, 64)
		if err != nil || !(n >= 0 && n <= 100) {
			return f, bad("The least score is a number from 0 to 100.")
		}
		f.filter.MinScore = n / 100
	}
	return f, nil
}

// Query writes the queue as readQueue reads it; only what is not the default.
func (f queue) Query() string {
	q := url.Values{}
	set := func(k, v, usual string) {
		if v != usual {
			q.Set(k, v)
		}
	}
	set("state", f.State, "open")
	set("watch", f.Watch, "")
	set("site", f.Site, "")
	set("min", f.Min, "")
	set("order", f.Order, "score")
	set("cursor", f.Cursor, "")
	return q.Encode()
}

// At is the queue from a page on.
func (f queue) At(cursor string) queue { f.Cursor = cursor; return f }

// row is one finding in the queue.
type row struct {
	ledger.Finding
	Assessment triage.Assessment `json:"assessment"`
	// Picture: there is a screenshot.
	Picture bool `json:"picture"`
	// Link is the finding's page within this queue.
	Link string `json:"-"`
}

func newRow(f ledger.Finding) row {
	r := row{Finding: f, Assessment: assessment(f)}
	slices.SortStableFunc(r.Assessment.Signals, func(a, b triage.Signal) int { return cmp.Compare(b.Points, a.Points) })
	return r
}

// Again: it was scored anew since somebody decided.
func (r row) Again() bool { return !r.DecidedAt.IsZero() && r.ScoredAt.After(r.DecidedAt) }

// Against are the signals that add points.
func (r row) Against() (out []triage.Signal) {
	for _, s := range r.Assessment.Signals {
		if s.Points > 0 {
			out = append(out, s)
		}
	}
	return out
}

// assessment reads the reasons of a finding. A scorer may have written
// something else: then there are none.
func assessment(f ledger.Finding) triage.Assessment {
	var r struct {
		Assessment triage.Assessment `json:"assessment"`
	}
	_ = json.Unmarshal(f.Reasons, &r)
	return r.Assessment
}

// done is what was just decided, so that it can be taken back.
type done struct {
	ID    capture.ID `json:"finding"`
	Title string     `json:"title"`
	State string     `json:"state"`
	Label string     `json:"label"`
	Back  string     `json:"-"`
}

// findingsModel is the queue.
type findingsModel struct {
	Queue    queue                       `json:"queue"`
	Findings []row                       `json:"findings"`
	Next     string                      `json:"next,omitempty"`
	Counts   map[ledger.FindingState]int `json:"counts"`
	Watches  []ledger.Watch              `json:"-"`
	Sites    []string                    `json:"-"`
	Done     *done                       `json:"-"`
	Batch    *batchDone                  `json:"-"`
	Choices  []choice                    `json:"-"`
	States   []tab                       `json:"-"`
}

// tab is one choice of state with how many there are.
type tab struct {
	Name, Text, Query string
	N                 int
	On                bool
}

func (s *Server) findingsPage(ctx context.Context, r *http.Request, who Person) (any, error) {
	f, err := readQueue(r.URL.Query())
	if err != nil {
		return nil, err
	}
	p, err := s.Findings.Findings(ctx, f.filter)
	if err != nil {
		return nil, err
	}
	m := findingsModel{Queue: f, Next: p.Next, Findings: []row{}}
	for _, x := range p.Findings {
		w := newRow(x)
		w.Link = "/findings/" + x.ID.String() + query(f.Query())
		m.Findings = append(m.Findings, w)
	}
	if m.Counts, err = s.Findings.FindingCounts(ctx, f.filter.Watch); err != nil {
		return nil, err
	}
	if isAPI(r) {
		return m, nil
	}
	if err := s.pictures(ctx, m.Findings); err != nil {
		return nil, err
	}
	if m.Watches, err = s.Watches.Watches(ctx); err != nil {
		return nil, err
	}
	m.Sites = sitesOf(m.Watches)
	m.States = f.tabs(m.Counts)
	m.Choices = choices()
	back := "/findings" + query(f.Query())
	if m.Batch, err = s.justDoneMany(ctx, r, who, back); err != nil || m.Batch != nil {
		return m, err
	}
	m.Done, err = s.justDone(ctx, r, back)
	return m, err
}

func (f queue) tabs(counts map[ledger.FindingState]int) []tab {
	n := map[string]int{}
	for st, k := range counts {
		n["all"] += k
		n[string(st)] = k
	}
	for _, st := range openStates {
		n["open"] += n[string(st)]
	}
	var out []tab
	for _, name := range []string{"open", "new", "in_review", "escalated", "confirmed", "dismissed", "resolved", "all"} {
		to := f.At("")
		to.State = name
		out = append(out, tab{Name: name, Text: words(name), Query: query(to.Query()), N: n[name], On: name == f.State})
	}
	return out
}

func sitesOf(watches []ledger.Watch) []string {
	var out []string
	seen := map[string]bool{}
	for _, w := range watches {
		for _, name := range w.Sites {
			if !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	return out
}

// pictures finds out which rows have a screenshot.
func (s *Server) pictures(ctx context.Context, rows []row) error {
	for i := range rows {
		arts, err := s.Index.Artifacts(ctx, rows[i].Capture)
		if err != nil {
			return err
		}
		_, rows[i].Picture = pictureOf(arts)
	}
	return nil
}

// justDone reads which finding was decided a moment ago.
func (s *Server) justDone(ctx context.Context, r *http.Request, back string) (*done, error) {
	id, err := capture.ParseID(r.URL.Query().Get("done"))
	if err != nil {
		return nil, nil
	}
	f, err := s.Findings.Finding(ctx, id)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &done{ID: f.ID, Title: f.Listing.Title, State: string(f.State), Label: f.Label, Back: back}, nil
}

// query is "?" and the query, or nothing.
func query(q string) string {
	if q == "" {
		return ""
	}
	return "?" + q
}

// with adds one value to an address.
func with(address, key, value string) string {
	sep := "?"
	if strings.Contains(address, "?") {
		sep = "&"
	}
	return address + sep + url.Values{key: {value}}.Encode()
}
