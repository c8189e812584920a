// Package export fills a package (archive/bundle) from a running archive, and
// puts on record that it was handed over.
//
// Invariants:
//   - What waits for the log is sequenced first, so that the package has every
//     event there is.
//   - The export stands in the log before the first byte is written, with the
//     digest of the list of files; and again afterwards, with that of the
//     whole. Evidence that differs from its manifest is not handed over.
//   - What could not be had (a stamp, an event that was erased) is said in the
//     package and in Summary.Warnings; it is never left out in silence.
package export
