package render

import "syscall"

// smallSharedMemory reports whether /dev/shm is too small for Chrome, as it is
// in a container by default (64 MB): pages would crash.
func smallSharedMemory() bool {
	var st syscall.Statfs_t
	if err := syscall.Statfs("/dev/shm", &st); err != nil {
		return true
	}
	return uint64(st.Bsize)*st.Blocks < 512<<20
}
