package console

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/crawler/listing"
	"github.com/trawlmark/trawlmark/crawler/triage"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// choice is one decision that can be taken with one key.
type choice struct {
	Key   string              `json:"key"`
	Name  string              `json:"name"`
	Text  string              `json:"text"`
	State ledger.FindingState `json:"state"`
	Label string              `json:"label,omitempty"`
	Kind  string              `json:"-"` // how it looks: bad, good, wait
}

// choices is the closed set of decisions. Labels are never removed from it,
// since history has them.
func choices() []choice {
	return []choice{
		{"1", "counterfeit", "Counterfeit", ledger.Confirmed, "counterfeit", "bad"},
		{"2", "trademark", "Trademark misuse", ledger.Confirmed, "trademark", "bad"},
		{"3", "official_photo", "Stolen official photo", ledger.Confirmed, "official_photo", "bad"},
		{"4", "legitimate", "Legitimate", ledger.Dismissed, "legitimate", "good"},
		{"5", "out_of_scope", "Out of scope", ledger.Dismissed, "out_of_scope", "good"},
		{"6", "escalate", "Second opinion", ledger.Escalated, "", "wait"},
		{"7", "review", "I am on it", ledger.InReview, "", "wait"},
		{"8", "resolved", "Resolved: gone", ledger.Resolved, "gone", "wait"},
	}
}

// value is one thing that was read from the page, and where it stood.
type value struct {
	Name       string  `json:"name"`
	Value      string  `json:"value"`
	Raw        string  `json:"raw,omitempty"`
	Source     string  `json:"source"`
	Path       string  `json:"path,omitempty"`
	Confidence float64 `json:"confidence"`
	Why        string  `json:"why,omitempty"`
	Conflict   string  `json:"conflict,omitempty"`
	marks      [][2]int
}

// part of a text: what a signal points at is marked.
type part struct {
	Text string
	Mark bool
}

// Parts cuts the value at what the signals point at.
func (v value) Parts() []part {
	var out []part
	at := 0
	for _, m := range v.marks {
		if m[0] < at || m[1] <= m[0] || m[1] > len(v.Value) {
			continue
		}
		if m[0] > at {
			out = append(out, part{v.Value[at:m[0]], false})
		}
		out = append(out, part{v.Value[m[0]:m[1]], true})
		at = m[1]
	}
	if at < len(v.Value) {
		out = append(out, part{v.Value[at:], false})
	}
	return out
}

// look is one observation in a listing's history, with what changed.
type look struct {
	At       time.Time       `json:"at"`
	Outcome  capture.Outcome `json:"outcome"`
	Capture  capture.ID      `json:"capture"`
	Title    string          `json:"title,omitempty"`
	Amount   string          `json:"amount,omitempty"`
	Currency string          `json:"currency,omitempty"`
	Seller   string          `json:"seller,omitempty"`
	Changed  []string        `json:"changed,omitempty"`
	Here     bool            `json:"-"`
}

// findingModel is the page of one finding.
type findingModel struct {
	Finding   row              `json:"finding"`
	Watch     string           `json:"watch_name,omitempty"`
	Values    []value          `json:"values"`
	Problems  []string         `json:"problems,omitempty"`
	History   []look           `json:"history"`
	Decisions []ledger.Decided `json:"decisions"`
	Choices   []choice         `json:"choices"`

	Entry    catalog.Entry `json:"-"`
	Pictures []picture     `json:"-"`
	Queue    queue         `json:"-"`
	Back     string        `json:"-"` // the queue
	Here     string        `json:"-"` // this page within it
	Prev     string        `json:"-"`
	Next     string        `json:"-"`
	Done     *done         `json:"-"`
	Undo     bool          `json:"-"` // there is a decision that can be taken back
}

// historyOnPage is how many looks at a listing its finding shows.
const historyOnPage = 100

func (s *Server) findingPage(ctx context.Context, r *http.Request, _ Person) (any, error) {
	id, err := s.pathID(r)
	if err != nil {
		return nil, err
	}
	f, err := s.Findings.Finding(ctx, id)
	if err != nil {
		return nil, err
	}
	m := findingModel{Finding: newRow(f), Choices: choices(), Values: []value{}, History: []look{}}
	if err := s.readings(ctx, &m); err != nil {
		return nil, err
	}
	if m.Decisions, err = s.Findings.Decisions(ctx, id); err != nil {
		return nil, err
	}
	m.Undo = len(m.Decisions) > 0
	if !f.Watch.IsZero() {
		if w, err := s.Watches.Watch(ctx, f.Watch); err == nil {
			m.Watch = w.Name
		}
	}
	arts, err := s.Index.Artifacts(ctx, f.Capture)
	if err != nil {
		return nil, err
	}
	m.Pictures = picturesOf(f.Capture, arts)
	m.Finding.Picture = len(m.Pictures) > 0
	if isAPI(r) {
		return m, nil
	}
	if m.Entry, err = s.Index.Get(ctx, f.Capture); err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return nil, err
	}
	if m.Queue, err = readQueue(r.URL.Query()); err != nil {
		return nil, err
	}
	m.Back = "/findings" + query(m.Queue.Query())
	m.Here = "/findings/" + id.String() + query(m.Queue.Query())
	if m.Prev, m.Next, err = s.neighbours(ctx, m.Queue, f); err != nil {
		return nil, err
	}
	m.Done, err = s.justDone(ctx, r, m.Here)
	return m, err
}

