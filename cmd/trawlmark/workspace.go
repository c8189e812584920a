package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/trawlmark/trawlmark/cmd/internal/embedded"
)

// workspace names the folders that one process has for itself: the spool of
// captures that are not stored yet, and temporary files.
type workspace struct {
	name string
	// exact: no other folder will do, because what an earlier process left in
	// this one is taken up. Otherwise the first free one of name, name-2, ...
	exact bool
}

// workerSpace is the workspace of a worker. What it leaves is stored by the
// next worker of the same name.
func (a *app) workerSpace() workspace { return workspace{"worker-" + a.workerName(), true} }

// commandSpace is the workspace of a command that runs beside others.
func commandSpace(name string) workspace { return workspace{name, false} }

// maxCommands is how many commands of one kind may run at the same time on one
// data folder.
const maxCommands = 64

// claim takes a workspace: two processes in one would take up each other's
// captures, and sweep what the other is writing.
func (a *app) claim(w workspace) error {
	if a.spool != "" {
		return nil
	}
	name := w.name
	for n := 2; ; n++ {
		err := a.claimNamed(name)
		if !errors.Is(err, embedded.ErrInUse) || n > maxCommands {
			return err
		}
		if w.exact {
			return fmt.Errorf("another process uses the spool of %s in %s: give this worker a name of its own (--name or worker.name), or another data folder",
				w.name, a.cfg.DataDir)
		}
		name = fmt.Sprintf("%s-%d", w.name, n)
	}
}

func (a *app) claimNamed(name string) error {
	spool, err := a.dir(filepath.Join("spool", name))
	if err != nil {
		return err
	}
	unlock, err := embedded.Lock(spool + ".lock")
	if err != nil {
		return err
	}
	a.onClose(func() error { unlock(); return nil })
	tmp, err := a.dir(filepath.Join("tmp", name))
	if err != nil {
		return err
	}
	// Nobody else uses it: what is there a killed process left.
	left, err := os.ReadDir(tmp)
	if err != nil {
		return err
	}
	for _, f := range left {
		if err := os.RemoveAll(filepath.Join(tmp, f.Name())); err != nil {
			return err
		}
	}
	a.spool, a.tmp = spool, tmp
	return nil
}
