package lane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/trawlmark/trawlmark/worker/ledger"
)

// The errors; test with errors.Is.
var (
	// ErrUnavailable: the limiter cannot be asked, so nothing may go out.
	ErrUnavailable = errors.New("the lanes' limiter does not answer, so nothing is sent until it does")
	// ErrClosed: the lane is closed or paused; a *Closed tells until when.
	ErrClosed = errors.New("the lane is closed")
	// ErrNotYet: the next slot comes later than Params.MaxWait, and was not
	// taken. Slot.Wait says how much later.
	ErrNotYet = errors.New("the lane's next slot comes later")
)

// Closed says why a lane gives no slot.
type Closed struct {
	Lane   string
	Wait   time.Duration // until it opens; 0 when it is paused
	Reason string
	Paused bool // by an operator, until he resumes it; Reason names him
}

func (c *Closed) Error() string {
	if c.Paused {
		return fmt.Sprintf("lane %s is paused by %s", c.Lane, c.Reason)
	}
	return fmt.Sprintf("lane %s is closed for %s: %s", c.Lane, c.Wait.Round(time.Millisecond), c.Reason)
}

// Is makes errors.Is(err, ErrClosed) true.
func (c *Closed) Is(target error) bool { return target == ErrClosed }

// Slot is a moment at which the lane may be used once.
type Slot struct {
	Lane  string
	Wait  time.Duration // until the slot comes, from now
	At    time.Time     // when that is by Redis's clock
	Delay time.Duration // the lane's delay now

	written, previous string
}

// Book keeps lanes durably. *ledger.Ledger is one.
type Book interface {
	CloseLane(ctx context.Context, lane string, until time.Time, reason string) error
	OpenLane(ctx context.Context, lane, by string) error
	PauseLane(ctx context.Context, lane, by string) error
	ResumeLane(ctx context.Context, lane, by string) error
	Lanes(ctx context.Context) ([]ledger.Lane, error)
	Now() time.Time
}

// Limiter hands out the slots of all lanes. Safe for concurrent use; any number
// of processes share one Redis and one Book.
type Limiter struct {
	redis redis.UniversalClient
	book  Book
	log   *slog.Logger

	mu    sync.Mutex // one restore at a time in this process
	dirty bool       // something was not told to Redis: tell it all first
}

// New gives a Limiter over a Redis and a Book that the caller opens and closes.
func New(r redis.UniversalClient, book Book, log *slog.Logger) *Limiter {
	return &Limiter{redis: r, book: book, log: log, dirty: true}
}

// Reserve takes the lane's next slot, if it comes within p.MaxWait. The caller
// waits Slot.Wait and then uses it, or gives it back. Errors: ErrNotYet,
// ErrClosed, ErrUnavailable.
func (l *Limiter) Reserve(ctx context.Context, lane string, p Params) (Slot, error) {
	return l.take(ctx, lane, slotKey(lane), p)
}

func (l *Limiter) take(ctx context.Context, lane, key string, p Params) (Slot, error) {
	if err := p.Validate(); err != nil {
		return Slot{}, err
	}
	p = p.withDefaults()
	keys := []string{sinceKey, key, closedKey(lane), pausedKey(lane), responseKey(lane), serverKey}
	return l.ask(ctx, lane, reserve, keys, p.Floor().Microseconds(), p.Max.Microseconds(), p.Factor, p.Burst, p.MaxWait.Microseconds())
}

// ask runs a script that answers with a slot. A Redis that has forgotten is
// told again what the ledger knows, before it may answer.
func (l *Limiter) ask(ctx context.Context, lane string, script *redis.Script, keys []string, args ...any) (Slot, error) {
	if err := l.settle(ctx); err != nil {
		return Slot{}, err
	}
	for range 3 {
		res, err := script.Run(ctx, l.redis, keys, args...).Slice()
		if err != nil {
			return Slot{}, l.unavailable(ctx, err)
		}
		if res[0] != "forgot" {
			return answer(lane, res)
		}
		l.log.Warn("the lanes' Redis has forgotten everything; it is told again what the ledger knows")
		if err := l.restore(ctx); err != nil {
			return Slot{}, err
		}
	}
	return Slot{}, fmt.Errorf("%w (it forgets what it is told)", ErrUnavailable)
}

// answer reads what the reserve script returned.
func answer(lane string, res []any) (Slot, error) {
	wait := micros(res[1])
	switch res[0] {
	case "paused":
		return Slot{Lane: lane}, &Closed{Lane: lane, Reason: res[2].(string), Paused: true}
	case "closed":
		return Slot{Lane: lane, Wait: wait}, &Closed{Lane: lane, Wait: wait, Reason: res[2].(string)}
	case "later":
		return Slot{Lane: lane, Wait: wait, Delay: micros(res[2])}, fmt.Errorf("lane %s: %w", lane, ErrNotYet)
	}
	return Slot{
		Lane: lane, Wait: wait, Delay: micros(res[2]), At: time.UnixMicro(res[3].(int64)).UTC(), written: res[4].(string),
		previous: res[5].(string),
	}, nil
}

func micros(v any) time.Duration { n, _ := v.(int64); return time.Duration(n) * time.Microsecond }

// GiveBack returns a slot that is not used. It helps only while no later one
// was taken; the lane is never faster for it.
func (l *Limiter) GiveBack(ctx context.Context, s Slot) error {
	if s.written == "" {
		return nil
	}
	return l.unavailable(ctx, giveBack.Run(ctx, l.redis, []string{slotKey(s.Lane)}, s.written, s.previous).Err())
}

// Observe tells how long the site took to answer; ok is false for an answer
// that was an error, which can slow the lane down but not speed it up.
func (l *Limiter) Observe(ctx context.Context, lane string, took time.Duration, ok bool) error {
	if took <= 0 {
		return nil
	}
	good := 0
	if ok {
		good = 1
	}
	return l.unavailable(ctx, observe.Run(ctx, l.redis, []string{responseKey(lane)}, took.Microseconds(), good).Err())
}

// unavailable turns what Redis or the way to it says into ErrUnavailable. What
// was to be told may not have arrived, so all is told again.
func (l *Limiter) unavailable(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	l.mu.Lock()
	l.dirty = true
	l.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w (%v)", ErrUnavailable, err)
}

// reason makes a text fit for one line.
func reason(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}
