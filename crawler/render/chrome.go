package render

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// chrome is one running browser: its process group, its profile folder and the
// connection to it.
type chrome struct {
	cfg     Config
	log     *slog.Logger
	cmd     *exec.Cmd
	profile *profile
	conn    *conn
	stderr  *tail
	exited  chan struct{}

	product   string // "HeadlessChrome/156.0.8078.79"
	userAgent string // its own, when a request names none
	flags     []string
	sandboxed bool
	full      bool // the full browser, not the headless shell
	started   time.Time

	// refs, uses and retired belong to the Renderer's lock.
	refs, uses int
	retired    bool

	sick      atomic.Bool // a capture could not be cleaned up: no new ones
	closeOnce sync.Once
}

// launch starts a Chrome by the sandbox policy.
func launch(ctx context.Context, cfg Config) (*chrome, error) {
	if cfg.Sandbox == SandboxOff {
		return launchOnce(ctx, cfg, false)
	}
	c, err := launchOnce(ctx, cfg, true)
	if err == nil || ctx.Err() != nil || cfg.Sandbox == SandboxRequire {
		return c, err
	}
	c, bare := launchOnce(ctx, cfg, false)
	if bare != nil {
		return nil, err // the first error says more
	}
	cfg.Log.Warn("Chrome runs without its sandbox, because it does not start with it here; captures say so",
		"error", err)
	return c, nil
}

func launchOnce(ctx context.Context, cfg Config, sandbox bool) (_ *chrome, err error) {
	p, err := newProfile(cfg)
	if err != nil {
		return nil, err
	}
	c := &chrome{
		cfg: cfg, log: cfg.Log, profile: p, sandboxed: sandbox,
		stderr: &tail{max: 16 << 10}, exited: make(chan struct{}), started: cfg.Now(),
	}
	defer func() {
		if err != nil {
			c.kill()
		}
	}()
	flags := cfg.flags(p.data())
	if !sandbox {
		flags = append(flags, "--no-sandbox")
	}
	if smallSharedMemory() {
		flags = append(flags, "--disable-dev-shm-usage")
	}
	c.flags = recorded(flags)
	tr, err := c.start(append(flags, "about:blank"))
	if err != nil {
		return nil, err
	}
	c.conn = newConn(tr, cfg.Log)
	return c, c.greet(ctx)
}

// start runs the process and gives the transport to it. Chrome reads commands
// from its descriptor 3 and writes to 4.
func (c *chrome) start(args []string) (chromedp.Transport, error) {
	childR, parentW, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("no pipe to Chrome: %w", err)
	}
	defer childR.Close()
	parentR, childW, err := os.Pipe()
	if err != nil {
		parentW.Close()
		return nil, fmt.Errorf("no pipe from Chrome: %w", err)
	}
	defer childW.Close()

	cmd := exec.Command(c.cfg.ChromePath, args...)
	cmd.ExtraFiles = []*os.File{childR, childW}
	cmd.Stderr = c.stderr
	cmd.Dir = c.profile.dir
	cmd.Env = c.profile.env()
	// Chrome's leftovers may hold stderr open after it is gone.
	cmd.WaitDelay = time.Second
	ownGroup(cmd, c.cfg)
	if err := cmd.Start(); err != nil {
		parentW.Close()
		parentR.Close()
		return nil, fmt.Errorf("the browser did not start (%s): %w", filepath.Base(c.cfg.ChromePath), err)
	}
	c.cmd = cmd
	go func() {
		_ = cmd.Wait() // how it ended is seen by the connection
		close(c.exited)
	}()
	return chromedp.NewPipeConn(bigReader{bufio.NewReaderSize(parentR, 256<<10), parentR}, parentW), nil
}

// bigReader reads in large pieces: messages with pictures have megabytes, and
// chromedp's own buffer has four kilobytes.
type bigReader struct {
	*bufio.Reader
	io.Closer
}

// greet waits for the first answer and asks to be told of every new target
// before that target does anything.
func (c *chrome) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.StartTimeout)
	defer cancel()
	b := session{c: c.conn}
	v, err := call(ctx, b, browser.GetVersion, cdp.Empty{})
	if err != nil {
		if errors.Is(err, errConnLost) {
			select {
			case <-c.exited:
			case <-ctx.Done():
			}
		}
		return fmt.Errorf("the browser did not come up: %w: %s%s", err, c.stderr.lastLine(), c.profile.tooDeep())
	}
	c.product, c.userAgent = v.Product, v.UserAgent
	c.full = !strings.HasPrefix(v.Product, "HeadlessChrome/")
	yes := true
	_, err = call(ctx, b, target.SetAutoAttach, target.SetAutoAttachParams{
		AutoAttach: true, WaitForDebuggerOnStart: true, Flatten: &yes,
	})
	return err
}

// close ends Chrome: asked first, so that it reaps its own children, then
// killed as a group; then its folder is removed.
func (c *chrome) close() {
	c.closeOnce.Do(func() {
		if c.conn != nil && c.conn.lost() == nil && !c.sick.Load() {
			c.conn.send("", browser.CommandClose, nil, nil)
			t := time.NewTimer(3 * time.Second)
			select {
			case <-c.exited:
			case <-t.C:
			}
			t.Stop()
		}
		c.end()
	})
}

// kill ends Chrome at once.
func (c *chrome) kill() {
	c.closeOnce.Do(c.end)
}

func (c *chrome) end() {
	if c.cmd != nil {
		killGroup(c.cmd.Process.Pid)
		<-c.exited
	}
	killUsers(c.profile.dir)
	if c.conn != nil {
		c.conn.lose(errors.New("closed"))
	}
	if err := c.profile.remove(); err != nil {
		c.log.Error("a Chrome profile folder could not be removed; the next start sweeps it", "error", err)
	}
}

// tail keeps the last bytes written to it.
type tail struct {
	max int
	mu  sync.Mutex
	b   []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > t.max {
		t.b = append([]byte(nil), t.b[len(t.b)-t.max:]...)
	}
	return len(p), nil
}

// lastLine is the last thing Chrome said, for error messages.
func (t *tail) lastLine() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.b)), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		// Stack frames and register dumps say nothing to a person.
		if l := strings.TrimSpace(lines[i]); strings.Contains(l, "FATAL") || strings.Contains(l, "ERROR") {
			return l
		}
	}
	return lines[len(lines)-1]
}
