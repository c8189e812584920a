//go:build !race

package listing

const underRace = false
