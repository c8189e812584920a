// Package fetch gets one URL over HTTP and keeps what was on the wire.
//
// Colly makes the requests, follows the redirects and carries the cookies of
// the visit; below it a RoundTripper keeps every hop as a [capture.Exchange]
// before colly sees it, because colly cuts, decompresses and re-encodes bodies
// without saying so. Above colly nothing of the network is left but a [Result].
//
// Invariants:
//   - Nothing leaves but through the [egress.Session] of the request; without
//     one nothing is fetched.
//   - An exchange's Body is as on the wire with the transfer-coding undone,
//     whatever became of it later. Result.Body is the same bytes with the
//     content-coding undone and the character set left alone.
//   - Bytes, decompression and time are bounded. What a bound cut is in
//     Exchange.Truncated or Result.Missing and in Result.Evidence.
//   - A failure is data: Fetch always gives a Result, and every hop that was
//     begun is in it.
//   - Nothing is kept between two fetches: no cookie, connection or cache.
//   - Files in the spool folder belong to the Result; Cleanup removes them.
package fetch
