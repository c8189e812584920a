package ledger_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
	"github.com/trawlmark/trawlmark/worker/ledger"
)

func TestWatchLife(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.watch("shoes")
		if a.MaxPages != 50 || a.MaxListings != 2000 || a.Depth != 3 || a.Missed != ledger.CatchUp ||
			!a.NextFire.Equal(start.Add(time.Hour)) || string(a.Brand) != `{"name":"Acme"}` || a.Terms[0] != "acme shoe" || len(a.Seeds) != 0 {
			t.Errorf("stored as %+v", a)
		}
		if _, err := w.AddWatch(ctx, ledger.Watch{Name: "shoes"}); !errors.Is(err, ledger.ErrExists) {
			t.Errorf("a second watch of the same name: %v", err)
		}
		if got := must(w.WatchNamed(ctx, "shoes"))(t); got.ID != a.ID {
			t.Errorf("by name: %v", got.ID)
		}
		b := must(w.AddWatch(ctx, ledger.Watch{Name: "bags", Jitter: "0s"}))(t)
		if !b.NextFire.IsZero() {
			t.Errorf("a watch without a schedule fires at %v", b.NextFire)
		}
		b.Name = "shoes"
		if _, err := w.ChangeWatch(ctx, b); !errors.Is(err, ledger.ErrExists) {
			t.Errorf("renamed onto another: %v", err)
		}
		b.Name, b.Schedule = "all bags", ledger.Schedule{Cron: "30 9 * * 1-5", Zone: "America/New_York"}
		b = must(w.ChangeWatch(ctx, b))(t)
		if want := time.Date(2026, 11, 24, 14, 30, 0, 0, time.UTC); !b.NextFire.Equal(want) {
			t.Errorf("next fire %v, want %v", b.NextFire, want)
		}
		if all := must(w.Watches(ctx))(t); len(all) != 2 || all[0].Name != "all bags" || all[1].Name != "shoes" {
			t.Errorf("listed: %+v", all)
		}

		check(t, w.PauseWatch(ctx, a.ID))
		now := w.clock.forward(3 * time.Hour)
		if due := must(w.DueWatches(ctx, now, 10))(t); len(due) != 1 || due[0].Watch.ID != b.ID {
			t.Errorf("due while paused: %+v", due)
		}
		if _, err := w.Fire(ctx, a.ID, now, nil); !errors.Is(err, ledger.ErrPaused) {
			t.Errorf("a paused watch fired: %v", err)
		}
		check(t, w.ResumeWatch(ctx, a.ID))
		if got := must(w.Watch(ctx, a.ID))(t); got.Paused || !got.NextFire.Equal(start.Add(4*time.Hour)) {
			t.Errorf("resumed: %+v", got)
		}

		must(w.Fire(ctx, a.ID, now, []ledger.Work{visit(1), visit(2)}))(t)
		if n := must(w.RemoveWatch(ctx, a.ID))(t); n != 2 {
			t.Errorf("%d jobs were cancelled, want 2", n)
		}
		if err := w.PauseWatch(ctx, a.ID); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("a removed watch was paused: %v", err)
		}
		if got := must(w.Watch(ctx, a.ID))(t); !got.Removed {
			t.Error("the row of a removed watch is gone")
		}
		w.watch("shoes") // the name is free again
		for _, id := range []capture.ID{{}, w.ids.New()} {
			if _, err := w.Watch(ctx, id); !errors.Is(err, ledger.ErrNotFound) {
				t.Errorf("an unknown watch: %v", err)
			}
		}
		w.consistent()
	})
}

func TestFireOncePerInstant(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.watch("shoes")
		now := w.clock.forward(61 * time.Minute)
		due := must(w.DueWatches(ctx, now, 10))(t)
		if len(due) != 1 || !due[0].FireAt.Equal(start.Add(time.Hour)) || due[0].Skip {
			t.Fatalf("due: %+v", due)
		}
		works := []ledger.Work{visit(1), visit(1), visit(2)}
		if n := must(w.Fire(ctx, a.ID, due[0].FireAt, works))(t); n != 2 {
			t.Errorf("%d jobs were planned of two and a double", n)
		}
		if _, err := w.Fire(ctx, a.ID, due[0].FireAt, works); !errors.Is(err, ledger.ErrFired) {
			t.Errorf("fired twice: %v", err)
		}
		if got := must(w.Watch(ctx, a.ID))(t); !got.NextFire.Equal(start.Add(2*time.Hour)) || !got.LastFire.Equal(due[0].FireAt) {
			t.Errorf("after the fire: next %v, last %v", got.NextFire, got.LastFire)
		}
		// On demand, between two scheduled fires: the schedule stays.
		if n := must(w.Fire(ctx, a.ID, now, works))(t); n != 2 {
			t.Errorf("%d jobs in another fire", n)
		}
		if got := must(w.Watch(ctx, a.ID))(t); !got.NextFire.Equal(start.Add(2 * time.Hour)) {
			t.Errorf("next %v", got.NextFire)
		}
		fires := must(w.Fires(ctx, a.ID, 10))(t)
		if len(fires) != 2 || fires[0].Jobs != 2 || fires[0].Open != 2 || fires[0].Listings != 2 || !fires[0].Finished.IsZero() {
			t.Errorf("fires: %+v", fires)
		}
		w.consistent()
	})
}

