// Package bundle writes and verifies the package that is handed over: the
// captures of a case with all that proves them, for people who do not have,
// and do not trust, this software. SPEC.md has every byte of it.
//
// Invariants:
//   - The same input gives the same bytes, but for the exported events.
//   - Evidence goes in as it is in the vault, byte for byte; what is derived
//     from it says so.
//   - Bytes are hashed before and while they are written: a package is never
//     finished with others than its SHA256SUMS and the manifests name.
//   - Verify believes nothing that the package says of itself: keys and roots
//     come from the caller. What was not checked is never called good.
//   - A hostile package costs bounded memory, and time in proportion to its
//     size.
//
// The package has no network and no database: what fills an Input from a
// running archive is in archive/bundle/export.
package bundle
