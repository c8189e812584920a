package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/trawlmark/trawlmark/archive/custody"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// pick is a finding as the queue names it.
func pick(f ledger.Finding) string { return fmt.Sprintf("%s.%d", f.ID, f.Version) }

func TestDecideOnManyAndTakeAllBack(t *testing.T) {
	w := newWorld(t)
	var all []ledger.Finding
	for i := range 4 {
		all = append(all, w.found(fmt.Sprint(i), fmt.Sprintf("Belvoir %d", i), 0.9))
	}
	b := w.as(Analyst)
	page := b.page("/findings")
	for _, want := range []string{`data-batch`, `data-pick`, `value="` + pick(all[0]) + `"`, `name="choice" value="official_photo"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the queue has no %s", want)
		}
	}
	// Enter in the note presses the form's first button, which must decide nothing.
	_, form0, _ := strings.Cut(page, `id="batch"`)
	if _, first, _ := strings.Cut(form0, "<button"); !strings.Contains(first[:strings.Index(first, ">")], " disabled") {
		t.Error("the first button of the form decides")
	}
	// Somebody else is faster with one of them.
	if _, err := w.ledger.Decide(t.Context(), all[3].ID, ledger.Decision{State: ledger.Dismissed, By: "person:bob"}); err != nil {
		t.Fatal(err)
	}
	form := url.Values{"choice": {"counterfeit"}, "note": {"same seller"}, "next": {"/findings?state=all"}}
	for _, f := range all {
		form.Add("finding", pick(f))
	}
	form.Add("finding", pick(all[0])) // twice is once
	r := b.post("/findings/decide", form)
	next := r.Header().Get("Location")
	if r.Code != http.StatusSeeOther || !strings.HasPrefix(next, "/findings?state=all&batch=") || !strings.HasSuffix(next, "&left=1") {
		t.Fatalf("got %d to %q", r.Code, next)
	}
	for i, f := range all {
		got := must(w.ledger.Finding(t.Context(), f.ID))(t)
		want := ledger.Confirmed
		if i == 3 {
			want = ledger.Dismissed
		}
		if got.State != want || got.Version != 1 || i < 3 && (got.Note != "same seller" || got.Label != "counterfeit") {
			t.Errorf("finding %d is %s, version %d, %q, %q", i, got.State, got.Version, got.Label, got.Note)
		}
		rows := must(w.log.About(t.Context(), custody.Subject{Capture: f.Capture}))(t)
		decided := 0
		for _, row := range rows {
			if row.Entry.Type == custody.Decided {
				decided++
			}
		}
		if i < 3 && decided != 1 {
			t.Errorf("finding %d has %d decisions on record", i, decided)
		}
	}
	page = b.page(next)
	for _, want := range []string{"<b>3 findings</b> now <b>confirmed, counterfeit</b>", "1 finding left alone", "Undo all"} {
		if !strings.Contains(page, want) {
			t.Errorf("afterwards the queue does not say %q", want)
		}
	}
	if other := w.as(Legal).page(next); strings.Contains(other, "Undo all") {
		t.Error("an address makes the console say that somebody else decided")
	}
	undo := url.Values{"next": {next}}
	for _, f := range all[:3] {
		undo.Add("finding", pick(must(w.ledger.Finding(t.Context(), f.ID))(t)))
	}
	r = b.post("/findings/undo", undo)
	if r.Code != http.StatusSeeOther {
		t.Fatalf("undo got %d: %s", r.Code, r.Body)
	}
	if page := b.get(r.Header().Get("Location")).Body.String(); !strings.Contains(page, "was taken back") || strings.Contains(page, "Undo all") {
		t.Error("the page does not say what was undone, or offers to undo it again")
	}
	for _, f := range all[:3] {
		if got := must(w.ledger.Finding(t.Context(), f.ID))(t); got.State != ledger.New || got.Version != 2 {
			t.Errorf("after undo it is %s, version %d", got.State, got.Version)
		}
	}
}

func TestABatchThatMakesNoSense(t *testing.T) {
	w := newWorld(t)
	f := w.found("1", "Belvoir", 0.9)
	b := w.as(Analyst)
	many := url.Values{"choice": {"counterfeit"}}
	for range maxBatch + 1 {
		many.Add("finding", pick(f))
	}
	for name, form := range map[string]url.Values{
		"nothing chosen": {"choice": {"counterfeit"}}, "no decision": {"finding": {pick(f)}}, "too many": many,
		"no version": {"choice": {"counterfeit"}, "finding": {f.ID.String()}}, "no id": {"choice": {"counterfeit"}, "finding": {"x.1"}},
		"negative": {"choice": {"counterfeit"}, "finding": {f.ID.String() + ".-1"}},
	} {
		if r := b.post("/findings/decide", form); r.Code != http.StatusBadRequest {
			t.Errorf("%s: got %d", name, r.Code)
		}
	}
	if got := must(w.ledger.Finding(t.Context(), f.ID))(t); got.Version != 0 {
		t.Errorf("it was decided %d times", got.Version)
	}
	if page := w.as(Viewer).page("/findings"); strings.Contains(page, "data-pick") {
		t.Error("a viewer is offered to decide")
	}
}
