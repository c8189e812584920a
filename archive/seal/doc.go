// Package seal binds checkpoints of the custody log to time: it has time
// stamp authorities (RFC 3161) stamp them, keeps the stamps in the vault, and
// says between which two stamped times a capture was made.
//
// Whether a single stamp can be believed is decided in seal/stamp, which a
// verifier can use without this package and its network.
//
// Invariants:
//   - A stamp is kept only if stamp.Request.Verify accepted it and its time
//     agrees with our clock.
//   - No authority that is down, slow or hostile stops the log: what it owes
//     is known (Sealer.Status), asked for again, and never made up.
//   - A stamp is stored whole, as it came, with the question and the chain, and
//     is never replaced. The .tsr is written last: where it is, all is.
//   - A stamp whose certificate was revoked does not count, by what is kept of
//     that; asking about it delays and fails no seal (SPEC.md, "Revocation").
//   - Before its certificates end a stamp is stamped once more, with others, by
//     whatever lasts longer (SPEC.md, "Renewal").
package seal
