// Package s3vault keeps evidence in an S3 bucket with Object Lock. It is the
// only importer of the S3 client.
//
// Invariants:
//   - An object is created with If-None-Match: * in one request that carries
//     its SHA-256 and its lock; the storage checks the first and sets the last.
//   - Whether an attempt whose answer was lost had succeeded is looked up, not
//     guessed: a retry never turns our own success into ErrExists, nor
//     somebody else's object into our success.
//   - The header that bypasses a GOVERNANCE lock is sent in one case: to make
//     it COMPLIANCE, until the same time or later.
//   - Only this package's table (errors.go) decides what a storage's answer
//     means.
//
// Tried against versitygw and MinIO; what is special about either stands where
// it is handled.
package s3vault
