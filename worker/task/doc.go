// Package task carries tickets from the dispatcher to whichever worker is free.
// With package worker it is the only importer of asynq.
//
// Invariants:
//   - A ticket is a job's id and epoch, less than 100 bytes. What is to be done
//     is in the ledger; the queue may be flushed, doubled or lost at any moment.
//   - A ticket is sent once per epoch: its task id is made of job and epoch, and
//     sending it again is success.
//   - asynq retries nothing and keeps nothing that was done: MaxRetry(0), no
//     retention, no Unique. The ledger's epochs, leases and budgets do that.
//   - A handler's context does not end because Redis is away. It ends at the
//     ticket's deadline, or when Server.Run is told to stop and the handler has
//     not ended within the drain time. A slot is not given to another ticket
//     before its handler has returned.
//   - Redis away is one line in the log when it goes and one when it is back.
//     It is never fatal: Enqueue says ErrUnavailable, and Server tries again.
package task
