// Package configs is the one configuration file, and the data that ships in
// the binary: site adapters and the documented defaults.
//
// Invariants:
//   - The documented example is the default: trawlmark.yaml is what Default
//     decodes, so the two cannot differ.
//   - Every error names the file, the line and the key, and says what to write.
//   - Secrets come from the environment, never from the file, and never print.
//   - Only commands import this package; it composes, it decides nothing.
package configs
