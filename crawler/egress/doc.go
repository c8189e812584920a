// Package egress is the only way out of a crawling worker: every connection
// that a page can cause, by HTTP or by Chrome, is made here or not at all.
//
// A [Guard] holds the rules, a [Session] is one visit's way out. HTTP goes
// through [Session.DialContext] or [Session.Transport], Chrome through the
// loopback proxy of [Session.Proxy]; both end in the same dialer.
//
// Invariants:
//   - A name is resolved once per session, all its answers are checked, and
//     the checked address is what is dialled: nothing resolves it again, so a
//     name that changes its answer (DNS rebinding) gains nothing. The socket
//     checks once more, just before it connects.
//   - One forbidden answer among several refuses the name: a public name that
//     also points inside is an attack or a mistake.
//   - What is refused is recorded (a [capture.Refusal]) out of band, because a
//     refused page can look like a normal one. What is cut by a limit is
//     recorded too (a [capture.Missing]).
//   - The proxy never answers in a site's name: a plain HTTP request that
//     cannot be served ends in a closed connection, not in a made-up page, and
//     what a server says is passed on byte for byte.
//   - Exceptions come from configuration only ([Config.Allow],
//     [Config.Override], [Config.AllowPorts]), never from a page.
//   - After [Session.Close] no connection, listener or goroutine of the session
//     is left; what it recorded stays readable.
//   - Credentials of an upstream proxy are never printed, in no error and no log.
package egress
