package task_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"

	"github.com/trawlmark/trawlmark/worker/task"
	"github.com/trawlmark/trawlmark/worker/task/redistest"
)

var ctx = context.Background()

// logs is a log that can be read while it is written.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// world is a queue with a server.
type world struct {
	t      *testing.T
	redis  task.Redis
	client *task.Client
	log    *logs
	stop   context.CancelFunc
	ended  chan error
}

func start(t *testing.T, srv *redistest.Server, cfg task.ServerConfig, h task.Handler) *world {
	t.Helper()
	w := &world{t: t, redis: task.Redis{Addr: "unix:" + srv.Socket}, log: &logs{}, ended: make(chan error, 1)}
	c, err := w.redis.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	w.client = task.NewClient(c, time.Minute)
	if cfg.Pools == nil {
		cfg.Pools = []string{task.HTTP}
	}
	if cfg.Concurrency == 0 {
		cfg.Concurrency = 4
	}
	cfg.Poll = 10 * time.Millisecond
	s, err := task.NewServer(w.redis, cfg, w.log.logger())
	if err != nil {
		t.Fatal(err)
	}
	run, stop := context.WithCancel(ctx)
	w.stop = stop
	go func() { w.ended <- s.Run(run, h) }()
	t.Cleanup(func() { w.end() })
	return w
}

// end stops the server and gives what Run said.
func (w *world) end() error {
	w.stop()
	select {
	case err := <-w.ended:
		w.ended <- nil
		return err
	case <-time.After(2 * time.Minute):
		w.t.Fatal("the server did not stop within two minutes")
		return nil
	}
}

func (w *world) send(k task.Ticket, pool string) {
	w.t.Helper()
	if err := w.client.Enqueue(ctx, k, pool); err != nil {
		w.t.Fatal(err)
	}
}

func within(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(d); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", d, what)
		}
	}
}

func TestTicketsArriveOnceEach(t *testing.T) {
	srv := redistest.Start(t)
	var mu sync.Mutex
	got := map[task.Ticket]int{}
	w := start(t, srv, task.ServerConfig{Pools: []string{task.HTTP, task.Browser}}, func(_ context.Context, k task.Ticket) error {
		mu.Lock()
		defer mu.Unlock()
		got[k]++
		return nil
	})
	if err := w.client.Pause(ctx, task.HTTP); err != nil {
		t.Fatal(err)
	}
	pools := []string{task.HTTP, task.Browser}
	for n := range byte(40) {
		k := task.Ticket{Job: id(n + 1), Epoch: 1}
		w.send(k, pools[n%2])
		if n%2 == 0 { // in the paused queue: sent again, and once of the next epoch
			w.send(k, task.HTTP)
			w.send(task.Ticket{Job: id(n + 1), Epoch: 2}, task.HTTP)
		}
	}
	within(t, 2*time.Minute, "20 tickets of the pool that is not paused", func() bool { mu.Lock(); defer mu.Unlock(); return len(got) >= 20 })
	if d, err := w.client.Depth(ctx, task.HTTP); err != nil || d.Waiting != 40 || !d.Paused {
		t.Errorf("depth of the paused pool: %+v, %v", d, err)
	}
	for range 2 {
		if err := w.client.Resume(ctx, task.HTTP); err != nil {
			t.Fatal(err)
		}
	}
	within(t, 2*time.Minute, "60 tickets", func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == 60 })
	if err := w.end(); err != nil {
		t.Error(err)
	}
	for k, n := range got {
		if n != 1 {
			t.Errorf("%+v came %d times", k, n)
		}
	}
	if d, err := w.client.Depth(ctx, task.Browser); err != nil || d.Waiting != 0 || d.Running != 0 || d.GivenUp != 0 {
		t.Errorf("depth: %+v, %v", d, err)
	}
	if d, err := w.client.Depth(ctx, task.Score); err != nil || d.Waiting != 0 {
		t.Errorf("depth of a pool that was never used: %+v, %v", d, err)
	}
	// Done tickets leave nothing behind: the queue is not where results are.
	if keys := srv.Client().Keys(ctx, "asynq:*:t:*").Val(); len(keys) != 0 {
		t.Errorf("left behind: %v", keys)
	}
	if err := w.client.Enqueue(ctx, task.Ticket{Job: id(1), Epoch: 1}, "laundry"); err == nil {
		t.Error("an unknown pool took a ticket")
	}
}

