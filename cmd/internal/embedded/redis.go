package embedded

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// RedisOptions say how Redis is run.
type RedisOptions struct {
	// Dir holds its file and its lock; made when missing.
	Dir string
	// Program is the redis-server to run: the one on the PATH when empty, and
	// the one inside this process when there is none or when it is InProcess.
	Program string
	Log     *slog.Logger
}

// InProcess as RedisOptions.Program asks for the Redis inside this process.
const InProcess = "in-process"

// Redis is a running Redis. What it holds may be lost at any time; the ledger
// does not rely on it.
type Redis struct {
	// Network and Addr are what a Redis client dials: "unix" and a path, or
	// "tcp" and host:port.
	Network, Addr string
	// Password is empty for a socket, which only this user can open.
	Password string
	// Kind is "redis-server <version>" or "in-process".
	Kind string

	stop func()
}

// Stop ends it and returns when it is gone.
func (r *Redis) Stop() { r.stop() }

// StartRedis runs redis-server as a child process when there is one, and a
// Redis inside this process otherwise, and says which in the log.
func StartRedis(ctx context.Context, o RedisOptions) (*Redis, error) {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of Redis: %w", err)
	}
	if o.Program == InProcess {
		return inProcess(o, "asked for")
	}
	program, err := exec.LookPath(cmp.Or(o.Program, "redis-server"))
	if err != nil && o.Program != "" {
		return nil, fmt.Errorf("start Redis: %w", err)
	}
	if err != nil {
		return inProcess(o, "redis-server is not on the PATH; installing it makes the queue about three times faster")
	}
	return redisServer(ctx, o, program)
}

func inProcess(o RedisOptions, why string) (*Redis, error) {
	m := miniredis.NewMiniRedis()
	password, err := randomHex()
	if err != nil {
		return nil, err
	}
	m.RequireAuth(password) // a port is open to every user of the machine
	m.ClockTTL(true)        // by itself it lets nothing expire
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("start Redis in this process: %w", err)
	}
	o.Log.Info("Redis runs inside this process and forgets everything with it", "addr", m.Addr(), "why", why)
	return &Redis{Network: "tcp", Addr: m.Addr(), Password: password, Kind: InProcess, stop: m.Close}, nil
}

func randomHex() (string, error) {
	var b [16]byte
	_, err := rand.Read(b[:])
	return hex.EncodeToString(b[:]), err
}

func redisServer(ctx context.Context, o RedisOptions, program string) (*Redis, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	unlock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("start Redis in %s: %w", dir, err)
	}
	socket, err := socketPath(dir)
	if err == nil {
		err = endLeftover(ctx, socket, o.Log)
	}
	if err != nil {
		unlock()
		return nil, err
	}
	c, err := start(ctx, spec{
		name: "Redis",
		command: func() *exec.Cmd {
			cmd := exec.Command(program, redisArgs(dir, socket)...)
			cmd.Dir = dir
			return cmd
		},
		ready: func(ctx context.Context) error { return ping(ctx, socket) },
		// SIGTERM would do, but the protocol also works on what is no child.
		ask: func(ctx context.Context) error { return shutdown(ctx, socket) },
		log: o.Log,
	})
	if err != nil {
		unlock()
		return nil, err
	}
	r := &Redis{Network: "unix", Addr: socket, Kind: "redis-server", stop: sync.OnceFunc(func() {
		c.Stop()
		if tmp := filepath.Dir(socket); tmp != dir {
			os.Remove(tmp)
		}
		unlock()
	})}
	if v, err := redisVersion(ctx, socket); err == nil {
		r.Kind += " " + v
	}
	o.Log.Info("Redis runs as a child process", "kind", r.Kind, "socket", socket)
	return r, nil
}