func TestMissedFires(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		catch := w.watch("catches up")
		skip := w.watch("skips")
		skip.Missed = ledger.Skip
		skip = must(w.ChangeWatch(ctx, skip))(t)

		now := w.clock.forward(5*time.Hour + 30*time.Minute) // five fires were missed
		due := must(w.DueWatches(ctx, now, 10))(t)
		if len(due) != 2 {
			t.Fatalf("due: %+v", due)
		}
		for _, d := range due {
			if want := d.Watch.ID == skip.ID; d.Skip != want {
				t.Errorf("%s: skip %v", d.Watch.Name, d.Skip)
			}
			if d.Skip {
				check(t, w.SkipFire(ctx, d.Watch.ID, d.FireAt))
			} else {
				must(w.Fire(ctx, d.Watch.ID, d.FireAt, []ledger.Work{visit(1)}))(t)
			}
		}
		if due := must(w.DueWatches(ctx, now, 10))(t); len(due) != 0 {
			t.Errorf("missed fires come one by one: %+v", due)
		}
		for _, id := range []capture.ID{catch.ID, skip.ID} {
			if got := must(w.Watch(ctx, id))(t); !got.NextFire.Equal(start.Add(6 * time.Hour)) {
				t.Errorf("next %v", got.NextFire)
			}
		}
		if f := must(w.Fires(ctx, skip.ID, 1))(t); len(f) != 1 || !f[0].Skipped || f[0].Jobs != 0 {
			t.Errorf("the skip is not on record: %+v", f)
		}
		// A fire that is only a little late is no missed one.
		now = w.clock.forward(31 * time.Minute)
		for _, d := range must(w.DueWatches(ctx, now, 10))(t) {
			if d.Skip {
				t.Errorf("%s: a minute late is called missed", d.Watch.Name)
			}
		}
	})
}

func TestFireLimits(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := must(w.AddWatch(ctx, ledger.Watch{Name: "small", MaxPages: 2, MaxListings: 3, Depth: 1}))(t)
		page := func(n, depth int) ledger.Work {
			p := visit(1000 + n)
			p.PageKind, p.Depth = "search", depth
			return p
		}
		works := []ledger.Work{page(1, 0), page(2, 0), page(3, 0), visit(1), visit(2)}
		if n := must(w.Fire(ctx, a.ID, start, works))(t); n != 4 {
			t.Errorf("%d planned, want 4", n)
		}
		jobs := must(w.Jobs(ctx, ledger.JobFilter{Watch: a.ID}))(t)
		f := w.claim(jobs[0])
		r := ledger.Result{Outcome: capture.Captured, Capture: w.ids.New()}
		deep := visit(9)
		deep.Depth = 2
		long := visit(10)
		long.URL += strings.Repeat("x", 10_000)
		r.Follow = []ledger.Work{visit(1), visit(2), visit(3), visit(4), visit(3), deep, long}
		done := must(w.Finish(ctx, f, r))(t)
		if done.Planned != 1 || done.Known != 3 || done.Dropped != 3 {
			t.Errorf("finished: %+v, want 1 planned, 3 known, 3 dropped", done)
		}
		fire := must(w.Fires(ctx, a.ID, 1))(t)[0]
		if fire.Dropped != 4 || fire.Listings != 3 || fire.Pages != 2 || fire.Open != 4 {
			t.Errorf("fire: %+v", fire)
		}
		w.consistent()
	})
}

func TestManyLinks(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, jobs := w.fired("many", 1)
		f := w.claim(jobs[0])
		r := ledger.Result{Outcome: capture.Captured, Capture: w.ids.New()}
		for i := range 250 { // more than one statement takes
			r.Follow = append(r.Follow, visit(i), visit(i))
		}
		if done := must(w.Finish(ctx, f, r))(t); done.Planned != 249 || done.Known != 251 || done.Dropped != 0 {
			t.Errorf("%+v", done)
		}
		w.consistent()
	})
}

