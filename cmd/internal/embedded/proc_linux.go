package embedded

import (
	"os"
	"os/exec"
	"syscall"
)

// isolate gives a child a process group of its own, so that a Ctrl-C at the
// terminal reaches this process alone, which then ends its parts in order. A
// child that does not watch its stdin gets a signal when this process dies.
func isolate(cmd *exec.Cmd, bound bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if bound {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
	}
}

func killGroup(p *os.Process) {
	syscall.Kill(-p.Pid, syscall.SIGKILL)
	p.Kill()
}
