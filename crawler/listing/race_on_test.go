//go:build race

package listing

// underRace says that the race detector is on: it slows reading twenty times,
// so that bounds of time mean nothing.
const underRace = true
