package lane

import "github.com/redis/go-redis/v9"

// The keys of all lanes share one hash slot, so that one script may touch what
// it needs in a cluster too.
const prefix = "{trawlmark:lanes}:"

// since is there as long as Redis remembers: the instant it began to.
const sinceKey = prefix + "since"

// server is the run id of the Redis that wrote here last: another one has taken
// its place, or it was started again, when it is not the one that answers.
const serverKey = prefix + "server"

func slotKey(lane string) string     { return prefix + "slot:" + lane }
func gateKey(lane string) string     { return prefix + "gate:" + lane }
func queueKey(lane string) string    { return prefix + "queue:" + lane }
func easedKey(lane string) string    { return prefix + "eased:" + lane }
func closedKey(lane string) string   { return prefix + "closed:" + lane }
func pausedKey(lane string) string   { return prefix + "paused:" + lane }
func responseKey(lane string) string { return prefix + "response:" + lane }

// All times are microseconds; a double holds them exactly until the year 2255.
const luaNow = `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
`

// luaOpen answers for a lane that gives nothing now, and works out its delay. A
// Redis that took another's place, or was started again, may lack what the other
// was told in its last moments (replicas and files follow a second later), a
// lane's last request among it: it counts from now on, as one that has forgotten
// does when it was told all again. A Redis that does not tell who it is counts
// as the same.
// KEYS: since, the script's own, closed, paused, response, server
const luaOpen = luaNow + `
local since = redis.call('GET', KEYS[1])
if not since then return {'forgot'} end
local info, is = redis.pcall('INFO', 'server'), nil
if type(info) == 'string' then is = string.match(info, 'run_id:(%w+)') end
local was = redis.call('GET', KEYS[6])
if is and is ~= was then
	redis.call('SET', KEYS[6], is)
	if was then
		since = string.format('%.0f', now)
		redis.call('SET', KEYS[1], since)
	end
end
local by = redis.call('GET', KEYS[4])
if by then return {'paused', 0, by} end
local closed = redis.call('GET', KEYS[3])
if closed then
	local till, why = string.match(closed, '^(%d+) (.*)$')
	if tonumber(till) > now then return {'closed', tonumber(till) - now, why} end
end
local floor, maximum, factor = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local delay = floor
local response = redis.call('GET', KEYS[5])
if response then delay = math.ceil(math.max(floor, math.min(factor * response, maximum))) end
`

// pass lets one request through the gate. The gate holds when the last request
// came (or passed), until when it is held for it, and by whom.
// KEYS: since, gate, closed, paused, response, server, slot, eased, queue
// ARGV: floor, maximum, factor, hold, token, 1 when asked for the first time,
// how long the asker waits at most
// Returns as reserve does, {"later", wait, delay} while another is passing.
var pass = redis.NewScript(luaOpen + `
local last, held = tonumber(since), 0
local gate = redis.call('GET', KEYS[2])
if gate then
	local a, b = string.match(gate, '^(%d+) (%d+) ')
	last, held = math.max(last, tonumber(a)), tonumber(b)
	-- Who held it did not say when his request came: at the latest now.
	if held > 0 and held <= now then last = math.max(last, held) end
end
local due = last + delay
if held > now then due = math.max(due, now + math.min(20000, math.ceil(delay / 10))) end
if due > now then
	-- More requests come than slots were spaced for: visits that took two, or
	-- that were slow on their way. The slots to come move, so that nobody
	-- queues here for long: by all of the wait but half of what is left alone,
	-- a thirty-second of a delay. Less would leave every request waiting for
	-- just that long; more would use the lane less than it may be used. Those
	-- that were handed out meanwhile meet the same queue, which is not counted
	-- again.
	redis.call('ZREMRANGEBYSCORE', KEYS[9], '-inf', now)
	local turn = due - now + redis.call('ZCARD', KEYS[9]) * delay
	if ARGV[6] == '1' and turn > tonumber(ARGV[7]) then return {'later', turn, delay} end
	local alone = math.max(delay / 32, 10000)
	if ARGV[6] == '1' then
		redis.call('ZADD', KEYS[9], string.format('%.0f', now + ARGV[7]), ARGV[5])
		redis.call('PEXPIRE', KEYS[9], math.ceil((ARGV[7] + delay) / 1000) + 1000)
	end
	local slot, eased = redis.call('GET', KEYS[7]), redis.call('GET', KEYS[8])
	if ARGV[6] == '1' and turn > alone and slot and not (eased and tonumber(eased) > now) then
		local left = redis.call('PTTL', KEYS[7])
		local add = math.ceil(turn - alone / 2)
		redis.call('SET', KEYS[7], string.format('%.0f', tonumber(slot) + add), 'PX', left + math.ceil(add / 1000))
		redis.call('SET', KEYS[8], string.format('%.0f', math.max(tonumber(slot), now) + add), 'PX', left + math.ceil(add / 1000))
	end
	return {'later', due - now, delay}
end
redis.call('ZREM', KEYS[9], ARGV[5])
redis.call('SET', KEYS[2], string.format('%.0f %.0f %s', now, now + ARGV[4], ARGV[5]), 'PX',
	math.ceil((ARGV[4] + math.max(delay, maximum)) / 1000) + 1000)
return {'slot', 0, delay, now, '', ''}
`)

