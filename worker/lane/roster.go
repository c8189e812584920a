package lane

import (
	"context"
	"hash/fnv"
	"slices"

	"github.com/redis/go-redis/v9"
)

// seatKey holds the dispatchers that live, by the time they last said so.
const seatKey = prefix + "dispatchers"

// seatLife is how long a dispatcher that says nothing keeps its share of the
// lanes. What it dispatched when it died is put back by its lease.
const seatLife = "3000000" // µs

// sit notes that a dispatcher lives and gives all that do, in order of name.
// KEYS: seats. ARGV: name, life, 1 to leave
var sit = redis.NewScript(luaNow + `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
if ARGV[3] == '1' then redis.call('ZREM', KEYS[1], ARGV[1])
else redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1]) end
local all = redis.call('ZRANGE', KEYS[1], 0, -1)
table.sort(all)
return all
`)

// Roster shares the lanes out among the dispatchers that live. It is there so
// that they do not do each other's work: two that believe the same lane to be
// theirs, for a moment, do no harm, because the ledger lets one of them
// dispatch a job.
type Roster struct {
	redis redis.UniversalClient
	name  string
}

// NewRoster gives the roster as seen by the dispatcher of a name, which no
// other has.
func NewRoster(r redis.UniversalClient, name string) *Roster { return &Roster{r, name} }

// Share says that this dispatcher lives, and gives which lanes are its own. It
// is asked every second or so; a dispatcher that died has its lanes shared out
// three seconds later.
func (r *Roster) Share(ctx context.Context) (Share, error) {
	all, err := sit.Run(ctx, r.redis, []string{seatKey}, r.name, seatLife, 0).StringSlice()
	if err != nil {
		return Share{}, err
	}
	i := slices.Index(all, r.name)
	return Share{max(i, 0), max(len(all), 1)}, nil
}

// Leave gives this dispatcher's lanes to the others at once.
func (r *Roster) Leave(ctx context.Context) error {
	return sit.Run(ctx, r.redis, []string{seatKey}, r.name, seatLife, 1).Err()
}

// Share is the part of all lanes that one of Of dispatchers has.
type Share struct{ Index, Of int }

// Has reports whether a lane is in the share.
func (s Share) Has(lane string) bool {
	if s.Of <= 1 {
		return true
	}
	h := fnv.New32a()
	h.Write([]byte(lane))
	return int(h.Sum32()%uint32(s.Of)) == s.Index
}