func TestFaultyHandlersDoNotStopTheServer(t *testing.T) {
	srv := redistest.Start(t)
	var good atomic.Int32
	w := start(t, srv, task.ServerConfig{Concurrency: 2}, func(_ context.Context, k task.Ticket) error {
		switch k.Epoch {
		case 1:
			panic("out of cheese")
		case 2:
			return errors.New("wrong program")
		}
		good.Add(1)
		return nil
	})
	for e := range int64(6) {
		w.send(task.Ticket{Job: id(1), Epoch: e + 1}, task.HTTP)
	}
	c, err := w.redis.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := asynq.NewClientFromRedisClient(c).Enqueue(asynq.NewTask("job", []byte("garbage")), asynq.Queue(task.HTTP), asynq.MaxRetry(0)); err != nil {
		t.Fatal(err)
	}
	within(t, 2*time.Minute, "four good ones", func() bool { return good.Load() == 4 })
	given := func() task.Depth { d, _ := w.client.Depth(ctx, task.HTTP); return d }
	within(t, 2*time.Minute, "three given up", func() bool { return given().GivenUp == 3 })
	if n, err := w.client.Forget(ctx, task.HTTP); n != 3 || err != nil {
		t.Errorf("forgot %d, %v", n, err)
	}
	if n, err := w.client.Forget(ctx, task.Score); n != 0 || err != nil {
		t.Errorf("forgot %d, %v", n, err)
	}
	for _, s := range []string{"out of cheese", "wrong program", "not a ticket"} {
		if !strings.Contains(w.log.String(), s) {
			t.Errorf("%q is not in the log", s)
		}
	}
}

// What runs when the server is told to stop may end, and nothing new begins.
func TestDrain(t *testing.T) {
	srv := redistest.Start(t)
	release := make(chan struct{})
	var begun, whole atomic.Int32
	w := start(t, srv, task.ServerConfig{Concurrency: 2, Drain: time.Hour}, func(c context.Context, _ task.Ticket) error {
		begun.Add(1)
		<-release
		if c.Err() == nil {
			whole.Add(1)
		}
		return nil
	})
	for e := range int64(5) {
		w.send(task.Ticket{Job: id(1), Epoch: e + 1}, task.HTTP)
	}
	within(t, 2*time.Minute, "two begun", func() bool { return begun.Load() == 2 })
	w.stop()
	within(t, 2*time.Minute, "asynq to take no more", func() bool { return strings.Contains(w.log.String(), "Waiting for all workers") })
	close(release)
	if err := w.end(); err != nil {
		t.Error(err)
	}
	if whole.Load() != 2 || begun.Load() != 2 {
		t.Errorf("%d begun, %d whole; want 2 and 2", begun.Load(), whole.Load())
	}
	if d, err := w.client.Depth(ctx, task.HTTP); err != nil || d.Waiting != 3 {
		t.Errorf("tickets that nobody took: %+v, %v", d, err)
	}
}

// A handler that does not end within the drain time is told to.
func TestDrainEndsWhatLasts(t *testing.T) {
	srv := redistest.Start(t)
	begun, cause := make(chan struct{}), make(chan error, 1)
	w := start(t, srv, task.ServerConfig{Concurrency: 1, Drain: 50 * time.Millisecond, Grace: time.Hour}, func(c context.Context, _ task.Ticket) error {
		close(begun)
		<-c.Done()
		cause <- context.Cause(c)
		return nil
	})
	w.send(task.Ticket{Job: id(1), Epoch: 1}, task.HTTP)
	<-begun
	if err := w.end(); err != nil {
		t.Error(err)
	}
	if err := <-cause; !errors.Is(err, task.ErrDraining) {
		t.Errorf("it was ended by %v", err)
	}
}

func TestDrainLeavesTheDeafBehind(t *testing.T) {
	srv := redistest.Start(t)
	release, begun := make(chan struct{}), make(chan struct{})
	w := start(t, srv, task.ServerConfig{Concurrency: 1, Drain: 50 * time.Millisecond, Grace: 50 * time.Millisecond},
		func(context.Context, task.Ticket) error { close(begun); <-release; return nil })
	defer close(release)
	w.send(task.Ticket{Job: id(1), Epoch: 1}, task.HTTP)
	<-begun
	if err := w.end(); err == nil || !strings.Contains(err.Error(), "1 handlers did not return") {
		t.Errorf("got %v", err)
	}
}

