// Package archive takes captures in, seals, keeps and gives out.
//
// Invariants:
//   - A capture is first whole on disk (the spool), then stored: storage that
//     fails is tried again from there, and the page is not fetched again. What
//     can never be stored is put aside there, and kept.
//   - Every object is written once, locked from its first moment.
//   - The order is objects, manifest, custody event, catalogue row. Stopping
//     anywhere and storing again ends in the same objects and one event.
//   - Identical bytes are stored once: what a capture needs of others is locked
//     as long as the capture, and never goes before it (docs/decisions/0010).
//   - Whoever looks at evidence through this package leaves a custody event, and
//     so does whatever is deleted, extended, held or put into a case.
//   - No lock is broken. What must go before its lock ends waits for it (0011).
//   - The vault is the truth: the catalogue can be lost and rebuilt from it, and
//     an audit finds every difference between the two and the custody log.
package archive
