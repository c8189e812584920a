package ledger_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

// look visits item n once more and finishes with the outcome.
func (w *world) look(n int, o capture.Outcome, change func(*ledger.Observation)) (ledger.Finished, ledger.Result) {
	w.t.Helper()
	ids := must(w.Add(ctx, visit(n)))(w.t)
	j := w.job(ids[0])
	f := w.claim(j)
	r := w.observed(j)
	r.Outcome = o
	if change != nil {
		change(r.Observation)
	}
	return must(w.Finish(ctx, f, r))(w.t), r
}

func TestListingLife(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		day := 24 * time.Hour
		for i, s := range []struct {
			after   time.Duration
			outcome capture.Outcome
			want    ledger.ListingState
		}{
			{0, capture.Challenge, ledger.Unseen},
			{0, capture.Captured, ledger.Active},
			{day, capture.Removed, ledger.Missing},
			{time.Hour, capture.Removed, ledger.Missing}, // too soon to believe it
			{time.Hour, capture.Captured, ledger.Active}, // it was a wall
			{time.Hour, capture.RemovedSoft, ledger.Missing},
			{12 * time.Hour, capture.Challenge, ledger.Missing}, // learned nothing
			{12 * time.Hour, capture.Removed, ledger.Removed},
			{time.Hour, capture.Timeout, ledger.Removed},
			{time.Hour, capture.Captured, ledger.Active}, // back
			{time.Hour, capture.NotModified, ledger.Active},
			{time.Hour, capture.Sold, ledger.Sold},
			{time.Hour, capture.NotModified, ledger.Sold}, // the page still says so
			{time.Hour, capture.Unavailable, ledger.Unavailable},
			{time.Hour, capture.NotModified, ledger.Unavailable},
			{time.Hour, capture.Captured, ledger.Active},
		} {
			w.clock.forward(s.after)
			done, _ := w.look(1, s.outcome, nil)
			if li := must(w.Listing(ctx, done.Listing))(t); li.State != s.want || li.Looks != i+1 || done.New != (i == 0) {
				t.Errorf("step %d, %s: state %s, looks %d, new %v; want %s", i, s.outcome, li.State, li.Looks, done.New, s.want)
			}
		}
		if c := must(w.ListingCounts(ctx, "demo"))(t); c[ledger.Active] != 1 || len(c) != 1 {
			t.Errorf("counts: %v", c)
		}
		w.consistent()
	})
}

func TestListingKeepsWhatWasSeen(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ref := ledger.Ref{Site: "demo", ItemID: "1"}
		if _, err := w.PreviousCapture(ctx, ref); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("previous of nothing: %v", err)
		}
		w.look(1, capture.LoginWall, func(o *ledger.Observation) { o.Title, o.ETag = "Please log in", `"wall"` })
		if _, err := w.PreviousCapture(ctx, ref); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("a wall is taken for a capture of the listing: %v", err)
		}
		w.clock.forward(time.Hour)
		_, first := w.look(1, capture.Captured, func(o *ledger.Observation) {
			o.ETag, o.LastModified, o.Fingerprint = `"v1"`, "Tue, 24 Nov 2026 12:00:00 GMT", "f1"
		})
		w.clock.forward(time.Hour)
		w.look(1, capture.NotModified, func(o *ledger.Observation) { o.Title, o.Amount = "", "" })
		w.clock.forward(time.Hour)
		w.look(1, capture.Challenge, func(o *ledger.Observation) { o.Title, o.Amount, o.ETag = "Robot check", "1", `"x"` })

		p := must(w.PreviousCapture(ctx, ref))(t)
		if p.Capture != first.Capture || p.Manifest != first.Manifest || p.ETag != `"v1"` || p.Fingerprint != "f1" ||
			p.LastModified == "" || !p.At.Equal(start.Add(time.Hour)) {
			t.Errorf("previous: %+v", p)
		}
		li := must(w.ListingOf(ctx, ref))(t)
		if li.Title != "Acme shoe" || li.Amount != "19.90" || li.Looks != 4 || !li.LastSeen.Equal(start.Add(2*time.Hour)) ||
			!li.LastLooked.Equal(start.Add(3*time.Hour)) {
			t.Errorf("listing: %+v", li)
		}
		h := must(w.History(ctx, li.ID, time.Time{}, 10))(t)
		if len(h) != 4 || h[0].Outcome != capture.Challenge || h[3].Outcome != capture.LoginWall || h[2].Title != "Acme shoe" ||
			string(h[2].Data) != `{"title":"Acme shoe"}` || h[2].ItemID != "1" {
			t.Errorf("history: %+v", h)
		}
		if h := must(w.History(ctx, li.ID, start.Add(time.Hour), 10))(t); len(h) != 1 {
			t.Errorf("history before the first capture: %d", len(h))
		}
		o := must(w.Observation(ctx, li.ID, first.Capture))(t)
		if o.Manifest != first.Manifest || o.Job.IsZero() {
			t.Errorf("observation: %+v", o)
		}
		if s := must(w.SellerListings(ctx, "demo", "s1", 10))(t); len(s) != 1 {
			t.Errorf("listings of the seller: %d", len(s))
		}
	})
}

