package lane

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"
)

// hold is how long the gate stays shut behind who passed and does not say that
// his request has arrived: he may have died. Who is slow says so every third
// of it.
const hold = 2 * time.Second

// Pass waits at the lane's gate, just before a request goes out, until the
// request before it arrived a delay ago, for p.MaxWait at most. ErrNotYet comes
// at once when those who wait already will take longer. Slots are spaced when they are handed out; queue, worker and
// network can be late by different amounts, and the site's log shows when
// requests came. A lane that was closed meanwhile is ErrClosed here too.
//
// The caller calls arrived, which may be called again and never blocks, as
// soon as the request is known to have reached the site, or to be over; until
// then nobody else passes.
func (l *Limiter) Pass(ctx context.Context, lane string, p Params) (arrived func(), err error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	p = p.withDefaults()
	keys := []string{sinceKey, gateKey(lane), closedKey(lane), pausedKey(lane), responseKey(lane), serverKey, slotKey(lane), easedKey(lane), queueKey(lane)}
	token, patience, first := rand.Text(), p.MaxWait, 1
	for {
		s, err := l.ask(ctx, lane, pass, keys, p.Floor().Microseconds(), p.Max.Microseconds(), p.Factor, hold.Microseconds(), token, first, p.MaxWait.Microseconds())
		if err == nil {
			return l.passing(ctx, lane, token, max(s.Delay, p.Max)), nil
		}
		if !errors.Is(err, ErrNotYet) || s.Wait > patience {
			return nil, err
		}
		patience -= s.Wait
		first = 0
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(s.Wait):
		}
	}
}

// passing keeps the gate shut until the request has arrived, or ctx ends.
func (l *Limiter) passing(ctx context.Context, lane, token string, keep time.Duration) (arrived func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(hold / 3)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				l.tell(ctx, lane, token, hold, keep)
				continue
			case <-done:
			case <-ctx.Done():
			}
			l.tell(context.WithoutCancel(ctx), lane, token, 0, keep)
			return
		}
	}()
	return sync.OnceFunc(func() { close(done) })
}

// tell says that the request is on its way still (held > 0) or has arrived. A
// Redis that does not hear it keeps the gate shut for the rest of hold.
func (l *Limiter) tell(ctx context.Context, lane, token string, held, keep time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, hold)
	defer cancel()
	err := tell.Run(ctx, l.redis, []string{gateKey(lane), slotKey(lane)}, token, held.Microseconds(), (hold+keep).Milliseconds()+1000).Err()
	if err != nil && ctx.Err() == nil {
		l.log.Debug("a lane's gate stays shut for a moment: it could not be told that a request arrived", "lane", lane, "error", err)
	}
}
