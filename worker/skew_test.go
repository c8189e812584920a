package worker_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/crawler/site"
	"github.com/trawlmark/trawlmark/worker"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/score"
	"github.com/trawlmark/trawlmark/worker/task"
)

// During an upgrade an old worker gets jobs of a kind that it does not do: it
// puts them back as they were, for a new one, and later each time.
func TestAJobOfANewerKindIsPutBack(t *testing.T) {
	w := newWorld(t)
	s, err := worker.NewScorer(worker.Config{Name: "test"}, w.ledger, score.Builtin{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	for name, handle := range map[string]func(context.Context, task.Ticket) error{"visitor": w.visitor().Handle, "scorer": s.Handle} {
		ids, err := w.ledger.Add(t.Context(), ledger.Work{Kind: ledger.Export, Pool: task.HTTP, URL: itemURL, Lane: "demomarket", Key: name})
		if err != nil {
			t.Fatal(err)
		}
		before := time.Duration(0)
		for range 3 {
			f, err := w.ledger.Dispatch(t.Context(), ids[0], w.ledger.Now().Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			if err := handle(t.Context(), task.Ticket{Job: f.Job, Epoch: f.Epoch}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			j := w.job(ids[0])
			wait := j.ReadyAt.Sub(j.Updated)
			if j.State != ledger.Planned || len(j.Attempts) != 0 || wait <= before || j.Error == "" {
				t.Errorf("%s: the job is %s, attempts %v, waits %v after %v: %q", name, j.State, j.Attempts, wait, before, j.Error)
			}
			before = wait
		}
	}
	if w.crawl.count() != 0 {
		t.Errorf("%d pages were asked for", w.crawl.count())
	}
}

// A spec of a newer program has fields that this one does not know, and one of
// an older program lacks some that it does: the visit is made all the same.
func TestSpecsOfOtherVersions(t *testing.T) {
	w := newWorld(t)
	v := w.visitor()
	for spec, want := range map[string]worker.VisitSpec{
		``:   {},
		`{}`: {},
		`{"screenshot":true,"viewport":{"width":9000},"tags":["new"]}`: {Screenshot: true},
		`{"render":"never","render_engine":"some day"}`:                {Render: "never"},
	} {
		work := worker.NewVisit(w.sites, itemURL)
		work.Spec = json.RawMessage(spec)
		ids, err := w.ledger.Add(t.Context(), work)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Handle(t.Context(), w.dispatch(ids[0])); err != nil {
			t.Fatal(err)
		}
		w.until("the visit to end", func() bool { return w.job(ids[0]).State == ledger.Done })
		w.crawl.mu.Lock()
		q := w.crawl.visits[len(w.crawl.visits)-1]
		w.crawl.mu.Unlock()
		if q.Screenshot != want.Screenshot || q.Render != site.RenderMode(want.Render) {
			t.Errorf("%s: render %q, screenshot %t", spec, q.Render, q.Screenshot)
		}
	}
	v.Drain(t.Context())
}
