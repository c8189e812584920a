package embedded

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// role is what this binary is when it is not the test: the S3 server, or a
// parent of both parts that can be killed.
const role = "TRAWLMARK_EMBEDDED_TEST"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "s3":
		if err := ServeS3(context.Background(), nil); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "parent":
		parent(os.Args[1])
	case "dies":
		fmt.Fprintln(os.Stderr, "first line\nit cannot live")
		os.Exit(7)
	}
}

// patience is how long what must happen is waited for, on a machine that is busy
// with other things.
const patience = 2 * time.Minute

// needs skips when a program is missing, and fails where all must be there.
func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is needed and not on the PATH", program)
	}
	t.Skipf("%s is not on the PATH", program)
}

func s3Options(t testing.TB, dir string) S3Options {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return S3Options{Exe: exe, Env: []string{role + "=s3"}, DataDir: dir, AccessKey: "access", SecretKey: "secret-key"}
}

// family is what a parent tells.
type family struct {
	Endpoint, Socket string
	S3, Redis        int // process ids
}

// parent runs both parts, tells, and waits to be killed.
func parent(dir string) {
	ctx := context.Background()
	s, err := StartS3(ctx, s3Options(nil, filepath.Join(dir, "s3")))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	f := family{Endpoint: s.Endpoint, S3: s.pid()}
	if r, err := StartRedis(ctx, RedisOptions{Dir: filepath.Join(dir, "redis")}); err == nil {
		f.Socket = r.Addr
		f.Redis = pidOfRedis(r.Addr)
	}
	json.NewEncoder(os.Stdout).Encode(f)
	select {}
}

func pidOfRedis(socket string) int {
	_, r, done, err := talk(context.Background(), socket, "INFO server")
	if err != nil {
		return 0
	}
	defer done()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return 0
		}
		if v, ok := strings.CutPrefix(line, "process_id:"); ok {
			pid, _ := strconv.Atoi(strings.TrimSpace(v))
			return pid
		}
	}
}

// startParent runs a parent; kill ends it as the kernel would when memory ends.
func startParent(t *testing.T, dir string) (f family, kill func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, dir)
	cmd.Env = append(os.Environ(), role+"=parent")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() { cmd.Process.Kill(); cmd.Wait() })
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &f)
	}
	if err != nil {
		kill()
		t.Fatalf("the parent: %v\n%s", err, stderr.Bytes())
	}
	return f, kill
}

// alive reports whether a process is there; a zombie is not, it only waits to
// be counted.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// gone waits until a process is no more.
func gone(t *testing.T, what string, pid int) {
	t.Helper()
	if pid == 0 {
		t.Fatalf("%s: no process id", what)
	}
	for end := time.Now().Add(patience); alive(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s, process %d, is an orphan", what, pid)
		}
	}
}

// logged collects what is logged.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
