package render

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// slowly answers when told to, and says when it was asked.
type slowly struct {
	asked chan struct{}
	go_   chan struct{}
}

func newSlowly() *slowly { return &slowly{make(chan struct{}, 100), make(chan struct{})} }

func (s *slowly) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked <- struct{}{}
	select {
	case <-s.go_:
	case <-r.Context().Done():
	}
	html("<p>at last</p>")(w, r)
}

func TestRecyclesByAgeAndMemory(t *testing.T) {
	w := newWorld(t)
	w.site("shop.test", html("x"))
	for name, change := range map[string]func(*Config){
		"age":    func(c *Config) { c.RecycleAge = time.Nanosecond },
		"memory": func(c *Config) { c.RecycleRSS = 1 },
		"count":  func(c *Config) { c.RecycleAfter = 1 },
	} {
		r := newRenderer(t, change, func(c *Config) { c.Quiet = 20 * time.Millisecond })
		seen := map[*chrome]bool{}
		for range 3 {
			if res := r.Render(context.Background(), w.ask("http://shop.test/")); res.Outcome != "" {
				t.Errorf("%s: %q %q", name, res.Outcome, res.Evidence)
			}
			r.ending.Wait()
			r.mu.Lock()
			seen[r.cur] = true
			r.mu.Unlock()
		}
		if len(seen) < 2 && name == "age" || name == "memory" && !seen[nil] {
			t.Errorf("%s: the browser was not replaced: %v", name, seen)
		}
		if s := r.Stats(); s.Recycles[name] == 0 || s.Starts < 2 || s.Captures != 3 || s.Crashes != 0 {
			t.Errorf("%s: counted as %+v", name, s)
		}
	}
}

func TestKilledBrowserIsReplacedAndTheCaptureMadeAgain(t *testing.T) {
	w := newWorld(t)
	slow := newSlowly()
	w.site("shop.test", slow)
	r := newRenderer(t)
	r.mu.Lock()
	pid := r.cur.cmd.Process.Pid
	r.mu.Unlock()
	done := make(chan *Result)
	go func() { done <- r.Render(context.Background(), w.ask("http://shop.test/")) }()
	<-slow.asked
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-slow.asked // the second attempt
	close(slow.go_)
	res := <-done
	mustBeFine(t, res)
	if !strings.Contains(string(res.DOM), "at last") {
		t.Errorf("dom %s", res.DOM)
	}
	if s := r.Stats(); s.Crashes != 1 || s.Repeats != 1 || s.Starts != 2 || s.Captures != 1 || s.Busy != 0 {
		t.Errorf("counted as %+v", s)
	}
}

func TestBrowserThatKeepsDyingIsReported(t *testing.T) {
	w := newWorld(t)
	slow := newSlowly()
	w.site("shop.test", slow)
	r := newRenderer(t)
	done := make(chan *Result)
	go func() { done <- r.Render(context.Background(), w.ask("http://shop.test/")) }()
	for range 2 {
		<-slow.asked
		r.mu.Lock()
		killGroup(r.cur.cmd.Process.Pid)
		r.mu.Unlock()
	}
	res := <-done
	if res.Outcome != capture.RenderCrash || !strings.Contains(strings.Join(res.Evidence, " "), "browser") {
		t.Errorf("outcome %q evidence %q", res.Outcome, res.Evidence)
	}
	// Killed at once, the browser may not have come to tell of its request.
	for _, e := range res.Exchanges {
		if e.URL != "http://shop.test/" || e.Failure == nil {
			t.Errorf("exchange %+v", e)
		}
	}
}

func TestCallerMayStopACapture(t *testing.T) {
	w := newWorld(t)
	slow := newSlowly()
	w.site("shop.test", slow)
	r := newRenderer(t, func(c *Config) { c.MaxContexts = 1 })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan *Result)
	go func() { done <- r.Render(ctx, w.ask("http://shop.test/")) }()
	<-slow.asked
	cancel()
	if res := <-done; res.Outcome != capture.Timeout || !strings.Contains(res.Evidence[0], "stopped from outside") {
		t.Errorf("outcome %q evidence %q", res.Outcome, res.Evidence)
	}
	// One that waits for its turn until its time is up.
	if res := r.Render(ctx, w.ask("http://shop.test/")); res.Outcome != capture.Timeout {
		t.Errorf("waiting: outcome %q %q", res.Outcome, res.Evidence)
	}
}

