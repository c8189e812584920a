// Package catalog is the SQL index of captures, cases and holds.
//
// Invariants:
//   - The catalogue is derived: everything in it can be rebuilt from the vault
//     and the custody log (archive.Archive.Rebuild). It is never evidence.
//   - A capture is added once. Adding the same one again changes nothing;
//     adding another manifest under the same id is refused.
//   - The same SQL runs on SQLite and PostgreSQL, pages are keyset pages, and
//     counts are maintained, so cost does not grow with the number of captures.
package catalog
