// Package site knows marketplaces: which hosts and pages they have, how their
// pages are read, and what a page that was answered means. A marketplace is a
// YAML file (docs/sites.md), not code; what has no file is read by the generic
// site, which knows schema.org, OpenGraph and the shape of a product page.
//
// It is pure: a Set is read once from the file systems handed to Load, and
// from then on bytes go in and values come out, without I/O, clock or globals.
//
// Invariants:
//   - Read never executes anything of a page and ends in bounded time and
//     memory whatever the bytes are.
//   - A page that blocks us (challenge, login, consent) never becomes a
//     listing; a block is only said with evidence in the title, the address or
//     a form AND without a product on the page.
//   - Every outcome is one of archive/capture's and comes with the sentences
//     that name what it was read from.
//   - No value is invented: see package listing.
package site
