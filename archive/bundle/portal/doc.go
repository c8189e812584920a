// Package portal makes the files that marketplaces' complaint channels take,
// from captures and from what the rights holder says of the right.
//
// Invariants:
//   - A value is a fact of a capture, or was given by the rights holder, or is
//     blank. Nothing is invented, filled in by default, or cut to fit.
//   - Before anything is written, everything that a portal would reject is told
//     at once, by listing and field (Problem); a draft has the blanks in it.
//   - No declaration is made for anybody: good faith and penalty of perjury stay
//     blank until a person fills them in.
//   - A file never has more listings than the portal takes; there are more files
//     then.
//
// It does no I/O. What portals want was read in the sources of
// docs/decisions/0041-portals-get-what-is-known.md.
package portal
