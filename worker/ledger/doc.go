// Package ledger is the SQL truth about work and results: watches, the times
// they fired, jobs, listings, observations, findings, and the lanes' penalties.
// The queue only carries tickets; whatever happens to it, the ledger knows what
// is to be done.
//
// Invariants:
//   - A watch fires once per instant: (watch, fire_at) is a key, written in the
//     same transaction as the jobs it plans.
//   - A job moves planned -> dispatched -> running -> done | failed |
//     quarantined, or to cancelled from any of the first three; Release, Retry
//     and Reconcile put it back to planned. Dispatch raises its epoch.
//   - Whoever acts on a job holds a Fence (job, epoch). Every write is refused
//     with ErrStale once the epoch, or the state the epoch was in, has moved on:
//     of any number of claimants one wins, and a worker that was given up
//     cannot write a result.
//   - Finish writes outcome, observation, new jobs and finding in one
//     transaction. Before it anything may be repeated; after it the job is done.
//     Repeating Finish itself with the same capture changes nothing.
//   - A dispatched or running job has a lease; Reconcile puts back what has
//     none that lives. Failures are counted by class, each with its budget.
//   - Counts that pages show are maintained (tallies), never counted.
//   - Leases compare instants of different machines, so time is the database's
//     (Ledger.Now); rows of one job are locked before its fire, its listing, its
//     finding and the tallies, in that order, so transactions do not deadlock.
//   - Text that came from a page is made storable (sqldb.Text) and, where it is
//     only shown in lists, shortened visibly; Observation.Data keeps the whole.
package ledger
