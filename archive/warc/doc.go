// Package warc writes and reads WARC 1.1 (ISO 28500:2017), in the profile that
// SPEC.md lays down: everything one visit saw, as records that programs which
// are not ours can index, check and replay.
//
// Invariants:
//   - One record is one gzip member, so that each can be read alone.
//   - Block and payload digests are SHA-256 and true: a body that changed
//     between being measured and being written is an error.
//   - Memory is constant: bodies are streamed, whatever their size. What is
//     held in memory (heads, header sections) is bounded.
//   - No byte of a page can make a header field or a record: see clean.go.
//     What was changed for that is listed in the environment record.
//   - Reader accepts well-formed records only, verifies the digests it passes,
//     and never reads ahead further than its buffer.
//
// The package imports nothing of this module but archive/capture, reads no
// clock and makes no ids.
package warc
