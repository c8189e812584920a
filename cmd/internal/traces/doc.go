// Package traces sends spans to an OpenTelemetry collector, as OTLP over HTTP
// in its JSON encoding (OpenTelemetry Protocol Specification 1.x, "OTLP/HTTP").
//
// It speaks the protocol itself: the few spans that there are do not need an
// SDK, and a collector's receiver takes JSON on the same port as protobuf.
//
// Invariants:
//   - Off unless the environment names an endpoint.
//   - A trace's id is the capture's id: traces, logs, ledger and evidence are
//     joined by it, and spans of one capture meet in one trace whichever
//     process they come from.
//   - Work never waits for a collector: what it does not take is dropped and
//     counted, and that is logged when it begins and when it ends.
package traces
