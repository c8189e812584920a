// Package vault says where evidence lives: a write-once store with retention
// and legal hold, and an in-memory implementation of it that fails on demand.
//
// Invariants, held for every implementation by archive/vaulttest:
//   - An object is written once, whole or not at all, and never overwritten.
//   - The storage verifies the SHA-256 it is told.
//   - A lock can be extended, never shortened; a locked version cannot be
//     deleted by anyone who goes through this interface.
//   - What a storage cannot do is an error, never silence.
package vault
