package embedded

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func itoa(n int) string { return strconv.Itoa(n) }

func client(t *testing.T, r *Redis) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Network: r.Network, Addr: r.Addr, Password: r.Password, MaxRetries: 20})
	t.Cleanup(func() { c.Close() })
	return c
}

func startRedisForTest(t *testing.T, o RedisOptions) *Redis {
	t.Helper()
	r, err := StartRedis(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	return r
}

// what every queue needs of either kind.
func tryRedis(t *testing.T, c *redis.Client) {
	t.Helper()
	ctx := t.Context()
	if err := c.Set(ctx, "kept", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.Set(ctx, "short", "1", 60*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	now, err := redis.NewScript(`return redis.call("TIME")[1]`).Run(ctx, c, nil).Int64()
	if at := time.Unix(now, 0); err != nil || at.Before(before.Add(-2*time.Second)) || at.After(time.Now().Add(time.Second)) {
		t.Errorf("TIME in a script: %d, %v", now, err)
	}
	for end := time.Now().Add(patience); c.Exists(ctx, "short").Val() != 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a key of 60 ms does not end")
		}
	}
}

func TestRedisServer(t *testing.T) {
	needs(t, "redis-server")
	var log logged
	o := RedisOptions{Dir: t.TempDir(), Log: log.logger()}
	r := startRedisForTest(t, o)
	if r.Network != "unix" || !strings.HasPrefix(r.Kind, "redis-server ") || !strings.Contains(log.String(), "child process") {
		t.Errorf("%+v, logged %s", r, log.String())
	}
	c := client(t, r)
	tryRedis(t, c)
	pid := pidOfRedis(r.Addr)
	// The append-only file is written at once and synced every second, so a
	// killed process loses nothing that was answered.
	syscallKill(t, pid)
	gone(t, "redis-server", pid)
	for end := time.Now().Add(patience); c.Get(context.Background(), "kept").Val() != "1"; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("after it was killed the key is gone, or the server is")
		}
	}
	second := pidOfRedis(r.Addr)
	r.Stop()
	gone(t, "redis-server", second)
	if strings.Contains(log.String(), "did not end") {
		t.Error("it did not end by itself")
	}
	// Stopped and started again: still there.
	r = startRedisForTest(t, o)
	if got := client(t, r).Get(t.Context(), "kept").Val(); got != "1" {
		t.Errorf("after a restart: %q", got)
	}
}

// A server that an earlier run left behind, as on systems that cannot bind it.
func TestRedisLeftover(t *testing.T) {
	needs(t, "redis-server")
	dir := t.TempDir()
	socket, err := socketPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	old := command("redis-server", redisArgs(dir, socket)...)
	if err := old.Start(); err != nil {
		t.Fatal(err)
	}
	waited := make(chan struct{})
	go func() { old.Wait(); close(waited) }()
	defer func() { old.Process.Kill(); <-waited }()
	for end := time.Now().Add(patience); ping(t.Context(), socket) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not start")
		}
	}
	var log logged
	r := startRedisForTest(t, RedisOptions{Dir: dir, Log: log.logger()})
	gone(t, "the leftover", old.Process.Pid)
	if got := pidOfRedis(r.Addr); got == old.Process.Pid || got == 0 {
		t.Errorf("process %d serves", got)
	}
	if !strings.Contains(log.String(), "earlier run") {
		t.Error("nobody said that there was a leftover")
	}
}

func TestRedisInALongFolder(t *testing.T) {
	needs(t, "redis-server")
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 20)+"folder")
	r := startRedisForTest(t, RedisOptions{Dir: dir})
	if len(r.Addr) > maxSocket {
		t.Errorf("%q is too long", r.Addr)
	}
	tryRedis(t, client(t, r))
}

func TestRedisInProcess(t *testing.T) {
	var log logged
	r := startRedisForTest(t, RedisOptions{Dir: t.TempDir(), Program: InProcess, Log: log.logger()})
	if r.Network != "tcp" || r.Kind != InProcess || !strings.Contains(log.String(), "inside this process") {
		t.Errorf("%+v, logged %s", r, log.String())
	}
	tryRedis(t, client(t, r))
	open := redis.NewClient(&redis.Options{Addr: r.Addr, MaxRetries: -1})
	defer open.Close()
	if err := open.Ping(t.Context()).Err(); err == nil {
		t.Error("it takes commands without its password")
	}
	if _, err := StartRedis(t.Context(), RedisOptions{Dir: t.TempDir(), Program: "/no/such/redis"}); err == nil {
		t.Error("a program that is not there was started")
	}
	t.Setenv("PATH", t.TempDir())
	r2 := startRedisForTest(t, RedisOptions{Dir: t.TempDir()})
	if r2.Kind != InProcess {
		t.Errorf("without redis-server: %q", r2.Kind)
	}
}
