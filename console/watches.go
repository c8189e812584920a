package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// watchRow is a watch with how it goes.
type watchRow struct {
	ledger.Watch
	Fires    []ledger.Fired              `json:"fires"`
	Findings map[ledger.FindingState]int `json:"findings"`
}

// Last is the newest fire; the zero Fired when there was none.
func (w watchRow) Last() ledger.Fired {
	if len(w.Fires) == 0 {
		return ledger.Fired{}
	}
	return w.Fires[0]
}

// Open is how many findings wait for somebody.
func (w watchRow) Open() (n int) {
	for _, st := range openStates {
		n += w.Findings[st]
	}
	return n
}

// BrandName reads the brand's name out of its profile.
func (w watchRow) BrandName() string {
	var b struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(w.Brand, &b)
	return b.Name
}

type watchesModel struct {
	Watches []watchRow `json:"watches"`
	Said    string     `json:"-"`
}

func (s *Server) watchesPage(ctx context.Context, r *http.Request, _ Person) (any, error) {
	all, err := s.Watches.Watches(ctx)
	if err != nil {
		return nil, err
	}
	m := watchesModel{Watches: []watchRow{}, Said: said(r)}
	for _, w := range all {
		row, err := s.watchRow(ctx, w, 1)
		if err != nil {
			return nil, err
		}
		m.Watches = append(m.Watches, row)
	}
	return m, nil
}

func (s *Server) watchRow(ctx context.Context, w ledger.Watch, fires int) (row watchRow, err error) {
	row.Watch = w
	if row.Fires, err = s.Watches.Fires(ctx, w.ID, fires); err != nil {
		return row, err
	}
	row.Findings, err = s.Findings.FindingCounts(ctx, w.ID)
	return row, err
}

type watchModel struct {
	Watch    watchRow                `json:"watch"`
	Jobs     ledger.Counts           `json:"jobs"`
	Outcomes map[capture.Outcome]int `json:"outcomes"`
	Said     string                  `json:"-"`
	JobTable jobTable                `json:"-"`
	OutTable []outcomeRow            `json:"-"`
}

func (s *Server) watchPage(ctx context.Context, r *http.Request, _ Person) (any, error) {
	id, err := s.pathID(r)
	if err != nil {
		return nil, err
	}
	w, err := s.Watches.Watch(ctx, id)
	if err != nil {
		return nil, err
	}
	m := watchModel{Said: said(r)}
	if m.Watch, err = s.watchRow(ctx, w, 20); err != nil {
		return nil, err
	}
	if m.Jobs, err = s.Work.Counts(ctx, id); err != nil {
		return nil, err
	}
	m.Outcomes, err = s.Work.OutcomeCounts(ctx, id)
	m.JobTable, m.OutTable = tableOf(m.Jobs), outcomeRows(m.Outcomes)
	return m, err
}

// said is what an action answers, from a closed set: an address cannot make
// the console say something else.
func said(r *http.Request) string {
	return map[string]string{
		"pause": "The watch is paused. Jobs that were planned go on.", "resume": "The watch fires again by its schedule.",
		"add": "The watch was added.", "change": "The watch was changed.",
		"run":        "The watch was fired. Its pages are visited as lanes allow.",
		"lane-pause": "The lane is paused: nothing new is sent to it.", "lane-resume": "The lane is open again.",
		"lane-open": "The penalty of the lane is lifted.",
	}[r.URL.Query().Get("said")]
}

// watchAct pauses, resumes or runs a watch.
func (s *Server) watchAct(ctx context.Context, r *http.Request, in url.Values, who Person) (any, string, error) {
	id, err := s.pathID(r)
	if err != nil {
		return nil, "", err
	}
	w, err := s.Watches.Watch(ctx, id)
	if err != nil {
		return nil, "", err
	}
	verb := r.PathValue("action")
	planned := 0
	switch verb {
	case "pause":
		err = s.Watches.PauseWatch(ctx, id)
	case "resume":
		err = s.Watches.ResumeWatch(ctx, id)
	case "run":
		if s.Fire == nil {
			return nil, "", bad("This console cannot fire watches.")
		}
		planned, err = s.Fire(ctx, w, who.Actor())
	default:
		return nil, "", bad(fmt.Sprintf("%q is nothing that can be done to a watch: want pause, resume or run.", clip(verb, 40)))
	}
	if err != nil && answerTo(err).status == http.StatusInternalServerError && verb == "run" {
		err = badRequest{sentence("The watch could not be fired: " + err.Error())} // a site or term that is wrong: its own words help
	}
	if err != nil {
		return nil, "", err
	}
	s.Log.Info("a watch was changed", "watch", w.Name, "action", verb, "by", who.Actor())
	if w, err = s.Watches.Watch(ctx, id); err != nil {
		return nil, "", err
	}
	next := "/watches"
	if in.Get("from") == "watch" {
		next += "/" + id.String()
	}
	return map[string]any{"watch": w, "planned": planned}, with(next, "said", verb), nil
}
