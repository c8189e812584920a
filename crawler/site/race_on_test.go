//go:build race

package site

// underRace says that the race detector is on: it slows reading twenty times,
// so that bounds of time mean nothing.
const underRace = true