func TestDeadlineEndsTheHandler(t *testing.T) {
	srv := redistest.Start(t)
	caused := make(chan error, 1)
	w := start(t, srv, task.ServerConfig{}, func(c context.Context, _ task.Ticket) error {
		d, _ := c.Deadline()
		if left := time.Until(d); left > 59*time.Second || left < 30*time.Second {
			t.Errorf("%v of a minute is left", left)
		}
		caused <- nil
		return nil
	})
	w.send(task.Ticket{Job: id(1), Epoch: 1}, task.HTTP)
	<-caused
	// A second is the shortest that asynq knows, and where this begins.
	c, err := w.redis.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	w2 := start(t, srv, task.ServerConfig{}, func(c context.Context, _ task.Ticket) error {
		<-c.Done()
		caused <- context.Cause(c)
		return nil
	})
	// The handler has a tenth of the time to end before asynq gives its ticket
	// up: a machine that stalls for longer is given a longer time.
	for limit, epoch := time.Second, int64(1); ; limit, epoch = 2*limit, epoch+1 {
		if err := task.NewClient(c, limit).Enqueue(ctx, task.Ticket{Job: id(2), Epoch: epoch}, task.HTTP); err != nil {
			t.Fatal(err)
		}
		var d task.Depth
		within(t, 3*time.Minute, "the ticket to leave the queue", func() bool {
			var err error
			d, err = w2.client.Depth(ctx, task.HTTP)
			return err == nil && d.Waiting == 0 && d.Running == 0
		})
		select {
		case err := <-caused:
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("ended by %v", err)
			}
			if d.GivenUp == 0 {
				return
			}
		default: // it had no time left when it came
		}
		if limit > time.Minute {
			t.Fatalf("the ticket is given up, not done, even after %s", limit)
		}
		if _, err := w2.client.Forget(ctx, task.HTTP); err != nil {
			t.Fatal(err)
		}
	}
}

// asynq gives a ticket up (it lost the lease, somebody cancelled it) while its
// handler runs: the handler is not ended, and its slot is not given away.
func TestHandlerOutlivesItsTicket(t *testing.T) {
	srv := redistest.Start(t)
	release, begun := make(chan struct{}), make(chan struct{})
	var second atomic.Bool
	w := start(t, srv, task.ServerConfig{Concurrency: 1}, func(c context.Context, k task.Ticket) error {
		if k.Epoch == 2 {
			second.Store(true)
			return nil
		}
		close(begun)
		<-release
		if c.Err() != nil {
			t.Errorf("the handler was ended: %v", context.Cause(c))
		}
		if second.Load() {
			t.Error("two handlers ran in one slot")
		}
		return nil
	})
	k := task.Ticket{Job: id(1), Epoch: 1}
	w.send(k, task.HTTP)
	<-begun
	w.send(task.Ticket{Job: id(1), Epoch: 2}, task.HTTP)
	within(t, 2*time.Minute, "asynq gives the ticket up and takes the next", func() bool {
		asynq.NewInspectorFromRedisClient(srv.Client()).CancelProcessing(k.TaskID())
		d, err := w.client.Depth(ctx, task.HTTP)
		return err == nil && d.GivenUp == 1 && d.Waiting == 0
	})
	close(release)
	within(t, 2*time.Minute, "the second ticket", second.Load)
}

