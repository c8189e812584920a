// Package custody is the append-only log of captures and of everything that
// is done to them: who, what, when, to which capture or case.
//
// The log is a Merkle tree (RFC 6962 hashing) kept as C2SP tlog-tiles, its
// head a C2SP checkpoint, its proofs C2SP tlog-proof files. SPEC.md has every
// byte of it. What the log shows to the world are salted commitments; what
// they stand for are private event documents in the vault.
//
// Invariants:
//   - An event is durable when Append returns, and is in the log exactly once
//     after the next Sequence that succeeds.
//   - A tree size has one root, for ever. The head moves by compare-and-swap
//     only, nothing is published before it moved, and what is published is
//     written create-only.
//   - Sequence may die between any two writes: the next run finishes what the
//     head says, with the code that would have finished it the first time.
//   - Parsing gives back what was written: Parse(b), then Marshal, gives b, or
//     Parse fails.
//   - An event document may be erased; the log stays whole without it.
package custody
