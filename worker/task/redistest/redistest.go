// Package redistest runs a real Redis for a test: a child process on a unix
// socket of its own, without persistence, that ends with the test however the
// test ends. Where there is no redis-server the test skips and says so; with
// CI=true it fails.
package redistest

import (
	"context"
	"io"
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
	pipe    io.Closer
	child   *exec.Cmd
}

// guard runs redis-server until its standard input ends, which is at the
// latest when the test binary does.
const guard = `"$1" --port 0 --unixsocket "$2" --save '' --appendonly no --loglevel warning </dev/null >/dev/null 2>&1 &
server=$!
cat >/dev/null
kill -9 $server
wait $server 2>/dev/null`

// Start starts an empty Redis.
func Start(t testing.TB) *Server {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no redis-server for this test: install Redis")
		}
		t.Skip("no redis-server for this test: install Redis")
	}
	// Short: a unix socket's path has at most 107 bytes.
	dir, err := os.MkdirTemp("", "trawlrd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &Server{Socket: filepath.Join(dir, "s"), t: t, program: program}
	s.Restart()
	t.Cleanup(s.Kill)
	return s
}

// Kill ends the Redis with all it knows, as kill -9 does.
func (s *Server) Kill() {
	if s.child == nil {
		return
	}
	s.pipe.Close()
	s.child.Wait()
	s.child = nil
	os.Remove(s.Socket)
}

// Restart starts it again, empty, after Kill.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	c := exec.Command("/bin/sh", "-c", guard, "sh", s.program, s.Socket)
	c.Dir = filepath.Dir(s.Socket)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := c.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.child, s.pipe = c, pipe
	client := s.open()
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for client.Ping(ctx).Err() != nil {
		if ctx.Err() != nil {
			s.t.Fatal("redis-server did not start within 20 s")
		}
		time.Sleep(5 * time.Millisecond)
	}
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
