package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// The times of a child.
const (
	startWithin = 20 * time.Second // to be ready
	stopWithin  = 5 * time.Second  // to end by itself before it is killed
	firstPause  = 50 * time.Millisecond
	lastPause   = 5 * time.Second
	steadyAfter = 30 * time.Second // of life, the next death is the first again
)

// spec says how a part is run.
type spec struct {
	name string // for the log: "S3 server"
	// command makes a fresh, not started command each time.
	command func() *exec.Cmd
	// hello is written to stdin, which then stays open as long as this process
	// lives; nil for a part that does not read it.
	hello []byte
	// ready is asked until it gives nil.
	ready func(context.Context) error
	// ask tells the part to end; closing stdin when nil.
	ask func(context.Context) error
	log *slog.Logger
}

// child is a part that runs, dies and is started again until it is stopped.
type child struct {
	spec
	stop    chan struct{} // closed by Stop
	stopped chan struct{} // closed when nothing runs any more
	once    sync.Once

	mu  sync.Mutex
	now *process
}

// start runs the part and returns when it is ready, or says why it is not.
func start(ctx context.Context, s spec) (*child, error) {
	c := &child{spec: s, stop: make(chan struct{}), stopped: make(chan struct{})}
	p, err := c.run(ctx)
	if err != nil {
		return nil, err
	}
	go c.watch(p)
	return c, nil
}

// run starts one process and waits until it is ready.
func (c *child) run(ctx context.Context) (*process, error) {
	p, err := launch(c.spec)
	if err != nil {
		return nil, fmt.Errorf("start the %s: %w", c.name, err)
	}
	c.mu.Lock()
	c.now = p
	c.mu.Unlock()
	if err := p.waitReady(ctx, c.ready); err != nil {
		p.kill()
		return nil, fmt.Errorf("start the %s: %w", c.name, err)
	}
	return p, nil
}

// watch starts the part again whenever it ends, until Stop.
func (c *child) watch(p *process) {
	defer close(c.stopped)
	pause := firstPause
	for {
		select {
		case <-c.stop:
			c.end(p)
			return
		case <-p.dead:
		}
		if time.Since(p.since) > steadyAfter {
			pause = firstPause
		}
		c.log.Error("a part died and is started again", "part", c.name, "after", time.Since(p.since).Round(time.Millisecond), "how", p.how(), "said", p.tail())
		for p = nil; p == nil; pause = min(2*pause, lastPause) {
			select {
			case <-c.stop:
				return
			case <-time.After(pause):
			}
			if p = c.again(); p != nil {
				c.log.Info("a part runs again", "part", c.name)
			}
		}
	}
}

// again is run, given up when Stop is called.
func (c *child) again() *process {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-c.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	p, err := c.run(ctx)
	if err != nil {
		c.log.Error("a part does not start", "part", c.name, "err", err)
		return nil
	}
	return p
}

// end asks a process to end, and kills it if it does not.
func (c *child) end(p *process) {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if c.ask != nil {
		if err := c.ask(ctx); err != nil {
			c.log.Debug("a part cannot be asked to end", "part", c.name, "err", err)
		}
	}
	p.in.Close()
	select {
	case <-p.dead:
	case <-ctx.Done():
		c.log.Warn("a part did not end and is killed", "part", c.name)
	}
	p.kill()
}

// Stop ends the part and returns when it is gone. It may be called more than once.
func (c *child) Stop() {
	c.once.Do(func() { close(c.stop) })
	<-c.stopped
}

// pid is the process that runs now.
func (c *child) pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now.cmd.Process.Pid
}

// process is one run of a part.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *lines
	since time.Time
	dead  chan struct{} // closed when it has been waited for
	err   error         // of Wait; read after dead
}

// launch starts a process on an OS thread that lives as long as the process
// does: where the kernel can tie a child's life to its parent's, it ties it to
// the parent's thread, and Go's threads come and go.
func launch(s spec) (*process, error) {
	p := &process{cmd: s.command(), out: &lines{name: s.name, log: s.log}, dead: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.WaitDelay = time.Second
	isolate(p.cmd, s.hello == nil)
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		p.since = time.Now()
		if err := p.cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		p.err = p.cmd.Wait()
		close(p.dead)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	if s.hello != nil {
		if _, err := p.in.Write(s.hello); err != nil {
			p.kill()
			return nil, fmt.Errorf("it does not read its settings: %w\n%s", err, p.tail())
		}
	}
	return p, nil
}

var errEnded = errors.New("it ended at once")

func (p *process) waitReady(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	asking, over := context.WithCancel(ctx) // until it is dead
	defer over()
	go func() {
		select {
		case <-p.dead:
			over()
		case <-asking.Done():
		}
	}()
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := ready(asking)
		if err == nil {
			return nil
		}
		select {
		case <-p.dead:
			return fmt.Errorf("%w (%s): %s", errEnded, p.how(), p.tail())
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: %w; last: %v: %s", context.Cause(ctx), err, p.tail())
		case <-time.After(pause):
		}
	}
}

// kill ends the process and its group and returns when it is gone.
func (p *process) kill() {
	select {
	case <-p.dead:
	default:
		killGroup(p.cmd.Process)
		<-p.dead
	}
	p.in.Close()
}

// how is the way it ended; only after dead.
func (p *process) how() string {
	if p.err == nil {
		return "exit status 0"
	}
	return p.err.Error()
}

func (p *process) tail() string { return p.out.tail() }

// lines logs what a part prints, line by line, and remembers the last ones.
type lines struct {
	name string
	log  *slog.Logger

	mu   sync.Mutex
	part []byte
	last []string
}

// The bounds of what is remembered.
const (
	maxLine  = 2000
	maxLines = 5
)

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part = append(l.part, b...)
	for {
		line, rest, found := bytes.Cut(l.part, []byte("\n"))
		if !found && len(l.part) < maxLine {
			return len(b), nil
		}
		if !found {
			line, rest = l.part, nil
		}
		l.line(strings.TrimSpace(string(line)))
		l.part = append(l.part[:0], rest...)
		if len(l.part) == 0 {
			return len(b), nil
		}
	}
}

func (l *lines) line(s string) {
	if s == "" {
		return
	}
	if l.last = append(l.last, s); len(l.last) > maxLines {
		l.last = l.last[1:]
	}
	l.log.Debug(s, "part", l.name)
}

func (l *lines) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.last
	if len(l.part) > 0 {
		all = append(all[:len(all):len(all)], string(l.part))
	}
	return strings.Join(all, " | ")
}
