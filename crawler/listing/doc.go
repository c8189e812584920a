// Package listing is a marketplace listing as one page showed it, and how it
// is read from that page: JSON-LD, microdata, RDFa, OpenGraph, embedded state
// and the DOM give candidates; a reconciler picks one per field and says why.
//
// It is pure: bytes in, values out, no I/O, no clock.
//
// Invariants:
//   - No value is invented: what was not seen is absent, and absence is a value.
//   - Every candidate keeps the raw text and where it stood; choosing one
//     never drops the others.
//   - Amounts are decimals, never floats.
//   - Hostile input ends in bounded time and memory.
package listing
