// Package manifest is the canonical list of what one capture holds: who asked
// for what, what was seen, and every stored file with its digests. Its SHA-256
// is the one digest a capture is known by; SPEC.md is the format.
//
// Invariants:
//   - One capture, one byte sequence: Marshal writes RFC 8785 JSON, and Parse
//     accepts those bytes and no others. Parse then Marshal gives the same
//     bytes, or Parse fails.
//   - Every member is always there; what does not exist is null or empty, so
//     that a member cannot be left out without it being seen.
//   - Integers only, none beyond 2^53-1; times are UTC with nine decimals.
//   - Nothing of the capture's artifacts is left out: New refuses a capture
//     that has an artifact which was not stored.
//
// It does no I/O, but reading the bodies whose digests it states, and reads no clock.
package manifest
