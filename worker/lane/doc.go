// Package lane is the politeness that the whole fleet shares. A lane is what
// politeness is counted on: a site's host group as seen from one egress.
//
// Invariants:
//   - Slots of a lane are at least its delay apart, whoever asks and however
//     many ask at once (GCRA, the virtual scheduling algorithm of ITU-T I.371,
//     in one Lua script over Redis TIME: the contenders' clocks do not matter).
//   - A request that passes the gate leaves a delay after the one before it
//     came. Slots follow: they move by what a request was on its way, and by what
//     others had to wait for at the gate.
//   - The delay is clamp(factor x response time, floor, maximum), and the floor,
//     the larger of robots.txt's Crawl-delay and the site's minimum, always
//     holds. Slow answers raise it at once, fast ones lower it slowly, and
//     failed ones never lower it.
//   - A closed or paused lane gives no slot to anybody from the moment Redis
//     knows, and the ledger keeps it: a Redis that forgets is told again before
//     it gives its first slot.
//   - After Redis forgot, was started again, or another took its place, every
//     lane waits its delay once: nobody knows when it was used last.
//   - It fails closed. When the limiter cannot be reached, or cannot be told
//     what the ledger knows, there is no slot (ErrUnavailable).
package lane
