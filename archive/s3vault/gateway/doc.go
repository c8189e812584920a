// Package gateway is the S3 server that comes with the program, for one
// machine: versitygw over a folder, with versions and Object Lock.
//
// Invariants:
//   - One server per process: it changes the process's working directory. Run
//     it in a child process (cmd/internal/embedded does).
//   - Objects are files of a folder that this process alone may use while it
//     runs; a second server on the same folder is refused.
//   - It does not sync to disk: what was stored survives the death of the
//     process, not always the loss of power. A fleet uses a real S3.
package gateway
