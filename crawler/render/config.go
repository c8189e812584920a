package render

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Sandbox says what to do about Chrome's sandbox.
type Sandbox string

// The policies.
const (
	// SandboxAuto uses the sandbox, dropping to Config.UID when started by
	// root; where the system does not allow one, Chrome runs without and every
	// capture's environment says so.
	SandboxAuto Sandbox = "auto"
	// SandboxRequire makes New fail where SandboxAuto would go without.
	SandboxRequire Sandbox = "require"
	// SandboxOff never uses the sandbox.
	SandboxOff Sandbox = "off"
)

// Config is what a Renderer is made with. The zero value of a field means its
// default.
type Config struct {
	// ChromePath is the real browser binary, not a wrapper script (killing a
	// wrapper leaves the browser). Default: the first found of
	// chromium-headless-shell, chromium and chrome at their usual places.
	ChromePath string
	// ProfileRoot is the folder in which profile folders are made and swept.
	// Default: trawlmark-chrome in the system's temporary folder.
	ProfileRoot string
	// MaxContexts is how many captures run at once. Default: the number of
	// CPUs, at least 2, at most 16.
	MaxContexts int
	// RecycleAfter is how many captures one Chrome makes. Default 75.
	RecycleAfter int
	// RecycleAge is how old one Chrome gets. Default 30 minutes.
	RecycleAge time.Duration
	// RecycleRSS is the resident memory, in bytes, of Chrome's processes
	// together (what they share counted once) beyond which it is replaced.
	// Default 1.2 GiB.
	RecycleRSS int64
	// StepTimeout bounds each single step after loading (a screenshot, the
	// DOM). Default 15 seconds.
	StepTimeout time.Duration
	// StartTimeout bounds the start of a Chrome. Default 60 seconds.
	StartTimeout time.Duration
	// Quiet is how long no request may be in flight for the page to count as
	// settled; half of it after scrolling. Default 300 ms.
	Quiet time.Duration
	// IdleWait is how long after its load event a page that is never quiet is
	// waited for. Default 10 seconds.
	IdleWait time.Duration
	// HangWait is how long a loaded page may give no sign of life before its
	// scripts are stopped and it counts as hanging. Default 20 seconds.
	HangWait time.Duration
	// Sandbox is the policy. Default SandboxAuto.
	Sandbox Sandbox
	// UID and GID are whom Chrome runs as when we are root. Default 65534
	// (nobody).
	UID, GID uint32
	// OwnPort, when not nil, is told of the ports on the loopback address that
	// the renderer listens on: contexts opened ahead reach their capture's proxy
	// through one each. The egress guard keeps pages away from them.
	OwnPort func(port uint16, open bool)
	// ExtraSPKI are SHA-256 digests of public keys, base64, whose certificates
	// are trusted although no root says so (--ignore-certificate-errors-spki-list).
	ExtraSPKI []string
	// ExtraFlags are added to Chrome's command line, "--" included.
	ExtraFlags []string

	// Now is the wall clock. Default time.Now.
	Now func() time.Time
	// Log gets what operators should know. Default: nothing.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.ChromePath == "" {
		c.ChromePath = FindChrome()
	}
	if c.ProfileRoot == "" {
		c.ProfileRoot = filepath.Join(os.TempDir(), "trawlmark-chrome")
	}
	if c.MaxContexts == 0 {
		c.MaxContexts = min(max(runtime.NumCPU(), 2), 16)
	}
	if c.RecycleAfter == 0 {
		c.RecycleAfter = 75
	}
	if c.RecycleAge == 0 {
		c.RecycleAge = 30 * time.Minute
	}
	if c.RecycleRSS == 0 {
		c.RecycleRSS = 1288490188 // 1.2 GiB
	}
	if c.StepTimeout == 0 {
		c.StepTimeout = 15 * time.Second
	}
	if c.StartTimeout == 0 {
		c.StartTimeout = time.Minute
	}
	if c.Quiet == 0 {
		c.Quiet = 300 * time.Millisecond
	}
	if c.IdleWait == 0 {
		c.IdleWait = 10 * time.Second
	}
	if c.HangWait == 0 {
		c.HangWait = 20 * time.Second
	}
	if c.Sandbox == "" {
		c.Sandbox = SandboxAuto
	}
	if c.UID == 0 {
		c.UID = 65534
	}
	if c.GID == 0 {
		c.GID = 65534
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate reports the first setting that cannot work, by its name.
func (c Config) Validate() error {
	c = c.withDefaults()
	if c.ChromePath == "" {
		return errors.New("chrome_path: no Chrome was found; install chromium-headless-shell or chromium, or name the binary")
	}
	if c.MaxContexts < 0 {
		return fmt.Errorf("max_contexts: %d is less than 1", c.MaxContexts)
	}
	if c.RecycleAfter < 0 {
		return fmt.Errorf("recycle_after: %d is less than 1", c.RecycleAfter)
	}
	if c.RecycleRSS < 0 {
		return fmt.Errorf("recycle_rss: %d bytes is negative", c.RecycleRSS)
	}
	for _, d := range []struct {
		key string
		d   time.Duration
	}{{"recycle_age", c.RecycleAge}, {"step_timeout", c.StepTimeout}, {"start_timeout", c.StartTimeout}, {"quiet", c.Quiet}, {"idle_wait", c.IdleWait}, {"hang_wait", c.HangWait}} {
		if d.d < 0 {
			return fmt.Errorf("%s: %s is negative", d.key, d.d)
		}
	}
	switch c.Sandbox {
	case SandboxAuto, SandboxRequire, SandboxOff:
	default:
		return fmt.Errorf("sandbox: %q is none of auto, require, off", c.Sandbox)
	}
	return nil
}

// FindChrome looks for a browser binary at its usual places and gives "" when
// there is none. The small headless shell comes first: it starts five times
// faster than the full browser and renders the same.
func FindChrome() string {
	for _, p := range []string{
		"/usr/lib/chromium/chromium-headless-shell",
		"/usr/lib/chromium/headless_shell",
		"/headless-shell/headless-shell",
		"/usr/lib/chromium/chromium",
		"/usr/lib/chromium-browser/chromium-browser",
		"/opt/google/chrome/chrome",
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
		"/Applications/Chromium.app/Contents/MacOS/Chromium",
	} {
		if fi, err := os.Stat(p); err == nil && !fi.IsDir() {
			return p
		}
	}
	return ""
}