// redisArgs: no port, a socket for this user only, an append-only file synced
// every second (killed, it loses at most that), and nothing is ever evicted.
func redisArgs(dir, socket string) []string {
	return []string{
		"--port", "0", "--unixsocket", socket, "--unixsocketperm", "700",
		"--dir", dir, "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
		"--daemonize", "no", "--maxmemory-policy", "noeviction", "--loglevel", "notice", "--logfile", "",
	}
}

// maxSocket is what a path to a socket may have on every Unix (104 on BSD, with
// the final zero).
const maxSocket = 100

// socketPath is where the socket lies: in dir, or, if that path is too long for
// a socket, in a folder of the temporary one that only this user can enter and
// whose name follows from dir.
func socketPath(dir string) (string, error) {
	if p := filepath.Join(dir, "redis.sock"); len(p) <= maxSocket {
		return p, nil
	}
	sum := sha256.Sum256([]byte(dir))
	tmp := filepath.Join(os.TempDir(), fmt.Sprintf("trawlmark-%d-%x", os.Getuid(), sum[:6]))
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return "", fmt.Errorf("make a folder for the socket of Redis: %w", err)
	}
	if err := os.Chmod(tmp, 0o700); err != nil { // fails when it is somebody else's
		return "", fmt.Errorf("the folder for the socket of Redis is not ours: %w", err)
	}
	p := filepath.Join(tmp, "redis.sock")
	if len(p) > maxSocket {
		return "", fmt.Errorf("%s is too long a path for the socket of Redis: choose a shorter data folder", p)
	}
	return p, nil
}

// endLeftover ends a server that an earlier run left behind. The lock on the
// folder is ours, so nobody else is using it.
func endLeftover(ctx context.Context, socket string, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	for told := false; listens(ctx, socket); told = true {
		if !told {
			log.Warn("a Redis of an earlier run is still there and is ended", "socket", socket)
		}
		if err := shutdown(ctx, socket); err != nil && ctx.Err() != nil {
			return fmt.Errorf("the Redis of an earlier run at %s does not end: stop it by hand: %w", socket, err)
		}
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the socket of an earlier run: %w", err)
	}
	return nil
}

// talk sends one inline command and gives the first line of the answer.
func talk(ctx context.Context, socket, command string) (string, *bufio.Reader, func(), error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return "", nil, nil, err
	}
	done := func() { conn.Close() }
	deadline := time.Now().Add(2 * time.Second)
	if t, ok := ctx.Deadline(); ok && t.Before(deadline) {
		deadline = t
	}
	conn.SetDeadline(deadline)
	if _, err := conn.Write([]byte(command + "\r\n")); err != nil {
		done()
		return "", nil, nil, err
	}
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err != nil {
		done()
		return "", nil, nil, err
	}
	return strings.TrimSpace(line), r, done, nil
}

func ping(ctx context.Context, socket string) error {
	line, _, done, err := talk(ctx, socket, "PING")
	if err != nil {
		return err
	}
	defer done()
	if line != "+PONG" {
		return fmt.Errorf("it answers %q", line) // -LOADING while it reads its file
	}
	return nil
}

// listens reports whether a server answers anything at all, be it that it is
// still reading its file.
func listens(ctx context.Context, socket string) bool {
	_, _, done, err := talk(ctx, socket, "PING")
	if err == nil {
		done()
	}
	return err == nil
}

// shutdown asks a server to end; it closes the connection when it does.
func shutdown(ctx context.Context, socket string) error {
	line, _, done, err := talk(ctx, socket, "SHUTDOWN NOSAVE")
	if err != nil {
		return nil // the connection ended, as it should
	}
	defer done()
	return fmt.Errorf("it answers %q", line)
}

func redisVersion(ctx context.Context, socket string) (string, error) {
	_, r, done, err := talk(ctx, socket, "INFO server")
	if err != nil {
		return "", err
	}
	defer done()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if v, ok := strings.CutPrefix(line, "redis_version:"); ok {
			return strings.TrimSpace(v), nil
		}
	}
}
