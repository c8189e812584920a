//go:build !linux

package render

// smallSharedMemory is a question for Linux only.
func smallSharedMemory() bool { return false }
