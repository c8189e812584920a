package lane_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/trawlmark/trawlmark/worker/lane"
	"github.com/trawlmark/trawlmark/worker/ledger"
	"github.com/trawlmark/trawlmark/worker/task"
	"github.com/trawlmark/trawlmark/worker/task/redistest"
)

var ctx = context.Background()

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// book is a ledger's lanes in memory; fail makes it fail.
type book struct {
	mu    sync.Mutex
	lanes map[string]ledger.Lane
	fail  error
}

func (b *book) change(name string, f func(*ledger.Lane)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	if b.lanes == nil {
		b.lanes = map[string]ledger.Lane{}
	}
	l := b.lanes[name]
	l.Name = name
	f(&l)
	b.lanes[name] = l
	return nil
}

func (b *book) Now() time.Time { return time.Now() }

func (b *book) CloseLane(_ context.Context, name string, until time.Time, why string) error {
	return b.change(name, func(l *ledger.Lane) {
		if until.After(l.ClosedUntil) {
			l.ClosedUntil, l.Reason = until, why
		}
	})
}

func (b *book) OpenLane(_ context.Context, name, _ string) error {
	return b.change(name, func(l *ledger.Lane) { l.ClosedUntil = time.Time{} })
}

func (b *book) PauseLane(_ context.Context, name, by string) error {
	return b.change(name, func(l *ledger.Lane) { l.Paused, l.PausedBy = true, by })
}

func (b *book) ResumeLane(_ context.Context, name, _ string) error {
	return b.change(name, func(l *ledger.Lane) { l.Paused = false })
}

func (b *book) Lanes(context.Context) ([]ledger.Lane, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []ledger.Lane
	for _, l := range b.lanes {
		all = append(all, l)
	}
	return all, b.fail
}

