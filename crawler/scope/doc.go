// Package scope decides which URLs belong to a watch: what is the same page,
// what may be asked for, and what is a trap. It is pure: no I/O, no clock.
//
// Invariants:
//   - URLs are parsed as browsers parse them (WHATWG URL standard), never by
//     net/url alone, so that what is decided about is what is fetched.
//   - Canonical is idempotent, and keeps everything that is not named as noise:
//     two listings never become one because of a guess.
//   - Every "no" comes with its reason, a sentence for the record.
//   - robots.txt is read by RFC 9309. Nothing in it makes parsing fail; when it
//     could not be had because the server is in trouble, the answer is no.
//   - Time and memory are linear in the input, whatever it says.
package scope
