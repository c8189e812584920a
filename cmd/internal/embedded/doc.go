// Package embedded brings the parts that a single machine needs and a fleet
// has elsewhere: an S3 server, a Redis, and finding the Chrome that is there.
//
// Invariants:
//   - A part runs in a child process with a process group of its own. It is
//     started again when it dies, at the same address.
//   - No child outlives this process, however that ends: the S3 server exits
//     when its stdin does, redis-server is bound to a thread that lives as long
//     as the process. A leftover is dealt with at the next start all the same.
//   - Two processes never share a data folder: the second is refused with a
//     sentence.
//   - Secrets reach a child through its stdin, never through arguments or the
//     environment.
package embedded
