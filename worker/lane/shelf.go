package lane

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/redis/go-redis/v9"
)

// The shelf keeps answers of sites that the whole fleet may use, so that not
// every process asks for its own: a request costs a lane a delay. Redis may
// forget them at any time. What is on it is bounded whatever sites send: so many
// answers of so many bytes, for a day at most (RFC 9309 section 2.4).
const (
	shelfMost  = 2000
	shelfBytes = 64 << 10
	shelfTime  = 24 * time.Hour
)

const shelfIndex = prefix + "shelf"

func shelfKey(key string) string {
	sum := sha256.Sum256([]byte(key)) // a site chooses its name's length
	return prefix + "shelf:" + hex.EncodeToString(sum[:])
}

// shelve keeps an answer, and drops the ones that end first when there are too
// many.
// KEYS: index. ARGV: key, answer, milliseconds, how many at most
var shelve = redis.NewScript(luaNow + `
redis.call('SET', ARGV[1], ARGV[2], 'PX', ARGV[3])
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[3] * 1000), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local over = redis.call('ZCARD', KEYS[1]) - ARGV[4]
while over > 0 do
	redis.call('DEL', redis.call('ZPOPMIN', KEYS[1])[1])
	over = over - 1
end
redis.call('PEXPIRE', KEYS[1], 86400000)
return 1
`)

// takeDown gives an answer and how many milliseconds it is good for.
// KEYS: answer
var takeDown = redis.NewScript(`
return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
`)

// Keep keeps an answer of a site for the fleet, for left and a day at most. One
// that is too large is not kept; neither is any while Redis is away.
func (l *Limiter) Keep(ctx context.Context, key string, answer []byte, left time.Duration) {
	left = min(left, shelfTime)
	if len(answer) > shelfBytes || left < time.Millisecond {
		return
	}
	err := shelve.Run(ctx, l.redis, []string{shelfIndex}, shelfKey(key), answer, left.Milliseconds(), shelfMost).Err()
	if err != nil && ctx.Err() == nil {
		l.log.Debug("an answer is not shared with the fleet", "error", err)
	}
}

// Recall gives what anybody of the fleet kept, and for how long it is good. ok
// is false when there is nothing, or no Redis: then the site is asked.
func (l *Limiter) Recall(ctx context.Context, key string) (answer []byte, left time.Duration, ok bool) {
	res, err := takeDown.Run(ctx, l.redis, []string{shelfKey(key)}).Slice()
	if err != nil || len(res) != 2 {
		return nil, 0, false
	}
	text, ok := res[0].(string)
	ms, _ := res[1].(int64)
	if !ok || len(text) > shelfBytes || ms <= 0 {
		return nil, 0, false
	}
	return []byte(text), min(time.Duration(ms)*time.Millisecond, shelfTime), true
}
