//go:build unix && !linux

package embedded

import (
	"os"
	"os/exec"
	"syscall"
)

// isolate gives a child a process group of its own. This kernel cannot bind its
// life to ours: a leftover is ended at the next start.
func isolate(cmd *exec.Cmd, _ bool) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(p *os.Process) {
	syscall.Kill(-p.Pid, syscall.SIGKILL)
	p.Kill()
}
