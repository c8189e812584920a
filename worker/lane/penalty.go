package lane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Close closes a lane for the whole fleet until an instant by the ledger's
// clock: at once in Redis, and durably in the ledger. A penalty is never
// shortened by another. An error says which of the two was not told; the lane
// is closed by the other.
func (l *Limiter) Close(ctx context.Context, lane string, until time.Time, why string) error {
	why = reason(why)
	err := l.tellClosed(ctx, l.redis, lane, until, why)
	if err != nil {
		err = l.unavailable(ctx, err)
	}
	if kept := l.book.CloseLane(ctx, lane, until, why); kept != nil {
		err = errors.Join(err, fmt.Errorf("lane %s is closed, but not durably: %w", lane, kept))
	}
	return err
}

func (l *Limiter) tellClosed(ctx context.Context, c redis.Scripter, lane string, until time.Time, why string) error {
	left := until.Sub(l.book.Now())
	if left <= 0 {
		return nil
	}
	return shut.Run(ctx, c, []string{closedKey(lane)}, left.Microseconds(), why).Err()
}

// Open lifts a lane's penalty before its time.
func (l *Limiter) Open(ctx context.Context, lane, by string) error {
	if err := l.book.OpenLane(ctx, lane, by); err != nil {
		return err
	}
	return l.unavailable(ctx, l.redis.Del(ctx, closedKey(lane)).Err())
}

// Pause stops a lane until Resume.
func (l *Limiter) Pause(ctx context.Context, lane, by string) error {
	if err := l.book.PauseLane(ctx, lane, by); err != nil {
		return err
	}
	return l.unavailable(ctx, l.redis.Set(ctx, pausedKey(lane), reason(by), 0).Err())
}

// Resume ends a pause.
func (l *Limiter) Resume(ctx context.Context, lane, by string) error {
	if err := l.book.ResumeLane(ctx, lane, by); err != nil {
		return err
	}
	return l.unavailable(ctx, l.redis.Del(ctx, pausedKey(lane)).Err())
}

// State is what the limiter knows of a lane now.
type State struct {
	Lane     string        `json:"lane"`
	Closed   time.Duration `json:"closed_ns"` // how long it stays closed
	Reason   string        `json:"reason,omitempty"`
	Paused   bool          `json:"paused"`
	PausedBy string        `json:"paused_by,omitempty"`
	Response time.Duration `json:"response_ns"` // moving average; 0: unknown
}

// State tells about a lane without taking a slot.
func (l *Limiter) State(ctx context.Context, lane string) (State, error) {
	if err := l.settle(ctx); err != nil {
		return State{}, err
	}
	keys := []string{sinceKey, slotKey(lane), closedKey(lane), pausedKey(lane), responseKey(lane)}
	for range 2 {
		res, err := look.Run(ctx, l.redis, keys).Slice()
		if err != nil {
			return State{}, l.unavailable(ctx, err)
		}
		if res[0] == int64(1) {
			return State{
				Lane: lane, Closed: micros(res[1]), Reason: res[2].(string), PausedBy: res[3].(string),
				Paused: res[4] == int64(1), Response: micros(res[5]),
			}, nil
		}
		if err := l.restore(ctx); err != nil {
			return State{}, err
		}
	}
	return State{}, fmt.Errorf("%w (it forgets what it is told)", ErrUnavailable)
}

// settle tells Redis all that the ledger knows, once at the start and after
// every time Redis could not be reached: a penalty may have been written to
// the ledger only.
func (l *Limiter) settle(ctx context.Context) error {
	l.mu.Lock()
	dirty := l.dirty
	l.mu.Unlock()
	if !dirty {
		return nil
	}
	return l.restore(ctx)
}

// Sync tells Redis all that the ledger knows of lanes. The dispatcher does it
// every few seconds: penalties that reached only the ledger, and pauses set by
// a command that has no Redis, take effect by it, and so does the lifting of a
// penalty. A site that closes the lane within a minute of a lift may have to be
// told twice: what only Redis knew by then is told again by the next Sync.
func (l *Limiter) Sync(ctx context.Context) error { return l.restore(ctx) }

func (l *Limiter) restore(ctx context.Context) error {
	l.mu.Lock()
	l.dirty = false // set again by whatever fails from here on
	l.mu.Unlock()
	lanes, err := l.book.Lanes(ctx)
	if err != nil {
		return l.unavailable(ctx, fmt.Errorf("the ledger does not tell which lanes are closed: %w", err))
	}
	for _, k := range lanes {
		err := l.tellClosed(ctx, l.redis, k.Name, k.ClosedUntil, reason(k.Reason))
		if err == nil && k.Lifted(l.book.Now()) {
			err = l.redis.Del(ctx, closedKey(k.Name)).Err()
		}
		if err == nil && k.Paused {
			err = l.redis.Set(ctx, pausedKey(k.Name), reason(k.PausedBy), 0).Err()
		} else if err == nil {
			err = l.redis.Del(ctx, pausedKey(k.Name)).Err()
		}
		if err != nil {
			return l.unavailable(ctx, err)
		}
	}
	return l.unavailable(ctx, remember.Run(ctx, l.redis, []string{sinceKey}).Err())
}