// readings fills in what was read from the page, now and before.
func (s *Server) readings(ctx context.Context, m *findingModel) error {
	f := m.Finding
	history, err := s.Listings.History(ctx, f.Listing.ID, time.Time{}, historyOnPage)
	if err != nil {
		return err
	}
	m.History = looks(history, f.Capture)
	o, err := s.Listings.Observation(ctx, f.Listing.ID, f.Capture)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var l listing.Listing
	if len(o.Data) > 0 && json.Unmarshal(o.Data, &l) == nil {
		m.Values, m.Problems = valuesOf(&l, f.Assessment.Signals), l.Problems
	}
	return nil
}

// looks tells a history, the newest first, with what changed since the look
// before that saw the page.
func looks(history []ledger.Observation, here capture.ID) []look {
	out := []look{}
	var before *ledger.Observation
	for _, o := range slices.Backward(history) {
		k := look{At: o.At, Outcome: o.Outcome, Capture: o.Capture, Title: o.Title, Amount: o.Amount, Currency: o.Currency, Seller: o.Seller, Here: o.Capture == here}
		if before != nil {
			for _, c := range []struct{ name, was, is string }{
				{"title", before.Title, o.Title}, {"price", before.Amount + before.Currency, o.Amount + o.Currency}, {"seller", before.Seller, o.Seller},
			} {
				if c.is != "" && c.was != "" && c.is != c.was {
					k.Changed = append(k.Changed, c.name)
				}
			}
			if o.Outcome != before.Outcome {
				k.Changed = append(k.Changed, "outcome")
			}
		}
		before = &o
		out = append(out, k)
	}
	slices.Reverse(out)
	return out
}

// fieldOrder is the order of fields as an analyst reads them; the rest follows
// by name.
var fieldOrder = []listing.FieldName{
	listing.Title, listing.Price, listing.Currency, listing.StrikePrice, listing.Brand, listing.Model, listing.Condition, listing.Availability,
	listing.Stock, listing.SellerName, listing.SellerID, listing.SellerURL, listing.SellerAge, listing.SellerScore, listing.SellerCount, listing.ShipsFrom, listing.Location,
}

func valuesOf(l *listing.Listing, signals []triage.Signal) []value {
	rank := func(f listing.FieldName) int {
		if i := slices.Index(fieldOrder, f); i >= 0 {
			return i
		}
		if f == listing.Description {
			return 1000
		}
		return 500
	}
	var all []listing.Choice
	for name, c := range l.Fields {
		if name == listing.Image && len(l.Images) > 0 || name == listing.Contact && len(l.Contacts) > 0 || name == listing.Variant && len(l.Variants) > 0 {
			continue // all of them follow
		}
		c.Field = name
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b listing.Choice) int {
		return cmp.Or(cmp.Compare(rank(a.Field), rank(b.Field)), cmp.Compare(a.Field, b.Field))
	})
	for _, more := range []struct {
		name listing.FieldName
		list []listing.Choice
	}{{listing.Contact, l.Contacts}, {listing.Variant, l.Variants}, {listing.Image, l.Images}} {
		for _, c := range more.list {
			c.Field = more.name
			all = append(all, c)
		}
	}
	out := []value{}
	for _, c := range all {
		v := value{Name: string(c.Field), Value: c.Value, Source: c.Source, Path: c.Path, Confidence: c.Confidence, Why: c.Why, Conflict: c.Conflict}
		if c.Raw != c.Value {
			v.Raw = c.Raw
		}
		v.marks = marksOf(c.Field, signals)
		out = append(out, v)
	}
	return out
}

func marksOf(f listing.FieldName, signals []triage.Signal) [][2]int {
	var out [][2]int
	for _, s := range signals {
		if s.Field == f && s.Points > 0 && s.Span[1] > s.Span[0] && s.Span[0] >= 0 {
			out = append(out, s.Span)
		}
	}
	slices.SortFunc(out, func(a, b [2]int) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(b[1], a[1])) })
	return out
}

