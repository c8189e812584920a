package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
)

// ErrDraining is the cause (context.Cause) of a handler's context that ends
// because the server stops: the handler gives its job back.
var ErrDraining = errors.New("the worker is stopping")

// Handler does the job of a ticket. Its errors and panics are faults of the
// program: they are logged, and the ticket is given up. What went wrong with
// the job itself it writes to the ledger and returns nil.
type Handler func(ctx context.Context, t Ticket) error

// ServerConfig is how a Server takes tickets.
type ServerConfig struct {
	// Pools whose tickets it takes, one or two: each costs Redis a poll per
	// second, and a long ticket holds its slot whatever the other pool's need.
	Pools []string
	// Concurrency is how many handlers run at once. Required.
	Concurrency int
	// Drain is how long handlers may finish after Run is told to stop. Then
	// their contexts end. Default 30 s.
	Drain time.Duration
	// Grace is how long a handler has to return after its context ended.
	// Default 10 s; a handler that takes longer is left behind.
	Grace time.Duration
	// Poll is how often an empty queue is asked. Default 500 ms.
	Poll time.Duration
}

func (c ServerConfig) withDefaults() ServerConfig {
	if c.Drain == 0 {
		c.Drain = 30 * time.Second
	}
	if c.Grace == 0 {
		c.Grace = 10 * time.Second
	}
	if c.Poll == 0 {
		c.Poll = 500 * time.Millisecond
	}
	return c
}

// Validate reports the first setting that cannot be used, by its key.
func (c ServerConfig) Validate() error {
	if len(c.Pools) < 1 || len(c.Pools) > 2 {
		return fmt.Errorf("pools: a server takes tickets of one or two pools, not of %d", len(c.Pools))
	}
	for _, p := range c.Pools {
		if !slices.Contains(Pools(), p) {
			return fmt.Errorf("pools: there is no pool %q: want http, browser, score or export", p)
		}
	}
	if c.Concurrency < 1 {
		return errors.New("concurrency must be at least 1")
	}
	if c.Drain < 0 || c.Grace < 0 || c.Poll < 0 {
		return errors.New("drain, grace and poll must not be negative")
	}
	return nil
}

// Server takes tickets from the queue and runs a handler for each.
type Server struct {
	cfg   ServerConfig
	redis Redis
	log   *slog.Logger

	slots   chan struct{}
	running atomic.Int64
}

// NewServer checks the settings; nothing runs yet.
func NewServer(r Redis, cfg ServerConfig, log *slog.Logger) (*Server, error) {
	if err := errors.Join(r.Validate(), cfg.Validate()); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	return &Server{cfg: cfg, redis: r, log: log, slots: make(chan struct{}, cfg.Concurrency)}, nil
}

// Running is how many handlers run now.
func (s *Server) Running() int { return int(s.running.Load()) }

// Run takes tickets until ctx ends, and then drains: it takes no more, lets
// handlers finish within Config.Drain, ends their contexts (ErrDraining), and
// waits up to Config.Grace for them to return. It gives an error only for
// handlers that did not. Redis away is waited out.
func (s *Server) Run(ctx context.Context, h Handler) error {
	client, err := s.redis.Open()
	if err != nil {
		return err
	}
	defer client.Close()
	drain, expire := context.WithCancelCause(context.Background())
	defer expire(nil)
	log := &quiet{log: s.log, where: s.redis.String()}
	srv := asynq.NewServerFromRedisClient(client, s.asynqConfig(log))
	if err := srv.Start(asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		return s.handle(ctx, drain, t, h)
	})); err != nil {
		return err
	}
	<-ctx.Done()
	s.log.Info("draining", "running", s.Running(), "for", s.cfg.Drain.String())
	timer := time.AfterFunc(s.cfg.Drain, func() { expire(ErrDraining) })
	defer timer.Stop()
	srv.Shutdown() // takes no more, and waits for Drain + Grace at most
	if n := s.Running(); n > 0 {
		return fmt.Errorf("%d handlers did not return %s after they were told to; their jobs are put back when their leases end", n, s.cfg.Grace)
	}
	return nil
}

func (s *Server) asynqConfig(log *quiet) asynq.Config {
	queues := map[string]int{}
	for i, p := range s.cfg.Pools {
		queues[p] = len(s.cfg.Pools) - i
	}
	return asynq.Config{
		Concurrency:         s.cfg.Concurrency,
		Queues:              queues,
		TaskCheckInterval:   s.cfg.Poll,
		ShutdownTimeout:     s.cfg.Drain + s.cfg.Grace,
		Logger:              log,
		LogLevel:            asynq.DebugLevel,
		HealthCheckFunc:     log.health,
		HealthCheckInterval: 2 * time.Second,
		// We schedule and retry nothing in asynq.
		DelayedTaskCheckInterval: time.Minute,
		JanitorInterval:          time.Minute,
	}
}

// handle runs one handler in a slot of our own. asynq frees its slot when it
// loses a ticket's lease (Redis was away for 30 s) or its timeout passes, while
// the handler, and its Chrome, still run.
func (s *Server) handle(ctx, drain context.Context, t *asynq.Task, h Handler) error {
	ticket, err := ParseTicket(t.Payload())
	if err != nil {
		s.log.Error("a ticket cannot be read and is given up", "error", err)
		return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(15 * time.Minute)
	}
	// Ours ends before asynq's, so that the handler has ended when asynq acts.
	margin := min(time.Until(deadline)/10, 15*time.Second)
	own, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline.Add(-margin))
	defer cancel()
	run, end := context.WithCancelCause(own)
	defer end(nil)
	defer context.AfterFunc(drain, func() { end(context.Cause(drain)) })()
	select {
	case s.slots <- struct{}{}:
	case <-run.Done():
		return nil // never began: the ledger puts it back
	}
	s.running.Add(1)
	defer func() { s.running.Add(-1); <-s.slots }()
	if err := guarded(run, ticket, h); err != nil {
		s.log.Error("a handler failed and its ticket is given up", "job", ticket.Job.String(), "epoch", ticket.Epoch, "error", err)
		return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
	}
	return nil
}

// guarded makes an error of a panic: asynq would log where it was, not what.
func guarded(ctx context.Context, t Ticket, h Handler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return h(ctx, t)
}