func (b *book) breakWith(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

// warm gives a limiter whose Redis has remembered for longer than any delay of
// the test.
func warm(t *testing.T, c redis.UniversalClient, b lane.Book) *lane.Limiter {
	t.Helper()
	l := lane.New(c, b, quiet())
	if _, err := l.State(ctx, "x"); err != nil {
		t.Fatal(err)
	}
	if err := c.Set(ctx, "{trawlmark:lanes}:since", "1000000", 0).Err(); err != nil {
		t.Fatal(err)
	}
	return l
}

func reserve(t *testing.T, l *lane.Limiter, name string, p lane.Params) lane.Slot {
	t.Helper()
	s, err := l.Reserve(ctx, name, p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// back reserves until the limiter answers again: a client's pool looks for a
// Redis that was away once a second.
func back(t *testing.T, l *lane.Limiter, name string, p lane.Params) error {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, err := l.Reserve(ctx, name, p); !errors.Is(err, lane.ErrUnavailable) {
			return err
		}
	}
	return errors.New("the limiter is not back after a minute")
}

func TestSlotsOfOneLane(t *testing.T) {
	l := warm(t, redistest.Start(t).Client(), &book{})
	p := lane.Params{Min: time.Minute, MaxWait: time.Hour} // longer than any machine stalls
	first := reserve(t, l, "a", p)
	if first.Wait != 0 || first.Delay != time.Minute {
		t.Errorf("first: %+v", first)
	}
	last := first
	for range 5 {
		s := reserve(t, l, "a", p)
		if gap := s.At.Sub(last.At); gap != time.Minute {
			t.Errorf("a gap of %v", gap)
		}
		last = s
	}
	if s := reserve(t, l, "b", p); s.Wait != 0 {
		t.Errorf("another lane waits %v", s.Wait)
	}
	// Too far ahead: not taken, and the next one finds it where it was.
	p.MaxWait = time.Second
	s, err := l.Reserve(ctx, "a", p)
	if !errors.Is(err, lane.ErrNotYet) || s.Wait < 4*time.Minute || s.Wait > 6*time.Minute {
		t.Errorf("%+v, %v", s, err)
	}
	p.MaxWait = time.Hour
	if s := reserve(t, l, "a", p); s.At.Sub(last.At) != time.Minute {
		t.Errorf("a slot that was refused was taken: gap %v", s.At.Sub(last.At))
	}
	// A larger delay holds from the last slot on, not from the next one.
	p.Min, p.Max = 5*time.Minute, 5*time.Minute
	last = reserve(t, l, "a", p)
	if s := reserve(t, l, "a", p); s.At.Sub(last.At) != 5*time.Minute {
		t.Errorf("gap %v", s.At.Sub(last.At))
	}
}

func TestDelayGrowsFromTheLastSlot(t *testing.T) {
	l := warm(t, redistest.Start(t).Client(), &book{})
	last := reserve(t, l, "a", lane.Params{Min: 10 * time.Millisecond})
	s := reserve(t, l, "a", lane.Params{Min: 10 * time.Millisecond, CrawlDelay: 5 * time.Minute, MaxWait: time.Hour})
	if gap := s.At.Sub(last.At); gap != 5*time.Minute {
		t.Errorf("the gap is %v although the delay is five minutes now", gap)
	}
}

func TestGiveBack(t *testing.T) {
	l := warm(t, redistest.Start(t).Client(), &book{})
	p := lane.Params{Min: time.Minute, MaxWait: time.Hour}
	for _, before := range []int{0, 1} {
		name := fmt.Sprint("lane", before)
		for range before {
			reserve(t, l, name, p)
		}
		a := reserve(t, l, name, p)
		if err := l.GiveBack(ctx, a); err != nil {
			t.Fatal(err)
		}
		b := reserve(t, l, name, p)
		if gap := b.At.Sub(a.At).Abs(); gap > 30*time.Second {
			t.Errorf("a slot that was given back is not there again: %v later", gap)
		}
		c := reserve(t, l, name, p)
		if err := l.GiveBack(ctx, b); err != nil { // not the newest
			t.Fatal(err)
		}
		if d := reserve(t, l, name, p); d.At.Sub(c.At) != time.Minute {
			t.Errorf("giving back an older slot made a gap of %v", d.At.Sub(c.At))
		}
	}
	if err := l.GiveBack(ctx, lane.Slot{}); err != nil {
		t.Error(err)
	}
}

func TestBurst(t *testing.T) {
	l := warm(t, redistest.Start(t).Client(), &book{})
	p := lane.Params{Min: time.Hour, Burst: 3}
	for i := range 3 {
		if s := reserve(t, l, "a", p); s.Wait != 0 {
			t.Errorf("slot %d of a burst of 3 waits %v", i+1, s.Wait)
		}
	}
	if s, err := l.Reserve(ctx, "a", p); !errors.Is(err, lane.ErrNotYet) || s.Wait < 50*time.Minute || s.Wait > time.Hour {
		t.Errorf("the fourth: %+v, %v", s, err)
	}
}

// Two limiters and many goroutines share a lane: whoever asks, the slots follow
// each other by exactly the delay. None is closer and none is left out.
func TestManyShareALane(t *testing.T) {
	srv := redistest.Start(t)
	b := &book{}
	limiters := []*lane.Limiter{warm(t, srv.Client(), b), lane.New(srv.Client(), b, quiet())}
	const delay, each, goroutines = time.Minute, 12, 24 // they ask faster than one a minute
	p := lane.Params{Min: delay, MaxWait: 24 * time.Hour}
	var mu sync.Mutex
	var at []time.Time
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for range each {
				s, err := limiters[g%2].Reserve(ctx, "a", p)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				at = append(at, s.At)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.SortFunc(at, time.Time.Compare)
	for i := 1; i < len(at); i++ {
		if gap := at[i].Sub(at[i-1]); gap != delay {
			t.Errorf("a gap of %v", gap)
		}
	}
	if len(at) != each*goroutines {
		t.Errorf("%d slots, want %d", len(at), each*goroutines)
	}
}

// Requests that pass the gate are apart when they go out, not only when their
// slots were given.
func TestGateSpacesWhatGoesOut(t *testing.T) {
	srv := redistest.Start(t)
	b := &book{}
	l := warm(t, srv.Client(), b)
	const delay = 20 * time.Millisecond
	p := lane.Params{Min: delay, MaxWait: 5 * time.Minute}
	var mu sync.Mutex
	var out []time.Time
	var wg sync.WaitGroup
	begin := time.Now()
	for range 25 {
		wg.Go(func() {
			arrived, err := l.Pass(ctx, "a", p)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			out = append(out, time.Now())
			mu.Unlock()
			arrived()
		})
	}
	wg.Wait()
	if used := time.Since(begin); used < 24*delay {
		t.Errorf("25 passed within %v", used)
	}
	if _, err := l.Pass(ctx, "a", lane.Params{Min: time.Hour, MaxWait: time.Second}); !errors.Is(err, lane.ErrNotYet) {
		t.Errorf("impatient: %v", err)
	}
	if err := l.Close(ctx, "a", time.Now().Add(time.Hour), "429"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Pass(ctx, "a", p); !errors.Is(err, lane.ErrClosed) {
		t.Errorf("a closed lane lets pass: %v", err)
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := l.Pass(stopped, "b", p); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

func TestCloseStopsTheFleet(t *testing.T) {
	srv := redistest.Start(t)
	b := &book{}
	one, two := warm(t, srv.Client(), b), lane.New(srv.Client(), b, quiet())
	p := lane.Params{Min: time.Millisecond, MaxWait: time.Second}
	reserve(t, two, "a", p)
	if err := one.Close(ctx, "a", time.Now().Add(time.Hour), "429, Retry-After: 3600\n"+strings.Repeat("x", 1000)); err != nil {
		t.Fatal(err)
	}
	_, err := two.Reserve(ctx, "a", p)
	var c *lane.Closed
	if !errors.Is(err, lane.ErrClosed) || !errors.As(err, &c) || c.Wait < 59*time.Minute || c.Wait > time.Hour ||
		!strings.HasPrefix(c.Reason, "429, Retry-After: 3600 xxx") || len(c.Reason) > 310 {
		t.Errorf("got %v", err)
	}
	reserve(t, two, "b", p)
	// A shorter penalty does not shorten it, an end in the past neither.
	for _, until := range []time.Time{time.Now().Add(time.Minute), time.Now().Add(-time.Hour)} {
		if err := two.Close(ctx, "a", until, "503"); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := one.State(ctx, "a"); err != nil || s.Closed < 59*time.Minute || !strings.HasPrefix(s.Reason, "429") {
		t.Errorf("state %+v, %v", s, err)
	}
	if err := two.Open(ctx, "a", "oscar"); err != nil {
		t.Fatal(err)
	}
	reserve(t, one, "a", p)
	// It opens by itself. A machine that stalls may see it open at once: then
	// it is closed for longer.
	shut := false
	for d := 50 * time.Millisecond; d < time.Minute && !shut; d *= 2 {
		if err := two.Close(ctx, "a", time.Now().Add(d), "429"); err != nil {
			t.Fatal(err)
		}
		_, err := one.Reserve(ctx, "a", p)
		shut = errors.As(err, &c)
		for end := time.Now().Add(2 * time.Minute); errors.Is(err, lane.ErrClosed); time.Sleep(c.Wait / 4) {
			if time.Now().After(end) {
				t.Fatalf("it does not open by itself: %v", err)
			}
			_, err = one.Reserve(ctx, "a", p)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !shut {
		t.Error("a lane that was closed for a moment was never closed")
	}
}

func TestPause(t *testing.T) {
	srv := redistest.Start(t)
	b := &book{}
	l := warm(t, srv.Client(), b)
	p := lane.Params{Min: time.Millisecond, MaxWait: time.Second}
	if err := l.Pause(ctx, "a", "oscar"); err != nil {
		t.Fatal(err)
	}
	_, err := l.Reserve(ctx, "a", p)
	var c *lane.Closed
	if !errors.As(err, &c) || !c.Paused || !strings.Contains(err.Error(), "oscar") {
		t.Errorf("got %v", err)
	}
	if err := l.Resume(ctx, "a", "oscar"); err != nil {
		t.Fatal(err)
	}
	reserve(t, l, "a", p)
	// A pause set in the ledger by a program without Redis comes with Sync, and
	// goes with it.
	b.PauseLane(ctx, "a", "someone else")
	if err := l.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Reserve(ctx, "a", p); !errors.Is(err, lane.ErrClosed) {
		t.Errorf("got %v", err)
	}
	b.ResumeLane(ctx, "a", "someone else")
	if err := l.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	reserve(t, l, "a", p)
}

func TestPenaltiesSurviveRedis(t *testing.T) {
	for name, forget := range map[string]func(*redistest.Server){
		"flushed": func(s *redistest.Server) { s.Flush() },
		"killed":  func(s *redistest.Server) { s.Restart() },
	} {
		t.Run(name, func(t *testing.T) {
			srv := redistest.Start(t)
			b := &book{}
			l, other := warm(t, srv.Client(), b), lane.New(srv.Client(), b, quiet())
			p := lane.Params{Min: 20 * time.Minute, MaxWait: time.Hour}
			reserve(t, l, "free", p)
			for i := range 50 {
				if err := l.Close(ctx, fmt.Sprint("closed", i), time.Now().Add(time.Hour), "429"); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Pause(ctx, "paused", "oscar"); err != nil {
				t.Fatal(err)
			}
			forget(srv)
			if err := back(t, other, "closed0", p); !errors.Is(err, lane.ErrClosed) {
				t.Errorf("the first answer after Redis forgot: %v", err)
			}
			var wg sync.WaitGroup
			for i := range 50 {
				for _, x := range []*lane.Limiter{l, other} {
					wg.Go(func() {
						if _, err := x.Reserve(ctx, fmt.Sprint("closed", i), p); !errors.Is(err, lane.ErrClosed) && !errors.Is(err, lane.ErrUnavailable) {
							t.Errorf("a closed lane after Redis forgot: %v", err)
						}
					})
				}
			}
			wg.Wait()
			if err := back(t, l, "paused", p); !errors.Is(err, lane.ErrClosed) {
				t.Errorf("paused: %v", err)
			}
			// Nobody knows when the lane was used last, so it waits once.
			s, err := other.Reserve(ctx, "free", p)
			if err != nil || s.Wait == 0 || s.Wait > p.Min {
				t.Errorf("free: %+v, %v", s, err)
			}
		})
	}
}

func TestFailsClosed(t *testing.T) {
	srv := redistest.Start(t)
	b := &book{}
	c := srv.Client()
	l := warm(t, c, b)
	p := lane.Params{Min: time.Millisecond, MaxWait: time.Second}
	reserve(t, l, "a", p)
	srv.Kill()
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, lane.ErrUnavailable) {
			t.Errorf("%s without Redis: %v", what, err)
		}
	}
	_, err := l.Reserve(ctx, "a", p)
	refused("reserve", err)
	_, err = l.Pass(ctx, "a", p)
	refused("pass", err)
	refused("observe", l.Observe(ctx, "a", time.Second, true))
	_, err = l.State(ctx, "a")
	refused("state", err)
	refused("close", l.Close(ctx, "a", time.Now().Add(time.Hour), "429")) // but the ledger knows
	srv.Restart()
	if err := back(t, l, "a", p); !errors.Is(err, lane.ErrClosed) {
		t.Errorf("a penalty that only the ledger got: %v", err)
	}
	// Redis is there but has forgotten, and the ledger does not answer.
	srv.Flush()
	b.breakWith(errors.New("the disk is gone"))
	if _, err := l.Reserve(ctx, "b", p); !errors.Is(err, lane.ErrUnavailable) || !strings.Contains(err.Error(), "the disk is gone") {
		t.Errorf("without a ledger: %v", err)
	}
	if err := l.Close(ctx, "c", time.Now().Add(time.Hour), "429"); err == nil || !strings.Contains(err.Error(), "not durably") {
		t.Errorf("close without a ledger: %v", err)
	}
	b.breakWith(nil)
	if _, err := l.Reserve(ctx, "c", p); !errors.Is(err, lane.ErrClosed) {
		t.Errorf("a penalty that only Redis got: %v", err)
	}
}

// Redis stayed up with its marker, but a penalty could not be written to it.
func TestPenaltyThatMissedRedis(t *testing.T) {
	srv := redistest.Start(t)
	b := &book{}
	l := warm(t, srv.Client(), b)
	p := lane.Params{Min: time.Millisecond, MaxWait: time.Second}
	b.CloseLane(ctx, "a", time.Now().Add(time.Hour), "429")
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := l.Reserve(cancelled, "a", p); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := l.Reserve(ctx, "a", p); !errors.Is(err, lane.ErrClosed) {
		t.Errorf("after trouble the ledger was not asked: %v", err)
	}
}

func TestAdaptiveDelay(t *testing.T) {
	l := warm(t, redistest.Start(t).Client(), &book{})
	p := lane.Params{Min: 10 * time.Millisecond, Max: 500 * time.Millisecond, Factor: 2, MaxWait: time.Hour}
	delay := func() time.Duration { return reserve(t, l, "a", p).Delay }
	tell := func(took time.Duration, ok bool, n int) {
		for range n {
			if err := l.Observe(ctx, "a", took, ok); err != nil {
				t.Fatal(err)
			}
		}
	}
	if d := delay(); d != 10*time.Millisecond {
		t.Errorf("nothing known: %v", d)
	}
	tell(100*time.Millisecond, true, 1)
	if d := delay(); d != 200*time.Millisecond {
		t.Errorf("after 100 ms: %v", d)
	}
	tell(time.Millisecond, false, 100) // a quick error page is no fast answer
	if d := delay(); d != 200*time.Millisecond {
		t.Errorf("errors changed it to %v", d)
	}
	tell(200*time.Millisecond, false, 1) // a slow one is a slow one
	if d := delay(); d != 300*time.Millisecond {
		t.Errorf("a slow error made it %v", d)
	}
	tell(time.Minute, true, 10)
	if d := delay(); d != 500*time.Millisecond {
		t.Errorf("above the maximum: %v", d)
	}
	tell(time.Millisecond, true, 3)
	if d := delay(); d != 500*time.Millisecond {
		t.Errorf("three fast answers made it %v at once", d)
	}
	tell(time.Millisecond, true, 200)
	if d := delay(); d != 10*time.Millisecond {
		t.Errorf("fast again: %v", d)
	}
	p.CrawlDelay = 2 * time.Second // above the maximum
	if d := delay(); d != 2*time.Second {
		t.Errorf("robots.txt asks for 2 s: %v", d)
	}
	tell(0, true, 1)
}

func TestParams(t *testing.T) {
	for _, c := range []struct {
		p        lane.Params
		response time.Duration
		want     time.Duration
	}{
		{lane.Params{Min: time.Second}, 0, time.Second},
		{lane.Params{Min: time.Second}, 3 * time.Second, 6 * time.Second},
		{lane.Params{Min: time.Second, Factor: 10}, 3 * time.Second, 30 * time.Second},
		{lane.Params{Min: time.Second, Max: 5 * time.Second}, time.Hour, 5 * time.Second},
		{lane.Params{Min: time.Second, CrawlDelay: 10 * time.Second, Max: 5 * time.Second}, time.Hour, 10 * time.Second},
	} {
		if got := c.p.Delay(c.response); got != c.want {
			t.Errorf("%+v at %v: %v, want %v", c.p, c.response, got, c.want)
		}
	}
	l := lane.New(redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}), &book{}, quiet())
	for _, p := range []lane.Params{
		{},
		{Min: -1},
		{Min: 1, CrawlDelay: -1},
		{Min: 1, Burst: -1},
		{Min: 1, Factor: -1},
		{Min: 1, MaxWait: -1},
		{Min: 1, Max: 1000 * time.Hour},
		{Min: 1, CrawlDelay: 49 * time.Hour},
		{Min: 1, Burst: 5000},
	} {
		if _, err := l.Reserve(ctx, "a", p); err == nil || errors.Is(err, lane.ErrUnavailable) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

// The scripts run on every kind of Redis that can be configured.
func TestKindsOfRedis(t *testing.T) {
	t.Run("in-process", func(t *testing.T) {
		m := miniredis.RunT(t)
		c := redis.NewClient(&redis.Options{Addr: m.Addr()})
		l := wholeLife(t, c, m.FlushAll)
		m.SetError("LOADING")
		if _, err := l.Reserve(ctx, "b", lane.Params{Min: time.Second}); !errors.Is(err, lane.ErrUnavailable) {
			t.Errorf("an outage: %v", err)
		}
	})
	t.Run("cluster", func(t *testing.T) {
		c, err := task.Redis{Cluster: []string{redistest.Cluster(t)}}.Open()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		wholeLife(t, c, func() { c.FlushAll(ctx) })
	})
}

func wholeLife(t *testing.T, c redis.UniversalClient, flush func()) *lane.Limiter {
	t.Helper()
	l := warm(t, c, &book{})
	p := lane.Params{Min: time.Minute, Max: time.Hour, MaxWait: time.Hour}
	first := reserve(t, l, "a", p)
	second := reserve(t, l, "a", p)
	if gap := second.At.Sub(first.At); gap != time.Minute {
		t.Errorf("gap %v", gap)
	}
	if err := l.GiveBack(ctx, second); err != nil {
		t.Fatal(err)
	}
	if err := l.Observe(ctx, "a", time.Minute, true); err != nil {
		t.Fatal(err)
	}
	if s := reserve(t, l, "a", p); s.Delay != 2*time.Minute || s.At.Sub(first.At) != 2*time.Minute {
		t.Errorf("after a slow answer: %+v", s)
	}
	if err := l.Close(ctx, "a", time.Now().Add(time.Hour), "429"); err != nil {
		t.Fatal(err)
	}
	if err := l.Pause(ctx, "p", "oscar"); err != nil {
		t.Fatal(err)
	}
	flush()
	for _, name := range []string{"a", "p"} {
		if _, err := l.Reserve(ctx, name, p); !errors.Is(err, lane.ErrClosed) {
			t.Errorf("%s after a flush: %v", name, err)
		}
	}
	return l
}

func BenchmarkReserve(b *testing.B) {
	l := lane.New(redistest.Start(b).Client(), &book{}, quiet())
	p := lane.Params{Min: time.Microsecond, MaxWait: time.Hour}
	for i := 0; b.Loop(); i++ {
		if _, err := l.Reserve(ctx, fmt.Sprint("lane", i%100), p); err != nil {
			b.Fatal(err)
		}
	}
}

// A Redis that was started again from its files, or a replica that has taken its
// place, lacks what the other was told last: no lane is asked on what it knows.
func TestAnotherRedisDoesNotKnowTheLastRequest(t *testing.T) {
	srv := redistest.Start(t)
	b := &book{}
	l := warm(t, srv.Client(), b)
	p := lane.Params{Min: time.Minute, Max: time.Minute, MaxWait: time.Hour}
	pass := func(l *lane.Limiter, name string) error {
		t.Helper()
		arrived, err := l.Pass(ctx, name, lane.Params{Min: time.Minute, Max: time.Minute})
		if err == nil {
			arrived()
		}
		return err
	}
	if err := pass(l, "known"); err != nil {
		t.Fatal(err)
	}
	if err := srv.Client().Save(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	if s := reserve(t, l, "slot", p); s.Wait != 0 {
		t.Fatalf("the first slot is %v away", s.Wait)
	}
	if err := pass(l, "gate"); err != nil {
		t.Fatal(err)
	}
	srv.Restart()
	other := lane.New(srv.Client(), b, quiet())
	if v := srv.Client().Get(ctx, "{trawlmark:lanes}:since").Val(); v != "1000000" {
		t.Fatalf("it remembers since %q: nothing is tried", v)
	}
	if s := reserve(t, other, "slot", p); s.Wait < 59*time.Second {
		t.Errorf("the next slot of a lane that was just asked comes in %v", s.Wait)
	}
	for _, name := range []string{"gate", "known"} {
		if err := pass(other, name); !errors.Is(err, lane.ErrNotYet) {
			t.Errorf("lane %s lets pass: %v", name, err)
		}
	}
	// It counts once: slots are a delay apart again.
	first := reserve(t, other, "slot", p)
	if s := reserve(t, other, "slot", p); s.At.Sub(first.At) != time.Minute {
		t.Errorf("the slots after it are %v apart", s.At.Sub(first.At))
	}
}

// The next request goes a delay after the one before it came, so the slots to
// come move by the time that it was on its way, once.
func TestSlotsFollowWhatCame(t *testing.T) {
	c := redistest.Start(t).Client()
	l := warm(t, c, &book{})
	p := lane.Params{Min: time.Minute, MaxWait: time.Hour}
	first := reserve(t, l, "a", p)
	arrived, err := l.Pass(ctx, "a", p)
	if err != nil {
		t.Fatal(err)
	}
	const key = "{trawlmark:lanes}:slot:a"
	was := c.Get(ctx, key).Val()
	passed := time.Now()
	for time.Since(passed) < 30*time.Millisecond {
		time.Sleep(time.Millisecond) // the site is far away
	}
	onItsWay := time.Since(passed)
	arrived()
	for c.Get(ctx, key).Val() == was { // it is told in the background
		time.Sleep(time.Millisecond)
	}
	next := reserve(t, l, "a", p)
	if gap := next.At.Sub(first.At); gap < time.Minute+onItsWay {
		t.Errorf("the request was on its way for %v and the next slot comes %v after its own, want both", onItsWay, gap)
	}
	arrived()
	if last := reserve(t, l, "a", p); last.At.Sub(next.At) != time.Minute {
		t.Errorf("the slot after it comes %v later", last.At.Sub(next.At))
	}
}

// When more requests come than slots were given, the slots to come move by the
// length of the queue at the gate: nobody waits there for long. A machine that
// stalls makes requests late, so the best of some lanes counts, and each lane is
// slower than the one before: what the machine adds weighs less and less.
func TestSlotsMakeRoomForAQueueAtTheGate(t *testing.T) {
	srv := redistest.Start(t)
	l := warm(t, srv.Client(), &book{})
	delay := 100 * time.Millisecond
	for n := range 6 {
		waited, took := queueAtTheGate(t, l, fmt.Sprint("lane", n), delay)
		if waited <= 2*delay && took <= 15*delay {
			return
		}
		t.Logf("lane of %v: five requests with slots of their own waited %v at the gate and took %v", delay, waited, took)
		delay *= 2
	}
	t.Error("the slots moved too little or too far in every lane: want waits of 2 delays and 15 in all")
}

// queueAtTheGate lets six requests come that have one slot, and then five that
// have one each: how long those waited at the gate, and how long all five took.
func queueAtTheGate(t *testing.T, l *lane.Limiter, name string, delay time.Duration) (waited, took time.Duration) {
	t.Helper()
	p := lane.Params{Min: delay, Max: delay, MaxWait: time.Minute}
	pass := func() {
		arrived, err := l.Pass(ctx, name, p)
		if err != nil {
			t.Error(err)
			return
		}
		arrived()
	}
	reserve(t, l, name, p)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(pass)
		time.Sleep(delay / 20) // they come one after the other
	}
	wg.Wait()
	begin := time.Now()
	for range 5 { // as a dispatcher gives them
		time.Sleep(reserve(t, l, name, p).Wait)
		asked := time.Now()
		pass()
		waited += time.Since(asked)
	}
	return waited, time.Since(begin)
}

// Of many that come at once, one passes, one waits for its turn, and the others
// are told at once that theirs comes later than they would wait.
func TestWhoWouldWaitLongDoesNotQueue(t *testing.T) {
	l := warm(t, redistest.Start(t).Client(), &book{})
	p := lane.Params{Min: time.Minute, Max: time.Minute, MaxWait: time.Minute}
	pass := func(ctx context.Context) error {
		arrived, err := l.Pass(ctx, "a", p)
		if err == nil {
			arrived()
		}
		return err
	}
	if err := pass(ctx); err != nil {
		t.Fatal(err)
	}
	waits, leave := context.WithCancel(ctx)
	var told sync.WaitGroup
	var mu sync.Mutex
	how := map[string]int{}
	const many = 6
	for range many {
		told.Go(func() {
			err := pass(waits)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, lane.ErrNotYet):
				how["told"]++
			case errors.Is(err, context.Canceled):
				how["waited"]++
			default:
				t.Errorf("got %v", err)
			}
			if how["told"] == many-1 {
				leave() // the last one waits for a minute
			}
		})
	}
	told.Wait()
	leave()
	if how["told"] != many-1 || how["waited"] != 1 {
		t.Errorf("%v of %d, want one to wait", how, many)
	}
}
