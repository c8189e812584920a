// Package worker is where crawling meets archiving: the dispatcher that turns
// what the ledger plans into tickets, the handlers that do what a ticket names,
// and the reconciler that puts back what nobody finished.
//
// Invariants:
//   - The ledger decides, the queue only carries tickets: a ticket that was
//     lost, doubled or late changes nothing.
//   - A handler claims its job by epoch, keeps its lease alive while it works,
//     and stops when the lease is lost.
//   - A page that was captured is not fetched again because storage failed: it
//     waits on disk, and its job waits with it.
//   - Nothing waits for politeness inside a worker's slot.
//   - Only Visitor names both crawler and archive.
package worker
