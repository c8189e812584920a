// Package archive takes captures in, seals, keeps and gives out.
//
// Invariants:
//   - A capture is first whole on disk (the spool), then stored: storage that
//     fails is tried again from there, and the page is not fetched again.
//   - Every object is written once, locked from its first moment.
//   - The order is objects, manifest, custody event, catalogue row. Stopping
//     anywhere and storing again ends in the same objects and one event.
//   - Whoever looks at evidence through this package leaves a custody event.
package archive