func TestLateObservationDoesNotTurnBackTheListing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.clock.forward(time.Hour)
		w.look(1, capture.Captured, func(o *ledger.Observation) { o.Amount = "10" })
		done, _ := w.look(1, capture.Removed, func(o *ledger.Observation) { o.Amount, o.At = "99", start })
		li := must(w.Listing(ctx, done.Listing))(t)
		if li.State != ledger.Active || li.Amount != "10" || li.Looks != 2 {
			t.Errorf("listing: %+v", li)
		}
		if h := must(w.History(ctx, li.ID, time.Time{}, 10))(t); len(h) != 2 || h[1].Amount != "99" {
			t.Errorf("history: %+v", h)
		}
	})
}

func TestListingKeys(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		long := strings.Repeat("x", 5000)
		seen := map[capture.ID]string{}
		for _, ref := range []ledger.Ref{
			{"a", "1", ""},
			{"b", "1", ""},
			{"a", "", "https://a/1"},
			{"a", "", "https://a/2"},
			{"a", long, ""},
			{"a", long + "y", ""},
			{"a", "", long},
			{"a", "1\x00", ""},
			{"a", "id:1", ""},
		} {
			done, _ := w.look(1, capture.Captured, func(o *ledger.Observation) {
				o.Site, o.ItemID, o.Canonical = ref.Site, ref.ItemID, ref.Canonical
			})
			name := fmt.Sprintf("%.20q", ref)
			if other, ok := seen[done.Listing]; ok {
				t.Errorf("%s is taken for %s", name, other)
			}
			seen[done.Listing] = name
			if li := must(w.ListingOf(ctx, ref))(t); li.ID != done.Listing {
				t.Errorf("%s is not found again", name)
			}
		}
		// With an item id the URL does not matter.
		done, _ := w.look(1, capture.Captured, func(o *ledger.Observation) { o.Site, o.ItemID, o.Canonical = "a", "1", "https://a/other" })
		if done.New {
			t.Error("another URL made another listing")
		}
	})
}