func TestSchedule(t *testing.T) {
	for _, c := range []struct{ cron, zone, from, want string }{
		{"0 6 * * *", "", "2026-11-24T06:00:00Z", "2026-11-25T06:00:00Z"},
		{"0 6 * * *", "Europe/Berlin", "2026-11-24T00:00:00Z", "2026-11-24T05:00:00Z"},
		{"0 6 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T04:00:00Z"},  // summer time begins
		{"30 2 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"}, // an hour that does not exist
		{"30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
		{"30 2,3 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"},
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"}, // one that comes twice
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z"},       // its second time is no new one
		{"30 * * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},       // every hour is every hour
		{"0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-04T03:00:00Z"},    // midnight did not exist
		{"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z", "2026-04-04T14:45:00Z"}, // half an hour comes twice
		{"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"},
		{"@every 6h", "", "2026-11-24T01:00:00Z", "2026-11-24T07:00:00Z"},
		{"@daily", "Asia/Tokyo", "2026-11-24T01:00:00Z", "2026-11-24T15:00:00Z"},
		{"", "", "2026-11-24T01:00:00Z", ""},
	} {
		from, _ := time.Parse(time.RFC3339, c.from)
		got, err := ledger.Schedule{Cron: c.cron, Zone: c.zone}.Next(from)
		if err != nil {
			t.Error(err)
			continue
		}
		if s := got.Format(time.RFC3339); c.want != s && !(c.want == "" && got.IsZero()) {
			t.Errorf("%q in %q after %s: %s, want %s", c.cron, c.zone, c.from, s, c.want)
		}
	}
	for _, s := range []ledger.Schedule{
		{Cron: "x"},
		{Cron: "* * * *"},
		{Cron: "0 0 30 2 *"},
		{Cron: "0 0 * * *", Zone: "Nowhere/Town"},
		{Cron: "0 0 * * *", Zone: "Local"},
		{Cron: "CRON_TZ=UTC 0 0 * * *"},
		{Cron: "0 0 * * *", Zone: "../../etc/passwd"},
	} {
		if err := s.Validate(); !errors.Is(err, ledger.ErrInvalid) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// However clocks are set, a daily watch fires once on each date, in order.
func TestADailyWatchFiresOnceADay(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Tehran"} {
		loc := must(time.LoadLocation(zone))(t)
		for _, cron := range []string{"30 2 * * *", "0 0 * * *", "15 1 * * *", "45 23 * * *"} {
			s := ledger.Schedule{Cron: cron, Zone: zone}
			at := time.Date(2018, 1, 1, 12, 0, 0, 0, time.UTC)
			for n := range 800 {
				next := must(s.Next(at))(t)
				if gap := next.Sub(at); n > 0 && (gap < 22*time.Hour || gap > 26*time.Hour) {
					t.Errorf("%s in %s: %s after %s", cron, zone, next.In(loc), at.In(loc))
				}
				at = next
			}
		}
	}
}

func FuzzSchedule(f *testing.F) {
	f.Add("0 6 * * *", "Europe/Berlin", int64(1764000000))
	f.Add("@every 1h30m", "", int64(0))
	f.Add("*/7 3-9 1,15 2 MON", "UTC", int64(951782400))
	f.Fuzz(func(t *testing.T, cron, zone string, unix int64) {
		from := time.Unix(unix%(1<<33), 0)
		next, err := ledger.Schedule{Cron: cron, Zone: zone}.Next(from)
		if err == nil && cron != "" && !next.After(from) {
			t.Errorf("%q in %q: %v is not after %v", cron, zone, next, from)
		}
	})
}

// Of two people who change the same watch as they saw it, one is told.
func TestALostChangeOfAWatchIsTold(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := must(w.AddWatch(ctx, ledger.Watch{Name: "shoes", Terms: []string{"shoe"}}))(t)
		mine, theirs := a, a
		mine.Terms, theirs.Priority = []string{"boot"}, 5
		must(w.ChangeWatch(ctx, mine))(t) // at the same instant, by the clock
		if _, err := w.ChangeWatch(ctx, theirs); !errors.Is(err, ledger.ErrChanged) {
			t.Errorf("the second change gives %v", err)
		}
		got := must(w.Watch(ctx, a.ID))(t)
		if got.Priority != a.Priority || len(got.Terms) != 1 || got.Terms[0] != "boot" {
			t.Errorf("the first change is not as it was written: %+v", got)
		}
		got.Priority = 5
		if got = must(w.ChangeWatch(ctx, got))(t); got.Priority != 5 || got.Terms[0] != "boot" {
			t.Errorf("the repeated change: %+v", got)
		}
		check(t, w.PauseWatch(ctx, a.ID))
		got.Updated = time.Time{}
		must(w.ChangeWatch(ctx, got))(t)
		got.ID = w.ids.New()
		if _, err := w.ChangeWatch(ctx, got); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("no such watch: %v", err)
		}
	})
}