func TestRedisGoesAndComes(t *testing.T) {
	srv := redistest.Start(t)
	var done atomic.Int32
	hold, held := make(chan struct{}), make(chan struct{})
	w := start(t, srv, task.ServerConfig{Concurrency: 2}, func(c context.Context, k task.Ticket) error {
		if k.Epoch == 1 {
			close(held)
			<-hold
			if c.Err() != nil {
				t.Errorf("the handler was ended: %v", context.Cause(c))
			}
		}
		done.Add(1)
		return nil
	})
	w.send(task.Ticket{Job: id(1), Epoch: 1}, task.HTTP)
	<-held
	srv.Kill()
	if err := w.client.Enqueue(ctx, task.Ticket{Job: id(2), Epoch: 2}, task.HTTP); !errors.Is(err, task.ErrUnavailable) || strings.Contains(err.Error(), "\n") {
		t.Errorf("sending without Redis: %v", err)
	}
	if _, err := w.client.Depth(ctx, task.HTTP); !errors.Is(err, task.ErrUnavailable) {
		t.Errorf("depth without Redis: %v", err)
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if err := w.client.Enqueue(stopped, task.Ticket{Job: id(2), Epoch: 2}, task.HTTP); !errors.Is(err, context.Canceled) {
		t.Errorf("sending when stopped: %v", err)
	}
	within(t, 2*time.Minute, "one line that Redis is away", func() bool { return strings.Contains(w.log.String(), "does not answer") })
	before := cpu()
	time.Sleep(2 * time.Second) // an outage is measured, not synchronised with
	used := cpu() - before
	t.Logf("waiting for Redis used %v of CPU in 2 s", used)
	if used > 500*time.Millisecond {
		t.Errorf("waiting for Redis used %v of CPU in 2 s", used)
	}
	close(hold)
	srv.Restart()
	within(t, 2*time.Minute, "one line that Redis is back", func() bool { return strings.Contains(w.log.String(), "is back") })
	within(t, 2*time.Minute, "a ticket can be sent again", func() bool {
		return w.client.Enqueue(ctx, task.Ticket{Job: id(2), Epoch: 2}, task.HTTP) == nil
	})
	within(t, 2*time.Minute, "work goes on", func() bool { return done.Load() == 2 })
	if n := strings.Count(w.log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings for one outage:\n%s", n, w.log)
	}
}

// cpu is what this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestServerStartsWithoutRedis(t *testing.T) {
	srv := redistest.Start(t)
	srv.Kill()
	done := make(chan struct{})
	w := start(t, srv, task.ServerConfig{}, func(context.Context, task.Ticket) error { close(done); return nil })
	srv.Restart()
	within(t, 2*time.Minute, "a ticket can be sent", func() bool {
		return w.client.Enqueue(ctx, task.Ticket{Job: id(1), Epoch: 1}, task.HTTP) == nil
	})
	<-done
}

func TestServerConfig(t *testing.T) {
	for _, c := range []task.ServerConfig{
		{Concurrency: 1},
		{Pools: []string{"laundry"}, Concurrency: 1},
		{Pools: task.Pools(), Concurrency: 1},
		{Pools: []string{task.HTTP}},
		{Pools: []string{task.HTTP}, Concurrency: 1, Drain: -1},
	} {
		if _, err := task.NewServer(task.Redis{Addr: "a:1"}, c, (&logs{}).logger()); err == nil {
			t.Errorf("%+v passed", c)
		}
	}
}

// The queue works on every kind of Redis that can be configured: a flushed one
// that its client does not know was flushed, an in-process one as small
// installations have, a cluster, and a master behind a sentinel.
func TestKindsOfRedis(t *testing.T) {
	kinds := map[string]func(*testing.T) task.Redis{
		"in-process": func(t *testing.T) task.Redis { return task.Redis{Addr: miniredis.RunT(t).Addr()} },
		"cluster":    func(t *testing.T) task.Redis { return task.Redis{Cluster: []string{redistest.Cluster(t)}} },
		"sentinel": func(t *testing.T) task.Redis {
			addr, master := redistest.Sentinel(t)
			return task.Redis{Sentinels: []string{addr}, Master: master}
		},
	}
	for name, open := range kinds {
		t.Run(name, func(t *testing.T) {
			r := open(t)
			c, err := r.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			cfg := task.ServerConfig{Pools: []string{task.Score, task.Export}, Concurrency: 2, Poll: 10 * time.Millisecond}
			s, err := task.NewServer(r, cfg, (&logs{}).logger())
			if err != nil {
				t.Fatal(err)
			}
			run, stop := context.WithCancel(ctx)
			defer stop()
			got, ended := make(chan task.Ticket, 10), make(chan error, 1)
			go func() {
				ended <- s.Run(run, func(_ context.Context, k task.Ticket) error { got <- k; return nil })
			}()
			client := task.NewClient(c, time.Minute)
			for n := range byte(6) {
				if err := client.Enqueue(ctx, task.Ticket{Job: id(n + 1), Epoch: 1}, []string{task.Score, task.Export}[n%2]); err != nil {
					t.Fatal(err)
				}
			}
			for range 6 {
				<-got
			}
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFlushedQueue(t *testing.T) {
	srv := redistest.Start(t)
	c, err := task.Redis{Addr: "unix:" + srv.Socket}.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	client := task.NewClient(c, time.Minute)
	k := task.Ticket{Job: id(1), Epoch: 1}
	for range 2 {
		if err := client.Enqueue(ctx, k, task.HTTP); err != nil {
			t.Fatal(err)
		}
		if d, err := client.Depth(ctx, task.HTTP); err != nil || d.Waiting != 1 {
			t.Errorf("depth: %+v, %v", d, err)
		}
		srv.Flush()
	}
}
