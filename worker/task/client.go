package task

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// ErrUnavailable: the queue's Redis did not answer. Nothing is lost by that:
// the job is dispatched again.
var ErrUnavailable = errors.New("the queue's Redis does not answer; tickets are sent again when it is back")

// Client sends tickets. Safe for concurrent use.
type Client struct {
	redis   redis.UniversalClient
	asynq   *asynq.Client
	inspect *asynq.Inspector
	timeout time.Duration
}

// NewClient sends through a Redis that the caller opens and closes. timeout is
// how long a handler may take at most, from the moment a worker takes the
// ticket; default 15 min.
func NewClient(r redis.UniversalClient, timeout time.Duration) *Client {
	if timeout == 0 {
		timeout = 15 * time.Minute
	}
	return &Client{redis: r, asynq: asynq.NewClientFromRedisClient(r), inspect: asynq.NewInspectorFromRedisClient(r), timeout: timeout}
}

// Enqueue puts a ticket into a pool's queue. A ticket that is there already, or
// was there and is being worked on, is success. ErrUnavailable: Redis is away.
func (c *Client) Enqueue(ctx context.Context, t Ticket, pool string) error {
	if !slices.Contains(Pools(), pool) {
		return fmt.Errorf("there is no pool %q: want http, browser, score or export", pool)
	}
	_, err := c.asynq.EnqueueContext(ctx, asynq.NewTask(typeName, t.Payload()),
		asynq.Queue(pool), asynq.TaskID(t.TaskID()), asynq.MaxRetry(0), asynq.Timeout(c.timeout))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return unavailable(ctx, err)
}

// unavailable: whatever Redis or the way to it says, the ticket is sent again.
func unavailable(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w (%v)", ErrUnavailable, err)
}

// Depth is how full a pool's queue is.
type Depth struct {
	Pool    string        `json:"pool"`
	Waiting int           `json:"waiting"` // tickets that no worker took yet
	Running int           `json:"running"`
	GivenUp int           `json:"given_up"` // handlers that panicked, payloads that are none
	Oldest  time.Duration `json:"oldest_ns"`
	Paused  bool          `json:"paused"`
}

// Depth tells how full a pool's queue is. It costs Redis a little: ask every
// second or so, not for each ticket.
func (c *Client) Depth(ctx context.Context, pool string) (Depth, error) {
	d := Depth{Pool: pool}
	if err := c.announce(ctx, pool); err != nil {
		return d, err
	}
	info, err := c.inspect.GetQueueInfo(pool)
	if err != nil {
		return d, unavailable(ctx, err)
	}
	d.Waiting, d.Running, d.GivenUp = info.Pending, info.Active, info.Archived
	d.Oldest, d.Paused = info.Latency, info.Paused
	return d, nil
}

// announce writes the queue's name where asynq's inspector looks for it. asynq's
// client does so once in its life, and a Redis that was flushed has forgotten.
func (c *Client) announce(ctx context.Context, pool string) error {
	return unavailable(ctx, c.redis.SAdd(ctx, "asynq:queues", pool).Err())
}

// Pause keeps workers from taking tickets of a pool; Resume lets them again.
// Both may be repeated.
func (c *Client) Pause(ctx context.Context, pool string) error { return c.setPaused(ctx, pool, true) }

// Resume ends a pause.
func (c *Client) Resume(ctx context.Context, pool string) error { return c.setPaused(ctx, pool, false) }

func (c *Client) setPaused(ctx context.Context, pool string, paused bool) error {
	d, err := c.Depth(ctx, pool)
	if err != nil || d.Paused == paused {
		return err
	}
	if paused {
		return unavailable(ctx, c.inspect.PauseQueue(pool))
	}
	return unavailable(ctx, c.inspect.UnpauseQueue(pool))
}

// Forget deletes tickets that were given up: they only take memory, since the
// ledger has planned their jobs again. It says how many there were.
func (c *Client) Forget(ctx context.Context, pool string) (int, error) {
	if err := c.announce(ctx, pool); err != nil {
		return 0, err
	}
	n, err := c.inspect.DeleteAllArchivedTasks(pool)
	return n, unavailable(ctx, err)
}
