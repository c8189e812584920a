// Package session keeps who is signed in to the console, in the database: any
// number of consoles know the same sessions, and a restart ends none.
//
// Invariants:
//   - The table has SHA-256 digests of tokens, never a token: who reads the
//     database, or a backup of it, is signed in by nothing in it.
//   - One person has at most PerPerson sessions; the one used longest ago goes.
//   - What has ended is deleted when anybody signs in, so the table stays small.
//   - How long a session lasts, and whether its account still is what it was, is
//     decided by the console at each request, not here.
package session
