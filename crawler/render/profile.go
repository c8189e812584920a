package render

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// profile is the folder one Chrome lives in: d (its profile), h (its home), t (temporary). It
// is locked while its Chrome is ours, so that a later start can tell the
// folders of the dead from those in use.
type profile struct {
	dir  string
	lock *os.File
}

// Names are short: the full browser makes a Unix socket in its temporary folder,
// and a socket's path has at most 107 bytes.
const (
	profilePrefix = "p-"
	maxSocketPath = 107
	socketName    = "/org.chromium.Chromium.XXXXXX/SingletonSocket"
)

// tooDeep says so when the browser's socket does not fit.
func (p *profile) tooDeep() string {
	if over := len(p.tmp()) + len(socketName) - maxSocketPath; over > 0 {
		return fmt.Sprintf(" (profile_root is %d characters too long for the full browser's socket)", over)
	}
	return ""
}

func newProfile(cfg Config) (*profile, error) {
	if err := os.MkdirAll(cfg.ProfileRoot, 0o711); err != nil {
		return nil, fmt.Errorf("no folder for Chrome's profiles: %w", err)
	}
	dir, err := os.MkdirTemp(cfg.ProfileRoot, profilePrefix)
	if err != nil {
		return nil, fmt.Errorf("no folder for a Chrome profile: %w", err)
	}
	p := &profile{dir: dir}
	if err := p.prepare(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("a Chrome profile could not be set up: %w", err), p.remove())
	}
	return p, nil
}

func (p *profile) prepare(cfg Config) (err error) {
	if p.lock, err = lockFile(filepath.Join(p.dir, "lock")); err != nil {
		return err
	}
	for _, d := range []string{p.data(), p.home(), p.tmp()} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return err
		}
	}
	if err := reachable(cfg, filepath.Dir(p.dir)); err != nil {
		return err
	}
	return handOver(cfg, p.dir, p.data(), p.home(), p.tmp())
}

func (p *profile) data() string { return filepath.Join(p.dir, "d") }
func (p *profile) home() string { return filepath.Join(p.dir, "h") }
func (p *profile) tmp() string  { return filepath.Join(p.dir, "t") }

// env is Chrome's whole environment: nothing of ours, which may hold secrets.
func (p *profile) env() []string {
	env := []string{
		"HOME=" + p.home(), "TMPDIR=" + p.tmp(), "PATH=/usr/bin:/bin", "LANG=C.UTF-8",
		"XDG_CONFIG_HOME=" + p.home(), "XDG_CACHE_HOME=" + p.home(),
		"DBUS_SESSION_BUS_ADDRESS=/dev/null",
	}
	// A font set or library path chosen by the operator changes what is drawn.
	for _, k := range []string{"FONTCONFIG_FILE", "FONTCONFIG_PATH", "LD_LIBRARY_PATH"} {
		if v := os.Getenv(k); v != "" {
			env = append(env, k+"="+v)
		}
	}
	return env
}

// remove deletes the folder. Chrome's last processes can still write while
// they die, so it tries for a few seconds.
func (p *profile) remove() error {
	var err error
	for range 100 {
		if err = os.RemoveAll(p.dir); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if p.lock != nil {
		p.lock.Close()
	}
	return err
}

// sweep removes the folders, and kills the processes, that Renderers which
// were killed left behind. Folders in use are locked and stay.
func sweep(cfg Config) (removed int) {
	dirs, err := os.ReadDir(cfg.ProfileRoot)
	if err != nil {
		return 0
	}
	for _, d := range dirs {
		if !d.IsDir() || !strings.HasPrefix(d.Name(), profilePrefix) {
			continue
		}
		p := &profile{dir: filepath.Join(cfg.ProfileRoot, d.Name())}
		lock, err := lockFile(filepath.Join(p.dir, "lock"))
		if err != nil {
			continue // in use, or about to be
		}
		p.lock = lock
		killUsers(p.dir)
		if err := p.remove(); err != nil {
			cfg.Log.Warn("a leftover Chrome profile could not be removed", "error", err)
			continue
		}
		removed++
	}
	return removed
}
