// Package stamp asks for RFC 3161 time stamps and says whether one can be
// believed. It is pure: no network, no clock, no files.
//
// Invariants:
//   - Verify returns a time only if every rule of SPEC.md holds; which one
//     failed is told by the error. There is no "mostly".
//   - A chain is checked at the stamped time, to roots the caller pinned:
//     a stamp outlives its certificate.
//   - Hostile input costs bounded time and memory.
package stamp