func TestHostileText(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for i, s := range []string{"a\x00b", "\xff\xfe\xfd", strings.Repeat("長", 5000), "'; DROP TABLE jobs; --", "\u202egnp.exe", "\xed\xa0\x80"} {
			data, err := json.Marshal(map[string]string{"title": s})
			check(t, err)
			done, r := w.look(i, capture.Captured, func(o *ledger.Observation) {
				o.Title, o.Seller, o.SellerID, o.ETag, o.Amount, o.Currency, o.Data = s, s, s, s, s, s, data
			})
			li := must(w.Listing(ctx, done.Listing))(t)
			if n := len([]rune(li.Title)); n == 0 || n > 500 {
				t.Errorf("%.20q: title of %d characters", s, n)
			}
			if len([]rune(s)) > 500 && !strings.HasSuffix(li.Title, "…") {
				t.Errorf("%.20q was shortened without a mark", s)
			}
			o := must(w.Observation(ctx, done.Listing, r.Capture))(t)
			var back map[string]string
			check(t, json.Unmarshal(o.Data, &back))
			if want := strings.ToValidUTF8(s, "\uFFFD"); back["title"] != want && len(s) < 1000 && !strings.Contains(s, "\xff") && !strings.Contains(s, "\xed") {
				t.Errorf("the whole title %q came back as %q", want, back["title"])
			}
			f := w.claim(w.job(must(w.Add(ctx, visit(100+i)))(t)[0]))
			if _, err := w.Retry(ctx, f, ledger.Failure{Class: ledger.Network, Text: s}); err != nil {
				t.Errorf("%.20q: %v", s, err)
			}
		}
	})
}

func TestResultValidate(t *testing.T) {
	id := capture.ID{1}
	big := json.RawMessage(`"` + strings.Repeat("x", 9<<20) + `"`)
	ok := func() *ledger.Observation { return &ledger.Observation{Site: "demo", ItemID: "1"} }
	with := func(change func(*ledger.Observation)) ledger.Result {
		o := ok()
		change(o)
		return ledger.Result{Outcome: capture.Captured, Capture: id, Observation: o}
	}
	for i, r := range []ledger.Result{
		{Outcome: "gone fishing"},
		{Outcome: capture.Captured, Suspicious: true},
		{Outcome: capture.Captured, Observation: ok()},
		with(func(o *ledger.Observation) { o.Site = "" }),
		with(func(o *ledger.Observation) { o.ItemID = "" }),
		with(func(o *ledger.Observation) { o.Data = big }),
		with(func(o *ledger.Observation) { o.Data = json.RawMessage(`{`) }),
		with(func(o *ledger.Observation) { o.Signals = json.RawMessage(`nope`) }),
		{Outcome: capture.Captured, Follow: []ledger.Work{{Kind: "wash"}}},
		{Outcome: capture.Captured, Follow: []ledger.Work{{Kind: ledger.Visit, URL: "https://a/"}}},
		{Finding: &ledger.Scored{Score: 1.5}},
		{Finding: &ledger.Scored{Score: 0.5, Reasons: json.RawMessage(`x`)}},
	} {
		if err := r.Validate(); !errors.Is(err, ledger.ErrInvalid) {
			t.Errorf("result %d: %v", i, err)
		}
	}
	if err := with(func(*ledger.Observation) {}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestResultSurvivesItsJSON(t *testing.T) {
	id := capture.ID{1}
	full := visit(1)
	full.Key, full.Spec, full.Depth, full.ReadyAt = "k", json.RawMessage(`{"a":1}`), 2, start
	for _, r := range []ledger.Result{
		{},
		{
			Outcome: capture.Captured, Capture: id, Manifest: capture.Sum(nil), Suspicious: true, Note: "n", Follow: []ledger.Work{full},
			Observation: &ledger.Observation{Site: "s", ItemID: "1", At: start, Amount: "1.10", Data: json.RawMessage(`{"x":[1]}`)},
			Finding:     &ledger.Scored{Score: 0.5, Reasons: json.RawMessage(`[]`)},
		},
		{Observation: &ledger.Observation{}, Finding: &ledger.Scored{}},
	} {
		b, err := json.Marshal(r)
		check(t, err)
		var back ledger.Result
		check(t, json.Unmarshal(b, &back))
		if !reflect.DeepEqual(r, back) {
			t.Errorf("%+v\nbecame %+v\nby %s", r, back, b)
		}
	}
}
