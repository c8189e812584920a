package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// maxBatch is how many findings are decided at once: a page of the queue, and
// as many as an address has room for on the way back.
const maxBatch = findingsOnPage

// batchFresh is how long after it a batch can be taken back as one.
const batchFresh = 15 * time.Minute

// batchLeft is a finding that was left as it was, and why.
type batchLeft struct {
	Finding capture.ID `json:"finding"`
	Why     string     `json:"why"`
}

// batchResult is what became of a batch.
type batchResult struct {
	Decided []row       `json:"decided"`
	Left    []batchLeft `json:"left"`
}

// decideMany takes one decision on several findings, each with the version that
// the person saw. One that somebody else decided meanwhile is left as it is.
func (s *Server) decideMany(ctx context.Context, _ *http.Request, in url.Values, who Person) (any, string, error) {
	list := choices()
	i := slices.IndexFunc(list, func(c choice) bool { return c.Name == in.Get("choice") })
	if i < 0 {
		return nil, "", bad("Say which decision: choice must be one of those that a finding lists.")
	}
	seen, err := readBatch(in["finding"])
	if err != nil {
		return nil, "", err
	}
	note := in.Get("note")
	return s.each(ctx, seen, in, func(f seenFinding) (ledger.Finding, error) {
		return s.write(ctx, f.id, ledger.Decision{By: who.Actor(), State: list[i].State, Label: list[i].Label, Note: note, Version: f.version})
	})
}

// undoMany takes the last decision on several findings back.
func (s *Server) undoMany(ctx context.Context, _ *http.Request, in url.Values, who Person) (any, string, error) {
	seen, err := readBatch(in["finding"])
	if err != nil {
		return nil, "", err
	}
	result, next, err := s.each(ctx, seen, in, func(f seenFinding) (ledger.Finding, error) {
		return s.takeBack(ctx, f.id, f.version, who)
	})
	// What was taken back is no batch that could be taken back again.
	if u, wrong := url.Parse(next); wrong == nil {
		q := u.Query()
		q.Del("batch")
		if r, ok := result.(batchResult); ok && len(r.Decided) > 0 {
			q.Set("undone", strconv.Itoa(len(r.Decided)))
		}
		u.RawQuery = q.Encode()
		next = u.String()
	}
	return result, next, err
}

// each does one thing to each finding. What one of them is refused for does not
// keep the others from it; a fault of ours ends it all.
func (s *Server) each(ctx context.Context, seen []seenFinding, in url.Values, do func(seenFinding) (ledger.Finding, error)) (any, string, error) {
	r := batchResult{Decided: []row{}, Left: []batchLeft{}}
	var done []string
	for _, f := range seen {
		got, err := do(f)
		switch {
		case err == nil:
			r.Decided = append(r.Decided, newRow(got))
			done = append(done, f.id.String())
		case errors.Is(err, ledger.ErrChanged), errors.Is(err, ledger.ErrNotFound), answerTo(err).status < http.StatusInternalServerError:
			r.Left = append(r.Left, batchLeft{f.id, answerTo(err).text})
		default:
			return nil, "", fmt.Errorf("after %d of %d findings: %w", len(r.Decided), len(seen), err)
		}
	}
	next := local(in.Get("next"))
	if next == "/" {
		next = "/findings"
	}
	if len(done) > 0 {
		next = with(next, "batch", strings.Join(done, ","))
	}
	if len(r.Left) > 0 {
		next = with(next, "left", strconv.Itoa(len(r.Left)))
	}
	return r, next, nil
}

// seenFinding is a finding in the version that a person saw.
type seenFinding struct {
	id      capture.ID
	version int64
}

// readBatch reads "id.version" of each finding.
func readBatch(texts []string) ([]seenFinding, error) {
	if len(texts) == 0 {
		return nil, bad("Choose at least one finding.")
	}
	if len(texts) > maxBatch {
		return nil, bad(fmt.Sprintf("Choose at most %d findings at once.", maxBatch))
	}
	var out []seenFinding
	known := map[capture.ID]bool{}
	for _, t := range texts {
		text, version, _ := strings.Cut(t, ".")
		id, err := capture.ParseID(text)
		n, err2 := strconv.ParseInt(version, 10, 64)
		if err != nil || err2 != nil || n < 0 {
			return nil, bad("Name each finding as its id, a dot, and the version that you saw.")
		}
		if !known[id] {
			known[id] = true
			out = append(out, seenFinding{id, n})
		}
	}
	return out, nil
}

// batchDone is what a person has just decided at once.
type batchDone struct {
	Findings []ledger.Finding // as they are now
	State    string           // that all of them have, "" when they differ
	Left     int
	Undone   int // decisions that were taken back
	Back     string
}

// justDoneMany reads which findings were decided a moment ago, and by this
// person: an address cannot make the console say it of others.
func (s *Server) justDoneMany(ctx context.Context, r *http.Request, who Person, back string) (*batchDone, error) {
	ids := strings.Split(r.URL.Query().Get("batch"), ",")
	number := func(name string) int {
		n, _ := strconv.Atoi(r.URL.Query().Get(name))
		return min(max(n, 0), maxBatch)
	}
	d := batchDone{Left: number("left"), Undone: number("undone"), Back: back}
	for _, text := range ids[:min(len(ids), maxBatch)] {
		id, err := capture.ParseID(text)
		if err != nil {
			continue
		}
		f, err := s.Findings.Finding(ctx, id)
		if errors.Is(err, ledger.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if f.DecidedBy != who.Actor() || s.Now().Sub(f.DecidedAt) > batchFresh {
			continue
		}
		word := string(f.State)
		if f.Label != "" {
			word += ", " + f.Label
		}
		if len(d.Findings) == 0 {
			d.State = word
		} else if d.State != word {
			d.State = ""
		}
		d.Findings = append(d.Findings, f)
	}
	if len(d.Findings) == 0 && d.Left == 0 && d.Undone == 0 {
		return nil, nil
	}
	return &d, nil
}