// neighbours finds the findings before and after one in its queue. One that
// was decided may have left the queue: its place there still has neighbours.
func (s *Server) neighbours(ctx context.Context, q queue, f ledger.Finding) (prev, next string, err error) {
	link := func(x ledger.Finding, q queue) string { return "/findings/" + x.ID.String() + query(q.Query()) }
	before := func(a, b ledger.Finding) bool { // a stands before b
		if q.filter.Newest {
			return bytes.Compare(a.ID[:], b.ID[:]) > 0
		}
		return cmp.Or(cmp.Compare(a.Score, b.Score), bytes.Compare(a.ID[:], b.ID[:])) > 0
	}
	p, err := s.Findings.Findings(ctx, q.filter)
	if err != nil {
		return "", "", err
	}
	for _, x := range p.Findings {
		switch {
		case x.ID == f.ID:
		case before(x, f):
			prev = link(x, q)
		case next == "":
			next = link(x, q)
		}
	}
	if next == "" && p.Next != "" {
		on := q.filter
		on.Cursor, on.Limit = p.Next, 1
		if p2, err := s.Findings.Findings(ctx, on); err != nil {
			return "", "", err
		} else if len(p2.Findings) > 0 {
			next = link(p2.Findings[0], q.At(p.Next))
		}
	}
	return prev, next, nil
}

// decide takes a decision: by its name, or by state and label.
func (s *Server) decide(ctx context.Context, r *http.Request, in url.Values, who Person) (any, string, error) {
	id, err := s.pathID(r)
	if err != nil {
		return nil, "", err
	}
	d := ledger.Decision{By: who.Actor(), Note: in.Get("note")}
	list := choices()
	if i := slices.IndexFunc(list, func(c choice) bool { return c.Name == in.Get("choice") }); i >= 0 {
		d.State, d.Label = list[i].State, list[i].Label
	} else {
		return nil, "", bad("Say which decision: choice must be one of those that the finding lists.")
	}
	if d.Version, err = strconv.ParseInt(in.Get("version"), 10, 64); err != nil {
		return nil, "", bad("Say which version of the finding you saw: it changes with every decision.")
	}
	f, err := s.write(ctx, id, d)
	if err != nil {
		return nil, "", err
	}
	next := local(in.Get("next"))
	if next == "/" {
		next = "/findings"
	}
	return newRow(f), with(next, "done", id.String()), nil
}

// undo takes the last decision back: what was before is decided again, and the
// history keeps all of it.
func (s *Server) undo(ctx context.Context, r *http.Request, in url.Values, who Person) (any, string, error) {
	id, err := s.pathID(r)
	if err != nil {
		return nil, "", err
	}
	f, err := s.Findings.Finding(ctx, id)
	if err != nil {
		return nil, "", err
	}
	if f, err = s.takeBack(ctx, id, f.Version, who); err != nil {
		return nil, "", err
	}
	next := local(in.Get("next"))
	if next == "/" {
		next = "/findings/" + id.String()
	}
	return newRow(f), next, nil
}

// takeBack decides what stood before the last decision.
func (s *Server) takeBack(ctx context.Context, id capture.ID, version int64, who Person) (ledger.Finding, error) {
	all, err := s.Findings.Decisions(ctx, id)
	if err != nil {
		return ledger.Finding{}, err
	}
	if len(all) == 0 {
		return ledger.Finding{}, bad("There is no decision to take back.")
	}
	last := all[len(all)-1]
	d := ledger.Decision{By: who.Actor(), State: last.From, Version: version, Note: "taken back: " + words(string(last.To))}
	if len(all) > 1 {
		d.Label = all[len(all)-2].Label
	}
	return s.write(ctx, id, d)
}

// write records a decision, and then that it was taken in the custody log. A
// decision that could not be logged stands: the error says so.
func (s *Server) write(ctx context.Context, id capture.ID, d ledger.Decision) (ledger.Finding, error) {
	f, err := s.Findings.Decide(ctx, id, d)
	if err != nil {
		return f, err
	}
	err = s.Evidence.Note(ctx, custody.Decided, d.By, custody.Subject{Capture: f.Capture},
		map[string]string{"finding": f.ID.String(), "state": string(d.State), "label": d.Label})
	if err != nil {
		s.Log.Error("a decision stands without its custody event", "finding", f.ID.String(), "capture", f.Capture.String(), "state", string(d.State),
			"label", d.Label, "by", d.By, "at", f.DecidedAt, "error", err)
		return f, unrecorded{"The decision is taken", err}
	}
	return f, nil
}
