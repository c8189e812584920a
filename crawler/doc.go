// Package crawler makes one visit to one URL: what is asked, what is seen.
//
// It knows no queue and no storage. A visit always gives a Result with a
// Capture that has a typed outcome, whatever the page, the network or Chrome
// did; the only errors are the caller's own (see Request.Validate).
//
// Invariants:
//   - Every connection of a visit leaves through one egress session, Chrome's
//     too, and what the session refused or resolved stands in the capture.
//   - A site that names a proxy is visited through that proxy or not at all.
//   - No cookie value of a login profile is in a capture or a reading.
//   - HTTP comes first; Chrome is asked when the site says so or when the cheap
//     fetch shows why, and the reasons stand in the capture's policy.
//   - Whatever was seen is in the capture, also when the visit failed.
//   - robots.txt is asked before the page, and what it said is recorded.
package crawler
