// Package redistest runs a real Redis for a test: a child process on a unix
// socket of its own, without persistence, that ends with the test however the
// test ends. Where there is no redis-server the test skips and says so; with
// CI=true it fails.
package redistest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server is a Redis of the test's own.
type Server struct {
	Socket  string
	t       testing.TB
	program string
	kill    func()
}

// guard runs a command until its standard input ends, which is at the latest
// when the test binary does.
const guard = `"$@" </dev/null >/dev/null 2>&1 &
server=$!
cat >/dev/null
kill -9 $server
wait $server 2>/dev/null`

// run starts redis-server in dir and gives what ends it, as kill -9 does.
func run(t testing.TB, program, dir string, args ...string) (kill func()) {
	t.Helper()
	c := exec.Command("/bin/sh", append([]string{"-c", guard, "sh", program}, args...)...)
	c.Dir = dir
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return func() { pipe.Close(); c.Wait() }
}

// await waits until ready says yes.
func await(t testing.TB, what string, ready func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for !ready(ctx) {
		if ctx.Err() != nil {
			t.Fatalf("%s did not start within two minutes", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Start starts an empty Redis.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, program: program(t)}
	// Short: a unix socket's path has at most 107 bytes.
	dir, err := os.MkdirTemp("", "trawlrd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s.Socket = filepath.Join(dir, "s")
	s.Restart()
	t.Cleanup(s.Kill)
	return s
}

func program(t testing.TB) string {
	t.Helper()
	p, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no redis-server for this test: install Redis")
		}
		t.Skip("no redis-server for this test: install Redis")
	}
	return p
}

// Kill ends the Redis with all it knows, as kill -9 does.
func (s *Server) Kill() {
	if s.kill == nil {
		return
	}
	s.kill()
	s.kill = nil
	os.Remove(s.Socket)
}

// Restart starts it again, empty, after Kill.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	s.kill = run(s.t, s.program, filepath.Dir(s.Socket), "--port", "0", "--unixsocket", s.Socket, "--save", "", "--appendonly", "no")
	client := s.open()
	defer client.Close()
	await(s.t, "redis-server", func(ctx context.Context) bool { return client.Ping(ctx).Err() == nil })
}

// Flush makes it forget everything.
func (s *Server) Flush() {
	s.t.Helper()
	c := s.open()
	defer c.Close()
	if err := c.FlushAll(context.Background()).Err(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) open() *redis.Client {
	return redis.NewClient(&redis.Options{Network: "unix", Addr: s.Socket, DisableIdentity: true, DialerRetries: 1, MaxRetries: 1})
}

// Client gives a client that is closed with the test.
func (s *Server) Client() *redis.Client {
	c := s.open()
	s.t.Cleanup(func() { c.Close() })
	return c
}
