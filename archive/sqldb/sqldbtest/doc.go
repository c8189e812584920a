// Package sqldbtest runs a test on every database that Trawlmark runs on:
// SQLite in a temporary file, and a real PostgreSQL.
//
// The PostgreSQL is the one TRAWLMARK_TEST_POSTGRES names (a URL of a server
// where databases may be created), or one that is made with the machine's
// initdb and stopped when the test binary ends, however it ends. Without
// either the test skips and says so; with CI=true it fails.
package sqldbtest
