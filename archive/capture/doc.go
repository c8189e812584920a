// Package capture holds what the archive accepts: the Capture of one visit,
// with its exchanges and artifacts, and how the visit ended.
//
// It is the only package that crawler and archive share, and a pure leaf: it
// imports nothing but the standard library, does no I/O but reading the bodies
// it is handed, and reads no clock.
//
// Invariants:
//   - An ID and a Digest are values; their text form is the only one parsed.
//   - A Capture always has an Outcome, and every Outcome is in the table of
//     outcome.go. Failure is data: a visit that saw nothing is a Capture too.
//   - A Body can be read any number of times and always gives the same bytes.
//   - What is missing is listed (Missing, Exchange.Truncated), never silent.
package capture
