package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/trawlmark/trawlmark/archive"
	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/archive/catalog"
	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/archive/manifest"
)

// search is which captures are looked for. It goes along as a query.
type search struct {
	Words   string `json:"words,omitempty"`
	Site    string `json:"site,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	From    string `json:"from,omitempty"`
	Until   string `json:"until,omitempty"`
	Held    bool   `json:"held,omitempty"`
	Cursor  string `json:"cursor,omitempty"`
}

func readSearch(q url.Values) (search, catalog.Query, error) {
	f := search{
		Words: clip(strings.TrimSpace(q.Get("q")), 500), Site: clip(strings.TrimSpace(q.Get("site")), 100), Outcome: q.Get("outcome"),
		From: q.Get("from"), Until: q.Get("until"), Held: q.Get("held") != "", Cursor: q.Get("cursor"),
	}
	c := catalog.Query{Text: f.Words, Site: f.Site, Held: f.Held, After: f.Cursor, Limit: findingsOnPage}
	var err error
	if f.Outcome != "" {
		if c.Outcome, err = capture.ParseOutcome(f.Outcome); err != nil {
			return f, c, bad("There is no such outcome.")
		}
	}
	if c.From, err = day(f.From); err != nil {
		return f, c, err
	}
	if c.Until, err = day(f.Until); err != nil {
		return f, c, err
	}
	// "until" is the last day that is meant, as people say it.
	if len(f.Until) == len(time.DateOnly) && !c.Until.IsZero() {
		c.Until = c.Until.AddDate(0, 0, 1)
	}
	return f, c, nil
}

func day(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(form, s); err == nil && t.Year() >= 1970 && t.Year() < 3000 {
			return t, nil
		}
	}
	return time.Time{}, bad("A day is written 2026-03-01, an instant 2026-03-01T12:00:00Z.")
}

// Query writes the search as readSearch reads it.
func (f search) Query() string {
	q := url.Values{}
	for k, v := range map[string]string{"q": f.Words, "site": f.Site, "outcome": f.Outcome, "from": f.From, "until": f.Until, "cursor": f.Cursor} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if f.Held {
		q.Set("held", "1")
	}
	return q.Encode()
}

// At is the search from a page on.
func (f search) At(cursor string) search { f.Cursor = cursor; return f }

// evidenceModel is a page of captures.
type evidenceModel struct {
	Search   search          `json:"search"`
	Captures []catalog.Entry `json:"captures"`
	// Redactions says of which captures others on the page are redactions.
	Redactions map[capture.ID]capture.ID `json:"redactions,omitempty"`
	Next       string                    `json:"next,omitempty"`
	Problem    string                    `json:"-"`
	Outcomes   []capture.Outcome         `json:"-"`
	Sites      []string                  `json:"-"`
}

func (s *Server) evidencePage(ctx context.Context, r *http.Request, _ Person) (any, error) {
	f, q, err := readSearch(r.URL.Query())
	if err != nil {
		return nil, err
	}
	m := evidenceModel{Search: f, Captures: []catalog.Entry{}}
	p, err := s.Index.Search(ctx, q)
	switch {
	case err != nil && (isAPI(r) || q.Text == ""):
		return nil, searchError(err, q)
	case err != nil && answerTo(err).status != http.StatusInternalServerError:
		return nil, err
	case err != nil:
		m.Problem = err.Error() // the catalogue says which word it cannot search for
	}
	m.Captures = append(m.Captures, p.Entries...)
	m.Next = p.Next
	if m.Redactions, err = s.redactionsIn(ctx, p.Entries); err != nil {
		return nil, err
	}
	if isAPI(r) {
		return m, nil
	}
	m.Outcomes = slices.Sorted(slices.Values(capture.Outcomes()))
	counts, err := s.Index.Counts(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range counts {
		if !slices.Contains(m.Sites, c.Site) && c.Site != "" {
			m.Sites = append(m.Sites, c.Site)
		}
	}
	slices.Sort(m.Sites)
	return m, nil
}

// searchError: what the catalogue refuses of words or a cursor is the fault of
// the one who asked. It has no error of its own for that.
func searchError(err error, q catalog.Query) error {
	if (q.Text != "" || q.After != "") && answerTo(err).status == http.StatusInternalServerError {
		return badRequest{err}
	}
	return err
}

// custodyLine is one thing done to a capture.
type custodyLine struct {
	At      time.Time         `json:"at"`
	Type    custody.Type      `json:"type"`
	Actor   string            `json:"actor"`
	Index   int64             `json:"index"` // in the log; -1 while it waits
	Details map[string]string `json:"details,omitempty"`
	ID      capture.ID        `json:"event"`
}

// Detail is the details as one line, as far as people read them; the event
// itself has all of them.
func (l custodyLine) Detail() string {
	var parts []string
	for k, v := range l.Details {
		switch {
		case v == "" || k == "tile", l.Type == custody.Exported && slices.Contains([]string{"bytes", "case", "contents", "export", "format"}, k):
		case k == "package":
			parts = append(parts, "package sha256 "+clip(v, 16)+"…")
		case k == "role":
			tile, _ := strconv.Atoi(l.Details["tile"])
			parts = append(parts, fileRole(v, tile))
		default:
			parts = append(parts, words(k)+": "+words(v))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, " · ")
}

// captureModel is all that is known of one capture.
type captureModel struct {
	Entry    catalog.Entry      `json:"entry"`
	Files    []catalog.Artifact `json:"files"`
	Sealed   archive.Sealed     `json:"sealed"`
	Custody  []custodyLine      `json:"custody"`
	Older    int                `json:"older_events,omitempty"` // not listed
	Manifest *manifest.Manifest `json:"manifest,omitempty"`
	// Tampered: the stored manifest is not the one that was recorded.
	Tampered bool `json:"tampered"`
	// Gone: it was erased or expired; what was done is all that is left.
	Gone bool `json:"gone"`

	// RedactionOf is what it is a redaction of; Redactions are those of it, the
	// newest first.
	RedactionOf *capture.ID  `json:"redaction_of,omitempty"`
	Redactions  []capture.ID `json:"redactions,omitempty"`

	Pictures []picture      `json:"-"`
	Cases    []catalog.Case `json:"-"`
	Log      string         `json:"log"`
	Text     string         `json:"-"` // the manifest's own text
	Demo     bool           `json:"-"` // stamped by authorities that prove nothing
	Back     string         `json:"-"` // where the person came from
	BackText string         `json:"-"`
}

// captureList is captures in a table, and the page that it stands on.
type captureList struct {
	List       []catalog.Entry
	Redactions map[capture.ID]capture.ID
	Back       string
}

func captures(list []catalog.Entry, redactions map[capture.ID]capture.ID, back string) captureList {
	return captureList{list, redactions, back}
}

// Redaction reports whether a capture of the list is a redaction.
func (l captureList) Redaction(id capture.ID) bool { _, is := l.Redactions[id]; return is }

// redactionsIn gives, of those captures that are redactions, what they are of.
func (s *Server) redactionsIn(ctx context.Context, list []catalog.Entry) (map[capture.ID]capture.ID, error) {
	ids := make([]capture.ID, len(list))
	for i, e := range list {
		ids[i] = e.ID
	}
	return s.Index.Originals(ctx, ids)
}

// backTo reads where a person came from, of the pages that lead to captures.
func backTo(r *http.Request) (back, text string) {
	back = local(r.URL.Query().Get("back"))
	for _, p := range []struct{ prefix, text string }{{"/findings/", "Finding"}, {"/cases/", "Case"}, {"/evidence", "Evidence"}} {
		if strings.HasPrefix(back, p.prefix) && len(back) < 2000 {
			return back, p.text
		}
	}
	return "/evidence", "Evidence"
}

// custodyOnPage is how many events of a capture are read for its page: each
// is an object in the vault.
const custodyOnPage = 50

func (s *Server) capturePage(ctx context.Context, r *http.Request, who Person) (any, error) {
	id, err := s.pathID(r)
	if err != nil {
		return nil, err
	}
	m := captureModel{Log: s.Custody.Origin(), Files: []catalog.Artifact{}, Custody: []custodyLine{}}
	if m.Entry, err = s.Index.Get(ctx, id); err != nil {
		return nil, err
	}
	if err := s.Evidence.Note(ctx, custody.Viewed, who.Actor(), custody.Subject{Capture: id}, map[string]string{"role": "manifest"}); err != nil {
		return nil, err
	}
	arts, err := s.Index.Artifacts(ctx, id)
	if err != nil {
		return nil, err
	}
	m.Files = append(m.Files, arts...)
	if err := s.fillRedactions(ctx, &m); err != nil {
		return nil, err
	}
	m.Pictures = picturesOf(id, arts)
	m.Back, m.BackText = backTo(r)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.fillManifest(gctx, &m) })
	g.Go(func() (err error) { m.Custody, m.Older, err = s.events(gctx, custody.Subject{Capture: id}); return err })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if !isAPI(r) {
		m.Cases, err = s.openCases(ctx)
	}
	return m, err
}

// fillRedactions tells of what a capture is a copy with parts withheld, and
// which such copies there are of it.
func (s *Server) fillRedactions(ctx context.Context, m *captureModel) error {
	of, err := s.Index.Original(ctx, m.Entry.ID)
	if err == nil {
		m.RedactionOf = &of
	} else if !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	m.Redactions, err = s.Index.Redactions(ctx, m.Entry.ID)
	slices.Reverse(m.Redactions)
	return err
}

// openCases are the cases that captures can be put into.
func (s *Server) openCases(ctx context.Context) ([]catalog.Case, error) {
	all, err := s.Matters.Cases(ctx)
	return slices.DeleteFunc(all, func(k catalog.Case) bool { return !k.Closed.IsZero() }), err
}

func (s *Server) fillManifest(ctx context.Context, m *captureModel) error {
	var raw []byte
	var err error
	m.Manifest, raw, err = s.Evidence.Manifest(ctx, m.Entry.ID)
	if errors.Is(err, archive.ErrTampered) {
		m.Tampered = true
		s.Log.Error("a manifest is not the one that was recorded", "capture", m.Entry.ID.String())
		return nil
	}
	if errors.Is(err, archive.ErrGone) {
		m.Gone = true
		return nil
	}
	if err != nil {
		return err
	}
	m.Text = indented(raw)
	m.Sealed, err = s.Times.Sealed(ctx, m.Entry.ID, anchorOf(m.Manifest))
	if errors.Is(err, custody.ErrUnknown) {
		err = nil // recorded in the catalogue, not in this log
	}
	for _, by := range m.Sealed.By {
		m.Demo = m.Demo || strings.HasPrefix(by, "demo")
	}
	return err
}

func anchorOf(m *manifest.Manifest) *capture.Anchor {
	if m.After == nil {
		return nil
	}
	a := m.After
	return &capture.Anchor{Origin: a.Origin, Size: a.Size, Root: a.Root, Stamp: a.Stamp, Checkpoint: a.Checkpoint, StampedAt: a.StampedAt.Time}
}

// events reads what was done to a subject, the newest first.
func (s *Server) events(ctx context.Context, sub custody.Subject) (lines []custodyLine, older int, err error) {
	rows, err := s.Custody.About(ctx, sub)
	if err != nil {
		return nil, 0, err
	}
	slices.Reverse(rows)
	if len(rows) > custodyOnPage {
		// The first event is always told: it is how the capture came to be.
		older = len(rows) - custodyOnPage
		rows = append(rows[:custodyOnPage-1:custodyOnPage-1], rows[len(rows)-1])
	}
	lines = make([]custodyLine, len(rows))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, row := range rows {
		g.Go(func() error {
			e, _, err := s.Custody.Event(ctx, row.ID)
			lines[i] = custodyLine{e.At, e.Type, e.Actor, row.Index, e.Details, row.ID}
			return err
		})
	}
	return lines, older, g.Wait()
}

// hold sets or lifts the legal hold of a capture, with a reason that goes on
// record.
func (s *Server) hold(ctx context.Context, r *http.Request, in url.Values, who Person) (any, string, error) {
	id, err := s.pathID(r)
	if err != nil {
		return nil, "", err
	}
	on, reason, err := readHold(in)
	if err != nil {
		return nil, "", err
	}
	if err := s.Evidence.Hold(ctx, id, on, who.Actor(), reason); err != nil {
		return nil, "", err
	}
	return map[string]any{"capture": id, "held": on}, "/captures/" + id.String() + "#hold", nil
}

func readHold(in url.Values) (on bool, reason string, err error) {
	switch in.Get("hold") {
	case "true":
		on = true
	case "false":
	default:
		return false, "", bad("Say hold: true or false.")
	}
	reason = strings.TrimSpace(in.Get("reason"))
	if reason == "" || len(reason) > 4000 {
		return on, "", bad("Give a reason of 1 to 4,000 bytes: it goes on record.")
	}
	return on, reason, nil
}
