// Package console is the web pages and the JSON API for analysts, legal teams
// and operators.
//
// Invariants:
//   - Every route stands in one table with the roles that may use it; a route
//     without roles is one of the few that need no session. Nothing else
//     decides who may do what.
//   - Bytes of evidence are given out only after their digest was checked, and
//     only after the custody event that says who got them is kept.
//   - Captured HTML is never live HTML here: it is text in a page of ours, or a
//     download of type text/plain. Pages carry a content security policy that
//     runs no script but our own.
//   - Text of pages is escaped, and characters that reorder, hide or control
//     text are made visible, in one place that no page can forget.
//   - A page costs the same among a thousand captures and a million: keyset
//     pages and maintained counts only.
package console