// tell notes that the request of who passed is still on its way, or came. What
// Redis forgot meanwhile it is told again. The next request goes a delay after
// this one came, so the slots to come move by the time it was on its way.
// KEYS: gate, slot. ARGV: token, hold (0: it came), milliseconds to remember
var tell = redis.NewScript(luaNow + `
local gate = redis.call('GET', KEYS[1])
local last, went = now, now
if gate then
	local a, held, token = string.match(gate, '^(%d+) (%d+) (.*)$')
	if token ~= ARGV[1] then return 0 end
	last, went = tonumber(a), tonumber(a)
	if tonumber(held) == 0 then went = now end -- told already
end
local held = 0
if tonumber(ARGV[2]) > 0 then
	held = now + ARGV[2]
else
	local slot = redis.call('GET', KEYS[2])
	if slot and now > went then
		redis.call('SET', KEYS[2], string.format('%.0f', tonumber(slot) + now - went), 'KEEPTTL')
	end
	last = now
end
redis.call('SET', KEYS[1], string.format('%.0f %.0f %s', last, held, ARGV[1]), 'PX', ARGV[3])
return 1
`)

// reserve takes the next slot if it comes within maxwait.
// KEYS: since, slot, closed, paused, response, server
// ARGV: floor, maximum, factor, burst, maxwait
// Returns {"forgot"} | {"paused", 0, by} | {"closed", wait, reason} |
// {"later", wait, delay} | {"slot", wait, delay, slot time, written, previous}
var reserve = redis.NewScript(luaOpen + `
local burst = tonumber(ARGV[4])
-- base is the arrival that the last increment was added to. The increment is
-- added anew with today's delay: one that has grown holds for the next slot.
-- Who was last asked before Redis began to remember is not known: as if all
-- of the burst had been used then.
local base = tonumber(since) + (burst - 1) * delay
local previous = redis.call('GET', KEYS[2])
if previous then base = math.max(base, tonumber(previous)) end
local due = base + delay
local slot = math.max(now, due - (burst - 1) * delay)
if slot - now > tonumber(ARGV[5]) then return {'later', slot - now, delay} end
local written = string.format('%.0f', math.max(due, slot))
redis.call('SET', KEYS[2], written, 'PX', math.ceil((written - now + (burst + 1) * math.max(delay, maximum)) / 1000) + 1000)
return {'slot', slot - now, delay, slot, written, previous or ''}
`)

// giveBack undoes a reservation that is still the newest.
// KEYS: slot. ARGV: written, previous
var giveBack = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL') end
return 1
`)

// shut closes a lane for a duration from now; it never opens it earlier.
// KEYS: closed. ARGV: duration, reason
var shut = redis.NewScript(luaNow + `
local till = now + ARGV[1]
local there = redis.call('GET', KEYS[1])
if there and tonumber(string.match(there, '^%d+')) >= till then return 0 end
redis.call('SET', KEYS[1], string.format('%.0f', till) .. ' ' .. ARGV[2], 'PX', math.ceil(ARGV[1] / 1000) + 1)
return 1
`)

// remember says that Redis knows all that the ledger knew.
// KEYS: since
var remember = redis.NewScript(luaNow + `
return redis.call('SET', KEYS[1], string.format('%.0f', now), 'NX') and 1 or 0
`)

// observe keeps a moving average of the response time: up by half of the
// difference, down by a tenth, and never down for a failure.
// KEYS: response. ARGV: response time, 1 for a good answer
var observe = redis.NewScript(`
local took = tonumber(ARGV[1])
local old = tonumber(redis.call('GET', KEYS[1]) or took)
local new = old
if took > old then new = old + (took - old) / 2 elseif ARGV[2] == '1' then new = old - (old - took) / 10 end
redis.call('SET', KEYS[1], string.format('%.0f', new), 'EX', 86400)
return string.format('%.0f', new)
`)

// look tells about a lane without changing it.
// KEYS: since, slot, closed, paused, response
var look = redis.NewScript(luaNow + `
local closed = redis.call('GET', KEYS[3])
local wait, why = 0, ''
if closed then
	local till, text = string.match(closed, '^(%d+) (.*)$')
	if tonumber(till) > now then wait, why = tonumber(till) - now, text end
end
return {redis.call('EXISTS', KEYS[1]), wait, why, redis.call('GET', KEYS[4]) or '', redis.call('EXISTS', KEYS[4]),
	tonumber(redis.call('GET', KEYS[5]) or 0)}
`)
