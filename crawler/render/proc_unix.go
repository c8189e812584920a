//go:build unix

package render

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ownGroup puts Chrome into its own process group and, when we are root, makes
// it somebody else: root may not use the sandbox. There is no Pdeathsig: it
// follows the thread that forked, not the process, and kills at random. When
// we die the pipe closes, and Chrome ends by itself.
func ownGroup(cmd *exec.Cmd, cfg Config) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: cfg.UID, Gid: cfg.GID, NoSetGroups: false}
	}
}

// handOver gives folders to whom Chrome runs as.
func handOver(cfg Config, dirs ...string) error {
	if os.Getuid() != 0 {
		return nil
	}
	for _, d := range dirs {
		if err := os.Chown(d, int(cfg.UID), int(cfg.GID)); err != nil {
			return err
		}
	}
	return nil
}

// reachable reports whether whom Chrome runs as can get into a folder: every
// folder above must let others pass.
func reachable(cfg Config, dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	for d := dir; ; d = filepath.Dir(d) {
		fi, err := os.Stat(d)
		if err != nil {
			return err
		}
		st, ok := fi.Sys().(*syscall.Stat_t)
		mine := ok && st.Uid == cfg.UID && fi.Mode().Perm()&0o100 != 0
		if !mine && fi.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("profile_root: Chrome runs as user %d, who may not pass through %s; choose a folder open to it or run as a non-root user", cfg.UID, d)
		}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}

// lockFile makes and locks a file; it fails when another process holds it.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s is in use: %w", filepath.Base(filepath.Dir(path)), err)
	}
	return f, nil
}

// killGroup kills every process of a group. It is no error when none is left.
func killGroup(pgid int) { _ = syscall.Kill(-pgid, syscall.SIGKILL) }

// killUsers kills what still runs on a profile folder, whatever its group: a
// helper can leave the group, or fork just as its parent dies. The folder's
// name is unique.
func killUsers(dir string) {
	for quiet := 0; quiet < 2; {
		pids := users(dir)
		if len(pids) == 0 {
			quiet++
			continue
		}
		quiet = 0
		for _, pid := range pids {
			// Only the browser and its crash handler name the folder; the
			// others of the browser are in its group.
			if g, err := syscall.Getpgid(pid); err == nil && g == pid {
				killGroup(g)
			}
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// users lists the processes with a flag whose value lies in a profile folder.
// Where there is no /proc it finds none. Chrome rewrites its command line into
// one string with spaces, so arguments cannot be told apart.
func users(dir string) []int {
	want := []byte("=" + dir + "/")
	var pids []int
	eachProcess(func(pid int) {
		cmdline, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		if err == nil && bytes.Contains(cmdline, want) {
			pids = append(pids, pid)
		}
	})
	return pids
}

// groupRSS is about the memory, in bytes, that a process group holds; 0 when it
// cannot be known. Chrome's processes share most of their code and pictures:
// what is shared counts once, as the largest share of one of them.
func groupRSS(pgid int) int64 {
	var private, shared int64
	eachProcess(func(pid int) {
		if g, err := syscall.Getpgid(pid); err != nil || g != pgid {
			return
		}
		statm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
		if err != nil {
			return
		}
		// proc(5): size resident shared ..., in pages.
		f := strings.Fields(string(statm))
		if len(f) < 3 {
			return
		}
		rss, err1 := strconv.ParseInt(f[1], 10, 64)
		shr, err2 := strconv.ParseInt(f[2], 10, 64)
		if err1 == nil && err2 == nil {
			private += rss - shr
			shared = max(shared, shr)
		}
	})
	return (private + shared) * int64(os.Getpagesize())
}

func eachProcess(do func(pid int)) {
	d, err := os.Open("/proc")
	if err != nil {
		return
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return
	}
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil && pid != os.Getpid() {
			do(pid)
		}
	}
}
