package embedded

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// The parent is killed, not asked: both children must go by themselves, and the
// next parent must find nothing in its way.
func TestNoOrphanWhenTheParentIsKilled(t *testing.T) {
	needs(t, "redis-server")
	dir := t.TempDir()
	for round := range 3 {
		f, kill := startParent(t, dir)
		if !alive(f.S3) || !alive(f.Redis) {
			t.Fatalf("round %d: not alive: %+v", round, f)
		}
		kill()
		if round == 1 {
			continue // the next one starts while these are still ending
		}
		gone(t, "the S3 server", f.S3)
		gone(t, "redis-server", f.Redis)
	}
}

func TestSecondParentIsRefused(t *testing.T) {
	needs(t, "redis-server")
	dir := t.TempDir()
	startParent(t, dir)
	_, err := StartRedis(t.Context(), RedisOptions{Dir: filepath.Join(dir, "redis")})
	if !errors.Is(err, ErrInUse) {
		t.Errorf("Redis: %v, want %v", err, ErrInUse)
	}
	_, err = StartS3(t.Context(), s3Options(t, filepath.Join(dir, "s3")))
	if err == nil || !strings.Contains(err.Error(), "another S3 server is using this folder") {
		t.Errorf("S3: %v, want a sentence about the folder", err)
	}
}

func TestChildThatCannotLive(t *testing.T) {
	o := s3Options(t, t.TempDir())
	o.Env = []string{role + "=dies"}
	_, err := StartS3(t.Context(), o)
	if !errors.Is(err, errEnded) || !strings.Contains(err.Error(), "it cannot live") {
		t.Errorf("got %v, want that it ended and what it said", err)
	}
	o.Exe = filepath.Join(t.TempDir(), "none")
	if _, err := StartS3(t.Context(), o); err == nil {
		t.Error("started a program that is not there")
	}
}

// A child that never gets ready is given up when the caller does, and killed.
func TestChildThatIsNeverReady(t *testing.T) {
	needs(t, "sleep")
	ctx, giveUp := context.WithCancelCause(t.Context())
	defer giveUp(nil)
	var pid int
	var log logged
	_, err := start(ctx, spec{
		name: "sleeper", log: log.logger(),
		command: func() *exec.Cmd { return exec.Command("sh", "-c", "echo pid $$ >&2; exec sleep 600") },
		ready: func(context.Context) error {
			if strings.Contains(log.String(), "pid ") { // it lives and has said who it is
				giveUp(context.DeadlineExceeded)
			}
			return errors.New("not yet")
		},
	})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "not yet") {
		t.Fatalf("got %v", err)
	}
	fields := strings.Fields(err.Error())
	for _, c := range fields[len(fields)-1] {
		pid = pid*10 + int(c-'0')
	}
	gone(t, "the sleeper", pid)
}

// A child bound to a thread must not die when threads of this process do.
func TestChildSurvivesThreads(t *testing.T) {
	needs(t, "sleep")
	c, err := start(t.Context(), spec{
		name: "sleeper", log: (&logged{}).logger(),
		command: func() *exec.Cmd { return exec.Command("sleep", "600") },
		ready:   func(context.Context) error { return nil },
		ask:     func(context.Context) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	pid := c.pid()
	var wg sync.WaitGroup
	for range 200 { // a locked goroutine that ends takes its thread along
		wg.Go(func() { runtime.LockOSThread(); runtime.Gosched() })
	}
	wg.Wait()
	if !alive(pid) || c.pid() != pid {
		t.Error("it died with a thread")
	}
	syscallKill(t, pid)
	for end := time.Now().Add(patience); c.pid() == pid; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it was not started again")
		}
	}
	second := c.pid()
	start := time.Now()
	go c.Stop()
	c.Stop() // SIGKILL after stopWithin: sleep reads no stdin
	if took := time.Since(start); took < stopWithin || took > stopWithin+patience {
		t.Errorf("stopping took %s, it was to be killed after %s", took, stopWithin)
	}
	gone(t, "the sleeper", second)
}

func syscallKill(t *testing.T, pid int) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestLines(t *testing.T) {
	var out logged
	l := &lines{name: "x", log: out.logger()}
	for _, s := range []string{"one\ntw", "o\n\n", strings.Repeat("y", maxLine+10), "\nthree\nfour\nfive\nsix\nrest"} {
		if n, err := l.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	if got := l.tail(); !strings.HasSuffix(got, "three | four | five | six | rest") || strings.Contains(got, "one") {
		t.Errorf("tail: %q", got)
	}
	for _, want := range []string{"msg=one", "msg=two", "msg=six"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q was not logged", want)
		}
	}
}
