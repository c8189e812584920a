// Package markettest is a marketplace in the process, on a local port, with
// faults as properties of its listings. Tests, cmd/demomarket and the
// demo command use it in place of the internet; nothing else may.
//
// The marketplace is called Pellamart, the brand that is copied there Maison
// Aurelle. Both, every shop, every model and every picture are invented; the
// telephone numbers are made up; where a country reserves a range for fiction they
// are of it.
//
// Invariants:
//   - The same seed on the same day gives the same bytes, whatever the clock
//     says. The clock is only used for the access log and for Retry-After dates.
//   - Every listing says in Expect what a faithful crawler finds on its page.
//     What Expect says is what the page shows: tests here hold it.
//   - A day's world is immutable; Advance replaces it as a whole, so a reader
//     never sees half a change.
//   - Every request is in the log before its answer begins, so a client that
//     has its answer also finds its line.
//   - The pages behave badly on purpose, the server does not: everything it
//     does without end stops when the client goes or the server closes.
package markettest