func TestCloseDuringACapture(t *testing.T) {
	w := newWorld(t)
	slow := newSlowly()
	w.site("shop.test", slow)
	r := newRenderer(t)
	done := make(chan *Result)
	go func() { done <- r.Render(context.Background(), w.ask("http://shop.test/")) }()
	<-slow.asked
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	mustBeClean(t, r.cfg)
	if res := <-done; res.Outcome != capture.RenderCrash {
		t.Errorf("outcome %q", res.Outcome)
	}
	if res := r.Render(context.Background(), w.ask("http://shop.test/")); res.Outcome != capture.RenderCrash || !strings.Contains(res.Evidence[0], ErrClosed.Error()) {
		t.Errorf("after Close: outcome %q evidence %q", res.Outcome, res.Evidence)
	}
}

func TestLeftoversOfKilledRenderersAreSwept(t *testing.T) {
	cfg := testConfig(t).withDefaults()
	ch, err := launch(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if rss := groupRSS(ch.cmd.Process.Pid); rss < 20<<20 || rss > 1<<30 {
		t.Errorf("an idle browser holds %d MB", rss>>20)
	} else {
		t.Logf("an idle browser holds %d MB", rss>>20)
	}
	if n := sweep(cfg); n != 0 {
		t.Fatalf("swept %d folders in use", n)
	}
	// As if we had been killed: the lock is gone, Chrome and its folder are not.
	ch.profile.lock.Close()
	if n := sweep(cfg); n != 1 {
		t.Errorf("swept %d folders, want 1", n)
	}
	<-ch.exited
	mustBeClean(t, cfg)
	ch.kill()
}

func TestChromeEndsWhenItsOwnerDoes(t *testing.T) {
	cfg := testConfig(t).withDefaults()
	ch, err := launch(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer ch.kill()
	ch.conn.tr.Close() // what the kernel does when we are killed
	select {
	case <-ch.exited:
	case <-time.After(2 * time.Minute):
		t.Error("Chrome lives on without its owner")
	}
}

func TestSandboxPolicy(t *testing.T) {
	cfg := testConfig(t).withDefaults()
	ch, err := launch(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Contains(strings.Join(ch.flags, " "), "--no-sandbox"); got == ch.sandboxed {
		t.Errorf("sandboxed %v, --no-sandbox %v", ch.sandboxed, got)
	}
	if os.Getuid() == 0 {
		fi, err := os.Stat("/proc/" + strconv.Itoa(ch.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		if uid := fi.Sys().(*syscall.Stat_t).Uid; uid == 0 {
			t.Error("Chrome runs as root")
		}
	}
	ch.close()
	mustBeClean(t, cfg)
	cfg.Sandbox = SandboxOff
	if ch, err = launch(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	if ch.sandboxed {
		t.Error("the sandbox is on")
	}
	ch.close()
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	ctx := context.Background()
	dir := profileRoot(t)
	notChrome := filepath.Join(dir, "not-chrome")
	if err := os.WriteFile(notChrome, []byte("#!/bin/sh\necho 'ERROR: I am no browser' >&2\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{ChromePath: filepath.Join(dir, "missing")}, "did not start"},
		{Config{ChromePath: notChrome}, "I am no browser"},
		{Config{ChromePath: "/bin/sleep", ExtraFlags: nil, StartTimeout: time.Second}, "did not come up"},
		{Config{ChromePath: "x", Sandbox: "maybe"}, "sandbox"},
		{Config{ChromePath: "x", MaxContexts: -1}, "max_contexts"},
		{Config{ChromePath: "x", RecycleAfter: -1}, "recycle_after"},
		{Config{ChromePath: "x", RecycleRSS: -1}, "recycle_rss"},
		{Config{ChromePath: "x", Quiet: -1}, "quiet"},
	} {
		c.cfg.ProfileRoot = filepath.Join(dir, "profiles")
		_, err := New(ctx, c.cfg)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one with %q", c.cfg, err, c.want)
		}
		if left, err := os.ReadDir(c.cfg.ProfileRoot); err == nil && len(left) > 0 {
			t.Errorf("%s: a folder is left", c.want)
		} else if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	}
}
